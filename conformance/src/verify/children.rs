//! Replay in processes of its own, so that each can count its descriptors, and all processors work.
//!
//! A child reads what it is to perform from its standard input, and answers in lines of JSON: how far it is, and at
//! last what came of it. One whose parent is gone ends with its next line, since nobody reads it.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Action, Config};

use crate::replay::{Descriptors, ReplayError, Suite, Target, again, replay};

/// A child that says nothing for so long hangs: each trace takes milliseconds, and the longest wait in one is 20 s.
const SILENCE_MAX: Duration = Duration::from_secs(180);

/// The status of a child that ends because its parent is gone.
const ORPHANED: i32 = 3;

/// What a child is to perform.
#[derive(Serialize, Deserialize)]
struct Task {
    config: String,
    /// The id of a known mistake that the server is to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mutant: Option<String>,
    traces: Vec<Vec<Action>>,
}

/// What a child says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Word {
    /// So many traces are done, and the next one is under way.
    At(usize),
    /// All of it is.
    Done(Performed),
}

/// What came of the traces of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Performed {
    pub(super) traces: usize,
    pub(super) steps: usize,
    pub(super) handshakes: usize,
    pub(super) comparisons: usize,
    pub(super) probes: usize,
    pub(super) classes: usize,
    pub(super) edges: usize,
    pub(super) failures: Vec<String>,
}

/// Performs a task in this process: the other end of `in_a_child`. Nothing else may run in it.
///
/// # Errors
///
/// What the system says of the two streams; what is read is no task.
pub fn perform(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut text = String::new();
    input.read_to_string(&mut text)?;
    drop(input);
    let task: Task = serde_json::from_str(&text)?;
    let performed = performed(task, &mut |done| {
        if say(&mut output, &Word::At(done)).is_err() {
            // Nobody is there who would hear how it ends.
            std::process::exit(ORPHANED);
        }
    });
    say(&mut output, &Word::Done(performed))
}

fn say(output: &mut impl Write, word: &Word) -> io::Result<()> {
    let line = serde_json::to_string(word)?;
    writeln!(output, "{line}")?;
    output.flush()
}

fn performed(task: Task, at: &mut dyn FnMut(usize)) -> Performed {
    let Some(config) = Config::named(&task.config) else {
        return failed(format!("no configuration is called {:?}", task.config));
    };
    let mutant = match task.mutant.as_deref().map(str::parse::<Mutant>).transpose() {
        Ok(mutant) => mutant,
        Err(unknown) => return failed(unknown.to_string()),
    };
    let suite = Suite::traces(&config, task.traces);
    let suite = mutant.into_iter().fold(suite, |suite, m| suite.map(|suite| suite.with_mutant(m)));
    let suite = suite.map(|suite| suite.with_descriptors(Descriptors::Counted));
    let run = match suite.and_then(|suite| replay(&suite, &mut |done, _| at(done))) {
        Ok(run) => run,
        Err(error) => return failed(in_words(&config, mutant, &error)),
    };
    let divergences = run.divergences.iter().map(|divergence| {
        format!("{divergence}  {}", again(Target::Stack, &config, &divergence.way(), mutant))
    });
    let harness = run.harness.iter().map(|error| in_words(&config, mutant, error));
    let failures = divergences.chain(harness);
    Performed {
        traces: run.traces,
        steps: run.steps,
        handshakes: run.handshakes,
        comparisons: run.comparisons,
        probes: run.probes,
        classes: run.classes_covered,
        edges: run.edges_covered,
        failures: failures.collect(),
    }
}

fn in_words(config: &Config, mutant: Option<Mutant>, error: &ReplayError) -> String {
    match error {
        ReplayError::Harness { trace, .. } => {
            format!("{error}\n  {}", again(Target::Stack, config, trace, mutant))
        }
        ReplayError::NothingToCompare
        | ReplayError::Unsupported { .. }
        | ReplayError::NotATrace { .. } => error.to_string(),
    }
}

fn failed(failure: String) -> Performed {
    Performed { failures: vec![failure], ..Performed::default() }
}

/// A program whose standard input and output are those of [`perform`].
#[derive(Clone, Debug)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// A process that is ended and waited for when nobody needs it any more.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Performs the traces of a suite in a process of its own. `at` is told how many are done. Whatever goes wrong with the
/// process is a failure.
pub(super) fn in_a_child(program: &Program, suite: &Suite, at: &mut dyn FnMut(usize)) -> Performed {
    in_time(program, suite, at, SILENCE_MAX).unwrap_or_else(failed)
}

fn in_time(
    program: &Program,
    suite: &Suite,
    at: &mut dyn FnMut(usize),
    silence_max: Duration,
) -> Result<Performed, String> {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let name = Path::new(&program.path).display();
    let child = command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
    let mut child = Ended(child);
    let task = Task {
        config: suite.config().name.to_owned(),
        mutant: suite.mutant().map(|mutant| mutant.id().to_owned()),
        traces: suite.as_traces().to_vec(),
    };
    let text = serde_json::to_string(&task).map_err(|error| error.to_string())?;
    // Both ends are closed when they are dropped. A child that does not take all of it has ended, which shows below.
    let input = child.0.stdin.take();
    let writer = thread::spawn(move || input.map(|mut input| input.write_all(text.as_bytes())));
    let words = words(&mut child.0);
    let mut begun = 0;
    let done = loop {
        match words.recv_timeout(silence_max) {
            Ok(Ok(Word::At(done))) => {
                begun = done;
                at(done);
            }
            Ok(Ok(Word::Done(performed))) => break Some(performed),
            Ok(Err(what)) => {
                return Err(format!("the process says what nobody understands: {what}"));
            }
            Err(RecvTimeoutError::Timeout) => {
                let what = format!("the process hangs: it said nothing for {silence_max:?}");
                return Err(format!("{what}{}", under_way(suite, begun)));
            }
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    let status = child.0.wait().map_err(|error| error.to_string())?;
    drop(writer.join());
    match done {
        Some(performed) if status.success() => Ok(performed),
        Some(_) => Err(format!("the process failed after its work: {status}")),
        None => {
            let what = format!("the process ended without a result: {status}");
            Err(format!("{what}{}", under_way(suite, begun)))
        }
    }
}

/// The trace that a child had begun, and how to see it; nothing if it was through with all.
fn under_way(suite: &Suite, begun: usize) -> String {
    let trace = suite.as_traces().get(begun);
    trace.map_or_else(String::new, |trace| {
        let again = again(Target::Stack, suite.config(), trace, suite.mutant());
        format!(", in trace {} of {}\n  {again}", begun + 1, suite.len())
    })
}

/// What a child says, until it has ended.
fn words(child: &mut Child) -> Receiver<Result<Word, String>> {
    let (sender, words) = channel();
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let word = serde_json::from_str(&line).map_err(|_| line);
                if sender.send(word).is_err() {
                    break;
                }
            }
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        let arguments = vec!["-c".into(), script.into()];
        Program { path: "/bin/sh".into(), arguments }
    }

    fn suite() -> Suite {
        let config = Config::small();
        let trace = vec![Action::OwnerClosesServer { caller: webrtc_server_model::CallerId(0) }];
        Suite::traces(&config, vec![trace]).unwrap()
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    fn failure(script: &str) -> String {
        in_time(&shell(script), &suite(), &mut |_| {}, PATIENCE).unwrap_err()
    }

    #[test]
    fn a_process_that_does_not_do_its_work_is_a_failure_with_a_name() {
        assert!(failure("exit 3").contains("without a result: exit status: 3"));
        assert!(failure("kill -SEGV $$").contains("signal"));
        let crash = failure("cat > /dev/null; echo '{\"at\":0}'; kill -SEGV $$");
        assert!(crash.contains(", in trace 1 of 1\n  again: cargo replay "), "{crash}");
        let crash = failure("cat > /dev/null; echo '{\"at\":1}'; kill -SEGV $$");
        assert!(!crash.contains("in trace"), "{crash}");
        assert!(failure("cat > /dev/null; echo hello").contains("nobody understands: hello"));
        let soon = Duration::from_millis(1);
        let hangs = in_time(&shell("exec sleep 1000"), &suite(), &mut |_| {}, soon);
        assert!(hangs.unwrap_err().contains("hangs"));
        let done = r#"cat >/dev/null; echo '{"done":{"traces":1,"steps":1,"handshakes":0,"comparisons":9,"probes":2,"classes":1,"edges":1,"failures":[]}}'"#;
        assert!(failure(&format!("{done}; exit 1")).contains("after its work"));
        let performed = in_time(&shell(done), &suite(), &mut |_| {}, PATIENCE);
        assert_eq!(performed.unwrap().comparisons, 9);
        let program = Program { path: "/nowhere/at/all".into(), arguments: Vec::new() };
        let nowhere = in_a_child(&program, &suite(), &mut |_| {});
        assert!(nowhere.failures[0].contains("/nowhere/at/all does not start"));
    }
}
