//! What is tried at the end of a trace, wherever that is.

use super::tests::{
    C, CLOSES_SERVER, HEARS_CLOSE, T, TCP, U, UDP, checked, connected, perform, story,
};
use webrtc_server_model::{Action, AddressId, Config, SocketId, Tuple};

/// How many datagrams were sent to see that they change nothing.
fn probes(config: &Config, parts: &[&[Action]]) -> usize {
    let replay = perform(config, story(parts), None);
    assert!(replay.is_complete(), "{replay}");
    replay.probes
}

/// Behind the handshake 2; at the end 2, a check, and 5 with data.
const CONNECTED: usize = 2 + 2 + 1 + 5;
/// Old datagrams; then old datagrams, a ClientHello and a check.
const ENDED: usize = 2 + 4;

#[test]
fn cls_36_old_datagrams_change_nothing() {
    let begin = [connected(T, TCP), connected(U, UDP)];
    assert_eq!(probes(&Config::pair(), &[&begin[0], &begin[1]]), CONNECTED + 4 + CONNECTED - 2);
}

#[test]
fn cls_36_an_association_that_never_came_about_harms_no_other() {
    let config = Config::handshake();
    let other = Tuple::Udp(AddressId(1));
    let flight = [Action::PeerSendsFlight { t: T }];
    let close = [Action::OwnerClosesTransport { t: T }];
    // The one flight is the first and the last.
    let begun = 1 + 3;
    let trace = [checked(T, UDP), connected(U, other)];
    let sent = probes(&config, &[&trace[0], &flight, &trace[1], &close]);
    assert_eq!(sent, CONNECTED + begun);
}

#[test]
fn x5_nothing_leads_out_of_an_end() {
    let close = [Action::OwnerClosesTransport { t: T }];
    let goodbye = [Action::PeerSendsCloseNotify { t: T }];
    let over = [Action::PeerAnswers { t: T }];
    let fatal = [Action::PeerSendsFatalAlert { t: T }];
    let full = [Action::KernelFillsSocket { s: SocketId(0) }];
    let fin = [Action::PeerSendsFin { c: C }];
    let begin = [connected(T, UDP), connected(T, TCP)];
    let small = Config::small();
    let [udp, tcp] = &begin;
    for (trace, checks) in [
        (&[udp, &close[..]][..], 0),
        (&[udp, &close, &over], 0),
        (&[udp, &goodbye], 1),
        (&[udp, &goodbye, &close], 0),
        (&[udp, &full, &close], 0),
        (&[udp, &[CLOSES_SERVER], &[HEARS_CLOSE]], 0),
        (&[tcp, &close], 0),
        (&[tcp, &goodbye], 1),
    ] {
        assert_eq!(probes(&small, trace), 2 + checks + ENDED, "{trace:?}");
    }
    assert_eq!(probes(&small, &[tcp, &fin]), 2, "nobody reads there");
    let checked = checked(T, UDP);
    let flights = [Action::PeerSendsFlight { t: T }; 2];
    let done = [Action::PeerHandshakes { t: T }];
    assert_eq!(probes(&Config::handshake(), &[&checked, &flights, &done, &fatal]), 3 + ENDED);
    assert_eq!(probes(&Config::handshake(), &[&checked, &flights, &fatal]), 1 + ENDED);
}

#[test]
fn nothing_is_sent_to_carriers_that_were_released() {
    let end = [CLOSES_SERVER, HEARS_CLOSE, Action::PeerAnswers { t: T }, super::tests::HEARS_GRANT];
    assert_eq!(probes(&Config::small(), &[&connected(T, UDP), &end]), 2);
}
