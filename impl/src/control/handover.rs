//! What one worker hands to another because it arrived at the wrong one.
//!
//! A UDP tuple has a *home*: the worker at whose socket its datagrams arrive, which the system decides by the peer's
//! address. It has an *owner*: the worker whose transport it is of, which the ufrag of a check tells. Where the two
//! differ the home hands over each datagram, and keeps a hint of the owner for those that hold no ufrag. The owner
//! answers by its own socket for the same address.
//!
//! A TCP connection moves for good. The first that it meets is the worker that accepted it, which gives it away with
//! its first check. After that it moves only when a check proved a password: the worker that has the connection asks
//! the one that the check names, which answers with the proof or with the refusal to send.
//!
//! What is handed over, asked and answered is dropped where too much waits already: the next check of the peer leads to
//! the same again. Only the word to a former owner that it must not use a tuple any more gets through always. There is
//! one for each proof of its that the home knows, which are as many as the home's hints. Of one connection one question
//! is under way at a time, so that a peer who repeats a check a thousand times is judged once.
//!
//! A word that is late can be wrong: a [`TupleProved`](Command::TupleProved) that waits while a check proves at home
//! that the tuple has come back takes it away once more, until the next check.
//!
//! What is handed over exists in one place at any time, so that it is closed once: with the worker that has it, or in
//! the mailbox of the one that will, or, if that one does not take it, with the one that had it.
//!
//! No descriptor outlives the answer to `close()`. A worker hands over only while it is open, so before it reports that
//! it is drained, so before the release is granted; its neighbour finds the connection in the mailbox before the grant,
//! and being no longer open it closes the connection. If the neighbour is lost, what is in its mailbox is dropped
//! before the loss is reported, and what is put there later comes back and is dropped by who sent it, who has not
//! reported its release yet.
//!
//! # What it costs, and what would avoid it
//!
//! With sockets of their own the kernel chooses among N workers by a hash of both addresses: of N peers N - 1 meet the
//! wrong worker. A connection moves once and costs nothing afterwards. A UDP peer costs one copy and one place in a
//! queue for each of its datagrams; its answers go out directly. What was weighed against that, and not built:
//!
//! - *A connected socket for each selected tuple*, which the kernel prefers to the others. Before Linux 6.13 all
//!   sockets of one local address are in one chain that is walked for each datagram, so that a thousand peers cost a
//!   thousand steps each. Between `bind` and `connect` it is one of the sockets among which the kernel spreads
//!   everybody, and has to be emptied for others. And each is one more descriptor that the close has to order.
//! - *A classic BPF program that chooses the socket* (`SO_ATTACH_REUSEPORT_CBPF`) has no memory: it could route by the
//!   ufrag of a check, at an offset that the peer chooses, but DTLS and SRTP name nobody. One with a map of the tuples
//!   needs eBPF, and privileges.
//! - *`SO_INCOMING_CPU`* prefers the worker on whose core the network card delivers, which is the same hash once more:
//!   it knows no ufrag either.
//! - *A port for each worker*, named in the candidates of its transports, has nothing to hand over. It gives up the one
//!   port that is mediasoup's reason for a WebRtcServer. Who can open N ports can have N servers of one worker each.
//! - *A transport that moves to the home of its tuple* when that is nominated, before there is a DTLS association,
//!   needs no help of the kernel. Commands and the ufrag would have to find it there: that is the one worth building,
//!   if the figure of the two workers in the benches says so.

use super::command::Command;
use super::mailbox::Mailbox;
use super::queue::{Weigh, Weight};
use super::random::worker_of;
use crate::lifecycle::server::WorkerId;
use crate::lifecycle::{ConnectionId, ListenerId, SendQueue, SocketId};
use crate::shell::bind::{Role, Sharing};
use crate::shell::limiter::ReplyLimiter;
use crate::sync::{Arc, Mutex};
use crate::wire::framing::Deframer;
use mio::net::TcpStream;
use std::net::SocketAddr;

/// Bytes that what is put in for a worker by others may cost until it takes it, for strangers, who choose how much
/// arrives, and as much again for who has proved a password.
pub(super) const HAND_OVERS_BYTES_MAX: usize = 1024 * 1024;
/// What each costs beside its bytes.
pub(super) const WORD_COST: usize = 256;
/// A descriptor is dearer: 128 of them wait at most.
const CONNECTION_COST: usize = 8 * 1024;

/// Something that arrived at another worker than its owner.
pub enum HandOver {
    /// A datagram.
    Datagram {
        /// The socket at which it arrived; the owner has one of the same number and the same address.
        socket: SocketId,
        /// The peer's address.
        remote: SocketAddr,
        /// The bytes.
        datagram: Vec<u8>,
        /// Where it arrived.
        home: WorkerId,
        /// What the home knows: if nothing but a claim, it is to be told of a proof.
        hint: Hint,
    },
    /// A check that came on a connection of its home. It is to be judged, and nothing more.
    Question {
        /// The connection, by its number at its home.
        connection: ConnectionId,
        /// The peer's address.
        remote: SocketAddr,
        /// The check.
        check: Vec<u8>,
        /// Who asks.
        home: WorkerId,
        /// Goes with the question and with its answer. When it is gone, wherever that was, the next question may be
        /// put.
        asking: Arc<()>,
    },
    /// A connection that is no transport's.
    Connection {
        /// The listener that accepted it; the owner has one of the same number and the same address.
        listener: ListenerId,
        /// The peer's address.
        remote: SocketAddr,
        /// The connection.
        stream: TcpStream,
        /// The frame that named the owner: a check.
        check: Vec<u8>,
        /// What was read behind it.
        deframer: Deframer,
        /// What is still to be written.
        queue: SendQueue,
    },
}

/// What the home of a tuple knows of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A check said so, which nobody has verified.
    Claimed,
    /// The owner said so: a check proved its password.
    Proved,
}

impl Weigh for HandOver {
    fn weight(&self) -> Weight {
        match self {
            HandOver::Datagram { datagram, hint: Hint::Claimed, .. } => {
                Weight::Claimed(WORD_COST + datagram.len())
            }
            HandOver::Datagram { datagram, hint: Hint::Proved, .. } => {
                Weight::Proved(WORD_COST + datagram.len())
            }
            HandOver::Question { check, .. } => Weight::Claimed(WORD_COST + check.len()),
            HandOver::Connection { check, deframer, queue, .. } => Weight::Claimed(
                CONNECTION_COST + check.len() + deframer.buffered_bytes() + queue.len(),
            ),
        }
    }
}

/// The workers of a server, as one of them sees them.
pub struct Neighbours {
    own: WorkerId,
    role: Role,
    mailboxes: Arc<[Mailbox]>,
    limiter: Arc<Mutex<ReplyLimiter>>,
}

impl Neighbours {
    /// `None` for a worker that is alone. `limiter` is that of the server.
    pub(super) fn of(
        own: WorkerId,
        sharing: Sharing,
        mailboxes: &Arc<[Mailbox]>,
        limiter: &Arc<Mutex<ReplyLimiter>>,
    ) -> Option<Self> {
        let role = sharing.role_of(own);
        let (mailboxes, limiter) = (Arc::clone(mailboxes), Arc::clone(limiter));
        (mailboxes.len() > 1).then_some(Neighbours { own, role, mailboxes, limiter })
    }

    /// What rations error replies. It is asked for those only: nobody else waits for its lock.
    //= RES-08
    pub(crate) fn limiter(&self) -> Arc<Mutex<ReplyLimiter>> {
        Arc::clone(&self.limiter)
    }

    /// What this worker does with its sockets.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// This worker itself.
    pub(crate) fn own(&self) -> WorkerId {
        self.own
    }

    /// The other worker that made this ufrag, by what the ufrag says; `None` when it is this one's or nobody's.
    pub(crate) fn owner_of(&self, ufrag: &str) -> Option<WorkerId> {
        worker_of(ufrag).filter(|worker| *worker != self.own && worker.0 < self.mailboxes.len())
    }

    /// Hands something over, or answers; `false`: the neighbour is gone or has too much to take, and it is dropped.
    pub(crate) fn offer(&self, to: WorkerId, command: Command) -> bool {
        self.mailboxes.get(to.0).is_some_and(|mailbox| mailbox.offer(command))
    }

    /// Tells a neighbour what it must know. One that is gone needs not.
    pub(crate) fn tell(&self, to: WorkerId, command: Command) {
        if let Some(mailbox) = self.mailboxes.get(to.0) {
            let _ = mailbox.tell(command);
        }
    }
}
