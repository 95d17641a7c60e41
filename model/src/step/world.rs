//! What the effects of the server do to the world, whether they make sense or not.

use crate::effect::Effect;
use crate::world::{Caller, End, Listener, Socket, World};

impl World {
    /// The kernel and the callers take note of an effect.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::StopAccepting(l) => {
                let listener = &mut self.listeners[l.index()];
                if *listener == Listener::Accepting {
                    *listener = Listener::Refusing;
                }
            }
            Effect::OfferDatagramAlert(t, s) => {
                if self.sockets[s.index()] == Socket::Room {
                    self.peers[t.index()].hear_alert();
                }
            }
            Effect::AlertWritten(t, c) => {
                if self.streams[c.index()].end == End::Open {
                    self.peers[t.index()].hear_alert();
                }
            }
            Effect::ShutdownWrite(c) => {
                let stream = &mut self.streams[c.index()];
                if stream.end == End::Open {
                    stream.end = End::Finished;
                }
            }
            Effect::CloseConnection(c) | Effect::AbortConnection(c) => {
                self.streams[c.index()].end = End::Closed;
            }
            Effect::ReleaseSocket(s) => self.sockets[s.index()] = Socket::Released,
            Effect::ReleaseListener(l) => self.listeners[l.index()] = Listener::Released,
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
            | Effect::WorkerDrained(_)
            | Effect::WorkerReleased(_) => {}
        }
    }
}
