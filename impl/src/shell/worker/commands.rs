//! What the handles ask for.

use super::{Owner, Worker};
use crate::control::command::{Command, Refused};
use crate::control::dump::{ConnectionCounts, TransportDump, WorkerDump};
use crate::lifecycle::{
    ConnectionPhase, DtlsState, Input, TransportId, Tuple, Verdict,
};
use crate::parameters::TransportTuple;

impl Worker {
    /// Does what a handle asks for and answers it.
    pub fn execute(&mut self, command: Command) {
        match command {
            Command::CreateTransport { transport, credentials, consent, sink, closed, reply } => {
                self.owners.insert(transport, Owner { sink, closed });
                let input = Input::TransportCreated { transport, credentials, consent };
                let verdict = self.feed(input);
                if verdict != Verdict::Applied {
                    self.owners.remove(&transport);
                }
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
            Command::CloseServer { deadline } => {
                let _ = self.feed(Input::ServerCloseRequested { deadline });
            }
            Command::GrantRelease => {
                let _ = self.feed(Input::ReleaseGranted);
            }
            Command::DumpServer { reply } => reply.send(self.dump()),
            Command::DumpTransport { transport, reply } => {
                reply.send(self.dump_transport(transport));
            }
            Command::GetStats { reply } => reply.send(self.stats.clone()),
        }
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
}

fn accepted(verdict: Verdict) -> Result<(), Refused> {
    match verdict {
        Verdict::Applied => Ok(()),
        Verdict::Repeated => Err(Refused::AlreadyConnected),
        Verdict::Late | Verdict::Impossible => Err(Refused::Closed),
    }
}
