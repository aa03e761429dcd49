//! Path patterns of routes, in the form that request paths have when they are matched: dot segments gone,
//! harmless percent-escapes decoded.

use super::item::Item;
use super::schema::PathPattern;

/// The longest pattern, in bytes; the longest request target that is accepted by default.
const PATH_BYTES_MAX: usize = 16 << 10;

/// `rewrite.strip_prefix` and `add_prefix`: a path of at least one segment, without a trailing slash.
pub(crate) fn segments(item: Item<'_>) -> Option<String> {
    let path = normalise(item)?;
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        item.bad(format!("`{}` = \"/\" changes nothing", item.key), "remove it");
        return None;
    }
    Some(path.to_owned())
}

/// Whether `path` begins with the whole segments of `prefix`.
pub(crate) fn begins_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `match.path`: the whole path.
pub(crate) fn exact(item: Item<'_>) -> Option<PathPattern> {
    normalise(item).map(PathPattern::Exact)
}

/// `match.path_prefix`: whole segments; a trailing slash makes no difference, `/` is the empty prefix.
pub(crate) fn prefix(item: Item<'_>) -> Option<PathPattern> {
    let path = normalise(item)?;
    Some(PathPattern::Prefix(path.trim_end_matches('/').to_owned()))
}

fn normalise(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    let key = item.key;
    let refuse = |why: String, help: String| {
        item.bad(why, help);
        None
    };
    if !text.starts_with('/') {
        let help = match text.split_once("://").and_then(|(_, rest)| rest.split_once('/')) {
            Some((_, path)) => format!("write {key} = \"/{path}\"; the host belongs into `hosts`"),
            None => format!("write {key} = \"/{}\"", text.trim_start_matches(['^', '~', '*', ' '])),
        };
        return refuse(format!("the path `{text}` does not start with `/`"), help);
    }
    if text.len() > PATH_BYTES_MAX {
        return refuse(format!("`{key}` is longer than 16KiB"), "shorten it".into());
    }
    if let Some(mark) = text.find(['?', '#']) {
        let what = if text[mark..].starts_with('?') { "a query" } else { "a fragment" };
        return refuse(
            format!("the path `{text}` has {what}, which is not part of a path"),
            format!("write {key} = \"{}\"", &text[..mark]),
        );
    }
    let is_glob = |segment: &str| !segment.is_empty() && segment.chars().all(|c| c == '*');
    if text.ends_with('*') || text.split('/').any(is_glob) {
        let stem = text.split('*').next().unwrap_or_default().trim_end_matches('/');
        let stem = if stem.is_empty() { "/" } else { stem };
        let key = if key == "path" { "path_prefix" } else { key };
        return refuse(
            format!("the path `{text}` has a wildcard, which paths do not have"),
            format!("write {key} = \"{stem}\""),
        );
    }
    if let Some(c) = text.chars().find(|c| c.is_control() || *c == ' ' || !c.is_ascii()) {
        let mut bytes = [0; 4];
        let encoded: String =
            c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
        return refuse(
            format!("the path `{}` has a character that no request path has", text.escape_debug()),
            format!("percent-encode it: `{encoded}`"),
        );
    }
    let path = match decode(text) {
        Ok(path) => path,
        Err(why) => {
            return refuse(
                format!("the path `{text}` {why}"),
                "requests with such a path are refused, so nothing could match".into(),
            );
        }
    };
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return refuse(
            format!("the path `{text}` has a dot segment"),
            "paths are matched after dot segments are removed, so nothing could match".into(),
        );
    }
    Some(path)
}

/// Decodes escapes of letters, digits and `-._~`; others keep their escape, in capitals.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        let hex = rest.get(percent + 1..percent + 3);
        let byte =
            hex.and_then(|hex| u8::from_str_radix(hex, 16).ok().filter(|_| !hex.contains('+')));
        let byte = byte.ok_or("has a `%` that starts no escape")?;
        match byte {
            0 | b'/' | b'\\' => return Err("has an escaped slash, backslash or NUL"),
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
        rest = &rest[percent + 3..];
    }
    out.push_str(rest);
    let strange = |segment: &str| {
        let parameter = segment.trim_start_matches('.');
        let n_dots = segment.len() - parameter.len();
        matches!(n_dots, 1 | 2) && (parameter.starts_with(';') || parameter.starts_with("%3B"))
    };
    match out.contains('\\') || out.split('/').any(strange) {
        true => Err("has a `\\`, `.;` or `..;`"),
        false => Ok(out),
    }
}
