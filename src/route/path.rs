//! Request paths: what a route is matched against, and what a backend gets.
//!
//! Every program behind us may decode a path once more than we did. A path that would then name
//! something else is refused here, so that no route or filter can be passed by spelling a path
//! differently. Pure: bytes in, bytes or a refusal out. Called by `proxy` once for each request.

use std::fmt;

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalized {
    /// The path is normal as it is; nothing was written to either buffer.
    AsReceived,
    /// The path to match differs from the one received and stands in `matched`.
    Changed {
        /// Dot segments were resolved.
        dot_segments_removed: bool,
        /// Runs of slashes were merged.
        slashes_merged: bool,
    },
}

impl Normalized {
    /// Whether segments were removed: only then does `forward` hold a path for the backend, otherwise
    /// the backend gets the path as received.
    pub fn segments_removed(self) -> bool {
        match self {
            Normalized::AsReceived => false,
            Normalized::Changed { dot_segments_removed, slashes_merged } => {
                dot_segments_removed || slashes_merged
            }
        }
    }
}

/// Why a path is refused. All of them are the client's fault and answered 400 `bad_path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It does not begin with a slash (`*` alone is let through, for OPTIONS).
    NotAbsolute,
    /// A control byte, a space or a DEL stands in it.
    ControlByte,
    /// A `#`: a fragment is never sent, and programs disagree on what it cuts off.
    Fragment,
    /// A backslash, which some programs read as a slash.
    Backslash,
    /// A `%` that two hexadecimal digits do not follow.
    BrokenEscape,
    /// `%2f`, `%5c` or `%00`.
    EncodedSeparator,
    /// A segment that decodes to `.` or `..`.
    EncodedDotSegment,
    /// A segment `.;…` or `..;…`, whose parameter some programs strip before they resolve it.
    DotSegmentParameter,
    /// More `..` than there are segments above.
    AboveRoot,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPath::NotAbsolute => "the path does not begin with a slash",
            BadPath::ControlByte => "the path contains a control byte or a space",
            BadPath::Fragment => "the path contains a `#`",
            BadPath::Backslash => "the path contains a backslash",
            BadPath::BrokenEscape => "a `%` in the path is not followed by two hexadecimal digits",
            BadPath::EncodedSeparator => "the path contains an encoded slash, backslash or NUL",
            BadPath::EncodedDotSegment => "the path contains an encoded dot segment",
            BadPath::DotSegmentParameter => "the path contains a dot segment with a parameter",
            BadPath::AboveRoot => "the path leads above the root",
        })
    }
}

impl std::error::Error for BadPath {}

/// Normalises `path`, the part of a request target before `?`.
///
/// For matching, dot segments are resolved, escapes of unreserved characters undone, the other escapes
/// written in upper case and, with `merge_slashes`, runs of slashes made one. That goes to `matched`.
/// Where dot segments or slashes were removed, `forward` gets the path with only those removed, every
/// escape as received. Both buffers are cleared first and untouched when nothing is to change, which
/// one pass over the bytes finds out.
///
/// # Errors
/// A [`BadPath`] for a path that must not be forwarded at all; the buffers are then meaningless.
pub fn normalize(
    path: &[u8],
    merge_slashes: bool,
    matched: &mut Vec<u8>,
    forward: &mut Vec<u8>,
) -> Result<Normalized, BadPath> {
    matched.clear();
    forward.clear();
    if path.first() != Some(&b'/') {
        return if path == b"*" { Ok(Normalized::AsReceived) } else { Err(BadPath::NotAbsolute) };
    }
    let traits = scan(path);
    if traits & REFUSED != 0 {
        return Err(refusal(path));
    }
    let ordinary = if merge_slashes {
        PERCENT | AFTER_SLASH_DOT | AFTER_SLASH_SLASH
    } else {
        PERCENT | AFTER_SLASH_DOT
    };
    if traits & ordinary == 0 {
        return Ok(Normalized::AsReceived);
    }
    let removed = resolve(path, merge_slashes, matched, decode_segment)?;
    if removed.dots || removed.slashes {
        resolve(path, merge_slashes, forward, |segment, out| {
            out.extend_from_slice(segment);
            Ok(())
        })?;
    } else if matched == path {
        matched.clear();
        return Ok(Normalized::AsReceived);
    }
    Ok(Normalized::Changed { dot_segments_removed: removed.dots, slashes_merged: removed.slashes })
}

/// What [`resolve`] left out.
#[derive(Clone, Copy, Default)]
struct Removed {
    dots: bool,
    slashes: bool,
}

/// Writes `path` without its dot segments and, if asked, without empty segments but the last.
fn resolve(
    path: &[u8],
    merge_slashes: bool,
    out: &mut Vec<u8>,
    mut append: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), BadPath>,
) -> Result<Removed, BadPath> {
    let mut removed = Removed::default();
    let mut rest = &path[1..];
    loop {
        let end = memchr::memchr(b'/', rest);
        let segment = &rest[..end.unwrap_or(rest.len())];
        let is_last = end.is_none();
        match segment {
            b"." | b".." => {
                removed.dots = true;
                if segment.len() == 2 {
                    let parent = memchr::memrchr(b'/', out).ok_or(BadPath::AboveRoot)?;
                    out.truncate(parent);
                }
                if is_last {
                    out.push(b'/');
                }
            }
            b"" if merge_slashes && !is_last => removed.slashes = true,
            _ => {
                out.push(b'/');
                append(segment, out)?;
            }
        }
        let Some(end) = end else { return Ok(removed) };
        rest = &rest[end + 1..];
    }
}

/// Appends a segment with the escapes of unreserved characters undone, the others in upper case.
fn decode_segment(segment: &[u8], out: &mut Vec<u8>) -> Result<(), BadPath> {
    if matches!(segment, [b'.', b';', ..] | [b'.', b'.', b';', ..]) {
        return Err(BadPath::DotSegmentParameter);
    }
    let start = out.len();
    let mut rest = segment;
    let mut semicolon = segment.len();
    while let Some(percent) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..percent]);
        let [high, low] = *rest.get(percent + 1..percent + 3).ok_or(BadPath::BrokenEscape)? else {
            return Err(BadPath::BrokenEscape);
        };
        let byte = hex(high)? << 4 | hex(low)?;
        match byte {
            b'/' | b'\\' | 0 => return Err(BadPath::EncodedSeparator),
            _ if is_unreserved(byte) => out.push(byte),
            _ => {
                if byte == b';' {
                    semicolon = semicolon.min(out.len() - start);
                }
                out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
            }
        }
        rest = &rest[percent + 3..];
    }
    out.extend_from_slice(rest);
    // The segment as it would be after one more decoding, up to its first parameter.
    let decoded = &out[start..];
    let end = memchr::memchr(b';', decoded).unwrap_or(decoded.len()).min(semicolon);
    match decoded.get(..end) {
        Some(b"." | b"..") if end == decoded.len() => Err(BadPath::EncodedDotSegment),
        Some(b"." | b"..") => Err(BadPath::DotSegmentParameter),
        _ => Ok(()),
    }
}

fn hex(digit: u8) -> Result<u8, BadPath> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(BadPath::BrokenEscape),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The union of what the bytes of `path` are.
#[inline]
fn scan(path: &[u8]) -> u8 {
    let mut traits = 0;
    let mut after_slash = 0;
    for &byte in path {
        let class = CLASSES[byte as usize];
        // The two traits of a pair count only where the byte before was a slash.
        traits |= class & (!PAIRS | after_slash);
        after_slash = if byte == b'/' { PAIRS } else { 0 };
    }
    traits
}

/// Why a path with a refused byte is refused: the first such byte decides.
#[cold]
fn refusal(path: &[u8]) -> BadPath {
    match path.iter().find(|&&byte| CLASSES[byte as usize] & REFUSED != 0) {
        Some(b'\\') => BadPath::Backslash,
        Some(b'#') => BadPath::Fragment,
        _ => BadPath::ControlByte,
    }
}

const REFUSED: u8 = 1;
const PERCENT: u8 = 2;
const AFTER_SLASH_DOT: u8 = 4;
const AFTER_SLASH_SLASH: u8 = 8;
const PAIRS: u8 = AFTER_SLASH_DOT | AFTER_SLASH_SLASH;

/// What each byte may mean for a path; 0 for the ordinary ones. Bytes above 0x7f pass as they are.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte <= b' ' as usize {
        classes[byte] = REFUSED;
        byte += 1;
    }
    classes[0x7f] = REFUSED;
    classes[b'\\' as usize] = REFUSED;
    classes[b'#' as usize] = REFUSED;
    classes[b'%' as usize] = PERCENT;
    classes[b'.' as usize] = AFTER_SLASH_DOT;
    classes[b'/' as usize] = AFTER_SLASH_SLASH;
    classes
};

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
