//! What asking 10 000 backends every 5 s how they are costs the control thread, in CPU time as the scheduler counts
//! it. The whole daemon in this process; the backends are one listener in another, known by 10 000 addresses of
//! 127.0.0.0/8. Takes half a minute: `cargo bench --bench checks`, or with a number of backends behind `--`.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use forebay::config::Source;
use forebay::server::{Daemon, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const N_BACKENDS: usize = 10_000;
/// Until every connection is open and the pace is an even one.
const WARM_UP: Duration = Duration::from_secs(12);
const MEASURED: Duration = Duration::from_secs(20);

/// The argument by which this program becomes the backends.
const AS_BACKENDS: &str = "as-backends";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == AS_BACKENDS) {
        return backends().expect("a listener");
    }
    // As a test this would only take time.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let given = arguments.iter().find_map(|argument| argument.parse().ok());
    let n_backends: usize = given.unwrap_or(N_BACKENDS);
    // A process of their own: they need as many descriptors as the daemon.
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .arg(AS_BACKENDS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program again");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("the port");
    let port: u16 = line.trim().parse().expect("a port");
    let source = Source::Text { name: "checks".into(), text: configuration(n_backends, port) };
    let daemon = Daemon::start(source, Options::default()).expect("started");
    thread::sleep(WARM_UP);
    let (cpu_before, before, began) = (cpu_time("control"), counts(port), Instant::now());
    thread::sleep(MEASURED);
    let (cpu, after) = (cpu_time("control") - cpu_before, counts(port));
    let (elapsed, n_checks) = (began.elapsed().as_secs_f64(), after.0 - before.0);
    report(&format!(
        "{n_backends} backends: {:.0} checks/s, {:.1} % of them on a new connection\n\
         control thread: {:.2} % of a core, {:.1} µs a check\n",
        n_checks as f64 / elapsed,
        (after.1 - before.1) as f64 / n_checks.max(1) as f64 * 100.0,
        cpu.as_secs_f64() / elapsed * 100.0,
        cpu.as_secs_f64() * 1e6 / n_checks.max(1) as f64,
    ));
    daemon.stop_now();
    daemon.wait();
    let _ = child.kill();
    let _ = child.wait();
}

/// What the backends counted: checks and connections.
fn counts(port: u16) -> (u64, u64) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(b"counts").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("two numbers");
    let (checks, connections) = text.split_once(' ').expect("two numbers");
    (checks.parse().expect("a number"), connections.parse().expect("a number"))
}

fn report(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn configuration(n_backends: usize, port: u16) -> String {
    let mut list = String::new();
    for n in 0..n_backends {
        let _ =
            write!(list, "\"127.{}.{}.{}:{port}\", ", 1 + n / 62_500, n / 250 % 250, n % 250 + 1);
    }
    format!(
        "[global]\nworkers = 1\n[[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"all\"\nupstream = \"app\"\n\
         [upstream.app]\nbackends = [{list}]\nhealth = {{ path = \"/healthz\", interval = \"5s\" }}\n"
    )
}

/// Plays all backends until standard input ends: one thread that answers every request. Prints its port.
fn backends() -> io::Result<()> {
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Room for a start that asks all of them within a second.
        let socket = TcpSocket::new_v4()?;
        socket.bind(([0, 0, 0, 0], 0).into())?;
        let listener = socket.listen(4096)?;
        report(&format!("{}\n", listener.local_addr()?.port()));
        let counts = Rc::new(Counts::default());
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::task::spawn_local(answer(stream, Rc::clone(&counts)));
                    }
                }
            })
            .await
    })
}

#[derive(Debug, Default)]
struct Counts {
    checks: Cell<u64>,
    connections: Cell<u64>,
}

async fn answer(mut stream: TcpStream, counts: Rc<Counts>) {
    counts.connections.set(counts.connections.get() + 1);
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if buffer[..n] == *b"counts" {
            let text = format!("{} {}", counts.checks.get(), counts.connections.get());
            let _ = stream.write_all(text.as_bytes()).await;
            return;
        }
        counts.checks.set(counts.checks.get() + 1);
        let written = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        if written.is_err() {
            return;
        }
    }
}

/// What the threads of this process called `name` ran so far.
fn cpu_time(name: &str) -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let of_task = |task: fs::DirEntry| {
        let comm = fs::read_to_string(task.path().join("comm")).ok()?;
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
        (comm.trim() == name).then(|| Duration::from_nanos(nanos))
    };
    tasks.filter_map(of_task).sum()
}
