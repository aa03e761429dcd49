//! A backend in a process of its own, which can be killed and stopped as a real one: this very test program, run
//! again.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Moody;

/// The process. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: SocketAddr,
}

/// Says to a test program that it is a backend.
const IS_BACKEND: &str = "FOREBAY_TEST_BACKEND";

/// Before the address on the process's output.
const LISTENING: &str = "listening on ";

impl Process {
    /// Runs the test `name` of this program, which must be nothing but [`Process::be`].
    pub fn start(name: &str) -> Process {
        let program = std::env::current_exe().expect("a test program has a path");
        let mut child = Command::new(program)
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(IS_BACKEND, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a test program runs");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("its output is text");
            line.split_once(LISTENING).map(|(_, address)| address.parse().expect("an address"))
        });
        Process { child, address: address.expect("it says where it listens") }
    }

    /// A backend that is well, until whoever started this process is gone. Does nothing in a process that
    /// [`Process::start`] did not start.
    pub fn be() {
        if std::env::var_os(IS_BACKEND).is_none() {
            return;
        }
        let moody = Moody::start();
        let mut out = std::io::stdout();
        writeln!(out, "{LISTENING}{}", moody.address()).expect("somebody reads this");
        out.flush().expect("somebody reads this");
        // Nothing is ever written there: this ends with the other end.
        let _ = std::io::stdin().lines().next();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it at once, as the kernel does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Hangs it: its kernel still takes connections and requests.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
