//! Who the client is: the peer, or whom a trusted peer names (RFC 7239 and the older headers).

use std::net::{IpAddr, SocketAddr};

use crate::config::{ClientIpHeader, TrustedProxies};
use crate::message::{Fields, Known};
use crate::net::Peer;

/// Whether headers from `peer` about the client are believed.
pub fn is_trusted(trusted: &TrustedProxies, peer: Peer) -> bool {
    match peer {
        Peer::Tcp(address) => is_trusted_ip(trusted, address.ip().to_canonical()),
        Peer::Unix => trusted.unix,
    }
}

fn is_trusted_ip(trusted: &TrustedProxies, ip: IpAddr) -> bool {
    trusted.networks.iter().any(|network| network.contains(&ip))
}

/// The client of a request from a trusted peer: the rightmost address that is not trusted itself; where
/// all are, the leftmost; the peer where there is none.
pub(super) fn client_behind(
    trusted: &TrustedProxies,
    header: ClientIpHeader,
    fields: &Fields,
    peer: Peer,
) -> Option<IpAddr> {
    let known = match header {
        ClientIpHeader::XForwardedFor => Known::XForwardedFor,
        ClientIpHeader::Forwarded => Known::Forwarded,
    };
    let mut client = peer_ip(peer);
    for value in fields.all(known).rev() {
        for element in value.rsplit(|byte| *byte == b',') {
            let named = match header {
                ClientIpHeader::XForwardedFor => parse_node(element.trim_ascii()),
                ClientIpHeader::Forwarded => forwarded_for(element),
            };
            // What cannot be read ends the chain: nothing to the left of it can be trusted.
            let Some(ip) = named else { return client };
            client = Some(ip);
            if !is_trusted_ip(trusted, ip) {
                return client;
            }
        }
    }
    client
}

/// The peer's own address.
pub fn peer_ip(peer: Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp(address) => Some(address.ip().to_canonical()),
        Peer::Unix => None,
    }
}

/// The `for` of one forwarded-element.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut pairs = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let value = pairs.find_map(|pair| {
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    })?;
    let unquoted =
        value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    parse_node(unquoted)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let ip = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusting(networks: &[&str]) -> TrustedProxies {
        let networks = networks.iter().map(|network| network.parse().expect("a network")).collect();
        TrustedProxies { networks, unix: true }
    }

    fn client(header: ClientIpHeader, values: &[&str]) -> Option<String> {
        let mut fields = Fields::default();
        let (known, name): (_, &[u8]) = match header {
            ClientIpHeader::XForwardedFor => (Known::XForwardedFor, b"x-forwarded-for"),
            ClientIpHeader::Forwarded => (Known::Forwarded, b"forwarded"),
        };
        values.iter().for_each(|value| fields.append(known, name, &[value.as_bytes()]));
        let peer = Peer::Tcp("10.0.0.1:1234".parse().expect("an address"));
        client_behind(&trusting(&["10.0.0.0/8", "fd00::/8"]), header, &fields, peer)
            .map(|ip| ip.to_string())
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        use ClientIpHeader::{Forwarded, XForwardedFor};
        for (header, values, expected) in [
            (XForwardedFor, &["203.0.113.7"][..], "203.0.113.7"),
            (XForwardedFor, &["1.2.3.4, 203.0.113.7, 10.0.0.9"], "203.0.113.7"),
            (XForwardedFor, &["1.2.3.4", "203.0.113.7, 10.0.0.9"], "203.0.113.7"),
            (XForwardedFor, &["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
            (XForwardedFor, &["203.0.113.7, nonsense, 10.0.0.9"], "10.0.0.9"),
            (XForwardedFor, &["203.0.113.7:4711"], "203.0.113.7"),
            (XForwardedFor, &["::ffff:203.0.113.7"], "203.0.113.7"),
            (XForwardedFor, &[], "10.0.0.1"),
            (Forwarded, &["for=203.0.113.7;proto=https, for=10.1.1.1"], "203.0.113.7"),
            (Forwarded, &["proto=https; For=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            (Forwarded, &["for=_hidden"], "10.0.0.1"),
        ] {
            assert_eq!(client(header, values).as_deref(), Some(expected), "{values:?}");
        }
    }
}
