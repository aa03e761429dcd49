//! Frames as they pass by: their heads are read out of the bytes, their payloads are not looked at. For the guard.

/// Bytes of a frame's head.
const HEAD_BYTES: usize = 9;

/// Bytes of a head with the error code behind it, which is all that a RST_STREAM is.
const WITH_CODE_BYTES: usize = HEAD_BYTES + 4;

/// Kinds of frames (RFC 9113, section 6).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const GOAWAY: u8 = 7;
}

/// The flag that ends a stream.
const END_STREAM: u8 = 1;
/// The flag that acknowledges a SETTINGS or a PING.
const ACK: u8 = 1;

/// What is known of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// Bytes of its payload.
    pub(super) len: usize,
    /// The error code of a RST_STREAM, else 0.
    pub(super) code: u32,
}

impl Frame {
    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    pub(super) fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }
}

/// Finds the frames in what one side sends, however it is cut up.
#[derive(Debug)]
pub(super) struct Scanner {
    head: [u8; WITH_CODE_BYTES],
    n_head: usize,
    /// Bytes until the next head.
    n_skipped: usize,
}

impl Scanner {
    /// `n_skipped`: bytes before the first frame.
    pub(super) fn new(n_skipped: usize) -> Self {
        Scanner { head: [0; WITH_CODE_BYTES], n_head: 0, n_skipped }
    }

    /// Shows the frames that begin in `bytes` to `see`, in order.
    pub(super) fn scan(&mut self, mut bytes: &[u8], mut see: impl FnMut(Frame)) {
        loop {
            let n_skipped = self.n_skipped.min(bytes.len());
            self.n_skipped -= n_skipped;
            bytes = &bytes[n_skipped..];
            if bytes.is_empty() {
                return;
            }
            let n = (self.n_wanted() - self.n_head).min(bytes.len());
            self.head[self.n_head..self.n_head + n].copy_from_slice(&bytes[..n]);
            self.n_head += n;
            bytes = &bytes[n..];
            if self.n_head == self.n_wanted() {
                let frame = self.frame();
                self.n_skipped = frame.len + HEAD_BYTES - self.n_head;
                self.n_head = 0;
                see(frame);
            }
        }
    }

    /// How much of a frame has to be read, as far as that is known.
    fn n_wanted(&self) -> usize {
        let with_code = self.n_head >= HEAD_BYTES
            && self.head[3] == kind::RST_STREAM
            && self.head[..3] == [0, 0, 4];
        if with_code { WITH_CODE_BYTES } else { HEAD_BYTES }
    }

    fn frame(&self) -> Frame {
        let [a, b, c, kind, flags, s1, s2, s3, s4, c1, c2, c3, c4] = self.head;
        let has_code = self.n_head == WITH_CODE_BYTES;
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]),
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            code: if has_code { u32::from_be_bytes([c1, c2, c3, c4]) } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(frame: &Frame, out: &mut Vec<u8>) {
        out.extend_from_slice(&(frame.len as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&[frame.kind, frame.flags]);
        out.extend_from_slice(&frame.stream.to_be_bytes());
        let mut payload = vec![0; frame.len];
        if frame.kind == kind::RST_STREAM && frame.len == 4 {
            payload.copy_from_slice(&frame.code.to_be_bytes());
        }
        out.extend_from_slice(&payload);
    }

    fn frame() -> impl Strategy<Value = Frame> {
        (0_u8..12, any::<u8>(), 0_u32..1 << 31, 0_usize..40, any::<u32>()).prop_map(
            |(kind, flags, stream, len, code)| {
                let has_code = kind == kind::RST_STREAM && len == 4;
                Frame { kind, flags, stream, len, code: if has_code { code } else { 0 } }
            },
        )
    }

    proptest! {
        #[test]
        fn frames_are_found_however_they_are_cut_up(
            frames in prop::collection::vec(frame(), 0..20),
            n_before in 0_usize..30,
            cuts in prop::collection::vec(1_usize..30, 1..20),
        ) {
            let mut bytes = vec![0xff; n_before];
            frames.iter().for_each(|frame| write(frame, &mut bytes));
            let (mut scanner, mut seen) = (Scanner::new(n_before), Vec::new());
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while let (false, Some(&cut)) = (rest.is_empty(), cuts.next()) {
                let (piece, others) = rest.split_at(cut.min(rest.len()));
                scanner.scan(piece, |frame| seen.push(frame));
                rest = others;
            }
            prop_assert_eq!(seen, frames);
        }
    }
}
