//! Descriptors and threads come back. Alone in its binary: it counts those of the whole process.
#![cfg(all(target_os = "linux", feature = "net"))]

mod common;

use common::{PATIENCE, fixed_options, kill_worker, nominate, server, transport};
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
    dropped_handles_leave_nothing(baseline);
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
