//! How each action of the model is made to happen.
//!
//! | Action | What is done | When it has happened |
//! |---|---|---|
//! | `PeerChecks` | a Binding request | the server read it; its answer is at the peer, unless the path is full |
//! | `PeerConnects` | `connect(2)` | accepted |
//! | `PeerHandshakes` | flights, by turns | both sides are done |
//! | `PeerFailsHandshake` | a fatal alert instead of a ClientHello | read |
//! | `PeerSendsCloseNotify`, `PeerAnswers` | the peer's alert, on the selected path or where ours came in | read |
//! | `PeerSendsFin` | `shutdown(WR)` | the end was read |
//! | `PeerResets` | `SO_LINGER` 0, `close(2)` | an error was read, or met by a write |
//! | `KernelFillsSocket`, `KernelMakesRoomOnSocket` | the socket plays full, or no longer | writable |
//! | `KernelFillsConnection` | messages that the peer does not read | a frame is begun, another one waits |
//! | `KernelMakesRoomOnConnection` | the peer reads | the queue is empty |
//! | `KernelAcknowledges` | the kernel is asked | it says that nothing is unacknowledged |
//! | `OwnerClosesServer`, `OwnerClosesTransport` | commands | at once |
//! | `…DeadlinePasses`, `ConsentExpires` | the alarm goes off | at once |
//! | `WorkersAcknowledge` | the barrier's grant arrives | at once |

use webrtc_server::control::command::Command;
use webrtc_server::shell::{Ready, Worker};
use webrtc_server_model::{Action, Socket, State, TransportId, Via};

use super::PATIENCE;
use super::alarms;
use super::report::{Finding, Harness};
use super::stage::{LISTENER, Room, SOCKET, Stage};
use crate::lockstep::names::{self, Names};
use crate::peer::{self, PeerError, StreamEnd};

/// Level and number of the alert that ends a handshake (RFC 5246 section 7.2): fatal, `handshake_failure`.
const HANDSHAKE_FAILURE: (u8, u8) = (2, 40);
/// Turns of a handshake, each of which waits a millisecond for the other side.
const HANDSHAKE_TURNS_MAX: usize = 2_000;

impl Stage {
    pub(super) fn perform(&mut self, before: &State, action: Action) -> Result<(), Harness> {
        match action {
            Action::PeerChecks { t, via, nominate } => self.check(before, t, via, nominate),
            Action::PeerConnects { t } => self.connect(t),
            Action::PeerHandshakes { t } => self.handshake(before, t),
            Action::PeerFailsHandshake { t } => self.fail_handshake(before, t),
            Action::PeerSendsCloseNotify { t } => {
                let via = self.clients[t.index()].path(selected(before, t)?)?;
                self.send_close_notify(t, via)
            }
            Action::PeerAnswers { t } => {
                let heard = self.clients[t.index()].peer.observed().close_notifies.first().copied();
                let via =
                    heard.ok_or_else(|| impossible("the peer answers what it has not heard"))?;
                self.send_close_notify(t, via)
            }
            Action::PeerSendsFin { t } => self.finish(t),
            Action::PeerResets { t } => self.reset(t),
            Action::KernelFillsSocket => {
                self.room = Room::None;
                self.worker.set_socket_full(SOCKET, true);
                Ok(())
            }
            Action::KernelMakesRoomOnSocket => {
                self.room = Room::Plenty;
                self.worker.set_socket_full(SOCKET, false);
                self.deliver(Ready::SocketWritable(SOCKET), "room on the socket")
            }
            Action::KernelFillsConnection { t } => self.fill_connection(t),
            Action::KernelMakesRoomOnConnection { t } => self.make_room(t),
            Action::KernelAcknowledges { t } => self.acknowledge(t),
            Action::OwnerClosesServer { caller } => {
                let effects = self.barrier.close(caller, &mut self.worker)?;
                self.barrier_effects.extend(effects);
                Ok(())
            }
            Action::OwnerClosesTransport { t } => {
                self.worker.execute(Command::CloseTransport { transport: names::transport(t) });
                Ok(())
            }
            Action::ConsentExpires { .. }
            | Action::FarewellDeadlinePasses { .. }
            | Action::LingerDeadlinePasses { .. }
            | Action::BindDeadlinePasses { .. }
            | Action::ServerDeadlinePasses => {
                self.fire(action);
                Ok(())
            }
            Action::WorkersAcknowledge => {
                if !self.barrier.deliver_grant(&mut self.worker) {
                    let what = "the permission to release the carriers";
                    self.findings.push(Finding::new(what, &"granted", &"not granted"));
                }
                Ok(())
            }
        }
    }

    fn fire(&mut self, action: Action) {
        let alarm = alarms::of_action(action, &self.book);
        if !alarm.is_some_and(|alarm| self.worker.fire(alarm)) {
            let armed = self.worker.alarms();
            self.findings.push(Finding::new("the moment that comes", &alarm, &armed));
        }
    }

    fn connect(&mut self, t: TransportId) -> Result<(), Harness> {
        let local = self.clients[t.index()].connect(self.tcp)?;
        self.deliver(Ready::ListenerReadable(LISTENER), "the listener has a connection")?;
        let connections = self.worker.core().connections().iter();
        let accepted = connections.rev().find(|(_, c)| c.remote == local).map(|(id, _)| *id);
        match accepted {
            Some(id) => self.book.note_connection(t, id),
            None => {
                self.findings.push(Finding::new("the connection", &"accepted", &"not accepted"));
            }
        }
        Ok(())
    }

    fn check(
        &mut self,
        before: &State,
        t: TransportId,
        via: Via,
        nominate: bool,
    ) -> Result<(), Harness> {
        if via == Via::Udp
            && let Some(local) = self.clients[t.index()].open_udp(self.udp)?
        {
            self.book.note_udp(t, local);
        }
        let path = self.clients[t.index()].path(via)?;
        let peer = &mut self.clients[t.index()].peer;
        let (transaction, local) = (peer.check(path, nominate)?, peer.path(path)?.local_addr());
        self.deliver_packets(t, via)?;
        let peer = &mut self.clients[t.index()].peer;
        let has_room = match via {
            Via::Udp => before.world.socket == Socket::Room,
            Via::Tcp => before.core.transport(t).tcp.queue().is_empty(),
        };
        let answered = |peer: &peer::Peer| peer.observed().answers_to(transaction) > 0;
        if has_room {
            expect(peer.await_until("the answer to a check", PATIENCE, answered))?;
        } else {
            peer.collect()?;
        }
        let answers: Vec<_> =
            peer.observed().stun.iter().filter(|a| a.transaction == transaction).collect();
        let right = match answers.as_slice() {
            [] => !has_room,
            [answer] => has_room && answer.is_success() && answer.mapped == Some(local),
            [_, _, ..] => false,
        };
        if !right {
            let expected = if has_room { "one success" } else { "no answer: there is no room" };
            self.findings.push(Finding::new("the answer to a check", &expected, &answers));
        }
        Ok(())
    }

    fn handshake(&mut self, before: &State, t: TransportId) -> Result<(), Harness> {
        let client = &mut self.clients[t.index()];
        let via = client.path(selected(before, t)?)?;
        let worker = &mut self.worker;
        // Nothing is held back: a path that is full takes no handshake, and the others are silent.
        let mut turn = || deliver_input(worker);
        match client.peer.handshake(via, &mut turn, HANDSHAKE_TURNS_MAX) {
            Ok(()) => self.handshakes += 1,
            Err(PeerError::Dtls(what)) => {
                self.findings.push(Finding::new("the handshake", &"done", &what));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn fail_handshake(&mut self, before: &State, t: TransportId) -> Result<(), Harness> {
        let via = selected(before, t)?;
        let client = &mut self.clients[t.index()];
        let path = client.path(via)?;
        let (level, number) = HANDSHAKE_FAILURE;
        client.peer.send_plaintext_alert(path, level, number)?;
        self.deliver_packets(t, via)
    }

    fn send_close_notify(&mut self, t: TransportId, path: peer::Via) -> Result<(), Harness> {
        let client = &mut self.clients[t.index()];
        if client.peer.send_close_notify(path)? != 1 {
            return Err(impossible("the peer has said its close_notify before"));
        }
        let via =
            if client.path(Via::Udp).is_ok_and(|udp| udp == path) { Via::Udp } else { Via::Tcp };
        self.deliver_packets(t, via)
    }

    fn finish(&mut self, t: TransportId) -> Result<(), Harness> {
        let client = &mut self.clients[t.index()];
        let path = client.path(Via::Tcp)?;
        client.peer.tcp(path)?.finish()?;
        self.deliver_packets(t, Via::Tcp)
    }

    /// A connection whose end of input was read says nothing more to a reader: there the next write meets the reset.
    fn reset(&mut self, t: TransportId) -> Result<(), Harness> {
        let client = &mut self.clients[t.index()];
        let path = client.path(Via::Tcp)?;
        client.peer.tcp(path)?.reset()?;
        client.end = None;
        let id = self.book.connection(t).ok_or_else(|| impossible("no connection to reset"))?;
        self.deliver_packets(t, Via::Tcp)?;
        if self.worker.core().connections().contains_key(&id) && self.is_blocked(id) {
            self.deliver(Ready::ConnectionWritable(id), "a write meets the reset")?;
        }
        Ok(())
    }

    /// Lets the server read what the peer of a transport has sent.
    pub(super) fn deliver_packets(&mut self, t: TransportId, via: Via) -> Result<(), Harness> {
        let ready = match via {
            Via::Udp => Ready::SocketReadable(SOCKET),
            Via::Tcp => {
                let id = self.book.connection(t).ok_or_else(|| impossible("no connection"))?;
                Ready::ConnectionReadable(id)
            }
        };
        self.deliver(ready, "the peer's bytes are with the server")
    }

    /// The end of the peer's stream that the model's effects lead to; nothing if it is over already.
    pub(super) fn expect_end(&mut self, t: TransportId, end: StreamEnd) {
        let slot = &mut self.clients[t.index()].end;
        if *slot == Some(StreamEnd::Open) {
            *slot = Some(end);
        }
    }
}

/// Delivers everything that can be read.
fn deliver_input(worker: &mut Worker) -> std::io::Result<()> {
    worker.poll(Some(std::time::Duration::ZERO))?;
    let readable = |ready: &Ready| match ready {
        Ready::SocketReadable(_) | Ready::ConnectionReadable(_) => true,
        Ready::SocketWritable(_)
        | Ready::ListenerReadable(_)
        | Ready::ConnectionWritable(_)
        | Ready::Alarm(_) => false,
    };
    let ready: Vec<_> = worker.ready().iter().copied().filter(readable).collect();
    for ready in ready {
        worker.deliver(ready);
    }
    Ok(())
}

/// A barrier that the server owes is no error here: what is missing is looked at next.
pub(super) fn expect(result: Result<(), PeerError>) -> Result<(), Harness> {
    match result {
        Ok(()) | Err(PeerError::Barrier { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn selected(state: &State, t: TransportId) -> Result<Via, Harness> {
    state.core.transport(t).selected.ok_or_else(|| impossible("no path is selected"))
}

pub(super) fn impossible(what: &str) -> Harness {
    Harness::Impossible(what.to_owned())
}
