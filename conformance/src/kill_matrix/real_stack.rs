//! Where a mutant shows on real sockets and real OpenSSL.

use std::fmt;
use std::time::Instant;
use thiserror::Error;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{
    Action, AddressId, CallerId, Config, ConnectionId, Graph, StunCheck, TransportId, Tuple,
    WorkerId,
};

use super::directed;
use crate::lockstep::{Detection, MutantReport};
use crate::replay::{Replay, ReplayError, Suite, replay};
use crate::verify::{Caught, Check, Progress, Row};

/// Mutants that lockstep sees in an input that comes too late, for which the model has no action in so small a
/// configuration: replay needs one that has.
const ELSEWHERE: [(Mutant, &str); 1] = [(Mutant::RegistrationLeft, "owner")];

/// How a mutant of the shell is looked for.
enum Search {
    /// In every class of the configuration of this name, until something differs.
    Classes(&'static str),
    /// On this way.
    Trace(fn() -> (Config, Vec<Action>)),
    /// With a check of its own, because no trace of the model leads there.
    Directed(&'static str, fn(Option<Mutant>) -> Result<(), String>),
}

/// Where a mutant showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In a replay: the configuration, after how many actions, and in what model and stack disagreed.
    Replay(&'static str, usize, String),
    /// In a check of its own: its name, and what it says.
    Directed(&'static str, String),
}

impl Shown {
    fn of(&self, mutant: Mutant) -> Caught {
        let (config, length) = match self {
            Shown::Replay(config, length, _) => (Some(*config), Some(*length)),
            Shown::Directed(..) => (None, None),
        };
        Caught { id: mutant.id(), name: format!("{mutant:?}"), config, length }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Replay(config, length, what) => write!(f, "{config} {length}: {what}"),
            Shown::Directed(check, what) => write!(f, "directed, `{check}`: {what}"),
        }
    }
}

/// Why nobody can say whether a mutant shows.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The replay came to no result.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// What would give the mutant away shows without it as well.
    #[error("the right server shows it as well: {0}")]
    Control(String),
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are of the lifecycle")]
fn search(mutant: Mutant) -> Option<Search> {
    Some(match mutant {
        Mutant::FramesAfterEnd
        | Mutant::OwnerKept
        | Mutant::RestForgotten
        | Mutant::ErrorEndsListener
        | Mutant::ListenerWatched
        | Mutant::TokenKept
        | Mutant::SocketKept
        | Mutant::AlarmKept => Search::Classes("kernel"),
        Mutant::TryAgainDrops => Search::Classes("small"),
        Mutant::QueueInherited => Search::Classes("kernel-twice"),
        Mutant::KeyWithoutSocket => Search::Classes("carriers"),
        Mutant::TokenReused => Search::Classes("reuse"),
        Mutant::SessionKept => Search::Classes("handshake"),
        Mutant::ErrorQueueLeft => Search::Trace(closed_in_its_handshake),
        Mutant::NeverGivesUp => Search::Trace(never_read),
        Mutant::ClosesUnread => Search::Trace(closed_over_unread_input),
        Mutant::FingerprintIgnored => Search::Directed(
            "dtl_08_a_wrong_fingerprint_ends_the_handshake",
            directed::dtl_08_a_wrong_fingerprint_ends_the_handshake,
        ),
        Mutant::TimerAtZero => Search::Directed(
            "dtl_14_no_timer_goes_off_before_its_time",
            directed::dtl_14_no_timer_goes_off_before_its_time,
        ),
        Mutant::KeyWithoutProtocol => Search::Directed(
            "tcp_08_a_connection_is_no_tuple_of_the_same_address",
            directed::tcp_08_a_connection_is_no_tuple_of_the_same_address,
        ),
        Mutant::RestUnread => Search::Directed(
            "res_14_what_one_delivery_leaves_is_read_in_the_next",
            directed::res_14_what_one_delivery_leaves_is_read_in_the_next,
        ),
        Mutant::ReadIsFrame => Search::Directed(
            "tcp_03_segments_do_not_matter",
            directed::tcp_03_segments_do_not_matter,
        ),
        _ => return None,
    })
}

/// One transport ends in its handshake while another one is connected, whose old datagrams come again at the end.
fn closed_in_its_handshake() -> (Config, Vec<Action>) {
    let (t, innocent) = (TransportId(0), TransportId(1));
    let check = |t, address| {
        let (from, check) = (Tuple::Udp(AddressId(address)), StunCheck::Plain);
        Action::PeerChecks { t, from, check }
    };
    let trace = vec![
        check(innocent, 1),
        Action::PeerHandshakes { t: innocent },
        check(t, 0),
        Action::PeerSendsFlight { t },
        Action::OwnerClosesTransport { t },
    ];
    (Config::handshake(), trace)
}

/// The peer has sent what the server has not read when it closes.
fn closed_over_unread_input() -> (Config, Vec<Action>) {
    let (t, c) = (TransportId(0), ConnectionId(0));
    let trace = vec![
        Action::PeerConnects { c },
        Action::PeerChecks { t, from: Tuple::Tcp(c), check: StunCheck::Plain },
        Action::PeerHandshakes { t },
        Action::PeerStreams { c },
        Action::OwnerClosesTransport { t },
    ];
    (Config::kernel(), trace)
}

/// The peer reads nothing until the deadline of the server has passed.
fn never_read() -> (Config, Vec<Action>) {
    let (t, c, w) = (TransportId(0), ConnectionId(0), WorkerId(0));
    let trace = vec![
        Action::PeerConnects { c },
        Action::PeerChecks { t, from: Tuple::Tcp(c), check: StunCheck::Plain },
        Action::PeerHandshakes { t },
        Action::KernelFillsConnection { c },
        Action::OwnerClosesServer { caller: CallerId(0) },
        Action::WorkerHearsClose { w },
        Action::ServerDeadlinePasses { w },
    ];
    (Config::small(), trace)
}

/// Looks for a mutant of the shell.
///
/// # Errors
///
/// [`SearchError`].
pub fn of_the_shell(mutant: Mutant, graphs: &[Graph]) -> Result<Option<Shown>, SearchError> {
    match search(mutant) {
        Some(Search::Classes(name)) => in_classes(name, graphs, mutant),
        Some(Search::Trace(trace)) => {
            let (config, trace) = trace();
            in_replay(Suite::traces(&config, vec![trace])?, mutant)
        }
        Some(Search::Directed(name, check)) => {
            check(None).map_err(SearchError::Control)?;
            Ok(check(Some(mutant)).err().map(|what| Shown::Directed(name, what)))
        }
        None => Ok(None),
    }
}

/// All mutants of the shell, as a row of `verify`.
pub fn shell_mutants(graphs: &[Graph], progress: &mut dyn Progress) -> Row {
    let mutants: Vec<_> = Mutant::of_the_shell().map(|mutant| (mutant, ())).collect();
    row("the shell, real stack", &mutants, progress, |mutant, ()| of_the_shell(mutant, graphs))
}

/// The mutants of the lifecycle that lockstep has met, as a row of `verify`.
pub fn lifecycle_mutants(
    reports: &[MutantReport],
    graphs: &[Graph],
    progress: &mut dyn Progress,
) -> Row {
    let met = reports.iter().filter_map(|report| Some((report.mutant, report.detection.as_ref()?)));
    let met: Vec<_> = met.collect();
    row("the core, replay", &met, progress, |mutant, detection| {
        of_the_lifecycle(mutant, detection, graphs)
    })
}

fn row<T: Copy>(
    of: &str,
    mutants: &[(Mutant, T)],
    progress: &mut dyn Progress,
    look: impl Fn(Mutant, T) -> Result<Option<Shown>, SearchError>,
) -> Row {
    progress.begin(&format!("mutants of {of}"));
    let began = Instant::now();
    let check = Check::Mutants;
    let mut row = Row { check, of: of.to_owned(), things: "mutants", ..Row::default() };
    for (done, (mutant, with)) in mutants.iter().enumerate() {
        progress.at(done, mutants.len());
        row.compared += 1;
        match look(*mutant, *with) {
            Ok(Some(shown)) => row.mutants.push(shown.of(*mutant)),
            Ok(None) => row.failures.push(format!("{mutant:?} survives")),
            Err(error) => row.failures.push(format!("{mutant:?}: {error}")),
        }
    }
    Row { seconds: began.elapsed().as_secs_f64(), ..row }
}

/// Walks the way on which lockstep met a mutant of the lifecycle on real sockets.
///
/// # Errors
///
/// [`SearchError`].
pub fn of_the_lifecycle(
    mutant: Mutant,
    detection: &Detection,
    graphs: &[Graph],
) -> Result<Option<Shown>, SearchError> {
    match ELSEWHERE.iter().find(|(other, _)| *other == mutant) {
        Some((_, name)) => in_classes(name, graphs, mutant),
        None => {
            let config = graphs.iter().map(Graph::config).find(|c| c.name == detection.config);
            let suite =
                config.map(|config| Suite::traces(config, vec![detection.divergence.way()]));
            suite.map_or(Ok(None), |suite| in_replay(suite?, mutant))
        }
    }
}

fn in_classes(name: &str, graphs: &[Graph], mutant: Mutant) -> Result<Option<Shown>, SearchError> {
    let graph = graphs.iter().find(|graph| graph.config().name == name);
    graph.map_or(Ok(None), |graph| in_replay(Suite::classes(graph)?, mutant))
}

fn in_replay(suite: Suite, mutant: Mutant) -> Result<Option<Shown>, SearchError> {
    let Replay { config, divergences, .. } =
        replay(&suite.with_mutant(mutant).until_the_first(), &mut |_, _| {})?.judged()?;
    let Some(divergence) = divergences.into_iter().next() else { return Ok(None) };
    control(&Suite::traces(&config, vec![divergence.way()])?)?;
    let length = divergence.way().len();
    let what = divergence.findings.into_iter().next().map(|finding| finding.what);
    Ok(Some(Shown::Replay(config.name, length, what.unwrap_or_default())))
}

/// What shows a mutant must not show without it.
fn control(suite: &Suite) -> Result<(), SearchError> {
    let right = replay(suite, &mut |_, _| {})?.judged()?;
    right.divergences.first().map_or(Ok(()), |wrong| Err(SearchError::Control(wrong.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_shows_something_of_the_right_server_too_shows_no_mistake() {
        let (config, trace) = closed_over_unread_input();
        let suite = Suite::traces(&config, vec![trace]).unwrap();
        control(&suite).unwrap();
        let wrong = control(&suite.with_mutant(Mutant::ClosesUnread));
        assert!(matches!(wrong, Err(SearchError::Control(_))), "{wrong:?}");
    }
}
