//! What to say about text that is not TOML. The parser goes on after each error and so reports many; what one
//! mistake caused is told once, in our words where its own are about grammar.

use toml::de::Error;

use super::reader::Cx;
use super::report::{Code, Draft};
use super::source::{Place, SourceFile};

/// Reports the errors of a text. Returns where a bracket stands that is never closed: it swallowed what follows,
/// so nothing behind it means anything.
pub(crate) fn report(cx: &Cx, file: usize, errors: &[Error]) -> Option<usize> {
    let source = cx.file(file);
    let is_unclosed = |error: &Error| {
        let message = error.message();
        message.starts_with("unclosed inline table")
            || message.starts_with("unclosed array") && !message.starts_with("unclosed array table")
    };
    let open = errors.iter().any(is_unclosed).then(|| open_bracket(&source.text)).flatten();
    if let Some(start) = open {
        let (opening, closing) = match source.text[start..].starts_with('[') {
            true => ("[", "]"),
            false => ("{", "}"),
        };
        let place = Place { file, start, end: start + 1 };
        let message = format!("this `{opening}` is never closed");
        let draft = Draft::error(Code::Syntax, place, message);
        cx.report(draft.help(format!("write the `{closing}` where the value ends")));
    }
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        if open.is_none_or(|open| start < open) {
            report_one(cx, source, file, error);
        }
    }
    open
}

/// The outermost `[` or `{` of a value that is still open at the end of `text`.
fn open_bracket(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = 0;
    let mut in_value = false;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let step = match c {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => quoted_bytes(rest, c),
            _ => c.len_utf8(),
        };
        match c {
            '=' => in_value = true,
            '\n' if open.is_empty() => in_value = false,
            '[' | '{' if in_value => open.push((c, at)),
            ']' if open.last().is_some_and(|(c, _)| *c == '[') => drop(open.pop()),
            '}' if open.last().is_some_and(|(c, _)| *c == '{') => drop(open.pop()),
            _ => {}
        }
        at += step;
    }
    open.first().map(|(_, at)| *at)
}

/// The length of the string that `text` starts with; one that does not end, ends with its line.
fn quoted_bytes(text: &str, quote: char) -> usize {
    let long = [quote; 3].iter().collect::<String>();
    if let Some(inner) = text.strip_prefix(&long) {
        return inner.find(&long).map_or(text.len(), |end| end + 6);
    }
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return index,
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn report_one(cx: &Cx, source: &SourceFile, file: usize, error: &Error) {
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
