//! What the effects of the server do to the world, whether they make sense or not.

use crate::effect::Effect;
use crate::world::{Caller, Listener, Socket, Stream, World};

impl World {
    /// The kernel and the callers take note of an effect.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::StopAccepting => {
                if self.listener == Listener::Accepting {
                    self.listener = Listener::Refusing;
                }
            }
            Effect::OfferDatagramAlert(t) => {
                if self.socket == Socket::Room {
                    self.peers[t.index()].hear_alert();
                }
            }
            Effect::AlertWritten(t) => {
                let peer = &mut self.peers[t.index()];
                if peer.stream == Stream::Open {
                    peer.hear_alert();
                }
            }
            Effect::ShutdownWrite(t) => {
                let peer = &mut self.peers[t.index()];
                if peer.stream == Stream::Open {
                    peer.stream = Stream::Finished;
                }
            }
            Effect::CloseConnection(t) | Effect::AbortConnection(t) => {
                self.peers[t.index()].stream = Stream::Closed;
            }
            Effect::ReleaseSocket => self.socket = Socket::Released,
            Effect::ReleaseListener => self.listener = Listener::Released,
            Effect::CallersComplete => {
                for caller in &mut self.callers {
                    if *caller == Caller::Waiting {
                        *caller = Caller::Returned;
                    }
                }
            }
            Effect::MakeAlert(_)
            | Effect::Unmap(_)
            | Effect::SelectedTupleChanged(..)
            | Effect::IceStateChanged(..)
            | Effect::DtlsStateChanged(..)
            | Effect::TransportClosed(..)
            | Effect::WorkerDrained
            | Effect::WorkerReleased => {}
        }
    }
}
