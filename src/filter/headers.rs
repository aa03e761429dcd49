//! `headers`: removes, sets and adds header fields, on the way to the backend and back.

use std::sync::Arc;

use super::{Context, Filter, Flow, Wrap, render};
use crate::config::{self, HeaderEdits, template::Template};
use crate::message::{Fields, Known, RequestHead, ResponseHead};

/// The filter.
#[derive(Debug)]
struct Headers {
    request: Edits,
    response: Edits,
}

/// Builds the filter, if it is of this kind.
pub(super) fn build(written: &config::Filter) -> Option<Arc<dyn Filter>> {
    let config::Filter::Headers(written) = written;
    let filter = Headers {
        request: Edits::compile(&written.request),
        response: Edits::compile(&written.response),
    };
    Some(Arc::new(filter))
}

impl Filter for Headers {
    fn on_request(&self, head: &mut RequestHead, cx: &mut Context<'_>) -> Flow {
        self.request.remove(&mut head.fields);
        for (name, template) in self.request.appended() {
            let value = value(template, head, cx);
            head.fields.append(name.known, &name.text, &[value]);
        }
        Flow::Continue
    }

    fn on_response(
        &self,
        head: &mut ResponseHead,
        request: &RequestHead,
        cx: &mut Context<'_>,
    ) -> Wrap {
        self.response.remove(&mut head.fields);
        for (name, template) in self.response.appended() {
            let value = value(template, request, cx);
            head.fields.append(name.known, &name.text, &[value]);
        }
        Wrap::Keep
    }
}

/// A field name, recognised when the filter was built.
#[derive(Debug)]
struct Name {
    known: Known,
    text: Box<[u8]>,
}

impl Name {
    /// `None` for what frames a message or concerns one connection: no filter may touch it, and the
    /// configuration does not let anybody write it.
    fn of(text: &str) -> Option<Name> {
        let known = Known::of(text.as_bytes());
        let forbidden = matches!(
            known,
            Known::Connection
                | Known::ContentLength
                | Known::Expect
                | Known::Host
                | Known::Http2Settings
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::Te
                | Known::Trailer
                | Known::TransferEncoding
                | Known::Upgrade
        );
        (!forbidden).then(|| Name { known, text: text.as_bytes().into() })
    }
}

/// What `template` comes to: itself, where nothing is to be filled in, or in the scratch buffer.
fn value<'a>(template: &'a Template, request: &RequestHead, cx: &'a mut Context<'_>) -> &'a [u8] {
    if let Some(text) = template.as_literal() {
        return text.as_bytes();
    }
    cx.scratch.clear();
    render(template, request, &cx.facts, cx.scratch);
    cx.scratch
}

/// Compiled edits of one head.
#[derive(Debug)]
struct Edits {
    /// The names of `remove`.
    remove: Vec<Name>,
    set: Vec<(Name, Template)>,
    add: Vec<(Name, Template)>,
}

impl Edits {
    fn compile(written: &HeaderEdits) -> Edits {
        let values = |written: &[(String, Template)]| {
            let pair = |(name, value): &(String, Template)| {
                Name::of(name).map(|name| (name, value.clone()))
            };
            written.iter().filter_map(pair).collect()
        };
        Edits {
            remove: written.remove.iter().filter_map(|name| Name::of(name)).collect(),
            set: values(&written.set),
            add: values(&written.add),
        }
    }

    /// Takes out what is removed and what is replaced.
    fn remove(&self, fields: &mut Fields) {
        let replaced = self.set.iter().map(|(name, _)| name);
        for name in self.remove.iter().chain(replaced) {
            fields.remove_named(&name.text);
        }
    }

    /// Fields to append, in order.
    fn appended(&self) -> impl Iterator<Item = &(Name, Template)> {
        self.set.iter().chain(&self.add)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{context, request, response, written};
    use super::*;
    use crate::config::HeadersFilter;

    fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
        let pairs = |pairs: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| {
                ((*name).to_owned(), Template::parse(value).expect("a template"))
            };
            pairs.iter().map(pair).collect()
        };
        HeaderEdits {
            remove: remove.iter().map(|name| (*name).to_owned()).collect(),
            set: pairs(set),
            add: pairs(add),
        }
    }

    fn on_request(edits: HeaderEdits, received: &[(&str, &str)]) -> Vec<String> {
        let config = HeadersFilter { request: edits, ..HeadersFilter::default() };
        let filter = build(&config::Filter::Headers(config)).expect("its kind");
        let mut head = request("GET", "/p", received);
        let flow = context(|cx| filter.on_request(&mut head, cx));
        assert!(matches!(flow, Flow::Continue));
        written(&head.fields)
    }

    #[test]
    fn fields_are_removed_then_set_then_added() {
        let received = &[("X-A", "1"), ("x-b", "2"), ("x-a", "3"), ("X-C", "4")];
        let edits = edits(
            &["x-a", "x-none"],
            &[("x-c", "{method}"), ("x-d", "set")],
            &[("x-a", "added"), ("x-b", "{path}"), ("x-d", "added")],
        );
        assert_eq!(
            on_request(edits, received),
            ["x-b: 2", "x-c: GET", "x-d: set", "x-a: added", "x-b: /p", "x-d: added"]
        );
    }

    #[test]
    fn fields_that_the_proxy_knows_are_edited_alike() {
        let received = &[("X-Forwarded-Port", "1"), ("X-Forwarded-For", "2"), ("Cookie", "3")];
        let edits =
            edits(&["x-forwarded-port", "cookie"], &[("x-forwarded-for", "{client_ip}")], &[]);
        assert_eq!(on_request(edits, received), ["x-forwarded-for: 2001:db8::7"]);
    }

    #[test]
    fn what_frames_the_message_is_not_touched_even_if_it_was_written() {
        let names = [
            "content-length",
            "transfer-encoding",
            "connection",
            "host",
            "upgrade",
            "te",
            "expect",
        ];
        let pairs = names.map(|name| (name, "0"));
        let received = &[("Host", "h"), ("Content-Length", "3")];
        assert_eq!(
            on_request(edits(&names, &pairs, &pairs), received),
            ["Host: h", "Content-Length: 3"]
        );
    }

    #[test]
    fn the_response_has_edits_of_its_own() {
        let config = HeadersFilter {
            request: edits(&["x-a"], &[], &[]),
            response: edits(&["server"], &[("x-served-by", "{backend}")], &[("vary", "x")]),
        };
        let filter = build(&config::Filter::Headers(config)).expect("its kind");
        let asked = request("GET", "/p", &[]);
        let mut head = response(200, &[("Server", "s"), ("x-a", "1"), ("Vary", "y")]);
        let wrap = context(|cx| filter.on_response(&mut head, &asked, cx));
        assert!(matches!(wrap, Wrap::Keep));
        assert_eq!(
            written(&head.fields),
            ["x-a: 1", "Vary: y", "x-served-by: 10.0.0.1:80", "vary: x"]
        );
    }
}
