//! Fills templates in: redirects, header values, rewritten hosts. Called by the filters, by [`super::Rewrite`] and
//! where a route answers by itself.

use std::io::Write as _;

use super::Facts;
use crate::config::template::{Part, Template, Variable};
use crate::message::RequestHead;

/// Appends what `template` comes to for this exchange. What a client sent cannot break a line: control bytes,
/// which validated heads do not hold anyway, are left out.
pub fn render(template: &Template, head: &RequestHead, facts: &Facts<'_>, out: &mut Vec<u8>) {
    for part in &template.parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Variable(variable) => fill_in(*variable, head, facts, out),
        }
    }
}

fn fill_in(variable: Variable, head: &RequestHead, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let target = || Target::of(head.received_target());
    match variable {
        Variable::Backend => append(facts.backend.as_bytes(), out),
        Variable::ClientCertFingerprint => {
            let known = facts.client_certificate.map(|peer| peer.fingerprint);
            drop(known.map(|fingerprint| write!(out, "{fingerprint}")));
        }
        Variable::ClientCertSubject => {
            append(facts.client_certificate.map_or(&[], |peer| peer.subject.as_bytes()), out);
        }
        // Writing to memory does not fail.
        Variable::ClientIp => drop(facts.client.map(|client| write!(out, "{client}"))),
        Variable::Host => append(facts.host, out),
        Variable::Listener => append(facts.listener.as_bytes(), out),
        Variable::Method => append(head.method(), out),
        Variable::Path => append(target().path, out),
        Variable::PathAndQuery => {
            let Target { path, query } = target();
            append(path, out);
            append(query, out);
        }
        Variable::Query => append(target().query.strip_prefix(b"?").unwrap_or_default(), out),
        Variable::RequestId => append(facts.request_id, out),
        Variable::Route => append(facts.route.as_bytes(), out),
        Variable::Scheme => append(facts.scheme.as_bytes(), out),
        Variable::Upstream => append(facts.upstream.as_bytes(), out),
    }
}

/// Appends `value` without its control bytes.
fn append(value: &[u8], out: &mut Vec<u8>) {
    if value.iter().any(u8::is_ascii_control) {
        out.extend(value.iter().filter(|byte| !byte.is_ascii_control()));
    } else {
        out.extend_from_slice(value);
    }
}

/// The origin form of a request target.
struct Target<'a> {
    path: &'a [u8],
    /// With its question mark; empty where there is none.
    query: &'a [u8],
}

impl<'a> Target<'a> {
    /// Of an origin-form target, or of what follows the authority of an absolute one.
    fn of(target: &'a [u8]) -> Self {
        let authority = match target.first() {
            Some(b'/') => None,
            _ => target.windows(3).position(|window| window == b"://").map(|at| at + 3),
        };
        let origin = match authority {
            Some(start) => {
                let rest = &target[start..];
                let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
                &rest[end.unwrap_or(rest.len())..]
            }
            None => target,
        };
        let (path, query) = split_query(origin);
        let path = if path.is_empty() && authority.is_some() { b"/" } else { path };
        Target { path, query }
    }
}

/// A target's path, and its query with the question mark.
pub(super) fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    target.split_at(memchr::memchr(b'?', target).unwrap_or(target.len()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{FACTS, request};
    use super::*;
    use proptest::prelude::*;

    fn rendered(template: &str, target: &str, facts: &Facts<'_>) -> String {
        let template = Template::parse(template).expect("a template");
        let mut out = b">".to_vec();
        render(&template, &request("GET", target, &[]), facts, &mut out);
        String::from_utf8(out).expect("text")[1..].to_owned()
    }

    #[test]
    fn every_variable_is_filled_in() {
        for (template, expected) in [
            ("{backend}", "10.0.0.1:80"),
            ("{client_ip}", "2001:db8::7"),
            ("{host}", "shop.example"),
            ("{listener}", "web"),
            ("{method}", "GET"),
            ("{path}", "/a/b"),
            ("{path_and_query}", "/a/b?c=d?e"),
            ("{query}", "c=d?e"),
            ("{request_id}", "id-1"),
            ("{route}", "all"),
            ("{scheme}", "http"),
            ("{upstream}", "app"),
            ("plain", "plain"),
            ("", ""),
            ("{scheme}://{host}{path_and_query}!", "http://shop.example/a/b?c=d?e!"),
        ] {
            assert_eq!(rendered(template, "/a/b?c=d?e", &FACTS), expected, "{template}");
        }
        let nobody = Facts { client: None, ..FACTS };
        assert_eq!(rendered("[{client_ip}]", "/", &nobody), "[]");
    }

    #[test]
    fn a_target_counts_in_its_origin_form() {
        for (target, path, query) in [
            ("/", "/", ""),
            ("/?", "/", ""),
            ("/a://b", "/a://b", ""),
            ("http://h", "/", ""),
            ("HTTP://h:80?q=/", "/", "q=/"),
            ("http://h/a?b", "/a", "b"),
            ("http://h/a://b", "/a://b", ""),
            ("*", "*", ""),
        ] {
            let all = rendered("{path} {query} {path_and_query}", target, &FACTS);
            let whole = if target.contains('?') { format!("{path}?{query}") } else { path.into() };
            assert_eq!(all, format!("{path} {query} {whole}"), "{target}");
        }
    }

    #[test]
    fn a_rewritten_target_is_not_what_was_received() {
        let mut head = request("GET", "/received", &[]);
        head.set_target(&[b"/sent"]);
        let mut out = Vec::new();
        render(&Template::parse("{path}").expect("good"), &head, &FACTS, &mut out);
        assert_eq!(out, b"/received");
    }

    proptest! {
        #[test]
        fn nothing_that_came_from_outside_breaks_a_line(
            host in proptest::collection::vec(any::<u8>(), 0..20),
            id in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let facts = Facts { host: &host, request_id: &id, ..FACTS };
            let names: String = Variable::ALL.iter().map(|(name, _)| format!("{{{name}}}")).collect();
            let mut out = Vec::new();
            let template = Template::parse(&names).expect("good");
            render(&template, &request("GET", "/x?y", &[]), &facts, &mut out);
            prop_assert!(!out.iter().any(u8::is_ascii_control));
        }
    }
}
