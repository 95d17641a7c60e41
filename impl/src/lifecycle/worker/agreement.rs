//! What must hold between the maps of a worker, whatever was fed to it in whatever order.

use super::{Worker, WorkerPhase};
use crate::lifecycle::close_order::TransportCloseStep;
use crate::lifecycle::connection::ConnectionPhase;
use crate::lifecycle::farewell::Farewell;
use crate::lifecycle::ids::Tuple;
use crate::lifecycle::source_of;
use crate::lifecycle::state::{DtlsState, IceState};
use crate::lifecycle::timer::Timer;
use crate::lifecycle::transport::{Phase, Transport};

impl Worker {
    /// The first disagreement between the maps, in words.
    ///
    /// # Errors
    ///
    /// A sentence that names what disagrees. There is no input that leads to one.
    pub fn agreement(&self) -> Result<(), String> {
        self.routes_agree()?;
        self.connections_agree()?;
        self.timers_agree()?;
        for (id, transport) in &self.transports {
            transport.agrees().map_err(|what| format!("transport {}: {what}", id.0))?;
        }
        let nothing_left = self.transports.is_empty()
            && self.connections.is_empty()
            && self.timers.is_empty()
            && self.sockets.is_empty()
            && self.listeners.is_empty();
        ensure(self.phase != WorkerPhase::Released || nothing_left, "released with something left")
    }

    //= O3
    fn routes_agree(&self) -> Result<(), String> {
        for (ufrag, id) in self.routes.ufrags() {
            let owner = self.transports.get(&id).filter(|t| self.is_mapped(t));
            let known = owner.is_some_and(|t| {
                t.ice.credentials.ufrag == ufrag
                    || t.ice.previous.as_ref().is_some_and(|p| p.ufrag == ufrag)
            });
            ensure(known, "a ufrag without a transport that is to be found by it")?;
        }
        for (tuple, id) in self.routes.tuples() {
            let owner = self.transports.get(&id);
            let known = owner.is_some_and(|t| t.ice.tuples.contains(&tuple));
            ensure(known, "a tuple without a transport that has it")?;
        }
        for (tuple, id) in self.routes.parting() {
            let owner = self.transports.get(&id);
            let waits = owner.is_some_and(|t| t.farewell.path() == Some(tuple));
            ensure(waits, "a parting tuple without a farewell that waits on it")?;
        }
        //= N3
        for (id, transport) in &self.transports {
            let Some(path @ Tuple::Udp { .. }) = transport.farewell.waits_on() else { continue };
            let known = self.routes.by_tuple(&path).or_else(|| self.routes.by_parting(&path));
            ensure(known == Some(*id), "a farewell waits on a tuple that anybody can take unseen")?;
        }
        let owned: usize = self.transports.values().map(|t| t.ice.tuples.len()).sum();
        ensure(owned == self.routes.tuples().count(), "a transport has a tuple that is not mapped")
    }

    fn connections_agree(&self) -> Result<(), String> {
        for (id, connection) in &self.connections {
            if let Some(owner) = connection.owner() {
                let known = self.transports.get(&owner).is_some_and(|t| t.connections.contains(id));
                ensure(known, "a connection whose transport does not know it")?;
            }
        }
        let unbound = self.connections.iter().filter(|(_, c)| c.phase == ConnectionPhase::Unbound);
        let strangers = unbound.map(|(id, c)| (source_of(c.remote.ip()), *id)).collect();
        ensure(self.strangers == strangers, "a connection is miscounted as nobody's")?;
        let known: usize = self.transports.values().map(|t| t.connections.len()).sum();
        let owned = self.connections.values().filter(|c| c.owner().is_some()).count();
        ensure(known == owned, "a transport knows a connection that is gone")
    }

    fn timers_agree(&self) -> Result<(), String> {
        for timer in &self.timers {
            let owned = match timer {
                Timer::Consent(id) | Timer::Handshake(id) => {
                    self.transports.get(id).is_some_and(|t| t.phase == Phase::Open)
                }
                Timer::Farewell(id) => self.transports.contains_key(id),
                Timer::Bind(id) | Timer::Linger(id) => self.connections.contains_key(id),
                Timer::Server => self.phase != WorkerPhase::Open,
            };
            ensure(owned, &format!("{timer:?} has no owner"))?;
        }
        //= DTL-15
        for (id, transport) in &self.transports {
            let runs = transport.dtls == DtlsState::Connecting && transport.remote_role.is_some();
            let bounded = self.timers.contains(&Timer::Handshake(*id));
            let open = transport.phase == Phase::Open;
            ensure(!open || bounded == runs, "a deadline without its handshake, or the reverse")?;
        }
        //= L3
        for (id, transport) in &self.transports {
            let waits = matches!(transport.farewell, Farewell::Queued(Tuple::Udp { .. }, _));
            let bounded = self.timers.contains(&Timer::Farewell(*id));
            ensure(bounded || !waits, "a farewell waits for a socket without a deadline")?;
        }
        Ok(())
    }

    /// Whether a transport is to be found by its ufrags: it is open, or waits for the record of its farewell, after
    /// which it is unmapped.
    fn is_mapped(&self, transport: &Transport) -> bool {
        match transport.phase {
            Phase::Open => true,
            Phase::Closing { step, .. } => {
                !self.transport_close_order()[..=step].contains(&TransportCloseStep::Unmap)
            }
        }
    }
}

impl Transport {
    //= S9
    fn agrees(&self) -> Result<(), String> {
        let ice = &self.ice;
        ensure(
            ice.selected.is_none_or(|selected| ice.tuples.contains(&selected)),
            "the selected tuple is none of its tuples",
        )?;
        let path = match ice.state {
            IceState::Connected | IceState::Completed => true,
            IceState::New | IceState::Disconnected | IceState::Closed => false,
        };
        ensure(path == ice.selected.is_some(), "ICE state and selected tuple disagree")?;
        ensure(path != ice.tuples.is_empty(), "ICE state and tuples disagree")?;
        let carrier = match &self.farewell {
            Farewell::Making(Tuple::Tcp(c)) | Farewell::Queued(Tuple::Tcp(c), _) => Some(c),
            Farewell::Making(Tuple::Udp { .. })
            | Farewell::Queued(Tuple::Udp { .. }, _)
            | Farewell::Unsaid
            | Farewell::Sent(_)
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => None,
        };
        //= L3
        ensure(
            carrier.is_none_or(|c| self.connections.contains(c)),
            "a farewell waits on a connection that is gone",
        )
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
