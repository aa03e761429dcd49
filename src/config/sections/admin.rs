//! `[admin]`.

use super::super::address;
use super::super::item::Item;
use super::super::reader::Section;
use super::super::schema::Admin;
use super::super::shapes;

/// `[admin]`; without it there is no socket.
pub(super) fn read(root: &Section<'_>) -> Admin {
    let Some(section) = root.child("admin", &shapes::ADMIN) else { return Admin::default() };
    Admin { socket: section.read("socket", socket) }
}

/// A path; here nothing else could stand, so `unix:` is not needed.
fn socket(item: Item<'_>) -> Option<std::path::PathBuf> {
    let text = item.text()?;
    address::unix(item, text.strip_prefix("unix:").unwrap_or(text))
}
