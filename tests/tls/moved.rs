//! Connections of HTTP/2 from before a reload that asks for others: they finish what runs and take nothing new.

use std::io::Read;
use std::sync::Arc;

use crate::certificates;
use crate::support::frames::{
    self, END_STREAM, Frame, Framed, GOAWAY, HEADERS, PREFACE, all, frame, headers, settings,
};
use crate::support::{Origin, Pki, Proxy, TlsWire};

/// On a connection that nobody else gets.
const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

/// A daemon with this listener, whose upstream is `origin`.
fn text(listener: &str, origin: &Origin) -> String {
    format!(
        "[global]\nworkers = 4\nshutdown_grace = \"2s\"\n\
         [[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n{listener}\n\
         [[route]]\nupstream = \"app\"\n[upstream.app]\nbackends = [\"{}\"]\n",
        origin.address()
    )
}

#[test]
fn a_listener_that_goes_over_to_tls_says_goodbye_to_those_in_the_clear() {
    let pki = Pki::new();
    pki.issue("shop", &["test"]);
    let origin = Origin::bind();
    let proxy = Proxy::from_file(&text("http = { h2c = true }", &origin));
    let (mut idle, mut busy) = (Framed::connect(proxy.address()), Framed::connect(proxy.address()));
    busy.send(frames::get(1, "/"));
    let mut backend = origin.accept();
    backend.head();
    let tls = format!("[listener.tls]\n{}", certificates(&pki, &["shop"]));
    proxy.rewrite(&text(&tls, &origin));
    proxy.reload().expect("a good configuration");
    // Nobody has to ask first.
    assert_eq!(idle.goaway(), "NO_ERROR");
    busy.until("a goodbye", |client| client.last_goaway() == Some("NO_ERROR"));
    // One that was on its way is told to come again, on another connection.
    busy.send(frames::get(3, "/"));
    let told = busy.answer(3);
    let late = told.end == Some("REFUSED_STREAM");
    assert!(told.status() == 421 || late, "{told:?}");
    backend.send(OK);
    assert_eq!((busy.answer(1).status(), busy.answer(1).text().as_str()), (200, "ok"));
    assert_eq!(busy.goaway(), "NO_ERROR");
}

/// A client that speaks HTTP/2 through TLS, frame by frame.
struct Secure {
    wire: TlsWire,
    read: Vec<Frame>,
}

impl Secure {
    fn connect(proxy: &Proxy, mut config: rustls::ClientConfig) -> Secure {
        config.alpn_protocols = vec![b"h2".to_vec()];
        let wire = TlsWire::connect(proxy.address(), &Arc::new(config), "test");
        let mut client = Secure { wire: wire.expect("a session"), read: Vec::new() };
        client.wire.send([PREFACE, &settings(&[]).bytes()].concat());
        client
    }

    fn get(&mut self, stream: u32) {
        let fields =
            [(":method", "GET"), (":scheme", "https"), (":authority", "test"), (":path", "/")];
        self.wire.send(all(&[headers(stream, END_STREAM, &fields)]));
    }

    /// Reads until a frame comes for which `wanted` holds.
    #[track_caller]
    fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let next = self.next().expect("it never came");
            self.read.push(next.clone());
            if wanted(&next) {
                return next;
            }
        }
    }

    /// The next frame; `None` at the end.
    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.wire.stream.read_exact(&mut head).ok()?;
        let n = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; n];
        self.wire.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(frame(head[3], head[4], stream, payload))
    }
}

#[test]
fn a_listener_that_asks_for_certificates_says_goodbye_to_those_without() {
    let pki = Pki::new();
    pki.issue("shop", &["test"]);
    pki.issue("alice", &[]);
    let origin = Origin::bind();
    let with = |auth: &str| {
        let tls = format!("[listener.tls]\n{auth}{}", certificates(&pki, &["shop"]));
        text(&tls, &origin)
    };
    let ca = pki.path("ca.pem").display().to_string();
    let optional = format!("client_auth = {{ ca = \"{ca}\", mode = \"optional\" }}\n");
    let proxy = Proxy::from_file(&with(&optional));
    let mut client = Secure::connect(&proxy, pki.client(None));
    let mut alice = Secure::connect(&proxy, pki.client(Some("alice")));
    client.get(1);
    let mut backend = origin.accept();
    backend.head();
    proxy.rewrite(&with(&optional.replace("optional", "require")));
    proxy.reload().expect("a good configuration");
    let goodbye = client.until(|frame| frame.kind == GOAWAY);
    assert_eq!(frames::code(&goodbye.payload[4..8]), "NO_ERROR");
    client.get(3);
    let refused = client.until(|frame| frame.stream == 3);
    if refused.kind == HEADERS {
        let head = loona_hpack::Decoder::new().decode(&refused.payload).expect("a head");
        assert_eq!(head[0], (b":status".to_vec(), b"421".to_vec()));
    } else {
        assert_eq!(frames::code(&refused.payload), "REFUSED_STREAM");
    }
    backend.send(OK);
    client.until(|frame| frame.stream == 1 && frame.payload == b"ok");
    // It ends by itself.
    while client.next().is_some() {}
    // Who has shown one goes on.
    alice.get(1);
    let mut backend = origin.accept();
    backend.head();
    backend.send(OK);
    alice.until(|frame| frame.stream == 1 && frame.payload == b"ok");
    assert!(alice.read.iter().all(|frame| frame.kind != GOAWAY));
    // Until somebody else is to vouch for her, which takes no reload.
    std::fs::copy(Pki::new().path("ca.pem"), pki.path("new.pem")).expect("copied");
    std::fs::rename(pki.path("new.pem"), pki.path("ca.pem")).expect("renamed");
    let goodbye = alice.until(|frame| frame.kind == GOAWAY);
    assert_eq!(frames::code(&goodbye.payload[4..8]), "NO_ERROR");
}
