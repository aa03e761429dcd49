//! Frames of HTTP/2 (RFC 9113, sections 4 and 6), without I/O: heads read and written, payloads taken apart. Used by
//! `server` and `guard`.

/// Bytes of a frame's head.
pub(super) const HEAD_BYTES: usize = 9;

/// Bytes of a payload that everybody takes, and the most that we do.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// What a client sends first (section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames (section 6).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(super) mod flag {
    pub(in super::super) const END_STREAM: u8 = 1;
    pub(in super::super) const ACK: u8 = 1;
    pub(in super::super) const END_HEADERS: u8 = 4;
    pub(in super::super) const PADDED: u8 = 8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// An error code (section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the standard")]
#[repr(u32)]
pub enum Code {
    NoError = 0,
    Protocol = 1,
    Internal = 2,
    FlowControl = 3,
    StreamClosed = 5,
    FrameSize = 6,
    RefusedStream = 7,
    Cancel = 8,
    Compression = 9,
    EnhanceYourCalm = 11,
}

/// A frame without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// Bytes of its payload.
    pub(super) len: usize,
}

impl Frame {
    /// Reads a head; the reserved bit is nobody's business.
    #[inline]
    pub(super) fn read(head: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, s1, s2, s3, s4] = *head;
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]),
            len: u32::from_be_bytes([0, a, b, c]) as usize,
        }
    }

    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head());
    }

    #[inline]
    pub(super) fn head(&self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [s1, s2, s3, s4] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s1, s2, s3, s4]
    }

    #[inline]
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn is_ack(&self) -> bool {
        self.has(flag::ACK)
    }

    pub(super) fn ends_stream(&self) -> bool {
        self.has(flag::END_STREAM)
    }

    /// The payload without padding (section 6.1).
    ///
    /// # Errors
    /// The code that says what is wrong with it.
    #[inline]
    pub(super) fn unpad<'a>(&self, payload: &'a [u8]) -> Result<&'a [u8], Code> {
        if !self.has(flag::PADDED) {
            return Ok(payload);
        }
        let (&n_padded, rest) = payload.split_first().ok_or(Code::FrameSize)?;
        let n = rest.len().checked_sub(usize::from(n_padded)).ok_or(Code::Protocol)?;
        Ok(&rest[..n])
    }
}

/// The number at the front of a payload, without its first bit: a stream's number, or an increment.
pub(super) fn number(payload: &[u8]) -> Option<u32> {
    code(payload).map(|number| number & 0x7fff_ffff)
}

/// The number at the front of a payload.
pub(super) fn code(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Writes a frame on `stream` whose payload is one number: RST_STREAM or WINDOW_UPDATE.
pub(super) fn write_number(kind: u8, stream: u32, number: u32, out: &mut Vec<u8>) {
    Frame { kind, flags: 0, stream, len: 4 }.write(out);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Writes SETTINGS.
pub(super) fn write_settings(settings: &[(u16, u32)], out: &mut Vec<u8>) {
    let len = settings.len() * 6;
    Frame { kind: kind::SETTINGS, flags: 0, stream: 0, len }.write(out);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Reads SETTINGS whose size is right.
pub(super) fn read_settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    let setting = |[a, b, c, d, e, f]: &[u8; 6]| {
        (u16::from_be_bytes([*a, *b]), u32::from_be_bytes([*c, *d, *e, *f]))
    };
    payload.as_chunks().0.iter().map(setting)
}

/// Writes a PING, or the answer to one.
pub(super) fn write_ping(is_ack: bool, payload: &[u8; 8], out: &mut Vec<u8>) {
    let flags = if is_ack { flag::ACK } else { 0 };
    Frame { kind: kind::PING, flags, stream: 0, len: 8 }.write(out);
    out.extend_from_slice(payload);
}

/// Writes GOAWAY.
pub(super) fn write_goaway(last_stream: u32, code: Code, out: &mut Vec<u8>) {
    Frame { kind: kind::GOAWAY, flags: 0, stream: 0, len: 8 }.write(out);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&(code as u32).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn heads_are_read_as_they_were_written(
            kind in any::<u8>(),
            flags in any::<u8>(),
            stream in 0_u32..1 << 31,
            len in 0_usize..1 << 24,
        ) {
            let frame = Frame { kind, flags, stream, len };
            prop_assert_eq!(Frame::read(&frame.head()), frame);
        }

        #[test]
        fn settings_are_read_as_they_were_written(
            settings in prop::collection::vec(any::<(u16, u32)>(), 0..20),
        ) {
            let mut out = Vec::new();
            write_settings(&settings, &mut out);
            let read: Vec<(u16, u32)> = read_settings(&out[HEAD_BYTES..]).collect();
            prop_assert_eq!(read, settings);
        }
    }

    #[test]
    fn padding_is_taken_off_and_never_longer_than_the_payload() {
        let padded = Frame { kind: kind::DATA, flags: flag::PADDED, stream: 1, len: 0 };
        assert_eq!(padded.unpad(&[2, b'a', 0, 0]), Ok(&b"a"[..]));
        assert_eq!(padded.unpad(&[0]), Ok(&b""[..]));
        assert_eq!(padded.unpad(&[3, b'a', 0, 0]), Ok(&b""[..]));
        assert_eq!(padded.unpad(&[4, b'a', 0, 0]), Err(Code::Protocol));
        assert_eq!(padded.unpad(&[]), Err(Code::FrameSize));
        let plain = Frame { flags: 0, ..padded };
        assert_eq!(plain.unpad(&[2, 0]), Ok(&[2, 0][..]));
    }
}
