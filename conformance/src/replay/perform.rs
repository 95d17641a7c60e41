//! How each action of the model is made to happen.
//!
//! | Action | What is done | When it has happened |
//! |---|---|---|
//! | `PeerChecks` | a Binding request | the server read it; its answer is at the peer, unless the path is full |
//! | `PeerChecks`, of another worker's transport | the same | the server read it, and has the connection no more if it was nobody's |
//! | `WorkerJudges`, `WorkerHearsProof` | the next command of the mailbox | at once |
//! | `WorkerTakesOver` | the next command of the mailbox | the answer to the check is at the peer, or the connection closed |
//! | `PeerChecksTwiceAndResets` | two Binding requests in one write, then `SO_LINGER` 0 and `close(2)` | the first was read; its reply met the reset |
//! | `PeerConnects` | `connect(2)`, from the former port if there is one | accepted |
//! | `PeerConnectsInVain` | `connect(2)`; the poll refuses what is accepted (*) | the server closed it |
//! | `PeerSendsFlight` | the next flight | read; the server's next flight is at the peer |
//! | `PeerHandshakes` | the flights that are left, by turns | both sides are done |
//! | `PeerFailsHandshake` | a fatal alert in the clear instead of a flight | read |
//! | `PeerSendsFatalAlert` | another one; under the keys of the association once there are any | read |
//! | `PeerSendsCloseNotify`, `PeerAnswers` | the peer's alert, on the selected path or where ours came in | read |
//! | `PeerStreams`, `WorkerReads` | a frame that is media; what says that it is there is held back, then not | readable |
//! | `PeerSendsFin` | `shutdown(WR)` | the end was read |
//! | `PeerResets` | `SO_LINGER` 0, `close(2)` | an error was read, or met by a write |
//! | `PeerVanishes` | the next write finds the connection reset (*) | at once |
//! | `KernelFillsSocket`, `KernelMakesRoomOnSocket` | the socket plays full, or no longer (*) | writable |
//! | `KernelFillsConnection` | messages that the peer does not read | a frame is begun, another one waits |
//! | `KernelLeavesRoom`, `KernelMakesLittleRoom` | the connection takes nothing more, or a few bytes (*) | at once; writable |
//! | `KernelMakesRoomOnConnection` | the peer reads; the connection takes everything | the queue is empty |
//! | `KernelAcknowledges` | the kernel is asked | it says that nothing is unacknowledged |
//! | `OwnerCreatesTransport`, `OwnerRestartsIce`, `OwnerClosesTransport` | commands | at once |
//! | `OwnerClosesServer`, `OwnerDropsHandle` | the barrier is told | at once |
//! | `OwnerArmsCallback` | the next event finds it armed; it asks, as a handle does | at once |
//! | `…DeadlinePasses`, `ConsentExpires` | the alarm goes off | at once |
//! | `WorkerMeetsStaleEvent` | an event with the token of the use that ended, and what it was in the batch (*) | at once |
//! | `WorkerHears…` | the command arrives | at once |
//!
//! (*) The kernel cannot be made to say that, or not at that moment: `webrtc_server::shell` pretends, which it can do
//! for tests only.

use std::sync::Arc;

use webrtc_server::control::by_hand::ufrag_of;
use webrtc_server::control::command::{Command, Refused, Reply};
use webrtc_server::control::owner::Owner;
use webrtc_server::fingerprint::Fingerprint;
use webrtc_server::shell::Ready;
use webrtc_server_model::{Action, Closes, Role, SocketId, State, TransportId, Tuple, WorkerId};

use super::alarms;
use super::client::Client;
use super::report::Harness;
use super::stage::Stage;
use crate::divergence::Finding;
use crate::lockstep::names;
use crate::lockstep::outside::Creation;
use crate::peer::{DtlsRole, DtlsSession, Peer, ServerCredentials};

impl Stage<'_> {
    pub(super) fn perform(&mut self, before: &State, action: Action) -> Result<(), Harness> {
        match action {
            Action::PeerChecks { t, from: Tuple::Tcp(c), check }
                if before.core.is_misplaced(self.config, t, c) =>
            {
                self.check_elsewhere(before, t, c, check)
            }
            Action::PeerChecks { t, from, check } => self.check(before, t, from, check),
            Action::PeerChecksTwiceAndResets { t, c } => self.check_twice_and_reset(t, c),
            Action::PeerConnects { c } => self.connect(c),
            Action::PeerConnectsInVain { c } => self.connect_in_vain(c),
            Action::PeerSendsFlight { t } => self.send_flight(before, t),
            Action::PeerHandshakes { t } => self.handshake(before, t),
            Action::PeerFailsHandshake { t } => self.fail_handshake(before, t),
            Action::PeerSendsFatalAlert { t } => self.send_fatal_alert(before, t),
            Action::PeerSendsCloseNotify { t } => {
                let path = selected(before, t)?;
                self.send_close_notify(t, path)
            }
            Action::PeerAnswers { t } => self.answer(t),
            Action::PeerStreams { c } => self.stream(c),
            Action::PeerSendsFin { c } => self.finish(c),
            Action::PeerResets { c } => self.reset(c),
            Action::PeerVanishes { c } => self.vanish(c),
            Action::KernelFillsSocket { s } => {
                self.set_full(s, true);
                Ok(())
            }
            Action::KernelMakesRoomOnSocket { s } => {
                self.set_full(s, false);
                let (w, socket) = self.book.socket(s);
                self.deliver(w, Ready::SocketWritable(socket), "room on the socket")
            }
            Action::KernelFillsConnection { c } => self.fill_connection(before, c),
            Action::KernelLeavesRoom { c, part } => self.leave_room(c, part),
            Action::KernelMakesRoomOnConnection { c } => self.make_room(c),
            Action::KernelMakesLittleRoom { c } => self.make_little_room(c),
            Action::KernelAcknowledges { c } => self.acknowledge(c),
            Action::ConsentExpires { .. }
            | Action::HandshakeDeadlinePasses { .. }
            | Action::FarewellDeadlinePasses { .. }
            | Action::LingerDeadlinePasses { .. }
            | Action::BindDeadlinePasses { .. }
            | Action::ServerDeadlinePasses { .. } => {
                self.fire(action);
                Ok(())
            }
            Action::WorkerReads { c } => self.read(c),
            Action::WorkerTakesOver { c } => self.take_over(before, c),
            Action::WorkerJudges { t, .. } => {
                self.judge(t);
                Ok(())
            }
            Action::WorkerHearsProof { c } => {
                self.hear_proof(before, c);
                Ok(())
            }
            Action::WorkerMeetsStaleEvent { c } => self.meet_stale_event(c),
            Action::OwnerClosesServer { .. }
            | Action::OwnerDropsHandle { .. }
            | Action::OwnerArmsCallback { .. }
            | Action::OwnerCreatesTransport { .. }
            | Action::OwnerRestartsIce { .. }
            | Action::OwnerClosesTransport { .. }
            | Action::WorkerHearsTransportClose { .. }
            | Action::WorkerHearsClose { .. }
            | Action::WorkerHearsGrant { .. } => self.perform_of_owner(action),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
    fn perform_of_owner(&mut self, action: Action) -> Result<(), Harness> {
        match action {
            Action::OwnerClosesServer { caller } => {
                let effects = self.barrier.close(caller);
                self.barrier_effects.extend(effects);
            }
            Action::OwnerDropsHandle { caller } => {
                let effects = self.barrier.drop_handle(caller);
                self.barrier_effects.extend(effects);
            }
            Action::OwnerArmsCallback { closes } => self.arm.arm(closes),
            Action::OwnerCreatesTransport { t } => self.create(t)?,
            Action::OwnerRestartsIce { t } => self.restart_ice(t)?,
            Action::OwnerClosesTransport { t } => self.close_transport(t),
            Action::WorkerHearsTransportClose { t } => match self.arm.take(Closes::Transport(t)) {
                true => self.close_transport(t),
                false => self.miss("the callback's command to close a transport"),
            },
            Action::WorkerHearsClose { w } => match self.barrier.take_close(w) {
                Some(command) => self.workers[w.index()].execute(command),
                None => self.miss("the command to close the server"),
            },
            Action::WorkerHearsGrant { w } => match self.barrier.take_grant(w) {
                Some(command) => self.workers[w.index()].execute(command),
                None => self.miss("the permission to release the carriers"),
            },
            _ => unreachable!("{action:?} is nothing that an owner or a worker does"),
        }
        Ok(())
    }

    pub(super) fn miss(&mut self, what: &str) {
        self.findings.push(Finding::new(what, &"given", &"not given"));
    }

    fn fire(&mut self, action: Action) {
        let armed = alarms::of_action(action, self.config, &self.book);
        let fired = armed.is_some_and(|(w, alarm)| self.workers[w.index()].fire(alarm));
        if !fired {
            let armed_there = self.alarms();
            self.findings.push(Finding::new("the moment that comes", &armed, &armed_there));
        }
    }

    fn set_full(&mut self, s: SocketId, full: bool) {
        self.full[s.index()] = full;
        let (w, socket) = self.book.socket(s);
        self.workers[w.index()].set_socket_full(socket, full);
    }

    fn close_transport(&mut self, t: TransportId) {
        let transport = names::transport(t);
        self.worker_of(t).execute(Command::CloseTransport { transport });
    }

    /// Creates a transport and tells it who its peer is.
    pub(super) fn create(&mut self, t: TransportId) -> Result<(), Harness> {
        let (credentials, theirs) = credentials(self.config.worker_of(t), t, 0);
        let transport = names::transport(t);
        let (reply, created) = Reply::new();
        let sink = self.owners[t.index()].sink(&self.arm);
        let closed = Arc::clone(&self.owners[t.index()].closed);
        let owner = Owner::new(&credentials, sink, closed);
        let consent = Some(names::CONSENT);
        let dtls = self.wardrobe.dtls.clone();
        let create =
            Command::CreateTransport { transport, credentials, consent, dtls, owner, reply };
        self.worker_of(t).execute(create);
        match created.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(Refused::Closed)) => {
                self.creation[t.index()] = Creation::Refused;
                return Ok(());
            }
            refused => {
                self.findings.push(Finding::new("the new transport", &"made", &refused));
                return Ok(());
            }
        }
        self.creation[t.index()] = Creation::Created;
        let role = self.config.transport(t).role;
        let (reply, connected) = Reply::new();
        let certificate = &self.wardrobe.certificate;
        let fingerprint = Fingerprint::parse("sha-256", certificate.fingerprint());
        let session = match role {
            Role::Server => DtlsSession::new(DtlsRole::Client, certificate),
            Role::Client => DtlsSession::cautious_server(certificate),
        };
        let session = session.map_err(|error| Harness::Impossible(error.to_string()))?;
        self.clients[t.index()] = Some(Client::new(Peer::with_session(theirs, session)));
        let remote_role = names::remote_role(role);
        let fingerprints = fingerprint.into_iter().collect();
        let connect = Command::Connect { transport, remote_role, fingerprints, reply };
        self.worker_of(t).execute(connect);
        let (expected, got) = (Ok(Ok(names::local_role(role))), connected.try_recv());
        if got != expected {
            self.findings.push(Finding::new("the role in DTLS", &expected, &got));
        }
        Ok(())
    }

    fn restart_ice(&mut self, t: TransportId) -> Result<(), Harness> {
        let w = self.config.worker_of(t);
        let client = self.client(t)?;
        client.restarts += 1;
        client.last_check = None;
        let (credentials, theirs) = credentials(w, t, client.restarts);
        client.former = Some(client.peer.credentials().clone());
        client.peer.set_credentials(theirs);
        let (reply, restarted) = Reply::new();
        let transport = names::transport(t);
        self.worker_of(t).execute(Command::RestartIce { transport, credentials, reply });
        let restarted = restarted.try_recv();
        if !matches!(restarted, Ok(Ok(()))) {
            self.findings.push(Finding::new("the ICE restart", &"done", &restarted));
        }
        Ok(())
    }

    /// The peer of a transport.
    pub(super) fn client(&mut self, t: TransportId) -> Result<&mut Client, Harness> {
        self.clients[t.index()].as_mut().ok_or_else(|| impossible("the transport has no peer"))
    }
}

/// The credentials of a transport after so many restarts, for itself and for its peer.
fn credentials(
    w: WorkerId,
    t: TransportId,
    restarts: usize,
) -> (webrtc_server::lifecycle::Credentials, ServerCredentials) {
    let mut own = names::credentials(t, restarts);
    own.ufrag = ufrag_of(names::worker(w), &own.ufrag);
    let theirs = ServerCredentials { ufrag: own.ufrag.clone(), password: own.password.clone() };
    (own, theirs)
}

pub(super) fn selected(
    state: &State,
    t: TransportId,
) -> Result<webrtc_server_model::Tuple, Harness> {
    state.core.transport(t).selected.ok_or_else(|| impossible("no path is selected"))
}

pub(super) fn impossible(what: &str) -> Harness {
    Harness::Impossible(what.to_owned())
}
