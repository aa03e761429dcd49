//! Talking to a running daemon over its admin socket: finding the socket, one request, one answer. Called by `status`
//! and `reload`. Every failure says what to do.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::{Outcome, SocketArguments, complain, load};

/// Where a daemon listens, and what was asked of it.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// JSON.
    pub(super) body: String,
}

/// The socket that the arguments mean; what is in the way of knowing it is shown.
pub(super) fn socket(arguments: &SocketArguments) -> Result<PathBuf, Outcome> {
    if let Some(socket) = &arguments.socket {
        return Ok(socket.clone());
    }
    let Some(file) = &arguments.config else {
        return Ok(PathBuf::from(USUAL_SOCKET));
    };
    if let Some(socket) = written_plainly(file) {
        return Ok(socket);
    }
    match load(file)?.config.admin.socket {
        Some(socket) => Ok(socket),
        None => {
            complain(&format!(
                "error: {} opens no admin socket; add these lines and restart or reload (kill -HUP) the daemon:\n\n  \
                 [admin]\n  socket = \"{USUAL_SOCKET}\"\n",
                file.display()
            ));
            Err(Outcome::Failed)
        }
    }
}

/// `admin.socket` of a file, read without the rest of it: a file with a mistake elsewhere, or with a variable that only
/// the daemon's environment has, still says where the daemon is. `None` where that takes more than a look.
fn written_plainly(file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    let table = DeTable::parse(&text).ok()?;
    let admin = table.get_ref().get("admin")?.get_ref();
    let socket = admin.get("socket")?.get_ref().as_str().filter(|text| !text.contains('$'))?;
    let socket = socket.strip_prefix("unix:").unwrap_or(socket);
    Some(file.parent().unwrap_or(Path::new("")).join(socket))
}

/// Sends one request and reads the answer; what is in the way is shown.
pub(super) fn ask(
    socket: &Path,
    method: &str,
    target: &str,
    patience: Duration,
) -> Result<Answer, Outcome> {
    exchange(socket, method, target, patience).map_err(|error| {
        complain(&format!(
            "error: cannot reach a daemon on {}: {error}; {}\n",
            socket.display(),
            remedy(&error)
        ));
        Outcome::Failed
    })
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "no daemon listens there: is it running, and is this the [admin] socket of its configuration (-c FILE or --socket PATH)?"
        }
        io::ErrorKind::ConnectionRefused => {
            "the daemon that made it is gone: start one, or give the socket of another with --socket"
        }
        io::ErrorKind::PermissionDenied => {
            "only the user that runs the daemon, and root, may open it: run this as that user"
        }
        io::ErrorKind::InvalidInput => "a unix socket's path has at most 107 bytes",
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "it does not answer: is the process stopped, or starved of CPU?"
        }
        io::ErrorKind::UnexpectedEof => "try again: it may be stopping, and its log says more",
        _ => "is this the admin socket of a Forebay?",
    }
}

fn exchange(socket: &Path, method: &str, target: &str, patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let request = format!("{method} {target} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        let message = "it closed the connection without an answer";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    parse(&bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not whole"))
}

/// A whole response with a known length.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(n_head) = head.parse(bytes).ok()? else { return None };
    let is_length =
        |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case("content-length");
    let length = head.headers.iter().find(is_length)?.value;
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let body = bytes.get(n_head..).filter(|body| body.len() == length)?;
    Some(Answer { status: head.code?, body: String::from_utf8(body.to_vec()).ok()? })
}

/// The message of an answer that is an error.
pub(super) fn message(answer: &Answer) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    let message = value.as_ref().and_then(|value| value.get("error")?.as_str());
    match message {
        Some(message) => printable(message),
        None => format!("the daemon answered {}; is it another version?", answer.status),
    }
}

/// `text` without what would move a terminal's cursor: parts of it may come from backends.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => drop(write!(out, "{}", character.escape_default())),
            false => out.push(character),
        }
    }
    out
}

/// Where a daemon is looked for when nothing is said.
pub(super) const USUAL_SOCKET: &str = "/run/forebay/admin.sock";

/// An answer that is longer is cut, which is an error: a million backends are less.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_to_be_whole() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let answer = parse(whole).expect("whole");
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        for wrong in [
            &whole[..whole.len() - 1],
            b"HTTP/1.1 200 OK\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
            b"SSH-2.0-x\r\n",
            b"",
        ] {
            assert!(parse(wrong).is_none(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn the_socket_is_found_in_a_file_with_mistakes_and_unset_variables() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("forebay.toml");
        let found = |text: &str| {
            fs::write(&file, text).expect("written");
            written_plainly(&file)
        };
        let wrong = "nonsense = \"${NOT_SET_ANYWHERE}\"\n[admin]\nsocket = \"run/a.sock\"\n";
        assert_eq!(found(wrong), Some(directory.path().join("run/a.sock")));
        assert_eq!(found("admin.socket = \"/a.sock\""), Some(PathBuf::from("/a.sock")));
        for unclear in ["admin.socket = \"${HOME}/a\"", "admin.socket = 1", "[log]", "= ="] {
            assert_eq!(found(unclear), None, "{unclear}");
        }
    }

    #[test]
    fn nothing_that_a_backend_said_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\nü"), "a\\u{1b}[2J\\nü");
    }
}
