//! Every mutant of the real core, planted alone: where lockstep finds it.

use super::run::{Error, run_until};
use crate::divergence::Divergence;
use std::fmt;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::Graph;

/// What became of one mutant.
#[derive(Clone, Debug)]
pub struct MutantReport {
    /// The mutant.
    pub mutant: Mutant,
    /// Where it showed; none if it did not.
    pub detection: Option<Detection>,
}

/// Where a mutant showed.
#[derive(Clone, Debug)]
pub struct Detection {
    /// In the smallest configuration that shows it.
    pub config: &'static str,
    /// With the shortest trace that does.
    pub divergence: Divergence,
}

impl Detection {
    /// How many actions it takes.
    pub fn length(&self) -> usize {
        self.divergence.way().len()
    }
}

/// Looks for a mutant in these graphs, the smaller ones first, until it shows.
///
/// # Errors
///
/// When a graph has no edges, and when the core cannot have the mutant.
pub fn detect(graphs: &[Graph], mutant: Mutant) -> Result<MutantReport, Error> {
    let mut graphs: Vec<_> = graphs.iter().collect();
    graphs.sort_by_key(|graph| graph.edges().len());
    for graph in graphs {
        let lockstep = run_until(graph, Some(mutant), 1, &mut |_, _| {})?;
        if let Some(divergence) = lockstep.divergences.into_iter().next() {
            let detection = Some(Detection { config: graph.config().name, divergence });
            return Ok(MutantReport { mutant, detection });
        }
    }
    Ok(MutantReport { mutant, detection: None })
}

impl fmt::Display for MutantReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MutantReport { mutant, detection } = self;
        match detection {
            Some(detection) => {
                let last = detection.divergence.action;
                let last = last.map_or("at the start".to_owned(), |action| format!("{action:?}"));
                let (id, what) = (mutant.id(), &detection.divergence.findings[0].what);
                write!(
                    f,
                    "{mutant:?} {id} {} {} {last}: {what}",
                    detection.config,
                    detection.length()
                )
            }
            None => write!(f, "{mutant:?} {} survives", mutant.id()),
        }
    }
}
