//! Heads of requests, from the fields of a block straight into [`RequestHead`] (RFC 9113, section 8.3.1).

use super::fields::Mark;
use crate::error::Reason;
use crate::http1::{Expectation, Framing, HeadLimits, RequestFacts};
use crate::http2::hpack::Field;
use crate::message::{Known, RequestHead, Version};

/// Bytes of a field's line in HTTP/1.1 beside its name and value: a head may be as long in either version.
const LINE_OVERHEAD_BYTES: usize = 4;

/// A head that no request may have; the stream is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Builds one head.
pub(super) struct Reader<'a> {
    head: &'a mut RequestHead,
    limits: &'a HeadLimits,
    /// However many pieces cookies come in, they become one field.
    cookies: &'a mut Vec<u8>,
    facts: RequestFacts,
    seen: Seen,
    has_cookies: bool,
    length: Option<u64>,
    n_fields: usize,
    n_bytes: usize,
    /// Why it is answered by us.
    refused: Option<Reason>,
    malformed: bool,
}

/// Which parts came.
#[derive(Default)]
struct Seen {
    method: bool,
    scheme: bool,
    authority: bool,
    path: bool,
    fields: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        head: &'a mut RequestHead,
        limits: &'a HeadLimits,
        cookies: &'a mut Vec<u8>,
    ) -> Self {
        head.begin(Version::Http2);
        cookies.clear();
        Reader {
            head,
            limits,
            cookies,
            facts: RequestFacts::default(),
            seen: Seen::default(),
            has_cookies: false,
            length: None,
            n_fields: 0,
            n_bytes: 0,
            refused: None,
            malformed: false,
        }
    }

    /// The next field.
    #[inline]
    pub(super) fn see(&mut self, field: &Field<'_, Mark>) {
        let (name, value) = (field.name, field.value);
        self.n_bytes += name.len() + value.len() + LINE_OVERHEAD_BYTES;
        if let Mark::Field(known) = field.mark {
            self.seen.fields = true;
            self.field(known, name, value);
        } else {
            self.pseudo(field.mark, value);
        }
    }

    fn pseudo(&mut self, mark: Mark, value: &[u8]) {
        let seen = match mark {
            Mark::Method => &mut self.seen.method,
            Mark::Scheme => &mut self.seen.scheme,
            Mark::Authority => &mut self.seen.authority,
            Mark::Path => &mut self.seen.path,
            Mark::Field(_) | Mark::Malformed => return self.malformed = true,
        };
        if std::mem::replace(seen, true) || self.seen.fields {
            return self.malformed = true;
        }
        if self.n_bytes > self.limits.header_bytes {
            return self.pseudo_too_long(mark);
        }
        match mark {
            Mark::Method => self.head.push_method(value),
            Mark::Authority if value.is_empty() => self.malformed = true,
            Mark::Authority => {
                self.head.fields.append_known(Known::Host, b"host: ", value);
                self.facts.n_hosts = 1;
            }
            Mark::Path if value.len() > self.limits.uri_bytes => {
                self.refused = Some(Reason::UriLimit);
                self.head.push_target(b"/");
            }
            Mark::Path => self.head.push_target(value),
            _ => {}
        }
    }

    /// It has no room in the head any more; what is answered needs none of it.
    #[cold]
    fn pseudo_too_long(&mut self, mark: Mark) {
        let limit = if mark == Mark::Path { Reason::UriLimit } else { Reason::HeaderLimit };
        self.refused.get_or_insert(limit);
        if mark == Mark::Path {
            self.head.push_target(b"/");
        }
    }

    fn field(&mut self, known: Known, name: &[u8], value: &[u8]) {
        match known {
            Known::Other => {}
            // RFC 9113, section 8.2.2.
            Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade => self.malformed = true,
            Known::Te if !value.eq_ignore_ascii_case(b"trailers") => self.malformed = true,
            Known::Te => self.facts.te_trailers = true,
            Known::ContentLength => self.see_length(value),
            Known::Expect => {
                self.facts.expectation = match value.eq_ignore_ascii_case(b"100-continue") {
                    true => Expectation::Continue,
                    false => Expectation::Unknown,
                }
            }
            Known::Host if self.seen.authority => {
                if !self.head.host().is_some_and(|host| host.eq_ignore_ascii_case(value)) {
                    self.refused.get_or_insert(Reason::BadRequest);
                }
                return;
            }
            Known::Host => self.facts.n_hosts += 1,
            // Section 8.2.3: may come in pieces, which HTTP/1.1 does not know.
            Known::Cookie => return self.cookie(value),
            _ => {}
        }
        if self.has_room() && name.len() <= usize::from(u16::MAX) {
            self.head.fields.append(known, name, &[value]);
        }
    }

    fn cookie(&mut self, piece: &[u8]) {
        if self.has_cookies {
            // Not one field more.
            self.n_fields -= 1;
        }
        if !self.has_room() {
            return;
        }
        if std::mem::replace(&mut self.has_cookies, true) {
            self.cookies.extend_from_slice(b"; ");
        }
        self.cookies.extend_from_slice(piece);
    }

    /// Counts a field; false where it is one too many or too long.
    fn has_room(&mut self) -> bool {
        self.n_fields += 1;
        let fits = self.n_fields <= self.limits.headers && self.n_bytes <= self.limits.header_bytes;
        if !fits {
            // Whatever it is refused for already.
            self.refused.get_or_insert(Reason::HeaderLimit);
        }
        fits
    }

    fn see_length(&mut self, value: &[u8]) {
        let length = digits(value);
        let differs = length.is_none() || self.length.is_some_and(|before| Some(before) != length);
        self.malformed |= differs;
        self.length = length;
    }

    /// What the head says, or why we answer it ourselves. `ends`: no body comes.
    ///
    /// # Errors
    /// It is malformed.
    pub(super) fn finish(mut self, ends: bool) -> Result<Result<RequestFacts, Reason>, Malformed> {
        if self.malformed || !self.is_complete() || (ends && self.length.unwrap_or_default() > 0) {
            return Err(Malformed);
        }
        if self.has_cookies {
            self.head.fields.append_known(Known::Cookie, b"cookie: ", self.cookies);
        }
        self.facts.framing = match (ends, self.length) {
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::Chunked,
            (true, Some(_)) => Framing::Length(0),
            // RFC 9110, section 8.6: who expects a body is told that there is none.
            (true, None) => match self.head.method() {
                b"POST" | b"PUT" | b"PATCH" => Framing::Length(0),
                _ => Framing::None,
            },
        };
        Ok(self.refused.map_or(Ok(self.facts), Err))
    }

    /// The body's length, if it was told.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    fn is_complete(&mut self) -> bool {
        if !self.seen.method {
            return false;
        }
        if self.head.method() == b"CONNECT" {
            self.head.push_target(b"/");
            return self.seen.authority && !self.seen.scheme && !self.seen.path;
        }
        self.seen.scheme && self.seen.path
    }
}

/// Digits and nothing else, as many as cannot overflow.
fn digits(value: &[u8]) -> Option<u64> {
    let is_one = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(value).ok().filter(|_| is_one)?;
    digits.parse().ok()
}
