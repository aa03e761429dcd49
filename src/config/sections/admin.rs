//! `[admin]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::address;
use super::super::item::{Item, shown};
use super::super::reader::Section;
use super::super::schema::Admin;
use super::super::shapes;

/// `[admin]`; without it there is no socket.
pub(super) fn read(root: &Section<'_>) -> Admin {
    let Some(section) = root.child("admin", &shapes::ADMIN) else { return Admin::default() };
    Admin { socket: section.read("socket", socket) }
}

/// A path; `unix:` may stand before it, as it does elsewhere.
fn socket(item: Item<'_>) -> Option<PathBuf> {
    const HELP: &str = "write socket = \"/run/forebay/admin.sock\"";
    let Some(text) = item.as_text() else {
        item.wrong_type("the path of a unix socket", HELP);
        return None;
    };
    let path = text.strip_prefix("unix:").unwrap_or(text);
    let is_address = path.parse::<SocketAddr>().is_ok() || path.contains("://");
    if path.is_empty() || is_address || path.parse::<u16>().is_ok() {
        item.bad(format!("{} is not the path of a unix socket", shown(text)), HELP);
        return None;
    }
    address::unix(item, path)
}
