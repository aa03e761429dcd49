//! Tests of conditions: a table for each kind, each also negated.

use std::net::IpAddr;

use super::*;
use crate::config::MethodCondition;
use crate::message::Fields;

fn met(wanted: &Conditions, subject: &Subject<'_>) -> bool {
    let matcher = Matcher::compile(wanted, &mut Patterns::default()).expect("good expressions");
    matcher.unmet(subject).is_none()
}

/// `text`: `=exact`, `~expression` or empty for a value that is there.
fn field(name: &str, text: &str, negated: bool) -> FieldCondition {
    let value = match text.split_at_checked(1) {
        Some(("=", text)) => ValuePattern::Exact(text.to_owned()),
        Some(("~", text)) => ValuePattern::Regex(text.to_owned()),
        _ => ValuePattern::Present,
    };
    FieldCondition { name: name.to_owned(), value, negated }
}

/// Checks `text` on the values called `name` and that its negation is the opposite.
fn check(
    into: fn(FieldCondition) -> Conditions,
    subject: &Subject<'_>,
    (name, text): (&str, &str),
    expected: bool,
) {
    for negated in [false, true] {
        let met = met(&into(field(name, text, negated)), subject);
        assert_eq!(met, expected != negated, "{name} {text}, negated: {negated}, {subject:?}");
    }
}

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.append(Known::of(name.as_bytes()), name.as_bytes(), &[value.as_bytes()]);
    }
    fields
}

#[test]
fn methods_are_compared_as_sent() {
    for (method, expected) in [
        ("GET", true),
        ("POST", true),
        ("get", false),
        ("HEAD", false),
        ("GETX", false),
        ("", false),
    ] {
        for negated in [false, true] {
            let methods = vec!["GET".to_owned(), "POST".to_owned()];
            let wanted = Conditions {
                methods: Some(MethodCondition { methods, negated }),
                ..Conditions::default()
            };
            let subject = Subject { method: method.as_bytes(), ..Subject::get(b"", b"/") };
            assert_eq!(met(&wanted, &subject), expected != negated, "{method} {negated}");
        }
    }
}

#[test]
fn clients_are_in_a_network_or_not_and_without_an_address_in_none() {
    for (client, expected) in [
        (Some("10.1.2.3"), true),
        (Some("11.1.2.3"), false),
        (Some("192.0.2.7"), true),
        (Some("192.0.2.8"), false),
        (Some("2001:db8::1"), true),
        (Some("2001:db9::1"), false),
        (Some("::ffff:10.1.2.3"), false),
        (None, false),
    ] {
        for negated in [false, true] {
            let networks = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"];
            let networks = networks.iter().map(|text| text.parse().expect("a network")).collect();
            let wanted = Conditions {
                client_ip: Some(ClientIpCondition { networks, negated }),
                ..Conditions::default()
            };
            let client: Option<IpAddr> = client.map(|text| text.parse().expect("an address"));
            let subject = Subject { client, ..Subject::get(b"", b"/") };
            assert_eq!(met(&wanted, &subject), expected != negated, "{client:?} {negated}");
        }
    }
}

#[test]
fn one_of_the_live_header_values_of_any_case_of_the_name_suffices() {
    let mut fields = fields(&[
        ("X-Version", "v1"),
        ("x-version", " v2\t"),
        ("TE", "trailers"),
        ("X-Gone", "1"),
        ("x-empty", ""),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Other", "1"),
        ("Cookie", "a=1"),
    ]);
    fields.remove_if(|_, name| name == b"X-Gone");
    let subject = Subject { fields: &fields, trusted: true, ..Subject::get(b"", b"/") };
    for (name, text, expected) in [
        ("x-version", "=v1", true),
        ("x-version", "=v2", true),
        ("x-version", "=V2", false),
        ("x-version", "=v", false),
        ("x-version", "=v1,v2", false),
        ("x-version", "~v[0-9]", true),
        ("x-version", "~v", false),
        ("x-version", "~[0-9]", false),
        ("x-version", "", true),
        ("te", "=trailers", true),
        ("x-gone", "", false),
        ("x-gone", "=1", false),
        ("x-empty", "", true),
        ("x-empty", "=", true),
        ("x-none", "=", false),
        ("x-none", "", false),
        ("x-none", "~.*", false),
        ("x-forwarded-port", "=443", true),
        ("x-forwarded-port", "=1", false),
        ("x-forwarded-none", "", false),
        ("cookie", "=a=1", true),
    ] {
        let into = |field| Conditions { headers: vec![field], ..Conditions::default() };
        check(into, &subject, (name, text), expected);
    }
}

#[test]
fn a_parameter_is_decoded_and_one_of_its_values_suffices() {
    let query = b"a=1&a=%32&b&c=&&d=x+y%2Bz&%65=6&f=1=2&g=1;h=2&E=7&i=%zz&=anon&%66%3D=0";
    let subject = Subject { query, ..Subject::get(b"", b"/") };
    for (name, text, expected) in [
        ("a", "=1", true),
        ("a", "=2", true),
        ("a", "=%32", false),
        ("a", "=3", false),
        ("a", "~[12]", true),
        ("a", "~1|3", true),
        ("a", "~12", false),
        ("b", "", true),
        ("b", "=", true),
        ("c", "=", true),
        ("c", "~", true),
        ("d", "=x y+z", true),
        ("d", "=x+y%2Bz", false),
        ("d", "~x y\\+z", true),
        ("e", "=6", true),
        ("E", "=7", true),
        ("e", "=7", false),
        ("f", "=1=2", true),
        ("f=", "=0", true),
        ("g", "=1;h=2", true),
        ("h", "", false),
        ("i", "=%zz", true),
        ("", "=anon", true),
        ("none", "", false),
        ("none", "~.*", false),
    ] {
        let into = |field| Conditions { query: vec![field], ..Conditions::default() };
        check(into, &subject, (name, text), expected);
    }
    let into = |field| Conditions { query: vec![field], ..Conditions::default() };
    check(into, &Subject::get(b"", b"/"), ("", ""), false);
}

#[test]
fn all_cookie_fields_are_read_and_quotes_around_a_value_go() {
    let fields = fields(&[
        ("Cookie", "a=1; b=\"two\";c=3 ;\td=; =anon; flag; e=\"; f=x=y"),
        ("cookie", "a=2; A=3; g=%31"),
        ("X-Cookie", "h=1"),
    ]);
    let subject = Subject { fields: &fields, ..Subject::get(b"", b"/") };
    for (name, text, expected) in [
        ("a", "=1", true),
        ("a", "=2", true),
        ("a", "=3", false),
        ("A", "=3", true),
        ("a", "~[0-9]", true),
        ("b", "=two", true),
        ("b", "=\"two\"", false),
        ("c", "=3", true),
        ("d", "=", true),
        ("flag", "", false),
        ("e", "=\"", true),
        ("f", "=x=y", true),
        ("g", "=%31", true),
        ("g", "=1", false),
        ("h", "", false),
        ("", "=anon", true),
        ("none", "", false),
    ] {
        let into = |field| Conditions { cookies: vec![field], ..Conditions::default() };
        check(into, &subject, (name, text), expected);
    }
}

#[test]
fn all_conditions_must_hold() {
    let fields = fields(&[("x", "1"), ("cookie", "y=2")]);
    let subject = Subject { fields: &fields, query: b"z=3", ..Subject::get(b"", b"/") };
    let wanted = |x: &str, y: &str, z: &str| Conditions {
        headers: vec![field("x", x, false)],
        cookies: vec![field("y", y, false)],
        query: vec![field("z", z, false)],
        ..Conditions::default()
    };
    assert!(met(&wanted("=1", "=2", "=3"), &subject));
    for (x, y, z) in [("=0", "=2", "=3"), ("=1", "=0", "=3"), ("=1", "=2", "=0")] {
        assert!(!met(&wanted(x, y, z), &subject), "{x} {y} {z}");
    }
}

#[test]
fn an_expression_that_is_none_is_told() {
    let wanted = Conditions { headers: vec![field("x", "~a)(b", false)], ..Conditions::default() };
    let (pattern, why) = Matcher::compile(&wanted, &mut Patterns::default())
        .expect_err("parentheses do not pair up");
    assert_eq!(pattern, "a)(b");
    assert!(!why.is_empty());
}

#[test]
fn what_tells_of_forwarding_is_seen_only_from_a_trusted_peer() {
    let into = |field| Conditions { headers: vec![field], ..Conditions::default() };
    for name in [
        "x-forwarded-proto",
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "x_forwarded_host",
        "x-other",
    ] {
        let fields = fields(&[(name, "said")]);
        for trusted in [false, true] {
            let subject = Subject { fields: &fields, trusted, ..Subject::get(b"", b"/") };
            check(into, &subject, (name, "=said"), trusted || name == "x-other");
        }
    }
}
