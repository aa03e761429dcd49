//! Why a check failed, in words that an operator can act on: `status` and the log show them.

use std::fmt;
use std::io;
use std::time::Duration;

use rustix::io::Errno;

use super::response::BODY_BYTES_MAX;
use crate::config::Statuses;
use crate::http1::RESPONSE_HEAD_BYTES_MAX;
use crate::net::DialError;

/// How far a check has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Not to a connection.
    #[default]
    Connecting,
    /// It waits for an answer.
    Asked,
    /// It has a part of an answer's head.
    Answering,
    /// It reads the body of one.
    Reading,
}

/// Why a check failed.
#[derive(Debug)]
pub enum ProbeError {
    /// No connection could be made.
    Connect(io::Error),
    /// One could, but there is no TLS session, or not for this protocol.
    Tls(String),
    /// It took longer than it may.
    Late(Stage, Duration),
    /// The connection ended before an answer.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// Another status than expected.
    Status(u16, Statuses),
    /// The HTTP/2 connection ended without an answer, or its answer breaks the rules.
    Http2(h2::Error),
    /// It is not served, or what came is not gRPC.
    Grpc(String),
    /// The answer is not HTTP/1, or breaks its rules.
    Malformed,
    /// The answer's head is longer than we read.
    HeadTooLong,
    /// Interim answers without an end.
    Interims,
    /// The connection ended within the answer.
    Truncated,
    /// A body of unknown length that does not end.
    Endless,
    /// The body lacks what it must contain.
    Lacks(String),
    /// There is no such kind of check: a fault of ours.
    UnknownKind(&'static str),
}

impl ProbeError {
    /// What broke in an exchange over HTTP/2.
    pub(super) fn http2(error: h2::Error) -> Self {
        match error.is_io() {
            true => match error.into_io() {
                Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    ProbeError::Broken(error)
                }
                _ => ProbeError::Closed,
            },
            false if error.reason() == Some(h2::Reason::NO_ERROR) => ProbeError::Closed,
            false => ProbeError::Http2(error),
        }
    }

    /// Whether it may come from the asker having been too slow, as far as the error says.
    pub fn may_be_the_askers(&self) -> bool {
        matches!(
            self,
            ProbeError::Late(..)
                | ProbeError::Closed
                | ProbeError::Broken(_)
                | ProbeError::Truncated
        )
    }

    /// Whether it took all the time there was: whoever is asked keeps a check under way that long.
    pub fn is_silence(&self) -> bool {
        matches!(self, ProbeError::Late(..))
    }

    /// Whether it says nothing about the backend: this process or machine has run out of something.
    pub fn is_the_askers(&self) -> bool {
        let ProbeError::Connect(error) = self else { return false };
        let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
        Errno::from_io_error(error).is_some_and(|errno| lacks.contains(&errno))
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeError::Connect(error) => connect(error, f),
            ProbeError::Tls(why) => f.write_str(why),
            ProbeError::Late(Stage::Connecting, after) => {
                write!(f, "no connection within {after:?}")
            }
            ProbeError::Late(Stage::Asked, after) => write!(f, "no answer within {after:?}"),
            ProbeError::Late(Stage::Answering, after) => {
                write!(f, "the answer's head did not end within {after:?}")
            }
            ProbeError::Late(Stage::Reading, after) => {
                write!(f, "the body did not end within {after:?}")
            }
            ProbeError::Closed => f.write_str("connection closed without an answer"),
            ProbeError::Broken(error) => write!(f, "connection broken: {}", plain(error)),
            ProbeError::Status(status, expected) => {
                write!(f, "answered {status}, expected {}", Ranges(expected))
            }
            ProbeError::Http2(error) => write!(f, "no answer over HTTP/2: {error}"),
            ProbeError::Grpc(why) => f.write_str(why),
            ProbeError::Malformed => f.write_str("the answer is not valid HTTP/1.1"),
            ProbeError::HeadTooLong => {
                write!(f, "the answer's head is longer than {} KiB", RESPONSE_HEAD_BYTES_MAX >> 10)
            }
            ProbeError::Interims => f.write_str("interim answers (1xx) without a final one"),
            ProbeError::Truncated => f.write_str("connection closed within the answer"),
            ProbeError::Endless => {
                write!(
                    f,
                    "the body does not end within {} KiB; check a path with a small answer",
                    BODY_BYTES_MAX >> 10
                )
            }
            ProbeError::Lacks(text) => write!(f, "the body does not contain {text:?}"),
            ProbeError::UnknownKind(kind) => write!(f, "there is no check of kind {kind}"),
        }
    }
}

impl std::error::Error for ProbeError {}

impl From<DialError> for ProbeError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Connect(error) => ProbeError::Connect(error),
            error => ProbeError::Tls(error.to_string()),
        }
    }
}

fn connect(error: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => f.write_str("connection refused"),
        io::ErrorKind::NotFound => f.write_str("there is no such socket file"),
        _ => write!(f, "no connection: {}", plain(error)),
    }
}

/// What the system says, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Statuses as operators write them: `200-399, 404`.
struct Ranges<'a>(&'a Statuses);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for status in self.0.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == status => *last = status,
                _ => ranges.push((status, status)),
            }
        }
        for (nth, (first, last)) in ranges.iter().enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_lack_ourselves_is_not_the_backends_fault() {
        let connect = |errno: Errno| ProbeError::Connect(errno.into());
        assert!(connect(Errno::MFILE).is_the_askers());
        assert!(!connect(Errno::CONNREFUSED).is_the_askers());
        assert!(!ProbeError::Closed.is_the_askers());
    }

    #[test]
    fn a_failure_says_what_was_found_and_what_was_wanted() {
        let two = Duration::from_secs(2);
        let expected = || Statuses::of((200..400).chain([404, 418, 419]));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let table = [
            (ProbeError::Status(503, expected()), "answered 503, expected 200-399, 404, 418-419"),
            (ProbeError::Late(Stage::Connecting, two), "no connection within 2s"),
            (ProbeError::Late(Stage::Asked, two), "no answer within 2s"),
            (ProbeError::Late(Stage::Reading, two), "the body did not end within 2s"),
            (ProbeError::Connect(refused), "connection refused"),
            (
                ProbeError::Connect(io::Error::from_raw_os_error(113)),
                "no connection: no route to host",
            ),
            (ProbeError::Lacks("ok".into()), "the body does not contain \"ok\""),
        ];
        for (error, text) in table {
            assert_eq!(error.to_string(), text);
        }
    }
}
