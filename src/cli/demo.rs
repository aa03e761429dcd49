//! `forebay demo`: the proxy before three small backends of different speed, all in this process.

use std::io;
use std::net::TcpListener;

use super::demo_backend::Backends;
use super::{DemoArguments, Outcome, complain, print, run};
use crate::config::{Bind, Source};
use crate::server::Daemon;

/// Where the demo listens unless told otherwise, and how many ports above it are tried.
const PORT: u16 = 8080;
const PORTS_MAX: u16 = 100;

pub(super) fn demo(arguments: &DemoArguments) -> Outcome {
    let backends = match Backends::start() {
        Ok(backends) => backends,
        Err(error) => {
            complain(&format!("forebay: the demo backends cannot be started: {error}\n"));
            return Outcome::Failed;
        }
    };
    let listen = match &arguments.listen {
        Some(listen) => listen.clone(),
        None => {
            let port = free_port();
            if port != PORT {
                print(&format!("Port {PORT} is taken, so the demo listens on {port}.\n"));
            }
            format!("127.0.0.1:{port}")
        }
    };
    let to: Vec<_> = backends.addresses.iter().map(ToString::to_string).collect();
    let log = if arguments.access_log { ACCESS_LOG } else { "" };
    let source = Source::Text {
        name: "the demo's configuration".to_owned(),
        text: run::configuration(&[listen], &to, log),
    };
    run::serve(source, false, |daemon| print(&invitation(daemon, &backends)))
}

const ACCESS_LOG: &str = "[log]\naccess = { to = \"stdout\", format = \"json\" }\n\n";

/// The first port from [`PORT`] on that nobody listens on; [`PORT`] itself when all are taken, so that
/// the daemon says why it cannot start.
fn free_port() -> u16 {
    let is_free = |port: &u16| match TcpListener::bind(("127.0.0.1", *port)) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::AddrInUse,
    };
    (PORT..PORT + PORTS_MAX).find(is_free).unwrap_or(PORT)
}

fn invitation(daemon: &Daemon, backends: &Backends) -> String {
    let (open, curl) = match daemon.bound().into_iter().next().map(|bound| bound.bind) {
        Some(Bind::Tcp(address)) => (format!("http://{address}/"), format!("http://{address}")),
        Some(Bind::Unix(path)) => {
            let path = path.display();
            (format!("unix:{path}"), format!("--unix-socket {path} http://demo"))
        }
        None => return String::new(),
    };
    let mut text = format!("\nForebay demo: one proxy, {} backends.\n\n", backends.addresses.len());
    for (backend, address) in super::demo_backend::BACKENDS.iter().zip(&backends.addresses) {
        text += &format!(
            "  {:<6}  http://{address}  answers after {} ms\n",
            backend.name, backend.delay_ms
        );
    }
    text += &format!(
        "\nOpen   {open}   and load it again: another backend answers.\n\n\
         Try    curl {curl}/                      who answered, and the request as the backend saw it\n       \
         curl {curl}/slow                  an answer that takes two seconds\n       \
         curl -N {curl}/stream             ten ticks, passed on as they come\n       \
         curl -d hello {curl}/echo         the body comes back\n\n\
         Ctrl-C stops it.\n\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let held = TcpListener::bind(("127.0.0.1", PORT));
        let port = free_port();
        assert!((PORT..PORT + PORTS_MAX).contains(&port));
        assert!(held.is_err() || port != PORT);
    }
}
