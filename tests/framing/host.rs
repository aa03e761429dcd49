//! The Host: one, well-formed, or refused.

use crate::case::{Case, bad, pass, run, want};

#[test]
fn there_is_one_well_formed_host_or_a_refusal() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let mut cases = good();
    cases.extend(refused());
    cases
}

fn good() -> Vec<Case> {
    let get = || want("GET /a HTTP/1.1");
    vec![
        pass(
            "a name",
            b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n",
            get().has("host", "a.example"),
        ),
        pass(
            "a name and a port",
            b"GET /a HTTP/1.1\r\nHOST: a.example:8080\r\n\r\n",
            get().has("host", "a.example:8080"),
        ),
        pass(
            "an IPv4 address",
            b"GET /a HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
            get().has("host", "192.0.2.1"),
        ),
        pass(
            "an IPv6 address and a port",
            b"GET /a HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
            get().has("host", "[2001:db8::1]:80"),
        ),
        pass(
            "a trailing dot",
            b"GET /a HTTP/1.1\r\nHost: a.example.\r\n\r\n",
            get().has("host", "a.example."),
        ),
        pass(
            "an underscore",
            b"GET /a HTTP/1.1\r\nHost: a_b.example\r\n\r\n",
            get().has("host", "a_b.example"),
        ),
        pass(
            "blanks around the Host",
            b"GET /a HTTP/1.1\r\nHost: \t a.example \t\r\n\r\n",
            get().has("host", "a.example"),
        ),
        // The backend speaks HTTP/1.1, which wants a Host: the strict parser sees to it.
        pass("HTTP/1.0 without a Host", b"GET /a HTTP/1.0\r\n\r\n", get()),
    ]
}

fn refused() -> Vec<Case> {
    vec![
        bad("no Host", b"GET /a HTTP/1.1\r\nX: y\r\n\r\n"),
        bad("no field at all", b"GET /a HTTP/1.1\r\n\r\n"),
        bad("two Hosts that differ", b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        bad("two Hosts that agree", b"GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        bad("two Hosts apart", b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n"),
        bad("two Hosts in HTTP/1.0", b"GET /a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        bad("two Hosts in one field", b"GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        bad("two Hosts with a blank between", b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n"),
        bad("a tab in the Host", b"GET /a HTTP/1.1\r\nHost: a\tb\r\n\r\n"),
        bad("a path in the Host", b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        bad("a query in the Host", b"GET /a HTTP/1.1\r\nHost: a?b\r\n\r\n"),
        bad("a fragment in the Host", b"GET /a HTTP/1.1\r\nHost: a#b\r\n\r\n"),
        bad("a backslash in the Host", b"GET /a HTTP/1.1\r\nHost: a\\b\r\n\r\n"),
        bad("a user in the Host", b"GET /a HTTP/1.1\r\nHost: user@a\r\n\r\n"),
        bad("a user and password in the Host", b"GET /a HTTP/1.1\r\nHost: user:pw@a\r\n\r\n"),
        bad("a URL in the Host", b"GET /a HTTP/1.1\r\nHost: http://a/\r\n\r\n"),
        bad("a port that is no number", b"GET /a HTTP/1.1\r\nHost: a:http\r\n\r\n"),
        bad("a port above 65535", b"GET /a HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
        bad("a port of many digits", b"GET /a HTTP/1.1\r\nHost: a:99999999999999999999\r\n\r\n"),
        bad("a negative port", b"GET /a HTTP/1.1\r\nHost: a:-1\r\n\r\n"),
        bad("two ports", b"GET /a HTTP/1.1\r\nHost: a:80:81\r\n\r\n"),
        bad("a port without a name", b"GET /a HTTP/1.1\r\nHost: :80\r\n\r\n"),
        bad("an IPv6 address without brackets", b"GET /a HTTP/1.1\r\nHost: 2001:db8::1\r\n\r\n"),
        bad("a bracket that never closes", b"GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        bad("a name in brackets", b"GET /a HTTP/1.1\r\nHost: [a]\r\n\r\n"),
        bad("something behind the bracket", b"GET /a HTTP/1.1\r\nHost: [::1]a\r\n\r\n"),
        bad("angle brackets in the Host", b"GET /a HTTP/1.1\r\nHost: <a>\r\n\r\n"),
        bad("quotes in the Host", b"GET /a HTTP/1.1\r\nHost: \"a\"\r\n\r\n"),
        bad("a NUL in the Host", b"GET /a HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
        bad("a Host beyond ASCII", b"GET /a HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n"),
        bad("a space before the Host's colon", b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n"),
        bad("a space before the Host's name", b"GET /a HTTP/1.1\r\n Host: a\r\n\r\n"),
    ]
}
