//! What every kind of filter must hold, and what the tests of this room share.

use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::config::{HeaderEdits, HeadersFilter, Template};
use crate::http1::{HeadLimits, Parsed, parse_request, parse_response};
use crate::message::Fields;

/// An exchange with everything known.
pub(super) const FACTS: Facts<'static> = Facts {
    client: Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7))),
    host: b"shop.example",
    request_id: b"id-1",
    client_certificate: None,
    scheme: "http",
    listener: "web",
    route: "all",
    upstream: "app",
    backend: "10.0.0.1:80",
};

fn lines(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// A request head as the codec reads it.
pub(super) fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
    let text = format!("{method} {target} HTTP/1.1\r\n{}\r\n", lines(fields));
    let limits = HeadLimits { header_bytes: 1 << 20, headers: 1000, uri_bytes: 1 << 20 };
    let mut head = RequestHead::default();
    let parsed = parse_request(text.as_bytes(), &limits, &mut head);
    assert!(matches!(parsed, Ok(Parsed::Complete { .. })), "{text:?}: {parsed:?}");
    head
}

/// A response head as the codec reads it.
pub(super) fn response(status: u16, fields: &[(&str, &str)]) -> ResponseHead {
    let text = format!("HTTP/1.1 {status} Some Reason\r\n{}\r\n", lines(fields));
    let mut head = ResponseHead::default();
    let parsed = parse_response(text.as_bytes(), false, &mut head);
    assert!(matches!(parsed, Ok(Parsed::Complete { .. })), "{text:?}: {parsed:?}");
    head
}

/// The fields, one line each.
pub(super) fn written(fields: &Fields) -> Vec<String> {
    let line = |(_, name, value): (_, &[u8], &[u8])| {
        format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
    };
    fields.iter().map(line).collect()
}

/// Calls `work` with the context of an exchange.
pub(super) fn context<R>(work: impl FnOnce(&mut Context<'_>) -> R) -> R {
    let (mut slot, mut scratch) = (None, b"left over".to_vec());
    work(&mut Context { facts: FACTS, slot: &mut slot, scratch: &mut scratch })
}

/// Of each kind one that does what it can.
fn examples() -> Vec<config::Filter> {
    let template = |text| Template::parse(text).expect("a template");
    let edits = HeaderEdits {
        remove: vec!["x-a".into(), "cookie".into(), "x-forwarded-for".into()],
        set: vec![("x-b".into(), template("{path_and_query}")), ("forwarded".into(), template(""))],
        add: vec![("x-c".into(), template("{host} {client_ip}")), ("x-c".into(), template("2"))],
    };
    let headers = HeadersFilter { request: edits.clone(), response: edits };
    vec![config::Filter::Headers(headers)]
}

#[test]
fn every_kind_has_a_name_of_its_own_and_builds() {
    let built = |kind: &Kind| examples().iter().filter(|one| (kind.build)(one).is_some()).count();
    for kind in KINDS {
        assert_eq!(built(kind), 1, "{}: one example in this file", kind.name);
        assert_eq!(KINDS.iter().filter(|other| other.name == kind.name).count(), 1);
    }
    assert_eq!(examples().len(), KINDS.len());
    assert!(examples().iter().all(|example| build(example).is_some()));
}

#[test]
fn the_kinds_are_those_that_the_configuration_reads() {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names, config::FILTER_KINDS);
}

/// Field lines as odd as the codec lets through.
fn odd_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name =
        "(x-[abc]|X-A|cookie|x-forwarded-for|X_Forwarded_For|forwarded|[!#$%&'*+.^_`|~a-z]{1,9})";
    proptest::collection::vec((name, "([!-~\u{e9}]([ -~\t]{0,20}[!-~])?)?"), 0..40)
}

/// The codec reads what was written as what it is in memory.
fn read_alike(request: &RequestHead, response: &ResponseHead) {
    let mut out = Vec::new();
    request.write_to(None, &mut out);
    out.extend_from_slice(b"\r\n");
    let limits = HeadLimits { header_bytes: 1 << 20, headers: 1000, uri_bytes: 1 << 20 };
    let mut again = RequestHead::default();
    assert!(matches!(parse_request(&out, &limits, &mut again), Ok(Parsed::Complete { .. })));
    assert_eq!(written(&again.fields), written(&request.fields));
    assert_eq!(again.target(), request.target());

    out.clear();
    response.write_to(&mut out);
    out.extend_from_slice(b"\r\n");
    let mut again = ResponseHead::default();
    assert!(matches!(parse_response(&out, false, &mut again), Ok(Parsed::Complete { .. })));
    assert_eq!(written(&again.fields), written(&response.fields));
    assert_eq!(again.status, response.status);
}

proptest! {
    #[test]
    fn whatever_the_heads_every_kind_leaves_them_well_formed(
        fields in odd_fields(),
        target in "/[!-~&&[^#]]{0,20}",
        status in 200_u16..600,
    ) {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        for example in examples() {
            let filter = build(&example).expect("a kind");
            let mut asked = request("GET", &target, &fields);
            let mut head = response(status, &fields);
            // Twice: what a filter wrote it must be able to read.
            for _ in 0..2 {
                context(|cx| {
                    let flow = filter.on_request(&mut asked, cx);
                    assert!(matches!(flow, Flow::Continue));
                    drop(filter.on_response(&mut head, &asked, cx));
                });
                read_alike(&asked, &head);
            }
        }
    }
}

/// Puts its mark before each piece and at the end, and into the head.
#[derive(Debug)]
struct Marks(&'static str);

impl Filter for Marks {
    fn on_response(&self, head: &mut ResponseHead, _: &RequestHead, cx: &mut Context<'_>) -> Wrap {
        let seen = cx.slot.take().and_then(|slot| slot.downcast::<&str>().ok());
        let value = seen.map_or("nothing", |seen| *seen);
        let known = crate::message::Known::Other;
        head.fields.append(known, self.0.as_bytes(), &[value.as_bytes()]);
        if self.0 == "keeps" { Wrap::Keep } else { Wrap::Body(Box::new(Marks(self.0))) }
    }
}

impl Transform for Marks {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
        out.extend_from_slice(data);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_uppercase().as_bytes());
    }
}

#[test]
fn responses_pass_the_filters_in_reverse_and_bodies_what_they_wrap_them_in() {
    let filters: Vec<Arc<dyn Filter>> =
        vec![Arc::new(Marks("a")), Arc::new(Marks("keeps")), Arc::new(Marks("b"))];
    let mut slots: Vec<Slot> = vec![Some(Box::new("of a")), None, Some(Box::new("of b"))];
    let (asked, mut head) = (request("GET", "/", &[]), response(200, &[]));
    let mut scratch = Vec::new();
    let through = on_response(&filters, &mut slots, &mut head, &asked, FACTS, &mut scratch);
    assert_eq!(written(&head.fields), ["b: of b", "keeps: nothing", "a: of a"]);
    let mut through = through.expect("two wrapped it");
    // The mark of `b` comes first, then what `a` makes of it.
    assert_eq!(whole(&mut *through, b"1"), b"ab1aBA");

    let kept =
        on_response(&filters[1..2], &mut slots[1..2], &mut head, &asked, FACTS, &mut scratch);
    assert!(kept.is_none());
    assert!(on_response(&[], &mut [], &mut head, &asked, FACTS, &mut scratch).is_none());
}

#[test]
fn a_transform_gets_no_more_than_a_buffer_at_a_time() {
    struct Widest(usize);
    impl Transform for Widest {
        fn data(&mut self, data: &[u8], _: &mut Vec<u8>) {
            self.0 = self.0.max(data.len());
        }
        fn end(&mut self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.0.to_string().as_bytes());
        }
    }
    let body = vec![b'x'; 100_000];
    assert_eq!(whole(&mut Widest(0), &body), b"32768");
}
