//! What the core puts out becomes a system call, a call into OpenSSL, or a word to the owner.

use super::{Ready, Worker};
use crate::control::events::TransportEvent;
use crate::lifecycle::{
    About, CloseReason, ConnectionId, DropReason, DtlsState, Event, Input, Outcome, Output,
    SocketId, TransportId, Tuple, WorkerPhase,
};
use crate::mutants::Mutant;
use crate::shell::timers::Alarm;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// First look at the send queue after `shutdown(WR)`.
const ACKNOWLEDGED_PAUSE: Duration = Duration::from_millis(1);
/// ENOBUFS and errors of receive end without an event.
const BUFFERS_PAUSE: Duration = Duration::from_millis(5);

/// What the kernel said to a datagram.
enum SendResult {
    Taken,
    TryAgain,
    Refused(DropReason),
}

impl Worker {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::SendDatagram { socket, remote, datagram, about } => {
                self.send_datagram(socket, remote, &datagram, about);
            }
            Output::WriteTcp(connection) => self.write(connection),
            Output::ShutdownTcp(connection) => self.shutdown(connection),
            Output::CloseTcp(connection) => self.forget(connection),
            Output::AbortTcp(connection) => self.abort(connection),
            Output::StopAccepting(listener) => {
                self.ready.retain(|ready| *ready != Ready::ListenerReadable(listener));
                self.timers.disarm(Alarm::RetryAccept(listener));
                self.carriers.stop_accepting(listener);
            }
            Output::ReleaseListener(listener) => self.carriers.release_listener(listener),
            Output::ReleaseSocket(socket) => {
                self.timers.disarm(Alarm::RetrySocket(socket));
                self.carriers.release_socket(socket);
            }
            Output::StartDtls { transport, role } => self.start_dtls(transport, role),
            Output::ExpectFingerprints { transport, fingerprints } => {
                self.expect_fingerprints(transport, fingerprints);
            }
            Output::FeedDtls { transport, datagram } => self.feed_dtls(transport, &datagram),
            Output::EncryptData { transport, data } => self.encrypt(transport, &data),
            Output::MakeCloseNotify(transport) => self.make_close_notify(transport),
            Output::DropDtls(transport) => self.drop_dtls(transport),
            Output::ArmTimer { timer, after } => self.arm(Alarm::Lifecycle(timer), after),
            Output::DisarmTimer(timer) => self.timers.disarm(Alarm::Lifecycle(timer)),
            Output::Emit { transport, event } => self.emit(transport, event),
            Output::ReportClosed { transport, reason, outcome } => {
                self.report_closed(transport, reason, outcome);
            }
            Output::CountDropped { frames } => self.stats.frames_dropped += frames as u64,
            Output::AcknowledgeDrained => {
                self.notify.drained(std::mem::take(&mut self.outcomes));
            }
            Output::AcknowledgeReleased => self.notify.released(),
        }
    }

    //= RES-04
    fn send_datagram(
        &mut self,
        socket: SocketId,
        remote: SocketAddr,
        datagram: &[u8],
        about: About,
    ) {
        let result = self.try_send(socket, remote, datagram);
        match &result {
            SendResult::Taken => {
                self.stats.datagrams_sent += 1;
                self.stats.bytes_sent += datagram.len() as u64;
                let owner = match about {
                    About::Reply => self.core.routes().by_tuple(&Tuple::Udp { socket, remote }),
                    About::Records(transport) | About::CloseNotify(transport) => Some(transport),
                };
                self.count_sent(owner, datagram.len());
            }
            SendResult::TryAgain => self.stats.sends_blocked += 1,
            SendResult::Refused(_) => self.stats.send_errors += 1,
        }
        let About::CloseNotify(transport) = about else { return };
        self.answers.push_back(match result {
            SendResult::Taken => {
                self.stats.alerts_sent += 1;
                Input::CloseNotifySent { transport }
            }
            SendResult::TryAgain if self.planted.is(Mutant::TryAgainDrops) => {
                Input::CloseNotifyFailed { transport, reason: DropReason::Io }
            }
            SendResult::TryAgain => Input::CloseNotifyBlocked { transport },
            SendResult::Refused(reason) => Input::CloseNotifyFailed { transport, reason },
        });
    }

    fn try_send(&mut self, id: SocketId, remote: SocketAddr, datagram: &[u8]) -> SendResult {
        let Some(carrier) = self.carriers.sockets.get(&id) else {
            return SendResult::Refused(DropReason::CarrierReleased);
        };
        #[cfg(feature = "testing")]
        if self.tracer.as_ref().is_some_and(|(tracer, _)| tracer.datagrams_are_refused()) {
            return SendResult::Refused(DropReason::Io);
        }
        let mut result = carrier.send(datagram, remote);
        // An ICMP error that another peer caused is reported once, on whatever is sent next.
        if matches!(&result, Err(e) if e.kind() == io::ErrorKind::ConnectionRefused) {
            result = carrier.send(datagram, remote);
        }
        match result {
            Ok(_) => SendResult::Taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => SendResult::TryAgain,
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                self.retry_later(id);
                SendResult::TryAgain
            }
            Err(_) => SendResult::Refused(DropReason::Io),
        }
    }

    /// No event of the poll will name the socket.
    pub(super) fn retry_later(&mut self, id: SocketId) {
        self.arm(Alarm::RetrySocket(id), BUFFERS_PAUSE);
    }

    fn write(&mut self, connection: ConnectionId) {
        let Some(carrier) = self.carriers.connections.get_mut(&connection) else { return };
        let bytes = self.core.unwritten(connection);
        let result = loop {
            match carrier.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        #[cfg(feature = "testing")]
        self.carriers.note_leftover(&result, bytes);
        let answer = match result {
            Ok(0) => Input::ConnectionBlocked { connection },
            Ok(_) if self.planted.is(Mutant::RestForgotten) => {
                Input::BytesWritten { connection, bytes: bytes.len() }
            }
            Ok(bytes) => {
                self.count_written(connection, bytes);
                Input::BytesWritten { connection, bytes }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Input::ConnectionBlocked { connection }
            }
            //= TCP-14
            Err(_) => Input::ConnectionReset { connection },
        };
        self.answers.push_back(answer);
    }

    /// The kernel took bytes of the connection's first frame.
    fn count_written(&mut self, connection: ConnectionId, bytes: usize) {
        self.stats.bytes_sent += bytes as u64;
        let Some(connection) = self.core.connections().get(&connection) else { return };
        self.count_sent(connection.owner(), connection.queue.payload_of(bytes));
    }

    fn shutdown(&mut self, connection: ConnectionId) {
        let Some(carrier) = self.carriers.connections.get(&connection) else { return };
        if self.planted.is(Mutant::ClosesUnread) {
            drop(self.carriers.take_connection(connection));
        } else {
            // ENOTCONN: the peer has reset it, which the next read will say.
            let _ = carrier.stream.shutdown(Shutdown::Write);
        }
        self.arm(Alarm::Acknowledged(connection), ACKNOWLEDGED_PAUSE);
    }

    fn forget(&mut self, connection: ConnectionId) {
        if !self.planted.is(Mutant::AlarmKept) {
            self.timers.disarm(Alarm::Acknowledged(connection));
        }
        drop(self.carriers.take_connection(connection));
    }

    fn abort(&mut self, connection: ConnectionId) {
        self.timers.disarm(Alarm::Acknowledged(connection));
        if self.planted.is(Mutant::NeverGivesUp) {
            return;
        }
        if let Some(carrier) = self.carriers.take_connection(connection) {
            let _ = socket2::SockRef::from(&carrier.stream).set_linger(Some(Duration::ZERO));
        }
    }

    fn emit(&mut self, transport: TransportId, event: Event) {
        // What a failed handshake had to say has left. Its memory goes, and with it the timer that would repeat the
        // last flight.
        //= DTL-15
        let failed = matches!(event, Event::DtlsStateChanged(DtlsState::Failed, _));
        self.stats.handshakes_failed += u64::from(failed);
        if failed && !self.planted.is(Mutant::SessionKept) {
            self.drop_dtls(transport);
        }
        let event = match event {
            Event::IceStateChanged(state) => TransportEvent::IceStateChange(state),
            Event::SelectedTupleChanged(tuple) => TransportEvent::IceSelectedTupleChange(
                tuple.and_then(|tuple| self.transport_tuple(&tuple)),
            ),
            Event::DtlsStateChanged(state, reason) => TransportEvent::DtlsStateChange {
                state,
                reason,
                connected: self.take_connected(transport, state),
            },
            Event::DataReceived(data) => TransportEvent::Data(data),
        };
        if let Some(slot) = self.slots.get_mut(&transport) {
            slot.owner.report(event);
        }
    }

    fn report_closed(&mut self, transport: TransportId, reason: CloseReason, outcome: Outcome) {
        self.transactions.forget(transport);
        if self.core.phase() != WorkerPhase::Open {
            self.outcomes.push((transport.0, outcome));
        }
        let Some(mut slot) = self.slots.remove(&transport) else { return };
        slot.owner.report_closed(reason, outcome);
        if self.planted.is(Mutant::OwnerKept) {
            self.slots.insert(transport, slot);
        }
    }
}
