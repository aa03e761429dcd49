//! What to say about a key that is not read: planned, another proxy's, one line too low, or misspelt.

use super::foreign;
use super::misplaced;
use super::planned::{self, PLANNED};
use super::reader::Section;
use super::report::{Code, Draft};
use super::tree::Entry;

/// Reports every key of `section` that its shape does not read.
pub(crate) fn check_keys(section: &Section<'_>) {
    for entry in &section.table.entries {
        if !section.shape.keys.contains(&entry.key.as_str()) {
            section.cx.report(explain(section, entry));
        }
    }
}

fn explain(section: &Section<'_>, entry: &Entry) -> Draft {
    let (table, key) = (section.shape.name, entry.key.as_str());
    if (table, key) == ("listener", "upstream") {
        return upstream_on_listener(entry);
    }
    if (table, key) == ("listener.http", "preserve_header_case") {
        let message = "`preserve_header_case` does not exist any more";
        return Draft::error(Code::UnknownKey, entry.key_place, message)
            .help("remove it: the case of header names is always kept");
    }
    if let Some(planned) = planned::find(table, key) {
        let message = format!("`{key}` is known but not built yet in this version");
        let help = format!("remove it for now; it will {}", planned.will);
        return Draft::error(Code::NotBuilt, entry.key_place, message).help(help);
    }
    let message = match section.parents.is_empty() {
        true => format!("unknown key `{key}` at the top level"),
        false => format!("unknown key `{key}` in {}", section.title),
    };
    Draft::error(Code::UnknownKey, entry.key_place, message).help(help(section, entry))
}

fn help(section: &Section<'_>, entry: &Entry) -> String {
    let key = entry.key.as_str();
    if let Some(help) = misplaced::help(section.shape.name, key) {
        return help;
    }
    if let Some(help) = key_of_a_parent(section, key) {
        return help;
    }
    let slip = |known: &&str| strsim::damerau_levenshtein(key, known) == 1;
    if let Some(meant) = section.shape.keys.iter().copied().find(slip) {
        return format!("did you mean `{meant}`?");
    }
    if let Some(help) = foreign::option(key, &entry.node.value).or_else(|| foreign::help(key)) {
        return help.to_owned();
    }
    if let Some(meant) = closest(key, section.shape.keys.iter().copied()) {
        return format!("did you mean `{meant}`?");
    }
    let planned = PLANNED.iter().filter(|planned| planned.table == section.shape.name);
    if let Some(meant) = closest(key, planned.map(|planned| planned.key)) {
        return format!("did you mean `{meant}`? it is known but not built yet in this version");
    }
    format!("known keys here: {}", section.shape.keys.join(", "))
}

/// A key that one of the tables around this one has: written a header too late, or a brace too deep.
fn key_of_a_parent(section: &Section<'_>, key: &str) -> Option<String> {
    let has =
        |table: &str, keys: &[&str]| keys.contains(&key) || planned::find(table, key).is_some();
    let (shape, title) =
        section.parents.iter().rev().find(|(shape, _)| has(shape.name, shape.keys))?;
    let here = &section.title;
    Some(match (section.table.header, shape.name) {
        (true, "") => format!(
            "a key after {here} belongs to that table; `{key}` is a key of the top level: \
             move it above the first [header] (or, if it is a table, give it one)"
        ),
        (true, _) => format!(
            "a key after {here} belongs to that table; `{key}` is a key of {title}: move it above {here}"
        ),
        (false, _) => {
            format!("`{key}` is a key of {title}, not of {here}: move it out of the braces")
        }
    })
}

/// Only tcp and udp listeners lead to an upstream by themselves.
fn upstream_on_listener(entry: &Entry) -> Draft {
    let name = match &entry.node.value {
        super::tree::Value::String { text, .. } => text.as_str(),
        _ => "NAME",
    };
    let message = "an http listener has no `upstream`: a route leads there";
    Draft::error(Code::Misplaced, entry.key_place, message)
        .help(format!("remove it and write\n\n[[route]]\nupstream = \"{name}\""))
}

/// The candidate that `word` most likely meant: at most a third of its letters away, or the start of it.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let bound = (word.chars().count() / 3).clamp(1, 4);
    let distance = |candidate: &str| match candidate.len() >= 4 && word.starts_with(candidate) {
        true => bound,
        false => strsim::damerau_levenshtein(&word, &candidate.to_lowercase().replace('-', "_")),
    };
    candidates
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= bound && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        let keys = ["backends", "balance", "pool", "host"];
        let meant = |word| closest(word, keys.into_iter());
        assert_eq!(meant("backend"), Some("backends"));
        assert_eq!(meant("blance"), Some("balance"));
        assert_eq!(meant("Pool"), Some("pool"));
        assert_eq!(meant("hsot"), Some("host"));
        assert_eq!(meant("max_fails"), None);
        assert_eq!(meant("x"), None);
        assert_eq!(meant(""), None);
    }
}
