//! The real outputs in the model's words, and what it means that they are the same.

use super::names::{self, Names};
use webrtc_server::lifecycle::close_order::{TRANSPORT_CLOSE_ORDER, TransportCloseStep};
use webrtc_server::lifecycle::server::ServerOutput;
use webrtc_server::lifecycle::{About, Event, Output};
use webrtc_server_model::{Connection, Core, Effect, Holder, TransportId};

/// The effects of the outputs of one input, by which these transports left the routing tables.
pub(crate) fn of_step(
    outputs: &[Output],
    left: &[TransportId],
    book: &dyn Names,
) -> Result<Vec<Effect>, String> {
    let mut effects = Vec::new();
    for output in outputs {
        effects.extend(of_output(output, book)?);
    }
    for t in left {
        let at = place_of_unmap(*t, &effects);
        effects.insert(at, Effect::Unmap(*t));
    }
    Ok(effects)
}

fn of_output(output: &Output, book: &dyn Names) -> Result<Option<Effect>, String> {
    Ok(match output {
        Output::SendDatagram { about: About::CloseNotify(id), .. } => {
            Some(Effect::OfferDatagramAlert(names::model_transport(*id)?))
        }
        // Lost without anybody's noticing; the world counts replies.
        Output::SendDatagram { about: About::Reply | About::Records, .. } => None,
        // The answer to it tells how much was taken, and that is the effect: `AlertWritten`.
        Output::WriteTcp(_) => None,
        Output::ShutdownTcp(id) => Some(Effect::ShutdownWrite(book.opener(*id)?)),
        Output::CloseTcp(id) => Some(Effect::CloseConnection(book.opener(*id)?)),
        Output::AbortTcp(id) => Some(Effect::AbortConnection(book.opener(*id)?)),
        Output::StopAccepting(_) => Some(Effect::StopAccepting),
        Output::ReleaseListener(_) => Some(Effect::ReleaseListener),
        Output::ReleaseSocket(_) => Some(Effect::ReleaseSocket),
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
        Output::AcknowledgeDrained => Some(Effect::WorkerDrained),
        Output::AcknowledgeReleased => Some(Effect::WorkerReleased),
    })
}

fn of_event(t: TransportId, event: &Event, book: &dyn Names) -> Result<Option<Effect>, String> {
    Ok(match event {
        Event::IceStateChanged(state) => Some(Effect::IceStateChanged(t, names::ice_state(*state))),
        Event::SelectedTupleChanged(tuple) => {
            let via = tuple.map(|tuple| book.via(t, tuple)).transpose()?;
            Some(Effect::SelectedTupleChanged(t, via))
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
        // The worker's answer to it is the effect.
        ServerOutput::TellWorkersToClose => None,
        // The model's `WorkersAcknowledge` is its arrival.
        ServerOutput::GrantRelease => None,
        ServerOutput::Complete => Some(Effect::CallersComplete),
    }
}

/// Before the first effect of the transport that belongs to a later row of the close order than `Unmap`.
fn place_of_unmap(t: TransportId, effects: &[Effect]) -> usize {
    let unmap = row(TransportCloseStep::Unmap);
    effects
        .iter()
        .position(|effect| {
            effect.transport() == Some(t) && row_of(*effect).is_some_and(|row| row > unmap)
        })
        .unwrap_or(effects.len())
}

fn row(step: TransportCloseStep) -> Option<usize> {
    TRANSPORT_CLOSE_ORDER.iter().position(|row| *row == step)
}

/// The row of the close order that an effect of a transport belongs to; none in its life before.
fn row_of(effect: Effect) -> Option<Option<usize>> {
    let step = match effect {
        Effect::MakeAlert(_) | Effect::OfferDatagramAlert(_) => TransportCloseStep::SayFarewell,
        Effect::Unmap(_) => TransportCloseStep::Unmap,
        Effect::AlertWritten(_)
        | Effect::ShutdownWrite(_)
        | Effect::CloseConnection(_)
        | Effect::AbortConnection(_) => TransportCloseStep::CloseConnections,
        Effect::TransportClosed(..) => TransportCloseStep::Report,
        Effect::SelectedTupleChanged(..)
        | Effect::IceStateChanged(..)
        | Effect::DtlsStateChanged(..)
        | Effect::StopAccepting
        | Effect::WorkerDrained
        | Effect::ReleaseSocket
        | Effect::ReleaseListener
        | Effect::WorkerReleased
        | Effect::CallersComplete => return None,
    };
    Some(row(step))
}

/// The first way in which two sequences of effects differ, as what is expected and what was got.
///
/// Everybody is looked at together with the effects that concern all: its own effects must come in the same order, and
/// on the same side of each of those. How the effects of different ones interleave is not compared: answers are fed in
/// the order in which they arose, across transports. A connection that no check has bound is nobody's, and one for
/// itself, even if the model knows whose peer opened it.
pub(crate) fn difference(
    before: &Core,
    expected: &[Effect],
    got: &[Effect],
) -> Option<(Vec<Effect>, Vec<Effect>)> {
    if expected == got {
        return None;
    }
    let transports = (0..before.transports.len()).map(|index| TransportId(index as u8));
    transports
        .flat_map(|t| [Party::Transport(t), Party::Stranger(t)])
        .map(|party| (seen_by(party, before, expected), seen_by(party, before, got)))
        .find(|(expected, got)| expected != got)
}

/// Somebody whose effects come in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    /// A transport and what is bound to it.
    Transport(TransportId),
    /// The connection of its peer before it was bound.
    Stranger(TransportId),
}

fn seen_by(party: Party, before: &Core, effects: &[Effect]) -> Vec<Effect> {
    let concerns = |effect: &Effect| party_of(*effect, before).is_none_or(|other| other == party);
    effects.iter().copied().filter(concerns).collect()
}

fn party_of(effect: Effect, before: &Core) -> Option<Party> {
    let t = effect.transport()?;
    let stranger = match before.transport(t).tcp {
        Connection::Unbound | Connection::Draining { holder: Holder::Nobody } => true,
        Connection::None
        | Connection::Bound { .. }
        | Connection::Flushing { .. }
        | Connection::Draining { holder: Holder::Transport }
        | Connection::Gone => false,
    };
    let of_connection = match effect {
        Effect::ShutdownWrite(_) | Effect::CloseConnection(_) | Effect::AbortConnection(_) => true,
        Effect::MakeAlert(_)
        | Effect::OfferDatagramAlert(_)
        | Effect::Unmap(_)
        | Effect::AlertWritten(_)
        | Effect::SelectedTupleChanged(..)
        | Effect::IceStateChanged(..)
        | Effect::DtlsStateChanged(..)
        | Effect::TransportClosed(..)
        | Effect::StopAccepting
        | Effect::WorkerDrained
        | Effect::ReleaseSocket
        | Effect::ReleaseListener
        | Effect::WorkerReleased
        | Effect::CallersComplete => false,
    };
    Some(if stranger && of_connection { Party::Stranger(t) } else { Party::Transport(t) })
}
