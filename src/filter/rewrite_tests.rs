//! Rewriting, by tables: what is sent for what was received.

use super::super::tests::{FACTS, request};
use super::*;
use crate::config::RegexRewrite;
use proptest::prelude::*;

fn written(strip: &str, add: &str, regex: Option<(&str, &str)>) -> config::Rewrite {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let regex = regex.map(|(from, to)| RegexRewrite { from: from.into(), to: to.into() });
    config::Rewrite { strip_prefix: some(strip), add_prefix: some(add), regex, host: None }
}

fn sent(written: &config::Rewrite, target: &str) -> String {
    tried(written, target, "").expect("no dot segments")
}

/// What is sent for `target` where the route was found with `matched`.
fn tried(written: &config::Rewrite, target: &str, matched: &str) -> Result<String, Reason> {
    let rewrite = Rewrite::compile(written).expect("it compiles").expect("it changes something");
    let mut head = request("GET", target, &[]);
    let (mut host, mut scratch) = (Vec::new(), b"left over".to_vec());
    rewrite.apply(&mut head, matched.as_bytes(), &FACTS, &mut host, &mut scratch)?;
    assert!(host.is_empty(), "no host was written");
    assert_eq!(head.received_target(), target.as_bytes());
    Ok(String::from_utf8(head.target().to_vec()).expect("text"))
}

#[test]
fn prefixes_go_and_come_by_whole_segments() {
    for (strip, add, target, expected) in [
        ("/api", "", "/api/x?y", "/x?y"),
        ("/api", "", "/api", "/"),
        ("/api", "", "/api?y", "/?y"),
        ("/api", "", "/api/", "/"),
        ("/api", "", "/apix", "/apix"),
        ("/api", "", "/x/api", "/x/api"),
        ("/api", "", "/API/x", "/API/x"),
        ("/a/b", "", "/a/b/c", "/c"),
        ("/a/b", "", "/a/bc", "/a/bc"),
        ("/a/", "", "/a/c", "/c"),
        ("", "/v1", "/", "/v1/"),
        ("", "/v1", "/x", "/v1/x"),
        ("/api", "/v1", "/api/x", "/v1/x"),
        ("/api", "/v1", "/api", "/v1"),
        ("/api", "/v1", "/api/", "/v1/"),
        ("/api", "/v1", "/api?q", "/v1?q"),
        ("/api", "/v1", "/other", "/v1/other"),
        ("/api", "", "*", "*"),
        ("/api", "", "/api//x", "//x"),
        ("/", "", "/x", "/x"),
    ] {
        assert_eq!(sent(&written(strip, add, None), target), expected, "{strip} {add} {target}");
    }
}

#[test]
fn a_prefix_counts_however_it_is_spelled_and_the_rest_keeps_its_spelling() {
    for (strip, target, expected) in [
        ("/api", "/%61pi/%7Ex", "/%7Ex"),
        ("/api", "/%61%70%69", "/"),
        ("/%61pi", "/api/x", "/x"),
        ("/a%3b", "/a%3B/%3b", "/%3b"),
        ("/a%3B", "/a%3b/x", "/x"),
        ("/a;", "/a%3b/x", "/a%3b/x"),
        ("/api", "/x/../api/y/%41", "/y/%41"),
        ("/api", "/api/../api/y", "/y"),
        ("/api", "/api/../admin", "/api/../admin"),
        ("/api", "/api/./../admin", "/api/./../admin"),
        ("/api", "/api/y/..", "/"),
    ] {
        assert_eq!(sent(&written(strip, "", None), target), expected, "{strip} {target}");
    }
}

#[test]
fn an_expression_replaces_its_first_match_before_the_prefixes() {
    for (from, to, target, expected) in [
        (r"^/a/(\d+)$", "/b/$1", "/a/12?q", "/b/12?q"),
        (r"^/a/(\d+)$", "/b/$1", "/a/x", "/a/x"),
        ("a", "b", "/a/a", "/b/a"),
        ("(?<n>[a-z]+)", "${n}$$", "/ab/c", "/ab$/c"),
        ("^/", "", "/a", "/a"),
        ("^.*$", "", "/a?q", "/?q"),
        ("^/a", "?x=1", "/a", "/?x=1"),
        ("^/a/(.*)$", "/find?name=$1", "/a/b?c=d", "/find?name=b&c=d"),
        ("^/a$", "/b?", "/a?c", "/b?c"),
        ("^/a$", "/b?x", "/a?", "/b?x"),
        ("^/a$", "/b c#d\u{e9}\\\n", "/a", "/b%20c%23d%C3%A9%5C%0A"),
        ("^/a$", "http://h/x", "/a", "/http://h/x"),
    ] {
        assert_eq!(sent(&written("", "", Some((from, to))), target), expected, "{from} {target}");
    }
    let all = written("/b", "/c", Some(("^/a", "/b")));
    assert_eq!(sent(&all, "/a/x"), "/c/x");
    assert_eq!(sent(&all, "/b"), "/c");
}

#[test]
fn no_spelling_of_a_path_gets_around_its_rewrite() {
    let regex = Some(("^/app/(.*)$", "/public/$1"));
    for (target, matched, expected) in [
        ("/%61pp/x?q", "/app/x", "/public/x?q"),
        ("/x/../app/y", "/app/y", "/public/y"),
        ("//app/y", "/app/y", "/public/y"),
    ] {
        assert_eq!(
            tried(&written("", "", regex), target, matched),
            Ok(expected.into()),
            "{target}"
        );
    }
    for (target, matched, expected) in
        [("//app/y", "/app/y", "/v1/y"), ("/a/..//app/y", "/app/y", "/v1/y")]
    {
        assert_eq!(tried(&written("/app", "/v1", None), target, matched), Ok(expected.into()));
    }
}

#[test]
fn an_expression_that_makes_a_dot_segment_refuses_the_request() {
    for (from, to, target, fine) in [
        ("^/f-(.*)$", "/data/$1", "/f-..", false),
        ("^/f-(.*)$", "/data/$1", "/f-../x", false),
        ("^/f-(.*)$", "/data/$1", "/f-.", false),
        ("^/f-(.*)$", "/data/$1", "/f-..;a/x", false),
        ("^/f-(.*)$", "/data/$1", "/f-...", true),
        ("^/f-(.*)$", "/data/$1%2Fx", "/f-..", false),
        ("^/f-(.*)$", "/data/%2e$1", "/f-.", false),
        ("-", "", "/a/.-./b", false),
        ("-", "", "/a/-b", true),
        ("^/f/(.*)$", "/data?file=$1", "/f/..-", true),
        ("^/(.*)/(.*)$", "/$1%2F$2", "/a/b", true),
    ] {
        let found = tried(&written("", "", Some((from, to))), target, "");
        assert_eq!(found.is_ok(), fine, "{from} {to} {target}: {found:?}");
    }
}

#[test]
fn what_changes_nothing_is_not_there_and_a_broken_expression_is_told() {
    assert!(Rewrite::compile(&config::Rewrite::default()).expect("fine").is_none());
    assert!(Rewrite::compile(&written("", "", Some(("(", "")))).is_err());
}

#[test]
fn the_host_is_rendered_from_what_was_received_and_holds_only_what_a_host_can() {
    for (template, expected) in [
        ("api.internal:8080", "api.internal:8080"),
        ("{host}.internal", "shop.example.internal"),
        ("[{client_ip}]", "[2001:db8::7]"),
        ("a{path}b c@", "areceivedbc"),
        ("{path}", "received"),
        ("/", ""),
    ] {
        let host = Some(Template::parse(template).expect("a template"));
        let written = config::Rewrite { host, ..config::Rewrite::default() };
        let rewrite = Rewrite::compile(&written).expect("fine").expect("something");
        let (mut head, mut host) = (request("GET", "/received", &[]), b"old".to_vec());
        rewrite.apply(&mut head, b"", &FACTS, &mut host, &mut Vec::new()).expect("no path");
        assert_eq!(host, expected.as_bytes(), "{template}");
        assert_eq!(head.target(), b"/received");
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_and_is_written_a_target_comes_out(
        path in "/[a-c/.%;]{0,12}",
        query in "(\\?[a-c?=]{0,4})?",
        strip in "(/[a-c]{1,2}){0,2}",
        add in "(/[a-c]{1,2}){0,2}",
        from in "[a-c/.*]{1,3}",
        to in "\\PC{0,6}",
    ) {
        let written = written(&strip, &add, Some((&from, &to)));
        let Ok(Some(rewrite)) = Rewrite::compile(&written) else { return Ok(()) };
        let mut head = request("GET", &format!("{path}{query}"), &[]);
        let (mut host, mut scratch) = (Vec::new(), Vec::new());
        let Ok(()) = rewrite.apply(&mut head, b"", &FACTS, &mut host, &mut scratch) else {
            return Ok(());
        };
        let target = head.target();
        prop_assert!(target.starts_with(b"/"));
        prop_assert!(target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
        prop_assert!(target.ends_with(query.strip_prefix('?').unwrap_or_default().as_bytes()));
    }
}
