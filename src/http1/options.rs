//! The options of a `Connection` field (RFC 9110, section 7.6.1).

/// What all `Connection` fields of a head say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// `close`.
    pub close: bool,
    /// `keep-alive`.
    pub keep_alive: bool,
    /// `upgrade`.
    pub upgrade: bool,
    /// Any name that the proxy does not handle by itself: that field must go, too.
    pub names_fields: bool,
}

impl ConnectionOptions {
    /// Adds what one field's value says.
    #[inline]
    pub fn see(&mut self, value: &[u8]) {
        // The two values that nearly every message carries.
        if value.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if value.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else {
            connection_options(value).for_each(|option| self.see_option(option));
        }
    }

    fn see_option(&mut self, option: &[u8]) {
        if option.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else {
            self.names_fields = true;
        }
    }
}

/// The options in one `Connection` value.
pub fn connection_options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}
