//! A request as a test or `explain` writes it becomes the bytes that a client would send, and finds its listener.

use std::io::Write as _;
use std::net::IpAddr;

use super::TrialError;
use crate::config::{Bind, Config, Listener, TestRequest};

/// The parts of `http://host[:port]/path[?query]`.
pub(super) struct Url<'a> {
    authority: &'a str,
    /// With its query; begins with a slash.
    target: String,
    /// As written, or the scheme's.
    port: u16,
    /// The port is the scheme's.
    is_usual_port: bool,
    /// `https`.
    pub(super) secure: bool,
}

impl<'a> Url<'a> {
    /// Only taken apart: what is wrong with the parts is the proxy's to refuse.
    pub(super) fn parse(url: &'a str) -> Result<Self, TrialError> {
        let bad = |why: &str| TrialError(format!("{url:?} is no URL to ask for: {why}"));
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| bad("write http://host[:port]/path"))?;
        let scheme_port = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => return Err(bad("its scheme must be http or https")),
        };
        if let Some(byte) = url.bytes().find(|byte| byte.is_ascii_control() || *byte == b' ') {
            let why = format!("a byte 0x{byte:02x} cannot be sent; write it as %{byte:02X}");
            return Err(bad(&why));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let slash = if target.starts_with('/') { "" } else { "/" };
        let digits = authority.rsplit_once(':').map(|(_, digits)| digits);
        let written = digits.and_then(|digits| digits.parse().ok());
        Ok(Url {
            authority,
            target: format!("{slash}{target}"),
            port: written.unwrap_or(scheme_port),
            is_usual_port: written.is_none(),
            secure: scheme_port == 443,
        })
    }

    /// The host as a client names it in its TLS handshake: a name in lower case, never an address.
    pub(super) fn sni(&self) -> Option<String> {
        let (host, _) = self.authority.rsplit_once(':').unwrap_or((self.authority, ""));
        let is_name = !self.authority.starts_with('[') && host.parse::<IpAddr>().is_err();
        (is_name && self.secure).then(|| host.trim_end_matches('.').to_ascii_lowercase())
    }
}

/// The head of `request` as a client sends it.
pub(super) fn bytes(request: &TestRequest, url: &Url<'_>) -> Result<Vec<u8>, TrialError> {
    if request.method.is_empty() || !request.method.bytes().all(may_stand_in_method) {
        let method = &request.method;
        return Err(TrialError(format!("{method:?} is no method; write GET, POST or the like")));
    }
    let mut out = format!("{} {} HTTP/1.1\r\n", request.method, url.target).into_bytes();
    let names_host = |(name, _): &(String, String)| name.eq_ignore_ascii_case("host");
    if !request.headers.iter().any(names_host) {
        let _ = write!(out, "Host: {}\r\n", url.authority);
    }
    for (name, value) in &request.headers {
        if [name, value].iter().any(|text| text.bytes().any(|byte| matches!(byte, b'\r' | b'\n'))) {
            return Err(TrialError(format!("the header {name:?} has a line break in it")));
        }
        let _ = write!(out, "{name}: {value}\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// RFC 9110, section 5.6.2: what a token is written with.
fn may_stand_in_method(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The listener that `request` means: the one it names, or the only one; else of those that speak TLS or do not, as the
/// URL says, the only one with its port, or where no port is written the only one.
pub(super) fn listener<'a>(
    config: &'a Config,
    request: &TestRequest,
    url: &Url<'_>,
) -> Result<&'a Listener, TrialError> {
    let all = &config.listeners;
    if let Some(name) = &request.listener {
        let named = all.iter().find(|listener| listener.name == *name);
        return named.ok_or_else(|| {
            TrialError(format!("there is no listener {name:?}; there are: {}", list(all.iter())))
        });
    }
    if let [only] = &all[..] {
        return Ok(only);
    }
    let on_port = |listener: &&Listener| {
        listener.binds.iter().any(|bind| match bind {
            Bind::Tcp(address) => address.port() == url.port,
            Bind::Unix(_) => false,
        })
    };
    // In front of a proxy that speaks TLS may be what does.
    let any_secure = all.iter().any(|listener| listener.tls.is_some());
    let of_scheme = |listener: &&Listener| !any_secure || listener.tls.is_some() == url.secure;
    let fitting: Vec<&Listener> = all.iter().filter(of_scheme).collect();
    let found: Vec<&Listener> = fitting.iter().copied().filter(on_port).collect();
    match &found[..] {
        [one] => Ok(one),
        [] if url.is_usual_port && any_secure && fitting.len() == 1 => Ok(fitting[0]),
        [] if any_secure => Err(TrialError(format!(
            "no listener {} TLS has port {}; say which is meant with `listener`: {}",
            if url.secure { "with" } else { "without" },
            url.port,
            list(all.iter())
        ))),
        [] => Err(TrialError(format!(
            "no listener has port {}; say which is meant with `listener`: {}",
            url.port,
            list(all.iter())
        ))),
        several => Err(TrialError(format!(
            "several listeners have port {}; say which is meant with `listener`: {}",
            url.port,
            list(several.iter().copied())
        ))),
    }
}

/// `"web" (0.0.0.0:80), "admin" (unix:/run/x.sock)`.
fn list<'a>(listeners: impl Iterator<Item = &'a Listener>) -> String {
    let one = |listener: &Listener| {
        let binds: Vec<String> = listener.binds.iter().map(bind).collect();
        format!("{:?} ({})", listener.name, binds.join(", "))
    };
    listeners.map(one).collect::<Vec<_>>().join(", ")
}

fn bind(bind: &Bind) -> String {
    match bind {
        Bind::Tcp(address) => address.to_string(),
        Bind::Unix(path) => format!("unix:{}", path.display()),
    }
}
