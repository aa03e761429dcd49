//! Tests of access log lines: their shape, and that nothing a client sends can break it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn record<'a>() -> AccessRecord<'a> {
    AccessRecord {
        time: Duration::from_millis(971_186_136_007),
        client: Some(IpAddr::from([203, 0, 113, 7])),
        peer: "10.0.0.1:51234",
        client_is_peer: false,
        method: b"GET",
        target: b"/cart?id=1",
        host: b"shop.example",
        version: Version::Http11,
        status: 200,
        reason: None,
        request_id: b"0f8e",
        listener: "https",
        route: Some("api"),
        names_json: None,
        upstream: Some("app"),
        backend: Some("127.0.0.1:9001"),
        attempts: 1,
        bytes_in: 0,
        bytes_out: 512,
        connect: None,
        queued: None,
        first_byte: Some(Duration::from_micros(1_234)),
        total: Duration::from_micros(61_002_050),
        referer: None,
        user_agent: Some(b"curl/8.5"),
    }
}

fn json_line(record: &AccessRecord<'_>, headers: &[LoggedHeader<'_>]) -> String {
    let mut out = Vec::new();
    write_json(record, headers.iter().copied(), &mut TimeCache::default(), &mut out);
    String::from_utf8(out).expect("a JSON line is UTF-8")
}

fn combined_line(record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    write_combined(record, &mut TimeCache::default(), &mut out);
    String::from_utf8(out).expect("a combined line is ASCII")
}

#[test]
fn a_json_line_has_every_field_in_one_order() {
    let headers = [
        LoggedHeader { name_json: &header_json("user-agent"), value: Some(b"curl/8.5") },
        LoggedHeader { name_json: &header_json("authorization"), value: None },
    ];
    assert_eq!(
        json_line(&record(), &headers),
        concat!(
            r#"{"ts":"2000-10-10T13:55:36.007Z","client":"203.0.113.7","peer":"10.0.0.1:51234","#,
            r#""method":"GET","host":"shop.example","path":"/cart?id=1","proto":"HTTP/1.1","#,
            r#""status":200,"reason":null,"request_id":"0f8e","listener":"https","route":"api","#,
            r#""upstream":"app","backend":"127.0.0.1:9001","attempts":1,"bytes_in":0,"#,
            r#""bytes_out":512,"t_connect_ms":null,"t_first_ms":1.234,"t_total_ms":61002.050,"#,
            r#""headers":{"user-agent":"curl/8.5","authorization":"(redacted)"}}"#,
            "\n"
        )
    );
}

#[test]
fn what_is_not_known_is_null_in_json() {
    let mut record = record();
    (record.method, record.target, record.host) = (b"", b"", b"");
    (record.route, record.upstream, record.backend) = (None, None, None);
    (record.client, record.status, record.reason) = (None, 0, Some(Reason::ClientGone));
    let line: Value = serde_json::from_str(&json_line(&record, &[])).expect("valid JSON");
    for field in ["method", "host", "path", "route", "upstream", "backend", "status"] {
        assert_eq!(line[field], Value::Null, "{field}");
    }
    assert_eq!(line["client"], "unix");
    assert_eq!(line["reason"], "client_gone");
    assert_eq!(line["headers"], json!({}));
}

#[test]
fn a_wait_for_a_place_is_told_where_there_was_one() {
    assert!(!json_line(&record(), &[]).contains("queued"));
    let waited = AccessRecord { queued: Some(Duration::from_micros(12_034)), ..record() };
    let line: Value = serde_json::from_str(&json_line(&waited, &[])).expect("valid JSON");
    assert_eq!(line["t_queued_ms"], 12.034);
}

#[test]
fn the_text_of_the_peer_serves_for_a_client_that_is_the_peer() {
    let record = AccessRecord { client_is_peer: true, peer: "203.0.113.7", ..record() };
    assert!(json_line(&record, &[]).contains(r#""client":"203.0.113.7","peer":"203.0.113.7""#));
    let unix = AccessRecord { client: None, peer: "unix", ..record };
    assert!(json_line(&unix, &[]).contains(r#""client":"unix","peer":"unix""#));
}

#[test]
fn an_ipv6_client_is_written_without_brackets() {
    let record = AccessRecord { client: "2001:db8::1".parse().ok(), ..record() };
    assert!(json_line(&record, &[]).contains(r#""client":"2001:db8::1""#));
}

#[test]
fn a_combined_line_looks_as_other_servers_write_it() {
    assert_eq!(
        combined_line(&record()),
        "203.0.113.7 - - [10/Oct/2000:13:55:36 +0000] \"GET /cart?id=1 HTTP/1.1\" 200 512 \"-\" \"curl/8.5\"\n"
    );
    let nothing =
        AccessRecord { method: b"", status: 400, bytes_out: 0, user_agent: None, ..record() };
    assert_eq!(
        combined_line(&nothing),
        "203.0.113.7 - - [10/Oct/2000:13:55:36 +0000] \"-\" 400 0 \"-\" \"-\"\n"
    );
}

#[test]
fn a_client_cannot_add_lines_or_fields_to_a_combined_log() {
    let evil = b"x\" 200 1 \"\n10.0.0.1 - - [\x1b[2J";
    let record = AccessRecord { target: evil, user_agent: Some(evil), ..record() };
    let line = combined_line(&record);
    assert_eq!(line.matches('\n').count(), 1);
    assert_eq!(line.matches('"').count(), 6);
    assert!(!line.contains('\x1b'));
}

proptest! {
    #[test]
    fn any_bytes_make_one_valid_json_line(
        method: Vec<u8>, target: Vec<u8>, host: Vec<u8>, id: Vec<u8>, value: Vec<u8>, secs: u64, ns in 0..1_000_000_000u32,
    ) {
        let total = Duration::new(secs, ns);
        let record = AccessRecord {
            method: &method, target: &target, host: &host, request_id: &id, total, ..record()
        };
        let line = json_line(&record, &[LoggedHeader { name_json: &header_json("x"), value: Some(&value) }]);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let parsed: Value = serde_json::from_str(&line).expect("valid JSON");
        if let Ok(text) = std::str::from_utf8(&target) {
            let expected = if text.is_empty() { Value::Null } else { text.into() };
            prop_assert_eq!(&parsed["path"], &expected);
        }
        let line = combined_line(&record);
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert_eq!(line.matches('"').count(), 6);
    }
}
