//! `${NAME}` and `${NAME:-default}` inside strings. Where variables come from is the caller's choice.

/// Looks up a variable; `None` if it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A string after replacement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expanded {
    /// The text; what could not be replaced is left out of it.
    pub(crate) text: String,
    /// At least one variable (or default) was put in.
    pub(crate) replaced: bool,
    /// What went wrong.
    pub(crate) faults: Vec<Fault>,
}

/// Why a `${…}` could not be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The variable is not set and no default is given.
    Unset(String),
    /// Neither `${NAME}` nor `${NAME:-default}`; the name as far as it goes.
    Malformed(String),
}

/// Replaces variables. `$$` is a dollar sign, a `$` that starts no `${` and a letter is itself, values are
/// not looked into again. As in a shell, a default also stands in for an empty variable.
pub(crate) fn expand(text: &str, lookup: Lookup<'_>) -> Expanded {
    let mut out = Expanded { text: String::new(), replaced: false, faults: Vec::new() };
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.text.push('$');
            rest = after;
        } else if let Some(body) = variable_body(rest) {
            rest = out.replace(body, lookup);
        } else {
            out.text.push('$');
        }
    }
    out.text.push_str(rest);
    out
}

/// What follows `{` if that is a letter: only then is it a variable.
fn variable_body(rest: &str) -> Option<&str> {
    rest.strip_prefix('{').filter(|body| body.starts_with(|c: char| c.is_ascii_alphabetic()))
}

impl Expanded {
    /// Replaces the variable whose name `body` starts with; returns what follows it.
    fn replace<'a>(&mut self, body: &'a str, lookup: Lookup<'_>) -> &'a str {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = body.find(|c| !is_name(c)).unwrap_or(body.len());
        let (name, after) = body.split_at(end);
        let value = lookup(name);
        if let Some(rest) = after.strip_prefix('}') {
            match value {
                Some(value) => self.put(&value),
                None => self.faults.push(Fault::Unset(name.to_owned())),
            }
            return rest;
        }
        let default = after.strip_prefix(":-").and_then(|after| after.split_once('}'));
        let Some((default, rest)) = default else {
            self.faults.push(Fault::Malformed(name.to_owned()));
            return after;
        };
        self.put(value.as_deref().filter(|value| !value.is_empty()).unwrap_or(default));
        rest
    }

    fn put(&mut self, value: &str) {
        self.text.push_str(value);
        self.replaced = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("app.internal".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST}".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_dollars_are_replaced_and_all_else_is_itself() {
        for (text, expected) in [
            ("${HOST}:80", "app.internal:80"),
            ("${PORT:-8080}", "8080"),
            ("${HOST:-other}", "app.internal"),
            ("${EMPTY:-filled}", "filled"),
            ("[${EMPTY}]", "[]"),
            ("${PORT:-}", ""),
            ("$${HOST}", "${HOST}"),
            ("$$$${HOST}", "$${HOST}"),
            ("$HOST costs $5 or $", "$HOST costs $5 or $"),
            ("${1} ${} ${_x}", "${1} ${} ${_x}"),
            ("${NESTED}", "${HOST}"),
            ("a${HOST}b${HOST}c", "aapp.internalbapp.internalc"),
        ] {
            let expanded = expand(text, &lookup);
            assert_eq!(expanded.text, expected, "{text}");
            assert_eq!(expanded.faults, [], "{text}");
        }
    }

    #[test]
    fn only_text_with_a_variable_in_it_counts_as_replaced() {
        assert!(expand("${HOST}", &lookup).replaced);
        assert!(expand("${NO:-}", &lookup).replaced);
        assert!(!expand("$$ plain $1", &lookup).replaced);
    }

    #[test]
    fn unset_and_malformed_variables_are_all_reported() {
        let expanded = expand("${NO} ${HOST-x} ${HOST:x} ${OPEN", &lookup);
        let malformed = |name: &str| Fault::Malformed(name.into());
        assert_eq!(
            expanded.faults,
            [Fault::Unset("NO".into()), malformed("HOST"), malformed("HOST"), malformed("OPEN")]
        );
    }
}
