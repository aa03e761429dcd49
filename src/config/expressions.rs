//! Regular expressions as values: checked here, compiled again by the rooms that match with them.

use ::regex::bytes::Regex;

use super::item::{Item, shown};
use super::regex;
use super::source::Place;

/// An expression that is meant to match the whole of something.
pub(crate) fn pattern(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    // Generated files have the same few expressions in thousands of routes.
    if !item.cx.is_known_expression(text) {
        compile(item, text, true)?;
        item.cx.know_expression(text);
    }
    Some(text.to_owned())
}

/// An expression that is looked for in something, as text and compiled.
pub(crate) fn expression(item: Item<'_>) -> Option<(String, Regex)> {
    compile(item, item.text()?, false)
}

fn compile(item: Item<'_>, text: &str, whole: bool) -> Option<(String, Regex)> {
    match regex::compile(text, whole) {
        Ok(regex) => Some((text.to_owned(), regex)),
        Err(error) => {
            tell(item, text, &error);
            None
        }
    }
}

fn tell(item: Item<'_>, text: &str, error: &::regex::Error) {
    let message = match error {
        ::regex::Error::CompiledTooBig(_) => {
            item.bad(
                format!("{} becomes larger than 1MiB when it is compiled", in_quotes(text)),
                "use smaller repetitions than {1000}",
            );
            return;
        }
        other => other.to_string(),
    };
    let why = message.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let why = why.unwrap_or_else(|| message.lines().next_back().unwrap_or_default());
    let help = match why {
        why if why.starts_with("look-around") => {
            "there is no look-around: matching takes time linear in the text; `{ not = … }` negates a condition"
        }
        why if why.starts_with("backreferences") => {
            "there are no backreferences: matching takes time linear in the text"
        }
        why if why.starts_with("Unicode") => {
            "expressions match bytes: write classes as [a-z0-9], and `\\\\x41` for a byte"
        }
        _ => "a character with a meaning of its own is itself after a backslash, as in '\\.'",
    };
    let place = fault(item, text, &message).unwrap_or(item.place());
    let message = format!("{} is not a regular expression: {why}", in_quotes(text));
    item.bad_at(place, message, help);
}

/// The expression as it stands, if that fits into a line.
fn in_quotes(text: &str) -> String {
    match text.contains(char::is_control) {
        true => shown(text),
        false => format!("`{text}`"),
    }
}

/// Where in the text the error is: the message marks it with `^` below the expression.
fn fault(item: Item<'_>, text: &str, message: &str) -> Option<Place> {
    let marks = message
        .lines()
        .find(|line| line.contains('^') && line.trim_matches([' ', '^']).is_empty())?;
    let start = marks.find('^')?.checked_sub(4)?;
    let length = marks[start + 4..].chars().take_while(|c| *c == '^').count();
    item.cx.inside(item.place(), text, start..start + length)
}

/// Checks a replacement: `$1`, `$name`, `${1}` name groups of `from`, `$$` is a dollar sign.
pub(crate) fn check_replacement(item: Item<'_>, text: &str, from: &Regex) -> Option<()> {
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let name = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').map_or("", |(name, _)| name),
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]
            }
        };
        if !name.is_empty() && !has_group(from, name) {
            return no_group(item, name, from);
        }
    }
    Some(())
}

fn has_group(from: &Regex, name: &str) -> bool {
    match name.parse::<usize>() {
        Ok(number) => number < from.captures_len(),
        Err(_) => from.capture_names().flatten().any(|known| known == name),
    }
}

fn no_group(item: Item<'_>, name: &str, from: &Regex) -> Option<()> {
    let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, tail) = name.split_at(digits);
    let n_groups = from.captures_len() - 1;
    let help = match (number.is_empty(), tail.is_empty()) {
        (false, false) if has_group(from, number) => {
            format!("write ${{{number}}}{tail}: without braces, letters belong to the name")
        }
        _ if n_groups == 0 => "`from` has no groups: put what is meant in ( )".to_owned(),
        _ => {
            let named = from.capture_names().flatten().map(|name| format!(", ${name}"));
            let groups = (0..=n_groups).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
            format!("`from` has {groups}{}", named.collect::<String>())
        }
    };
    let place = item.cx.find_inside(item.place(), &format!("${name}"));
    item.bad_at(place, format!("`from` has no group `{name}`"), help);
    None
}
