//! Backends that are other people's software, each a process of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::certificates::Pair;
use crate::support::eventually;

/// HTTP/1.1 through OpenSSL. Answers with what it knows of the session and of the request.
const PYTHON: &str = r#"
import http.server, json, ssl, sys
cert, key, ca, alpn = sys.argv[1:5]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def setup(self):
        self.request.do_handshake()
        super().setup()
    def answer(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        tls = self.connection
        subject = (tls.getpeercert() or {}).get("subject", [])
        told = json.dumps({
            "path": self.path, "host": self.headers.get("host"), "sni": names.get(tls),
            "version": tls.version(), "resumed": tls.session_reused, "alpn": tls.selected_alpn_protocol(),
            "client": [value for part in subject for (_, value) in part], "n_body": len(body),
            "port": self.client_address[1],
        }).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)
    do_GET = do_POST = answer
    def log_message(self, *_): pass
names = {}
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1000
    def get_request(self):
        stream, peer = super().get_request()
        return context.wrap_socket(stream, server_side=True, do_handshake_on_connect=False), peer
    def handle_error(self, *_): pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
context.sni_callback = lambda tls, name, _: names.__setitem__(tls, name)
if alpn: context.set_alpn_protocols(alpn.split(","))
if ca:
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// A process that listens; killed when dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    /// OpenSSL under Python's HTTP/1.1 server with this certificate. `ca`: clients have to show a certificate of it.
    pub fn python(pair: &Pair, ca: Option<&Path>, alpn: &str) -> Peer {
        let ca = ca.unwrap_or(Path::new(""));
        let mut child = Command::new("python3")
            .args(["-c", PYTHON])
            .args([&*pair.cert, &*pair.key, ca])
            .arg(alpn)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a port");
        let port: u16 = line.trim().parse().expect("a port");
        Peer { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// nghttpd: HTTP/2 through TLS with `pair`, else in the clear; serves the files in `folder`.
    pub fn nghttpd(pair: Option<&Pair>, folder: &Path, options: &[&str]) -> Peer {
        let port = free_port();
        let mut command = Command::new("nghttpd");
        command.args(["--address=127.0.0.1", "--echo-upload"]).args(options);
        command.arg("--htdocs").arg(folder);
        match pair {
            Some(pair) => command.arg(port.to_string()).args([&pair.key, &pair.cert]),
            None => command.arg("--no-tls").arg(port.to_string()),
        };
        let child = command.stdout(Stdio::null()).spawn().expect("nghttpd is installed");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("nghttpd listens", || TcpStream::connect(address).is_ok());
        Peer { child, address }
    }

    /// Hangs it: its kernel still takes connections and requests.
    pub fn pause(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).expect("it runs");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("it runs");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
