//! The conditions of a route besides host and path, compiled. Called by `table` for each route whose host and path
//! match, and by `explain`, which asks the same question and shows the answer.

use ipnet::IpNet;
use regex::bytes::Regex;

use crate::config::{
    ClientIpCondition, Conditions, FieldCondition, ValuePattern, regex as dialect,
};
use crate::hash::Map;
use crate::message::Known;

use super::key::same;
use super::{Subject, values};

/// Compiled [`Conditions`]. All of them must hold.
#[derive(Debug)]
pub(super) struct Matcher {
    methods: Option<Methods>,
    client_ip: Option<ClientIpCondition>,
    headers: Box<[Header]>,
    query: Box<[Named]>,
    cookies: Box<[Named]>,
}

/// One of a route's conditions, by its place in [`Conditions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Methods,
    ClientIp,
    Header(usize),
    Query(usize),
    Cookie(usize),
}

#[derive(Debug)]
struct Methods {
    methods: Box<[Box<[u8]>]>,
    negated: bool,
}

#[derive(Debug)]
struct Header {
    known: Known,
    named: Named,
}

/// A condition on the values under a name.
#[derive(Debug)]
struct Named {
    name: Box<[u8]>,
    value: Value,
    /// None of the values may meet it.
    negated: bool,
}

#[derive(Debug)]
enum Value {
    Exact(Box<[u8]>),
    Regex(Regex),
    Present,
}

/// Expressions that were compiled already, by their text.
pub(super) type Patterns<'a> = Map<&'a str, Regex>;

impl Matcher {
    /// Compiles `wanted`.
    ///
    /// # Errors
    /// An expression that is none, and why.
    pub(super) fn compile<'a>(
        wanted: &'a Conditions,
        patterns: &mut Patterns<'a>,
    ) -> Result<Self, (&'a str, String)> {
        let methods = wanted.methods.as_ref().map(|wanted| Methods {
            methods: wanted.methods.iter().map(|method| method.as_bytes().into()).collect(),
            negated: wanted.negated,
        });
        let mut named = |field: &'a FieldCondition| Named::compile(field, patterns);
        let header = |field: &'a FieldCondition, named: Named| Header {
            known: Known::of(field.name.as_bytes()),
            named,
        };
        Ok(Matcher {
            methods,
            client_ip: wanted.client_ip.clone(),
            headers: (wanted.headers.iter())
                .map(|field| Ok(header(field, named(field)?)))
                .collect::<Result<_, _>>()?,
            query: wanted.query.iter().map(&mut named).collect::<Result<_, _>>()?,
            cookies: wanted.cookies.iter().map(&mut named).collect::<Result<_, _>>()?,
        })
    }

    /// The first condition that `subject` does not meet, the cheap ones tried first.
    pub(super) fn unmet(&self, subject: &Subject<'_>) -> Option<Which> {
        if self.methods.as_ref().is_some_and(|wanted| !wanted.met(subject.method)) {
            return Some(Which::Methods);
        }
        if self.client_ip.as_ref().is_some_and(|wanted| !client_met(wanted, subject)) {
            return Some(Which::ClientIp);
        }
        let first = |unmet: Option<usize>, which: fn(usize) -> Which| unmet.map(which);
        first(self.headers.iter().position(|wanted| !wanted.met(subject)), Which::Header)
            .or_else(|| {
                let unmet = self.cookies.iter().position(|wanted| !wanted.met_by_cookie(subject));
                first(unmet, Which::Cookie)
            })
            .or_else(|| {
                let unmet = self.query.iter().position(|wanted| !wanted.met_by_query(subject));
                first(unmet, Which::Query)
            })
    }
}

impl Methods {
    fn met(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|wanted| equal(wanted, method)) != self.negated
    }
}

fn client_met(wanted: &ClientIpCondition, subject: &Subject<'_>) -> bool {
    let inside = |network: &IpNet| subject.client.is_some_and(|client| network.contains(&client));
    wanted.networks.iter().any(inside) != wanted.negated
}

impl Header {
    fn met(&self, subject: &Subject<'_>) -> bool {
        let mut values = values::of_header(subject, self.known, &self.named.name);
        values.any(|value| self.named.value.met(value)) != self.named.negated
    }
}

impl Named {
    fn compile<'a>(
        wanted: &'a FieldCondition,
        patterns: &mut Patterns<'a>,
    ) -> Result<Self, (&'a str, String)> {
        let value = match &wanted.value {
            ValuePattern::Exact(text) => Value::Exact(text.as_bytes().into()),
            ValuePattern::Present => Value::Present,
            ValuePattern::Regex(text) => match patterns.get(text.as_str()) {
                Some(regex) => Value::Regex(regex.clone()),
                None => {
                    let regex = dialect::compile(text, true)
                        .map_err(|error| (text.as_str(), error.to_string()))?;
                    patterns.insert(text, regex.clone());
                    Value::Regex(regex)
                }
            },
        };
        Ok(Named { name: wanted.name.as_bytes().into(), value, negated: wanted.negated })
    }

    fn met_by_cookie(&self, subject: &Subject<'_>) -> bool {
        let mut values = values::of_cookie(subject.fields, &self.name);
        values.any(|value| self.value.met(value)) != self.negated
    }

    fn met_by_query(&self, subject: &Subject<'_>) -> bool {
        let mut values = values::of_parameter(subject.query, &self.name);
        let met = values.any(|value| match &self.value {
            Value::Exact(wanted) => value.is(wanted),
            Value::Regex(regex) => value.with_decoded(|decoded| regex.is_match(decoded)),
            Value::Present => true,
        });
        met != self.negated
    }
}

/// Most of what is compared here is short.
#[inline]
fn equal(wanted: &[u8], came: &[u8]) -> bool {
    wanted.len() == came.len() && same(wanted, came)
}

impl Value {
    fn met(&self, value: &[u8]) -> bool {
        match self {
            Value::Exact(wanted) => equal(wanted, value),
            Value::Regex(regex) => regex.is_match(value),
            Value::Present => true,
        }
    }
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
