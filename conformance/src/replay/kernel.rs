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

/// Bytes of one message: as much as fits a record of this MTU, because the longer a frame, the likelier it is cut.
const MESSAGE_BYTES: usize = 1_160;
/// How much shorter the messages of the next attempt are.
const SHORTER_BYTES: usize = 47;
/// Attempts to have the connection full within a frame.
const FILLS_MAX: usize = 20;
/// Messages that fill any connection of this stage.
const MESSAGES_MAX: usize = 200;
/// Longest wait for the kernel to say that there is room; asked again after that.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Stage {
    /// Sends what the peer does not read, until a frame was taken in part, and then one message more, which waits unbegun.
    /// If a connection happens to be full at the end of a frame, the peer reads all of it, and other lengths are tried.
    pub(super) fn fill_connection(&mut self, t: TransportId) -> Result<(), Harness> {
        let (path, id) = (self.clients[t.index()].path(Via::Tcp)?, self.connection(t)?);
        for attempt in 0..FILLS_MAX {
            self.clients[t.index()].peer.pause(path)?;
            self.fill_once(t, id, MESSAGE_BYTES - attempt * SHORTER_BYTES)?;
            let connection = self.worker.core().connections().get(&id);
            if connection.is_some_and(|connection| connection.queue.is_begun()) {
                return self.send(t, MESSAGE_BYTES);
            }
            self.make_room(t)?;
        }
        Err(impossible("a full connection never ends within a frame"))
    }

    fn fill_once(&mut self, t: TransportId, id: ConnectionId, bytes: usize) -> Result<(), Harness> {
        for _ in 0..MESSAGES_MAX {
            if self.is_blocked(id) {
                // The kernel may have moved on meanwhile: full is what stays full.
                self.worker.poll(Some(Duration::ZERO))?;
                if !self.worker.deliver(Ready::ConnectionWritable(id)) {
                    return Ok(());
                }
            } else {
                self.send(t, bytes)?;
            }
        }
        Err(Harness::Impossible(format!("{MESSAGES_MAX} messages do not fill a connection")))
    }

    fn send(&mut self, t: TransportId, bytes: usize) -> Result<(), Harness> {
        let (reply, answer) = Reply::new();
        self.worker.execute(Command::Send {
            transport: names::transport(t),
            data: vec![0xA5; bytes],
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
            let client = &mut self.clients[t.index()];
            client.peer.collect()?;
            if let Some(path) = client.stream() {
                client.peer.tcp(path)?.acknowledge_now()?;
            }
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
