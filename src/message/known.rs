//! Field names the proxy itself acts on, recognised once while parsing.

/// A field name. Everything a proxy has no business with is [`Known::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Known {
    Other,
    Authorization,
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    ProxyConnection,
    Referer,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// Any other `x-forwarded-*`.
    XForwarded,
    XRealIp,
}

impl Known {
    /// Recognises `name`, in any case.
    ///
    /// Length and first letter leave at most two candidates, so an ordinary name costs one comparison or none.
    #[inline]
    pub fn of(name: &[u8]) -> Known {
        let Some(first) = name.first() else { return Known::Other };
        // Each name is compared where its length is known when this is compiled: a word or two at once.
        let (same, known) = match (name.len(), first | 0x20) {
            (2, b't') => (is_name(name, b"te"), Known::Te),
            (4, b'h') => (is_name(name, b"host"), Known::Host),
            (6, b'c') => (is_name(name, b"cookie"), Known::Cookie),
            (6, b'e') => (is_name(name, b"expect"), Known::Expect),
            (7, b'r') => (is_name(name, b"referer"), Known::Referer),
            (7, b't') => (is_name(name, b"trailer"), Known::Trailer),
            (7, b'u') => (is_name(name, b"upgrade"), Known::Upgrade),
            (9, b'f') => (is_name(name, b"forwarded"), Known::Forwarded),
            (9, b'x') if name.contains(&b'_') => return Known::disguised(name),
            (9, b'x') => (is_name(name, b"x-real-ip"), Known::XRealIp),
            (10, b'c') => (is_name(name, b"connection"), Known::Connection),
            (10, b'k') => (is_name(name, b"keep-alive"), Known::KeepAlive),
            (10, b'u') => (is_name(name, b"user-agent"), Known::UserAgent),
            (12, b'c') => (is_name(name, b"content-type"), Known::ContentType),
            (13, b'a') => (is_name(name, b"authorization"), Known::Authorization),
            (14, b'c') => (is_name(name, b"content-length"), Known::ContentLength),
            (14, b'h') => (is_name(name, b"http2-settings"), Known::Http2Settings),
            (16, b'p') => (is_name(name, b"proxy-connection"), Known::ProxyConnection),
            (17, b't') => (is_name(name, b"transfer-encoding"), Known::TransferEncoding),
            (13.., b'x') => return Known::forwarded_family(name),
            _ => return Known::Other,
        };
        if same { known } else { Known::Other }
    }

    fn forwarded_family(name: &[u8]) -> Known {
        if name.contains(&b'_') {
            return Known::disguised(name);
        }
        let (prefix, rest) = name.split_at(12);
        if !is_name(prefix, b"x-forwarded-") {
            return Known::Other;
        }
        match rest.len() {
            3 if is_name(rest, b"for") => Known::XForwardedFor,
            4 if is_name(rest, b"host") => Known::XForwardedHost,
            5 if is_name(rest, b"proto") => Known::XForwardedProto,
            _ => Known::XForwarded,
        }
    }
}

impl Known {
    /// A bit of its own, for sets of names.
    #[inline]
    pub(super) fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Whether it frames or concerns an HTTP/1.1 connection: no other version has it (RFC 9113, section 8.2.2).
    #[inline]
    pub fn is_of_http1(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::Http2Settings
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::TransferEncoding
                | Known::Upgrade
        )
    }

    /// Whether it tells of those who passed the request on: said by anybody, true only of a trusted peer.
    #[inline]
    pub fn tells_of_forwarding(self) -> bool {
        matches!(
            self,
            Known::Forwarded
                | Known::XForwarded
                | Known::XForwardedFor
                | Known::XForwardedHost
                | Known::XForwardedProto
                | Known::XRealIp
        )
    }

    /// Applications behind CGI and its heirs cannot tell `X_Forwarded_For` from `X-Forwarded-For`: whoever
    /// may not say the one may not say the other.
    #[cold]
    fn disguised(name: &[u8]) -> Known {
        let plain: Vec<u8> =
            name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
        match Known::of(&plain) {
            Known::Other => Known::Other,
            _ => Known::XForwarded,
        }
    }
}

/// Whether `name`, a token, is `text`, lower case and as long, in any case.
///
/// Eight bytes at a time: setting bit 5 lower-cases letters and leaves digits and `-` alone, and no other
/// byte of a token comes out as one of those. The byte-wise comparison of the standard library took 800
/// instructions a request, this takes 150.
/// The last word overlaps the one before it.
#[inline(always)]
pub(crate) fn is_name<const N: usize>(name: &[u8], text: &[u8; N]) -> bool {
    debug_assert_eq!(name.len(), N, "chosen by length");
    let Some(name) = name.first_chunk::<N>() else { return false };
    let same = |name: &[u8; 8], text: &[u8; 8]| {
        u64::from_ne_bytes(*name) | 0x2020_2020_2020_2020 == u64::from_ne_bytes(*text)
    };
    let half = |name: &[u8; 4], text: &[u8; 4]| {
        u32::from_ne_bytes(*name) | 0x2020_2020 == u32::from_ne_bytes(*text)
    };
    if let (Some(last), Some(text_last)) = (name.last_chunk(), text.last_chunk()) {
        let mut words = name.as_chunks::<8>().0.iter().zip(text.as_chunks::<8>().0);
        return words.all(|(name, text)| same(name, text)) && same(last, text_last);
    }
    if let (Some(first), Some(text_first)) = (name.first_chunk(), text.first_chunk())
        && let (Some(last), Some(text_last)) = (name.last_chunk(), text.last_chunk())
    {
        return half(first, text_first) && half(last, text_last);
    }
    name.iter().zip(text).all(|(name, text)| name | 0x20 == *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_any_case_and_nothing_else_is() {
        for (name, known) in [
            ("Host", Known::Host),
            ("hOST", Known::Host),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("X-Forwarded-For", Known::XForwardedFor),
            ("x-forwarded-proto", Known::XForwardedProto),
            ("X-FORWARDED-HOST", Known::XForwardedHost),
            ("x-forwarded-port", Known::XForwarded),
            ("x-real-ip", Known::XRealIp),
            ("X_Forwarded_For", Known::XForwarded),
            ("x-forwarded_proto", Known::XForwarded),
            ("X_Real-IP", Known::XForwarded),
            ("x_custom_header", Known::Other),
            ("x-forwarded-", Known::Other),
            ("x-forwardedxfor", Known::Other),
            ("hosts", Known::Other),
            ("hose", Known::Other),
            ("", Known::Other),
        ] {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
        }
    }

    #[test]
    fn a_name_that_differs_anywhere_is_another_one() {
        for name in [
            "te",
            "host",
            "cookie",
            "expect",
            "referer",
            "trailer",
            "upgrade",
            "forwarded",
            "x-real-ip",
            "connection",
            "keep-alive",
            "user-agent",
            "content-type",
            "authorization",
            "content-length",
            "http2-settings",
            "proxy-connection",
            "transfer-encoding",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
        ] {
            let known = Known::of(name.as_bytes());
            assert_ne!(known, Known::Other, "{name}");
            assert_eq!(Known::of(name.to_uppercase().as_bytes()), known, "{name}");
            for at in 0..name.len() {
                let mut other = name.as_bytes().to_vec();
                other[at] = b'q';
                let other = Known::of(&other);
                let family = known.tells_of_forwarding() && other == Known::XForwarded;
                assert!(other == Known::Other || family, "{name} at {at}");
            }
        }
    }
}
