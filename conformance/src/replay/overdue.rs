//! What does not come in time, and whose fault that is: the kernel says.

use std::time::{Duration, Instant};

use webrtc_server::lifecycle::ConnectionId as RealConnection;
use webrtc_server::shell::Ready;
use webrtc_server_model::{TransportId, Tuple, WorkerId};

use super::report::Harness;
use super::stage::Stage;
use crate::PATIENCE;
use crate::divergence::Finding;
use crate::peer::kernel::{self, Interest};

/// Longest wait of one poll: what is ready is noticed at once, this only bounds the deadline's granularity.
const POLL_SLICE: Duration = Duration::from_millis(20);

impl Stage<'_> {
    /// Polls until a server calls this ready; `false` when it does not, which is a finding then.
    pub(super) fn await_ready(
        &mut self,
        w: WorkerId,
        ready: Ready,
        what: &'static str,
    ) -> Result<bool, Harness> {
        let deadline = Instant::now() + PATIENCE;
        while !self.workers[w.index()].ready().contains(&ready) {
            if Instant::now() >= deadline {
                return self.blame(w, ready, what).map(|()| false);
            }
            self.workers[w.index()].poll(Some(POLL_SLICE))?;
        }
        Ok(true)
    }

    /// The server has not done what it does as soon as this is ready. That is its fault if the kernel says that it is,
    /// or if its descriptor is closed, and the stage's otherwise.
    pub(super) fn blame(
        &mut self,
        w: WorkerId,
        ready: Ready,
        what: &'static str,
    ) -> Result<(), Harness> {
        let got = match self.workers[w.index()].descriptor(ready) {
            None => "its descriptor is closed",
            Some(descriptor)
                if kernel::wait(&[descriptor], interest_in(ready), Duration::ZERO)? =>
            {
                "the kernel calls it ready, and the server does nothing"
            }
            Some(_) => return Err(Harness::Barrier(what)),
        };
        self.findings.push(Finding::new(what, &ready, &got));
        Ok(())
    }

    /// The server has not ended a connection that waits for nothing but acknowledgements: its fault if there are all.
    pub(super) fn blame_for_lingering(
        &mut self,
        w: WorkerId,
        id: RealConnection,
        what: &'static str,
    ) -> Result<(), Harness> {
        let descriptor = self.workers[w.index()].descriptor(Ready::ConnectionReadable(id));
        match descriptor.map(kernel::unacknowledged).transpose()? {
            Some(1..) => return Err(Harness::Barrier(what)),
            Some(0) | None => self.findings.push(Finding::new(what, &"closed", &"still there")),
        }
        Ok(())
    }

    /// The server has not said what it says to what came over a path: its fault unless that is still on the way.
    pub(super) fn blame_for_silence(
        &mut self,
        t: TransportId,
        path: Tuple,
        what: &'static str,
    ) -> Result<(), Harness> {
        if self.wires.is_under_way(path)? {
            return Err(Harness::Barrier(what));
        }
        let phase = self.client(t)?.peer.phase();
        let got = format!("nothing; the peer is {phase:?}");
        self.findings.push(Finding { what: what.to_owned(), expected: "made".to_owned(), got });
        Ok(())
    }
}

fn interest_in(ready: Ready) -> Interest {
    match ready {
        Ready::SocketWritable(_) | Ready::ConnectionWritable(_) => Interest::Writable,
        Ready::SocketReadable(_)
        | Ready::ListenerReadable(_)
        | Ready::ConnectionReadable(_)
        | Ready::Alarm(_) => Interest::Readable,
    }
}
