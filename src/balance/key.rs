//! What a request is hashed by: the key of `ip_hash`, `ring_hash` and `maglev`. The same request has the same
//! key on every machine and in every version.

use std::net::IpAddr;

use crate::config::KeySource;
use crate::hash::stable;
use crate::message::{Known, RequestHead};

/// Bytes of a host that are hashed: no name is longer.
const HOST_BYTES_MAX: usize = 255;

/// The key of the request `head` of `client` (`None`: not known, as on a unix socket); `None` if it has none.
#[inline]
pub fn key_of(source: &KeySource, head: &RequestHead, client: Option<IpAddr>) -> Option<u64> {
    let bytes = match source {
        KeySource::ClientIp { ipv4_mask, ipv6_mask } => {
            return client.map(|client| network(client, *ipv4_mask, *ipv6_mask));
        }
        KeySource::Host => return host(head.host()?),
        KeySource::Uri => head.target(),
        KeySource::Path => split_query(head.target()).0,
        KeySource::Header(name) => head.fields.named(name.as_bytes())?,
        KeySource::Cookie(name) => cookie(head, name.as_bytes())?,
        KeySource::Query(name) => {
            let pairs = split_query(head.target()).1.split(|byte| *byte == b'&');
            value_in(pairs, name.as_bytes())?
        }
    };
    if bytes.is_empty() { None } else { Some(stable(bytes)) }
}

/// The address with only its upper bits. An IPv4 address in IPv6 is one.
fn network(client: IpAddr, ipv4_mask: u8, ipv6_mask: u8) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(ipv4_mask.min(32))).unwrap_or(0);
            stable(&(address.to_bits() & mask).to_be_bytes())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(ipv6_mask.min(128))).unwrap_or(0);
            stable(&(address.to_bits() & mask).to_be_bytes())
        }
    }
}

/// In lower case, without port and trailing dot.
fn host(received: &[u8]) -> Option<u64> {
    let end = match received.first() {
        Some(b'[') => memchr::memchr(b']', received).map_or(received.len(), |bracket| bracket + 1),
        _ => memchr::memchr(b':', received).unwrap_or(received.len()),
    };
    let name = &received[..end];
    let name = name.strip_suffix(b".").unwrap_or(name);
    let name = &name[..name.len().min(HOST_BYTES_MAX)];
    let mut lower = [0; HOST_BYTES_MAX];
    let lower = &mut lower[..name.len()];
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    if lower.is_empty() { None } else { Some(stable(lower)) }
}

fn cookie<'a>(head: &'a RequestHead, name: &[u8]) -> Option<&'a [u8]> {
    let pairs = head.fields.all(Known::Cookie).flat_map(|line| line.split(|byte| *byte == b';'));
    value_in(pairs.map(<[u8]>::trim_ascii), name)
}

/// The value of the first of `pairs` that is `name=…`.
fn value_in<'a>(mut pairs: impl Iterator<Item = &'a [u8]>, name: &[u8]) -> Option<&'a [u8]> {
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

/// Path and query, without the question mark.
fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'?', target) {
        Some(query) => (&target[..query], &target[query + 1..]),
        None => (target, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Version;

    const TARGET: &str = "/a/b?x=1&user=u7&user=u8";

    fn head() -> RequestHead {
        let mut head = RequestHead::default();
        let line = format!("GET {TARGET} HTTP/1.1\r\n");
        head.start(line.as_bytes(), Version::Http11, 0..3, 4..4 + TARGET.len());
        for (name, value) in [
            ("Host", "Shop.Example.:8080"),
            ("Cookie", "theme=dark; sid=s1"),
            ("Cookie", "sid=s2"),
            ("X-User", "u9"),
            ("X-Empty", ""),
        ] {
            head.fields.append(Known::of(name.as_bytes()), name.as_bytes(), &[value.as_bytes()]);
        }
        head
    }

    fn key(source: KeySource, client: Option<&str>) -> Option<u64> {
        let client = client.map(|client| client.parse().expect("an address"));
        key_of(&source, &head(), client)
    }

    #[test]
    fn each_source_is_hashed_as_documented() {
        for (source, text) in [
            (KeySource::Path, "/a/b"),
            (KeySource::Uri, TARGET),
            (KeySource::Host, "shop.example"),
            (KeySource::Header("x-user".into()), "u9"),
            (KeySource::Cookie("sid".into()), "s1"),
            (KeySource::Query("user".into()), "u7"),
        ] {
            assert_eq!(key(source.clone(), None), Some(stable(text.as_bytes())), "{source:?}");
        }
    }

    #[test]
    fn what_is_absent_or_empty_is_no_key() {
        for source in [
            KeySource::Header("x-none".into()),
            KeySource::Header("x-empty".into()),
            KeySource::Cookie("id".into()),
            KeySource::Query("use".into()),
            KeySource::CLIENT_IP,
        ] {
            assert_eq!(key(source.clone(), None), None, "{source:?}");
        }
    }

    #[test]
    fn clients_of_one_network_have_one_key() {
        let masked = |ipv4_mask, ipv6_mask| KeySource::ClientIp { ipv4_mask, ipv6_mask };
        let same = |source: KeySource, a, b| key(source.clone(), Some(a)) == key(source, Some(b));
        assert!(!same(KeySource::CLIENT_IP, "192.0.2.1", "192.0.2.2"));
        assert!(same(masked(24, 64), "192.0.2.1", "192.0.2.2"));
        assert!(!same(masked(24, 64), "192.0.2.1", "192.0.3.1"));
        assert!(same(KeySource::CLIENT_IP, "2001:db8::1", "2001:db8::2"));
        assert!(!same(KeySource::CLIENT_IP, "2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same(masked(32, 128), "2001:db8::1", "2001:db8::2"));
        assert!(same(masked(0, 0), "192.0.2.1", "10.0.0.1"));
        assert!(same(masked(0, 0), "2001:db8::1", "::1"));
        assert!(same(KeySource::CLIENT_IP, "::ffff:192.0.2.1", "192.0.2.1"));
    }
}
