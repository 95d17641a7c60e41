//! The real outputs in the model's words, and what it means that they are the same.

use super::names::{self, Names};
use webrtc_server::lifecycle::close_order::{TRANSPORT_CLOSE_ORDER, TransportCloseStep};
use webrtc_server::lifecycle::server::ServerOutput;
use webrtc_server::lifecycle::{About, Event, Output};
use webrtc_server_model::{Action, ConnectionId, Core, Effect, TransportId, Tuple, WorkerId};

/// Who owned each connection before an input.
pub(crate) type Owners<'a> = &'a dyn Fn(ConnectionId) -> Option<TransportId>;

/// The effects of the outputs of one input to a worker, by which these transports left the routing tables.
pub(crate) fn of_step(
    w: WorkerId,
    outputs: &[Output],
    left: &[TransportId],
    owners: Owners<'_>,
    book: &dyn Names,
) -> Result<Vec<Effect>, String> {
    let mut effects = Vec::new();
    for output in outputs {
        effects.extend(of_output(w, output, book)?);
    }
    for t in left {
        let at = place_of_unmap(*t, &effects, owners);
        effects.insert(at, Effect::Unmap(*t));
    }
    Ok(effects)
}

fn of_output(w: WorkerId, output: &Output, book: &dyn Names) -> Result<Option<Effect>, String> {
    Ok(match output {
        Output::SendDatagram { about: About::CloseNotify(id), socket, .. } => {
            let (t, s) = (names::model_transport(*id)?, book.model_socket(*socket)?);
            Some(Effect::OfferDatagramAlert(t, s))
        }
        // Lost without anybody's noticing; the world counts replies.
        Output::SendDatagram { about: About::Reply | About::Records(_), .. } => None,
        // The answer to it tells how much was taken, and that is the effect: `AlertWritten`.
        Output::WriteTcp(_) => None,
        Output::ShutdownTcp(id) => Some(Effect::ShutdownWrite(book.model_connection(*id)?)),
        Output::CloseTcp(id) => Some(Effect::CloseConnection(book.model_connection(*id)?)),
        Output::AbortTcp(id) => Some(Effect::AbortConnection(book.model_connection(*id)?)),
        Output::StopAccepting(id) => Some(Effect::StopAccepting(book.model_listener(*id)?)),
        Output::ReleaseListener(id) => Some(Effect::ReleaseListener(book.model_listener(*id)?)),
        Output::ReleaseSocket(id) => Some(Effect::ReleaseSocket(book.model_socket(*id)?)),
        // The model knows what comes out of DTLS, not what goes into it.
        Output::StartDtls { .. }
        | Output::ExpectFingerprints { .. }
        | Output::FeedDtls { .. }
        | Output::EncryptData { .. } => None,
        Output::MakeCloseNotify(id) => Some(Effect::MakeAlert(names::model_transport(*id)?)),
        // The world sees to it that nothing is asked of DTLS afterwards.
        Output::DropDtls(_) => None,
        // Compared as a set with the deadlines that the model has in its state.
        Output::ArmTimer { .. } | Output::DisarmTimer(_) => None,
        Output::Emit { transport, event } => {
            of_event(names::model_transport(*transport)?, event, book)?
        }
        Output::ReportClosed { transport, reason, outcome } => Some(Effect::TransportClosed(
            names::model_transport(*transport)?,
            names::close_reason(*reason),
            names::outcome(*outcome)?,
        )),
        // A counter for the operator.
        Output::CountDropped { .. } => None,
        Output::AcknowledgeDrained => Some(Effect::WorkerDrained(w)),
        Output::AcknowledgeReleased => Some(Effect::WorkerReleased(w)),
    })
}

fn of_event(t: TransportId, event: &Event, book: &dyn Names) -> Result<Option<Effect>, String> {
    Ok(match event {
        Event::IceStateChanged(state) => Some(Effect::IceStateChanged(t, names::ice_state(*state))),
        Event::SelectedTupleChanged(tuple) => {
            let tuple = tuple.map(|tuple| book.model_tuple(tuple)).transpose()?;
            Some(Effect::SelectedTupleChanged(t, tuple))
        }
        Event::DtlsStateChanged(state, _) => {
            Some(Effect::DtlsStateChanged(t, names::dtls_state(*state)))
        }
        // Application data is opaque to the model.
        Event::DataReceived(_) => None,
    })
}

/// The effect of an output of the barrier.
pub(crate) fn of_server(output: ServerOutput) -> Option<Effect> {
    match output {
        // The model's `WorkerHearsClose` is its arrival, and what the worker does about it the effects.
        ServerOutput::TellWorkersToClose => None,
        // The model's `WorkerHearsGrant` is its arrival.
        ServerOutput::GrantRelease => None,
        ServerOutput::Complete => Some(Effect::CallersComplete),
    }
}

/// Before the first effect of the transport, or of a connection of it, that belongs to a later row of the close order
/// than `Unmap`.
fn place_of_unmap(t: TransportId, effects: &[Effect], owners: Owners<'_>) -> usize {
    let unmap = row(TransportCloseStep::Unmap);
    let concerns = |effect: &Effect| {
        effect.transport() == Some(t) || effect.connection().and_then(owners) == Some(t)
    };
    effects
        .iter()
        .position(|effect| concerns(effect) && row_of(*effect).is_some_and(|row| row > unmap))
        .unwrap_or(effects.len())
}

fn row(step: TransportCloseStep) -> Option<usize> {
    TRANSPORT_CLOSE_ORDER.iter().position(|row| *row == step)
}

/// The row of the close order that an effect of a transport belongs to; none in its life before.
fn row_of(effect: Effect) -> Option<Option<usize>> {
    let step = match effect {
        Effect::MakeAlert(_) | Effect::OfferDatagramAlert(..) => TransportCloseStep::SayFarewell,
        Effect::Unmap(_) => TransportCloseStep::Unmap,
        Effect::AlertWritten(..)
        | Effect::ShutdownWrite(_)
        | Effect::CloseConnection(_)
        | Effect::AbortConnection(_) => TransportCloseStep::CloseConnections,
        Effect::TransportClosed(..) => TransportCloseStep::Report,
        Effect::SelectedTupleChanged(..)
        | Effect::IceStateChanged(..)
        | Effect::DtlsStateChanged(..)
        | Effect::StopAccepting(_)
        | Effect::WorkerDrained(_)
        | Effect::ReleaseSocket(_)
        | Effect::ReleaseListener(_)
        | Effect::WorkerReleased(_)
        | Effect::CallersComplete => return None,
    };
    Some(row(step))
}

/// The first way in which two sequences of effects differ, as what is expected and what was got.
///
/// Everybody is looked at together with the effects that concern all: its own effects must come in the same order, and
/// on the same side of each of those. A connection is looked at together with its transports: whoever had it before,
/// and to whom a check gives it. How the effects of different transports interleave is not compared: answers are fed in
/// the order in which they arose, across transports. Nor is that of different connections, whose ids the model does not
/// know.
pub(crate) fn difference(
    before: &Core,
    action: Action,
    expected: &[Effect],
    got: &[Effect],
) -> Option<(Vec<Effect>, Vec<Effect>)> {
    if expected == got {
        return None;
    }
    let transports = before.transport_ids().map(Subject::Transport);
    let connections = before.connection_ids().map(|c| {
        let former = before.connection(c);
        let owners = [former.owner(), bound_by(action, c).or(former.destination())];
        Subject::Connection(c, owners)
    });
    transports
        .chain(connections)
        .map(|subject| [expected, got].map(|effects| seen_by(subject, effects)))
        .find(|[expected, got]| expected != got)
        .map(|[expected, got]| (expected, got))
}

/// Somebody whose effects come in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// A transport.
    Transport(TransportId),
    /// A connection with the transports whose it was or is.
    Connection(ConnectionId, [Option<TransportId>; 2]),
}

fn seen_by(subject: Subject, effects: &[Effect]) -> Vec<Effect> {
    let concerns = |effect: &Effect| match (effect.transport(), effect.connection()) {
        (None, None) => true,
        (Some(t), _) => match subject {
            Subject::Transport(transport) => transport == t,
            Subject::Connection(_, owners) => owners.contains(&Some(t)),
        },
        (None, Some(c)) => matches!(subject, Subject::Connection(connection, _) if connection == c),
    };
    effects.iter().copied().filter(concerns).collect()
}

fn bound_by(action: Action, connection: ConnectionId) -> Option<TransportId> {
    if let Action::PeerChecks { t, from: Tuple::Tcp(c), .. }
    | Action::PeerChecksTwiceAndResets { t, c } = action
    {
        return (c == connection).then_some(t);
    }
    None
}
