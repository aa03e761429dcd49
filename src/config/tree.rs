//! TOML text as a tree of values with their places: syntax problems are reported, environment variables
//! are replaced. What the values mean is the sections' work.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::env::{self, Fault, Lookup};
use super::reader::Cx;
use super::report::{Code, Draft};
use super::source::{Place, SourceFile};
use super::syntax;

/// A value and where it stands. A table under a `[header]` stands at its header.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A string after replacement; `replaced` if the environment had a part in it.
    String { text: String, replaced: bool },
    /// An integer; `None` if it does not fit.
    Integer(Option<i64>),
    /// A float.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time, which no key takes.
    Datetime,
    /// An array, or an array of tables.
    Array(Vec<Node>),
    /// A table.
    Table(Table),
    /// A string whose variables could not be replaced, a value that is never closed. That is reported; nobody
    /// says more about it.
    Faulty,
}

/// A table, its entries in the order of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Written as `[header]`: the keys after it belong to it, which surprises people.
    pub(crate) header: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

impl Table {
    /// The entry of `key`.
    pub(crate) fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry of `key`, to merge into.
    pub(crate) fn find_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }
}

impl Value {
    /// What it is called in messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::String { .. } => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime => "a date",
            Value::Array(items) if items.iter().any(Node::is_header) => "an array of tables",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
            Value::Faulty => "a string",
        }
    }
}

impl Node {
    fn is_header(&self) -> bool {
        matches!(&self.value, Value::Table(table) if table.header)
    }
}

/// Parses the file with index `file`. Whatever can be understood of a text with syntax errors is returned,
/// the errors are reported.
pub(crate) fn parse(cx: &Cx, file: usize, env: Lookup<'_>) -> Table {
    let source = cx.file(file);
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    let open = syntax::report(cx, file, &errors);
    let builder = Builder { cx, file, source, env, open };
    builder.table(root.get_ref(), false)
}

struct Builder<'a> {
    cx: &'a Cx,
    file: usize,
    source: &'a SourceFile,
    env: Lookup<'a>,
    /// The start of a value that is never closed.
    open: Option<usize>,
}

impl Builder<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file, start: span.start, end: span.end }
    }

    /// Whether it stands in front of what is never closed.
    fn is_sound(&self, span: Range<usize>) -> bool {
        self.open.is_none_or(|open| span.start <= open)
    }

    fn table(&self, table: &DeTable<'_>, header: bool) -> Table {
        let mut entries: Vec<Entry> = table
            .iter()
            .filter(|(key, _)| self.is_sound(key.span()))
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_place: self.place(key.span()),
                node: self.node(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_place);
        Table { entries, header }
    }

    fn node(&self, spanned: &Spanned<DeValue<'_>>) -> Node {
        let place = self.place(spanned.span());
        if self.open == Some(place.start) {
            return Node { place, value: Value::Faulty };
        }
        let value = match spanned.get_ref() {
            DeValue::String(text) => self.string(text, place),
            DeValue::Integer(integer) => {
                Value::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).ok())
            }
            DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(items) => Value::Array(
                items
                    .iter()
                    .filter(|it| self.is_sound(it.span()))
                    .map(|it| self.node(it))
                    .collect(),
            ),
            DeValue::Table(table) => {
                let header = self.source.text[place.start..].starts_with('[');
                Value::Table(self.table(table, header))
            }
        };
        Node { place, value }
    }

    fn string(&self, text: &str, place: Place) -> Value {
        if !text.contains('$') {
            return Value::String { text: text.to_owned(), replaced: false };
        }
        let expanded = env::expand(text, self.env);
        let is_faulty = !expanded.faults.is_empty();
        for fault in expanded.faults {
            let (name, message, help) = match fault {
                Fault::Unset(name) => (
                    name.clone(),
                    format!("the environment variable `{name}` is not set"),
                    format!("set it, or give a default: `${{{name}:-default}}`"),
                ),
                Fault::Malformed(name) => (
                    name.clone(),
                    format!("`${{{name}` starts a variable that does not end as one"),
                    format!(
                        "write `${{{name}}}` or `${{{name}:-default}}`; a dollar sign itself is `$$`"
                    ),
                ),
            };
            let place = self.variable_place(&name, place);
            self.cx.report(Draft::error(Code::Environment, place, message).help(help));
        }
        match is_faulty {
            true => Value::Faulty,
            false => Value::String { text: expanded.text, replaced: expanded.replaced },
        }
    }

    /// Where `${NAME` stands in the string at `place`; the whole string if escapes hide it.
    fn variable_place(&self, name: &str, place: Place) -> Place {
        let raw = &self.source.text[place.start..place.end];
        let opening = format!("${{{name}");
        let Some(at) = raw.find(&opening) else { return place };
        let start = place.start + at;
        let tail = &raw[at + opening.len()..];
        let end = start + opening.len() + tail.find('}').map_or(0, |brace| brace + 1);
        Place { start, end, ..place }
    }
}
