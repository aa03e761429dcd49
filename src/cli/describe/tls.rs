//! What listeners and upstreams say of TLS and of HTTP/2, one key each, so that a plan names what differs alone.

use super::Facets;
use crate::config::{
    CertificateFiles, ClientAuthMode, ListenerHttp, ListenerTls, Protocol, TlsVersion, UnknownSni,
    UpstreamTls,
};

/// Which versions of HTTP a listener speaks.
pub(super) fn http(http: ListenerHttp) -> Facets {
    let ListenerHttp { h1, h2, h2c, h2_max_streams } = http;
    vec![
        ("http.h1", h1.to_string()),
        ("http.h2", h2.to_string()),
        ("http.h2c", h2c.to_string()),
        ("http.h2_max_streams", h2_max_streams.to_string()),
    ]
}

/// What a listener shows, and what it asks for.
pub(super) fn listener(tls: Option<&ListenerTls>) -> Facets {
    let Some(tls) = tls else { return vec![("tls", "off".into())] };
    let min = match tls.min_version {
        TlsVersion::V12 => "1.2",
        TlsVersion::V13 => "1.3",
    };
    let unknown = match tls.unknown_sni {
        UnknownSni::Reject => "reject",
        UnknownSni::First => "first",
    };
    let auth = tls.client_auth.as_ref().map_or("off".to_owned(), |auth| {
        let mode = match auth.mode {
            ClientAuthMode::Optional => "optional",
            ClientAuthMode::Require => "require",
        };
        format!("{mode} by {}", auth.ca.display())
    });
    let certificates: Vec<String> = tls.certificates.iter().map(|it| pair(&it.files)).collect();
    vec![
        ("tls", "on".into()),
        ("tls.certificates", certificates.join(", ")),
        ("tls.min_version", min.into()),
        ("tls.unknown_sni", unknown.into()),
        ("tls.sni_host_check", tls.sni_host_check.to_string()),
        ("tls.client_auth", auth),
    ]
}

/// Which version of HTTP backends are asked in.
pub(super) fn protocol(protocol: Protocol) -> String {
    let name = match protocol {
        Protocol::Auto => "auto",
        Protocol::Http1 => "http1",
        Protocol::Http2 => "http2",
    };
    name.into()
}

/// How an upstream's `https://` backends are spoken to.
pub(super) fn upstream(tls: &UpstreamTls) -> Facets {
    let ca = tls.ca.as_ref().map_or("system".to_owned(), |ca| ca.file.display().to_string());
    let client = tls.client.as_ref().map_or("none".to_owned(), |client| pair(&client.files));
    vec![
        ("tls.verify", tls.verify.to_string()),
        ("tls.ca", ca),
        ("tls.sni", tls.sni.clone().unwrap_or("the backend's host".into())),
        ("tls.client", client),
    ]
}

fn pair(files: &CertificateFiles) -> String {
    format!("{} with {}", files.cert.display(), files.key.display())
}
