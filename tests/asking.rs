//! `explain` and `plan` as a shell sees them: what they answer to an operator's questions.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn forebay(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    let output = command.args(arguments).env_remove("FOREBAY_LOG").output();
    let Output { status, stdout, stderr } = output.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("it was not killed"), text(stdout), text(stderr))
}

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/reference.toml");

const SHOP: &str = r#"
[defaults.timeouts]
connect = "2s"
[[listener]]
name = "web"
bind = "127.0.0.1:8080"
[[listener]]
name = "inside"
bind = ["127.0.0.1:8081", "127.0.0.1:8082"]
timeouts = { first_byte = "9s" }
[[route]]
name = "beta"
hosts = ["shop.example"]
match = { path_prefix = "/api", headers = { x-version = "v2" } }
upstream = "app"
timeouts = { total = "5s" }
[[route]]
name = "api"
hosts = ["shop.example"]
match = { path_prefix = "/api" }
rewrite = { strip_prefix = "/api" }
upstream = "app"
[[route]]
name = "ops"
listeners = ["inside"]
match = { path = "/ops" }
respond = { status = 200, body = "fine" }
[upstream.app]
backends = ["127.0.0.1:9001"]
timeouts = { first_byte = "7s" }
"#;

#[test]
fn the_reference_explains_its_own_routes() {
    let arguments =
        ["explain", REFERENCE, "GET", "http://shop.example:8080/api/x", "-H", "x-version: v2"];
    let (code, out, err) = forebay(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in
        ["route      api  (", "filter     secure  (", "upstream   api  (", "GET /v1/x HTTP/1.1"]
    {
        assert!(out.contains(line), "{line}: {out}");
    }
    assert!(out.contains("site") && out.contains("outranked by host"), "{out}");
}

#[test]
fn the_winner_the_losers_and_their_reasons_are_told_with_places() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "shop.toml", SHOP);
    let url = "http://shop.example:8080/api/cart?x=1";
    let (code, out, err) = forebay(&["explain", &file, "GET", url, "--from", "203.0.113.7"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let has = |text: &str| assert!(out.contains(text), "{text}: {out}");
    has("request    GET http://shop.example:8080/api/cart?x=1 from 203.0.113.7");
    has("matched as host shop.example, path /api/cart");
    has(&format!("route      api  ({file}:17)"));
    has("round_robin over 127.0.0.1:9001");
    has("  GET /cart?x=1 HTTP/1.1");
    has("  x-forwarded-for: 203.0.113.7");
    has(&format!("connect        2s     ([defaults.timeouts], {file}:3)"));
    has(&format!("first_byte     7s     (upstream, {file}:30)"));
    has("total          off    (built in)");
    has("header x-version: wanted \"v2\", came none");
    has("for other listeners: inside");
}

#[test]
fn what_happens_to_a_failing_backend_is_told_with_places() {
    let directory = tempfile::tempdir().expect("a directory");
    let more = r#"
queue = { max = 9 }
max_pending = 7
health = { kind = "tcp" }
breaker = false
retry = { per_try = "2s" }
[upstream.other]
backends = ["127.0.0.1:9004", { address = "127.0.0.1:9005", weight = 0 }, { address = "127.0.0.1:9006", backup = true }]
sticky = { cookie = "C" }
[defaults.retry]
attempts = 3
[defaults.health]
path = "/healthz"
rise = 1
"#;
    let text = format!("{SHOP}{more}")
        .replace(
            "timeouts = { total = \"5s\" }",
            "retry = { on = [\"connect\", \"500-503\"], backoff = { max = \"1s\" } }",
        )
        .replace("respond = { status = 200, body = \"fine\" }", "upstream = \"other\"");
    let file = written(directory.path(), "shop.toml", &text);
    let at = |start: &str| {
        let line = text.lines().position(|line| line.starts_with(start));
        format!("{file}:{})", line.expect("it is there") + 1)
    };
    let url = "http://shop.example:8080/api";
    let (code, out, err) = forebay(&["explain", &file, "GET", url, "-H", "x-version: v2"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let has = |out: &str, text: &str| assert!(out.contains(text), "{text}: {out}");
    has(
        &out,
        &format!("\nretry\n  attempts              3  ([defaults], {}\n", at("attempts = 3")),
    );
    has(
        &out,
        &format!("  on                    connect, 500-503  (route, {}\n", at("retry = { on")),
    );
    has(&out, "  methods               GET, HEAD, OPTIONS, PUT, DELETE  (built in)\n");
    has(&out, &format!("  per_try               2s  (upstream, {}\n", at("retry = { per_try")));
    has(&out, "  backoff.base          25ms  (built in)\n");
    has(&out, &format!("  backoff.max           1s  (route, {}\n", at("retry = { on")));
    has(&out, "\nbudget\n  ratio                 0.2  (built in)\n");
    has(
        &out,
        &format!(
            "\nhealth\n  kind                  tcp  (upstream, {}\n  interval",
            at("health = {")
        ),
    );
    has(&out, &format!("  rise                  1  ([defaults], {}\n", at("rise = 1")));
    has(&out, "\npassive\n  failures              5  (built in)\n");
    has(
        &out,
        &format!("\nbreaker\n  breaker               off  (upstream, {}\n", at("breaker = false")),
    );
    has(&out, "\nat the upstream app\n  takes part            127.0.0.1:9001\n");
    has(
        &out,
        &format!("  queue                 max 9, timeout 5s  (upstream, {}\n", at("queue =")),
    );
    has(&out, &format!("  max_pending           7  (upstream, {}\n", at("max_pending")));
    let (_, out, _) = forebay(&["explain", &file, "GET", "http://x:8081/ops"]);
    has(&out, "  takes part            127.0.0.1:9004\n  backup (no other can) 127.0.0.1:9006\n");
    has(&out, "  drained (weight 0)    127.0.0.1:9005\n");
    has(
        &out,
        &format!(
            "  sticky                cookie C, ttl 1h, key random  (upstream, {}\n",
            at("sticky")
        ),
    );
    has(&out, "\nhealth\n  health                off  (built in)\n");
    let (_, out, _) = forebay(&["explain", &file, "GET", "http://x:8081/ops", "--json"]);
    let explained: Value = serde_json::from_str(&out).expect("JSON");
    let knobs = explained["knobs"].as_array().expect("a list");
    let attempts = knobs.iter().find(|knob| knob["key"] == "attempts").expect("there is one");
    let attempts = ["table", "value", "from"].map(|key| attempts[key].as_str());
    assert_eq!(attempts, [Some("retry"), Some("3"), Some("[defaults]")]);
    let parts = explained["targets"][0]["members"].as_array().expect("a list");
    let parts: Vec<_> = parts.iter().filter_map(|member| member["part"].as_str()).collect();
    assert_eq!(parts, ["takes part", "drained", "backup"]);
}

#[test]
fn a_404_names_what_came_near() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "shop.toml", SHOP);
    let (code, out, _) = forebay(&["explain", &file, "GET", "http://shop.exmaple:8080/api/cart"]);
    assert_eq!(code, 0);
    assert!(out.contains("refused    404 no_route"), "{out}");
    assert!(
        out.contains(
            "hint       no route has the host `shop.exmaple`; there is one for `shop.example`"
        ),
        "{out}"
    );
    let (_, out, _) = forebay(&["explain", &file, "GET", "http://shop.example:8080/apis"]);
    assert!(out.contains("another path: path_prefix /api"), "{out}");
    let hint = "hint       no route has the path `/apis`; the one of `beta` is `/api`";
    assert!(out.contains(hint), "{out}");
    let (_, out, _) = forebay(&["explain", &file, "GET", "http://shop.example:8080/elsewhere"]);
    assert!(!out.contains("hint"), "{out}");
}

#[test]
fn the_listener_is_the_one_with_the_port_or_the_one_that_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "shop.toml", SHOP);
    let (code, out, _) = forebay(&["explain", &file, "GET", "http://x:8082/ops"]);
    assert!(code == 0 && out.contains("listener   inside"), "{out}");
    assert!(out.contains("200 (4 bytes)\n  content-type: text/plain; charset=utf-8"), "{out}");
    let (code, out, _) = forebay(&["explain", &file, "GET", "http://x/ops", "--listener", "web"]);
    assert!(code == 0 && out.contains("404 no_route"), "{out}");
    let (code, out, err) = forebay(&["explain", &file, "GET", "http://x/ops"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("no listener has port 80") && err.contains("\"inside\""), "{err}");
}

#[test]
fn what_cannot_be_asked_is_a_clear_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "shop.toml", SHOP);
    for (arguments, code, message) in [
        (vec!["GET", "shop.example/x", "--listener", "web"], 2, "http://host[:port]/path"),
        (vec!["GET", "ftp://x:8080/", "--listener", "web"], 2, "http or https"),
        (vec!["GET", "http://x:8080/", "--listener", "nobody"], 2, "there are: \"web\""),
        (vec!["GET /x HTTP/1.1\r\nx: y", "http://x:8080/"], 2, "is no method"),
        (vec!["GET", "http://x:8080/", "-H", "novalue"], 2, "name: value"),
        (vec!["GET", "http://x:8080/", "--from", "999.1.1.1"], 2, "invalid IP address"),
    ] {
        let all: Vec<&str> = ["explain", &file].into_iter().chain(arguments).collect();
        let (found, out, err) = forebay(&all);
        assert_eq!((found, out.as_str()), (code, ""), "{all:?}: {err}");
        assert!(err.contains(message), "{all:?}: {err}");
    }
    let broken = written(directory.path(), "broken.toml", "[[route]]\nupsteam = \"x\"\n");
    let (code, _, err) = forebay(&["explain", &broken, "GET", "http://x/"]);
    assert!(code == 1 && err.contains("did you mean"), "{err}");
    let (code, _, err) = forebay(&["plan", &file, "nowhere.toml"]);
    assert!(code == 2 && err.contains("nowhere.toml"), "{err}");
}

#[test]
fn a_program_reads_the_same_as_json() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "shop.toml", SHOP);
    let url = "http://shop.example:8080/api/cart";
    let (_, out, _) = forebay(&["explain", &file, "GET", url, "--json"]);
    let all: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(all["route"], "api");
    assert_eq!(all["targets"][0]["upstream"], "app");
    assert_eq!(all["targets"][0]["backends"][0], "127.0.0.1:9001");
    assert_eq!(all["others"][0]["verdict"], "condition");
    assert_eq!(all["other_listeners"][0], "ops");
    let timeouts = all["timeouts"].as_array().expect("a list");
    assert!(timeouts.iter().any(|t| t["key"] == "first_byte" && t["value"] == "7s"), "{out}");
}

/// A log of `n` lines over a few paths.
fn log(n: usize) -> String {
    let mut text = String::new();
    for index in 0..n {
        let path = ["/api/a", "/api/b", "/ops", "/else"][index % 4];
        writeln!(
            text,
            "{{\"ts\":\"t\",\"client\":\"203.0.113.7\",\"peer\":\"203.0.113.7\",\"method\":\"GET\",\
             \"host\":\"shop.example\",\"path\":\"{path}\",\"status\":200,\"listener\":\"web\",\
             \"headers\":{{\"user-agent\":\"curl\"}}}}"
        )
        .expect("a String takes every write");
    }
    text
}

#[test]
fn a_plan_tells_what_changes_and_which_requests_move() {
    let directory = tempfile::tempdir().expect("a directory");
    let old = written(directory.path(), "old.toml", SHOP);
    let new = SHOP
        .replace("name = \"api\"", "name = \"api-v1\"")
        .replace("127.0.0.1:9001", "127.0.0.1:9002")
        .replace("path = \"/ops\"", "path = \"/ops/status\"");
    let new = written(directory.path(), "new.toml", &new);
    let log = written(directory.path(), "access.jsonl", &log(50_000));
    let (code, out, err) = forebay(&["plan", &old, &new, "--log", &log]);
    assert_eq!((code, err.as_str()), (0, ""));
    let has = |text: &str| assert!(out.contains(text), "{text}: {out}");
    has("routes\n  + api-v1\n  ~ ops\n      match: path /ops → path /ops/status\n  - api\n");
    has("backends\n  + app/127.0.0.1:9002\n  - app/127.0.0.1:9001\n");
    has("50000 requests of ");
    has("25000 go elsewhere, 0 become 404\n  25000  api → api-v1  GET shop.example/api/a\n");
    has("note: routes look at x-version, which the log does not record");
}

#[test]
fn a_plan_counts_requests_that_would_be_lost_and_routes_that_become_shadowed() {
    let directory = tempfile::tempdir().expect("a directory");
    let old = written(directory.path(), "old.toml", SHOP);
    let new = SHOP
        .replace("path_prefix = \"/api\" }\nrewrite", "path_prefix = \"/apis\" }\nrewrite")
        .replace("rewrite = { strip_prefix = \"/api\" }\n", "");
    let shadowing = format!(
        "{new}\n[[route]]\nname = \"late\"\nhosts = [\"shop.example\"]\n\
         match = {{ path_prefix = \"/apis\" }}\nupstream = \"app\"\n"
    );
    let new = written(directory.path(), "new.toml", &shadowing);
    let log = written(directory.path(), "access.jsonl", &log(8));
    let (code, out, _) = forebay(&["plan", &old, &new, "--log", &log, "--json"]);
    assert_eq!(code, 0);
    let plan: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(plan["replay"]["requests"], 8);
    assert_eq!((&plan["replay"]["moved"], &plan["replay"]["lost"]), (&4.into(), &4.into()));
    let shadowed = plan["shadowed"].as_array().expect("a list");
    assert!(shadowed.iter().any(|s| s.to_string().contains("route.late")), "{out}");
}

#[test]
fn a_log_of_another_listener_is_not_taken_for_good_news() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "shop.toml", SHOP);
    let other = log(4).replace("\"listener\":\"web\"", "\"listener\":\"edge\"");
    let log = written(directory.path(), "access.jsonl", &other);
    let (code, out, _) = forebay(&["plan", &file, &file, "--log", &log]);
    assert!(
        code == 0 && out.contains("0 requests of ") && out.contains("nothing to compare"),
        "{out}"
    );
    let note =
        "4 requests can be tried on neither configuration; the first: line 1: no listener edge";
    assert!(out.contains(note), "{out}");
}

#[test]
fn a_plan_without_a_change_says_so() {
    let (code, out, _) = forebay(&["plan", REFERENCE, REFERENCE]);
    assert_eq!((code, out.as_str()), (0, "nothing changes\n"));
}

#[test]
fn each_knob_of_tls_with_backends_is_told_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "[[listener]]\nbind = \"127.0.0.1:8080\"\n[[route]]\nupstream = \"app\"\n\
                [upstream.app]\nbackends = [\"https://127.0.0.1:9001\"]\n\
                [upstream.app.tls]\nverify = false\nsni = \"in.example\"\n";
    let file = written(directory.path(), "tls.toml", text);
    let (_, out, _) = forebay(&["explain", &file, "GET", "http://x/"]);
    for line in [
        format!("  tls.verify            false  (upstream, {file}:8)\n"),
        "  tls.ca                system  (built in)\n".to_owned(),
        format!("  tls.sni               in.example  (upstream, {file}:9)\n"),
        "  tls.client            none  (built in)\n".to_owned(),
    ] {
        assert!(out.contains(&line), "{line}: {out}");
    }
}

#[test]
fn an_upgrade_that_an_upstream_cannot_be_asked_for_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "[[listener]]\nbind = \"127.0.0.1:8080\"\n[[route]]\nupstream = \"app\"\n\
                [upstream.app]\nbackends = [\"BACKEND\"]\n";
    let hint = "hint       app speaks HTTP/2 alone: the upgrade is left out";
    for (backend, upgrade, told) in [
        ("h2c://127.0.0.1:9001", "upgrade: websocket", true),
        ("h2c://127.0.0.1:9001", "x-upgrade: websocket", false),
        ("127.0.0.1:9001", "upgrade: websocket", false),
        ("https://a.test:443", "upgrade: websocket", false),
    ] {
        let file = written(directory.path(), "ws.toml", &text.replace("BACKEND", backend));
        let url = "http://x:8080/chat";
        let headers = ["-H", upgrade, "-H", "connection: upgrade"];
        let (code, out, err) = forebay(&[&["explain", &file, "GET", url][..], &headers].concat());
        assert_eq!((code, err.as_str()), (0, ""));
        assert_eq!(out.contains(hint), told, "{backend} {upgrade}: {out}");
        let is_passed_on = out.contains("  upgrade: websocket\n");
        assert_eq!(is_passed_on, upgrade.starts_with('u') && !told, "{backend} {upgrade}: {out}");
    }
}
