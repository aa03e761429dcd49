//! A request's fields on their way to a backend: what must not go further is removed, and who asked is
//! told, in one pass over the index and a few appended lines.

use std::io::Write as _;
use std::net::IpAddr;

use super::client;
use super::hop_by_hop::remove_named_by_connection;
use super::{Call, REQUEST_ID_BYTES_MAX, Request, Way};
use crate::config::ClientIpHeader;
use crate::http1::{Expectation, Framing, RequestFacts, connection_options};
use crate::message::{Fields, Known, Version};
use crate::net::Peer;
use crate::rng::Rng;
use crate::snapshot::Forwarding;

/// Who is at the other end, as far as the fields are concerned.
#[derive(Clone, Copy, Debug)]
pub struct From<'a> {
    /// The other end of the connection.
    pub peer: Peer,
    /// Its address without port, formatted once a connection; empty on a unix socket.
    pub peer_ip: &'a str,
    /// What it says about its own clients is believed.
    pub trusted: bool,
}

/// Names the request and finds its client; both are wanted in the access log even for refused requests.
pub(super) fn identify(
    request: &mut Request,
    forwarding: &Forwarding,
    from: From<'_>,
    rng: &mut Rng,
) {
    let fields = &request.head.fields;
    request.call = Call::of(&request.head);
    request.trusted = from.trusted;
    request.client = match from.trusted {
        true => client::client_behind(
            &forwarding.trusted,
            forwarding.client_ip_header,
            fields,
            from.peer,
        ),
        false => client::peer_ip(from.peer),
    };
    request.id.clear();
    let believed = from.trusted.then(|| fields.named(forwarding.request_id.as_bytes())).flatten();
    match believed {
        Some(id)
            if !id.is_empty()
                && id.len() <= REQUEST_ID_BYTES_MAX
                && id.iter().all(u8::is_ascii_graphic) =>
        {
            request.id.extend_from_slice(id);
        }
        _ => append_hex(&mut request.id, [rng.next_u64(), rng.next_u64()]),
    }
}

/// Edits the fields. Returns whether the request asks for an upgrade that is passed on.
pub(super) fn edit(request: &mut Request, way: &Way<'_>) -> bool {
    let (forwarding, from, scheme) = (way.forwarding, way.from, way.policy.scheme);
    let facts = &{ request.facts };
    let version = request.head.version;
    let fields = &mut request.head.fields;
    if facts.connection.names_fields {
        remove_named_by_connection(fields);
    }
    let upgrade = upgrade_value(fields, facts, version);
    let chain = if from.trusted { Chain::read(fields, forwarding) } else { Chain::default() };
    remove(fields, facts, forwarding, from.trusted, version);

    append_forwarding(request, forwarding, (from, scheme), &chain);
    let fields = &mut request.head.fields;
    fields.append(Known::Other, forwarding.request_id.as_bytes(), &[&request.id]);
    append_framing(fields, facts);
    match &upgrade {
        Some(protocol) => {
            fields.append(Known::Upgrade, b"upgrade", &[protocol]);
            fields.append(Known::Connection, b"connection", &[b"upgrade"]);
        }
        None if facts.te_trailers => {
            fields.append(Known::Te, b"te", &[b"trailers"]);
            fields.append(Known::Connection, b"connection", &[b"te"]);
        }
        None => {}
    }
    upgrade.is_some()
}

fn remove(
    fields: &mut Fields,
    facts: &RequestFacts,
    forwarding: &Forwarding,
    trusted: bool,
    version: Version,
) {
    let id_name = forwarding.request_id.as_bytes();
    let keep_expect = facts.expectation == Expectation::Continue && version != Version::Http10;
    let foreign = match forwarding.client_ip_header {
        ClientIpHeader::XForwardedFor => Known::Forwarded,
        ClientIpHeader::Forwarded => Known::XForwardedFor,
    };
    fields.remove_if(|known, name| match known {
        Known::Other => name.len() == id_name.len() && name.eq_ignore_ascii_case(id_name),
        Known::Connection
        | Known::KeepAlive
        | Known::ProxyConnection
        | Known::Te
        | Known::Upgrade
        | Known::Http2Settings
        | Known::ContentLength
        | Known::TransferEncoding
        | Known::XForwardedFor
        | Known::XRealIp => true,
        Known::Forwarded => !trusted || foreign == known || forwarding.forwarded,
        Known::XForwarded | Known::XForwardedHost | Known::XForwardedProto => !trusted,
        Known::Expect => !keep_expect,
        _ => false,
    });
}

/// The protocols to offer the backend; none where the client did not ask properly, or asked for h2c, which
/// would let requests pass by the router.
fn upgrade_value(fields: &Fields, facts: &RequestFacts, version: Version) -> Option<Vec<u8>> {
    if !facts.upgrade || !facts.connection.upgrade || version != Version::Http11 {
        return None;
    }
    let value = fields.all(Known::Upgrade).collect::<Vec<_>>().join(&b", "[..]);
    let is_h2c = |option: &[u8]| option.len() >= 3 && option[..3].eq_ignore_ascii_case(b"h2c");
    let h2c = connection_options(&value).any(is_h2c);
    (!h2c && !value.is_empty()).then_some(value)
}

/// What a trusted peer told about hops before it.
#[derive(Default)]
struct Chain {
    forwarded_for: Vec<u8>,
    forwarded: Vec<u8>,
    has_host: bool,
    has_proto: bool,
}

impl Chain {
    fn read(fields: &Fields, forwarding: &Forwarding) -> Self {
        let joined = |known| fields.all(known).collect::<Vec<_>>().join(&b", "[..]);
        let (forwarded_for, forwarded) = match forwarding.client_ip_header {
            ClientIpHeader::XForwardedFor => (joined(Known::XForwardedFor), Vec::new()),
            ClientIpHeader::Forwarded => (Vec::new(), joined(Known::Forwarded)),
        };
        Chain {
            forwarded_for,
            forwarded,
            has_host: fields.get(Known::XForwardedHost).is_some(),
            has_proto: fields.get(Known::XForwardedProto).is_some(),
        }
    }
}

fn append_forwarding(
    request: &mut Request,
    forwarding: &Forwarding,
    (from, scheme): (From<'_>, &str),
    chain: &Chain,
) {
    let (fields, peer_ip) = (&mut request.head.fields, from.peer_ip.as_bytes());
    let separator: &[u8] =
        if chain.forwarded_for.is_empty() || peer_ip.is_empty() { b"" } else { b", " };
    if !chain.forwarded_for.is_empty() || !peer_ip.is_empty() {
        if chain.forwarded_for.is_empty() {
            fields.append_known(Known::XForwardedFor, b"x-forwarded-for: ", peer_ip);
        } else {
            let value = [&chain.forwarded_for[..], separator, peer_ip];
            fields.append(Known::XForwardedFor, b"x-forwarded-for", &value);
        }
    }
    if !chain.has_proto {
        fields.append_known(Known::XForwardedProto, b"x-forwarded-proto: ", scheme.as_bytes());
    }
    if !chain.has_host {
        fields.append_copy(Known::XForwardedHost, b"x-forwarded-host", Known::Host);
    }
    match request.client {
        Some(client) if from.trusted => {
            fields.append(Known::XRealIp, b"x-real-ip", &[client.to_string().as_bytes()]);
        }
        Some(_) => fields.append_known(Known::XRealIp, b"x-real-ip: ", peer_ip),
        None => {}
    }
    if forwarding.forwarded {
        append_forwarded(fields, (from.peer, scheme), chain);
    }
}

/// RFC 7239.
fn append_forwarded(fields: &mut Fields, (peer, scheme): (Peer, &str), chain: &Chain) {
    let mut element = Vec::with_capacity(64);
    if !chain.forwarded.is_empty() {
        element.extend_from_slice(&chain.forwarded);
        element.extend_from_slice(b", ");
    }
    let _ = match client::peer_ip(peer) {
        Some(IpAddr::V4(ip)) => write!(element, "for={ip}"),
        Some(IpAddr::V6(ip)) => write!(element, "for=\"[{ip}]\""),
        None => write!(element, "for=unknown"),
    };
    if let Some(host) = fields.get(Known::Host) {
        element.extend_from_slice(b";host=\"");
        element.extend_from_slice(host);
        element.push(b'"');
    }
    element.extend_from_slice(b";proto=");
    element.extend_from_slice(scheme.as_bytes());
    fields.append(Known::Forwarded, b"forwarded", &[&element]);
}

/// Exactly one framing, written by us: what the client wrote may carry odd white space or case.
fn append_framing(fields: &mut Fields, facts: &RequestFacts) {
    match facts.framing {
        Framing::Length(n) => {
            let mut digits = itoa::Buffer::new();
            fields.append(Known::ContentLength, b"content-length", &[digits.format(n).as_bytes()]);
        }
        Framing::Chunked => {
            fields.append(Known::TransferEncoding, b"transfer-encoding", &[b"chunked"])
        }
        Framing::None | Framing::UntilClose => {}
    }
}

/// Appends the words in hexadecimal, eight digits at a time.
fn append_hex(out: &mut Vec<u8>, words: [u64; 2]) {
    for word in words {
        out.extend_from_slice(&hex_digits((word >> 32) as u32));
        out.extend_from_slice(&hex_digits(word as u32));
    }
}

fn hex_digits(word: u32) -> [u8; 8] {
    // Spread the nibbles over the bytes, then turn each into its digit: `0` + n, and 39 more from 10 on.
    let mut x = u64::from(word);
    x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (x + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (x + 0x3030_3030_3030_3030 + letters * 39).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_in_hexadecimal() {
        let mut out = Vec::new();
        append_hex(&mut out, [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
        assert_eq!(out, b"0123456789abcdeffedcba9876543210");
    }
}
