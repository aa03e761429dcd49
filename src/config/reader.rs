//! Reading a tree without ever stopping: a [`Section`] is a table whose keys are known, an [`Item`] one value
//! with the key it was written under. Whatever is wrong becomes a report and `None`, and reading goes on.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::report::{Code, Draft, Report, Severity};
use super::shapes::Shape;
use super::source::{Place, SourceFile};
use super::tree::{Node, Table, Value};
use super::units::{self, parse_duration, parse_size, show_duration, show_size};
use super::unknown;

/// What a load has read and found so far.
#[derive(Default)]
pub(crate) struct Cx {
    files: Vec<Arc<SourceFile>>,
    drafts: RefCell<Vec<Draft>>,
}

impl Cx {
    /// Takes a file in; returns its index.
    pub(crate) fn add_file(&mut self, file: SourceFile) -> usize {
        self.files.push(Arc::new(file));
        self.files.len() - 1
    }

    /// No file was read yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(crate) fn file(&self, index: usize) -> &SourceFile {
        &self.files[index]
    }

    /// The files that were read from disk, in reading order.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().filter_map(|file| file.path.clone()).collect()
    }

    pub(crate) fn report(&self, draft: Draft) {
        self.drafts.borrow_mut().push(draft);
    }

    /// `path` as written at `place`: relative ones start at the directory of the file that names them.
    pub(crate) fn resolve(&self, path: &str, place: Place) -> PathBuf {
        let joined = self.file(place.file).dir.join(path);
        std::path::absolute(&joined).unwrap_or(joined)
    }

    /// All that was found. Where a text has syntax errors, what they may have caused themselves is left out.
    pub(crate) fn into_report(self) -> Report {
        let mut drafts = self.drafts.into_inner();
        let line = |place: Place| {
            let file = &self.files[place.file];
            (place.file, file.line_start(file.boundary(place.start)))
        };
        let syntax = |draft: &Draft| draft.code == Code::Syntax;
        let broken: Vec<_> = drafts.iter().filter(|d| syntax(d)).map(|d| line(d.place)).collect();
        if !broken.is_empty() {
            let caused = |draft: &Draft| {
                draft.severity == Severity::Warning
                    || matches!(draft.code, Code::Missing | Code::UnknownName)
                    || draft.place.start == draft.place.end
                    || broken.contains(&line(draft.place))
            };
            drafts.retain(|draft| syntax(draft) || !caused(draft));
        }
        Report::new(drafts, self.files)
    }
}

/// A table and what may stand in it.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) table: &'a Table,
    pub(crate) shape: &'static Shape,
    /// Where to say that something is missing from it.
    pub(crate) place: Place,
    /// What messages call it: `[upstream.app]`.
    pub(crate) title: String,
    /// The tables around it, the nearest last.
    pub(crate) parents: Vec<(&'static Shape, String)>,
}

impl<'a> Section<'a> {
    /// The whole text. Its keys are not checked here but where it is read.
    pub(crate) fn root(cx: &'a Cx, table: &'a Table, shape: &'static Shape) -> Self {
        let place = Place { file: 0, start: 0, end: 0 };
        let title = "the top level".to_owned();
        let section = Section { cx, table, shape, place, title, parents: Vec::new() };
        unknown::check_keys(&section);
        section
    }

    /// The table `node`, which belongs to this one; every key that does not belong in it is reported.
    pub(crate) fn open(
        &self,
        node: &'a Node,
        shape: &'static Shape,
        title: String,
    ) -> Option<Section<'a>> {
        let Value::Table(table) = &node.value else {
            if matches!(node.value, Value::Faulty) {
                return None;
            }
            let example = shape.example;
            self.cx.report(
                Draft::error(
                    Code::WrongType,
                    node.place,
                    format!("{title} is a table, not {}", node.value.kind()),
                )
                .help(format!("write {example}")),
            );
            return None;
        };
        let mut parents = self.parents.clone();
        parents.push((self.shape, self.title.clone()));
        let section = Section { cx: self.cx, table, shape, place: node.place, title, parents };
        unknown::check_keys(&section);
        Some(section)
    }

    /// The table under `key`, if it was written.
    pub(crate) fn child(&self, key: &str, shape: &'static Shape) -> Option<Section<'a>> {
        let item = self.item(key)?;
        let is_header = matches!(&item.node.value, Value::Table(table) if table.header);
        let title = if is_header { format!("`[{}]`", shape.name) } else { format!("`{key}`") };
        self.open(item.node, shape, title)
    }

    /// The value under `key`, if it was written.
    pub(crate) fn item(&self, key: &str) -> Option<Item<'a>> {
        debug_assert!(
            self.shape.keys.contains(&key),
            "{key} is not in the shape {}",
            self.shape.name
        );
        let entry = self.table.find(key)?;
        Some(Item { cx: self.cx, key: &entry.key, node: &entry.node, of_array: false })
    }

    /// The value under `key` through `read`; `None` if it was not written or is wrong (which is reported).
    pub(crate) fn read<T>(&self, key: &str, read: impl FnOnce(Item<'a>) -> Option<T>) -> Option<T> {
        self.item(key).and_then(read)
    }

    /// Reports that `key` is missing.
    pub(crate) fn missing(&self, key: &str, help: impl Into<String>) {
        let is_near = |near: &str| {
            !self.shape.keys.contains(&near) && unknown::closest(near, [key].into_iter()).is_some()
        };
        if self.table.entries.iter().any(|entry| is_near(&entry.key)) {
            return; // Told already: did you mean it?
        }
        let message = format!("{} has no `{key}`", self.title);
        self.cx.report(Draft::error(Code::Missing, self.place, message).help(help));
    }
}

/// A value and the key it was written under.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) key: &'a str,
    pub(crate) node: &'a Node,
    /// It is one of several in an array under that key.
    pub(crate) of_array: bool,
}

impl<'a> Item<'a> {
    pub(crate) fn place(self) -> Place {
        self.node.place
    }

    /// What messages call it.
    fn subject(self) -> String {
        match self.of_array {
            true => format!("an entry of `{}`", self.key),
            false => format!("`{}`", self.key),
        }
    }

    /// How to write `value` in its place.
    fn write(self, value: impl std::fmt::Display) -> String {
        match self.of_array {
            true => format!("write {value}"),
            false => format!("write {} = {value}", self.key),
        }
    }

    /// Reports a value that is not accepted.
    pub(crate) fn bad(self, message: impl Into<String>, help: impl Into<String>) {
        if matches!(self.node.value, Value::Faulty) {
            return;
        }
        self.cx.report(Draft::error(Code::BadValue, self.node.place, message).help(help));
    }

    /// Reports a value that a later version will accept.
    pub(crate) fn not_built(self, what: &str, help: impl Into<String>) {
        let message = format!("{what} is known but not built yet in this version");
        self.cx.report(Draft::error(Code::NotBuilt, self.node.place, message).help(help));
    }

    /// Reports a value of the wrong type.
    pub(crate) fn wrong_type(self, expected: &str, help: impl Into<String>) {
        if matches!(self.node.value, Value::Faulty) {
            return;
        }
        let message = format!("{} is {expected}, not {}", self.subject(), self.node.value.kind());
        self.cx.report(Draft::error(Code::WrongType, self.node.place, message).help(help));
    }

    /// A string.
    pub(crate) fn text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::String { text, .. } => Some(text),
            Value::Integer(Some(number)) => {
                self.wrong_type("a string", self.write(format!("\"{number}\"")));
                None
            }
            _ => {
                self.wrong_type("a string", self.write("\"…\""));
                None
            }
        }
    }

    /// The text, if it is one; nothing is reported otherwise.
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::String { text, .. } => Some(text),
            _ => None,
        }
    }

    /// `true` or `false`; in quotes only where the environment put it there.
    pub(crate) fn boolean(self) -> Option<bool> {
        let key = self.key;
        let meant = match &self.node.value {
            Value::Boolean(boolean) => return Some(*boolean),
            Value::String { text, replaced } => match (text.as_str(), replaced) {
                ("true", true) => return Some(true),
                ("false", true) => return Some(false),
                ("true" | "yes" | "on", _) => "true",
                ("false" | "no" | "off", _) => "false",
                _ => "true or false",
            },
            _ => "true or false",
        };
        self.wrong_type("true or false", format!("write {key} = {meant}"));
        None
    }

    /// A whole number in `range`; in quotes only where the environment put it there.
    pub(crate) fn integer(self, range: RangeInclusive<u64>) -> Option<u64> {
        let accepted = format!("accepted: {} to {}", range.start(), range.end());
        self.integer_of(range, accepted)
    }

    fn integer_of(self, range: RangeInclusive<u64>, accepted: String) -> Option<u64> {
        let number = match &self.node.value {
            Value::Integer(number) => *number,
            Value::String { text, replaced } => match (text.parse::<i64>(), replaced) {
                (Ok(number), true) => Some(number),
                (Ok(number), false) => {
                    self.wrong_type("an integer", format!("write {} = {number}", self.key));
                    return None;
                }
                (Err(_), _) => {
                    self.bad(format!("`{text}` is not a whole number"), accepted);
                    return None;
                }
            },
            _ => {
                self.wrong_type("an integer", accepted);
                return None;
            }
        };
        let number = number.and_then(|number| u64::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.bad(format!("`{}` is out of range", self.key), accepted);
        }
        number
    }

    /// As [`Item::integer`], or `"off"` (or another `word` for none), which is `None`.
    pub(crate) fn integer_or(self, word: &str, range: RangeInclusive<u64>) -> Option<Option<u64>> {
        let accepted = format!("accepted: \"{word}\" or {} to {}", range.start(), range.end());
        match self.as_text() {
            Some(text) if text == word => Some(None),
            Some(text) if text.parse::<i64>().is_err() => {
                self.bad(format!("`{text}` is neither \"{word}\" nor a whole number"), accepted);
                None
            }
            _ => self.integer_of(range, accepted).map(Some),
        }
    }

    /// A number from 0 to 1.
    pub(crate) fn share(self) -> Option<f64> {
        let share = match &self.node.value {
            Value::Float(share) => *share,
            #[allow(clippy::cast_precision_loss, reason = "only 0 and 1 are accepted")]
            Value::Integer(Some(number)) => *number as f64,
            Value::String { text, replaced: true } => text.parse().unwrap_or(f64::NAN),
            _ => {
                self.wrong_type("a number", "accepted: 0.0 to 1.0");
                return None;
            }
        };
        if !(0.0..=1.0).contains(&share) {
            self.bad(
                format!("`{}` is out of range", self.key),
                "accepted: 0.0 (none) to 1.0 (all)",
            );
            return None;
        }
        Some(share)
    }

    /// A duration of up to a year, zero included.
    pub(crate) fn duration(self) -> Option<Duration> {
        let key = self.key;
        let text = match &self.node.value {
            Value::String { text, .. } => text,
            Value::Integer(Some(number)) => {
                let help = format!("write {key} = \"{number}s\" or \"{number}ms\"");
                self.cx.report(
                    Draft::error(
                        Code::WrongType,
                        self.node.place,
                        format!("`{key}` is a duration and needs a unit"),
                    )
                    .help(help),
                );
                return None;
            }
            _ => {
                self.wrong_type("a duration", format!("write {key} = \"30s\""));
                return None;
            }
        };
        match parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(why) => {
                let help = match (why, text.trim().parse::<u32>()) {
                    (_, Ok(number)) => format!("write {key} = \"{number}s\" or \"{number}ms\""),
                    _ => "accepted: whole numbers with ms, s, m, h or d, as in \"250ms\", \"5s\", \"1m30s\""
                        .into(),
                };
                self.bad(format!("the duration `{text}` {why}"), help);
                None
            }
        }
    }

    /// A duration of at least 1 ms, or `"off"`, which is `None`.
    pub(crate) fn duration_or_off(self) -> Option<Option<Duration>> {
        if self.is_off()? {
            return Some(None);
        }
        let duration = self.duration()?;
        if duration.is_zero() {
            self.bad(
                format!("`{}` cannot be zero", self.key),
                format!("\"off\" switches it off: {} = \"off\"", self.key),
            );
            return None;
        }
        debug_assert!(duration <= units::DURATION_MAX, "{}", show_duration(duration));
        Some(Some(duration))
    }

    /// Whether it is `"off"`; a `false` that means it is reported.
    fn is_off(self) -> Option<bool> {
        match &self.node.value {
            Value::String { text, .. } => Some(text == "off"),
            Value::Boolean(false) => {
                self.wrong_type("a string", format!("write {} = \"off\"", self.key));
                None
            }
            _ => Some(false),
        }
    }

    /// A size in `range`, in bytes.
    pub(crate) fn size(self, range: RangeInclusive<u64>) -> Option<u64> {
        let key = self.key;
        let accepted = format!(
            "accepted: \"{}\" to \"{}\"",
            show_size(*range.start()),
            show_size(*range.end())
        );
        let text = match &self.node.value {
            Value::String { text, .. } => text,
            Value::Integer(Some(number)) => {
                let guess = match number {
                    n if *n >= 1024 && n % 1024 == 0 => show_size(n.unsigned_abs()),
                    n => format!("{n}B"),
                };
                let message = format!("`{key}` is a size and needs a unit");
                self.cx.report(
                    Draft::error(Code::WrongType, self.node.place, message)
                        .help(format!("write {key} = \"{guess}\"")),
                );
                return None;
            }
            _ => {
                self.wrong_type("a size", format!("write {key} = \"32KiB\"; {accepted}"));
                return None;
            }
        };
        match parse_size(text) {
            Ok(bytes) if range.contains(&bytes) => Some(bytes),
            Ok(_) => {
                self.bad(format!("`{key}` is out of range"), accepted);
                None
            }
            Err(why) => {
                let help =
                    "accepted: a whole number with B, KiB, MiB, GiB, KB, MB or GB, as in \"32KiB\"";
                self.bad(format!("the size `{text}` {why}"), help);
                None
            }
        }
    }

    /// As [`Item::size`], or `"off"`, which is `None`.
    pub(crate) fn size_or_off(self, range: RangeInclusive<u64>) -> Option<Option<u64>> {
        if self.is_off()? { Some(None) } else { self.size(range).map(Some) }
    }

    /// One of `words`.
    pub(crate) fn word<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = match self.as_text() {
            Some(text) => text,
            None => {
                self.wrong_type("a string", format!("accepted: {}", quoted(&names)));
                return None;
            }
        };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let meant = unknown::closest(text, names.iter().copied());
            let help = match meant {
                Some(meant) => format!("did you mean \"{meant}\"? accepted: {}", quoted(&names)),
                None => format!("accepted: {}", quoted(&names)),
            };
            self.bad(format!("`{}` cannot be `{text}`", self.key), help);
        }
        found.map(|(_, value)| *value)
    }

    /// The items of an array.
    pub(crate) fn items(self) -> Option<impl Iterator<Item = Item<'a>>> {
        let Value::Array(items) = &self.node.value else {
            let help = match self.as_text() {
                Some(text) => format!("write {} = [\"{text}\"]", self.key),
                None => format!("write {} = [\"…\"]", self.key),
            };
            self.wrong_type("an array", help);
            return None;
        };
        Some(items.iter().map(move |node| Item { node, of_array: true, ..self }))
    }

    /// The items of an array, or the one value that stands for an array of one.
    pub(crate) fn one_or_more(self) -> Vec<Item<'a>> {
        match &self.node.value {
            Value::Array(items) => {
                items.iter().map(|node| Item { node, of_array: true, ..self }).collect()
            }
            _ => vec![self],
        }
    }

    /// The directory of the file it stands in.
    pub(crate) fn dir(self) -> &'a Path {
        &self.cx.file(self.node.place.file).dir
    }
}

/// A text in backticks, or quotes if there is nothing in it to see.
pub(crate) fn shown(text: &str) -> String {
    match text {
        "" => "\"\"".to_owned(),
        _ => format!("`{}`", text.escape_debug()),
    }
}

/// `"a", "b", "c"`, for help lines.
pub(crate) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
