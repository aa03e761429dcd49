//! `[[test]]`: what can be told without running it. The router's side of it is a storey above.

use std::net::IpAddr;

use super::super::fields::check_method;
use super::super::item::{Item, shown};
use super::super::reader::Section;
use super::super::schema::{Expect, Test, TestRequest};
use super::super::{hosts, shapes};
use super::{Named, Reference, WrittenTest, edits};

/// The `[[test]]` with this index; its request is empty if it is wrong.
pub(super) fn read(section: &Section<'_>, index: usize) -> WrittenTest {
    let place = format!("test.{index}");
    section.cx.mark(place.clone(), section.place);
    let mut references = Vec::new();
    let request = section.read("request", request);
    if section.item("request").is_none() {
        section.missing("request", "write request = \"GET https://shop.example/api/cart\"");
    }
    let (method, url) = request.unwrap_or_default();
    let request = TestRequest {
        method,
        url,
        headers: section.item("headers").map(edits::texts).unwrap_or_default(),
        from: section.read("from", address),
        listener: section.read("listener", |item| name(item, Named::Listener, &mut references)),
    };
    let expect = expect(section, &mut references);
    WrittenTest { test: Test { request, expect, place }, references }
}

/// `GET https://host[:port]/path`.
fn request(item: Item<'_>) -> Option<(String, String)> {
    const EXAMPLE: &str = "write request = \"GET https://shop.example/api/cart\"";
    let text = item.text()?;
    let Some((method, url)) = text.split_once(' ').filter(|(_, url)| !url.contains(' ')) else {
        let help = match text.starts_with("http://") || text.starts_with("https://") {
            true if !text.contains(' ') => format!("write request = \"GET {text}\""),
            _ => EXAMPLE.to_owned(),
        };
        item.bad(format!("{} is not a method and a URL", shown(text)), help);
        return None;
    };
    if let Err((message, help)) = check_method(method) {
        item.bad_at(item.cx.find_inside(item.place(), method), message, help);
        return None;
    }
    if let Err((why, help)) = check_url(url) {
        item.bad_at(item.cx.find_inside(item.place(), url), format!("{} {why}", shown(url)), help);
        return None;
    }
    Some((method.to_owned(), url.to_owned()))
}

/// The path is not looked at: how a bad one is answered can be tested too.
fn check_url(url: &str) -> Result<(), (&'static str, String)> {
    let Some((scheme, rest)) = url.split_once("://") else {
        let help = match url.starts_with('/') {
            true => format!("write \"http://HOST{url}\" with the host that it is for"),
            false => format!("write \"http://{url}\""),
        };
        return Err(("is not an absolute URL", help));
    };
    if !["http", "https"].contains(&scheme) {
        return Err(("has another scheme than http and https", format!("write \"http://{rest}\"")));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if let Err(why) = hosts::check_authority(authority) {
        let help = "accepted: \"http://shop.example/path\", \"https://[::1]:8443/path\"";
        return Err(match authority.contains('@') {
            true => ("names a user, which no request does", help.into()),
            false if authority.is_empty() => ("has no host", help.into()),
            false => (why, help.into()),
        });
    }
    if path.contains('#') {
        return Err(("has a fragment, which is never sent", "cut it off at the `#`".into()));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(("has a character that no URL has", "percent-encode it".into()));
    }
    Ok(())
}

fn address(item: Item<'_>) -> Option<IpAddr> {
    let text = item.text()?;
    let address = text.parse().ok();
    if address.is_none() {
        let help = match text.parse::<std::net::SocketAddr>() {
            Ok(address) => format!("write \"{}\"", address.ip()),
            Err(_) => "accepted: \"203.0.113.7\", \"2001:db8::7\"".to_owned(),
        };
        item.bad(format!("{} is not an address", shown(text)), help);
    }
    address
}

/// A name that has to exist.
fn name(item: Item<'_>, kind: Named, references: &mut Vec<Reference>) -> Option<String> {
    let name = item.text()?.to_owned();
    references.push(Reference { kind, name: name.clone(), place: item.place() });
    Some(name)
}

fn expect(test: &Section<'_>, references: &mut Vec<Reference>) -> Expect {
    const HELP: &str = "write expect = { route = \"NAME\" }; also upstream, status, path";
    if test.item("expect").is_none() {
        test.missing("expect", HELP);
    }
    let Some(section) = test.child("expect", &shapes::TEST_EXPECT) else {
        return Expect::default();
    };
    if section.table.entries.is_empty() {
        section.missing_all(section.shape.keys, "expectation: the test would say nothing", HELP);
    }
    Expect {
        route: section.read("route", |item| match item.text()? {
            "none" => Some("none".to_owned()),
            _ => name(item, Named::Route, references),
        }),
        upstream: section.read("upstream", |item| name(item, Named::Upstream, references)),
        status: section.read("status", |item| item.integer(200..=599)),
        path: section.read("path", path),
    }
}

fn path(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(text.to_owned());
    }
    let message = format!("{} is not a path that a backend could get", shown(text));
    item.bad(message, "accepted: path and query, as in \"/v1/cart?page=2\"");
    None
}
