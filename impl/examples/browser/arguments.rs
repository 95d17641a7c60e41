//! The command line.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};

pub(crate) const HELP: &str = "\
A page that connects a browser to a server, closes the server, and shows who hears the goodbye.

  cargo run --release --example browser -- [OPTION VALUE]... [--until-eof]

  --port PORT          of the page, 0: any that is free (default 8080)
  --ip ADDRESS         where the page and the server listen (default 127.0.0.1)
  --announced ADDRESS  where browsers find the server, if not there: for --ip 0.0.0.0 or ::
  --tcp-ports COUNT    how many TCP listeners the server has (default 1)
  --mutant MUTANT      the server has this mistake, as K01 or CarriersFirst (needs --features testing)
  --until-eof          the end of the standard input ends it as well as Enter does
  --help               this
";

/// What the command line says.
pub(crate) struct Arguments {
    pub(crate) port: u16,
    pub(crate) ip: IpAddr,
    pub(crate) announced: Option<String>,
    pub(crate) tcp_ports: usize,
    pub(crate) until_eof: bool,
    #[cfg(feature = "testing")]
    pub(crate) mutant: Option<webrtc_server::lifecycle::Mutant>,
}

impl Arguments {
    pub(crate) fn parse(words: Vec<String>) -> Result<Self, Box<dyn Error>> {
        let mut found = Arguments {
            port: 8080,
            ip: Ipv4Addr::LOCALHOST.into(),
            announced: None,
            tcp_ports: 1,
            until_eof: false,
            #[cfg(feature = "testing")]
            mutant: None,
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--until-eof" {
                found.until_eof = true;
                continue;
            }
            let value = words.next();
            let value = value.ok_or_else(|| format!("what is {word}? --help tells"))?;
            let set = found.set(&word, &value);
            set.map_err(|error| format!("{word} {value}: {error}; --help tells"))?;
        }
        if found.ip.is_unspecified() && found.announced.is_none() {
            return Err(
                format!("--ip {} needs --announced: no browser finds that", found.ip).into()
            );
        }
        Ok(found)
    }

    fn set(&mut self, word: &str, value: &str) -> Result<(), Box<dyn Error>> {
        match word {
            "--port" => self.port = value.parse()?,
            "--ip" => self.ip = value.parse()?,
            "--announced" => self.announced = Some(value.to_owned()),
            "--tcp-ports" => self.tcp_ports = value.parse()?,
            #[cfg(feature = "testing")]
            "--mutant" => self.mutant = Some(value.parse()?),
            _ => return Err("no such option".into()),
        }
        Ok(())
    }
}
