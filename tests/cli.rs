//! The binary as a shell sees it: what it prints where, and what it exits with.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

const GOOD: &str = "\
upstream.app.backends = [\"127.0.0.1:9\"]
[[listener]]
bind = \"127.0.0.1:0\"
[[route]]
upstream = \"app\"
";

fn forebay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.args(arguments).env_remove("FOREBAY_LOG").stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = forebay(arguments).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("it was not killed"), text(stdout), text(stderr))
}

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

/// A running daemon, killed when the test ends however it ends.
struct Running {
    child: Child,
    /// What it writes to stderr; disconnected at its end.
    lines: Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("it runs");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Running { child, lines }
    }

    /// The next lines of stderr up to the one that contains `text`; that one is last.
    fn lines_until(&mut self, text: &str) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        let mut lines: Vec<String> = Vec::new();
        while lines.last().is_none_or(|line| !line.contains(text)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("{error} before {text:?}:\n{}", lines.join("\n")),
            }
        }
        lines
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not stop"),
            }
        }
        self.child.wait().expect("waited").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line such as `… listening  listener=http bind=127.0.0.1:41234`.
fn address_in(line: &str) -> SocketAddr {
    let (_, address) = line.split_once("bind=").expect("a line with an address");
    address.trim().parse().expect("an address")
}

fn get(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    answer
}

#[test]
fn help_and_version_exit_0_and_wrong_usage_exits_2() {
    assert_eq!(output(&["--version"]).0, 0);
    let (code, stdout, _) = output(&["run", "--help"]);
    assert!(code == 0 && stdout.contains("Examples:"), "{stdout}");
    for wrong in [&["run"][..], &["check"], &["nonsense"], &["run", "--to", "a:1"], &[]] {
        assert_eq!(output(wrong).0, 2, "{wrong:?}");
    }
}

#[test]
fn check_exits_0_1_or_2_and_tells_every_problem() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = written(directory.path(), "good.toml", GOOD);
    let (code, stdout, stderr) = output(&["check", &good]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("good (1 listener, 1 route, 1 upstream, 1 backend)"), "{stdout}");

    let text = GOOD.replace("bind =", "bnid =").replace("\"app\"", "\"apq\"");
    let bad = written(directory.path(), "bad.toml", &text);
    let (code, stdout, stderr) = output(&["check", &bad]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("bnid") && stderr.contains("apq"), "{stderr}");
    let (code, stdout, _) = output(&["check", "--json", &bad]);
    let problems: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert!(code == 1 && problems.as_array().is_some_and(|all| all.len() >= 2), "{stdout}");

    let (code, _, stderr) = output(&["check", "/nonexistent/forebay.toml"]);
    assert!(code == 2 && stderr.contains("/nonexistent/forebay.toml"), "{stderr}");
}

#[test]
fn run_starts_nothing_from_a_wrong_file_or_on_a_busy_port() {
    let directory = tempfile::tempdir().expect("a directory");
    let bad = written(directory.path(), "bad.toml", &GOOD.replace("bind =", "bnid ="));
    let (code, _, stderr) = output(&["run", "-c", &bad]);
    assert!(code == 1 && stderr.contains("bnid"), "{code} {stderr}");

    let (code, _, stderr) = output(&["run", "-c", "/nonexistent/forebay.toml"]);
    assert!(code == 2 && stderr.contains("/nonexistent/forebay.toml"), "{code} {stderr}");

    let (code, _, stderr) = output(&["run", "--listen", "nonsense", "--to", "127.0.0.1:9"]);
    assert!(code == 1 && stderr.contains("nonsense"), "{code} {stderr}");

    let held = TcpListener::bind("127.0.0.1:0").expect("bound");
    let busy = held.local_addr().expect("bound").to_string();
    let (code, _, stderr) = output(&["run", "--listen", &busy, "--to", "127.0.0.1:9"]);
    assert!(code == 2 && stderr.contains(&busy), "{code} {stderr}");
}

#[test]
fn run_says_what_listens_where_reloads_on_hup_and_stops_on_term() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = written(directory.path(), "forebay.toml", GOOD);
    let mut running = Running::start(forebay(&["run", "-c", &file]));
    let lines = running.lines_until("ready");
    assert!(lines.iter().any(|line| line.contains("listening")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("kill -HUP")), "{lines:?}");

    written(directory.path(), "forebay.toml", &GOOD.replace("bind =", "bnid ="));
    running.signal("HUP");
    running.lines_until("bnid");

    running.signal("TERM");
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn the_demo_answers_through_the_proxy_and_stops_on_int() {
    let mut running = Running::start(forebay(&["demo", "--listen", "127.0.0.1:0"]));
    let lines = running.lines_until("listening");
    let address = address_in(lines.last().expect("a line"));
    let stdout = BufReader::new(running.child.stdout.take().expect("piped"));
    let invited = stdout.lines().map_while(Result::ok).any(|line| line.contains("curl"));
    assert!(invited, "the demo says what to curl");
    let mut seen: Vec<_> = (0..12)
        .map(|_| get(address))
        .filter_map(|answer| {
            let (_, rest) = answer.split_once("Hello from ")?;
            Some(rest.split('.').next().unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(seen.len(), 12, "every request is answered by a backend");
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["slow", "steady", "swift"]);
    running.signal("INT");
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn check_runs_the_tests_of_a_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let test = |expect: &str| {
        format!("{GOOD}[[test]]\nrequest = \"GET http://x/a\"\nexpect = {{ {expect} }}\n")
    };
    let file = written(directory.path(), "good.toml", &test("upstream = \"app\", path = \"/a\""));
    let (code, stdout, stderr) = output(&["check", &file]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("1 test passed"), "{stdout}");
    let file = written(directory.path(), "bad.toml", &test("status = 404"));
    let (code, stdout, stderr) = output(&["check", &file]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("status `404` was expected and it was none"), "{stderr}");
    assert!(stderr.contains("bad.toml:6"), "{stderr}");
    let (code, stdout, _) = output(&["check", "--json", &file]);
    assert_eq!(code, 1);
    assert!(stdout.contains("404") && stdout.starts_with(['[', '{']), "{stdout}");
}
