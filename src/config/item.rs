//! Reading one value: an [`Item`] knows the key it was written under, so that what is wrong with it can be told
//! with the fix. Every reader reports and returns `None`; nobody stops.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::reader::Cx;
use super::report::{Code, Draft};
use super::source::Place;
use super::tree::{Entry, Node, Value};
use super::units::{parse_duration, parse_size, show_duration, show_size};
use super::unknown;

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
        self.bad_at(self.node.place, message, help);
    }

    /// As [`Item::bad`], where a part of the value stands.
    pub(crate) fn bad_at(self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.cx.report(Draft::error(Code::BadValue, place, message).help(help));
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
    pub(crate) fn integer<T: TryFrom<i64>>(self, range: RangeInclusive<i64>) -> Option<T> {
        let accepted = format!("accepted: {} to {}", range.start(), range.end());
        self.integer_of(range, accepted)
    }

    fn integer_of<T: TryFrom<i64>>(
        self,
        range: RangeInclusive<i64>,
        accepted: String,
    ) -> Option<T> {
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
        let number = number.filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.bad(format!("`{}` is out of range", self.key), accepted);
        }
        number
    }

    /// As [`Item::integer`], or `"off"` (or another `word` for none), which is `None`.
    pub(crate) fn integer_or<T: TryFrom<i64>>(
        self,
        word: &str,
        range: RangeInclusive<i64>,
    ) -> Option<Option<T>> {
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
        let accepted = "accepted: 0.0 (none) to 1.0 (all)";
        self.number(accepted, |share| (0.0..=1.0).contains(&share))
    }

    /// A number that is `good`; in quotes only where the environment put it there.
    pub(crate) fn number(self, accepted: &str, good: impl Fn(f64) -> bool) -> Option<f64> {
        let number = match &self.node.value {
            Value::Float(number) => *number,
            #[allow(clippy::cast_precision_loss, reason = "only small ones are accepted")]
            Value::Integer(Some(number)) => *number as f64,
            Value::String { text, replaced: true } => text.parse().unwrap_or(f64::NAN),
            _ => {
                self.wrong_type("a number", accepted);
                return None;
            }
        };
        if !good(number) {
            self.bad(format!("`{}` is out of range", self.key), accepted);
            return None;
        }
        Some(number)
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
        Some(Some(duration))
    }

    /// A duration in `range`.
    pub(crate) fn duration_in(self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let duration = self.duration()?;
        if !range.contains(&duration) {
            let (first, last) = (show_duration(*range.start()), show_duration(*range.end()));
            let accepted = format!("accepted: \"{first}\" to \"{last}\"");
            self.bad(format!("`{}` is out of range", self.key), accepted);
            return None;
        }
        Some(duration)
    }

    /// As [`Item::number`], or `"off"`, which is `None`.
    pub(crate) fn number_or_off(
        self,
        accepted: &str,
        good: impl Fn(f64) -> bool,
    ) -> Option<Option<f64>> {
        if self.is_off()? { Some(None) } else { self.number(accepted, good).map(Some) }
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

    /// The items of an array that has 1 to `max` of them; `help` says more about what is accepted.
    pub(crate) fn list(self, max: usize, help: &str) -> Option<Vec<Item<'a>>> {
        let items: Vec<_> = self.items()?.collect();
        if items.is_empty() || items.len() > max {
            let help = format!("accepted: 1 to {max}{help}");
            self.bad(format!("`{}` has {} entries", self.key, items.len()), help);
            return None;
        }
        Some(items)
    }

    /// The entries, 1 to `max`, of a table whose keys are the operator's; `example` is such a table.
    pub(crate) fn entries(self, max: usize, example: &str) -> Option<Vec<(&'a Entry, Item<'a>)>> {
        let Value::Table(table) = &self.node.value else {
            self.wrong_type("a table", self.write(example));
            return None;
        };
        let n_entries = table.entries.len();
        if n_entries > max {
            let help = format!("accepted: up to {max}");
            self.bad(format!("`{}` has {n_entries} entries", self.key), help);
            return None;
        }
        let item = |entry: &'a Entry| Item { key: &entry.key, node: &entry.node, ..self };
        Some(table.entries.iter().map(|entry| (entry, item(entry))).collect())
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
