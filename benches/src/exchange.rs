//! Many packets, each of which is answered, with some of them under way at any time.
//!
//! The thread that does this is client to all: what is timed is one send and one receive for each packet. A server does
//! as much, and its cryptography besides: it is the slower side, so its speed is what comes out.

use std::io::ErrorKind;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::link::{Link, PACKET_BYTES_MAX, PATIENCE};

/// Packets that are kept in memory at a time.
const BATCH_MAX: u64 = 1024;
/// A datagram that was not answered by then is lost.
const LOST_AFTER: Duration = Duration::from_millis(500);
/// What AES-GCM adds to a message: header, explicit nonce and tag of a DTLS record.
const RECORD_OVERHEAD_BYTES: usize = 37;
/// A message begins with its number.
const NUMBER_BYTES: usize = 8;

/// What was sent, and what of it was not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets sent.
    pub sent: u64,
    /// Of these, packets without an answer.
    pub lost: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.sent += more.sent;
        self.lost += more.lost;
    }
}

/// The answers of one batch, in the order in which they were received.
struct Answers {
    elapsed: Duration,
    /// Of which sender, and the packet.
    packets: Vec<(usize, Vec<u8>)>,
}

/// What became of some exchanges.
#[derive(Debug, Default)]
pub struct Exchanged {
    elapsed: Duration,
    /// All of them.
    pub traffic: Traffic,
}

impl Exchanged {
    /// The time that as many exchanges take as there should have been, of those that there were: what was lost counts
    /// as time and not as work.
    ///
    /// # Panics
    ///
    /// When there was none.
    #[must_use]
    pub fn time(&self) -> Duration {
        let Traffic { sent, lost } = self.traffic;
        assert!(lost < sent, "no answer to any of {sent} packets");
        self.elapsed.mul_f64(sent as f64 / (sent - lost) as f64)
    }

    fn add(&mut self, elapsed: Duration, sent: u64, answered: u64) {
        self.elapsed += elapsed;
        self.traffic += Traffic { sent, lost: sent - answered };
    }
}

/// Messages of one size to clients in turn.
pub struct Messages {
    in_flight_each: usize,
    bytes: usize,
    next: u64,
}

impl Messages {
    /// Messages of so many bytes, so many of them under way for each client.
    #[must_use]
    pub fn new(bytes: usize, in_flight_each: usize) -> Self {
        assert!(bytes >= NUMBER_BYTES, "there is room for a number");
        Self { in_flight_each, bytes, next: 0 }
    }

    /// Sends so many and takes their echoes. Encryption and decryption are not timed.
    pub fn exchange(&mut self, clients: &mut [Client], count: u64) -> Exchanged {
        let mut exchanged = Exchanged::default();
        for size in batches(count) {
            let first = self.next;
            self.next += size;
            let records: Vec<_> = (first..self.next)
                .map(|number| clients[turn(number, clients.len())].encrypt(&self.message(number)))
                .collect();
            let begins = turn(first, clients.len());
            let answers = pump(clients, begins, &records, self.in_flight_each);
            let answered = self.count(clients, answers.packets, first);
            exchanged.add(answers.elapsed, size, answered);
        }
        exchanged
    }

    /// How many of the messages since `first` came back, each as it was sent.
    fn count(&self, clients: &mut [Client], packets: Vec<(usize, Vec<u8>)>, first: u64) -> u64 {
        let mut answered = vec![false; usize::try_from(self.next - first).expect("a batch")];
        for (from, record) in packets {
            assert_eq!(
                record.len(),
                self.bytes + RECORD_OVERHEAD_BYTES,
                "any server sends as many bytes"
            );
            let message = clients[from].decrypt(&record);
            let number = u64::from_be_bytes(message[..NUMBER_BYTES].try_into().expect("a number"));
            assert_eq!(message, self.message(number), "what was sent comes back");
            // The echo of an earlier batch was late: it counts as lost.
            if let Some(index) = number.checked_sub(first) {
                answered[usize::try_from(index).expect("a number of the batch")] = true;
            }
        }
        answered.into_iter().filter(|answered| *answered).count() as u64
    }

    /// A message that differs from every other, so that a late echo is not taken for the one awaited.
    fn message(&self, number: u64) -> Vec<u8> {
        let mut message = vec![0x55; self.bytes];
        message[..NUMBER_BYTES].copy_from_slice(&number.to_be_bytes());
        message
    }
}

/// Sends so many requests to links in turn, those that `make` makes for each before the clock runs, and takes the
/// responses, which `accept` looks at after that.
pub fn request(
    links: &mut [impl AsMut<Link>],
    mut make: impl FnMut(usize) -> Vec<u8>,
    in_flight_each: usize,
    count: u64,
    accept: impl Fn(&[u8]),
) -> Exchanged {
    let mut exchanged = Exchanged::default();
    for size in batches(count) {
        let packets: Vec<_> = (0..size).map(|number| make(turn(number, links.len()))).collect();
        let answers = pump(links, 0, &packets, in_flight_each);
        answers.packets.iter().for_each(|(_, response)| accept(response));
        exchanged.add(answers.elapsed, size, answers.packets.len() as u64);
    }
    exchanged
}

fn batches(count: u64) -> impl Iterator<Item = u64> {
    (0..count).step_by(BATCH_MAX as usize).map(move |from| (count - from).min(BATCH_MAX))
}

/// Whose turn it is.
fn turn(number: u64, count: usize) -> usize {
    usize::try_from(number % count as u64).expect("less than the count")
}

/// Sends the packets to the links in turn, this one first, and the next one of a link when an answer to it has come, or
/// is lost.
fn pump<L: AsMut<Link>, P: AsRef<[u8]>>(
    links: &mut [L],
    begins: usize,
    packets: &[P],
    in_flight_each: usize,
) -> Answers {
    prepare(links, LOST_AFTER);
    let count = links.len();
    let whose = |number: usize| (begins + number) % count;
    let mut answers = vec![(None, [0; PACKET_BYTES_MAX]); packets.len()];
    let send = |links: &mut [L], number: usize| {
        if let Some(packet) = packets.get(number) {
            links[whose(number)].as_mut().send(packet.as_ref()).expect("loopback");
        }
    };
    let in_flight = in_flight_each * count;
    let start = Instant::now();
    (0..in_flight).for_each(|number| send(links, number));
    for (number, (length, buffer)) in answers.iter_mut().enumerate() {
        *length = receive(links[whose(number)].as_mut(), buffer);
        send(links, number + in_flight);
    }
    let elapsed = start.elapsed();
    prepare(links, PATIENCE);
    let answered = |(number, (length, buffer)): (usize, (Option<usize>, [u8; _]))| {
        length.map(|length| (whose(number), buffer[..length].to_vec()))
    };
    Answers { elapsed, packets: answers.into_iter().enumerate().filter_map(answered).collect() }
}

/// Without what is late, and with this patience from now on. Nothing is lost or late over TCP.
fn prepare(links: &mut [impl AsMut<Link>], patience: Duration) {
    for link in links.iter_mut().map(AsMut::as_mut).filter(|link| matches!(link, Link::Udp(_))) {
        link.discard().expect("an open socket");
        link.set_patience(Some(patience)).expect("an open socket");
    }
}

/// Bytes of an answer; `None`: it is lost, as only a datagram can be.
fn receive(link: &mut Link, buffer: &mut [u8; PACKET_BYTES_MAX]) -> Option<usize> {
    match link.receive(buffer) {
        Ok(packet) => Some(packet.len()),
        Err(error) if error.kind() == ErrorKind::WouldBlock && matches!(link, Link::Udp(_)) => None,
        Err(error) => panic!("an answer, not {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::thread;

    use webrtc_server::Protocol;

    use super::*;

    /// Leaves every third packet without an answer, of so many.
    fn lossy_echo(packets: usize) -> Link {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let link = Link::open(Protocol::Udp, socket.local_addr().expect("bound"));
        thread::spawn(move || {
            let mut buffer = [0; PACKET_BYTES_MAX];
            for number in 0..packets {
                let (length, from) = socket.recv_from(&mut buffer).expect("a packet");
                if number % 3 != 2 {
                    socket.send_to(&buffer[..length], from).expect("loopback");
                }
            }
        });
        link.expect("loopback")
    }

    #[test]
    fn what_was_not_answered_is_counted_and_is_not_work() {
        let mut links = [lossy_echo(6)];
        let done = request(&mut links, |_| b"a request".to_vec(), 3, 6, |_| {});
        assert_eq!(done.traffic, Traffic { sent: 6, lost: 2 });
        assert_eq!(done.time(), done.elapsed.mul_f64(1.5));
    }

    #[test]
    #[should_panic(expected = "no answer to any of 2 packets")]
    fn nothing_but_losses_is_no_figure() {
        let mut exchanged = Exchanged::default();
        exchanged.add(Duration::from_secs(1), 2, 0);
        let _ = exchanged.time();
    }
}
