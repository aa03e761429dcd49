//! A response's head.

use std::ops::Range;

use super::{Fields, Version};

/// A response head: status line and fields over one buffer.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The fields.
    pub fields: Fields,
    /// The version the backend spoke.
    pub version: Version,
    /// The status, 100..=999.
    pub status: u16,
    reason: Range<usize>,
}

impl ResponseHead {
    /// Starts a head over a copy of `bytes` (the status line and the field lines, without the empty line).
    pub(crate) fn start(
        &mut self,
        bytes: &[u8],
        version: Version,
        status: u16,
        reason: Range<usize>,
    ) {
        self.fields.clear();
        self.fields.bytes.extend_from_slice(bytes);
        self.version = version;
        self.status = status;
        self.reason = reason;
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.status = 0;
        self.reason = 0..0;
    }

    /// The reason phrase, as sent.
    pub fn reason(&self) -> &[u8] {
        &self.fields.bytes[self.reason.clone()]
    }

    /// Writes status line and fields; the caller adds what it frames the message with and the empty line.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let digit = |n: u16| b'0' + (n % 10) as u8;
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(&[
            digit(self.status / 100),
            digit(self.status / 10),
            digit(self.status),
            b' ',
        ]);
        out.extend_from_slice(self.reason());
        out.extend_from_slice(b"\r\n");
        self.fields.write_to(out);
    }
}
