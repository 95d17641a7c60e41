//! The close order, as data. [`Worker`](super::Worker) walks these lists and does nothing else to close: exchange two
//! rows and the server dies in another order, which lockstep, replay and the browser test each notice.

/// One step in which a worker closes its share of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerCloseStep {
    /// No new transports, no new connections.
    RefuseNewcomers,
    /// Every transport closes; a connection that belongs to none begins to linger.
    CloseTransports,
    /// Wait until nothing is left, or the server's deadline.
    AwaitFarewells,
    /// Say that this worker is drained, and wait until every worker is.
    Acknowledge,
    /// Close UDP sockets and TCP listeners.
    ReleaseCarriers,
}

/// mediasoup up to 3.14.4 had `ReleaseCarriers` before `CloseTransports` (its issue #1388).
//= CLS-03
//= O2
pub const WORKER_CLOSE_ORDER: [WorkerCloseStep; 5] = [
    WorkerCloseStep::RefuseNewcomers,
    WorkerCloseStep::CloseTransports,
    WorkerCloseStep::AwaitFarewells,
    WorkerCloseStep::Acknowledge,
    WorkerCloseStep::ReleaseCarriers,
];

/// One step in which a transport closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportCloseStep {
    /// Application data is refused; the timers of its life are disarmed.
    StopData,
    /// One close_notify on the selected tuple, or the reason why none is called for.
    SayFarewell,
    /// Its ufrags and tuples leave the routing tables.
    Unmap,
    /// Its TCP connections begin to linger.
    CloseConnections,
    /// Closed, once, when the farewell is over and its connections are gone.
    Report,
}

/// `Unmap` stands before `CloseConnections`, so that the news of a closed connection finds nothing to remove a second
/// time (mediasoup #1392), and after `SayFarewell`, which needs the tuple.
//= CLS-02
//= O1
//= O4
pub const TRANSPORT_CLOSE_ORDER: [TransportCloseStep; 5] = [
    TransportCloseStep::StopData,
    TransportCloseStep::SayFarewell,
    TransportCloseStep::Unmap,
    TransportCloseStep::CloseConnections,
    TransportCloseStep::Report,
];
