//! The house keeps itself tidy: imports go downward only, files stay small, and nothing is left undone.
//! What the storeys are for stands in `src/lib.rs`; this test holds the source to it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms on each storey, from the ground up. A room imports itself, lower storeys, and what
/// [`WITHIN`] allows.
const STOREYS: &[&[&str]] = &[
    &["error", "clock", "rng", "hash", "metrics", "certificate"],
    &["config"],
    &["message", "http1", "route", "filter", "balance", "backend"],
    &["log", "net", "tls", "http2", "pool", "relay", "probe", "discovery"],
    &["snapshot", "admit"],
    &["proxy", "control"],
    &["server"],
    &["cli"],
];

/// Arrows inside a storey: (from, to).
const WITHIN: &[(&str, &str)] = &[
    ("metrics", "error"),
    ("metrics", "clock"),
    ("rng", "hash"),
    ("hash", "rng"),
    ("http1", "message"),
    ("route", "message"),
    ("admit", "snapshot"),
    ("filter", "message"),
    ("filter", "route"),
    // Its tests read heads as the codec does.
    ("filter", "http1"),
    ("balance", "backend"),
    ("balance", "message"),
    ("http2", "net"),
    ("pool", "http2"),
    ("pool", "net"),
    ("probe", "http2"),
    ("relay", "net"),
    ("relay", "pool"),
    ("probe", "net"),
    ("discovery", "net"),
];

/// Lines a file may have.
const LINES_MAX: usize = 500;

/// One source file under `src`.
struct SourceFile {
    /// Relative to `src`.
    path: PathBuf,
    text: String,
}

impl SourceFile {
    /// The room it belongs to: its first directory, or its own name at the top.
    fn room(&self) -> String {
        let first = self.path.iter().next().expect("a path has a first part").to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }
}

fn source_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("src can be listed") {
            let path = entry.expect("src can be listed").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                let path = path.strip_prefix(&root).expect("it is below src").to_owned();
                files.push(SourceFile { path, text });
            }
        }
    }
    assert!(files.len() > 10, "only {} source files were found", files.len());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The text without comments and without what stands in string literals, line breaks kept.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '/' if rest.peek() == Some(&'/') => {
                while rest.peek().is_some_and(|&next| next != '\n') {
                    rest.next();
                }
            }
            '"' => {
                code.push('"');
                while let Some(inside) = rest.next() {
                    match inside {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        '\n' => code.push('\n'),
                        _ => {}
                    }
                }
                code.push('"');
            }
            // A quote as a character literal would open a string.
            '\'' if rest.peek() == Some(&'"') => drop(rest.next()),
            '\'' if rest.peek() == Some(&'\\') => drop((rest.next(), rest.next())),
            _ => code.push(character),
        }
    }
    code
}

/// The rooms that `code` names after `crate::`, each with its line, grouped imports included.
fn rooms_named(code: &str) -> Vec<(usize, String)> {
    let mut rooms = Vec::new();
    for (position, marker) in code.match_indices("crate::") {
        if code[..position].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let line = 1 + code[..position].matches('\n').count();
        let path = &code[position + marker.len()..];
        match path.strip_prefix('{') {
            None => rooms.push((line, first_name(path))),
            Some(group) => rooms.extend(members(group).map(|member| (line, first_name(member)))),
        }
    }
    rooms.retain(|(_, room)| room.starts_with(|first: char| first.is_ascii_lowercase()));
    rooms
}

/// The top-level members of `a, b::{c, d}}…`, up to the closing brace.
fn members(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 1;
    let mut starts = vec![0];
    let mut end = group.len();
    for (position, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => starts.push(position + 1),
            _ => {}
        }
        if depth == 0 {
            end = position;
            break;
        }
    }
    starts.into_iter().map(move |start| &group[start..end])
}

fn first_name(path: &str) -> String {
    let is_name = |character: &char| character.is_alphanumeric() || *character == '_';
    path.trim_start().chars().take_while(is_name).collect()
}

fn storey(room: &str) -> Option<usize> {
    STOREYS.iter().position(|rooms| rooms.contains(&room))
}

/// Whether the room `from` may import the room `to`.
fn may_import(from: &str, to: &str) -> bool {
    match (storey(from), storey(to)) {
        (Some(from_storey), Some(to_storey)) => {
            from == to || to_storey < from_storey || WITHIN.contains(&(from, to))
        }
        _ => false,
    }
}

#[test]
fn imports_go_downward_only() {
    let mut arrows = String::new();
    for file in source_files() {
        let room = file.room();
        if room == "lib" || room == "main" {
            continue;
        }
        assert!(
            storey(&room).is_some(),
            "src/{}: the room `{room}` is on no storey: add it to STOREYS and to src/lib.rs",
            file.path.display()
        );
        for (line, target) in rooms_named(&code_of(&file.text)) {
            if !may_import(&room, &target) {
                let path = file.path.display();
                writeln!(arrows, "src/{path}:{line}: `{room}` may not import `{target}`")
                    .expect("String");
            }
        }
    }
    assert!(arrows.is_empty(), "arrows that do not go downward:\n{arrows}");
}

#[test]
fn files_are_short_begin_with_their_purpose_and_leave_nothing_undone() {
    let mut faults = String::new();
    for file in source_files() {
        let path = file.path.display();
        let n_lines = file.text.lines().count();
        if n_lines > LINES_MAX {
            writeln!(faults, "src/{path}: {n_lines} lines, {LINES_MAX} allowed: two rooms?")
                .expect("String");
        }
        if !file.text.starts_with("//! ") {
            writeln!(faults, "src/{path}: the first line must say what it is for: `//! …`")
                .expect("String");
        }
        let code = code_of(&file.text);
        for unwanted in ["todo!", "unimplemented!", "dbg!", "unsafe ", ".unwrap()"] {
            if let Some(position) = code.find(unwanted) {
                let line = 1 + code[..position].matches('\n').count();
                writeln!(faults, "src/{path}:{line}: `{}` has no place here", unwanted.trim())
                    .expect("String");
            }
        }
    }
    assert!(faults.is_empty(), "untidy:\n{faults}");
}

#[test]
fn tests_keep_to_the_same_length() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    let mut n_files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("tests can be listed") {
            let path = entry.expect("tests can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let n_lines = fs::read_to_string(&path).expect("UTF-8").lines().count();
                assert!(n_lines <= LINES_MAX, "{}: {n_lines} lines", path.display());
                n_files += 1;
            }
        }
    }
    assert!(n_files > 10, "only {n_files} files were found");
}

#[test]
fn main_stays_under_80_lines() {
    let main = source_files().into_iter().find(|file| file.path == Path::new("main.rs"));
    assert!(main.expect("src/main.rs").text.lines().count() < 80);
}

#[test]
fn this_test_sees_upward_arrows_however_they_are_written() {
    let text = r#"
use crate::config::{Bind, Source};
use crate::{error::Reason, snapshot::{self, Policy}, hash};
// use crate::cli::nothing;
const X: &str = "crate::cli::nothing";
const Q: char = '"';
fn f() -> crate::server::Daemon {}
macro_rules! m { () => { $crate::Thing } }
"#;
    let rooms: Vec<_> = rooms_named(&code_of(text)).into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, ["config", "error", "snapshot", "hash", "server"]);
    assert_eq!(rooms_named(&code_of(text))[0].0, 2);
    assert!(may_import("route", "config") && may_import("cli", "server"));
    assert!(!may_import("config", "route") && !may_import("control", "proxy"));
    assert!(!may_import("proxy", "control") && !may_import("log", "nowhere"));
}
