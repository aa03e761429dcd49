//! The process and its signals: the daemon runs in a child (this test program again, told by an environment
//! variable), so that signals reach it and nobody else.

#![allow(clippy::print_stdout, reason = "standard output is how the child talks to its test")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use forebay::config::{Bind, Source};
use forebay::server::{Daemon, Options};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};

/// Names the configuration; set for the child only.
const CONFIG: &str = "FOREBAY_TEST_CONFIG";

/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn the_child_of_the_other_tests_runs_a_daemon_and_prints_its_address() {
    let Some(config) = std::env::var_os(CONFIG) else { return };
    let options = Options { handle_signals: true, ..Options::default() };
    let daemon = Daemon::start(Source::File(PathBuf::from(config)), options).expect("started");
    match daemon.bound().as_slice() {
        [bound] => match bound.bind {
            Bind::Tcp(address) => println!("\nbound {address}"),
            ref other => panic!("not a tcp listener: {other:?}"),
        },
        other => panic!("not one listener: {other:?}"),
    }
    println!("\ncut {}", daemon.wait().cut);
}

/// A daemon in a process of its own; killed with the test that started it.
struct Process {
    child: Child,
    address: SocketAddr,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Process {
    fn start(config: &Path) -> Process {
        Self::started(Self::spawn(config))
    }

    fn spawn(config: &Path) -> Child {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "the_child_of_the_other_tests_runs_a_daemon_and_prints_its_address"])
            .arg("--nocapture")
            .env(CONFIG, config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child")
    }

    /// Waits until it listens.
    fn started(mut child: Child) -> Process {
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines: Box<dyn Iterator<Item = String>> =
            Box::new(output.lines().map_while(Result::ok));
        let address = Self::value(&mut lines, "bound ").parse().expect("an address");
        Process { child, address, lines }
    }

    fn value(lines: &mut dyn Iterator<Item = String>, key: &str) -> String {
        let mut values = lines.filter_map(|line| line.strip_prefix(key).map(str::to_owned));
        values.next().expect("the child says so before it ends")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signalled");
    }

    /// Waits for the end: how it ended, and how many connections it cut.
    fn end(mut self) -> (ExitStatus, String) {
        let cut = Self::value(&mut self.lines, "cut ");
        (self.child.wait().expect("waited"), cut)
    }

    fn get(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.address).expect("connected");
        client.set_read_timeout(Some(PATIENCE)).expect("set");
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .expect("written");
        client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "still waiting for: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

struct Backend(TcpListener);

impl Backend {
    fn new() -> Backend {
        Backend(TcpListener::bind("127.0.0.1:0").expect("bound"))
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// Takes one request and leaves it unanswered.
    fn take(&self) -> TcpStream {
        let (mut stream, _) = self.0.accept().expect("accepted");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request head");
            head.push(byte[0]);
        }
        stream
    }
}

fn answer(mut stream: TcpStream, body: &str) {
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").expect("written");
}

fn response(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).expect("a whole response");
    text
}

fn config(directory: &Path, backend: SocketAddr) -> PathBuf {
    let file = directory.join("forebay.toml");
    let text = format!(
        "[global]\nworkers = 2\n[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\nupstream = \"app\"\n\
         [upstream.app]\nbackends = [\"{backend}\"]\n"
    );
    fs::write(&file, text).expect("written");
    file
}

fn is_refused(address: SocketAddr) -> bool {
    matches!(TcpStream::connect(address), Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn term_stops_accepting_lets_exchanges_finish_and_exits() {
    let directory = tempfile::tempdir().expect("a directory");
    let backend = Backend::new();
    let process = Process::start(&config(directory.path(), backend.address()));
    let client = process.get();
    let exchange = backend.take();
    process.signal(Signal::TERM);
    until("the port to close", || is_refused(process.address));
    answer(exchange, "finished");
    assert!(response(client).ends_with("finished"));
    let (status, cut) = process.end();
    assert!(status.success() && cut == "0", "{status}, cut {cut}");
}

#[test]
fn a_second_int_stops_at_once_and_cuts_what_is_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let backend = Backend::new();
    let process = Process::start(&config(directory.path(), backend.address()));
    let mut client = process.get();
    let _unanswered = backend.take();
    process.signal(Signal::INT);
    until("the port to close", || is_refused(process.address));
    process.signal(Signal::INT);
    let (status, cut) = process.end();
    assert!(status.success() && cut == "1", "{status}, cut {cut}");
    assert!(!matches!(client.read(&mut [0]), Ok(1..)), "no response was made up");
}

#[test]
fn hup_reloads_a_bad_file_changes_nothing_and_usr_signals_are_survived() {
    let directory = tempfile::tempdir().expect("a directory");
    let (old, new) = (Backend::new(), Backend::new());
    let file = config(directory.path(), old.address());
    let process = Process::start(&file);
    fs::write(&file, "nonsense").expect("written");
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2] {
        process.signal(signal);
        let client = process.get();
        answer(old.take(), "old");
        assert!(response(client).ends_with("old"));
    }
    config(directory.path(), new.address());
    process.signal(Signal::HUP);
    // Requests go to the old one until the reload is through; it answers them from a thread of its own.
    thread::spawn(move || {
        loop {
            answer(old.take(), "old");
        }
    });
    let fresh = thread::spawn(move || answer(new.take(), "new"));
    until("a response of the new backend", || response(process.get()).ends_with("new"));
    fresh.join().expect("no panic");
    process.signal(Signal::TERM);
    let (status, _) = process.end();
    assert!(status.success(), "{status}");
}

/// The end of `pipe` to write to, once the daemon reads it.
fn reading(pipe: &Path) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let mut file = None;
    until("the file to be read", || {
        file = options.open(pipe).ok();
        file.is_some()
    });
    file.expect("opened")
}

#[test]
fn a_reload_asked_for_while_the_daemon_starts_does_not_end_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let backend = Backend::new();
    let text = fs::read_to_string(config(directory.path(), backend.address())).expect("read");
    let pipe = directory.path().join("pipe.toml");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let child = Process::spawn(&pipe);
    // It reads on until this is closed.
    let mut writer = reading(&pipe);
    kill_process(Pid::from_child(&child), Signal::HUP).expect("signalled");
    writer.write_all(text.as_bytes()).expect("written");
    drop(writer);
    let process = Process::started(child);
    // The reload was not forgotten.
    reading(&pipe).write_all(text.as_bytes()).expect("written");
    let client = process.get();
    answer(backend.take(), "here");
    assert!(response(client).ends_with("here"));
}
