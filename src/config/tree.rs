//! TOML text as a tree of values with their places: syntax problems are reported, environment variables
//! are replaced. What the values mean is the sections' work.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::env::{self, Fault, Lookup};
use super::reader::Cx;
use super::report::{Code, Draft};
use super::source::{Place, SourceFile};

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
    /// A string whose variables could not be replaced. That is reported; nobody says more about it.
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
    for error in &errors {
        report_syntax(cx, source, file, error);
    }
    let builder = Builder { cx, file, source, env };
    builder.table(root.get_ref(), false)
}

struct Builder<'a> {
    cx: &'a Cx,
    file: usize,
    source: &'a SourceFile,
    env: Lookup<'a>,
}

impl Builder<'_> {
    fn place(&self, span: std::ops::Range<usize>) -> Place {
        Place { file: self.file, start: span.start, end: span.end }
    }

    fn table(&self, table: &DeTable<'_>, header: bool) -> Table {
        let mut entries: Vec<Entry> = table
            .iter()
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
        let value = match spanned.get_ref() {
            DeValue::String(text) => self.string(text, place),
            DeValue::Integer(integer) => {
                Value::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).ok())
            }
            DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(items) => {
                Value::Array(items.iter().map(|item| self.node(item)).collect())
            }
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

fn report_syntax(cx: &Cx, source: &SourceFile, file: usize, error: &toml::de::Error) {
    let span = error.span().unwrap_or(0..0);
    let place = Place { file, start: span.start, end: span.end };
    let message = error.message();
    if message == "duplicate key" {
        return cx.report(duplicate(source, place));
    }
    let word = source.text.get(span).unwrap_or_default();
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    if is_word && (message.contains("must be quoted") || message.starts_with("invalid float")) {
        let draft = Draft::error(Code::Syntax, place, format!("`{word}` is not a value"));
        return cx.report(draft.help(format!("strings stand in double quotes: \"{word}\"")));
    }
    let draft = Draft::error(Code::Syntax, place, message.to_owned());
    cx.report(match syntax_help(message) {
        Some(help) => draft.help(help),
        None => draft,
    });
}

fn duplicate(source: &SourceFile, place: Place) -> Draft {
    let key = source.text.get(place.start..place.end).unwrap_or_default();
    let draft = Draft::error(Code::Duplicate, place, format!("`{key}` is defined twice"));
    let line_start = source.line_start(place.start);
    let is_header = source.text[line_start..].trim_start().starts_with('[');
    let draft = match (is_header, key) {
        (true, "listener" | "route" | "test") => draft.help(format!(
            "there can be several, each as [[{key}]]; a [{key}.…] stands below the [[{key}]] it belongs to"
        )),
        _ => draft.help("keep one of the two"),
    };
    let first = match is_header {
        true => earlier_header(source, line_start, place),
        false => earlier_key(source, line_start, place),
    };
    match first {
        Some(start) => {
            let end = start + key.len();
            draft.related(Place { start, end, ..place }, "first defined here")
        }
        None => draft,
    }
}

/// The parser does not tell where the first of two equal keys stands: look for a header above with the same path.
fn earlier_header(source: &SourceFile, line_start: usize, place: Place) -> Option<usize> {
    let path = source.text[line_start..place.end].trim_start().trim_start_matches('[');
    let key_bytes = place.end - place.start;
    let mut offset = line_start;
    for line in source.text[..line_start].split_inclusive('\n').rev() {
        offset -= line.len();
        let inner = line.trim_start().trim_start_matches('[');
        let is_header = line.trim_start().starts_with('[');
        let Some(after) = inner.strip_prefix(path).filter(|_| is_header) else { continue };
        if after.trim_start().starts_with([']', '.']) {
            return Some(offset + (line.len() - after.len()) - key_bytes);
        }
    }
    None
}

/// As [`earlier_header`], for a key: on the same line, or on one above down from the table's header.
fn earlier_key(source: &SourceFile, line_start: usize, place: Place) -> Option<usize> {
    let key = &source.text[place.start..place.end];
    let before = &source.text[line_start..place.start];
    if let Some(at) = earlier_on_the_line(before, key) {
        return Some(line_start + at);
    }
    let path = source.text[line_start..place.end].trim_start();
    let mut offset = line_start;
    for line in source.text[..line_start].split_inclusive('\n').rev() {
        offset -= line.len();
        let text = line.trim_start();
        if text.starts_with('[') {
            return None;
        }
        let Some(after) = text.strip_prefix(path) else { continue };
        if after.trim_start().starts_with(['=', '.']) {
            return Some(offset + (line.len() - after.len()) - key.len());
        }
    }
    None
}

/// Where `key =` stands last in `before`, the part of a line in front of its second definition.
fn earlier_on_the_line(before: &str, key: &str) -> Option<usize> {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-\"'.".contains(c);
    let mut found = before.rmatch_indices(key).filter(|(at, _)| {
        !before[..*at].ends_with(is_key) && before[at + key.len()..].trim_start().starts_with('=')
    });
    found.next().map(|(at, _)| at)
}

fn syntax_help(message: &str) -> Option<&'static str> {
    let help = if message.contains("invalid basic string") || message.contains("unclosed") {
        "check for a missing closing quote, bracket or brace on this line"
    } else if message.contains("key with no value") {
        "write key = value; tables are [name], lists of tables [[name]]"
    } else if message.contains("missing escaped value") || message.contains("escape") {
        "a backslash starts an escape in \"…\"; use '…' for text that is taken as it stands"
    } else {
        return None;
    };
    Some(help)
}
