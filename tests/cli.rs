//! The binary as a shell sees it: what it prints where, and what it exits with.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
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
fn an_upgrade_that_http_2_alone_cannot_carry_is_told_once_a_minute() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = GOOD.replace("127.0.0.1:9\"", "h2c://127.0.0.1:1\"");
    assert!(text.contains("h2c://"), "{text}");
    let file = written(directory.path(), "ws.toml", &text);
    let command = forebay(&["run", "-c", &file]);
    let mut running = Running::start(command);
    let lines = running.lines_until("bind=");
    let address = address_in(lines.last().expect("a line"));
    let ask = || {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        let upgrade =
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        stream.write_all(upgrade).expect("sent");
        let mut head = [0; 11];
        stream.read_exact(&mut head).expect("an answer");
        assert_eq!(&head, b"HTTP/1.1 50");
    };
    ask();
    let told = running.lines_until("speaks HTTP/2 alone").pop().expect("a line");
    for part in ["WARN", "upstream=app", "upgrade=websocket", "protocol = \"http1\""] {
        assert!(told.contains(part), "{part}: {told}");
    }
    (0..3).for_each(|_| ask());
    running.signal("TERM");
    let rest = running.lines_until("stopped");
    assert!(!rest.iter().any(|line| line.contains("HTTP/2 alone")), "{rest:?}");
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

/// A running daemon with an admin socket, its file and its socket.
fn with_admin(directory: &Path, backends: &str) -> (Running, String, String) {
    let text = GOOD.replace("\"127.0.0.1:9\"", backends);
    let file = written(directory, "forebay.toml", &format!("{text}[admin]\nsocket = \"a.sock\"\n"));
    let mut running = Running::start(forebay(&["run", "-c", &file]));
    running.lines_until("ready");
    let socket = directory.join("a.sock").to_str().expect("UTF-8").to_owned();
    (running, file, socket)
}

#[test]
fn status_shows_the_backends_of_a_running_daemon() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, file, socket) = with_admin(directory.path(), "\"127.0.0.1:9\", \"127.0.0.1:10\"");
    let (code, stdout, stderr) = output(&["status", "-c", &file]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let pid = format!("pid {}", running.child.id());
    for wanted in
        [&pid, "generation 1", "listener http on 127.0.0.1:", "app  round_robin, 2 of 2 up"]
    {
        assert!(stdout.contains(wanted), "{wanted}: {stdout}");
    }
    let rows: Vec<&str> = stdout.lines().filter(|line| line.starts_with("  127.0.0.1:")).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.contains("  up  ")), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "no colours without a terminal");

    let (code, stdout, _) = output(&["status", "--socket", &socket, "--json", "app"]);
    let status: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &status["upstreams"][0]["backends"][1]["state"]), (0, &"up".into()));

    let (code, stdout, stderr) = output(&["status", "-c", &file, "apq"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("no upstream apq") && stderr.contains("there are: app"), "{stderr}");
}

#[test]
fn status_exits_1_when_something_is_not_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_running, file, _) = with_admin(directory.path(), "\"name.invalid:80\"");
    let (code, stdout, _) = output(&["status", "-c", &file]);
    assert!(code == 1 && stdout.contains("0 of 0 up"), "{code} {stdout}");
    assert!(stdout.contains("none of its names has resolved"), "{stdout}");
    assert_eq!(output(&["status", "-c", &file, "--json"]).0, 1);
}

#[test]
fn a_daemon_that_cannot_be_reached_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let plain = written(directory.path(), "plain.toml", GOOD);
    let (code, _, stderr) = output(&["status", "-c", &plain]);
    assert_eq!(code, 2);
    assert!(stderr.contains("[admin]\n  socket = \"/run/forebay/admin.sock\""), "{stderr}");

    let socket = directory.path().join("a.sock");
    let path = socket.to_str().expect("UTF-8");
    for command in ["status", "reload"] {
        let (code, stdout, stderr) = output(&[command, "--socket", path]);
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(stderr.contains(path) && stderr.contains("is it running"), "{stderr}");
    }
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
    let (code, _, stderr) = output(&["status", "--socket", path]);
    assert!(code == 2 && stderr.contains("is gone"), "{stderr}");

    for wrong in [&["status", "-c", "a", "--socket", "b"][..], &["status", "a/b"], &["reload", "x"]]
    {
        assert_eq!(output(wrong).0, 2, "{wrong:?}");
    }
    let (code, _, stderr) = output(&["status", "-c", "/nonexistent/forebay.toml"]);
    assert!(code == 2 && stderr.contains("/nonexistent/forebay.toml"), "{stderr}");
}

#[test]
fn reload_says_what_came_of_it_and_finds_the_daemon_through_a_broken_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_running, file, socket) = with_admin(directory.path(), "\"127.0.0.1:9\"");
    let good = fs::read_to_string(&file).expect("read");
    let (code, stdout, stderr) = output(&["reload", "-c", &file]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let whole = fs::canonicalize(&file).expect("it is there");
    let wanted = format!("reloaded {}: generation 2 is in service\n", whole.display());
    assert_eq!(stdout, wanted);

    fs::write(&file, good.replace("bind =", "bnid =")).expect("written");
    let (code, stdout, stderr) = output(&["reload", "-c", &file]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    // As `check` shows it.
    let (_, _, checked) = output(&["check", &file]);
    let problems = checked.split("\n\n").next().expect("a problem");
    assert!(problems.contains("bnid") && stderr.starts_with(problems), "{stderr}");
    assert!(stderr.contains("generation 2 stays in service"), "{stderr}");
    let (code, stdout, _) = output(&["reload", "--socket", &socket, "--json"]);
    let outcome: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &outcome["outcome"]), (1, &"problems".into()));
    assert!(outcome["problems"][0]["line"].is_number(), "{stdout}");

    fs::write(&file, good.replace("127.0.0.1:0", "unix:missing/x.sock")).expect("written");
    let (code, _, stderr) = output(&["reload", "-c", &file]);
    assert!(code == 2 && stderr.contains("missing/x.sock"), "{stderr}");
    assert!(stderr.contains("generation 2 stays in service"), "{stderr}");
}

#[test]
fn reload_by_another_file_says_which_one_the_daemon_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_running, file, socket) = with_admin(directory.path(), "\"127.0.0.1:9\"");
    let other = written(directory.path(), "other.toml", "[admin]\nsocket = \"a.sock\"\n");
    let (code, stdout, stderr) = output(&["reload", "-c", &other]);
    assert!(code == 0 && stdout.contains("forebay.toml: generation 2"), "{stdout}");
    assert!(stderr.starts_with("note: the daemon on this socket read "), "{stderr}");
    assert!(stderr.contains("forebay.toml") && stderr.contains(&other), "{stderr}");
    // The same file by another name is the same file.
    let link = directory.path().join("link.toml");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let (code, _, stderr) = output(&["reload", "-c", link.to_str().expect("UTF-8")]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (_, stdout, _) = output(&["reload", "--socket", &socket, "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert!(answer["configuration"].as_str().is_some_and(|path| path.ends_with("/forebay.toml")));
}

#[test]
fn who_may_not_open_the_socket_is_told_who_may() {
    let directory = tempfile::tempdir().expect("a directory");
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    };
    set_mode(directory.path(), 0o755);
    let socket = directory.path().join("a.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    set_mode(&socket, 0);
    let path = socket.to_str().expect("UTF-8");
    let mut command = forebay(&["status", "--socket", path]);
    if rustix::process::geteuid().is_root() {
        // Root may open everything: somebody else asks, and has to get at the program.
        let program = directory.path().join("forebay");
        fs::copy(env!("CARGO_BIN_EXE_forebay"), &program).expect("a copy");
        command = Command::new(program);
        command.args(["status", "--socket", path]).uid(NOBODY);
    }
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let stderr = String::from_utf8(stderr).expect("UTF-8");
    assert_eq!((status.code(), stdout.len()), (Some(2), 0), "{stderr}");
    assert!(stderr.contains(path) && stderr.contains("only the user that runs"), "{stderr}");
}

/// A user who owns nothing.
const NOBODY: u32 = 65_534;
