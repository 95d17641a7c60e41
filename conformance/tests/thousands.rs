//! The close of a server with thousands of connected transports, in a process of its own, which may have many
//! descriptors and in which nobody else opens any. The figures:
//! `cargo test --release -p webrtc-server-conformance --test thousands -- --nocapture`.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;
use webrtc_server::lifecycle::Outcome;
use webrtc_server::{WebRtcServer, WebRtcServerOptions};
use webrtc_server_conformance::PATIENCE;
use webrtc_server_conformance::by_hand::FIRST;
use webrtc_server_conformance::live::{Member, await_end, loopback};
use webrtc_server_conformance::peer::{Peer, PeerCertificate, Protocol, StreamEnd};

const WORKERS: usize = 2;
/// Ten thousand over UDP, a thousand over TCP.
const TRANSPORTS: usize = 11_000;
/// One transport of so many is connected over TCP.
const ONE_OVER_TCP: usize = 11;
/// Transports below which a close shows nothing about thousands.
const TRANSPORTS_MIN: usize = TRANSPORTS / 10;
/// Descriptors for everything but the sockets of peers and what the server accepts.
const OTHER_DESCRIPTORS: usize = 100;
/// Threads that connect peers.
const THREADS: usize = 4;
/// Says in the process of its own how many descriptors it may have.
const DESCRIPTORS: &str = "THOUSANDS_TEST_DESCRIPTORS";

/// Runs itself again where it has as many descriptors as it needs, or as it can get.
#[test]
fn cls_19_every_one_of_thousands_of_peers_hears_its_alert() {
    if let Ok(descriptors) = std::env::var(DESCRIPTORS) {
        return close(what_fits(descriptors.parse().expect("a number")));
    }
    let script = format!(
        "ulimit -n {} 2>/dev/null || ulimit -n \"$(ulimit -H -n)\"
        {DESCRIPTORS}=\"$(ulimit -n)\" exec \"$0\" --nocapture",
        descriptors_of(TRANSPORTS)
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().expect("this test"))
        .stderr(Stdio::inherit())
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
}

fn over_tcp(transports: usize) -> usize {
    transports / ONE_OVER_TCP
}

/// Over TCP both ends are here.
fn descriptors_of(transports: usize) -> usize {
    transports + over_tcp(transports) + OTHER_DESCRIPTORS
}

fn what_fits(descriptors: usize) -> usize {
    let fits = |transports: &usize| descriptors_of(*transports) <= descriptors;
    let transports = (0..=TRANSPORTS).rev().step_by(ONE_OVER_TCP).find(fits).unwrap_or(0);
    if transports < TRANSPORTS {
        let line = format!(
            "CLS-19: only {transports} of {TRANSPORTS} transports, with {descriptors} descriptors"
        );
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "{line}");
        assert!(transports >= TRANSPORTS_MIN, "{line}");
    }
    transports
}

fn close(transports: usize) {
    drop(PeerCertificate::shared().expect("a certificate"));
    let baseline = descriptors();
    let server = WebRtcServer::new(WebRtcServerOptions {
        workers: NonZeroUsize::new(WORKERS),
        ..WebRtcServerOptions::new(loopback())
    })
    .expect("loopback can be bound");
    let began = Instant::now();
    let mut crowd = gather(&server, transports);
    println!("{transports} transports, connected in {:.1?}", began.elapsed());

    let (done, over) = channel();
    let began = Instant::now();
    let closing = server.close();
    closing.on_complete(move |_| {
        let _ = done.send(began.elapsed());
    });
    while !closing.is_complete() && began.elapsed() < PATIENCE {
        for (_, peer) in &mut crowd {
            peer.collect().expect("a socket");
            peer.answer_close_notify(FIRST).expect("it leaves, or nobody is there any more");
        }
    }
    let elapsed = over.recv_timeout(PATIENCE).expect("it is complete");
    let closed = closing.wait().expect("not a worker");
    assert_eq!(descriptors(), baseline + transports, "those of the peers");
    assert_eq!(closed.lost_workers(), []);
    let outcomes: BTreeMap<_, _> = closed.transports().iter().copied().collect();
    let mut counts = BTreeMap::<_, usize>::new();
    for (member, peer) in &mut crowd {
        let outcome = outcomes[&member.transport.number()];
        expect_goodbye(member, peer, outcome);
        *counts.entry(format!("{outcome:?}")).or_default() += 1;
    }
    assert_eq!((closed.transports().len(), outcomes.len()), (transports, transports), "each once");
    println!("closed in {elapsed:.1?}: {counts:?}");
    drop(crowd);
    assert_eq!(descriptors(), baseline);
}

/// That many members with connected peers. Their consent does not expire meanwhile.
fn gather(server: &WebRtcServer, transports: usize) -> Vec<(Member, Peer)> {
    let connect = |number: usize| {
        let member = Member::unconnected(server, 0);
        member.connect("client");
        let protocol =
            if number.is_multiple_of(ONE_OVER_TCP) { Protocol::Tcp } else { Protocol::Udp };
        let peer = member.connected(server, protocol);
        (member, peer)
    };
    let share = |thread| (thread..transports).step_by(THREADS).map(connect).collect::<Vec<_>>();
    let crowd: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || share(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("all connect")).collect()
    });
    let dump = server.dump().expect("an open server");
    assert_eq!((dump.tuples, dump.connections.bound), (transports, over_tcp(transports)));
    crowd
}

/// The alert left, its peer got it and nothing behind it, and the owner was told once.
fn expect_goodbye(member: &Member, peer: &mut Peer, outcome: Outcome) {
    let number = member.transport.number();
    assert!(matches!(outcome, Outcome::Confirmed | Outcome::Sent), "{number}: {outcome:?}");
    let mut heard = member.heard();
    heard.retain(|event| event.starts_with("close"));
    assert_eq!(heard, [format!("close {outcome:?}")], "{number}");
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    if peer.tcp(FIRST).is_ok() {
        assert_eq!(await_end(peer), StreamEnd::Fin, "{number}");
    }
    assert_eq!(peer.observed().close_notifies, [FIRST], "{number}");
    assert_eq!(peer.observed().late_on_the_same_path(), 0, "{number}");
}

/// How many this process has. One of them is the directory that is read.
fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").expect("Linux or macOS").count() - 1
}
