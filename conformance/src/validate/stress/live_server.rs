//! The server of a run, and what its actors share.

use super::RunOptions;
use super::progress::Progress;
use super::scenario::{Closes, Moment, Scenario};
use crate::peer::Protocol;
use crate::validate::log::{Begun, What};
use crate::validate::recorder::Recorder;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use webrtc_server::lifecycle::{DtlsState, Limits};
use webrtc_server::{
    Certificate, Error, ListenInfo, TransportEvent, WebRtcServer, WebRtcServerOptions,
    WebRtcTransport, WebRtcTransportOptions,
};

/// Bytes of the send buffer of a connection, in which a stalled peer's frames are cut.
const SEND_BUFFER_BYTES: u32 = 4608;
/// The least that makes one give way, and the most that the model has room for.
const TUPLES_MAX: usize = 3;
/// As long as replay waits, and far longer than every deadline of a run: after that it hangs.
pub(in crate::validate) use crate::replay::PATIENCE;
/// The caller that closes from inside a callback; the others are threads, counted from 0.
const IN_A_CALLBACK: usize = 1000;
/// Pause between two looks at what no event reports.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// One server that runs on its own threads.
pub(super) struct LiveServer {
    /// The handle, and how many transports were asked for. Held while one is made: so its number is known.
    server: Mutex<(Option<WebRtcServer>, u64)>,
    pub(super) recorder: Recorder,
    listen_infos: Vec<ListenInfo>,
    began: Instant,
    pub(super) progress: Progress,
    /// Somebody closes the server, or drops a handle.
    closing: AtomicBool,
    over: AtomicBool,
}

/// The same for every server: making one takes longer than the rest of a server's beginning.
pub(in crate::validate) fn certificate() -> Result<Certificate, Error> {
    static SHARED: OnceLock<Certificate> = OnceLock::new();
    if let Some(certificate) = SHARED.get() {
        return Ok(certificate.clone());
    }
    let certificate = Certificate::generate()?;
    Ok(SHARED.get_or_init(|| certificate).clone())
}

/// Deadlines that pass within a run.
pub(in crate::validate) fn limits() -> Limits {
    Limits {
        bind: Duration::from_millis(200),
        handshake: Duration::from_millis(250),
        drain: Duration::from_millis(120),
        answer: Duration::from_millis(60),
        server: Duration::from_millis(900),
        tuples_per_transport_max: TUPLES_MAX,
        ..Limits::default()
    }
}

impl LiveServer {
    pub(super) fn new(options: RunOptions, scenario: &Scenario) -> Result<Self, Error> {
        let RunOptions { seed, transports, mutant, .. } = options;
        let workers = options.workers();
        let loopback = Ipv4Addr::LOCALHOST.into();
        let udp = ListenInfo::new(webrtc_server::Protocol::Udp, loopback);
        let tcp = ListenInfo {
            send_buffer_size: Some(SEND_BUFFER_BYTES),
            ..ListenInfo::new(webrtc_server::Protocol::Tcp, loopback)
        };
        // The ids of carriers are their places in the list.
        let recorder = Recorder::new(Begun {
            seed,
            transports,
            workers: workers.get(),
            mutant: mutant.map(|mutant| mutant.id().to_owned()),
            sockets: vec![0],
            listeners: vec![1],
            tuples_max: TUPLES_MAX,
        });
        let server = WebRtcServer::new(WebRtcServerOptions {
            listen_infos: vec![udp, tcp],
            limits: limits(),
            certificate: Some(certificate()?),
            workers: Some(workers),
            mutant,
            tracer: Some(recorder.tracer()),
            ..WebRtcServerOptions::default()
        })?;
        Ok(LiveServer {
            listen_infos: server.listen_infos().to_vec(),
            server: Mutex::new((Some(server), 0)),
            recorder,
            began: Instant::now(),
            progress: Progress::new(scenario.connected, scenario.early()),
            closing: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    fn handle(&self) -> MutexGuard<'_, (Option<WebRtcServer>, u64)> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transport whose events are logged; none if the server makes none any more.
    pub(super) fn transport(
        self: &Arc<Self>,
        closes: Option<Closes>,
        consent: Option<Duration>,
    ) -> Option<WebRtcTransport> {
        let mut handle = self.handle();
        let (Some(server), number) = &mut *handle else { return None };
        let (live, id) = (Arc::clone(self), *number);
        *number += 1;
        let own = Arc::new(OnceLock::<WebRtcTransport>::new());
        let seen = Arc::clone(&own);
        let on_event = move |event: TransportEvent| {
            live.recorder.heard(id, &event);
            let connected = DtlsState::Connected;
            if matches!(event, TransportEvent::DtlsStateChange { state, .. } if state == connected)
            {
                live.progress.connected();
                live.close_inside(closes, seen.get());
            }
        };
        let options = WebRtcTransportOptions {
            on_event: Box::new(on_event),
            short_consent: consent,
            ..WebRtcTransportOptions::default()
        };
        let transport = server.create_transport(options).ok()?;
        if closes == Some(Closes::Transport) {
            let _ = own.set(transport.clone());
        }
        Some(transport)
    }

    /// Closes something from inside a callback, which must not wait for anything.
    fn close_inside(&self, closes: Option<Closes>, transport: Option<&WebRtcTransport>) {
        match closes {
            None => {}
            Some(Closes::Transport) => drop(transport.map(WebRtcTransport::close)),
            Some(Closes::Server) => {
                // Who holds the handle may be waiting for this very thread.
                let server = self.server.try_lock().ok().and_then(|handle| handle.0.clone());
                let Some(server) = server else { return };
                self.begins_to_close();
                self.recorder.write(What::CloseCalled { caller: IN_A_CALLBACK });
                let recorder = self.recorder.clone();
                server.close().on_complete(move |_| {
                    recorder.write(What::CloseReturned { caller: IN_A_CALLBACK });
                });
            }
        }
    }

    /// A handle for a thread that closes.
    pub(super) fn server(&self) -> Option<WebRtcServer> {
        self.handle().0.clone()
    }

    /// From now on a connection may be refused.
    pub(super) fn begins_to_close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// This may be the last handle.
    pub(super) fn drop_handle(&self) {
        self.begins_to_close();
        self.recorder.write(What::HandleDropped);
        let server = self.handle().0.take();
        drop(server);
    }

    pub(super) fn address(&self, protocol: Protocol) -> SocketAddr {
        let wanted = match protocol {
            Protocol::Udp => webrtc_server::Protocol::Udp,
            Protocol::Tcp => webrtc_server::Protocol::Tcp,
        };
        let info = self.listen_infos.iter().find(|info| info.protocol == wanted);
        let info = info.unwrap_or(&self.listen_infos[0]);
        SocketAddr::new(info.ip, info.port)
    }

    /// Sleeps until a moment of the run has come.
    pub(super) fn sleep_until(&self, moment: Moment) {
        let moment = match moment {
            Moment::Early(after) => self.began + after,
            Moment::Late(after) => self.progress.await_enough(PATIENCE) + after,
        };
        thread::sleep(moment.saturating_duration_since(Instant::now()));
    }

    /// Is everything over, or is it taken for hanging?
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits until the callers of `close()` were answered. False: it hangs.
    pub(super) fn await_end(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !self.recorder.is_answered() && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
        self.over.store(true, Ordering::Relaxed);
        self.recorder.is_answered()
    }
}
