//! The names a certificate is for, as hosts are asked for: lower case, IPv6 in brackets.

use std::net::IpAddr;

use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The names of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<Box<str>>);

impl Names {
    /// Those of its `subjectAltName`. A common name is none: clients have long stopped to look at it.
    pub(super) fn of(certificate: &Certificate) -> Self {
        let alternatives = certificate.tbs_certificate.get::<SubjectAltName>();
        let Ok(Some((_, SubjectAltName(alternatives)))) = alternatives else {
            return Names::default();
        };
        let name = |alternative: &GeneralName| match alternative {
            GeneralName::DnsName(name) => {
                let name = name.as_str().to_ascii_lowercase();
                Some(name.strip_suffix('.').unwrap_or(&name).into())
            }
            GeneralName::IpAddress(bytes) => address(bytes.as_bytes()),
            _ => None,
        };
        Names(alternatives.iter().filter_map(name).collect())
    }

    /// All of them, wildcards as `*.shop.example`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is `host` (lower case, without port and trailing dot), or a wildcard for its first label.
    pub fn cover(&self, host: &[u8]) -> bool {
        let parent = memchr::memchr(b'.', host).map(|dot| &host[dot..]);
        self.0.iter().map(|name| name.as_bytes()).any(|name| match name.strip_prefix(b"*") {
            Some(base) => parent == Some(base) && host[0] != b'.',
            None => name == host,
        })
    }

    /// Whether one of them is below `base`: `*.shop.example` and `a.b.shop.example` for `shop.example`.
    pub fn reach_below(&self, base: &str) -> bool {
        let mut fronts = self.iter().filter_map(|name| name.strip_suffix(base));
        fronts.any(|front| front.len() > 1 && front.ends_with('.'))
    }
}

fn address(bytes: &[u8]) -> Option<Box<str>> {
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(match ip {
        IpAddr::V4(ip) => ip.to_string().into(),
        IpAddr::V6(ip) => format!("[{ip}]").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_for_one_label() {
        let names = Names(vec!["shop.example".into(), "*.shop.example".into(), "10.0.0.1".into()]);
        for (host, covered) in [
            ("shop.example", true),
            ("a.shop.example", true),
            ("a.b.shop.example", false),
            (".shop.example", false),
            ("ashop.example", false),
            ("example", false),
            ("*.shop.example", true),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("", false),
        ] {
            assert_eq!(names.cover(host.as_bytes()), covered, "{host}");
        }
        assert!(names.reach_below("shop.example"));
        assert!(names.reach_below("example"));
        assert!(!names.reach_below("hop.example"));
        assert!(!names.reach_below("a.shop.example"));
    }

    #[test]
    fn addresses_are_named_as_hosts_are() {
        assert_eq!(address(&[10, 0, 0, 1]).as_deref(), Some("10.0.0.1"));
        let mut loopback = [0_u8; 16];
        loopback[15] = 1;
        assert_eq!(address(&loopback).as_deref(), Some("[::1]"));
        assert_eq!(address(&[1, 2]), None);
    }
}
