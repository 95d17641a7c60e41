//! Speaking DTLS: flights, data, close_notify, and the ways in which a network mistreats them.

use std::io;
use std::time::Duration;

use super::agent::Peer;
use super::dtls::{DtlsPhase, DtlsSession};
use super::error::PeerError;
use super::path::Via;
use super::record::plaintext_alert;

/// Pause of the handshake driver when the server's step brought nothing.
const STEP_WAIT: Duration = Duration::from_millis(1);

/// What happens to the datagrams of the outbox on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Each arrives.
    AsIs,
    /// Each arrives twice in a row.
    Twice,
    /// The last one first.
    Reversed,
    /// All of them in one datagram, as a packing client sends them.
    Coalesced,
    /// Each with its last byte changed.
    Corrupted,
    /// None arrives; they still count as sent.
    Lost,
}

/// Up to where [`Peer::handshake_until`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeGoal {
    /// So many flights of this peer have left: 1 is the ClientHello of a client, 2 its certificate
    /// and Finished.
    FlightsSent(usize),
    /// Done.
    Connected,
}

impl Peer {
    /// Begins the handshake: a client sends its ClientHello, a server begins to listen.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn start_handshake(&mut self, via: Via) -> Result<usize, PeerError> {
        self.advance();
        self.flush(via)
    }

    /// The same without sending: what the session makes waits in the outbox.
    pub fn advance(&mut self) {
        let received = self.session.advance();
        self.note(received);
    }

    /// Forgets the DTLS session and everything that waits for it, as a client that starts anew on
    /// the same path. What was seen and sent stays.
    pub fn replace_session(&mut self, session: DtlsSession) {
        self.session = session;
        self.inbox.clear();
        self.outbox.clear();
        self.undecided_alerts.clear();
    }

    /// Goes on after time has passed: retransmits the last flight if OpenSSL's timer is due (1 s,
    /// then doubling).
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn retransmit_if_due(&mut self, via: Via) -> Result<usize, PeerError> {
        self.start_handshake(via)
    }

    /// Feeds what was held and sends what the session made of it. Answers how many datagrams left.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn pump(&mut self, via: Via) -> Result<usize, PeerError> {
        self.feed_inbox();
        self.flush(via)
    }

    /// Sends the outbox.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn flush(&mut self, via: Via) -> Result<usize, PeerError> {
        self.flush_as(via, Delivery::AsIs)
    }

    /// Sends the outbox as a bad network would. Answers how many datagrams left.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn flush_as(&mut self, via: Via, delivery: Delivery) -> Result<usize, PeerError> {
        let datagrams = self.take_outbox();
        let delivered = deliver(datagrams, delivery);
        for datagram in &delivered {
            self.send_packet(via, datagram)?;
        }
        Ok(delivered.len())
    }

    /// Whether DTLS datagrams wait to be sent.
    #[must_use]
    pub fn has_outgoing(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Takes the outbox, to send it elsewhere. It counts as sent.
    pub fn take_outbox(&mut self) -> Vec<Vec<u8>> {
        let datagrams = std::mem::take(&mut self.outbox);
        self.sent.extend(datagrams.iter().cloned());
        datagrams
    }

    /// The DTLS datagrams that wait to be sent: to be looked at, changed or dropped.
    pub fn outbox_mut(&mut self) -> &mut Vec<Vec<u8>> {
        &mut self.outbox
    }

    /// Every DTLS datagram that left the outbox, as the session made it.
    #[must_use]
    pub fn sent(&self) -> &[Vec<u8>] {
        &self.sent
    }

    /// Sends an old DTLS datagram again, by its index in [`Peer::sent`].
    ///
    /// # Errors
    ///
    /// [`PeerError::NeverSent`]; as [`Peer::send_packet`].
    pub fn resend(&mut self, via: Via, index: usize) -> Result<(), PeerError> {
        let datagram = self.sent.get(index).ok_or(PeerError::NeverSent(index))?.clone();
        self.send_packet(via, &datagram)
    }

    /// Encrypts and sends application data.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] unless connected; as [`Peer::send_packet`].
    pub fn send_data(&mut self, via: Via, data: &[u8]) -> Result<(), PeerError> {
        self.make_data(data)?;
        self.flush(via).map(|_| ())
    }

    /// The same without sending.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] unless connected.
    pub fn make_data(&mut self, data: &[u8]) -> Result<(), PeerError> {
        self.session.write(data)?;
        self.outbox.extend(self.session.take_outgoing());
        Ok(())
    }

    /// Sends this side's close_notify. Answers how many datagrams left: one, or none if it was said
    /// before.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] before the handshake is done; as [`Peer::send_packet`].
    pub fn send_close_notify(&mut self, via: Via) -> Result<usize, PeerError> {
        self.make_close_notify()?;
        self.flush(via)
    }

    /// The same without sending.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] before the handshake is done.
    pub fn make_close_notify(&mut self) -> Result<(), PeerError> {
        self.session.close()?;
        self.outbox.extend(self.session.take_outgoing());
        Ok(())
    }

    /// Answers the server's close_notify as a browser does; nothing if there was none, or if this
    /// side has said it. Answers how many datagrams left.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn answer_close_notify(&mut self, via: Via) -> Result<usize, PeerError> {
        match self.phase() {
            DtlsPhase::PeerClosed => self.send_close_notify(via),
            DtlsPhase::New | DtlsPhase::Handshaking | DtlsPhase::Connected | DtlsPhase::Failed => {
                Ok(0)
            }
        }
    }

    /// Sends an alert without encryption: legal during a handshake, a forgery after it.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn send_plaintext_alert(
        &mut self,
        via: Via,
        level: u8,
        description: u8,
    ) -> Result<(), PeerError> {
        // A sequence number that no handshake of a test gets to.
        self.send_packet(via, &plaintext_alert(level, description, 200))
    }

    /// Handshakes to completion. `step` makes the server do what it can; it is called at most
    /// `limit` times, a millisecond apart when nothing comes. What was lost is sent again when
    /// OpenSSL's timer is due.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when the limit was reached, [`PeerError::Dtls`] when the handshake
    /// failed, and what `step` says.
    pub fn handshake(
        &mut self,
        via: Via,
        step: &mut dyn FnMut() -> io::Result<()>,
        limit: usize,
    ) -> Result<(), PeerError> {
        self.handshake_until(via, HandshakeGoal::Connected, step, limit)
    }

    /// Handshakes up to a goal and stops there, with the flight that reached it sent and the
    /// server not stepped since.
    ///
    /// # Errors
    ///
    /// As [`Peer::handshake`].
    pub fn handshake_until(
        &mut self,
        via: Via,
        goal: HandshakeGoal,
        step: &mut dyn FnMut() -> io::Result<()>,
        limit: usize,
    ) -> Result<(), PeerError> {
        let mut flights = 0;
        if self.phase() == DtlsPhase::New {
            flights += usize::from(self.start_handshake(via)? > 0);
        }
        for _ in 0..limit {
            if self.has_reached(goal, flights)? {
                return Ok(());
            }
            step()?;
            if self.collect()? == 0 && !self.collect_within(STEP_WAIT)? {
                self.retransmit_if_due(via)?;
            }
            flights += usize::from(self.pump(via)? > 0);
        }
        if self.has_reached(goal, flights)? {
            return Ok(());
        }
        let waited = STEP_WAIT * u32::try_from(limit).unwrap_or(u32::MAX);
        Err(PeerError::Barrier { what: "DTLS handshake", waited })
    }

    pub(super) fn has_reached(
        &self,
        goal: HandshakeGoal,
        flights: usize,
    ) -> Result<bool, PeerError> {
        match self.phase() {
            DtlsPhase::New | DtlsPhase::Handshaking => {
                Ok(matches!(goal, HandshakeGoal::FlightsSent(wanted) if flights >= wanted))
            }
            DtlsPhase::Connected => Ok(true),
            DtlsPhase::PeerClosed => {
                Err(PeerError::Dtls("close_notify during the handshake".to_owned()))
            }
            DtlsPhase::Failed => {
                let reason = self.session.failure().unwrap_or("failed");
                Err(PeerError::Dtls(reason.to_owned()))
            }
        }
    }
}

fn deliver(mut datagrams: Vec<Vec<u8>>, delivery: Delivery) -> Vec<Vec<u8>> {
    match delivery {
        Delivery::AsIs => {}
        Delivery::Twice => {
            datagrams = datagrams.into_iter().flat_map(|one| [one.clone(), one]).collect();
        }
        Delivery::Reversed => datagrams.reverse(),
        Delivery::Coalesced if datagrams.is_empty() => {}
        Delivery::Coalesced => datagrams = vec![datagrams.concat()],
        Delivery::Corrupted => {
            for last in datagrams.iter_mut().filter_map(|datagram| datagram.last_mut()) {
                *last ^= 0x55;
            }
        }
        Delivery::Lost => datagrams.clear(),
    }
    datagrams
}
