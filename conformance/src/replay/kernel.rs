//! What the kernel does to a connection: it fills, it has room again, it has everything acknowledged.

use std::time::{Duration, Instant};
use webrtc_server::control::command::{Command, Reply};
use webrtc_server::lifecycle::ConnectionId;
use webrtc_server::shell::{Alarm, Ready};
use webrtc_server_model::{TransportId, Via};

use super::PATIENCE;
use super::perform::impossible;
use super::report::{Finding, Harness};
use super::stage::Stage;
use crate::lockstep::names::{self, Names};

/// Bytes of one message: with DTLS and its length a frame that no power of two divides.
const MESSAGE_BYTES: usize = 1_100;
/// Messages that fill any connection of this stage.
const MESSAGES_MAX: usize = 200;
/// Longest wait for the kernel to say that there is room; asked again after that.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Stage {
    /// Sends what the peer does not read, until a frame was taken in part, and then one message more, which waits unbegun.
    pub(super) fn fill_connection(&mut self, t: TransportId) -> Result<(), Harness> {
        let client = &mut self.clients[t.index()];
        let path = client.path(Via::Tcp)?;
        client.peer.pause(path)?;
        let id = self.connection(t)?;
        for _ in 0..MESSAGES_MAX {
            if self.is_blocked(id) {
                // The kernel may have moved on meanwhile: blocked is who stays so.
                self.worker.poll(Some(Duration::ZERO))?;
                if !self.worker.deliver(Ready::ConnectionWritable(id)) {
                    self.send(t)?;
                    return Ok(());
                }
            } else {
                self.send(t)?;
            }
        }
        Err(Harness::Impossible(format!("{MESSAGES_MAX} messages do not fill a connection")))
    }

    fn send(&mut self, t: TransportId) -> Result<(), Harness> {
        let (reply, answer) = Reply::new();
        self.worker.execute(Command::Send {
            transport: names::transport(t),
            data: vec![0xA5; MESSAGE_BYTES],
            reply: Some(reply),
        });
        match answer.try_recv() {
            Ok(Ok(())) => Ok(()),
            refused => Err(Harness::Impossible(format!("a message is not taken: {refused:?}"))),
        }
    }

    /// The peer reads until the server has nothing more to write, or has given up the connection.
    pub(super) fn make_room(&mut self, t: TransportId) -> Result<(), Harness> {
        self.resume(t)?;
        let id = self.connection(t)?;
        let deadline = Instant::now() + PATIENCE;
        while self.is_blocked(id) {
            if Instant::now() >= deadline {
                return Err(Harness::Barrier("the connection takes everything that is queued"));
            }
            self.clients[t.index()].peer.collect()?;
            self.worker.poll(Some(LOOK_AGAIN))?;
            self.worker.deliver(Ready::ConnectionWritable(id));
        }
        Ok(())
    }

    /// Asks the kernel until it says that everything is acknowledged; the peer reads on.
    pub(super) fn acknowledge(&mut self, t: TransportId) -> Result<(), Harness> {
        let id = self.connection(t)?;
        let deadline = Instant::now() + PATIENCE;
        while self.worker.core().connections().contains_key(&id) {
            if Instant::now() >= deadline {
                return Err(Harness::Barrier("the peer's TCP acknowledges everything"));
            }
            self.clients[t.index()].peer.collect()?;
            if !self.worker.fire(Alarm::Acknowledged(id)) {
                let armed = self.worker.alarms();
                self.findings.push(Finding::new("the moment that comes", &"Acknowledged", &armed));
                return Ok(());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The peer of a transport reads its connection again.
    pub(super) fn resume(&mut self, t: TransportId) -> Result<(), Harness> {
        let client = &mut self.clients[t.index()];
        if let Some(path) = client.stream() {
            client.peer.resume(path)?;
        }
        Ok(())
    }

    fn connection(&self, t: TransportId) -> Result<ConnectionId, Harness> {
        self.book.connection(t).ok_or_else(|| impossible("the peer has no connection"))
    }
}
