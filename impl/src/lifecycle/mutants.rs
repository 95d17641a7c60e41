//! Wrong variants of the real lifecycle, for tests that must notice them. The right code asks [`Planted::is`] where a
//! variant departs from it; without the feature `testing` the answer is `false`, and known when it is compiled.

use super::close_order::{
    TRANSPORT_CLOSE_ORDER, TransportCloseStep, WORKER_CLOSE_ORDER, WorkerCloseStep,
};

/// One defect of the real code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "testing"), allow(unreachable_pub))]
pub enum Mutant {
    /// K01, mediasoup 3.14.4 (#1388): carriers are released before the transports are closed.
    CarriersFirst,
    /// K02, mediasoup #1388 over TCP: a closing server closes its connections, then the transports that use them.
    ConnectionsFirst,
    /// K03, mediasoup #1369: the loop that closes the transports walks the set that shrinks under it.
    EverySecondTransport,
    /// K04, mediasoup #1381: a connection that ends while its transport closes stays in the worker's table.
    ConnectionKept,
    /// K05, mediasoup #1392: a closing transport is unmapped when its connections are gone, not before they close.
    CloseBeforeUnmap,
    /// K06, mediasoup #883: the tuple of a connection that ended stays in the routing table.
    StaleRoute,
    /// K09, mediasoup #970: whether an alert that had to wait was sent is told to nobody once its transport closes.
    CompletionAfterClose,
    /// K10, mediasoup R-9, #1382: that the alert was sent is not taken in once its transport closes.
    FarewellForgotten,
    /// K13, mediasoup #259: a transport whose peer said close_notify keeps its connections when it closes.
    RemoteCloseLeaks,
    /// K15, mediasoup #1176: the selected tuple survives the loss of all tuples.
    SelectionKept,
    /// K18, mediasoup #257, libdatachannel #1103: timers stay armed when a transport closes; expired consent still acts.
    LateTimer,
    /// K23, mediasoup #1690: a tuple that is proved to be another transport's is still routed to its former one.
    ForeignTupleKept,
    /// K24, mediasoup R-1: the error that a transport closed in mid-handshake leaves behind ends another's association.
    ErrorLeaks,
    /// K25, mediasoup R-2: a connection that cannot be flushed is waited for without a deadline.
    NoDrainDeadline,
    /// K26, mediasoup R-3: an alert for which the UDP socket has no room is thrown away when the server closes.
    AlertCancelled,
    /// K27, mediasoup R-4: a connection of a closing transport is closed with its last byte written, input unread.
    HardClose,
    /// K28, mediasoup R-4: `shutdown(WR)` does not wait for what is queued.
    FinFirst,
    /// K29, pion/dtls #197: a transport whose peer said close_notify says its own again at its close.
    AlertTwice,
    /// K30, mediasoup #1388: transports that close with their server say nothing.
    SilentServerClose,
    /// K32, mediasoup R-5: a transport that a closing worker refuses leaves its ufrag in the table.
    RegistrationLeft,
    /// K35, go-libp2p #2717: connections are accepted after the close began.
    AcceptWhileClosing,
    /// K37, mediasoup #800: callers of `close()` are answered with the grant, before the carriers are released.
    CallerEarly,
    /// K38, mediasoup 8732091ff: carriers may be released when the first worker is drained.
    BarrierFirstWorker,
    /// K39, mediasoup #510, R-15: a change of state is reported after the transport was reported closed.
    EventAfterReport,
    /// K42, dimpl #155: an alert counts as sent, and one over UDP as over, while it waits.
    ReportedEarly,
    /// O1, libcoap #332: the alert is made when its transport is in the routing tables no more.
    AlertAfterUnmap,
    /// O3, pion/ice #412: the ufrag that a transport had before an ICE restart outlives it.
    RestartedUfragKept,
    /// S6, mediasoup R-8: of too many tuples the newest gives way, even the one that was just proved.
    EvictsNewest,
    /// S9: of too many tuples the oldest gives way, even the selected one.
    EvictsSelected,
    /// TCP-11: when the selected tuple is lost, the oldest of the others takes over.
    ReselectsOldest,
}

#[cfg(feature = "testing")]
impl Mutant {
    /// Every mutant.
    pub const ALL: [Mutant; 30] = [
        Mutant::CarriersFirst,
        Mutant::ConnectionsFirst,
        Mutant::EverySecondTransport,
        Mutant::ConnectionKept,
        Mutant::CloseBeforeUnmap,
        Mutant::StaleRoute,
        Mutant::CompletionAfterClose,
        Mutant::FarewellForgotten,
        Mutant::RemoteCloseLeaks,
        Mutant::SelectionKept,
        Mutant::LateTimer,
        Mutant::ForeignTupleKept,
        Mutant::ErrorLeaks,
        Mutant::NoDrainDeadline,
        Mutant::AlertCancelled,
        Mutant::HardClose,
        Mutant::FinFirst,
        Mutant::AlertTwice,
        Mutant::SilentServerClose,
        Mutant::RegistrationLeft,
        Mutant::AcceptWhileClosing,
        Mutant::CallerEarly,
        Mutant::BarrierFirstWorker,
        Mutant::EventAfterReport,
        Mutant::ReportedEarly,
        Mutant::AlertAfterUnmap,
        Mutant::RestartedUfragKept,
        Mutant::EvictsNewest,
        Mutant::EvictsSelected,
        Mutant::ReselectsOldest,
    ];

    /// Its number in the list of known bugs, or what it breaks in SPEC.md if it has none there.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Mutant::CarriersFirst => "K01",
            Mutant::ConnectionsFirst => "K02",
            Mutant::EverySecondTransport => "K03",
            Mutant::ConnectionKept => "K04",
            Mutant::CloseBeforeUnmap => "K05",
            Mutant::StaleRoute => "K06",
            Mutant::CompletionAfterClose => "K09",
            Mutant::FarewellForgotten => "K10",
            Mutant::RemoteCloseLeaks => "K13",
            Mutant::SelectionKept => "K15",
            Mutant::LateTimer => "K18",
            Mutant::ForeignTupleKept => "K23",
            Mutant::ErrorLeaks => "K24",
            Mutant::NoDrainDeadline => "K25",
            Mutant::AlertCancelled => "K26",
            Mutant::HardClose => "K27",
            Mutant::FinFirst => "K28",
            Mutant::AlertTwice => "K29",
            Mutant::SilentServerClose => "K30",
            Mutant::RegistrationLeft => "K32",
            Mutant::AcceptWhileClosing => "K35",
            Mutant::CallerEarly => "K37",
            Mutant::BarrierFirstWorker => "K38",
            Mutant::EventAfterReport => "K39",
            Mutant::ReportedEarly => "K42",
            Mutant::AlertAfterUnmap => "O1",
            Mutant::RestartedUfragKept => "O3",
            Mutant::EvictsNewest => "S6",
            Mutant::EvictsSelected => "S9",
            Mutant::ReselectsOldest => "TCP-11",
        }
    }

    /// Whether the defect is one of [`server`](super::server), which joins the workers, and not of a worker.
    #[must_use]
    pub fn is_of_the_barrier(self) -> bool {
        matches!(self, Mutant::CallerEarly | Mutant::BarrierFirstWorker)
    }
}

/// The defect of a machine, if it was given one. Without the feature `testing` it is nothing, and takes no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Planted {
    #[cfg(feature = "testing")]
    mutant: Option<Mutant>,
}

impl Planted {
    #[cfg(feature = "testing")]
    pub(super) const fn new(mutant: Option<Mutant>) -> Self {
        Planted { mutant }
    }

    #[cfg(feature = "testing")]
    pub(super) fn is(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    #[cfg(not(feature = "testing"))]
    pub(super) const fn is(self, _: Mutant) -> bool {
        false
    }

    pub(super) fn worker_close_order(self) -> &'static [WorkerCloseStep] {
        if self.is(Mutant::CarriersFirst) { &CARRIERS_FIRST } else { &WORKER_CLOSE_ORDER }
    }

    pub(super) fn transport_close_order(self) -> &'static [TransportCloseStep] {
        if self.is(Mutant::CloseBeforeUnmap) {
            &CLOSE_BEFORE_UNMAP
        } else if self.is(Mutant::AlertAfterUnmap) {
            &ALERT_AFTER_UNMAP
        } else {
            &TRANSPORT_CLOSE_ORDER
        }
    }
}

const CARRIERS_FIRST: [WorkerCloseStep; 5] = [
    WorkerCloseStep::RefuseNewcomers,
    WorkerCloseStep::ReleaseCarriers,
    WorkerCloseStep::CloseTransports,
    WorkerCloseStep::AwaitFarewells,
    WorkerCloseStep::Acknowledge,
];

const CLOSE_BEFORE_UNMAP: [TransportCloseStep; 5] = [
    TransportCloseStep::StopData,
    TransportCloseStep::SayFarewell,
    TransportCloseStep::CloseConnections,
    TransportCloseStep::Unmap,
    TransportCloseStep::Report,
];

const ALERT_AFTER_UNMAP: [TransportCloseStep; 5] = [
    TransportCloseStep::StopData,
    TransportCloseStep::Unmap,
    TransportCloseStep::SayFarewell,
    TransportCloseStep::CloseConnections,
    TransportCloseStep::Report,
];
