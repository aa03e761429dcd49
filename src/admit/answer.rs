//! Answers that a route or a filter gives by itself become a response head and a body. How the message is framed is
//! whoever's that sends it.

use std::sync::Arc;

use hyper::StatusCode;

use super::Request;
use super::filters::facts;
use crate::config::{
    Redirect, Respond, Template,
    template::{Part, Variable},
};
use crate::error::Reason;
use crate::filter::{self, Facts};
use crate::message::{Known, RequestHead, ResponseHead, Version};
use crate::snapshot::{Own, Policy};

/// Writes a route's own answer to `response`; returns its body.
///
/// # Errors
/// [`Reason::BadRequest`] for a redirect to the Host asked for where none was.
pub(super) fn own(
    own: &Own,
    request: &mut Request,
    policy: &Policy,
    response: &mut ResponseHead,
) -> Result<Arc<[u8]>, Reason> {
    let who = (request.client, request.session.as_deref());
    let facts = facts(who, (&request.host, &request.id), policy, "");
    Ok(match own {
        Own::Redirect(redirect) => {
            // Of `https:///path` a browser makes the path the host.
            if facts.host.is_empty() && needs_host(&redirect.to) {
                return Err(Reason::BadRequest);
            }
            begin(response, redirect.status);
            let location = &mut request.scratch;
            write_location(redirect, &request.head, &facts, location);
            response.fields.append(Known::of(b"location"), b"location", &[location]);
            Arc::default()
        }
        Own::Respond(Respond { status, headers, body }) => {
            begin(response, *status);
            for (name, value) in headers {
                request.scratch.clear();
                filter::render(value, &request.head, &facts, &mut request.scratch);
                append(response, name, &request.scratch);
            }
            Arc::clone(body)
        }
    })
}

/// Writes a filter's answer to `response`; returns its body.
pub(super) fn of_filter(answer: &filter::Answer, response: &mut ResponseHead) -> Arc<[u8]> {
    begin(response, answer.status);
    for (name, value) in &answer.headers {
        append(response, name, value);
    }
    Arc::clone(&answer.body)
}

/// Whether a response with this status has no body, and so no length.
pub fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

fn begin(response: &mut ResponseHead, status: u16) {
    let known = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let phrase = known.unwrap_or_default().as_bytes();
    response.start(phrase, Version::Http11, status, 0..phrase.len());
}

/// Appends a field of which nothing can break the line.
fn append(response: &mut ResponseHead, name: &str, value: &[u8]) {
    let name = name.as_bytes();
    if value.iter().any(u8::is_ascii_control) {
        let clean: Vec<u8> =
            value.iter().copied().filter(|byte| !byte.is_ascii_control()).collect();
        response.fields.append(Known::of(name), name, &[&clean]);
    } else {
        response.fields.append(Known::of(name), name, &[value]);
    }
}

/// Leaves the Location in `out`. A path that begins with two slashes would make it lead to another host: unless
/// the template itself says so, they become one.
fn write_location(redirect: &Redirect, head: &RequestHead, facts: &Facts<'_>, out: &mut Vec<u8>) {
    out.clear();
    filter::render(&redirect.to, head, facts, out);
    if out.starts_with(b"//") && !names_a_host(&redirect.to) {
        let n_slashes = out.iter().take_while(|byte| **byte == b'/').count();
        out.drain(..n_slashes - 1);
    }
}

/// Whether the template has the Host asked for in it.
fn needs_host(template: &Template) -> bool {
    template.parts.iter().any(|part| matches!(part, Part::Variable(Variable::Host)))
}

/// Whether the template is written as `//host/…`.
fn names_a_host(template: &Template) -> bool {
    matches!(template.parts.first(), Some(Part::Text(text)) if text.starts_with("//"))
}
