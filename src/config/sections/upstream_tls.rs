//! `upstream.protocol` and `upstream.tls`: how backends are spoken to.

use rustls::pki_types::ServerName;

use super::super::item::{Item, shown};
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{
    Authorities, Backend, Certificate, Health, Protocol, Scheme, UpstreamTls,
};
use super::super::shapes;
use super::tls::{read_authorities, read_pair};

/// `protocol` of the upstream `section`.
pub(super) fn protocol(section: &Section<'_>, backends: &[Backend]) -> Protocol {
    let words = [("auto", Protocol::Auto), ("http1", Protocol::Http1), ("http2", Protocol::Http2)];
    let Some(item) = section.item("protocol") else { return Protocol::Auto };
    let protocol = item.word(&words).unwrap_or_default();
    let h2c = backends.iter().any(|backend| backend.scheme == Scheme::H2c);
    if protocol == Protocol::Http1 && h2c {
        let message = "`h2c://` is HTTP/2, and `protocol` says HTTP/1.1";
        let draft = Draft::error(Code::BadValue, item.place(), message);
        let draft = match section.item("backends") {
            Some(backends) => {
                let at = section.cx.find_inside(backends.place(), "h2c://");
                draft.related(at, "HTTP/2 in the clear")
            }
            None => draft,
        };
        section.cx.report(draft.help("write http:// there, or remove `protocol`"));
    }
    protocol
}

/// `tls` of the upstream `section`, which is called `name`.
pub(super) fn read(section: &Section<'_>, name: &str, backends: &[Backend]) -> UpstreamTls {
    let default = UpstreamTls::default();
    let Some(item) = section.item("tls") else { return default };
    let Some(table) = section.child("tls", &shapes::UPSTREAM_TLS) else { return default };
    let https = |backend: &Backend| backend.scheme == Scheme::Https;
    if !backends.is_empty() && !backends.iter().any(https) {
        item.bad(
            format!("`tls` has nothing to do: no backend of {} is https", section.title),
            "write \"https://…\" in `backends`, or remove `tls`",
        );
    }
    for key in ["verify", "ca", "sni", "client"] {
        if let Some(item) = table.item(key) {
            section.cx.mark(format!("upstream.{name}.tls.{key}"), item.place());
        }
    }
    let verify = table.read("verify", Item::boolean).unwrap_or(true);
    let ca = table.read("ca", authorities);
    if let Some(ca) = table.item("ca").filter(|_| !verify) {
        ca.bad("nothing is verified: `ca` has nothing to do", "remove `verify = false`, or `ca`");
    }
    UpstreamTls { verify, ca, sni: table.read("sni", sni), client: client(&table) }
}

/// A check that shakes hands needs somebody who does.
pub(super) fn check_health(section: &Section<'_>, health: Option<&Health>, backends: &[Backend]) {
    let https = |backend: &Backend| backend.scheme == Scheme::Https;
    let shakes_hands = health.is_some_and(|health| health.kind == "tls");
    if let Some(item) = section.item("health").filter(|_| shakes_hands)
        && !backends.is_empty()
        && !backends.iter().any(https)
    {
        item.bad(
            format!("a tls check has nothing to do: no backend of {} is https", section.title),
            "write \"https://…\" in `backends`, or kind = \"tcp\"",
        );
    }
}

/// A name that a certificate can be for, or an IP address.
fn sni(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    if ServerName::try_from(text).is_ok() && !text.ends_with('.') {
        return Some(text.to_ascii_lowercase());
    }
    let help = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => {
            format!("a certificate is for a name, not a port: write sni = \"{host}\"")
        }
        _ if text.starts_with("*.") => {
            "name one host, not a pattern: the certificate may have one".to_owned()
        }
        _ if text.ends_with('.') => format!("write sni = \"{}\"", text.trim_end_matches('.')),
        _ => "accepted: a host name, as in \"api.internal\", or an IP address".to_owned(),
    };
    item.bad(format!("{} is no name of a server", shown(text)), help);
    None
}

/// Who may vouch for the backends.
fn authorities(item: Item<'_>) -> Option<Authorities> {
    let (file, roots) = read_authorities(item)?;
    Some(Authorities { file, roots })
}

/// Our own certificate: both files, or none.
fn client(section: &Section<'_>) -> Option<Certificate> {
    section.item("client")?;
    let table = section.child("client", &shapes::UPSTREAM_TLS_CLIENT)?;
    match (table.item("cert"), table.item("key")) {
        (Some(cert), Some(key)) => read_pair(cert, key),
        (cert, _) => {
            let missing = if cert.is_some() { "key" } else { "cert" };
            table.missing(missing, "write client = { cert = \"me.crt\", key = \"me.key\" }");
            None
        }
    }
}
