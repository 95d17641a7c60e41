//! The replay of the model's edges, on real sockets with real OpenSSL.

use super::children::{Program, in_a_child};
use super::rungs::timed;
use super::{Options, Row};
use crate::replay::{self, Plan, ReplayError};
use webrtc_server_model::{Config, Graph, Preset};

/// Every edge of these is replayed: they have one transport, and no more edges than can be walked in some seconds. The
/// others with one transport have 61,202 (kernel-twice) to 503,711 (twice), a third of which need a trace each.
const EVERY_EDGE: [&str; 4] = ["small", "kernel", "eviction", "restart"];

/// What is replayed of one configuration.
pub(super) struct Part {
    /// What the report calls it.
    of: String,
    every_edge: bool,
    plan: Result<Plan, ReplayError>,
}

impl Part {
    /// The cover of a graph, or the share of it that was asked for.
    pub(super) fn new(graph: &Graph, options: &Options) -> Self {
        let config = graph.config();
        let is_alone = config.transports.len() == 1;
        let every_edge = EVERY_EDGE.contains(&config.name) || (options.every_edge && is_alone);
        let (cover, plan) = match every_edge {
            true => ("every edge", Plan::edges(graph)),
            false => ("every class", Plan::classes(graph)),
        };
        let of = format!("{}, {cover}", config.name);
        let (of, plan) = match options.shard {
            Some(shard) => (format!("{of}, share {shard}"), plan.and_then(|p| p.share(shard))),
            None => (of, plan),
        };
        Part { of, every_edge, plan }
    }

    pub(super) fn traces(&self) -> usize {
        self.plan.as_ref().map_or(0, Plan::len)
    }

    pub(super) fn steps(&self) -> usize {
        self.plan.as_ref().map_or(0, Plan::steps)
    }

    /// Performs it in a process of its own.
    pub(super) fn replay(&self, program: &Program, at: &mut dyn FnMut(usize)) -> Row {
        timed("replay", &self.of, || match &self.plan {
            // More shares than traces.
            Ok(plan) if plan.is_empty() => {
                let why = format!("{}: no trace is dealt to this share", self.of);
                Row { skipped: Some(why), ..Row::default() }
            }
            Ok(plan) => self.row(plan, program, at),
            Err(error @ ReplayError::Unsupported { .. }) => {
                Row { skipped: Some(error.to_string()), ..Row::default() }
            }
            Err(error) => super::rungs::failed(error),
        })
    }

    fn row(&self, plan: &Plan, program: &Program, at: &mut dyn FnMut(usize)) -> Row {
        let performed = in_a_child(program, plan, at);
        let (classes, edges) = plan.totals();
        let mut failures = performed.failures;
        let missed = performed.traces != plan.len()
            || performed.classes != classes
            || (self.every_edge && performed.edges != edges);
        if failures.is_empty() && missed {
            failures.push(format!(
                "{} of {} traces, {} of {classes} classes, {} of {edges} edges were replayed",
                performed.traces,
                plan.len(),
                performed.classes,
                performed.edges,
            ));
        }
        Row {
            transitions: performed.edges,
            classes: performed.classes,
            classes_total: classes,
            traces: performed.traces,
            steps: performed.steps,
            handshakes: performed.handshakes,
            compared: performed.comparisons,
            things: "states, effects, alarms, packets, callbacks",
            failures,
            ..Row::default()
        }
    }

    /// How many classes the whole cover has. None: nobody replays it here, or a share of it only.
    pub(super) fn classes(&self, options: &Options) -> Option<usize> {
        let plan = self.plan.as_ref().ok().filter(|_| options.shard.is_none());
        plan.map(|plan| plan.totals().0)
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
        Row { check: "replay", of, skipped: Some(why), ..Row::default() }
    };
    configs.into_iter().map(row).collect()
}
