//! Addresses as operators write them: where to listen, and where backends are. Nothing is resolved here.

use std::net::{IpAddr, SocketAddr};

use super::hosts;
use super::item::{Item, shown};
use super::schema::{BackendAddress, Bind, Scheme};

/// The longest path of a unix socket, in bytes: what fits in a `sockaddr_un`.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// `"127.0.0.1:8080"`, `"[::]:443"` or `"unix:/run/x.sock"`.
pub(crate) fn bind(item: Item<'_>) -> Option<Bind> {
    const ACCEPTED: &str =
        "accepted: \"0.0.0.0:8080\", \"127.0.0.1:8080\", \"[::]:8080\" or \"unix:/run/x.sock\"";
    let Some(text) = item.as_text() else {
        let help = match &item.node.value {
            super::tree::Value::Integer(Some(port)) => format!("write bind = \"0.0.0.0:{port}\""),
            _ => ACCEPTED.to_owned(),
        };
        item.wrong_type("a string or an array of strings", help);
        return None;
    };
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(item, path).map(Bind::Unix);
    }
    if text.starts_with("fd:") {
        item.not_built("socket activation (`fd:`)", "write an address and port for now");
        return None;
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Bind::Tcp(address));
    }
    let help = match text.rsplit_once(':') {
        _ if text.contains("://") => "write the address and port only, without a scheme".to_owned(),
        Some(("" | "*", port)) if port.parse::<u16>().is_ok() => {
            format!("write \"0.0.0.0:{port}\" (IPv4) or \"[::]:{port}\" (IPv6)")
        }
        Some(("localhost", port)) if port.parse::<u16>().is_ok() => {
            format!("write \"127.0.0.1:{port}\" or \"[::1]:{port}\"")
        }
        _ if text.parse::<u16>().is_ok() => format!("write \"0.0.0.0:{text}\""),
        _ => match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => format!("the port is missing: \"{ip}:8080\""),
            Ok(IpAddr::V6(ip)) => format!("the port is missing: \"[{ip}]:8080\""),
            Err(_) if text.starts_with('/') => format!("for a unix socket write \"unix:{text}\""),
            Err(_) => ACCEPTED.to_owned(),
        },
    };
    item.bad(format!("`{text}` is not an address to listen on"), help);
    None
}

/// `"10.0.0.1:80"`, `"[::1]:80"`, `"app.internal:80"`, each also after a scheme, or `"unix:/run/x.sock"`.
pub(crate) fn backend(item: Item<'_>) -> Option<(Scheme, BackendAddress)> {
    let text = item.text()?;
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(item, path).map(|path| (Scheme::Http, BackendAddress::Unix(path)));
    }
    let (scheme, authority) = match text.split_once("://") {
        None => (Scheme::Http, text),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("h2c", rest)) => (Scheme::H2c, rest),
        Some((scheme, rest)) => {
            let help = match scheme {
                "h2" | "grpcs" => format!("HTTP/2 through TLS is \"https://{rest}\""),
                "grpc" | "http2" => format!("HTTP/2 in the clear is \"h2c://{rest}\""),
                _ => "accepted: \"10.0.0.11:8080\", the same after http://, https:// or h2c://, \
                      \"unix:/run/app.sock\""
                    .to_owned(),
            };
            item.bad(format!("{} is not a scheme for a backend", shown(scheme)), help);
            return None;
        }
    };
    if let Some(path) = authority.strip_prefix("unix:").or(authority.strip_prefix('/')) {
        behind_a_scheme(item, scheme, path);
        return None;
    }
    tcp(item, text, authority).map(|address| (scheme, address))
}

/// A unix socket at `path` with a scheme before it.
fn behind_a_scheme(item: Item<'_>, scheme: Scheme, path: &str) {
    let path = path.trim_start_matches('/');
    let clear = format!("\"unix:/{path}\"");
    let help = match scheme {
        Scheme::Http => format!("write {clear}, without a scheme"),
        Scheme::H2c => format!("write {clear}, and protocol = \"http2\" on the upstream"),
        Scheme::Https => format!(
            "a unix socket stays on this machine: write {clear}, which speaks in the clear; \
             for TLS let the backend listen on a port"
        ),
    };
    let message =
        format!("{} stands before a unix socket", shown(&format!("{}://", scheme.name())));
    item.bad(message, help);
}

/// A host and port, behind the scheme of `text`.
fn tcp(item: Item<'_>, text: &str, authority: &str) -> Option<BackendAddress> {
    if let Some(slash) = authority.find(['/', '?', '#']) {
        item.bad(
            format!("`{text}` has a path; a backend is only an address"),
            format!(
                "write \"{}\"; paths are matched by a [[route]]",
                &text[..text.len() - authority.len() + slash]
            ),
        );
        return None;
    }
    if let Ok(address) = authority.parse::<SocketAddr>() {
        if address.port() == 0 {
            item.bad(format!("`{text}` has port 0"), "name the port that the backend listens on");
            return None;
        }
        return Some(BackendAddress::Tcp(address));
    }
    named(item, text, authority)
}

/// A host name and port.
fn named(item: Item<'_>, text: &str, authority: &str) -> Option<BackendAddress> {
    let Some((host, port)) =
        authority.rsplit_once(':').filter(|_| authority.parse::<IpAddr>().is_err())
    else {
        let scheme = text.strip_suffix(authority).unwrap_or_default();
        let port = if scheme == "https://" { 443 } else { 8080 };
        let help = match authority.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => {
                format!("write \"{scheme}[{ip}]:{port}\" with the backend's port")
            }
            _ if authority.is_empty() => format!("write \"{scheme}10.0.0.11:{port}\""),
            _ => format!("write \"{scheme}{authority}:{port}\" with the backend's port"),
        };
        item.bad(format!("{} has no port", shown(text)), help);
        return None;
    };
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port != 0) else {
        item.bad(format!("{} is not a port", shown(port)), "accepted: 1 to 65535");
        return None;
    };
    match hosts::check_name(host) {
        Ok(()) => Some(BackendAddress::Name(host.trim_end_matches('.').to_ascii_lowercase(), port)),
        Err(why) => {
            item.bad(
                format!("{} {why}", shown(host)),
                "accepted: an IP address or a host name with a port, as in \"10.0.0.11:8080\"",
            );
            None
        }
    }
}

/// The path of a unix socket, without `unix:`.
pub(crate) fn unix(item: Item<'_>, path: &str) -> Option<std::path::PathBuf> {
    let path_text = path.strip_prefix("//").unwrap_or(path);
    if path_text.is_empty() || path_text.contains('\0') {
        item.bad("the path of the unix socket is missing", "write \"unix:/run/app.sock\"");
        return None;
    }
    let path = item.cx.resolve(path_text, item.place());
    let length = path.as_os_str().len();
    if length > UNIX_PATH_BYTES_MAX {
        item.bad(
            format!("the path of the unix socket has {length} bytes: {}", path.display()),
            format!("the system takes at most {UNIX_PATH_BYTES_MAX}"),
        );
        return None;
    }
    Some(path)
}
