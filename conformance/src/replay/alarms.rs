//! Which alarms must be armed in which state: exactly those whose moment is an action that can happen there.

use std::collections::BTreeSet;
use webrtc_server::lifecycle::Timer;
use webrtc_server::shell::Alarm;
use webrtc_server_model::{Action, Aspects, Config, State, TransportId, actions};

use super::book::Book;
use crate::lockstep::names::{self, Names};
use crate::lockstep::timers;

/// The alarm whose moment an action is; none for an action that is no moment.
pub(super) fn of_action(action: Action, book: &Book) -> Option<Alarm> {
    let connection = |t: TransportId| book.connection(t);
    Some(match action {
        Action::ConsentExpires { t } => Alarm::Lifecycle(Timer::Consent(names::transport(t))),
        Action::FarewellDeadlinePasses { t } => {
            Alarm::Lifecycle(Timer::Farewell(names::transport(t)))
        }
        Action::LingerDeadlinePasses { t } => Alarm::Lifecycle(Timer::Linger(connection(t)?)),
        Action::BindDeadlinePasses { t } => Alarm::Lifecycle(Timer::Bind(connection(t)?)),
        Action::ServerDeadlinePasses => Alarm::Lifecycle(Timer::Server),
        Action::KernelAcknowledges { t } => Alarm::Acknowledged(connection(t)?),
        Action::PeerChecks { .. }
        | Action::PeerConnects { .. }
        | Action::PeerHandshakes { .. }
        | Action::PeerFailsHandshake { .. }
        | Action::PeerSendsCloseNotify { .. }
        | Action::PeerAnswers { .. }
        | Action::PeerSendsFin { .. }
        | Action::PeerResets { .. }
        | Action::KernelFillsSocket
        | Action::KernelMakesRoomOnSocket
        | Action::KernelFillsConnection { .. }
        | Action::KernelMakesRoomOnConnection { .. }
        | Action::OwnerClosesServer { .. }
        | Action::OwnerClosesTransport { .. }
        | Action::WorkersAcknowledge => return None,
    })
}

/// Every alarm that must be armed, by what can happen; the timeout of a handshake, which the model has no action for, by
/// the state. No flight waits to be repeated: handshakes happen at one go.
pub(super) fn expected(config: &Config, state: &State, book: &Book) -> BTreeSet<Alarm> {
    let everything =
        Config { aspects: vec![Aspects::full(); config.transports()], ..config.clone() };
    let moments = actions(&everything, state).into_iter();
    let handshakes = timers::expected(&state.core, book).into_keys().filter(is_handshake);
    moments
        .filter_map(|action| of_action(action, book))
        .chain(handshakes.map(Alarm::Lifecycle))
        .collect()
}

fn is_handshake(timer: &Timer) -> bool {
    match timer {
        Timer::Handshake(_) => true,
        Timer::Consent(_)
        | Timer::Farewell(_)
        | Timer::Bind(_)
        | Timer::Linger(_)
        | Timer::Server => false,
    }
}

/// The timers that the core believes to be armed, by the rules of lockstep.
pub(super) fn expected_timers(state: &State, book: &Book) -> BTreeSet<Timer> {
    timers::expected(&state.core, book).into_keys().collect()
}
