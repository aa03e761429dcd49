//! `[listener.tls]` and `listener.http`, and the files of certificates wherever they are named: they are read while the
//! configuration is.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::certificates::read_roots;
use super::super::item::Item;
use super::super::reader::{Cx, Section};
use super::super::report::{Code, Draft};
use super::super::schema::{
    Certificate, CertificateFiles, ClientAuth, ClientAuthMode, ListenerHttp, ListenerTls,
    TlsVersion, UnknownSni,
};
use super::super::shapes;
use super::super::source::Place;
use super::super::tree::{Node, Value};
use crate::certificate::{KeyKind, Part, Roots, Standing, Validity};

/// The most certificates of one listener.
const CERTIFICATES_MAX: usize = 10_000;

/// `tls`, if it was written.
pub(super) fn read(listener: &Section<'_>) -> Option<ListenerTls> {
    let section = listener.child("tls", &shapes::LISTENER_TLS)?;
    let versions = [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];
    let unknown = [("reject", UnknownSni::Reject), ("first", UnknownSni::First)];
    Some(ListenerTls {
        min_version: section
            .read("min_version", |item| version(item, &versions))
            .unwrap_or_default(),
        certificates: certificates(&section),
        unknown_sni: section.read("unknown_sni", |item| item.word(&unknown)).unwrap_or_default(),
        client_auth: client_auth(&section),
        sni_host_check: section.read("sni_host_check", Item::boolean).unwrap_or(true),
    })
}

fn version(item: Item<'_>, versions: &[(&'static str, TlsVersion)]) -> Option<TlsVersion> {
    if let Some("1.0" | "1.1" | "TLSv1" | "TLSv1.1" | "SSLv3") = item.as_text() {
        item.bad(
            "this version of TLS is broken, and no longer spoken (RFC 8996)",
            "accepted: \"1.2\", \"1.3\"",
        );
        return None;
    }
    item.word(versions)
}

fn certificates(section: &Section<'_>) -> Vec<Certificate> {
    let write = "write certificates = [{ cert = \"shop.crt\", key = \"shop.key\" }]";
    let Some(item) = section.item("certificates") else {
        section.missing("certificates", write);
        return Vec::new();
    };
    let items = item.one_or_more();
    if items.is_empty() {
        item.bad("there is no certificate to show", write);
    }
    if items.len() > CERTIFICATES_MAX {
        let message = format!("`certificates` has {} entries", items.len());
        item.bad(message, format!("accepted: 1 to {CERTIFICATES_MAX}"));
    }
    let items = items.into_iter().take(CERTIFICATES_MAX);
    section.cx.read_ahead(items.clone().filter_map(files));
    let read: Vec<(Certificate, Place)> =
        items.filter_map(|item| Some((certificate(section, item)?, item.place()))).collect();
    shadowed(section.cx, &read);
    read.into_iter().map(|(certificate, _)| certificate).collect()
}

/// The files that an entry of `certificates` names. What is wrong with it is told when it is its turn.
fn files(item: Item<'_>) -> Option<CertificateFiles> {
    let Value::Table(table) = &item.node.value else { return None };
    let path = |key: &str| match &table.find(key)?.node {
        Node { value: Value::String { text, .. }, place } => Some(item.cx.resolve(text, *place)),
        _ => None,
    };
    Some(CertificateFiles { cert: path("cert")?, key: path("key")? })
}

/// One entry of `certificates`.
fn certificate(around: &Section<'_>, item: Item<'_>) -> Option<Certificate> {
    let title = "an entry of `certificates`".to_owned();
    let table = around.open(item.node, &shapes::LISTENER_TLS_CERTIFICATES, title)?;
    let (cert, key) = (table.item("cert"), table.item("key"));
    if cert.is_none() {
        table.missing(
            "cert",
            "write cert = \"shop.crt\", the certificate and those that vouch for it",
        );
    }
    if key.is_none() {
        table.missing("key", "write key = \"shop.key\", the certificate's private key");
    }
    let (cert, key) = (cert?, key?);
    let certificate = read_pair(cert, key)?;
    if certificate.pair.names.is_empty() {
        let message =
            "the certificate names no host (subjectAltName), so that no client accepts it";
        let draft = Draft::warning(Code::Suspicious, cert.place(), message);
        table.cx.report(draft.help("have it issued again with the names it is for"));
    }
    Some(certificate)
}

/// A certificate and its key, from the files that these two name.
pub(super) fn read_pair(cert: Item<'_>, key: Item<'_>) -> Option<Certificate> {
    let (cert_text, key_text) = (cert.text()?, key.text()?);
    let cx = cert.cx;
    let files = CertificateFiles {
        cert: cx.resolve(cert_text, cert.place()),
        key: cx.resolve(key_text, key.place()),
    };
    match cx.pair(&files) {
        Ok(pair) => {
            tell_standing(cert, pair.validity);
            Some(Certificate { files, pair })
        }
        Err(fault) => {
            let item = if fault.part == Part::Key { key } else { cert };
            item.bad(fault.message, fault.help);
            None
        }
    }
}

/// The authorities in the file that `item` names, and which one that is.
pub(super) fn read_authorities(item: Item<'_>) -> Option<(PathBuf, Arc<Roots>)> {
    let path = item.cx.resolve(item.text()?, item.place());
    match read_roots(&path) {
        Ok(roots) => {
            tell_standing(item, roots.validity);
            Some((path, Arc::new(roots)))
        }
        Err(fault) => {
            item.bad(fault.message, fault.help);
            None
        }
    }
}

/// Reports a certificate that is not good now.
fn tell_standing(item: Item<'_>, validity: Validity) {
    let (what, at, help) = match validity.at(now()) {
        Standing::Good => return,
        Standing::Expired => {
            ("has expired", validity.not_after, "renew it; peers refuse it as it is")
        }
        Standing::NotYet => (
            "is not good yet",
            validity.not_before,
            "peers refuse it until then; if that is past, the clock of this machine is wrong",
        ),
    };
    let at = jiff::Timestamp::from_second(at).map(|at| format!(" ({at})")).unwrap_or_default();
    let message = format!("the certificate, or one of its chain, {what}{at}");
    let draft = Draft::warning(Code::Suspicious, item.place(), message);
    item.cx.report(draft.help(help));
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Reports certificates of which nothing is ever shown: another of the same kind has each of their names before.
fn shadowed(cx: &Cx, read: &[(Certificate, Place)]) {
    let mut first: HashMap<(&str, KeyKind), Place> = HashMap::new();
    for (certificate, place) in read {
        let pair = &certificate.pair;
        let mut before = None;
        let mut is_shown = pair.names.is_empty();
        for name in pair.names.iter() {
            match first.get(&(name, pair.kind)) {
                Some(place) => before = before.or(Some((name, *place))),
                None => {
                    first.insert((name, pair.kind), *place);
                    is_shown = true;
                }
            }
        }
        let Some((name, before)) = before.filter(|_| !is_shown) else { continue };
        let message =
            format!("a second {} certificate for `{name}`: the first is shown", pair.kind);
        let draft = Draft::warning(Code::Duplicate, *place, message).related(before, "the first");
        cx.report(
            draft.help("remove one of the two; several for a name have keys of different kinds"),
        );
    }
}

fn client_auth(section: &Section<'_>) -> Option<ClientAuth> {
    let table = section.child("client_auth", &shapes::LISTENER_TLS_CLIENT_AUTH)?;
    let modes = [("optional", ClientAuthMode::Optional), ("require", ClientAuthMode::Require)];
    let mode = match table.item("mode") {
        Some(item) => item.word(&modes),
        None => {
            table.missing("mode", "write mode = \"require\", or \"optional\"");
            None
        }
    };
    let Some(ca) = table.item("ca") else {
        table.missing("ca", "write ca = \"clients.pem\", the authorities that vouch for clients");
        return None;
    };
    let (ca, roots) = read_authorities(ca)?;
    Some(ClientAuth { ca, roots, mode: mode? })
}

/// `http`; `tls` says whether the listener has a table of that name.
pub(super) fn http(listener: &Section<'_>, tls: bool) -> ListenerHttp {
    let mut http = ListenerHttp::default();
    let Some(section) = listener.child("http", &shapes::LISTENER_HTTP) else { return http };
    let read = |key: &str| section.read(key, Item::boolean);
    let (h1, h2, h2c) = (read("h1"), read("h2"), read("h2c"));
    http.h1 = h1.unwrap_or(http.h1);
    http.h2 = h2.unwrap_or(http.h2);
    http.h2c = h2c.unwrap_or(http.h2c);
    let streams = 1..=i64::from(ListenerHttp::STREAMS_MAX);
    if let Some(max) = section.read("h2_max_streams", |item| item.integer(streams)) {
        http.h2_max_streams = max;
    }
    if let (true, Some(item), Some(true)) = (tls, section.item("h2c"), h2c) {
        item.bad(
            "`h2c` is HTTP/2 in the clear, and this listener speaks TLS",
            "leave it out: `h2` is what counts here",
        );
    }
    // Who says what `h2c` is to be knows one from the other.
    if let (false, Some(item), Some(true), None) = (tls, section.item("h2"), h2, h2c) {
        item.bad(
            "`h2` is HTTP/2 as TLS agrees on it, and this listener speaks in the clear",
            "write h2c = true for HTTP/2 in the clear, with clients that know it beforehand \
             (h1 goes on beside it), or leave `h2` out: with [listener.tls] it is the default",
        );
    }
    let lacks_http2 = if tls { h2 == Some(false) } else { h2c.is_none() };
    if let (true, Some(item)) = (lacks_http2, section.item("h2_max_streams")) {
        item.bad(
            "`h2_max_streams` has nothing to do: this listener does not speak HTTP/2",
            match tls {
                true => "leave it out, or remove `h2 = false`",
                false => "write h2c = true for HTTP/2 in the clear, or leave it out",
            },
        );
    }
    let speaks = http.h1 || if tls { http.h2 } else { http.h2c };
    if let (false, Some(item)) = (speaks, section.item("h1")) {
        item.bad(
            match tls {
                true => "without `h1` and `h2` nothing could be served",
                false => "without `h1` nothing could be served in the clear",
            },
            match tls {
                true => "write h2 = true for HTTP/2, or leave `h1` out",
                false => "write h2c = true for HTTP/2 in the clear, or leave `h1` out",
            },
        );
    }
    http
}
