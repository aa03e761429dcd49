//! A reload: what changed, and what must not have.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::{Origin, Proxy, Service, Setup, Wire, eventually};

/// Two routes to two upstreams on one listener.
fn two_routes(prefix: &str, first: SocketAddr, second: SocketAddr) -> String {
    format!(
        "[global]\nworkers = 1\nshutdown_grace = \"2s\"\n\
         [[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"special\"\nmatch = {{ path_prefix = \"{prefix}\" }}\nupstream = \"second\"\n\
         [[route]]\nname = \"all\"\nupstream = \"first\"\n\
         [upstream.first]\nbackends = [\"{first}\"]\n\
         [upstream.second]\nbackends = [\"{second}\"]\n"
    )
}

fn plain(backends: &[SocketAddr]) -> String {
    Setup::default().text(backends)
}

#[test]
fn a_new_route_works_on_an_open_connection() {
    let (first, second) = (Service::named("first"), Service::named("second"));
    let proxy = Proxy::from_file(&two_routes("/old", first.address(), second.address()));
    let address = proxy.address();
    let mut client = proxy.connect();
    assert_eq!(client.get("/new").text(), "first");
    assert_eq!(client.get("/old").text(), "second");
    proxy.rewrite(&two_routes("/new", first.address(), second.address()));
    proxy.reload().expect("a good file");
    assert_eq!(client.get("/new").text(), "second");
    assert_eq!(client.get("/old").text(), "first");
    assert_eq!(proxy.address(), address, "the socket stayed");
    assert_eq!(proxy.connect().get("/new").text(), "second");
}

#[test]
fn idle_backend_connections_survive_while_their_backend_stays() {
    let (kept, gone, new) = (Service::named("kept"), Origin::bind(), Service::named("new"));
    let proxy = Proxy::from_file(&plain(&[kept.address(), gone.address()]));
    let mut client = proxy.connect();
    // Round robin starts anywhere: two requests meet both.
    let mut goner = None;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        eventually("one of the two was asked", || {
            goner = goner.take().or_else(|| gone.try_accept().map(|wire| (wire, false)));
            goner.as_ref().is_some_and(|(_, answered)| !answered) || client.has_news()
        });
        if let Some((backend, answered @ false)) = &mut goner {
            backend.request();
            backend.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngone");
            *answered = true;
        }
        assert_eq!(client.response().status(), 200);
    }
    let (mut goner, _) = goner.expect("the second backend was met");
    proxy.rewrite(&plain(&[kept.address(), new.address()]));
    proxy.reload().expect("a good file");
    goner.closed();
    let names: Vec<String> = (0..4).map(|_| client.get("/").text()).collect();
    assert_eq!(names.iter().filter(|name| *name == "kept").count(), 2, "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "new").count(), 2, "{names:?}");
    assert_eq!(kept.n_connections(), 1, "a connection that could stay was closed");
}

#[test]
fn an_exchange_in_flight_ends_under_the_rules_it_began_with() {
    let (old, new) = (Origin::bind(), Service::named("new"));
    let proxy = Proxy::from_file(&plain(&[old.address()]));
    let mut client = proxy.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = old.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
    client.until(b"first");
    proxy.rewrite(&plain(&[new.address()]));
    proxy.reload().expect("a good file");
    assert_eq!(proxy.connect().get("/").text(), "new");
    backend.send("-last");
    assert_eq!(client.exactly(5), b"-last");
    // Its backend is gone from the file: the connection goes, too, now that it is idle.
    backend.closed();
    assert_eq!(client.get("/").text(), "new");
}

#[test]
fn an_exchange_without_a_response_yet_ends_as_well() {
    let (old, new) = (Origin::bind(), Service::named("new"));
    let proxy = Proxy::from_file(&plain(&[old.address()]));
    let mut client = proxy.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = old.accept();
    backend.request();
    proxy.rewrite(&plain(&[new.address()]));
    proxy.reload().expect("a good file");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    assert_eq!(client.response().text(), "old");
    assert_eq!(client.get("/").text(), "new");
}

#[test]
fn a_websocket_survives_a_reload_that_removes_its_backend() {
    let (old, new) = (Origin::bind(), Service::named("new"));
    let proxy = Proxy::from_file(&plain(&[old.address()]));
    let mut client = proxy.connect();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    let mut backend = old.accept();
    backend.head();
    backend.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    client.head();
    proxy.rewrite(&plain(&[new.address()]));
    proxy.reload().expect("a good file");
    client.send("to");
    assert_eq!(backend.exactly(2), b"to");
    backend.send("fro");
    assert_eq!(client.exactly(3), b"fro");
    assert_eq!(proxy.connect().get("/").text(), "new");
}

#[test]
fn a_bad_file_changes_nothing_and_every_problem_is_told() {
    let service = Service::named("same");
    let proxy = Proxy::from_file(&plain(&[service.address()]));
    let mut client = proxy.connect();
    assert_eq!(client.get("/").text(), "same");
    let addresses = proxy.address();
    let bad = plain(&[service.address()])
        .replace("workers = 1", "workers = \"many\"")
        .replace("upstream = \"app\"", "upstream = \"ap\"")
        .replace("name = \"main\"", "nam = \"main\"");
    proxy.rewrite(&bad);
    let problems = proxy.reload().expect_err("a bad file");
    for word in ["workers", "ap", "nam"] {
        assert!(problems.contains(word), "{word} is not told of: {problems}");
    }
    assert_eq!(client.get("/").text(), "same");
    assert_eq!(proxy.connect().get("/").text(), "same");
    assert_eq!(proxy.address(), addresses);
    proxy.rewrite("this is no TOML = = =");
    proxy.reload().expect_err("a broken file");
    assert_eq!(client.get("/").text(), "same");
    assert_eq!(service.n_connections(), 1);
}

#[test]
fn a_watched_file_is_put_into_service_when_it_changes() {
    let (a, b) = (Service::named("a"), Service::named("b"));
    let text = |service: &Service| {
        let more = "[reload]\nwatch = true\n";
        Setup { more, ..Setup::default() }.text(&[service.address()])
    };
    let proxy = Proxy::from_file(&text(&a));
    let mut client = proxy.connect();
    assert_eq!(client.get("/").text(), "a");
    proxy.rewrite(&text(&b));
    eventually("the new file is in service", || client.get("/").text() == "b");
}

#[test]
fn a_listener_can_be_added_and_removed() {
    let service = Service::named("app");
    let one = plain(&[service.address()]);
    let two = format!("{one}[[listener]]\nname = \"second\"\nbind = \"127.0.0.2:0\"\n");
    let proxy = Proxy::from_file(&one);
    assert_eq!(proxy.address_of("second"), None);
    proxy.rewrite(&two);
    proxy.reload().expect("a good file");
    let second = proxy.address_of("second").expect("the listener was added");
    let mut idle = Wire::connect(second);
    assert_eq!(idle.get("/").text(), "app");
    let mut first = proxy.connect();
    assert_eq!(first.get("/").text(), "app");
    proxy.rewrite(&one);
    proxy.reload().expect("a good file");
    assert_eq!(proxy.address_of("second"), None);
    idle.closed();
    eventually("nobody listens any more", || std::net::TcpStream::connect(second).is_err());
    assert_eq!(first.get("/").text(), "app");
}

#[test]
fn a_removed_listener_ends_its_exchanges_in_order() {
    let origin = Origin::bind();
    let one = plain(&[origin.address()]);
    let two = format!("{one}[[listener]]\nname = \"second\"\nbind = \"127.0.0.2:0\"\n");
    let proxy = Proxy::from_file(&two);
    let mut client = Wire::connect(proxy.address_of("second").expect("a second listener"));
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    proxy.rewrite(&one);
    proxy.reload().expect("a good file");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    assert_eq!(client.response().text(), "done");
    client.closed();
}

#[test]
fn a_busy_port_in_the_new_file_changes_nothing() {
    let service = Service::named("same");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("an address");
    let one = plain(&[service.address()]);
    let proxy = Proxy::from_file(&one);
    proxy.rewrite(&format!("{one}[[listener]]\nname = \"second\"\nbind = \"{}\"\n", taken.1));
    let problem = proxy.reload().expect_err("a busy port");
    assert!(problem.contains(&taken.1.port().to_string()), "{problem}");
    assert_eq!(proxy.address_of("second"), None);
    assert_eq!(proxy.connect().get("/").text(), "same");
}

#[test]
fn twenty_reloads_under_load_fail_no_request() {
    const RELOADS: usize = 20;
    const CLIENTS: usize = 4;
    let (a, b) = (Service::named("a"), Service::named("b"));
    let texts = [plain(&[a.address(), b.address()]), plain(&[b.address(), a.address()])];
    let texts = texts.map(|text| text.replace("workers = 1", "workers = 2"));
    let proxy = Proxy::from_file(&texts[0]);
    let (stop, n_served) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let address = proxy.address();
        let (stop, n_served) = (&stop, &n_served);
        for _ in 0..CLIENTS {
            scope.spawn(move || {
                let mut client = Wire::connect(address);
                let mut n = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/").status(), 200);
                    n_served.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                    if n.is_multiple_of(50) {
                        client = Wire::connect(address);
                    }
                }
            });
        }
        for i in 0..RELOADS {
            let before = n_served.load(Ordering::Relaxed);
            proxy.rewrite(&texts[(i + 1) % 2]);
            let result = proxy.reload();
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            result.expect("a good file");
            eventually("requests are served between reloads", || {
                n_served.load(Ordering::Relaxed) >= before + 20
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    let failed: u64 = proxy
        .daemon()
        .metrics()
        .workers
        .iter()
        .map(|w| w.reasons.iter().map(|r| r.value()).sum::<u64>())
        .sum();
    assert_eq!(failed, 0);
}

#[test]
fn a_graceful_stop_lets_exchanges_end_and_closes_idle_connections() {
    let origin = Origin::bind();
    let proxy = Proxy::with(Setup { global: "", ..Setup::default() }, &[origin.address()]);
    let mut busy = proxy.connect();
    busy.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    let mut idle = proxy.connect();
    idle.send("GET /%2f HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(idle.response().status(), 400);
    let address = proxy.address();
    proxy.daemon().stop_gracefully();
    idle.closed();
    eventually("nobody listens any more", || std::net::TcpStream::connect(address).is_err());
    assert!(!busy.has_news_within(Duration::from_millis(100)));
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    let answer = busy.response();
    assert_eq!(answer.text(), "done");
    assert_eq!(answer.field("connection").map(str::to_ascii_lowercase).as_deref(), Some("close"));
    busy.closed();
}

#[test]
fn a_request_that_was_on_its_way_when_the_stop_began_is_answered() {
    let service = Service::echo();
    let proxy = Proxy::to(&[service.address()]);
    let mut used = proxy.connect();
    assert_eq!(used.get("/first").text(), "/first");
    let mut accepted = proxy.connect();
    let connections = || proxy.daemon().metrics().sum(|worker| &worker.connections);
    eventually("both are accepted", || connections() == 2);
    let address = proxy.address();
    proxy.daemon().stop_gracefully();
    eventually("nobody listens any more", || std::net::TcpStream::connect(address).is_err());
    for client in [&mut used, &mut accepted] {
        client.send("GET /last HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    for client in [&mut used, &mut accepted] {
        let answer = client.response();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("/last", Some("close")));
        client.closed();
    }
}
