//! `cargo explore [configuration]`: stateright's Explorer on the model.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};

use clap::Parser;
use stateright::Model;
use webrtc_server_model::{Config, LifecycleModel, Mutant, Preset};

/// Serves stateright's Explorer: choose one action after the other, see what each changes and what
/// the server does, and jump to the states that show a property.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to explore, for example small, kernel, owner or pair
    #[arg(default_value = "small", value_parser = config)]
    config: Config,
    /// Where to serve it
    #[arg(long, default_value = "127.0.0.1:3000")]
    address: SocketAddr,
    /// Plant a mutant, for example CarriersFirst
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
}

fn config(name: &str) -> Result<Config, String> {
    let names = || Preset::nightly().configs.into_iter().map(|config| config.name);
    Config::named(name)
        .ok_or_else(|| format!("there are: {}", names().collect::<Vec<_>>().join(", ")))
}

fn mutant(name: &str) -> Result<Mutant, serde_json::Error> {
    serde_json::from_value(name.into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { config, address, mutant } = Arguments::parse();
    // The Explorer would panic on an address that it cannot have.
    let address = TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("{address}: {error}"))?;
    println!("http://{address}");
    LifecycleModel(Config { mutant, ..config }).checker().serve(address);
    Ok(())
}
