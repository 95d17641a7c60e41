//! RFC 4571 framing: how packets travel in a TCP stream, each behind its length in two big-endian
//! bytes.

use std::collections::VecDeque;

use thiserror::Error;

/// Bytes of the length in front of every frame.
pub(crate) const FRAME_LENGTH_BYTES: usize = 2;

/// Bytes that one frame carries at the most: what a 16-bit length can say.
pub const FRAME_PAYLOAD_MAX: usize = 65535;

/// Bytes of capacity that a [`Deframer`] keeps while it holds little. An idle connection may cost
/// 4 KiB in all, so what many or large frames once needed goes back.
const IDLE_CAPACITY_BYTES_MAX: usize = 2048;

/// Bytes of the longest frame that may hold a check: USERNAME, its largest attribute, has 513.
const CHECK_BYTES_MAX: usize = 2048;

/// Empty frames in front of a check. They mean nothing, and so does who sends nothing else.
const EMPTY_FRAMES_MAX: usize = 16;

/// A payload that no 16-bit length can describe. The caller's fault: no packet of this server is
/// that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a payload of {length} bytes does not fit one frame of at most {FRAME_PAYLOAD_MAX}")]
pub struct FrameTooLong {
    /// Bytes of the payload that was refused.
    pub length: usize,
}

/// Puts the length in front of one packet (RFC 4571 section 2).
///
/// Length and packet are in one buffer, so that one write hands both to the kernel.
///
/// # Errors
///
/// [`FrameTooLong`] for more than [`FRAME_PAYLOAD_MAX`] bytes.
//= TCP-02
pub fn frame(payload: &[u8]) -> Result<Vec<u8>, FrameTooLong> {
    let length =
        u16::try_from(payload.len()).map_err(|_| FrameTooLong { length: payload.len() })?;
    let mut bytes = Vec::with_capacity(FRAME_LENGTH_BYTES + payload.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// Cuts the frames out of one TCP stream, however the stream was segmented.
///
/// It holds the bytes that arrived and were not handed out yet, and what it counted: two deframers
/// that were given the same bytes and were asked for frames as often are equal.
///
/// The caller pulls one frame after the other. So a frame that closes the connection is the last
/// one that has any effect: nothing is handed out that nobody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deframer {
    unread: VecDeque<u8>,
    /// Empty frames so far.
    empty_frames: usize,
}

impl Deframer {
    /// A deframer at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream, as many or few as one read gave.
    ///
    /// The memory in use follows the bytes that arrived. An announced length reserves nothing, so a
    /// peer that sends two bytes cannot make the server set 64 KiB aside.
    //= TCP-05
    pub fn push(&mut self, bytes: &[u8]) {
        self.unread.extend(bytes);
    }

    /// Hands out the next complete frame, or `None` until more bytes arrive. Empty frames are legal
    /// and mean nothing (RFC 4571 section 2): they are passed over.
    //= TCP-03
    //= TCP-04
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.pass_over_empty_frames();
        let frame = self.complete_frame_at(0).map(|length| {
            self.unread.drain(..FRAME_LENGTH_BYTES);
            self.take(length)
        });
        if frame.is_none() {
            self.give_back();
        }
        frame
    }

    /// Not down to the last byte: a peer that sends one at a time would have all of them copied each
    /// time.
    //= RES-05
    fn give_back(&mut self) {
        if self.unread.capacity() > IDLE_CAPACITY_BYTES_MAX.max(2 * self.unread.len()) {
            self.unread.shrink_to(IDLE_CAPACITY_BYTES_MAX);
        }
    }

    /// Whether the next frame cannot be a check, by as much of it as is here. Who has not bound a
    /// connection sends nothing else on it, so nothing else is kept. Passes over empty frames.
    //= TCP-06
    pub fn next_is_no_check(&mut self) -> bool {
        self.pass_over_empty_frames();
        let length = self.length_at(0);
        let first = self.unread.get(FRAME_LENGTH_BYTES);
        self.empty_frames > EMPTY_FRAMES_MAX
            || length.is_some_and(|length| length > CHECK_BYTES_MAX)
            || first.is_some_and(|byte| *byte > 3)
    }

    fn pass_over_empty_frames(&mut self) {
        while self.length_at(0) == Some(0) {
            self.unread.drain(..FRAME_LENGTH_BYTES);
            self.empty_frames += 1;
        }
    }

    /// Whether the bytes so far end inside a frame, so that a FIN here cuts it off.
    ///
    /// Complete frames that were not handed out yet do not count.
    //= TCP-10
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        let mut start = 0;
        while let Some(length) = self.complete_frame_at(start) {
            start += FRAME_LENGTH_BYTES + length;
        }
        start < self.unread.len()
    }

    /// Bytes that arrived and were not handed out yet, lengths included.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.unread.len()
    }

    /// The length that stands at `start`.
    fn length_at(&self, start: usize) -> Option<usize> {
        let (high, low) = (*self.unread.get(start)?, *self.unread.get(start + 1)?);
        Some(usize::from(u16::from_be_bytes([high, low])))
    }

    /// Payload bytes of the frame whose length is at `start`, if all of it is here.
    fn complete_frame_at(&self, start: usize) -> Option<usize> {
        let length = self.length_at(start)?;
        (self.unread.len() - start - FRAME_LENGTH_BYTES >= length).then_some(length)
    }

    /// Removes the first `length` bytes, which are known to be here.
    fn take(&mut self, length: usize) -> Vec<u8> {
        debug_assert!(self.unread.len() >= length);
        // The ring may wrap in the middle of a frame: two copies of slices, which is far cheaper
        // than byte by byte.
        let (front, back) = self.unread.as_slices();
        let from_front = length.min(front.len());
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&front[..from_front]);
        bytes.extend_from_slice(&back[..length - from_front]);
        self.unread.drain(..length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    fn frames_of(deframer: &mut Deframer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| deframer.next_frame()).collect()
    }

    fn stream_of(payloads: &[Vec<u8>]) -> Vec<u8> {
        payloads.iter().flat_map(|payload| frame(payload).expect("short enough")).collect()
    }

    fn not_empty(payloads: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        payloads.into_iter().filter(|payload| !payload.is_empty()).collect()
    }

    #[test]
    fn tcp_02_a_frame_is_its_length_and_its_bytes() {
        assert_eq!(frame(b"abc"), Ok(vec![0, 3, b'a', b'b', b'c']));
        assert_eq!(frame(&[]), Ok(vec![0, 0]));
        assert_eq!(frame(&[7; 258]).map(|bytes| bytes[..3].to_vec()), Ok(vec![1, 2, 7]));
    }

    #[test]
    fn tcp_02_a_payload_over_16_bits_is_refused() {
        let bytes = frame(&[1; FRAME_PAYLOAD_MAX]).expect("the longest one");
        assert_eq!((bytes.len(), bytes[0], bytes[1]), (2 + 65535, 0xFF, 0xFF));
        assert_eq!(frame(&[1; FRAME_PAYLOAD_MAX + 1]), Err(FrameTooLong { length: 65536 }));
    }

    #[test]
    fn tcp_03_every_split_of_three_frames_gives_the_same_frames() {
        let payloads = vec![b"first".to_vec(), b"2".to_vec(), b"the third".to_vec()];
        let stream = stream_of(&payloads);
        for first_cut in 0..=stream.len() {
            for second_cut in first_cut..=stream.len() {
                let mut deframer = Deframer::new();
                let mut frames = Vec::new();
                let segments =
                    [&stream[..first_cut], &stream[first_cut..second_cut], &stream[second_cut..]];
                for segment in segments {
                    deframer.push(segment);
                    frames.extend(frames_of(&mut deframer));
                }
                assert_eq!(frames, payloads, "cut at {first_cut} and {second_cut}");
                assert_eq!(deframer, Deframer::default());
            }
        }
    }

    quickcheck! {
        fn tcp_03_any_segmentation_equals_the_whole_stream(
            payloads: Vec<Vec<u8>>, sizes: Vec<u8>, tail: Vec<u8>
        ) -> bool {
            let mut stream = stream_of(&payloads);
            stream.extend(tail); // whatever follows, most often a frame that is not complete
            let mut whole = Deframer::new();
            whole.push(&stream);
            let expected = frames_of(&mut whole);

            let mut cut = Deframer::new();
            let mut frames = Vec::new();
            let mut rest = stream.as_slice();
            let mut sizes = sizes.into_iter().map(usize::from).chain(std::iter::repeat(1));
            while !rest.is_empty() {
                let (segment, after) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
                cut.push(segment);
                frames.extend(frames_of(&mut cut));
                rest = after;
            }
            frames == expected && cut == whole && frames.starts_with(&not_empty(payloads))
        }

        fn tcp_03_frames_that_wait_are_unchanged_by_later_bytes(
            before: Vec<Vec<u8>>, after: Vec<Vec<u8>>
        ) -> bool {
            // Taking one frame and then pushing moves the ring's start, so that later frames wrap
            // around its end.
            let mut deframer = Deframer::new();
            deframer.push(&stream_of(&before));
            let mut frames: Vec<_> = deframer.next_frame().into_iter().collect();
            deframer.push(&stream_of(&after));
            frames.extend(frames_of(&mut deframer));
            frames == not_empty([before, after].concat())
        }
    }

    #[test]
    fn tcp_04_empty_frames_are_passed_over() {
        let mut deframer = Deframer::new();
        deframer.push(&[0; 2000]);
        deframer.push(&frame(b"check").expect("short"));
        assert_eq!(deframer.next_frame(), Some(b"check".to_vec()));
        deframer.push(&[0, 0]);
        assert!(!deframer.is_mid_frame());
        assert_eq!(deframer.next_frame(), None);
        assert_eq!(deframer.buffered_bytes(), 0);
    }

    #[test]
    fn tcp_06_a_frame_that_is_no_check_is_known_by_its_first_bytes() {
        let long = |length: usize| (length as u16).to_be_bytes();
        let empty = |count: usize| vec![0; 2 * count];
        let rows = [
            (empty(0), false),
            (vec![0xFF], false),
            (long(CHECK_BYTES_MAX).to_vec(), false),
            (long(CHECK_BYTES_MAX + 1).to_vec(), true),
            (vec![0, 20, 3], false),
            (vec![0, 20, 4], true),
            (empty(EMPTY_FRAMES_MAX), false),
            (empty(EMPTY_FRAMES_MAX + 1), true),
            ([empty(EMPTY_FRAMES_MAX), vec![0, 20, 0, 1]].concat(), false),
            ([empty(EMPTY_FRAMES_MAX + 1), vec![0, 20, 0, 1]].concat(), true),
            ([empty(1), vec![0, 20, 22]].concat(), true),
        ];
        for (stream, expected) in rows {
            let mut whole = Deframer::new();
            whole.push(&stream);
            assert_eq!(whole.next_is_no_check(), expected, "{stream:?}");
            let mut cut = Deframer::new();
            for byte in &stream {
                cut.push(&[*byte]);
                let _ = cut.next_is_no_check();
            }
            assert_eq!(cut, whole, "{stream:?}");
        }
    }

    #[test]
    fn tcp_05_the_longest_frames_are_read() {
        for length in [FRAME_PAYLOAD_MAX - 1, FRAME_PAYLOAD_MAX] {
            let payload: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let mut deframer = Deframer::new();
            for segment in frame(&payload).expect("short enough").chunks(1000) {
                assert_eq!(deframer.next_frame(), None);
                deframer.push(segment);
            }
            assert_eq!(deframer.next_frame(), Some(payload));
        }
    }

    #[test]
    fn tcp_05_an_announced_length_reserves_nothing() {
        let mut deframer = Deframer::new();
        deframer.push(&[0xFF, 0xFF]);
        assert_eq!(deframer.next_frame(), None);
        assert!(deframer.unread.capacity() < 64, "capacity {}", deframer.unread.capacity());
        for arrived in 3..5000 {
            deframer.push(&[0]);
            assert_eq!(deframer.next_frame(), None);
            assert!(deframer.unread.capacity() <= 2 * arrived + 64);
        }
    }

    #[test]
    fn res_05_an_idle_deframer_gives_large_buffers_back() {
        let large = frame(&[1; FRAME_PAYLOAD_MAX]).expect("short enough");
        let many = stream_of(&vec![vec![1; 100]; 1_000]);
        for rest in [0, 1, 1_000, 5_000] {
            for frames in [&large, &many] {
                let mut deframer = Deframer::new();
                deframer.push(frames);
                deframer.push(&vec![0xFF; rest]);
                let _ = frames_of(&mut deframer);
                assert_eq!(deframer.buffered_bytes(), rest);
                let most = IDLE_CAPACITY_BYTES_MAX.max(2 * rest);
                assert!(deframer.unread.capacity() <= most, "{rest}");
            }
        }
    }

    #[test]
    fn tcp_10_a_fin_at_any_byte_leaves_the_frames_before_it_and_discards_the_rest() {
        let payloads = vec![b"alert".to_vec(), Vec::new(), b"and more".to_vec()];
        let stream = stream_of(&payloads);
        let frame_ends = [0, 7, 9, 19];
        for fin in 0..=stream.len() {
            let mut deframer = Deframer::new();
            deframer.push(&stream[..fin]);
            let at_a_frame_end = frame_ends.contains(&fin);
            assert_eq!(deframer.is_mid_frame(), !at_a_frame_end, "FIN at {fin}, nothing taken");
            let frames = frames_of(&mut deframer);
            let expected = usize::from(fin >= 7) + usize::from(fin >= 19);
            assert_eq!(frames, not_empty(payloads.clone())[..expected], "FIN at {fin}");
            assert_eq!(deframer.is_mid_frame(), !at_a_frame_end, "FIN at {fin}, all taken");
            assert_eq!(deframer.buffered_bytes() == 0, at_a_frame_end, "FIN at {fin}");
        }
    }

    #[test]
    fn tcp_20_a_frame_that_nobody_asks_for_is_not_handed_out() {
        let mut deframer = Deframer::new();
        deframer.push(&stream_of(&[b"close_notify".to_vec(), b"data".to_vec()]));
        assert_eq!(deframer.next_frame(), Some(b"close_notify".to_vec()));
        assert_eq!(deframer.buffered_bytes(), 6);
    }
}
