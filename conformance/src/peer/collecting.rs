//! Taking in and sorting what arrived. Nothing here sends.

use webrtc_server::wire::demux::{self, PacketKind};
use webrtc_server::wire::stun::Message;

use super::agent::{Feed, Peer};
use super::dtls::{DtlsPhase, Received};
use super::error::PeerError;
use super::observed::{Late, PacketSort, StunObserved};
use super::path::Via;
use super::record::{Record, records};

impl Peer {
    /// Takes everything that the kernel holds for the paths that are read, sorts it, and notes the
    /// ends of streams. Answers how many packets there were.
    ///
    /// What DTLS wants to say to it stays in the outbox: see [`Peer::flush`].
    ///
    /// # Errors
    ///
    /// What the kernel says that no server can cause.
    pub fn collect(&mut self) -> Result<usize, PeerError> {
        let packets = self.collect_packets()?;
        let count = packets.len();
        for (via, packet) in packets {
            self.sort(via, packet);
        }
        Ok(count)
    }

    /// Takes in a packet that somebody else has read for this peer: from a socket that several peers share.
    pub fn receive(&mut self, via: Via, packet: Vec<u8>) {
        self.sort(via, packet);
    }

    /// Gives the session what was held back, in the order of arrival.
    pub fn feed_inbox(&mut self) {
        for (via, datagram) in std::mem::take(&mut self.inbox) {
            self.feed_datagram(via, &datagram);
        }
    }

    /// The DTLS datagrams that wait while [`Feed::Held`]: to be looked at, reordered or dropped.
    pub fn inbox_mut(&mut self) -> &mut Vec<(Via, Vec<u8>)> {
        &mut self.inbox
    }

    /// Gives the session one DTLS datagram, record by record, so that each effect has its cause.
    pub fn feed_datagram(&mut self, via: Via, datagram: &[u8]) {
        let mut end = 0;
        for record in records(datagram) {
            end += record.bytes.len();
            self.feed_record(via, &record);
        }
        if end < datagram.len() {
            self.observed.malformed += 1;
        }
    }

    fn sort(&mut self, via: Via, packet: Vec<u8>) {
        self.observed.bytes += packet.len() as u64;
        let sort = match demux::classify(&packet) {
            Ok(PacketKind::Stun) => PacketSort::Stun,
            Ok(PacketKind::Dtls) => PacketSort::Dtls,
            Ok(PacketKind::Rtp | PacketKind::Rtcp) | Err(_) => PacketSort::Other,
        };
        if self.phase() == DtlsPhase::PeerClosed {
            self.observed.after_close_notify.push(Late { via, sort });
        }
        match sort {
            PacketSort::Stun => self.note_stun(via, &packet),
            PacketSort::Dtls => {
                self.observed.dtls_datagrams += 1;
                match self.feed {
                    Feed::AtOnce => self.feed_datagram(via, &packet),
                    Feed::Held => self.inbox.push((via, packet)),
                }
            }
            PacketSort::Other => self.observed.other.push((via, packet)),
        }
    }

    fn note_stun(&mut self, via: Via, packet: &[u8]) {
        let Ok(message) = Message::parse(packet) else {
            self.observed.malformed += 1;
            return;
        };
        let password = self.credentials().password.as_bytes();
        let seen = StunObserved::new(via, &message, password);
        self.observed.stun.push(seen);
    }

    fn feed_record(&mut self, via: Via, record: &Record<'_>) {
        if record.is_alert() {
            self.undecided_alerts.push(via);
        }
        let received = self.session.feed(record);
        self.note(received);
    }

    /// Writes down what the session made of a record, and then what its alerts were.
    pub(super) fn note(&mut self, received: Received) {
        self.observed.data.extend(received.data);
        self.observed.fatal_alerts.extend(received.fatal_alert);
        match self.phase() {
            // OpenSSL keeps encrypted alerts until it has the keys.
            DtlsPhase::New | DtlsPhase::Handshaking => {}
            DtlsPhase::PeerClosed => {
                self.observed.close_notifies.append(&mut self.undecided_alerts);
            }
            DtlsPhase::Connected | DtlsPhase::Failed => {
                let fatal = usize::from(received.fatal_alert.is_some());
                self.observed.other_alerts += self.undecided_alerts.len().saturating_sub(fatal);
                self.undecided_alerts.clear();
            }
        }
        self.outbox.extend(self.session.take_outgoing());
    }
}
