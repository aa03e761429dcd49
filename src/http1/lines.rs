//! From httparse's tokens to indexed lines, with the checks that httparse leaves out.

use crate::message::{Fields, Known};

/// Where each part of a head lies, in offsets into the input.
pub(super) struct Layout {
    /// First byte of the start line, behind leading blank lines.
    pub start: usize,
    /// Length of the input up to and with the empty line.
    pub end: usize,
}

/// Offset of `part` in `whole`. `part` must be a subslice.
#[inline]
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    let at = part.as_ptr() as usize - whole.as_ptr() as usize;
    debug_assert!(at + part.len() <= whole.len(), "a subslice");
    at
}

/// Where the first field line begins: right behind the start line.
#[inline]
pub(super) fn first_line(input: &[u8], headers: &[httparse::Header<'_>], end: usize) -> usize {
    headers.first().map_or(end - 2, |header| offset(input, header.name.as_bytes()))
}

/// Whether the line that ends before `next` ends in CRLF, not in a bare LF.
#[inline]
pub(super) fn ends_in_crlf(input: &[u8], next: usize) -> bool {
    next >= 2 && input[next - 2] == b'\r' && input[next - 1] == b'\n'
}

/// Indexes every header into `fields` (whose buffer starts at `layout.start` of the input) and shows it to
/// `visit`. `false`: some line ended in a bare LF or a name is too long to index.
#[inline]
pub(super) fn index_fields<'a>(
    input: &'a [u8],
    headers: &[httparse::Header<'a>],
    layout: &Layout,
    fields: &mut Fields,
    mut visit: impl FnMut(Known, &'a [u8]),
) -> bool {
    let last = layout.end - 2;
    let mut line_start = first_line(input, headers, layout.end);
    // A trailer section has no start line: its first field stands at 0.
    if !ends_in_crlf(input, layout.end) || !(line_start == 0 || ends_in_crlf(input, line_start)) {
        return false;
    }
    for (i, header) in headers.iter().enumerate() {
        let name = header.name.as_bytes();
        let line_end = headers.get(i + 1).map_or(last, |next| offset(input, next.name.as_bytes()));
        if !ends_in_crlf(input, line_end) || name.len() > usize::from(u16::MAX) {
            return false;
        }
        let known = Known::of(name);
        // An empty value need not point into the input.
        let value_start =
            if header.value.is_empty() { line_end - 2 } else { offset(input, header.value) };
        let relative = |at: usize| at - layout.start;
        fields.index(
            known,
            (relative(line_start), relative(line_end)),
            name.len(),
            (relative(value_start), relative(value_start + header.value.len())),
        );
        visit(known, header.value);
        line_start = line_end;
    }
    true
}

/// A Content-Length value: digits only, at most 19 of them, so it cannot overflow.
pub(super) fn parse_content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    value.iter().try_fold(0_u64, |n, digit| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// What the framing fields of a head say, before the rules of requests or responses are applied.
#[derive(Default)]
pub(super) struct FramingFields {
    n_lengths: u32,
    length: Option<u64>,
    n_codings: u32,
    chunked: bool,
}

impl FramingFields {
    #[inline]
    pub(super) fn see(&mut self, known: Known, value: &[u8]) {
        match known {
            Known::ContentLength => {
                self.n_lengths += 1;
                self.length = parse_content_length(value);
            }
            Known::TransferEncoding => {
                self.n_codings += 1;
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
    }

    /// The one framing the fields agree on: `Ok(None)` when there is no framing field, `Err` when they
    /// conflict, repeat or cannot be understood.
    pub(super) fn resolve(&self) -> Result<Option<super::Framing>, ()> {
        match (self.n_lengths, self.n_codings) {
            (0, 0) => Ok(None),
            (1, 0) => self.length.map(|n| Some(super::Framing::Length(n))).ok_or(()),
            (0, 1) if self.chunked => Ok(Some(super::Framing::Chunked)),
            _ => Err(()),
        }
    }

    pub(super) fn has_coding(&self) -> bool {
        self.n_codings > 0
    }
}
