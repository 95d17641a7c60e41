//! One transport: its phase, its ICE agent and the DTLS state that the owner sees.

use super::farewell::Farewell;
use super::ids::{ConnectionId, Tuple};
use super::input::Check;
use super::routing::Credentials;
use super::state::{CloseReason, DtlsRole, DtlsState, IceState, NotNeeded};
use crate::mutants::{Mutant, Planted};
use std::collections::BTreeSet;
use std::time::Duration;

/// Where a transport stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// In use.
    Open,
    /// On its way through the close order.
    Closing {
        /// Why.
        reason: CloseReason,
        /// The step that it is at, in [`TRANSPORT_CLOSE_ORDER`](super::close_order::TRANSPORT_CLOSE_ORDER).
        step: usize,
        /// Why it says nothing, if it does not.
        excuse: Option<NotNeeded>,
    },
}

impl Phase {
    /// Why a closing transport says nothing.
    pub(super) fn excuse(&self) -> Option<NotNeeded> {
        match self {
            Phase::Open => None,
            Phase::Closing { excuse, .. } => *excuse,
        }
    }
}

/// One transport of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transport {
    /// Where it stands.
    pub phase: Phase,
    /// Its ICE-lite agent.
    pub ice: IceAgent,
    /// `dtlsState`.
    pub dtls: DtlsState,
    /// Our DTLS role, once a handshake began.
    pub local_role: DtlsRole,
    /// The peer's DTLS role, once `connect()` told it.
    pub remote_role: Option<DtlsRole>,
    /// Its one close_notify.
    pub farewell: Farewell,
    /// Its connections, bound or lingering.
    pub connections: BTreeSet<ConnectionId>,
}

impl Transport {
    pub(super) fn new(credentials: Credentials, consent: Option<Duration>) -> Self {
        Transport {
            phase: Phase::Open,
            ice: IceAgent::new(credentials, consent),
            dtls: DtlsState::New,
            local_role: DtlsRole::Auto,
            remote_role: None,
            farewell: Farewell::Unsaid,
            connections: BTreeSet::new(),
        }
    }

    /// The role in which a handshake would begin now.
    //= DTL-01
    pub fn role_to_play(&self) -> DtlsRole {
        match self.remote_role {
            None | Some(DtlsRole::Client) => DtlsRole::Server,
            Some(DtlsRole::Server | DtlsRole::Auto) => DtlsRole::Client,
        }
    }

    /// Why closing now would say nothing.
    //= CLS-15
    //= CLS-16
    pub(super) fn excuse(&self) -> Option<NotNeeded> {
        match self.dtls {
            DtlsState::New => Some(NotNeeded::NotConnected),
            DtlsState::Connecting => Some(NotNeeded::Handshaking),
            DtlsState::Failed => Some(NotNeeded::Failed),
            DtlsState::Closed => Some(NotNeeded::PeerClosed),
            DtlsState::Connected if self.ice.selected.is_none() => Some(NotNeeded::NoPath),
            DtlsState::Connected => None,
        }
    }
}

/// An ICE-lite agent, always controlled (RFC 8445 §2.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IceAgent {
    /// `iceState`.
    pub state: IceState,
    /// Valid tuples, the oldest first.
    pub tuples: Vec<Tuple>,
    /// The one that carries what we send.
    pub selected: Option<Tuple>,
    /// The greatest NOMINATION value since the last restart or disconnection.
    pub nomination: Option<u32>,
    /// What a check must prove.
    pub credentials: Credentials,
    /// What it may prove instead, until somebody used the newer ones.
    pub previous: Option<Credentials>,
    /// Silence after which consent has expired.
    pub consent: Option<Duration>,
}

/// What a check changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CheckEffect {
    /// The selection moved here.
    pub(super) selected: Option<Tuple>,
    /// The state became this.
    pub(super) state: Option<IceState>,
    /// This tuple gave way.
    pub(super) evicted: Option<Tuple>,
}

/// What the loss of tuples changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LossEffect {
    /// Nothing that anybody is told.
    Unnoticed,
    /// Another tuple took over.
    Reselected(Tuple),
    /// None is left.
    Disconnected,
}

impl IceAgent {
    fn new(credentials: Credentials, consent: Option<Duration>) -> Self {
        IceAgent {
            state: IceState::New,
            tuples: Vec::new(),
            selected: None,
            nomination: None,
            credentials,
            previous: None,
            consent,
        }
    }

    /// Takes an authenticated check in. With more than `tuples_max` tuples one gives way.
    //= STN-20
    //= STN-21
    //= DMX-10
    pub(super) fn check(
        &mut self,
        tuple: Tuple,
        check: &Check,
        tuples_max: usize,
        planted: Planted,
    ) -> CheckEffect {
        let mut effect = CheckEffect::default();
        let nominated = self.is_nominated(check);
        if !self.tuples.contains(&tuple) {
            self.tuples.push(tuple);
        }
        let state = match self.state {
            IceState::New | IceState::Disconnected if nominated => IceState::Completed,
            IceState::New | IceState::Disconnected => IceState::Connected,
            IceState::Connected if nominated => IceState::Completed,
            IceState::Connected | IceState::Completed | IceState::Closed => self.state,
        };
        if (nominated || self.selected.is_none()) && self.selected != Some(tuple) {
            self.selected = Some(tuple);
            effect.selected = Some(tuple);
        }
        if state != self.state {
            self.state = state;
            effect.state = Some(state);
        }
        effect.evicted = self.evict(tuple, tuples_max, planted);
        effect
    }

    /// USE-CANDIDATE, or a NOMINATION that is greater than every earlier one. A check with a stale NOMINATION is a
    /// plain check; so is one with the value 0, which would otherwise wedge the agent (mediasoup H14).
    //= STN-22
    fn is_nominated(&mut self, check: &Check) -> bool {
        let Some(value) = check.nomination else { return check.use_candidate };
        let fresh = value > self.nomination.unwrap_or(0);
        if fresh {
            self.nomination = Some(value);
        }
        fresh
    }

    //= STN-31
    fn evict(&mut self, newest: Tuple, tuples_max: usize, planted: Planted) -> Option<Tuple> {
        if self.tuples.len() <= tuples_max {
            return None;
        }
        let keep = self.selected;
        let at = if planted.is(Mutant::EvictsNewest) {
            self.tuples.iter().rposition(|t| Some(*t) != keep)
        } else if planted.is(Mutant::EvictsSelected) {
            self.tuples.iter().position(|t| *t != newest)
        } else {
            self.tuples.iter().position(|t| *t != newest && Some(*t) != keep)
        }?;
        Some(self.tuples.remove(at))
    }

    /// One tuple is gone. The most recently added of the others takes over if it was the selected one.
    //= TCP-11
    pub(super) fn lose(&mut self, tuple: Tuple, planted: Planted) -> LossEffect {
        self.tuples.retain(|t| *t != tuple);
        if self.selected != Some(tuple) {
            return LossEffect::Unnoticed;
        }
        let next = match planted.is(Mutant::ReselectsOldest) {
            true => self.tuples.first().copied(),
            false => self.tuples.last().copied(),
        };
        match next {
            Some(next) => {
                self.selected = Some(next);
                LossEffect::Reselected(next)
            }
            None => {
                self.disconnect(planted);
                LossEffect::Disconnected
            }
        }
    }

    /// Every tuple is gone; what belongs to the session is forgotten, so that a reconnection starts afresh
    /// (mediasoup #1176).
    //= S9
    pub(super) fn disconnect(&mut self, planted: Planted) -> Vec<Tuple> {
        self.state = IceState::Disconnected;
        if !planted.is(Mutant::SelectionKept) {
            self.selected = None;
        }
        self.nomination = None;
        std::mem::take(&mut self.tuples)
    }
}
