//! What the tests of the handles share.

// Every test binary uses its own part, and none exports it.
#![allow(dead_code, unreachable_pub)]

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use webrtc_server::wire::stun::{TransactionId, binding_request};
use webrtc_server::{
    Error, ListenInfo, PortRange, Protocol, Refused, TransportEvent, WebRtcServer,
    WebRtcServerOptions, WebRtcTransport, WebRtcTransportOptions,
};

/// Checks that were sent.
static CHECKS: AtomicU64 = AtomicU64::new(0);

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn listen(protocol: Protocol) -> ListenInfo {
    ListenInfo::new(protocol, "127.0.0.1".parse().expect("an address"))
}

/// One UDP socket and one TCP listener on localhost.
pub fn options() -> WebRtcServerOptions {
    WebRtcServerOptions::new([listen(Protocol::Udp), listen(Protocol::Tcp)])
}

/// The same with so many workers, however many cores there are.
pub fn with_workers(workers: usize, options: WebRtcServerOptions) -> WebRtcServerOptions {
    WebRtcServerOptions { workers: NonZeroUsize::new(workers), ..options }
}

/// The same on ports that were free a moment ago, and that the system gives to nobody who leaves the choice to it.
pub fn fixed_options() -> WebRtcServerOptions {
    let range = Some(PortRange { min: 10_000, max: 30_000 });
    let within = |protocol| ListenInfo { port_range: range, ..listen(protocol) };
    let options = WebRtcServerOptions::new([within(Protocol::Udp), within(Protocol::Tcp)]);
    let server = WebRtcServer::new(options).expect("localhost has free ports");
    let infos = server.listen_infos().to_vec();
    server.close().wait_timeout(PATIENCE).expect("it closes in time");
    WebRtcServerOptions::new(infos)
}

/// With one worker, on whose order most tests count: what comes later is seen behind what came before. `workers.rs` has
/// the tests of several.
pub fn server() -> WebRtcServer {
    WebRtcServer::new(with_workers(1, options())).expect("localhost has free ports")
}

pub fn transport(server: &WebRtcServer) -> WebRtcTransport {
    server.create_transport(WebRtcTransportOptions::default()).expect("the server is open")
}

/// A transport, and where its events arrive. That channel ends when the worker has dropped the callback.
pub fn observed(server: &WebRtcServer) -> (WebRtcTransport, Receiver<TransportEvent>) {
    let (sender, events) = channel();
    let options = WebRtcTransportOptions {
        on_event: Box::new(move |event| {
            // A test that is not interested any more is no fault.
            let _ = sender.send(event);
        }),
        ..WebRtcTransportOptions::default()
    };
    (server.create_transport(options).expect("the server is open"), events)
}

/// Every event until the worker has dropped the callback.
pub fn all_of(events: &Receiver<TransportEvent>) -> Vec<TransportEvent> {
    let mut all = Vec::new();
    loop {
        match events.recv_timeout(PATIENCE) {
            Ok(event) => all.push(event),
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end after {all:?}"),
        }
    }
}

/// Looks until it is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Keeps the worker's thread inside an event callback until what is returned is dropped.
pub fn hold_worker(server: &WebRtcServer) -> Sender<()> {
    let ((inside, entered), (hold, released)) = (channel(), channel());
    let options = WebRtcTransportOptions {
        on_event: Box::new(move |_| {
            inside.send(()).expect("the test waits");
            released.recv_timeout(PATIENCE).expect_err("nothing is ever sent");
        }),
        ..WebRtcTransportOptions::default()
    };
    drop(server.create_transport(options).expect("the server is open"));
    entered.recv_timeout(PATIENCE).expect("it hears that it is closed");
    hold
}

thread_local! {
    /// Whether this thread is to panic at its next word to the log.
    static CONDEMNED: Cell<bool> = const { Cell::new(false) };
}

/// An application's log that panics on condemned threads: nobody catches a panic of that.
struct FatalLog;

impl Subscriber for FatalLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        CONDEMNED.get()
    }

    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        assert!(!CONDEMNED.take(), "a fault which this test provokes");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Has the worker's thread panic: it logs that a callback did, and that panics.
pub fn kill_worker(server: &WebRtcServer) {
    // Another test of this process may have done so.
    let _ = tracing::subscriber::set_global_default(FatalLog);
    let trigger = WebRtcTransportOptions {
        on_event: Box::new(|_| {
            CONDEMNED.set(true);
            panic!("a fault which this test provokes");
        }),
        ..WebRtcTransportOptions::default()
    };
    drop(server.create_transport(trigger).expect("the server is open"));
}

/// Whether the call was refused because its transport or server is closed.
pub fn is_closed<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Refused(Refused::Closed)))
}

/// Where the first socket of the server is.
pub fn address(server: &WebRtcServer) -> SocketAddr {
    let info = &server.listen_infos()[0];
    SocketAddr::new(info.ip, info.port)
}

/// Sends a nominating check and waits for an answer that looks like success.
pub fn nominate(server: &WebRtcServer, transport: &WebRtcTransport) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let ice = transport.ice_parameters();
    let username = format!("{}:peer", ice.username_fragment);
    // Of its own: a check with the transaction of another is a copy of it.
    let mut transaction = TransactionId([7; 12]);
    transaction.0[..8].copy_from_slice(&CHECKS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let request = binding_request(transaction, &username, 1, 2)
        .use_candidate()
        .message_integrity(ice.password.as_bytes())
        .fingerprint();
    socket.send_to(&request, address(server)).expect("localhost");
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).expect("an answer");
    assert_eq!(answer[..2], [1, 1], "success, in {length} bytes");
    socket
}
