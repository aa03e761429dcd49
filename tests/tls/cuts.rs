//! Connections through TLS that end without `close_notify`: a cut, never an end.

use std::net::TcpListener;
use std::sync::Arc;

use forebay::error::Reason;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::certificates;
use crate::support::{DEADLINE, Framing, Origin, Pki, Proxy, TlsWire, Wire};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\n\
                         Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         Sec-WebSocket-Version: 13\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A backend that speaks TLS.
struct Secure {
    listener: TcpListener,
    config: Arc<ServerConfig>,
}

type End = StreamOwned<ServerConnection, TcpStream>;

impl Secure {
    fn new(pki: &Pki) -> Secure {
        pki.issue("backend", &["127.0.0.1"]);
        let chain = CertificateDer::pem_file_iter(pki.path("backend.crt")).expect("a file");
        let chain = chain.collect::<Result<_, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_file(pki.path("backend.key")).expect("PEM");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Secure { listener, config: Arc::new(config) }
    }

    /// A proxy in front of it, in the clear.
    fn proxy(&self, pki: &Pki) -> Proxy {
        Proxy::from_text(&format!(
            "[global]\nworkers = 4\n[[listener]]\nbind = \"127.0.0.1:0\"\n\
             [[route]]\nupstream = \"app\"\n[upstream.app]\nbackends = [\"https://{}\"]\n\
             tls = {{ ca = {:?} }}\n",
            self.listener.local_addr().expect("an address"),
            pki.path("ca.pem")
        ))
    }

    /// The next connection, whose request was read.
    fn accept(&self) -> End {
        let (socket, _) = self.listener.accept().expect("a connection");
        socket.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        let session = ServerConnection::new(Arc::clone(&self.config)).expect("a session");
        let mut end = StreamOwned::new(session, socket);
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            end.read_exact(&mut byte).expect("a request");
            head.extend(byte);
        }
        end
    }
}

fn send(end: &mut End, text: &str) {
    end.write_all(text.as_bytes()).expect("it is taken");
    end.flush().expect("it is taken");
}

/// Ends in order, as a peer that means it.
fn finish(mut end: End) {
    end.conn.send_close_notify();
    end.flush().expect("it is taken");
}

#[test]
fn a_body_until_close_is_whole_only_with_a_last_word() {
    let pki = Pki::new();
    let backend = Secure::new(&pki);
    let proxy = backend.proxy(&pki);
    let begin = |version: &str| {
        let mut client = proxy.connect();
        client.send(format!("GET / HTTP/{version}\r\nHost: test\r\n\r\n"));
        let mut end = backend.accept();
        send(&mut end, "HTTP/1.1 200 OK\r\n\r\nhello");
        (client, end)
    };
    let (mut client, end) = begin("1.1");
    finish(end);
    let answer = client.response();
    assert_eq!((answer.framing, answer.text().as_str()), (Framing::Chunked, "hello"));
    // Somebody between us and the backend may have cut it.
    let (mut client, end) = begin("1.1");
    client.until(b"hello");
    drop(end);
    assert!(client.is_closed());
    assert!(!client.received().windows(5).any(|it| it == b"\r\n0\r\n"), "made whole");
    proxy.counted(Reason::UpstreamTruncated, 1);
    let (mut client, end) = begin("1.0");
    client.until(b"hello");
    drop(end);
    assert!(client.is_reset(), "an ordinary close means whole");
    proxy.counted(Reason::UpstreamTruncated, 2);
}

#[test]
fn a_tunnel_that_its_backend_cuts_is_a_reset_for_the_client() {
    let pki = Pki::new();
    let backend = Secure::new(&pki);
    let proxy = backend.proxy(&pki);
    let begin = || {
        let mut client = proxy.connect();
        client.send(HANDSHAKE);
        let mut end = backend.accept();
        send(&mut end, SWITCHING);
        send(&mut end, "last words");
        client.until(b"last words");
        (client, end)
    };
    let (mut client, end) = begin();
    finish(end);
    assert!(!client.is_reset());
    let (mut client, end) = begin();
    drop(end);
    assert!(client.is_reset());
    proxy.counted(Reason::UpstreamTruncated, 1);
}

#[test]
fn a_tunnel_that_its_client_cuts_is_a_reset_for_the_backend() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&format!(
        "[global]\nworkers = 4\n[[listener]]\nbind = \"127.0.0.1:0\"\n[listener.tls]\n{}\n\
         [[route]]\nupstream = \"app\"\n[upstream.app]\nbackends = [\"{}\"]\n",
        certificates(&pki, &["shop"]),
        origin.address()
    ));
    let config = Arc::new(pki.client(None));
    let begin = || -> (TlsWire, Wire) {
        let mut client =
            TlsWire::connect(proxy.address(), &config, "shop.example").expect("a session");
        client.send(HANDSHAKE);
        let mut backend = origin.accept();
        backend.head();
        backend.send(SWITCHING);
        client.send("last words");
        backend.until(b"last words");
        (client, backend)
    };
    let (mut client, mut backend) = begin();
    client.stream.conn.send_close_notify();
    client.stream.flush().expect("it is taken");
    drop(client);
    assert!(backend.is_closed() && !backend.is_reset(), "it ended in order");
    let (client, mut backend) = begin();
    drop(client);
    assert!(backend.is_reset());
    proxy.counted(Reason::ClientGone, 1);
}
