//! `[filter.NAME]`: what changes or answers a request on its way, by name.

use crate::config::template::Template;

/// `[filter.NAME]`: exactly one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// `headers`.
    Headers(HeadersFilter),
}

/// `filter.NAME.headers`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeadersFilter {
    /// On the request.
    pub request: HeaderEdits,
    /// On the response.
    pub response: HeaderEdits,
}

/// Edits of header fields: first `remove`, then `set`, then `add`. Names in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderEdits {
    /// Fields that go, all of that name.
    pub remove: Vec<String>,
    /// Fields that become this one.
    pub set: Vec<(String, Template)>,
    /// Fields that are put behind those that are there.
    pub add: Vec<(String, Template)>,
}
