//! `[[test]]`: what the operator says a request must meet.

use std::net::IpAddr;

/// `[[test]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// `request`.
    pub request: TestRequest,
    /// What must become of it.
    pub expect: Expect,
    /// Its place in [`super::Config::places`]: `test.0` is the first.
    pub place: String,
}

/// A request as a test or `explain` writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct TestRequest {
    /// `GET`.
    pub method: String,
    /// An absolute URL, `http://host[:port]/path[?query]`.
    pub url: String,
    /// Further fields, in order; a `host` here replaces the URL's.
    pub headers: Vec<(String, String)>,
    /// The client's address; `None`: 127.0.0.1.
    pub from: Option<IpAddr>,
    /// The listener's name, where scheme and port do not say it.
    pub listener: Option<String>,
}

/// `test.expect`: what is `None` may be anything; at least one is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The route's name; `"none"`: no route.
    pub route: Option<String>,
    /// The upstream's name; with a split, one it can lead to.
    pub upstream: Option<String>,
    /// The status of an answer without a backend: of a redirect, a `respond` or a refusal.
    pub status: Option<u16>,
    /// The path and query that the backend gets.
    pub path: Option<String>,
}
