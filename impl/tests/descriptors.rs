//! Descriptors and threads come back. Alone in its binary: it counts those of the whole process.
#![cfg(all(target_os = "linux", feature = "net"))]

mod common;

use common::{PATIENCE, fixed_options, kill_worker, nominate, server, transport};
#[cfg(feature = "testing")]
use common::{options, with_workers};
use std::time::Duration;
use webrtc_server::{Certificate, ListenInfo, WebRtcServer, WebRtcServerOptions};

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("there is /proc here").count()
}

fn descriptors() -> usize {
    count("/proc/self/fd")
}

#[test]
fn cls_20_descriptors_are_at_the_baseline_when_the_close_is_complete() {
    let certificate = Certificate::generate().expect("a certificate");
    let infos = fixed_options().listen_infos;
    let baseline = descriptors();
    for _ in 0..1000 {
        let options = WebRtcServerOptions {
            certificate: Some(certificate.clone()),
            ..WebRtcServerOptions::new(infos.clone())
        };
        let server = WebRtcServer::new(options).expect("the same ports, at once");
        let transport = transport(&server);
        assert!(descriptors() > baseline);
        server.close().wait_timeout(PATIENCE).expect("it closes in time");
        assert_eq!(descriptors(), baseline, "while handles are still there");
        drop(transport);
    }
    failed_creations_leave_nothing(&infos, baseline);
    lost_workers_leave_nothing(baseline);
    #[cfg(feature = "testing")]
    connections_between_workers_leave_nothing(baseline);
    dropped_handles_leave_nothing(baseline);
}

/// Checks that name another worker, on connections that are handed over while the server closes, or while the worker
/// that is to have them dies.
#[cfg(feature = "testing")]
fn connections_between_workers_leave_nothing(baseline: usize) {
    use std::io::Write;
    use webrtc_server::wire::{framing, stun};
    for round in 0..200 {
        let sharing = webrtc_server::shell::bind::Sharing::FirstReceives;
        let options = WebRtcServerOptions { sharing, ..with_workers(3, options()) };
        let server = WebRtcServer::new(options).expect("free ports");
        let transports = [(); 3].map(|()| transport(&server));
        let info = server.listen_infos()[1].clone();
        let streams: Vec<_> = transports
            .iter()
            .cycle()
            .take(12)
            .map(|transport| {
                let name = format!("{}:x", transport.ice_parameters().username_fragment);
                let check = stun::binding_request(stun::TransactionId([3; 12]), &name, 1, 2)
                    .message_integrity(b"a guess")
                    .fingerprint();
                let mut stream =
                    std::net::TcpStream::connect((info.ip, info.port)).expect("it listens");
                stream.write_all(&framing::frame(&check).expect("short")).expect("it is taken");
                stream
            })
            .collect();
        if round % 4 == 0 {
            // The next transport is the first worker's, the one after it the second's.
            let _first = transport(&server);
            kill_worker(&server);
        }
        let outcomes = server.close().wait_timeout(PATIENCE).expect("it closes in time");
        let lost = usize::from(round % 4 == 0);
        assert_eq!(outcomes.lost_workers().len(), lost);
        assert_eq!(descriptors() - streams.len(), baseline, "in round {round}");
    }
}

//= CLS-07
fn lost_workers_leave_nothing(baseline: usize) {
    let server = server();
    let transport = transport(&server);
    drop(nominate(&server, &transport));
    kill_worker(&server);
    transport.closed().wait_timeout(PATIENCE).expect("somebody answers");
    server.close().wait_timeout(PATIENCE).expect("nobody waits for it");
    assert_eq!(descriptors(), baseline, "while handles are still there");
}

//= CLS-21
fn failed_creations_leave_nothing(infos: &[ListenInfo], baseline: usize) {
    for index in 0..=infos.len() {
        let mut infos = infos.to_vec();
        let elsewhere = "1.2.3.4".parse().expect("an address");
        infos.insert(index, ListenInfo { ip: elsewhere, ..infos[0].clone() });
        WebRtcServer::new(WebRtcServerOptions::new(infos)).expect_err("that is not our address");
        assert_eq!(descriptors(), baseline);
    }
    Certificate::from_pem_files("/", "/nowhere").expect_err("a directory");
    assert_eq!(descriptors(), baseline);
}

fn dropped_handles_leave_nothing(baseline: usize) {
    for _ in 0..20 {
        let server = server();
        let transport = transport(&server);
        drop(nominate(&server, &transport));
        drop((server, transport));
    }
    let back = |folder: &str, to: usize| {
        (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            count(folder) == to
        })
    };
    assert!(back("/proc/self/fd", baseline), "{} of {baseline}", descriptors());
    // This thread and the one that runs it.
    assert!(back("/proc/self/task", 2), "{}", count("/proc/self/task"));
}
