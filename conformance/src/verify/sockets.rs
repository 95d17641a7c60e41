//! The replay of the model's edges, on real sockets with real OpenSSL.

use super::children::{Program, in_a_child};
use super::rungs::timed;
use super::{Check, Options, Row};
use crate::replay::{self, ReplayError, Suite};
use webrtc_server_model::{Config, Graph, Preset};

/// Every edge of these is replayed: they have one transport, and no more edges than can be walked in some seconds. The
/// others with one transport have 61,202 (kernel-twice) to 503,711 (twice), a third of which need a trace each.
const EVERY_EDGE: [&str; 4] = ["small", "kernel", "eviction", "restart"];

/// Of these only every class is replayed by day, and not every combination of classes on the edges that synchronise:
/// that is 177,000 steps instead of 88,000.
const CLASSES_ONLY: [&str; 7] =
    ["takeover", "connections", "shared", "shared-kernel", "twice", "handshake", "carriers"];

/// What is replayed of one configuration.
pub(super) struct Part {
    /// What the report calls it.
    of: String,
    every_edge: bool,
    is_share: bool,
    suite: Result<Suite, ReplayError>,
}

impl Part {
    /// The cover of a graph, or the share of it that was asked for.
    pub(super) fn new(graph: &Graph, options: &Options) -> Self {
        let config = graph.config();
        let is_alone = config.transports.len() == 1;
        let every_edge = EVERY_EDGE.contains(&config.name) || (options.every_edge && is_alone);
        let classes_only = CLASSES_ONLY.contains(&config.name) && !options.every_edge;
        let (cover, suite) = match (every_edge, classes_only) {
            (true, _) => ("every edge", Suite::edges(graph)),
            (false, false) => ("every combination", Suite::combinations(graph)),
            (false, true) => ("every class", Suite::classes(graph)),
        };
        let of = format!("{}, {cover}", config.name);
        let (of, suite) = match options.shard {
            Some(shard) => (format!("{of}, share {shard}"), suite.and_then(|p| p.share(shard))),
            None => (of, suite),
        };
        let suite =
            options.mutant.into_iter().fold(suite, |suite, m| suite.map(|p| p.with_mutant(m)));
        let is_share = options.shard.is_some();
        Part { of, every_edge, is_share, suite }
    }

    pub(super) fn traces(&self) -> usize {
        self.suite.as_ref().map_or(0, Suite::len)
    }

    pub(super) fn steps(&self) -> usize {
        self.suite.as_ref().map_or(0, Suite::steps)
    }

    /// Performs it in a process of its own.
    pub(super) fn replay(&self, program: &Program, at: &mut dyn FnMut(usize)) -> Row {
        timed(Check::Replay, &self.of, || match &self.suite {
            // More shares than traces.
            Ok(suite) if suite.is_empty() && self.is_share => {
                let why = format!("{}: no trace is dealt to this share", self.of);
                Row { skipped: Some(why), ..Row::default() }
            }
            Ok(suite) => self.row(suite, program, at),
            Err(error) => super::rungs::failed(error),
        })
    }

    fn row(&self, suite: &Suite, program: &Program, at: &mut dyn FnMut(usize)) -> Row {
        let performed = in_a_child(program, suite, at);
        let (classes, edges) = suite.totals();
        let mut failures = performed.failures;
        let missed = performed.traces != suite.len()
            || performed.classes != classes
            || (self.every_edge && performed.edges != edges);
        if failures.is_empty() && missed {
            failures.push(format!(
                "{} of {} traces, {} of {classes} classes, {} of {edges} edges were replayed",
                performed.traces,
                suite.len(),
                performed.classes,
                performed.edges,
            ));
        }
        if failures.is_empty() && performed.probes == 0 && !self.is_share {
            failures.push("nothing was tried that must change nothing".to_owned());
        }
        Row {
            transitions: performed.edges,
            classes: performed.classes,
            classes_total: classes,
            traces: performed.traces,
            steps: performed.steps,
            handshakes: performed.handshakes,
            probes: performed.probes,
            compared: performed.comparisons,
            things: "states, effects, alarms, packets, callbacks",
            failures,
            ..Row::default()
        }
    }

    /// How many classes the whole cover has. None: nobody replays it here, or a share of it only.
    pub(super) fn classes(&self, options: &Options) -> Option<usize> {
        let suite = self.suite.as_ref().ok().filter(|_| options.shard.is_none());
        suite.map(|suite| suite.totals().0)
    }
}

/// The configurations of the model that are not replayed here.
pub(super) fn left_out(graphs: &[Graph]) -> Vec<Row> {
    let mut configs = Preset::nightly().configs;
    configs.retain(|config| graphs.iter().all(|graph| graph.config() != config));
    let row = |config: Config| {
        let why = match replay::check_support(&config) {
            Ok(()) => format!("{} is a configuration for every night", config.name),
            Err(error) => error.to_string(),
        };
        let of = config.name.to_owned();
        Row { check: Check::Replay, of, skipped: Some(why), ..Row::default() }
    };
    configs.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Shard;
    use webrtc_server_model::Role;

    fn options(shard: Option<Shard>) -> Options {
        let child = Program { path: "/nowhere/at/all".into(), arguments: Vec::new() };
        Options { child, shard, config: None, mutant: None, every_edge: false }
    }

    /// What is said of a part whose process says that all was done, with so many probes.
    fn failures(part: &Part, probes: usize) -> Vec<String> {
        let (classes, edges) = part.suite.as_ref().unwrap().totals();
        let (traces, steps) = (part.traces(), part.steps());
        let done = format!(
            r#"{{"done":{{"traces":{traces},"steps":{steps},"handshakes":1,"comparisons":9,"probes":{probes},"classes":{classes},"edges":{edges},"failures":[]}}}}"#
        );
        let arguments = vec!["-c".into(), format!("cat > /dev/null; echo '{done}'").into()];
        part.replay(&Program { path: "/bin/sh".into(), arguments }, &mut |_| {}).failures
    }

    #[test]
    fn a_configuration_in_which_nothing_is_probed_has_failed() {
        let graph = Graph::explore(&Config::small());
        let whole = Part::new(&graph, &options(None));
        assert_eq!(failures(&whole, 1), Vec::<String>::new());
        assert!(failures(&whole, 0)[0].contains("nothing was tried"));
        let share = Part::new(&graph, &options(Some(Shard::new(1, 2).unwrap())));
        assert_eq!(failures(&share, 0), Vec::<String>::new());
    }

    #[test]
    fn a_configuration_that_is_not_replayed_has_failed() {
        let mut config = Config::handshake();
        config.transports[0].role = Role::Server;
        let part = Part::new(&Graph::explore(&config), &options(None));
        let row = part.replay(&options(None).child, &mut |_| {});
        assert!(row.has_failed() && row.failures[0].contains("handshake is not replayed"));
    }

    #[test]
    fn only_a_share_may_have_no_traces() {
        let part = |is_share| {
            let suite = Suite::traces(&Config::small(), Vec::new());
            Part { of: "small".to_owned(), every_edge: false, is_share, suite }
        };
        let row = |is_share| part(is_share).replay(&options(None).child, &mut |_| {});
        assert!(!row(true).has_failed());
        assert!(row(false).has_failed());
    }
}
