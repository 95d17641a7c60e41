//! What happens to a connection: it opens, fills, has room again, has everything acknowledged, and ends.

use std::time::{Duration, Instant};
use webrtc_server::control::command::{Command, Reply};
use webrtc_server::lifecycle;
use webrtc_server::shell::{Alarm, Ready, WriteRoom};
use webrtc_server_model::{ConnectionId, State, TransportId, Tuple, WorkerId};

use super::perform::impossible;
use super::report::Harness;
use super::stage::Stage;
use super::wires::Reading;
use crate::PATIENCE;
use crate::divergence::Finding;
use crate::lockstep::names;
use crate::peer::StreamEnd;

/// Bytes of one message: as much as fits a record of this MTU, because the longer a frame, the likelier it is cut.
pub(super) const MESSAGE_BYTES: usize = 1_160;
/// How much shorter the messages of the next length are.
const SHORTER_BYTES: usize = 47;
/// Attempts to have the connection full within a frame.
const FILLS_MAX: u32 = 40;
/// Lengths that they try in turn.
const LENGTHS: u32 = 20;
/// Messages that fill any connection of this stage.
const MESSAGES_MAX: usize = 200;
/// Less than any frame.
const LITTLE_BYTES: usize = 7;
/// A frame of media, which the server drops unseen: RTP version 2, and not much behind it.
pub(super) const MEDIA: [u8; 12] = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
/// Longest wait for the kernel to say that there is room; asked again after that.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Stage<'_> {
    pub(super) fn connect(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let l = self.config.connections[c.index()];
        let (w, listener) = self.book.listener(l);
        let local = self.wires.connect(c, self.listeners[l.index()])?;
        self.deliver(w, Ready::ListenerReadable(listener), "the listener has a connection")?;
        let worker = &self.workers[w.index()];
        let connections = worker.core().connections().iter();
        let accepted = connections.rev().find(|(_, c)| c.remote == local).map(|(id, _)| *id);
        let entry = &mut self.interference[c.index()];
        entry.uses += 1;
        entry.token = accepted.and_then(|id| worker.token(id));
        match accepted {
            Some(id) => self.book.note_connection(c, w, id),
            None => {
                self.findings.push(Finding::new("the connection", &"accepted", &"not accepted"));
            }
        }
        Ok(())
    }

    /// There is a descriptor for the connection, and then no place in the poll: it is closed at once.
    pub(super) fn connect_in_vain(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let l = self.config.connections[c.index()];
        let (w, listener) = self.book.listener(l);
        self.workers[w.index()].set_refuses_connections(true);
        self.wires.connect(c, self.listeners[l.index()])?;
        self.wires.connection(c)?.end = Some(StreamEnd::Fin);
        self.interference[c.index()].uses += 1;
        self.deliver(w, Ready::ListenerReadable(listener), "the listener has a connection")?;
        self.workers[w.index()].set_refuses_connections(false);
        Ok(())
    }

    pub(super) fn stream(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let (w, id) = self.connection(c)?;
        self.wires.send(Tuple::Tcp(c), &MEDIA)?;
        self.interference[c.index()].unread = true;
        let ready = Ready::ConnectionReadable(id);
        self.await_ready(w, ready, "the peer's bytes are with the server").map(|_| ())
    }

    pub(super) fn read(&mut self, c: ConnectionId) -> Result<(), Harness> {
        self.interference[c.index()].unread = false;
        self.deliver_packets(Tuple::Tcp(c))
    }

    pub(super) fn finish(&mut self, c: ConnectionId) -> Result<(), Harness> {
        self.wires.connection(c)?.path.finish()?;
        self.deliver_packets(Tuple::Tcp(c))
    }

    /// A connection whose end of input was read says nothing more to a reader: there the next write meets the reset.
    pub(super) fn reset(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let (w, id) = self.connection(c)?;
        let connection = self.wires.connection(c)?;
        connection.path.reset()?;
        connection.end = None;
        self.interference[c.index()].unread = false;
        self.deliver_packets(Tuple::Tcp(c))?;
        if self.is_blocked(w, id) {
            self.workers[w.index()].set_write_room(id, WriteRoom::Real);
            self.deliver(w, Ready::ConnectionWritable(id), "a write meets the reset")?;
        }
        Ok(())
    }

    pub(super) fn vanish(&mut self, c: ConnectionId) -> Result<(), Harness> {
        self.set_room(c, WriteRoom::Broken)
    }

    fn set_room(&mut self, c: ConnectionId, room: WriteRoom) -> Result<(), Harness> {
        let (w, id) = self.connection(c)?;
        self.workers[w.index()].set_write_room(id, room);
        Ok(())
    }

    /// Between two frames nothing more is taken, or the beginning of the next one.
    pub(super) fn leave_room(&mut self, c: ConnectionId, part: bool) -> Result<(), Harness> {
        self.set_room(c, WriteRoom::Bytes(if part { LITTLE_BYTES } else { 0 }))
    }

    pub(super) fn make_little_room(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let (w, id) = self.connection(c)?;
        self.workers[w.index()].set_write_room(id, WriteRoom::Bytes(LITTLE_BYTES));
        self.deliver(w, Ready::ConnectionWritable(id), "room for the beginning of a frame")
    }

    pub(super) fn meet_stale_event(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let w = self.config.home_of(c);
        let stale = self.interference[c.index()].stale.take();
        let (token, id) = stale.ok_or_else(|| impossible("no use of the connection has ended"))?;
        self.workers[w.index()].meet_stale_event(token, id);
        self.compare_stale_event(id);
        Ok(())
    }

    /// Sends what the peer does not read, until a frame was taken in part, and then one message more, which waits
    /// unbegun. If a connection happens to be full at the end of a frame, the peer reads all of it, and other lengths
    /// are tried, with more time for the kernel: a frame is cut where it joins what waits unsent, not where each is
    /// sent alone.
    pub(super) fn fill_connection(
        &mut self,
        before: &State,
        c: ConnectionId,
    ) -> Result<(), Harness> {
        let (w, id) = self.connection(c)?;
        let owner = before.core.connection(c).owner();
        let owner = owner.ok_or_else(|| impossible("nobody sends on the connection"))?;
        for attempt in 0..FILLS_MAX {
            self.wires.connection(c)?.pause();
            let bytes = MESSAGE_BYTES - (attempt % LENGTHS) as usize * SHORTER_BYTES;
            self.fill_once(owner, (w, id), bytes, LOOK_AGAIN * attempt)?;
            if !self.findings.is_empty() {
                return Ok(());
            }
            let connection = self.workers[w.index()].core().connections().get(&id);
            if connection.is_some_and(|connection| connection.queue.is_begun()) {
                return self.send(owner, MESSAGE_BYTES).map(|_| ());
            }
            self.make_room(c)?;
        }
        Err(impossible("a full connection never ends within a frame"))
    }

    /// Messages of so many bytes, until the connection stays full for `rest`.
    fn fill_once(
        &mut self,
        owner: TransportId,
        (w, id): (WorkerId, lifecycle::ConnectionId),
        bytes: usize,
        rest: Duration,
    ) -> Result<(), Harness> {
        for _ in 0..MESSAGES_MAX {
            if self.is_blocked(w, id) {
                let worker = &mut self.workers[w.index()];
                worker.poll(Some(rest))?;
                if !worker.deliver(Ready::ConnectionWritable(id)) {
                    return Ok(());
                }
            } else if !self.send(owner, bytes)? {
                return Ok(());
            }
        }
        Err(Harness::Impossible(format!("{MESSAGES_MAX} messages do not fill a connection")))
    }

    /// Has the server send a message; `false` when it does not take it, which is a finding then.
    fn send(&mut self, owner: TransportId, bytes: usize) -> Result<bool, Harness> {
        self.client(owner)?.messages += 1;
        let (reply, answer) = Reply::new();
        let (transport, data) = (names::transport(owner), vec![0xA5; bytes]);
        self.worker_of(owner).execute(Command::Send { transport, data, reply: Some(reply) });
        let answer = answer.try_recv();
        let is_taken = matches!(answer, Ok(Ok(())));
        if !is_taken {
            self.findings.push(Finding::new("a message to the peer", &"taken", &answer));
        }
        Ok(is_taken)
    }

    /// The peer reads until the server has nothing more to write, or has given up the connection.
    pub(super) fn make_room(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let (w, id) = self.connection(c)?;
        self.resume(c)?;
        self.workers[w.index()].set_write_room(id, WriteRoom::Real);
        let deadline = Instant::now() + PATIENCE;
        while self.is_blocked(w, id) {
            if Instant::now() >= deadline {
                let ready = Ready::ConnectionWritable(id);
                return self.blame(w, ready, "the connection takes everything that is queued");
            }
            self.collect()?;
            let worker = &mut self.workers[w.index()];
            worker.poll(Some(LOOK_AGAIN))?;
            worker.deliver(Ready::ConnectionWritable(id));
        }
        Ok(())
    }

    /// Asks the kernel until it says that everything is acknowledged; the peer reads on.
    pub(super) fn acknowledge(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let (w, id) = self.connection(c)?;
        let deadline = Instant::now() + PATIENCE;
        while self.workers[w.index()].core().connections().contains_key(&id) {
            if Instant::now() >= deadline {
                return self.blame_for_lingering(w, id, "what the peer's TCP has acknowledged");
            }
            self.collect()?;
            self.wires.connection(c)?.path.acknowledge_now()?;
            if !self.workers[w.index()].fire(Alarm::Acknowledged(id)) {
                let armed = self.alarms();
                self.findings.push(Finding::new("the moment that comes", &"Acknowledged", &armed));
                return Ok(());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The peers read a connection again.
    pub(super) fn resume(&mut self, c: ConnectionId) -> Result<(), Harness> {
        self.wires.connection(c)?.reading = Reading::On;
        Ok(())
    }
}
