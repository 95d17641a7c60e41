//! What waits to be written to a TCP connection: whole RFC 4571 frames, of which the first may be begun.

use super::limits::{SEND_QUEUE_BYTES_MAX, SEND_QUEUE_RESERVE_BYTES};
use crate::wire::framing;
use std::collections::VecDeque;

/// Why a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// Application data: the first to be dropped.
    Data,
    /// A STUN reply or a handshake flight: has a reserved share of the queue.
    Control,
    /// The one close_notify: never dropped.
    Alert,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Frame {
    kind: FrameKind,
    bytes: Vec<u8>,
}

/// A bounded queue of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SendQueue {
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that the kernel has taken.
    begun: usize,
    /// Bytes of all frames, the begun ones included.
    bytes: usize,
}

impl SendQueue {
    /// Appends one frame; `false` when it was dropped instead, whole.
    //= TCP-02
    //= TCP-15
    pub(super) fn push(&mut self, kind: FrameKind, payload: &[u8]) -> bool {
        let Ok(bytes) = framing::frame(payload) else { return false };
        let room = match kind {
            FrameKind::Data => SEND_QUEUE_BYTES_MAX,
            FrameKind::Control => SEND_QUEUE_BYTES_MAX + SEND_QUEUE_RESERVE_BYTES,
            FrameKind::Alert => usize::MAX,
        };
        if self.bytes + bytes.len() > room {
            return false;
        }
        self.bytes += bytes.len();
        self.frames.push_back(Frame { kind, bytes });
        true
    }

    /// What to write next: the rest of the first frame.
    pub fn unwritten(&self) -> &[u8] {
        self.frames.front().map_or(&[], |frame| &frame.bytes[self.begun..])
    }

    /// How many of the next `count` bytes are not of the length in front of the frame.
    pub fn payload_of(&self, count: usize) -> usize {
        count.saturating_sub(framing::FRAME_LENGTH_BYTES.saturating_sub(self.begun))
    }

    /// The kernel took `count` bytes of the first frame. The kind of the frame, if that was its end.
    //= TCP-16
    pub(super) fn wrote(&mut self, count: usize) -> Option<FrameKind> {
        let frame = self.frames.front()?;
        self.begun += count;
        debug_assert!(self.begun <= frame.bytes.len(), "a write is within one frame");
        if self.begun < frame.bytes.len() {
            return None;
        }
        self.bytes -= frame.bytes.len();
        self.begun = 0;
        self.frames.pop_front().map(|frame| frame.kind)
    }

    /// Drops every frame that is not begun, but never an alert, and says how many. With a write `in_flight` the first
    /// frame may be begun by now.
    //= CLS-08
    //= O6
    pub(super) fn drop_unbegun(&mut self, in_flight: bool) -> usize {
        self.drop_unbegun_but(in_flight, |kind| match kind {
            FrameKind::Data | FrameKind::Control => false,
            FrameKind::Alert => true,
        })
    }

    /// Drops application data that is not begun, and says how many frames that were.
    //= CLS-09
    pub(super) fn drop_unbegun_data(&mut self, in_flight: bool) -> usize {
        self.drop_unbegun_but(in_flight, |kind| match kind {
            FrameKind::Data => false,
            FrameKind::Control | FrameKind::Alert => true,
        })
    }

    fn drop_unbegun_but(&mut self, in_flight: bool, keep: impl Fn(FrameKind) -> bool) -> usize {
        let before = self.frames.len();
        let mut begun = in_flight || self.begun > 0;
        self.frames.retain(|frame| std::mem::take(&mut begun) || keep(frame.kind));
        self.bytes = self.frames.iter().map(|frame| frame.bytes.len()).sum();
        before - self.frames.len()
    }

    /// The connection has a new owner: what the former one queued is dropped, but for the rest of a begun frame.
    pub(super) fn disown(&mut self, in_flight: bool) {
        self.frames.truncate(usize::from(in_flight || self.begun > 0));
        for frame in &mut self.frames {
            frame.kind = FrameKind::Control;
        }
        self.bytes = self.frames.iter().map(|frame| frame.bytes.len()).sum();
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// A frame is partly written: its rest must follow before anything else.
    pub fn is_begun(&self) -> bool {
        self.begun > 0
    }

    /// What the first frame is.
    pub fn front(&self) -> Option<FrameKind> {
        self.frames.front().map(|frame| frame.kind)
    }

    /// The close_notify waits.
    pub fn holds_alert(&self) -> bool {
        self.frames.iter().any(|frame| frame.kind == FrameKind::Alert)
    }

    /// Bytes that wait, those of a begun frame included.
    pub fn len(&self) -> usize {
        self.bytes - self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn res_16_the_length_in_front_of_a_frame_is_no_payload_however_it_is_written() {
        for step in 1..=6 {
            let mut queue = SendQueue::default();
            assert!(queue.push(FrameKind::Data, &[7; 4]));
            let mut payload = 0;
            while !queue.is_empty() {
                let count = step.min(queue.unwritten().len());
                payload += queue.payload_of(count);
                queue.wrote(count);
            }
            assert_eq!(payload, 4, "in steps of {step}");
        }
    }
}
