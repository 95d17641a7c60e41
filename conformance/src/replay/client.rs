//! The peer of one transport, and the owner of the transport.

use std::sync::{Arc, Mutex, PoisonError};
use webrtc_server::control::Latch;
use webrtc_server::control::command::{ClosedTransport, EventSink};
use webrtc_server::control::events::TransportEvent;
use webrtc_server::wire::stun::TransactionId;
use webrtc_server_model::{Callback, Closes, StunCheck, Tuple};

use crate::peer::{Peer, ServerCredentials};

/// One peer. Its paths are among the wires of the stage.
pub(super) struct Client {
    /// The peer.
    pub(super) peer: Peer,
    /// What the transport announced before the last ICE restart.
    pub(super) former: Option<ServerCredentials>,
    /// ICE restarts so far.
    pub(super) restarts: usize,
    /// Where its DTLS datagrams went last.
    pub(super) path: Option<Tuple>,
    /// The last check with the current credentials.
    pub(super) last_check: Option<SentCheck>,
    /// Messages that the server was told to send.
    pub(super) messages: usize,
    /// STUN packets behind the close_notify that were seen so far.
    pub(super) late_stun: usize,
    /// Packets behind the close_notify that were seen by the end of the last step, if it was seen by then.
    pub(super) late: Option<usize>,
}

impl Client {
    pub(super) fn new(peer: Peer) -> Self {
        Client {
            peer,
            former: None,
            restarts: 0,
            path: None,
            last_check: None,
            messages: 0,
            late_stun: 0,
            late: None,
        }
    }
}

/// A check as it was sent.
#[derive(Clone)]
pub(super) struct SentCheck {
    pub(super) transaction: TransactionId,
    pub(super) from: Tuple,
    pub(super) check: StunCheck,
    pub(super) request: Vec<u8>,
}

/// What the owner of a transport is told.
#[derive(Default)]
pub(super) struct Owner {
    heard: Arc<Mutex<Vec<TransportEvent>>>,
    /// Set at the end.
    pub(super) closed: Arc<Latch<ClosedTransport>>,
}

impl Owner {
    /// Where the transport's events go. The callback that is armed acts upon the first of them, whosever it is.
    pub(super) fn sink(&self, armed: &Arm) -> EventSink {
        let (heard, armed) = (Arc::clone(&self.heard), armed.clone());
        Box::new(move |event| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            armed.act();
        })
    }

    /// Whether somebody else can still tell it something.
    pub(super) fn is_held(&self) -> bool {
        Arc::strong_count(&self.heard) > 1 || Arc::strong_count(&self.closed) > 1
    }

    /// What was heard since the last call.
    pub(super) fn take_heard(&self) -> Vec<TransportEvent> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the owner does inside an event callback, once. As a handle does, it only asks; the stage passes that on.
#[derive(Clone, Default)]
pub(super) struct Arm(Arc<Mutex<ArmState>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ArmState {
    #[default]
    Idle,
    Armed(Closes),
    Asked(Closes),
    Done,
}

impl Arm {
    pub(super) fn arm(&self, closes: Closes) {
        self.set(ArmState::Armed(closes));
    }

    fn act(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let ArmState::Armed(closes) = *state {
            *state = ArmState::Asked(closes);
        }
    }

    /// Whether the close of the server was asked for and not passed on yet; it is then.
    pub(super) fn take_server_close(&self) -> bool {
        self.take(Closes::Server)
    }

    /// Whether the close of this was asked for and not passed on yet; it is then.
    pub(super) fn take(&self, closes: Closes) -> bool {
        let asked = self.current() == ArmState::Asked(closes);
        if asked {
            self.set(ArmState::Done);
        }
        asked
    }

    /// In the model's words.
    pub(super) fn state(&self) -> Callback {
        match self.current() {
            ArmState::Idle => Callback::Idle,
            ArmState::Armed(closes) => Callback::Armed(closes),
            ArmState::Asked(Closes::Transport(t)) => Callback::Asked(t),
            ArmState::Asked(Closes::Server) | ArmState::Done => Callback::Done,
        }
    }

    fn current(&self) -> ArmState {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: ArmState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}
