//! Reading the files of a configuration: the main one, what its `include` names, merged into one tree.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::env::Lookup;
use super::item::Item;
use super::reader::Cx;
use super::report::{Code, Draft};
use super::source::{Place, SourceFile};
use super::tree::{self, Entry, Table, Value};
use super::{IoFailure, Source};

/// The most files that one configuration is read from.
const FILES_MAX: usize = 1024;
/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Tables that only the main file has: they are about the process, not about a site.
const MAIN_ONLY: &[&str] = &["include", "global", "admin", "log", "reload"];

/// Reads and merges all files.
///
/// # Errors
/// If a file cannot be read. Problems in what was read are reported to `cx`.
pub(crate) fn read_all(cx: &mut Cx, source: &Source, env: Lookup<'_>) -> Result<Table, IoFailure> {
    let mut root = match source {
        Source::File(path) => read_file(cx, path, env)?,
        Source::Text { name, text } => {
            let dir = std::env::current_dir().unwrap_or_default();
            let file = cx.add_file(SourceFile::new(name.clone(), None, dir, text));
            tree::parse(cx, file, env)
        }
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    if let Some(entry) = root.find("include") {
        let item = Item { cx, key: "include", node: &entry.node, of_array: false };
        for item in item.items().into_iter().flatten() {
            for path in matches(item)? {
                let is_new = !same_file(&path, source) && !paths.contains(&path);
                if is_new {
                    paths.push(path);
                }
            }
        }
    }
    if paths.len() >= FILES_MAX {
        return Err(IoFailure {
            file: cx.file(0).name.clone(),
            message: format!("`include` names {} files", paths.len()),
            help: format!("at most {} are read; check the pattern", FILES_MAX - 1),
        });
    }
    for path in paths {
        let table = read_file(cx, &path, env)?;
        merge(cx, &mut root, table);
    }
    Ok(root)
}

/// The files that one entry of `include` names, in lexical order.
fn matches(item: Item<'_>) -> Result<Vec<PathBuf>, IoFailure> {
    let Some(text) = item.text() else { return Ok(Vec::new()) };
    let literal = item.dir().join(text);
    if !text.contains(['*', '?', '[']) {
        return Ok(vec![literal]);
    }
    // Only what the operator wrote is a pattern, not the directory it is relative to.
    let pattern = match Path::new(text).is_absolute() || item.dir().as_os_str().is_empty() {
        true => text.to_owned(),
        false => {
            let dir = glob::Pattern::escape(&item.dir().to_string_lossy());
            format!("{}/{text}", dir.trim_end_matches('/'))
        }
    };
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let found = match glob::glob_with(&pattern, options) {
        Ok(found) => found,
        Err(error) => {
            item.bad(
                format!("`{text}` is not a pattern: {}", error.msg),
                "accepted: paths with *, ? and [a-z], as in \"conf.d/*.toml\"",
            );
            return Ok(Vec::new());
        }
    };
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|error| {
            let file = error.path().display().to_string();
            IoFailure::read(file, error.error()).named_in(&item.cx.file(0).name)
        })?;
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn same_file(path: &Path, source: &Source) -> bool {
    let Source::File(main) = source else { return false };
    match (fs::canonicalize(path), fs::canonicalize(main)) {
        (Ok(path), Ok(main)) => path == main,
        _ => path == main,
    }
}

fn read_file(cx: &mut Cx, path: &Path, env: Lookup<'_>) -> Result<Table, IoFailure> {
    let name = path.display().to_string();
    let bytes = read_bytes(path).map_err(|error| {
        let failure = IoFailure::read(name.clone(), &error);
        match cx.is_empty() {
            true => failure,
            false => failure.named_in(&cx.file(0).name),
        }
    })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(IoFailure {
            file: name,
            message: "the file is larger than 64 MiB".into(),
            help: "is it a configuration? split it with `include`".into(),
        });
    }
    let valid = std::str::from_utf8(&bytes).map(|_| ()).map_err(|error| error.valid_up_to());
    let text = String::from_utf8_lossy(&bytes);
    let dir = path.parent().unwrap_or(Path::new("")).to_owned();
    let file = cx.add_file(SourceFile::new(name, Some(path.to_owned()), dir, &text));
    match valid {
        Ok(()) => Ok(tree::parse(cx, file, env)),
        Err(start) => {
            let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
            let place = Place { file, start, end };
            let draft = Draft::error(Code::Syntax, place, "the file is not UTF-8 from here on");
            cx.report(draft.help("save it as UTF-8"));
            Ok(Table::default())
        }
    }
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Merges an included file: lists grow, tables of named things grow, anything else is written once.
fn merge(cx: &Cx, into: &mut Table, from: Table) {
    for entry in from.entries {
        if MAIN_ONLY.contains(&entry.key.as_str()) {
            let (message, help) = match entry.key.as_str() {
                "include" => (
                    "an included file cannot include others".to_owned(),
                    "name all files in the main file's `include`".to_owned(),
                ),
                key => (
                    format!("[{key}] stands in the main file only"),
                    format!("move it to {}", cx.file(0).name),
                ),
            };
            cx.report(Draft::error(Code::Misplaced, entry.key_place, message).help(help));
            continue;
        }
        let is_named = ["upstream", "filter"].contains(&entry.key.as_str());
        merge_entry(cx, into, entry, if is_named { 1 } else { usize::MAX });
    }
}

/// Merges tables down to `depth` more levels; below, the same key twice is an error.
fn merge_entry(cx: &Cx, into: &mut Table, entry: Entry, depth: usize) {
    let Some(existing) = into.find_mut(&entry.key) else {
        into.entries.push(entry);
        return;
    };
    let first = existing.key_place;
    match (&mut existing.node.value, entry.node.value) {
        (Value::Array(into), Value::Array(from))
            if is_list_of_tables(into) && is_list_of_tables(&from) =>
        {
            into.extend(from);
        }
        (Value::Table(into), Value::Table(from)) if depth > 0 => {
            for entry in from.entries {
                merge_entry(cx, into, entry, depth - 1);
            }
        }
        _ => {
            let message = format!("`{}` is defined twice", entry.key);
            let draft = Draft::error(Code::Duplicate, entry.key_place, message);
            cx.report(draft.related(first, "first defined here").help("keep one of the two"));
        }
    }
}

fn is_list_of_tables(items: &[tree::Node]) -> bool {
    items.iter().all(|item| matches!(item.value, Value::Table(_)))
}
