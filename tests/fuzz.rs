//! Noise from both sides: random bytes, mutated messages, random cuts. Nothing panics, and the daemon
//! serves a good request afterwards. Deterministic; a failure prints its seed, and
//! `FOREBAY_FUZZ_SECONDS` and `FOREBAY_FUZZ_SEED` make a longer run by hand.

mod support;

use std::net::SocketAddr;

use support::{
    Noise, Origin, Parsed, Proxy, REPLIES, REQUESTS, Service, Wire, parse_response, rounds,
};

/// Noise is cut short soon; good requests have a listener of their own with the usual patience.
const LISTENERS: &str = "[[listener]]\nname = \"noise\"\nbind = \"127.0.0.1:0\"\n\
    timeouts = { header = \"50ms\", body_idle = \"50ms\", keepalive = \"50ms\" }\n\
    [[listener]]\nname = \"good\"\nbind = \"127.0.0.2:0\"\n";

/// The same towards a backend.
const IMPATIENT: &str = "timeouts = { first_byte = \"50ms\", response_idle = \"50ms\", \
    send_idle = \"50ms\", tunnel_idle = \"50ms\" }";

/// Two upstreams, the second for whatever begins with `/good`.
fn proxy(noisy: SocketAddr, good: SocketAddr) -> Proxy {
    Proxy::from_text(&format!(
        "[global]\nworkers = 1\nshutdown_grace = \"2s\"\n{LISTENERS}\
         [[route]]\nname = \"good\"\nmatch = {{ path_prefix = \"/good\" }}\nupstream = \"good\"\n\
         [[route]]\nname = \"noisy\"\nupstream = \"noisy\"\n\
         [upstream.good]\nbackends = [\"{good}\"]\n\
         [upstream.noisy]\nbackends = [\"{noisy}\"]\n{IMPATIENT}\n",
    ))
}

/// The daemon is as well as ever.
fn assert_serves(proxy: &Proxy) {
    let address = proxy.address_of("good").expect("a listener for good requests");
    assert_eq!(Wire::connect(address).get("/good").text(), "/good");
}

/// Sends in pieces that need not be those the sender thinks in; then ends, resets or waits.
fn scatter(wire: &mut Wire, bytes: &[u8], noise: &mut Noise) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = if noise.below(3) == 0 { 1 + noise.below(rest.len()) } else { rest.len() };
        if wire.try_send(&rest[..n]).is_err() {
            return;
        }
        rest = &rest[n..];
    }
}

fn leave(mut wire: Wire, noise: &mut Noise) {
    match noise.below(4) {
        0 => wire.finish(),
        1 => wire.reset(),
        2 => drop(wire),
        _ => assert!(
            wire.is_closed(),
            "neither served nor closed: {}",
            support::show(wire.received())
        ),
    }
}

/// What a client got must be responses and perhaps the beginning of one, whatever the backend sent.
fn assert_well_formed(mut bytes: &[u8], method: &str) {
    loop {
        match parse_response(bytes, method, false) {
            Parsed::Complete(message, _) if message.status() == 101 => return,
            Parsed::Complete(_, n) => bytes = &bytes[n..],
            Parsed::Partial => return,
            Parsed::Bad(fault) => panic!("{fault} was passed on: {}", support::show(bytes)),
        }
        if bytes.is_empty() {
            return;
        }
    }
}

#[test]
fn noise_from_clients_harms_nobody() {
    let (service, good) = (Service::echo(), Service::echo());
    let proxy = proxy(service.address(), good.address());
    rounds(|noise| {
        let mut client = proxy.connect();
        for _ in 0..=noise.below(2) {
            let bytes = noise.mutated(REQUESTS);
            scatter(&mut client, &bytes, noise);
        }
        leave(client, noise);
        assert_serves(&proxy);
    });
    proxy.stop();
    for record in service.finish() {
        if let Some(fault) = &record.fault {
            // A request that its client never finished is cut; anything else must be well-formed.
            assert!(fault.contains("cut short") || fault.contains("could not answer"), "{fault}");
        }
    }
}

#[test]
fn noise_from_a_backend_harms_nobody() {
    let (noisy, good) = (Origin::bind(), Service::echo());
    let proxy = proxy(noisy.address(), good.address());
    let mut backend: Option<Wire> = None;
    rounds(|noise| {
        let mut client = proxy.connect();
        let request = REQUESTS[noise.below(REQUESTS.len())];
        client.send(request);
        // The request came on the connection that was kept, or on a new one, or was refused.
        support::eventually("the backend or the client hears of it", || {
            if let Some(new) = noisy.try_accept() {
                backend = Some(new);
            }
            backend.as_mut().is_some_and(Wire::has_news) || client.has_news()
        });
        if let Some(wire) = &mut backend {
            for _ in 0..=noise.below(2) {
                let bytes = noise.mutated(REPLIES);
                scatter(wire, &bytes, noise);
            }
        }
        if noise.below(3) > 0
            && let Some(wire) = backend.take()
        {
            match noise.below(3) {
                0 => wire.reset(),
                _ => drop(wire),
            }
        }
        if noise.below(2) == 0 {
            assert!(client.is_closed(), "neither served nor closed");
            let method = request.split(' ').next().unwrap_or_default();
            if !request.contains("HTTP/1.0") {
                assert_well_formed(client.received(), method);
            }
        }
        leave(client, noise);
        assert_serves(&proxy);
    });
}
