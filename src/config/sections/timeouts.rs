//! `[defaults.timeouts]` and the `timeouts` of a listener or an upstream.

use super::super::reader::Section;
use super::super::schema::{ExchangeTimeoutOverrides, ListenerTimeouts};
use std::time::Duration;

type Timeout = Option<Option<Duration>>;

/// Timeouts written in one table; outer `None` is "not written".
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    header: Timeout,
    body_idle: Timeout,
    tls_handshake: Timeout,
    keepalive: Timeout,
    pub(super) exchange: ExchangeTimeoutOverrides,
}

impl Written {
    /// `defaults` with what is written put over them.
    pub(super) fn over(&self, defaults: ListenerTimeouts) -> ListenerTimeouts {
        ListenerTimeouts {
            header: self.header.unwrap_or(defaults.header),
            body_idle: self.body_idle.unwrap_or(defaults.body_idle),
            tls_handshake: self.tls_handshake.unwrap_or(defaults.tls_handshake),
            keepalive: self.keepalive.unwrap_or(defaults.keepalive),
        }
    }
}

/// Those of a listener and of an exchange. `path` is what the table is called in [`super::super::schema::Places`].
pub(super) fn read_all(section: &Section<'_>, path: &str) -> Written {
    let timeout = |key| timeout(section, path, key);
    Written {
        header: timeout("header"),
        body_idle: timeout("body_idle"),
        tls_handshake: timeout("tls_handshake"),
        keepalive: timeout("keepalive"),
        exchange: read_exchange(section, path),
    }
}

/// Those of an exchange only.
pub(super) fn read_exchange(section: &Section<'_>, path: &str) -> ExchangeTimeoutOverrides {
    let timeout = |key| timeout(section, path, key);
    ExchangeTimeoutOverrides {
        send_idle: timeout("send_idle"),
        connect: timeout("connect"),
        first_byte: timeout("first_byte"),
        response_idle: timeout("response_idle"),
        total: timeout("total"),
        tunnel_idle: timeout("tunnel_idle"),
    }
}

/// One of them; where it stands is remembered for those who explain what holds.
fn timeout(section: &Section<'_>, path: &str, key: &str) -> Timeout {
    let item = section.item(key)?;
    let timeout = item.duration_or_off()?;
    section.cx.mark(format!("{path}.{key}"), item.place());
    Some(timeout)
}
