//! Where things were written, and what is found wrong with them after the load.

use super::super::Finding;
use super::{completed, config, load_text, plain};

const TEXT: &str = r#"
[defaults.timeouts]
total = "5m"

[[listener]]
name = "http"
bind = "127.0.0.1:8080"
limits = { body = "1MiB" }
timeouts = { header = "5s", total = "1m" }

[[route]]
name = "api"
upstream = "app"
filters = ["tag"]
timeouts = { total = "30s" }
limits = { body = "off" }

[filter.tag]
headers = { request = { set = { x-a = "1" } } }

[upstream.app]
backends = ["127.0.0.1:9001"]

[upstream.app.timeouts]
connect = "1s"

[[test]]
request = "GET http://a.example/"
expect = { route = "api" }
[[test]]
request = "GET http://b.example/"
expect = { route = "none" }
"#;

#[test]
fn everything_with_a_name_and_every_timeout_has_its_line() {
    let places = config(TEXT).places;
    let lines: Vec<_> = places.iter().map(|(name, line)| format!("{name} {line}")).collect();
    assert_eq!(
        lines,
        [
            "defaults.timeouts.total test.toml:3",
            "filter.tag test.toml:18",
            "listener.http test.toml:5",
            "listener.http.limits.body test.toml:8",
            "listener.http.timeouts.header test.toml:9",
            "listener.http.timeouts.total test.toml:9",
            "route.api test.toml:11",
            "route.api.limits.body test.toml:16",
            "route.api.timeouts.total test.toml:15",
            "test.0 test.toml:27",
            "test.1 test.toml:30",
            "upstream.app test.toml:21",
            "upstream.app.timeouts.connect test.toml:25",
        ]
    );
}

#[test]
fn what_has_no_name_is_found_by_the_one_it_gets() {
    let places = config("").places;
    assert_eq!(places["listener.http"], "test.toml:2");
    assert_eq!(places["route.default"], "test.toml:5");
}

#[test]
fn a_test_that_fails_is_told_at_its_line() {
    let loaded = load_text(TEXT).expect("it is good");
    let test = &loaded.config.tests[1];
    let report = loaded.problems_at([Finding {
        place: test.place.clone(),
        message: "the route is `api`, not none".into(),
        help: Some("see there".into()),
    }]);
    assert!(report.has_errors());
    assert_eq!(
        plain(&report),
        "error 30:1-9 test_failed: the route is `api`, not none\n  help: see there\n"
    );
    let rendered = report.render(super::super::Colour::Never);
    assert!(rendered.contains("30 | [[test]]\n   | ^^^^^^^^"), "{rendered}");
}

#[test]
fn several_findings_stand_in_the_order_of_the_text_between_the_warnings() {
    let text = format!("{TEXT}\n[upstream.idle]\nbackends = [\"127.0.0.1:1\"]\n");
    let loaded = load_text(&text).expect("it is good");
    let finding = |place: &str| Finding {
        place: place.into(),
        message: format!("about {place}"),
        help: None,
    };
    let report = loaded.problems_at(["test.1", "no.such.place", "route.api"].map(finding));
    assert_eq!(
        plain(&report),
        "error 1:1-1 test_failed: about no.such.place\n\
        error 11:1-10 test_failed: about route.api\n\
        error 30:1-9 test_failed: about test.1\n\
        warning 34:11-15 unused: no route uses the upstream `idle`\n\
        \x20 help: remove it, or write upstream = \"idle\" in a [[route]]\n"
    );
    assert_eq!(report.summary(), "3 errors, 1 warning");
}

#[test]
fn ten_thousand_routes_have_their_places() {
    let mut text = String::new();
    for n in 0..10_000 {
        text.push_str(&format!(
            "[[route]]\nname = \"r{n}\"\nhosts = [\"h{n}.example\"]\nupstream = \"app\"\n"
        ));
    }
    let loaded = load_text(&completed(&text)).expect("it is good");
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.places["route.r9999"], "test.toml:39997");
}
