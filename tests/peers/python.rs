//! Programs in Python that are clients and servers as others wrote them. What they need is installed once, into the
//! target directory, by `pip`.
//!
//! A machine without `python3`, or without a way to the packages, has nothing to run them with: the tests say so on
//! stderr and pass, unless `FOREBAY_NEEDS_PEERS` is set, as where changes are taken.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;

/// Where the programs are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers");

/// The interpreter that has all packages; `None`, and a word on stderr, where there is no way to have it.
pub fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PYTHON.get_or_init(install) {
        Ok(python) => Some(python),
        Err(why) if std::env::var_os("FOREBAY_NEEDS_PEERS").is_some() => panic!("{why}"),
        Err(why) => {
            // Past the test runner, which would keep it to itself.
            let _ = writeln!(std::io::stderr(), "SKIPPED, since peers in Python cannot run: {why}");
            None
        }
    }
}

/// Makes the environment, if it is not there or is another's.
fn install() -> Result<PathBuf, String> {
    let wanted = fs::read_to_string(Path::new(FOLDER).join("requirements.txt"))
        .map_err(|error| format!("requirements.txt: {error}"))?;
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let (python, done) = (home.join("bin/python3"), home.join("installed.txt"));
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    // Test programs run side by side: one installs, the others wait.
    let lock = File::create(home.join("lock")).map_err(|error| format!("a lock: {error}"))?;
    lock.lock().map_err(|error| format!("a lock: {error}"))?;
    if fs::read_to_string(&done).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(pip).arg(format!("{FOLDER}/requirements.txt")))?;
    fs::write(&done, wanted).map_err(|error| format!("{}: {error}", done.display()))?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let Output { status, stderr, .. } = output.map_err(|error| format!("{command:?}: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&stderr))),
    }
}

/// A server in a process of its own. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Closed with us, which ends the server however we end.
    _lifeline: ChildStdin,
    address: SocketAddr,
}

impl Server {
    /// Runs `program` of this folder, which says on a line of its own where it listens.
    #[track_caller]
    pub fn start(python: &Path, program: &str, arguments: &[&str]) -> Server {
        let mut child = Command::new(python)
            .arg(format!("{FOLDER}/{program}"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let address = lines.find_map(|line| {
            line.expect("text").strip_prefix("listening on ").map(|text| text.parse())
        });
        let address = address.expect("it says where it listens").expect("an address");
        let lifeline = child.stdin.take().expect("it is piped");
        Server { child, _lifeline: lifeline, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client in a process of its own.
#[derive(Debug)]
pub struct Client(Child);

impl Client {
    /// Runs `program` of this folder.
    pub fn start(python: &Path, program: &str, arguments: &[&str]) -> Client {
        let child = Command::new(python)
            .arg(format!("{FOLDER}/{program}"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Client(child.expect("python runs"))
    }

    /// Waits until it says `line`.
    #[track_caller]
    pub fn says(&mut self, line: &str) {
        let stdout = self.0.stdout.as_mut().expect("it is piped");
        // Byte by byte: nothing of what comes behind is taken.
        let mut said = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).is_ok_and(|n| n == 1) {
            match byte[0] {
                b'\n' if said == line.as_bytes() => return,
                b'\n' => said.clear(),
                byte => said.push(byte),
            }
        }
        panic!("it never said {line}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it failed: with what it says.
    #[track_caller]
    pub fn succeeds(self) {
        let output = self.0.wait_with_output().expect("it ends");
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    }
}
