//! Every known mistake of the real core, planted alone: where lockstep finds it.

use super::report::Divergence;
use super::run::{Error, run_until};
use std::fmt;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::Graph;

/// What became of one mistake.
#[derive(Clone, Debug)]
pub struct Kill {
    /// The mistake.
    pub mutant: Mutant,
    /// Where it showed; none if it did not.
    pub found: Option<Found>,
}

/// Where a mistake showed.
#[derive(Clone, Debug)]
pub struct Found {
    /// In the smallest configuration that shows it.
    pub config: &'static str,
    /// With the shortest trace that does.
    pub divergence: Divergence,
}

impl Found {
    /// How many actions it takes.
    pub fn length(&self) -> usize {
        self.divergence.trace.len() + usize::from(self.divergence.action.is_some())
    }
}

/// Looks for a mistake in these graphs, the smaller ones first, until it shows.
///
/// # Errors
///
/// When a graph has no edges.
pub fn kill(graphs: &[Graph], mutant: Mutant) -> Result<Kill, Error> {
    let mut graphs: Vec<_> = graphs.iter().collect();
    graphs.sort_by_key(|graph| graph.edges().len());
    for graph in graphs {
        let lockstep = run_until(graph, Some(mutant), 1, &mut |_, _| {})?;
        if let Some(divergence) = lockstep.divergences.into_iter().next() {
            let found = Some(Found { config: graph.config().name, divergence });
            return Ok(Kill { mutant, found });
        }
    }
    Ok(Kill { mutant, found: None })
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kill { mutant, found } = self;
        match found {
            Some(found) => {
                let last = found.divergence.action;
                let last = last.map_or("at the start".to_owned(), |action| format!("{action:?}"));
                let (id, what) = (mutant.id(), &found.divergence.what);
                write!(f, "{mutant:?} {id} {} {} {last}: {what}", found.config, found.length())
            }
            None => write!(f, "{mutant:?} {} survives", mutant.id()),
        }
    }
}
