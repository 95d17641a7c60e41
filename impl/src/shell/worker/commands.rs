//! What the handles ask for, and the other workers.

use super::dtls::DtlsSlot;
use super::{Owner, Slot, Strangers, Worker};
use crate::control::command::{Command, Refused};
use crate::control::dump::{CarrierDump, ConnectionCounts, TransportState, WorkerDump};
use crate::lifecycle::{ConnectionPhase, Credentials, Input, TransportId, Tuple, Verdict};
use crate::parameters::{ListenInfo, TransportTuple};
use crate::shell::dtls::DtlsContext;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

impl Worker {
    /// Does what a handle or another worker asks for and answers it.
    pub fn execute(&mut self, command: Command) {
        match command {
            Command::CreateTransport { transport, credentials, consent, dtls, owner, reply } => {
                let verdict = self.create(transport, credentials, consent, dtls, owner);
                reply.send(accepted(verdict));
            }
            Command::Connect { transport, remote_role, fingerprints, reply } => {
                let input = Input::ConnectRequested { transport, remote_role, fingerprints };
                let verdict = self.feed(input);
                let role = self.core.transports().get(&transport).map(|t| t.role_to_play());
                reply.send(accepted(verdict).and_then(|()| role.ok_or(Refused::Closed)));
            }
            Command::RestartIce { transport, credentials, reply } => {
                let verdict = self.feed(Input::IceRestarted { transport, credentials });
                reply.send(accepted(verdict));
            }
            Command::Send { transport, data, reply } => {
                let result = self.submit(transport, data);
                if let Some(reply) = reply {
                    reply.send(result);
                }
            }
            Command::CloseTransport { transport } => {
                let _ = self.feed(Input::TransportCloseRequested { transport });
            }
            Command::CloseServer { until } => {
                // What it has waited for its turn is gone.
                let left = |until: Instant| until.saturating_duration_since(Instant::now());
                let deadline = until.map_or(Duration::MAX, left);
                let _ = self.feed(Input::ServerCloseRequested { deadline });
            }
            //= CLS-31
            Command::Drain { .. } => self.strangers = Strangers::TurnedAway,
            Command::GrantRelease => {
                let _ = self.feed(Input::ReleaseGranted);
            }
            Command::DumpServer { reply } => reply.send(self.dump()),
            Command::DumpTransport { transport, reply } => {
                reply.send(self.dump_transport(transport));
            }
            Command::GetStats { reply } => reply.send(self.stats.clone()),
            Command::TakeOver(hand_over) => self.take_over(hand_over),
            Command::TupleProved { tuple, owner } => self.tuple_proved(tuple, owner),
            Command::TupleTaken { tuple } => {
                let _ = self.feed(Input::TupleTaken { tuple });
            }
            Command::ConnectionProved { connection, check, owner, asking: _ } => {
                self.connection_proved(connection, &check, owner);
            }
            Command::ConnectionRefused { connection, reply, asking: _ } => {
                let _ = self.feed(Input::CheckRefused { tuple: Tuple::Tcp(connection), reply });
            }
        }
    }

    fn create(
        &mut self,
        transport: TransportId,
        credentials: Credentials,
        consent: Option<Duration>,
        dtls: DtlsContext,
        owner: Owner,
    ) -> Verdict {
        let dtls = Some(DtlsSlot::new(dtls));
        self.slots.insert(transport, Slot { dtls, owner, bytes_received: 0, bytes_sent: 0 });
        let verdict = self.feed(Input::TransportCreated { transport, credentials, consent });
        if verdict != Verdict::Applied {
            self.slots.remove(&transport);
        } else if let Some(slot) = self.slots.get_mut(&transport) {
            slot.owner.made();
        }
        verdict
    }

    fn submit(&mut self, transport: TransportId, data: Vec<u8>) -> Result<(), Refused> {
        if self.data_bytes_max(transport).is_some_and(|max| data.len() > max) {
            return Err(Refused::TooLong);
        }
        match self.core.transports().get(&transport) {
            None => Err(Refused::Closed),
            Some(_) => match self.feed(Input::DataSubmitted { transport, data }) {
                Verdict::Applied => Ok(()),
                Verdict::Late | Verdict::Repeated | Verdict::Impossible => {
                    Err(Refused::NotConnected)
                }
            },
        }
    }

    /// A tuple as the owner sees it; `None` when its carrier is gone.
    pub(super) fn transport_tuple(&self, tuple: &Tuple) -> Option<TransportTuple> {
        let (info, remote) = match tuple {
            Tuple::Udp { socket, remote } => (&self.carriers.sockets.get(socket)?.info, *remote),
            Tuple::Tcp(connection) => {
                let connection = self.core.connections().get(connection)?;
                let listener = self.carriers.listeners.get(&connection.listener)?;
                (&listener.info, connection.remote)
            }
        };
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        Some(TransportTuple::between(info, remote))
    }

    //= RES-16
    fn dump(&self) -> WorkerDump {
        let carrier = |info: &ListenInfo| CarrierDump { ip: info.ip.to_string(), port: info.port };
        let mut connections = ConnectionCounts::default();
        for connection in self.core.connections().values() {
            match connection.phase {
                ConnectionPhase::Unbound => connections.unbound += 1,
                ConnectionPhase::Bound(_) => connections.bound += 1,
                ConnectionPhase::Flushing { .. } | ConnectionPhase::Draining { .. } => {
                    connections.lingering += 1;
                }
            }
        }
        let routes = self.core.routes();
        WorkerDump {
            udp_sockets: self.carriers.sockets.values().map(|c| carrier(&c.info)).collect(),
            tcp_servers: self.carriers.listeners.values().map(|c| carrier(&c.info)).collect(),
            transport_ids: self.core.transports().keys().map(|id| id.0).collect(),
            local_ice_username_fragments: routes
                .ufrags()
                .map(|(ufrag, id)| (ufrag.to_owned(), id.0))
                .collect(),
            tuples: routes.tuples().count(),
            connections,
        }
    }

    fn dump_transport(&self, id: TransportId) -> Option<TransportState> {
        let (transport, slot) = (self.core.transports().get(&id)?, self.slots.get(&id)?);
        let ice = &transport.ice;
        Some(TransportState {
            seen: Instant::now(),
            ice_state: ice.state,
            ice_selected_tuple: ice.selected.and_then(|tuple| self.transport_tuple(&tuple)),
            tuples: ice.tuples.iter().filter_map(|tuple| self.transport_tuple(tuple)).collect(),
            ufrag: ice.credentials.ufrag.clone(),
            dtls_state: transport.dtls,
            dtls_local_role: transport.local_role,
            bytes_received: slot.bytes_received,
            bytes_sent: slot.bytes_sent,
        })
    }
}

fn accepted(verdict: Verdict) -> Result<(), Refused> {
    match verdict {
        Verdict::Applied => Ok(()),
        Verdict::Repeated => Err(Refused::AlreadyConnected),
        Verdict::Late | Verdict::Impossible => Err(Refused::Closed),
    }
}
