//! Templates: text with `{names}` in redirects, header values and rewritten hosts. Parsed here, filled in by
//! `filter`, where the values are.

use std::fmt;

/// A parsed template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Template {
    /// In order; two texts never stand beside each other.
    pub parts: Vec<Part>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// What the exchange fills in.
    Variable(Variable),
}

/// What can stand in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `backend`: the address of the backend that answered; empty before one did.
    Backend,
    /// `client_cert_fingerprint`: SHA-256 of the certificate the client showed, in hexadecimal; empty without one.
    ClientCertFingerprint,
    /// `client_cert_subject`: whose it is, as in `CN=alice,O=Shop`; empty without one.
    ClientCertSubject,
    /// `client_ip`: who asked, by the trust rules; empty on a unix socket that nobody vouches for.
    ClientIp,
    /// `host`: the Host asked for, lower case, without port.
    Host,
    /// `listener`: its name.
    Listener,
    /// `method`.
    Method,
    /// `path`: as received, without the query.
    Path,
    /// `path_and_query`: as received.
    PathAndQuery,
    /// `query`: as received, without the question mark; empty when there is none.
    Query,
    /// `request_id`.
    RequestId,
    /// `route`: its name.
    Route,
    /// `scheme`: `http` or `https`.
    Scheme,
    /// `upstream`: its name; empty where a route answers by itself.
    Upstream,
}

impl Variable {
    /// All of them by name, in alphabetical order.
    pub const ALL: &[(&str, Variable)] = &[
        ("backend", Variable::Backend),
        ("client_cert_fingerprint", Variable::ClientCertFingerprint),
        ("client_cert_subject", Variable::ClientCertSubject),
        ("client_ip", Variable::ClientIp),
        ("host", Variable::Host),
        ("listener", Variable::Listener),
        ("method", Variable::Method),
        ("path", Variable::Path),
        ("path_and_query", Variable::PathAndQuery),
        ("query", Variable::Query),
        ("request_id", Variable::RequestId),
        ("route", Variable::Route),
        ("scheme", Variable::Scheme),
        ("upstream", Variable::Upstream),
    ];

    /// The name it is written with.
    pub fn name(self) -> &'static str {
        let found = Variable::ALL.iter().find(|(_, variable)| *variable == self);
        found.map_or("", |(name, _)| name)
    }
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTemplate {
    /// There is no such name.
    Unknown(String),
    /// A `{` that is not closed.
    Open,
    /// A `}` that closes nothing.
    Close,
}

impl Template {
    /// Parses `text`: `{name}` is filled in, `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn parse(text: &str) -> Result<Template, BadTemplate> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(BadTemplate::Close);
            }
            let (name, after) = rest.split_once('}').ok_or(BadTemplate::Open)?;
            let variable = Variable::ALL.iter().find(|(known, _)| *known == name);
            let (_, variable) = variable.ok_or_else(|| BadTemplate::Unknown(name.to_owned()))?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Variable(*variable));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Template { parts })
    }

    /// The text itself, where nothing is to be filled in.
    pub fn as_literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Variable(variable) => write!(f, "{{{}}}", variable.name())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_double_braces_are_braces() {
        let template = Template::parse("https://{host}{path_and_query}?{{x}}").expect("good");
        assert_eq!(
            template.parts,
            [
                Part::Text("https://".into()),
                Part::Variable(Variable::Host),
                Part::Variable(Variable::PathAndQuery),
                Part::Text("?{x}".into()),
            ]
        );
        assert_eq!(template.to_string(), "https://{host}{path_and_query}?{{x}}");
        assert_eq!(Template::parse("a}}b").expect("good").as_literal(), Some("a}b"));
        assert_eq!(Template::parse("").expect("good").as_literal(), Some(""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Template::parse("{hots}"), Err(BadTemplate::Unknown("hots".into())));
        assert_eq!(Template::parse("{}"), Err(BadTemplate::Unknown(String::new())));
        assert_eq!(Template::parse("a{host"), Err(BadTemplate::Open));
        assert_eq!(Template::parse("a}b"), Err(BadTemplate::Close));
    }

    proptest::proptest! {
        #[test]
        fn a_template_is_shown_as_what_it_is_parsed_from(text in "([a-z$]|\\{|\\}|\\{host\\}|\\{\\{){0,8}") {
            if let Ok(template) = Template::parse(&text) {
                assert_eq!(Template::parse(&template.to_string()), Ok(template));
            }
        }
    }

    #[test]
    fn every_variable_has_its_name() {
        for (name, variable) in Variable::ALL {
            assert_eq!(variable.name(), *name);
        }
        assert!(Variable::ALL.is_sorted_by_key(|(name, _)| *name));
    }
}
