//! Files on disk: includes, paths, what cannot be read; and how problems are shown.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::{
    Action, BackendAddress, Colour, Config, Failure, IoFailure, LogTarget, Report, Source,
    load_with,
};
use super::{SMALLEST, env, load_text, plain, report};

/// A directory with these files in it, the first of them the main one.
fn directory(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("made");
        fs::write(path, text).expect("written");
    }
    let main = dir.path().join(files[0].0);
    (dir, main)
}

fn smallest() -> String {
    SMALLEST.map(|(_, part)| part).concat()
}

fn good(main: &Path) -> Config {
    match load_with(&Source::File(main.to_owned()), &env) {
        Ok(loaded) => loaded.config,
        Err(failure) => panic!("{failure}"),
    }
}

fn bad(main: &Path) -> Report {
    match load_with(&Source::File(main.to_owned()), &env) {
        Err(Failure::Problems(report)) => report,
        other => panic!("{other:?}"),
    }
}

fn unreadable(main: &Path) -> IoFailure {
    match load_with(&Source::File(main.to_owned()), &env) {
        Err(Failure::Io(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn included_files_are_merged_in_lexical_order() {
    let main =
        format!("include = [\"conf.d/*.toml\", \"more/x.toml\", \"none/*.toml\"]\n{}", smallest())
            .replace("[[route]]", "[[route]]\nname = \"main\"");
    let route = |name: &str, host: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nhosts = [\"{host}\"]\nupstream = \"{name}\"\n[upstream.{name}]\nbackends = [\"unix:{name}.sock\"]\n"
        )
    };
    let (dir, main) = directory(&[
        ("main.toml", &main),
        ("conf.d/b.toml", &route("b", "b.example")),
        ("conf.d/a.toml", &route("a", "a.example")),
        ("conf.d/.hidden.toml", "not even TOML"),
        ("conf.d/notes.txt", "nor this"),
        (
            "more/x.toml",
            "[defaults.timeouts]\nconnect = \"9s\"\n[telemetry]\nrequest_id = \"x-id\"\n",
        ),
    ]);
    let config = good(&main);
    let names: Vec<_> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["main", "a", "b"]);
    let files: Vec<_> =
        config.files.iter().map(|f| f.strip_prefix(dir.path()).expect("inside")).collect();
    let expected = ["main.toml", "conf.d/a.toml", "conf.d/b.toml", "more/x.toml"].map(Path::new);
    assert_eq!(files, expected);
    assert_eq!(config.telemetry.request_id, "x-id");
    // Relative paths start at the file that names them, not at the main one.
    let socket = dir.path().join("conf.d/a.sock");
    assert_eq!(config.upstreams["a"].backends[0].address, BackendAddress::Unix(socket));
}

#[test]
fn a_file_is_included_once_and_never_into_itself() {
    let main = format!("include = [\"*.toml\", \"x.toml\"]\n{}", smallest());
    let (_dir, main) = directory(&[("main.toml", &main), ("x.toml", "[defaults.timeouts]\n")]);
    assert_eq!(good(&main).files.len(), 2);
}

#[test]
fn a_name_in_two_files_shows_both_places() {
    let main = format!(
        "include = [\"x.toml\"]\n[log]\nlevel = \"warn\"\n[defaults.timeouts]\nconnect = \"1s\"\n{}",
        smallest()
    );
    let included = "[upstream.app]\nbackends = [\"127.0.0.1:2\"]\n\n[defaults.timeouts]\nconnect = \"2s\"\ntotal = \"1m\"\n\n[[listener]]\nname = \"x\"\nbind = \"127.0.0.1:8080\"\n";
    let (_dir, main) = directory(&[("main.toml", &main), ("x.toml", included)]);
    let report = bad(&main);
    assert_eq!(
        plain(&report),
        "error 6:1-13 missing: this listener has no `name`, and there are several\n\
        \x20 help: give each one a name of its own: name = \"…\"\n\
        error 1:11-14 duplicate: `app` is defined twice\n\
        \x20 also 10:11-14: first defined here\n\
        \x20 help: keep one of the two\n\
        error 5:1-8 duplicate: `connect` is defined twice\n\
        \x20 also 5:1-8: first defined here\n\
        \x20 help: keep one of the two\n\
        error 10:8-24 duplicate: the same address is listened on twice\n\
        \x20 also 7:8-24: the first time\n\
        \x20 help: remove one of the two\n"
    );
    let rendered = report.render(Colour::Never);
    let both = |a: &str, b: &str| rendered.contains(a) && rendered.contains(b);
    assert!(both("x.toml:1:11", "main.toml:10:11"), "{rendered}");
}

#[test]
fn tables_about_the_process_and_includes_stand_in_the_main_file_only() {
    let main = format!("include = [\"x.toml\"]\n{}", smallest());
    let included = "include = [\"y.toml\"]\n[global]\nworkers = 0\n[log]\n[reload]\n[admin]\n";
    let (dir, main) = directory(&[("main.toml", &main), ("x.toml", included)]);
    let messages = bad(&main).problems().iter().map(|p| p.message.clone()).collect::<Vec<_>>();
    assert_eq!(
        messages,
        [
            "an included file cannot include others",
            "[global] stands in the main file only",
            "[log] stands in the main file only",
            "[reload] stands in the main file only",
            "[admin] stands in the main file only",
        ]
    );
    drop(dir);
}

#[test]
fn problems_of_all_files_are_told_at_once() {
    let main = format!("include = [\"*.inc\"]\n[global]\nworkers = 0\n{}", smallest());
    let (_dir, main) =
        directory(&[("main.toml", &main), ("a.inc", "x = 1\n"), ("b.inc", "[[route]\n")]);
    let report = bad(&main);
    let found: Vec<_> =
        report.problems().iter().map(|p| (p.code.name(), p.location.line)).collect();
    assert_eq!(found, [("bad_value", 3), ("unknown_key", 1), ("syntax", 1)]);
    assert_eq!(report.summary(), "3 errors");
}

#[test]
fn what_cannot_be_read_is_one_clear_failure_with_exit_code_2() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let missing = dir.path().join("none.toml");
    let failure = unreadable(&missing);
    assert_eq!(failure.file, missing.display().to_string());
    assert_eq!(failure.help, "create it, or correct the path");
    let failure = unreadable(dir.path());
    assert_eq!(failure.help, "give the path of a TOML file; for all in it: \"DIR/*.toml\"");
    assert_eq!(Failure::Io(failure).exit_code(), 2);
    let main = format!("include = [\"conf.d/*.toml\", \"gone.toml\"]\n{}", smallest());
    let (dir, main) = directory(&[("main.toml", &main)]);
    let gone = dir.path().join("gone.toml");
    let failure = unreadable(&main);
    assert_eq!(failure.file, gone.display().to_string());
    assert!(failure.to_string().starts_with("error: cannot read /"), "{failure}");
}

#[test]
fn a_file_that_is_not_utf8_is_a_problem_with_a_place() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let main = dir.path().join("main.toml");
    fs::write(&main, b"[log]\nlevel = \"inf\xff\"\n").expect("written");
    let report = bad(&main);
    assert_eq!(
        plain(&report),
        "error 2:13-14 syntax: the file is not UTF-8 from here on\n  help: save it as UTF-8\n"
    );
}

#[test]
fn paths_start_at_the_directory_of_the_file() {
    let main = format!("[log]\naccess = {{ to = \"logs/access.log\" }}\n{}", smallest());
    let (dir, main) = directory(&[("etc/main.toml", &main)]);
    let access = good(&main).log.access.expect("there is an access log");
    assert_eq!(access.to, LogTarget::File(dir.path().join("etc/logs/access.log")));
}

#[test]
fn a_body_from_a_file_is_read_beside_the_file_that_names_it_and_watched() {
    let main = format!("include = [\"conf.d/*.toml\"]\n{}", smallest())
        .replace("[[route]]", "[[route]]\nname = \"main\"");
    let page = "[[route]]\nname = \"NAME\"\nhosts = [\"NAME.example\"]\nrespond = { status = 503, body = { file = \"pages/x.html\" } }\n";
    let pages = ["a", "b"].map(|name| page.replace("NAME", name)).concat();
    let (dir, main) = directory(&[
        ("main.toml", &main),
        ("conf.d/a.toml", &pages),
        ("conf.d/pages/x.html", "<p>soon"),
    ]);
    let config = good(&main);
    for route in &config.routes[1..] {
        let Action::Respond(respond) = &route.action else { panic!("{route:?}") };
        assert_eq!((respond.status, &respond.body[..]), (503, &b"<p>soon"[..]));
        assert_eq!(respond.headers[0].1.as_literal(), Some("text/html; charset=utf-8"));
    }
    let files: Vec<_> =
        config.files.iter().map(|f| f.strip_prefix(dir.path()).expect("inside")).collect();
    let expected = ["main.toml", "conf.d/a.toml", "conf.d/pages/x.html"].map(Path::new);
    assert_eq!(files, expected);
}

#[test]
fn an_include_with_a_wrong_type_or_pattern_is_a_problem() {
    let found = plain(&report(&format!("include = \"conf.d/*.toml\"\n{}", smallest())));
    assert_eq!(
        found,
        "error 1:11-26 wrong_type: `include` is an array, not a string\n  help: write include = [\"conf.d/*.toml\"]\n"
    );
    let found = plain(&report(&format!("include = [\"a[.toml\", 5]\n{}", smallest())));
    assert!(found.starts_with("error 1:12-21 bad_value: `a[.toml` is not a pattern"), "{found}");
    assert!(found.contains("error 1:23-24 wrong_type"), "{found}");
}

#[test]
fn an_empty_file_is_told_what_to_write() {
    let found = report("");
    assert_eq!(found.problems().len(), 1, "{found}");
    assert!(found.render(Colour::Never).contains("[[listener]]"));
}

#[test]
fn a_rendered_problem_shows_file_line_caret_and_help() {
    let text = smallest().replace("bind = ", "bnid = ");
    let failure = load_text(&text).expect_err("it is wrong");
    assert_eq!(failure.exit_code(), 1);
    assert_eq!(
        failure.render(Colour::Never),
        "error: unknown key `bnid` in `[[listener]]`
 --> test.toml:2:1
  |
2 | bnid = \"127.0.0.1:8080\"
  | ^^^^
  |
  = help: did you mean `bind`?
"
    );
    assert!(failure.render(Colour::Always).contains("\u{1b}["));
    assert!(!failure.render(Colour::Never).contains('\u{1b}'));
}

#[test]
fn json_names_severity_place_message_and_help() {
    let text = smallest().replace("bind = ", "bnid = ");
    let json = report(&text).to_json();
    assert_eq!(
        json,
        serde_json::json!([{
            "severity": "error",
            "code": "unknown_key",
            "message": "unknown key `bnid` in `[[listener]]`",
            "help": "did you mean `bind`?",
            "file": "test.toml",
            "line": 2,
            "column": 1,
            "end_column": 5,
            "related": [],
        }])
    );
}

#[test]
fn no_text_makes_the_reader_panic() {
    // Every prefix of a rich text, and every text with one byte changed to something that matters.
    let example = include_str!("../../../config/example.toml");
    let reference = include_str!("../../../config/reference.toml");
    let routes = reference.find("[[route]]").unwrap_or_default();
    maul(example, 7, 5);
    maul(&reference[routes..], 151, 499);
}

fn maul(rich: &str, cut_every: usize, change_every: usize) {
    for end in (0..rich.len()).filter(|end| rich.is_char_boundary(*end)).step_by(cut_every) {
        let _ = load_text(&rich[..end]).map_err(|failure| failure.render(Colour::Never));
    }
    for (index, _) in rich.char_indices().step_by(change_every) {
        for byte in ["[", "]", "=", "\"", "\n", "{", "$", "ü", "\0"] {
            let mut text = rich.to_owned();
            let end = index + rich[index..].chars().next().map_or(0, char::len_utf8);
            text.replace_range(index..end, byte);
            let _ = load_text(&text).map_err(|failure| failure.render(Colour::Never));
        }
    }
}

#[test]
fn secrets_come_from_files_or_variables_are_watched_and_never_shown() {
    let text = format!(
        "{}sticky = {{ cookie = \"A\", ttl = \"off\", key = {{ file = \"keys/a\" }} }}\n\
         [[listener]]\nname = \"more\"\nbind = \"127.0.0.1:81\"\n",
        smallest().replace("[[listener]]\n", "[[listener]]\nname = \"http\"\n")
    );
    let (dir, main) = directory(&[("main.toml", &text), ("keys/a", "sixteen bytes or so\r\n")]);
    let config = good(&main);
    assert!(config.files.contains(&dir.path().join("keys/a")), "{:?}", config.files);
    let sticky = config.upstreams["app"].sticky.as_ref().expect("it was written");
    let key = sticky.key.as_ref().expect("a key");
    assert_eq!((key.expose(), sticky.ttl), (&b"sixteen bytes or so"[..], None));
    assert!(!format!("{config:?}").contains("sixteen"));
    let by_variable = text.replace("{ file = \"keys/a\" }", "{ env = \"STICKY\" }");
    fs::write(&main, by_variable).expect("written");
    assert_eq!(good(&main).upstreams["app"].sticky, config.upstreams["app"].sticky);
    for (n, is_right) in [(15, false), (16, true), (4096, true), (4097, false), (9000, false)] {
        fs::write(&main, &text).expect("written");
        fs::write(dir.path().join("keys/a"), "x".repeat(n)).expect("written");
        let loaded = load_with(&Source::File(main.clone()), &env);
        assert_eq!(loaded.is_ok(), is_right, "{n} bytes");
    }
}
