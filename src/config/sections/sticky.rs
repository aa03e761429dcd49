//! `upstream.sticky`: clients that stay on their backend.

use std::time::Duration;

use super::super::item::{Item, shown};
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::Sticky;
use super::super::{secret, shapes};

/// How long a cookie is kept where the table does not say otherwise.
const TTL: Duration = Duration::from_secs(3600);

/// The shortest: `Max-Age` counts in seconds, and 0 would remove the cookie.
const TTL_MIN: Duration = Duration::from_secs(1);

/// The longest name of a cookie, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// `sticky` of the upstream `section`; `"off"` is none.
pub(super) fn read(section: &Section<'_>) -> Option<Sticky> {
    let item = section.item("sticky")?;
    if item.as_text() == Some("off") {
        return None;
    }
    let table = section.child("sticky", &shapes::UPSTREAM_STICKY)?;
    if table.item("cookie").is_none() {
        table.missing("cookie", "write sticky = { cookie = \"FOREBAY\" }");
    }
    let cookie = table.read("cookie", name);
    let ttl = table.read("ttl", ttl);
    let key = secret::read(&table, "key");
    if table.item("key").is_none() {
        let message = format!("clients of {} lose their backend at each restart", section.title);
        let help = "without a key one is made at random, for this process only; \
                    write key = { file = \"sticky.key\" } or key = { env = \"NAME\" }";
        section.cx.report(Draft::warning(Code::Suspicious, item.place(), message).help(help));
    }
    Some(Sticky { cookie: cookie?, ttl: ttl.unwrap_or(Some(TTL)), key })
}

fn ttl(item: Item<'_>) -> Option<Option<Duration>> {
    let ttl = item.duration_or_off()?;
    if ttl.is_some_and(|ttl| ttl < TTL_MIN) {
        let help = "accepted: \"1s\" and more, or \"off\" for a cookie that ends with the browser";
        item.bad("a cookie is kept for whole seconds", help);
        return None;
    }
    Some(ttl)
}

/// A token, as RFC 6265 has it.
fn name(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(is_token) {
        let help = format!(
            "accepted: 1 to {NAME_BYTES_MAX} letters, digits and signs such as - and _, as in \"FOREBAY\""
        );
        item.bad(format!("{} is no name for a cookie", shown(text)), help);
        return None;
    }
    Some(text.to_owned())
}
