//! Which alarms must be armed in which state: exactly those whose moment is an action that can happen there, and those
//! of flights that OpenSSL would repeat.

use std::collections::BTreeSet;
use webrtc_server::lifecycle::Timer;
use webrtc_server::shell::Alarm;
use webrtc_server_model::{
    Action, Config, ConnectionId, DtlsState, NoAlert, Outcome, Phase, Role, State, TransportId,
    WorkerId, actions,
};

use super::book::Book;
use super::stage::Stage;
use crate::lockstep::names;

/// Alarms by worker.
pub(super) type Alarms = BTreeSet<(WorkerId, Alarm)>;

/// The alarm whose moment an action is; none for an action that is no moment.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other action is a moment")]
pub(super) fn of_action(action: Action, config: &Config, book: &Book) -> Option<(WorkerId, Alarm)> {
    let of_transport = |t: TransportId, timer: fn(_) -> Timer| {
        Some((config.worker_of(t), Alarm::Lifecycle(timer(names::transport(t)))))
    };
    let of_connection =
        |c: ConnectionId, alarm: fn(_) -> Alarm| book.connection(c).map(|(w, id)| (w, alarm(id)));
    match action {
        Action::ConsentExpires { t } => of_transport(t, Timer::Consent),
        Action::HandshakeDeadlinePasses { t } => of_transport(t, Timer::Handshake),
        Action::FarewellDeadlinePasses { t } => of_transport(t, Timer::Farewell),
        Action::LingerDeadlinePasses { c } => {
            of_connection(c, |id| Alarm::Lifecycle(Timer::Linger(id)))
        }
        Action::BindDeadlinePasses { c } => {
            of_connection(c, |id| Alarm::Lifecycle(Timer::Bind(id)))
        }
        Action::ServerDeadlinePasses { w } => Some((w, Alarm::Lifecycle(Timer::Server))),
        Action::KernelAcknowledges { c } => of_connection(c, Alarm::Acknowledged),
        _ => None,
    }
}

/// Every alarm that must be armed.
pub(super) fn expected(config: &Config, state: &State, book: &Book) -> Alarms {
    let mut everything = config.clone();
    for transport in &mut everything.transports {
        transport.aspects.consent = true;
        transport.aspects.handshake_failure = true;
    }
    let moments = actions(&everything, state).into_iter();
    let moments = moments.filter_map(|action| of_action(action, config, book));
    let repeated = config.transport_ids().filter(|t| repeats(config, state, *t));
    let flights = repeated.map(|t| (config.worker_of(t), Alarm::Retransmit(names::transport(t))));
    moments.chain(flights).collect()
}

/// Whether a flight of ours waits for an answer. The session lives on, and repeats into nothing, until its transport is
/// closed; one whose handshake failed does not.
fn repeats(config: &Config, state: &State, t: TransportId) -> bool {
    let transport = state.core.transport(t);
    let handshakes = match transport.phase {
        Phase::Open => transport.dtls == DtlsState::Connecting,
        Phase::Closing => transport.outcome == Some(Outcome::NotNeeded(NoAlert::Handshaking)),
        Phase::Absent | Phase::Refused | Phase::Closed => false,
    };
    let spoke = match config.transport(t).role {
        Role::Client => true,
        Role::Server => state.world.peer(t).flights > 0,
    };
    handshakes && spoke
}

/// The timers of the lifecycle among these.
pub(super) fn timers(alarms: &Alarms, w: WorkerId) -> BTreeSet<Timer> {
    let mine = alarms.iter().filter(|(worker, _)| *worker == w);
    mine.filter_map(|(_, alarm)| match alarm {
        Alarm::Lifecycle(timer) => Some(*timer),
        Alarm::Retransmit(_)
        | Alarm::Acknowledged(_)
        | Alarm::RetrySocket(_)
        | Alarm::RetryAccept(_) => None,
    })
    .collect()
}

impl Stage<'_> {
    /// The alarms that are armed.
    pub(super) fn alarms(&self) -> Alarms {
        let workers = (0..).map(WorkerId).zip(&self.workers);
        workers.flat_map(|(w, worker)| worker.alarms().into_iter().map(move |a| (w, a))).collect()
    }
}
