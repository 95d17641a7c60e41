//! What surrounds the core in life: the shell with its clock, DTLS, the kernel, the peers and the callers. It performs
//! every output, or says why that is impossible, and knows the answer to those that have one.
//!
//! The kernel gives no bytes and no descriptor back: whoever uses a connection, a socket or a DTLS association that is
//! gone is told so here, however harmless it looks in the state.

use super::names;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;
use webrtc_server::lifecycle::server::{ServerInput, ServerOutput};
use webrtc_server::lifecycle::{
    About, ConnectionId, DropReason, Input, Limits, Output, RecordKind, SocketId, Timer, Worker,
};
use webrtc_server_model::{
    Caller, CloseReason, Config, Effect, Listener, Outcome, Socket, State, Stream, TransportId,
    Via, World,
};

/// What is fed, and to which of the two machines.
#[derive(Clone, Debug)]
pub(super) enum Fed {
    /// To the worker.
    Worker(Input),
    /// To the barrier.
    Server(ServerInput),
}

/// What is fed next, with the effect that it tells of, if it tells of one.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The input.
    pub(super) fed: Fed,
    /// What happened before it could be said.
    pub(super) news: Option<Effect>,
}

impl Answer {
    pub(super) fn worker(input: Input) -> Self {
        Answer { fed: Fed::Worker(input), news: None }
    }

    pub(super) fn server(input: ServerInput) -> Self {
        Answer { fed: Fed::Server(input), news: None }
    }
}

/// How much a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Everything.
    Plenty,
    /// Half of the next frame, then nothing.
    HalfAFrame,
    /// Nothing: a frame was taken in part.
    None,
    /// The rest of that frame, then everything.
    Rest,
}

/// A DTLS association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Association {
    /// It has not said close_notify.
    Alive,
    /// It has: it makes no other.
    Silent,
    /// It is freed.
    Dropped,
}

/// The permission to release the carriers, which crosses threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Not every worker is drained.
    NotGiven,
    /// On its way to the worker.
    UnderWay,
    /// It arrived.
    Arrived,
}

/// What was counted during one edge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// STUN replies that left over UDP.
    pub(super) replies: usize,
    /// Bytes that connections took.
    pub(super) written: usize,
}

/// Everything outside the core.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    /// The kernel, the peers and the callers, in the model's words.
    pub(super) world: World,
    /// The timers that run, and for how long they were armed last.
    pub(super) timers: BTreeMap<Timer, Duration>,
    /// What the owner was told of each transport at its end.
    pub(super) reports: Vec<Option<(CloseReason, Outcome)>>,
    /// Where the release stands.
    pub(super) grant: Grant,
    /// How much each connection takes.
    pub(super) room: Vec<Room>,
    /// What this edge did.
    pub(super) tally: Tally,
    associations: Vec<Association>,
    /// What the barrier had said: nothing twice.
    told: Vec<ServerOutput>,
}

impl Outside {
    /// Before anything happened.
    pub(super) fn new(config: &Config) -> Self {
        let transports = config.transports();
        Outside {
            world: State::initial(config).world,
            timers: BTreeMap::new(),
            told: Vec::new(),
            reports: vec![None; transports],
            grant: Grant::NotGiven,
            room: vec![Room::Plenty; transports],
            tally: Tally::default(),
            associations: vec![Association::Alive; transports],
        }
    }

    /// Performs one output of the worker; the answers come in the order in which they arise.
    pub(super) fn perform(
        &mut self,
        output: &Output,
        worker: &Worker,
    ) -> Result<Vec<Answer>, String> {
        match output {
            Output::SendDatagram { socket, remote, datagram, about } => {
                return self.send(*socket, *remote, datagram, *about);
            }
            Output::WriteTcp(id) => return Ok(vec![self.write(*id, worker.unwritten(*id))?]),
            Output::ShutdownTcp(id) => {
                self.end_stream(*id, &[Stream::Open], Stream::Finished)?;
            }
            Output::CloseTcp(id) | Output::AbortTcp(id) => {
                self.end_stream(*id, &[Stream::Open, Stream::Finished], Stream::Closed)?;
            }
            Output::StopAccepting(_) => {
                self.turn_listener(&[Listener::Accepting], Listener::Refusing)?;
            }
            Output::ReleaseListener(_) => {
                let before = [Listener::Accepting, Listener::Refusing];
                self.turn_listener(&before, Listener::Released)?;
            }
            Output::ReleaseSocket(_) => {
                ensure(self.world.socket != Socket::Released, "the socket is released twice")?;
                self.world.socket = Socket::Released;
            }
            Output::StartDtls { .. }
            | Output::ExpectFingerprints { .. }
            | Output::FeedDtls { .. }
            | Output::EncryptData { .. }
            | Output::MakeCloseNotify(_)
            | Output::DropDtls(_) => return self.perform_dtls(output),
            Output::ArmTimer { timer, after } => {
                self.timers.insert(*timer, *after);
            }
            Output::DisarmTimer(timer) => {
                let ran = self.timers.remove(timer).is_some();
                ensure(ran, format_args!("{timer:?} is disarmed and did not run"))?;
            }
            Output::Emit { transport, .. } => {
                let t = names::model_transport(*transport)?;
                ensure(self.reports[t.index()].is_none(), "an event after the report of the end")?;
            }
            Output::ReportClosed { transport, reason, outcome } => {
                let t = names::model_transport(*transport)?;
                let freed = self.associations[t.index()] == Association::Dropped;
                ensure(freed, "a transport is reported closed while DTLS is not freed")?;
                let told = (names::close_reason(*reason), names::outcome(*outcome)?);
                let former = self.reports[t.index()].replace(told);
                ensure(former.is_none(), "a transport is reported closed twice")?;
            }
            Output::CountDropped { .. } => {}
            Output::AcknowledgeDrained => {
                return Ok(vec![Answer::server(ServerInput::WorkerDrained(names::WORKER))]);
            }
            Output::AcknowledgeReleased => {
                return Ok(vec![Answer::server(ServerInput::WorkerReleased(names::WORKER))]);
            }
        }
        Ok(Vec::new())
    }

    /// Performs one output of the barrier. What it grants is on its way until the model's workers acknowledge.
    pub(super) fn perform_server(
        &mut self,
        output: ServerOutput,
    ) -> Result<Option<Answer>, String> {
        ensure(!self.told.contains(&output), format_args!("the barrier says {output:?} twice"))?;
        self.told.push(output);
        Ok(match output {
            ServerOutput::TellWorkersToClose => {
                let deadline = Limits::default().server;
                Some(Answer::worker(Input::ServerCloseRequested { deadline }))
            }
            ServerOutput::GrantRelease => {
                self.grant = Grant::UnderWay;
                None
            }
            ServerOutput::Complete => {
                self.release_callers();
                None
            }
        })
    }

    /// Everybody who waits in `close()` returns.
    pub(super) fn release_callers(&mut self) {
        for caller in &mut self.world.callers {
            if *caller == Caller::Waiting {
                *caller = Caller::Returned;
            }
        }
    }

    fn send(
        &mut self,
        socket: SocketId,
        remote: std::net::SocketAddr,
        datagram: &[u8],
        about: About,
    ) -> Result<Vec<Answer>, String> {
        ensure(socket == names::SOCKET, format_args!("{socket:?} does not exist"))?;
        let t = self
            .ids()
            .find(|t| names::remote(*t, Via::Udp) == remote)
            .ok_or_else(|| format!("nobody is at {remote}"))?;
        match about {
            About::CloseNotify(transport) => {
                ensure(transport == names::transport(t), "a close_notify goes to another's peer")?;
                ensure(datagram == names::ALERT, "that is no close_notify")?;
                let answer = match self.world.socket {
                    Socket::Room => {
                        self.hear_alert(t);
                        Input::CloseNotifySent { transport }
                    }
                    Socket::Full => Input::CloseNotifyBlocked { transport },
                    Socket::Released => {
                        let reason = DropReason::CarrierReleased;
                        Input::CloseNotifyFailed { transport, reason }
                    }
                };
                return Ok(vec![Answer::worker(answer)]);
            }
            About::Reply => self.tally.replies += 1,
            About::Records => {
                ensure(self.world.peers[t.index()].alerts == 0, "records after the close_notify")?;
            }
        }
        ensure(self.world.socket != Socket::Released, "a datagram for a released socket")?;
        Ok(Vec::new())
    }

    /// The kernel takes what there is room for. An alert is always taken whole here: what is cut is application data.
    fn write(&mut self, id: ConnectionId, unwritten: &[u8]) -> Result<Answer, String> {
        let t = names::opener(id)?;
        let at = t.index();
        let open = self.world.peers[at].stream == Stream::Open;
        ensure(open, format_args!("a write after the end of {id:?}"))?;
        ensure(!unwritten.is_empty(), format_args!("nothing to write on {id:?}"))?;
        let bytes = match self.room[at] {
            Room::Plenty | Room::Rest => unwritten.len(),
            Room::HalfAFrame => {
                self.room[at] = Room::None;
                unwritten.len() / 2
            }
            Room::None => return Ok(Answer::worker(Input::ConnectionBlocked { connection: id })),
        };
        self.tally.written += bytes;
        let mut news = None;
        if unwritten.ends_with(names::ALERT) {
            self.hear_alert(t);
            news = Some(Effect::AlertWritten(t));
        } else if self.room[at] != Room::Rest && !unwritten.ends_with(names::REPLY) {
            ensure(self.world.peers[at].alerts == 0, "records after the close_notify")?;
        }
        if self.room[at] == Room::Rest {
            self.room[at] = Room::Plenty;
        }
        Ok(Answer { fed: Fed::Worker(Input::BytesWritten { connection: id, bytes }), news })
    }

    fn end_stream(
        &mut self,
        id: ConnectionId,
        before: &[Stream],
        after: Stream,
    ) -> Result<(), String> {
        let peer = &mut self.world.peers[names::opener(id)?.index()];
        ensure(before.contains(&peer.stream), format_args!("{id:?} is {:?} already", peer.stream))?;
        peer.stream = after;
        Ok(())
    }

    fn turn_listener(&mut self, before: &[Listener], after: Listener) -> Result<(), String> {
        let now = self.world.listener;
        ensure(before.contains(&now), format_args!("the listener is {now:?} already"))?;
        self.world.listener = after;
        Ok(())
    }

    /// What DTLS does with what it is given. It reads a datagram by its words.
    fn perform_dtls(&mut self, output: &Output) -> Result<Vec<Answer>, String> {
        let (Output::StartDtls { transport, .. }
        | Output::ExpectFingerprints { transport, .. }
        | Output::FeedDtls { transport, .. }
        | Output::EncryptData { transport, .. }
        | Output::MakeCloseNotify(transport)
        | Output::DropDtls(transport)) = output
        else {
            return Err(format!("{output:?} is not for DTLS"));
        };
        let transport = *transport;
        let association = &mut self.associations[names::model_transport(transport)?.index()];
        ensure(*association != Association::Dropped, "DTLS is used after it was freed")?;
        if let Output::FeedDtls { datagram, .. } = output {
            return read_datagram(transport, datagram);
        }
        if let Output::EncryptData { data, .. } = output {
            ensure(*association == Association::Alive, "application data after the close_notify")?;
            let kind = RecordKind::Data;
            let datagram = data.clone();
            return Ok(vec![Answer::worker(Input::RecordsMade { transport, datagram, kind })]);
        }
        if let Output::MakeCloseNotify(_) = output {
            ensure(*association == Association::Alive, "DTLS makes one close_notify only")?;
            *association = Association::Silent;
            let datagram = Some(names::ALERT.to_vec());
            return Ok(vec![Answer::worker(Input::CloseNotifyMade { transport, datagram })]);
        }
        if let Output::DropDtls(_) = output {
            *association = Association::Dropped;
        }
        Ok(Vec::new())
    }

    fn hear_alert(&mut self, t: TransportId) {
        let alerts = &mut self.world.peers[t.index()].alerts;
        *alerts = (*alerts + 1).min(2);
    }

    fn ids(&self) -> impl Iterator<Item = TransportId> + use<> {
        (0..self.world.peers.len()).map(|index| TransportId(index as u8))
    }
}

/// What DTLS finds in a datagram of the peer, and what it has to send in turn.
fn read_datagram(
    transport: webrtc_server::lifecycle::TransportId,
    datagram: &[u8],
) -> Result<Vec<Answer>, String> {
    let flight = Input::RecordsMade {
        transport,
        datagram: names::FLIGHT.to_vec(),
        kind: RecordKind::Flight,
    };
    if datagram == names::PEER_FINISHED {
        let done = Input::HandshakeCompleted { transport };
        return Ok(vec![Answer::worker(flight), Answer::worker(done)]);
    }
    if datagram == names::PEER_BROKE {
        let reason = webrtc_server::lifecycle::DtlsReason::Handshake;
        let failed = Input::HandshakeFailed { transport, reason };
        return Ok(vec![Answer::worker(flight), Answer::worker(failed)]);
    }
    if datagram == names::PEER_CLOSE_NOTIFY {
        return Ok(vec![Answer::worker(Input::CloseNotifyReceived { transport })]);
    }
    Err("DTLS is given what no peer sent".to_owned())
}

/// A sentence when something does not hold. It is put together only then: there are millions of these.
pub(super) fn ensure(holds: bool, otherwise: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_string()) }
}
