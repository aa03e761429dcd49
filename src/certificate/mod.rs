//! Certificates as they are read from PEM: checked, and taken apart as far as anybody asks. Pure: bytes in, facts or a
//! [`Fault`] out, without a clock and without a file. `config` reads them while it loads, `control` when their files
//! change, `tls` puts them into service, `proxy` looks at those of clients.

use std::fmt;

use sha2::{Digest as _, Sha256};

mod chain;
mod key;
mod names;
mod pair;
mod peer;
mod pem;
mod roots;
#[cfg(test)]
mod tests;

pub use names::Names;
pub use pair::{KeyKind, Pair};
pub use peer::Peer;
pub use roots::Roots;

/// What is wrong with a certificate or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which of the two files.
    pub part: Part,
    /// What is wrong, to follow the name of the file: "holds no certificate".
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// One of the files of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one with the certificates.
    Certificate,
    /// The one with the key.
    Key,
}

impl Fault {
    fn certificate(message: impl Into<String>, help: impl Into<String>) -> Self {
        Fault { part: Part::Certificate, message: message.into(), help: help.into() }
    }

    fn key(message: impl Into<String>, help: impl Into<String>) -> Self {
        Fault { part: Part::Key, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for Fault {}

/// SHA-256 of a certificate as it goes over the wire: what others call its fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of these bytes.
    pub fn of(der: &[u8]) -> Self {
        Fingerprint(Sha256::digest(der).into())
    }
}

/// Lower-case hexadecimal digits, without colons.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// When a certificate is good, both ends included, in seconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub not_before: i64,
    /// Until then.
    pub not_after: i64,
}

impl Validity {
    /// How `now`, in seconds since 1970, lies to it.
    pub fn at(self, now: i64) -> Standing {
        match now {
            _ if now < self.not_before => Standing::NotYet,
            _ if now > self.not_after => Standing::Expired,
            _ => Standing::Good,
        }
    }
}

/// Whether a certificate is good at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It will be.
    NotYet,
    /// It is.
    Good,
    /// It was.
    Expired,
}
