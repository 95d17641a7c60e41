//! The clients' part of a close. Their cryptography is done before and after, so that what is timed is the server's.

use std::io::ErrorKind;

use crate::client::Client;
use crate::link::{Link, PACKET_BYTES_MAX};

/// Answers that are ready, and room for the alerts.
pub struct Goodbye {
    answers: Vec<Vec<u8>>,
    alerts: Vec<(usize, [u8; PACKET_BYTES_MAX])>,
}

impl Goodbye {
    /// Makes the answer of each client.
    pub fn prepare(clients: &mut [Client]) -> Self {
        let answers = clients.iter_mut().map(Client::make_close_notify).collect();
        Self { answers, alerts: vec![(0, [0; PACKET_BYTES_MAX]); clients.len()] }
    }

    /// Waits for every alert. A server goes through its transports in order: with the last one taken first, this thread
    /// is woken once and not for each of them.
    pub fn hear_all(&mut self, clients: &mut [Client]) {
        for (client, alert) in clients.iter_mut().zip(&mut self.alerts).rev() {
            hear(&mut client.link, alert);
        }
    }

    /// Answers, as browsers do.
    pub fn answer_all(&mut self, clients: &mut [Client]) {
        for (client, answer) in clients.iter_mut().zip(&self.answers) {
            reply(&mut client.link, answer);
        }
    }

    /// Answers each alert when it has come.
    pub fn answer_each(&mut self, clients: &mut [Client]) {
        for ((client, alert), answer) in clients.iter_mut().zip(&mut self.alerts).zip(&self.answers)
        {
            hear(&mut client.link, alert);
            reply(&mut client.link, answer);
        }
    }

    /// Makes sure that what came were the alerts. Bytes in them.
    pub fn check(&self, clients: &mut [Client]) -> usize {
        for (client, (length, alert)) in clients.iter_mut().zip(&self.alerts) {
            client.expect_close_notify(&alert[..*length]);
        }
        self.alerts.iter().map(|(length, _)| length).sum()
    }
}

fn hear(link: &mut Link, (length, alert): &mut (usize, [u8; PACKET_BYTES_MAX])) {
    *length = link.receive(alert).expect("an alert").len();
}

/// Over TCP the server need not wait for it: acknowledged is as good (SPEC.md, CLS-32).
fn reply(link: &mut Link, answer: &[u8]) {
    match link.send(answer).and_then(|()| link.finish()) {
        Err(error)
            if matches!(link, Link::Tcp(_))
                && matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected
                ) => {}
        result => result.expect("loopback"),
    }
}
