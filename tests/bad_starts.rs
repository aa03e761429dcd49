//! Bad input at the start: nothing starts, not even by half, every problem is told, and the exit code tells
//! a problem in the configuration from one with the machine.

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::eventually;

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
