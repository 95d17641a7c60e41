//! The golden traces on the real stack and on the real core. Nothing here starts a process: until it has replaced
//! itself that would hold every socket of this one, and a port that was released would still be taken.

use std::path::Path;

use webrtc_server_conformance::lockstep::walk;
use webrtc_server_conformance::replay::{Suite, Target, TraceFile, read_traces, replay};

fn golden(target: Target) -> Vec<TraceFile> {
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/traces");
    let files = read_traces(target, &[stories]).expect("golden traces");
    assert!(files.len() > 20, "only {} stories were found", files.len());
    files
}

#[test]
fn every_golden_trace_happens_on_real_sockets() {
    for TraceFile { path, trace, config } in golden(Target::Stack) {
        let suite = Suite::traces(&config, vec![trace.actions]).expect("a trace of the model");
        let replay = replay(&suite, &mut |_, _| {}).expect("a stage");
        assert!(replay.is_complete(), "{}: {replay}", path.display());
    }
}

#[test]
fn every_golden_trace_happens_on_the_real_core() {
    for TraceFile { path, trace, config } in golden(Target::Core) {
        let walked = walk(&config, &trace.actions, None, &mut |_| {}).expect("something happens");
        assert!(walked.divergences.is_empty(), "{}: {walked}", path.display());
        assert_eq!(walked.edges, trace.actions.len());
    }
}
