//! The binary as an operator meets it: exit codes, what it says about a bad start, and signals.

mod support;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{DEADLINE, Origin, Service, Wire, eventually};

const ROUTES: &str =
    "[[route]]\nupstream = \"app\"\n[upstream.app]\nbackends = [\"127.0.0.1:9\"]\n";

fn forebay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs to the end, which must come by itself.
fn output(arguments: &[&str]) -> Output {
    let mut child = forebay(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    eventually("the command ends", || matches!(child.try_wait(), Ok(Some(_)) | Err(_)));
    child.wait_with_output().expect("its output")
}

/// Standard output and error together.
fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file in a temporary folder");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn as_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

#[test]
fn a_good_file_passes_the_check() {
    let folder = folder();
    let path =
        file(&folder, "good.toml", &format!("[[listener]]\nbind = \"127.0.0.1:0\"\n{ROUTES}"));
    let output = output(&["check", as_text(&path)]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn a_wrong_file_is_refused_with_every_problem_and_nothing_listens() {
    let folder = folder();
    let (address, second) = (free_port(), free_port());
    let wrong = format!(
        "[[listener]]\nname = \"a\"\nbind = \"{address}\"\n[[listener]]\nname = \"b\"\nbind = \"{second}\"\nbnd = 1\n\
         [[route]]\nupstream = \"nowhere\"\n[upstream.app]\nbackends = [\"127.0.0.1:http\"]\n\
         timeouts = {{ connect = 3 }}\n"
    );
    let path = file(&folder, "wrong.toml", &wrong);
    for command in [&["check"][..], &["run", "-c"]] {
        let output = output(&[command, &[as_text(&path)]].concat());
        let text = text(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        for problem in ["bnd", "nowhere", "127.0.0.1:http", "connect"] {
            assert!(text.contains(problem), "{command:?} does not tell of {problem}: {text}");
        }
        assert!(text.contains("wrong.toml:7"), "no place: {text}");
    }
    assert!(TcpStream::connect(address).is_err(), "half a start");
}

#[test]
fn text_that_is_no_toml_is_a_problem_with_a_place() {
    let folder = folder();
    let path = file(&folder, "broken.toml", "[[listener]\nbind = \n");
    let output = output(&["run", "-c", as_text(&path)]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("broken.toml:1"), "{}", text(&output));
}

#[test]
fn what_cannot_be_read_is_one_clear_error() {
    let folder = folder();
    let absent = folder.path().join("absent.toml");
    let including =
        format!("include = [\"absent-too.toml\"]\n[[listener]]\nbind = \"127.0.0.1:0\"\n{ROUTES}");
    let including = file(&folder, "including.toml", &including);
    for (path, name) in [(&absent, "absent.toml"), (&including, "absent-too.toml")] {
        for command in [&["check"][..], &["run", "-c"]] {
            let output = output(&[command, &[as_text(path)]].concat());
            assert_eq!(output.status.code(), Some(2), "{}", text(&output));
            let text = text(&output);
            let errors = text.lines().filter(|line| line.contains("cannot read")).count();
            assert!(text.contains(name) && errors == 1, "{text}");
        }
    }
    let output = output(&["run", "-c", as_text(folder.path())]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn a_busy_port_is_one_clear_error_and_the_other_listeners_go_with_it() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let busy = taken.local_addr().expect("an address");
    let free = free_port();
    let config = format!(
        "[[listener]]\nname = \"free\"\nbind = \"{free}\"\n[[listener]]\nname = \"busy\"\nbind = \"{busy}\"\n{ROUTES}"
    );
    let path = file(&folder, "busy.toml", &config);
    let output = output(&["run", "-c", as_text(&path)]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(&busy.to_string()), "{text}");
    assert!(TcpStream::connect(free).is_err(), "half a start");
}

#[test]
fn bad_usage_is_told_apart_from_bad_configuration() {
    for arguments in [&["run"][..], &["nonsense"], &["run", "--nonsense"], &[]] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
    }
    let version = output(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(text(&version).contains(env!("CARGO_PKG_VERSION")));
    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help).contains("forebay run"), "help shows no example");
}

/// A running program; what it says on standard error arrives line by line.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Running {
        let mut child = forebay(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("standard error was piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running { child, lines, said: String::new() }
    }

    /// The next line with `word` in it.
    #[track_caller]
    fn line_with(&mut self, word: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(DEADLINE) else {
                panic!("{word:?} was never said: {}", self.said)
            };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(word) {
                return line;
            }
        }
    }

    #[track_caller]
    fn address(&mut self) -> SocketAddr {
        let line = self.line_with("bind=");
        let address = line.split("bind=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.and_then(|text| text.parse().ok());
        self.line_with("ready");
        address.unwrap_or_else(|| panic!("no address in {line}"))
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).expect("the process can be signalled");
    }

    #[track_caller]
    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the program ends", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("it ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn run_without_a_file_serves_in_turn_and_term_ends_it_in_order() {
    let (a, b) = (Service::named("a"), Service::named("b"));
    let (to_a, to_b) = (a.address().to_string(), b.address().to_string());
    let mut running =
        Running::start(&["run", "--listen", "127.0.0.1:0", "--to", &to_a, "--to", &to_b]);
    let address = running.address();
    // Two workers may each begin with the same backend; one connection stays with one worker.
    let mut client = Wire::connect(address);
    let mut names = [client.get("/").text(), client.get("/").text()];
    names.sort();
    assert_eq!(names, ["a", "b"]);
    running.signal(Signal::TERM);
    client.closed();
    assert_eq!(running.ended().code(), Some(0));
}

#[test]
fn hup_reloads_and_a_bad_file_is_told_and_changes_nothing() {
    let folder = folder();
    let (a, b) = (Service::named("a"), Service::named("b"));
    let config = |service: &Service| {
        format!(
            "[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\nupstream = \"app\"\n\
             [upstream.app]\nbackends = [\"{}\"]\n",
            service.address()
        )
    };
    let path = file(&folder, "forebay.toml", &config(&a));
    let mut running = Running::start(&["run", "-c", as_text(&path)]);
    let mut client = Wire::connect(running.address());
    assert_eq!(client.get("/").text(), "a");
    file(&folder, "forebay.toml", &config(&b));
    running.signal(Signal::HUP);
    running.line_with("generation=2");
    assert_eq!(client.get("/").text(), "b");
    file(&folder, "forebay.toml", &config(&a).replace("upstream = \"app\"", "upstream = \"ap\""));
    running.signal(Signal::HUP);
    running.line_with("`ap`");
    assert_eq!(client.get("/").text(), "b");
    // Signals whose work comes later or has nothing to do are survived.
    running.signal(Signal::USR1);
    running.signal(Signal::USR2);
    file(&folder, "forebay.toml", &config(&a));
    running.signal(Signal::HUP);
    running.line_with("generation=3");
    assert_eq!(client.get("/").text(), "a");
}

#[test]
fn watching_reloads_when_the_file_changes() {
    let folder = folder();
    let (a, b) = (Service::named("a"), Service::named("b"));
    let config = |service: &Service| {
        format!(
            "[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\nupstream = \"app\"\n\
             [upstream.app]\nbackends = [\"{}\"]\n",
            service.address()
        )
    };
    let path = file(&folder, "forebay.toml", &config(&a));
    let mut running = Running::start(&["run", "--watch", "-c", as_text(&path)]);
    let mut client = Wire::connect(running.address());
    assert_eq!(client.get("/").text(), "a");
    file(&folder, "forebay.toml", &config(&b));
    running.line_with("generation=2");
    assert_eq!(client.get("/").text(), "b");
}

#[test]
fn term_lets_an_exchange_end_and_a_second_int_does_not() {
    let origin = Origin::bind();
    let to = origin.address().to_string();
    for (first, second) in [(Signal::TERM, None), (Signal::INT, Some(Signal::INT))] {
        let mut running = Running::start(&["run", "--listen", "127.0.0.1:0", "--to", &to]);
        let address = running.address();
        let mut client = Wire::connect(address);
        client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
        let mut backend = origin.accept();
        backend.request();
        running.signal(first);
        eventually("nobody listens any more", || TcpStream::connect(address).is_err());
        assert!(!client.has_news_within(Duration::from_millis(50)), "the exchange was cut");
        if let Some(second) = second {
            running.signal(second);
            assert!(client.is_closed());
            running.ended();
            assert!(client.received().is_empty());
        } else {
            backend.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
            assert_eq!(client.response().text(), "done");
            assert_eq!(running.ended().code(), Some(0));
        }
    }
}

#[test]
fn the_demo_serves_from_backends_of_its_own() {
    let mut child = forebay(&["demo"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("standard output was piped");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let rest = line.split("http://").nth(1)?;
        let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse::<SocketAddr>().ok()
    });
    let answer = address.map(|address| Wire::connect(address).get("/").status());
    let _ = child.kill();
    let _ = child.wait();
    let rest: Vec<String> = lines.collect();
    assert_eq!(answer, Some(200), "{rest:?}");
}
