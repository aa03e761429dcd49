//! `[defaults.timeouts]` and the `timeouts` of a listener or an upstream.

use super::super::item::Item;
use super::super::reader::Section;
use super::super::schema::{ExchangeTimeoutOverrides, ListenerTimeouts};
use std::time::Duration;

type Timeout = Option<Option<Duration>>;

/// Timeouts written in one table; outer `None` is "not written".
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    header: Timeout,
    body_idle: Timeout,
    keepalive: Timeout,
    pub(super) exchange: ExchangeTimeoutOverrides,
}

impl Written {
    /// `defaults` with what is written put over them.
    pub(super) fn over(&self, defaults: ListenerTimeouts) -> ListenerTimeouts {
        ListenerTimeouts {
            header: self.header.unwrap_or(defaults.header),
            body_idle: self.body_idle.unwrap_or(defaults.body_idle),
            keepalive: self.keepalive.unwrap_or(defaults.keepalive),
        }
    }
}

/// Those of a listener and of an exchange.
pub(super) fn read_all(section: &Section<'_>) -> Written {
    Written {
        header: section.read("header", Item::duration_or_off),
        body_idle: section.read("body_idle", Item::duration_or_off),
        keepalive: section.read("keepalive", Item::duration_or_off),
        exchange: read_exchange(section),
    }
}

/// Those of an exchange only.
pub(super) fn read_exchange(section: &Section<'_>) -> ExchangeTimeoutOverrides {
    let timeout = |key| section.read(key, Item::duration_or_off);
    ExchangeTimeoutOverrides {
        send_idle: timeout("send_idle"),
        connect: timeout("connect"),
        first_byte: timeout("first_byte"),
        response_idle: timeout("response_idle"),
        total: timeout("total"),
        tunnel_idle: timeout("tunnel_idle"),
    }
}
