//! A request's head.

use std::ops::Range;

use super::{Fields, Known};

/// The HTTP version a peer spoke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

/// A request head: start line and fields over one buffer, edited in place on its way to the backend.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// The fields.
    pub fields: Fields,
    /// The version the client spoke; towards backends it is always 1.1.
    pub version: Version,
    method: Range<usize>,
    target: Range<usize>,
    received_target: Range<usize>,
}

impl RequestHead {
    /// Starts a head over a copy of `bytes` (the start line and the field lines, without the empty line).
    pub(crate) fn start(
        &mut self,
        bytes: &[u8],
        version: Version,
        method: Range<usize>,
        target: Range<usize>,
    ) {
        self.fields.clear();
        self.fields.bytes.extend_from_slice(bytes);
        self.version = version;
        self.method = method;
        self.received_target = target.clone();
        self.target = target;
    }

    /// Starts a head whose parts come one by one; until they do, they are empty.
    pub(crate) fn begin(&mut self, version: Version) {
        self.clear();
        self.version = version;
    }

    /// The method of a head that was begun.
    pub(crate) fn push_method(&mut self, method: &[u8]) {
        let start = self.fields.bytes.len();
        self.fields.bytes.extend_from_slice(method);
        self.method = start..start + method.len();
    }

    /// The target of a head that was begun.
    pub(crate) fn push_target(&mut self, target: &[u8]) {
        let start = self.fields.bytes.len();
        self.fields.bytes.extend_from_slice(target);
        self.target = start..start + target.len();
        self.received_target = self.target.clone();
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        (self.method, self.target, self.received_target) = (0..0, 0..0, 0..0);
    }

    /// The method, as sent.
    pub fn method(&self) -> &[u8] {
        &self.fields.bytes[self.method.clone()]
    }

    /// The request target as a backend would get it now.
    pub fn target(&self) -> &[u8] {
        &self.fields.bytes[self.target.clone()]
    }

    /// The request target as the client sent it.
    pub fn received_target(&self) -> &[u8] {
        &self.fields.bytes[self.received_target.clone()]
    }

    /// Replaces the target by a part of itself, given as a range within it.
    pub fn narrow_target(&mut self, part: Range<usize>) {
        debug_assert!(part.end <= self.target.len(), "a part of the target");
        self.target = self.target.start + part.start..self.target.start + part.end;
    }

    /// Replaces the target.
    pub fn set_target(&mut self, parts: &[&[u8]]) {
        let start = self.fields.bytes.len();
        for part in parts {
            self.fields.bytes.extend_from_slice(part);
        }
        self.target = start..self.fields.bytes.len();
    }

    /// The Host field's value.
    pub fn host(&self) -> Option<&[u8]> {
        self.fields.get(Known::Host)
    }

    /// Writes start line and fields, with `host` in the place of every `Host` where one is given; the caller
    /// adds the empty line.
    pub fn write_to(&self, host: Option<&[u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.method());
        out.push(b' ');
        out.extend_from_slice(self.target());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let Some(host) = host else { return self.fields.write_to(out) };
        out.extend_from_slice(b"host: ");
        out.extend_from_slice(host);
        out.extend_from_slice(b"\r\n");
        self.fields.write_without(Known::Host, out);
    }
}
