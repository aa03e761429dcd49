//! Routes end to end: raw requests, the whole daemon from TOML, backends that say what they got.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod attacks;
mod filters;
mod limits;
mod matching;
mod pipelining;
mod rewriting;
mod splitting;
mod trials;

use support::{Message, Proxy, Service, Wire};

/// A backend that answers every request with its name, the request line and its fields, one a line. Says in
/// `x-server` who it is.
fn backend(name: &'static str) -> Service {
    Service::start(move |request| {
        let mut body = format!("{name}\n{}\n", request.line);
        for (field, value) in &request.fields {
            body.push_str(&format!("{field}: {value}\n"));
        }
        let length = body.len();
        let body = if request.line.starts_with("HEAD ") { String::new() } else { body };
        let head = "HTTP/1.1 200 OK\r\nX-Server: secret\r\nX-Twice: a\r\nX-Twice: b\r\n";
        format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    })
}

/// `[upstream.NAME]` for each of them.
fn upstreams(services: &[(&str, &Service)]) -> String {
    let one = |(name, service): &(&str, &Service)| {
        format!("[upstream.{name}]\nbackends = [\"{}\"]\n", service.address())
    };
    services.iter().map(one).collect()
}

/// One worker, one listener `main`; `routes` and whatever else.
fn text(routes: &str, services: &[(&str, &Service)]) -> String {
    format!(
        "[global]\nworkers = 1\n[[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n{routes}\n{}",
        upstreams(services)
    )
}

fn proxy(routes: &str, services: &[(&str, &Service)]) -> Proxy {
    Proxy::from_text(&text(routes, services))
}

/// Sends a request without a body and waits for the response.
#[track_caller]
fn ask(client: &mut Wire, method: &str, target: &str, fields: &str) -> Message {
    let host = if fields.to_ascii_lowercase().contains("host:") { "" } else { "Host: test\r\n" };
    client.send(format!("{method} {target} HTTP/1.1\r\n{host}{fields}\r\n"));
    client.response_to(method)
}

/// Who answered: a backend's name, or the status of an answer without one.
#[track_caller]
fn who(client: &mut Wire, method: &str, target: &str, fields: &str) -> String {
    let response = ask(client, method, target, fields);
    match response.field("x-server") {
        Some(_) => response.text().lines().next().unwrap_or_default().to_owned(),
        None => response.status().to_string(),
    }
}
