//! TLS to backends: whom we believe, by which name, who we are, and what happens when the settings change.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use forebay::config::Source;
use forebay::control::Settings;
use forebay::error::Reason;
use serde_json::Value;

use crate::certificates::{Authority, Pair};
use crate::peers::Peer;
use crate::support::{Origin, Proxy};
use crate::{ask, get, with_upstream};

/// An upstream whose backend is `peer`, by the address or by a name for it.
fn upstream(peer: &Peer, host: &str, tls: &str) -> String {
    let port = peer.address().port();
    with_upstream(format!("backends = [\"https://{host}:{port}\"]\n{tls}"))
}

fn trusting(authority: &Authority) -> String {
    format!("tls = {{ ca = {:?} }}", authority.file())
}

#[track_caller]
fn told(proxy: &Proxy, path: &str) -> Value {
    let answer = ask(proxy, path);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).expect("JSON")
}

#[test]
fn a_backend_behind_tls_answers_on_connections_that_are_kept() {
    let authority = Authority::new();
    let pair = authority.signs(&["127.0.0.1"]);
    let peer = Peer::python(&pair, None, "http/1.1");
    let text =
        upstream(&peer, "127.0.0.1", &trusting(&authority)).replace("workers = 4", "workers = 1");
    let proxy = Proxy::from_text(&text);
    let mut client = proxy.connect();
    let ports: HashSet<String> = (0..10)
        .map(|nth| {
            client.send(format!(
                "POST /{nth} HTTP/1.1\r\nHost: client.test\r\nContent-Length: 100000\r\n\r\n"
            ));
            client.send("x".repeat(100_000));
            let told: Value = serde_json::from_str(&client.response().text()).expect("JSON");
            assert_eq!(told["path"], format!("/{nth}"));
            assert_eq!((&told["version"], &told["alpn"]), (&"TLSv1.3".into(), &"http/1.1".into()));
            assert_eq!((&told["host"], &told["n_body"]), (&"client.test".into(), &100_000.into()));
            assert_eq!(told["sni"], Value::Null, "an address is no name");
            told["port"].to_string()
        })
        .collect();
    assert_eq!(ports.len(), 1);
    let metrics = proxy.daemon().metrics();
    assert_eq!(metrics.sum(|worker| &worker.upstream_connects), 1);
    assert_eq!(metrics.sum(|worker| &worker.upstream_reuses), 9);
}

#[test]
fn the_name_that_is_asked_for_is_the_backends_or_the_one_written_never_the_clients() {
    let authority = Authority::new();
    let peer = Peer::python(&authority.signs(&["localhost", "api.test"]), None, "");
    let proxy = Proxy::from_text(&upstream(&peer, "localhost", &trusting(&authority)));
    assert_eq!(told(&proxy, "/")["sni"], "localhost");
    let tls = format!("tls = {{ ca = {:?}, sni = \"API.test\" }}", authority.file());
    let proxy = Proxy::from_text(&upstream(&peer, "127.0.0.1", &tls));
    assert_eq!(told(&proxy, "/")["sni"], "api.test");
}

#[test]
fn whoever_cannot_be_verified_gets_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let refused: [(&str, Pair, String); 5] = [
        ("expired", authority.signed(&["127.0.0.1"]), trusting(&authority)),
        ("self-signed", authority.self_signed(&["127.0.0.1"]), trusting(&authority)),
        ("for another name", authority.signs(&["10.0.0.1", "b.test"]), trusting(&authority)),
        ("from somebody unknown", stranger.signs(&["127.0.0.1"]), trusting(&authority)),
        ("not known to the system", authority.signs(&["127.0.0.1"]), String::new()),
    ];
    for (what, pair, tls) in refused {
        let peer = Peer::python(&pair, None, "");
        let proxy = Proxy::from_text(&upstream(&peer, "127.0.0.1", &tls));
        let answer = ask(&proxy, "/");
        assert_eq!(answer.status(), 502, "{what}");
        assert!(answer.text().contains("tls_failed"), "{what}: {}", answer.text());
        proxy.counted(Reason::TlsFailed, 1);
        drop(proxy);
        // Whoever asked for it is served all the same.
        let proxy = Proxy::from_text(&upstream(&peer, "127.0.0.1", "tls = { verify = false }"));
        assert_eq!(ask(&proxy, "/").status(), 200, "{what}");
    }
}

#[test]
fn a_self_signed_certificate_is_believed_where_it_is_named() {
    let authority = Authority::new();
    let pair = authority.self_signed(&["127.0.0.1"]);
    let peer = Peer::python(&pair, None, "");
    let tls = format!("tls = {{ ca = {:?} }}", pair.cert);
    let proxy = Proxy::from_text(&upstream(&peer, "127.0.0.1", &tls));
    assert_eq!(ask(&proxy, "/").status(), 200);
}

#[test]
fn a_backend_that_wants_to_know_us_is_shown_our_certificate() {
    let authority = Authority::new();
    let peer = Peer::python(&authority.signs(&["127.0.0.1"]), Some(&authority.file()), "");
    let ours = authority.signs(&["proxy.test"]);
    let tls = format!(
        "tls = {{ ca = {:?}, client = {{ cert = {:?}, key = {:?} }} }}",
        authority.file(),
        ours.cert,
        ours.key
    );
    let proxy = Proxy::from_text(&upstream(&peer, "127.0.0.1", &tls));
    assert_eq!(told(&proxy, "/")["client"][0], "A test's peer");
    drop(proxy);
    let proxy = Proxy::from_text(&upstream(&peer, "127.0.0.1", &trusting(&authority)));
    assert_eq!(ask(&proxy, "/").status(), 502);
}

#[test]
fn sessions_are_resumed_by_every_worker_and_across_reloads() {
    let authority = Authority::new();
    let peer = Peer::python(&authority.signs(&["localhost"]), None, "");
    // Nothing is kept, so that each request shakes hands.
    let tls = format!("{}\npool = {{ max_idle = 0 }}", trusting(&authority));
    let text = upstream(&peer, "localhost", &tls);
    let proxy = Proxy::from_file(&text);
    assert_eq!(told(&proxy, "/")["resumed"], false);
    for _ in 0..8 {
        assert_eq!(told(&proxy, "/")["resumed"], true);
    }
    proxy.rewrite(&format!("{text}max_pending = 100\n"));
    proxy.reload().expect("a reload");
    assert_eq!(told(&proxy, "/")["resumed"], true);
    // With another certificate of ours, or another CA, nothing is taken over.
    let ours = authority.signs(&["proxy.test"]);
    let client = format!("client = {{ cert = {:?}, key = {:?} }} }}", ours.cert, ours.key);
    proxy.rewrite(&text.replace(".pem\" }", &format!(".pem\", {client}")));
    proxy.reload().expect("a reload");
    assert_eq!(told(&proxy, "/")["resumed"], false);
}

#[test]
fn a_reload_that_changes_tls_leaves_no_connection_made_before_in_use() {
    let authority = Authority::new();
    let peer = Peer::python(&authority.signs(&["localhost", "b.test"]), None, "");
    let text =
        upstream(&peer, "localhost", &trusting(&authority)).replace("workers = 4", "workers = 1");
    let proxy = Proxy::from_file(&text);
    let first = told(&proxy, "/")["port"].clone();
    assert_eq!(told(&proxy, "/")["port"], first);
    proxy.rewrite(&text.replace(".pem\" }", ".pem\", sni = \"b.test\" }"));
    proxy.reload().expect("a reload");
    let second = told(&proxy, "/");
    assert_ne!(second["port"], first);
    assert_eq!(second["sni"], "b.test");
    // From TLS to plain text and back: the port is the same, the connections are not.
    proxy.rewrite(&with_upstream(format!("backends = [\"{}\"]", peer.address())));
    proxy.reload().expect("a reload");
    assert_eq!(ask(&proxy, "/").status(), 502, "it speaks TLS only");
    proxy.rewrite(&text);
    proxy.reload().expect("a reload");
    assert_eq!(told(&proxy, "/")["sni"], "localhost");
}

#[test]
fn a_backend_that_hangs_in_the_handshake_has_the_time_for_connecting() {
    let authority = Authority::new();
    let origin = Origin::bind();
    let tls = format!("{}\ntimeouts = {{ connect = \"200ms\" }}", trusting(&authority));
    let text = with_upstream(format!("backends = [\"https://{}\"]\n{tls}", origin.address()));
    let proxy = Proxy::from_text(&text);
    let mut client = proxy.connect();
    client.send(get("/"));
    let backend = origin.accept();
    let answer = client.response();
    assert_eq!(answer.status(), 504, "{}", answer.text());
    proxy.counted(Reason::ConnectTimeout, 1);
    drop(backend);
}

#[test]
fn a_backend_that_speaks_no_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let proxy = Proxy::from_text(&with_upstream(format!("backends = [\"https://{address}\"]")));
    assert_eq!(ask(&proxy, "/").status(), 502);
    proxy.counted(Reason::TlsFailed, 1);
}

/// Replaces `to` by `from` as one.
fn put(from: &std::path::Path, to: &std::path::Path) {
    let new = to.with_extension("new");
    std::fs::copy(from, &new).expect("copied");
    std::fs::rename(new, to).expect("renamed");
}

#[test]
fn changed_files_of_an_upstream_are_in_service_without_a_reload() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let peer = Peer::python(&authority.signs(&["localhost"]), Some(&authority.file()), "");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (ours, theirs) = (authority.signs(&["proxy.test"]), stranger.signs(&["proxy.test"]));
    put(&stranger.file(), &path("ca.pem"));
    put(&theirs.cert, &path("me.crt"));
    put(&theirs.key, &path("me.key"));
    let tls = format!(
        "tls = {{ ca = {:?}, client = {{ cert = {:?}, key = {:?} }} }}\npool = {{ max_idle = 0 }}",
        path("ca.pem"),
        path("me.crt"),
        path("me.key")
    );
    // What is written asks for no reload.
    let proxy = Proxy::from_text(&upstream(&peer, "localhost", &tls));
    let control = || {
        let metrics = proxy.daemon().metrics();
        (metrics.control.certificates_renewed.value(), metrics.control.certificates_refused.value())
    };
    assert_eq!(ask(&proxy, "/").status(), 502, "nobody vouches for it");
    put(&authority.file(), &path("ca.pem"));
    crate::support::eventually("the authority is in service", || control() == (1, 0));
    assert_eq!(ask(&proxy, "/").status(), 502, "it does not know us");
    // A key that belongs to another certificate.
    put(&ours.key, &path("me.key"));
    crate::support::eventually("it is refused", || control() == (1, 1));
    put(&ours.cert, &path("me.crt"));
    crate::support::eventually("ours is in service", || control() == (2, 1));
    assert_eq!(told(&proxy, "/")["client"][0], "A test's peer");
    // What is damaged changes nothing.
    std::fs::write(path("ca.pem"), "nothing").expect("written");
    crate::support::eventually("it is refused", || control() == (2, 2));
    assert_eq!(ask(&proxy, "/").status(), 200);
    assert_eq!(proxy.upstream().members.len(), 1);
    assert_eq!(proxy.daemon().snapshot().generation, 3);
}

#[test]
fn files_that_change_while_a_reload_is_prepared_are_in_service_after_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let peer = Peer::python(&authority.signs(&["127.0.0.1"]), None, "");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    put(&stranger.file(), &ca);
    let text = upstream(&peer, "127.0.0.1", &format!("tls = {{ ca = {ca:?} }}"));
    let file = folder.path().join("forebay.toml");
    std::fs::write(&file, &text).expect("written");
    // A name that is looked up for as long as the test likes.
    let (ask_for, asked) = std::sync::mpsc::channel();
    let (answer, answers) = std::sync::mpsc::channel::<()>();
    let answers = std::sync::Mutex::new(answers);
    let mut settings = Settings::new(Source::File(file.clone()));
    settings.lookup = Arc::new(move |_| {
        let _ = ask_for.send(());
        let _ = answers.lock().expect("nobody panicked").recv();
        Ok(vec![([127, 0, 0, 1], 9).into()])
    });
    let proxy = Proxy::from_settings(settings);
    assert_eq!(ask(&proxy, "/").status(), 502, "nobody vouches for it");
    // Its listener is taken, so that the reload fails, but only after the name was asked for.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("an address");
    let more = format!(
        "[[listener]]\nname = \"more\"\nbind = \"{taken}\"\n[[route]]\nname = \"slow\"\n\
         hosts = [\"slow.test\"]\nupstream = \"slow\"\n[upstream.slow]\nbackends = [\"slow.test:9\"]\n"
    );
    let named = text.replace("[[route]]", "[[route]]\nname = \"all\"");
    std::fs::write(&file, format!("{named}{more}")).expect("written");
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| proxy.reload());
        asked.recv().expect("the name is asked for");
        put(&authority.file(), &ca);
        // It goes on without the name after a while; nothing goes into service until then.
        reload.join().expect("no panic").expect_err("the address is taken");
    });
    drop(answer);
    crate::support::eventually("the authority is in service", || ask(&proxy, "/").status() == 200);
}
