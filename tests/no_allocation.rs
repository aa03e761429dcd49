//! What the request path promises never to ask the allocator for, counted: finding the route, picking the
//! backend, taking a permit, and the steps of a head that has been through once.

use std::time::{Duration, Instant};

use forebay::admit;
use forebay::backend::{Became, Candidates, Care, Cohort, Outcome, Tried, Verdict, watch};
use forebay::balance::{Balance, Hint, STRATEGIES, key_of};
use forebay::config::{
    self, Conditions, HeaderEdits, HeadersFilter, KeySource, MethodCondition, PathPattern,
    Template, ValuePattern,
};
use forebay::config::{Source, load};
use forebay::filter::{self, Context, Facts, Rewrite, Slot};
use forebay::http1::{Decoder, Framing, Parsed, Pieces, parse_request, parse_response};
use forebay::message::{Known, RequestHead, ResponseHead};
use forebay::net::Peer;
use forebay::rng::Rng;
use forebay::route::{Normalized, RouteSpec, RouteTable, Subject, normalize, normalize_host};
use forebay::snapshot::compile_offline;

#[path = "../benches/support/mod.rs"]
mod support;

/// Allocations of this thread while `work` runs. A first run may fill buffers that are kept.
fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    allocation_counter::measure(work).count_total
}

#[test]
fn the_counter_sees_an_allocation() {
    assert!(allocations(|| drop(std::hint::black_box(Box::new(1)))) > 0);
}

#[test]
fn finding_a_route_among_ten_thousand_allocates_nothing() {
    let table = RouteTable::compile(&support::specs(10_000)).expect("a table");
    let (mut host, mut matched, mut forward) = (Vec::new(), Vec::new(), Vec::new());
    let count = allocations(|| {
        for (raw_host, raw_path, expected) in [
            ("HOST-777.example.test:8080", "/api/v3/items/42", Some(7773)),
            ("host-777.example.test", "/x/../api/v3/items", Some(7773)),
            ("host-777.example.test", "/elsewhere", None),
            ("nobody.example.test", "/", None),
        ] {
            let authority = normalize_host(raw_host.as_bytes(), &mut host).expect("a host");
            let raw_path = raw_path.as_bytes();
            let normal = normalize(raw_path, false, &mut matched, &mut forward).expect("a path");
            let path = if normal == Normalized::AsReceived { raw_path } else { &matched };
            assert_eq!(table.find(&Subject::get(authority.host, path)), expected);
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn conditions_and_expressions_allocate_nothing_once_warm() {
    let fields = support::conditional_fields();
    let find = |table: &RouteTable, host: &str, path: &str| {
        let query = support::CONDITIONAL_QUERY;
        let get = Subject::get(host.as_bytes(), path.as_bytes());
        table.find(&Subject { query, fields: &fields, ..get })
    };
    let table = |specs: &[RouteSpec]| RouteTable::compile(specs).expect("a table");
    let exact = table(&support::conditional_specs(1000, &ValuePattern::Exact("v2".into())));
    let matching = table(&support::conditional_specs(1000, &ValuePattern::Regex("v[0-9]".into())));
    let failing = table(&support::conditional_specs(1000, &ValuePattern::Regex("w[0-9]".into())));
    let paths = table(&support::expression_specs(200));
    let mut specs = support::expression_specs(200);
    for spec in &mut specs {
        spec.path = PathPattern::Regex("/api/v[0-9]+/items/[0-9]+".into());
        spec.conditions.methods =
            Some(MethodCondition { methods: vec!["POST".into()], negated: false });
    }
    specs[199].conditions = Conditions::default();
    let many = table(&specs);
    let count = allocations(|| {
        assert_eq!(find(&exact, "host-77.example.test", "/api/v3/items/42"), Some(773));
        assert_eq!(find(&matching, "host-77.example.test", "/api/v3/items/42"), Some(773));
        assert_eq!(find(&failing, "host-77.example.test", "/api/v3/items/42"), None);
        assert_eq!(find(&paths, "host-0.example.test", "/api/v150/items/42"), Some(150));
        assert_eq!(find(&paths, "host-0.example.test", "/api/v150/items/x"), None);
        assert_eq!(find(&many, "host-0.example.test", "/api/v1/items/42"), Some(199));
    });
    assert_eq!(count, 0);
}

#[test]
fn picking_a_backend_and_holding_a_permit_allocates_nothing_in_any_strategy() {
    let mut tried = Tried::default();
    let mut random = Rng::seeded(1);
    for (n_members, tried_one, bounded_load) in
        [(10, false, None), (10, true, Some(1.1)), (1000, true, None), (1000, true, Some(1.1))]
    {
        let members = support::members(n_members);
        if tried_one {
            tried.insert(&members[0].backend);
        }
        for strategy in STRATEGIES {
            let options = config::Balance { bounded_load, ..config::Balance::of(strategy.name) };
            let balance = Balance::build(&options, &members, 1).expect("a strategy");
            let count = allocations(|| {
                for n in 0..100 {
                    let now = Instant::now();
                    let key = (n % 4 > 0).then(|| random.next_u64());
                    let mut hint = Hint { worker: 0, now, key, random: &mut random };
                    let permit = balance.take(&members, &tried, &mut hint).expect("a backend");
                    assert_eq!(permit.backend().in_flight(), 1);
                    permit.settle(Outcome::Success, Duration::from_millis(1), now);
                }
            });
            assert_eq!(count, 0, "{} of {n_members}", strategy.name);
        }
    }
}

#[test]
fn watching_over_a_backend_that_answers_allocates_nothing() {
    let members = support::members(10);
    let cohort = Cohort::new("app".into(), 1);
    let care = Care {
        passive: Some(config::Passive::default()),
        breaker: Some(config::Breaker::default()),
        is_checked: true,
        learns: true,
        probe_timeout: Care::PROBE_TIMEOUT_MAX,
        unsent_timeout: Care::PROBE_TIMEOUT_MAX,
        n_members: 10,
    };
    let tried = Tried::default();
    let count = allocations(|| {
        for n in 0..1000 {
            let now = Instant::now();
            let candidates = Candidates::new(&members, &tried);
            let member = candidates.eligible(n % 10).expect("it is up");
            let mut permit = candidates.acquire(member).expect("a place");
            cohort.budget.deposit(0);
            permit.sent(now);
            // One in ten fails, never five in a row and never half of them.
            let became = Became::Answered(if n % 11 == 0 { 503 } else { 200 }, None);
            let latency = Duration::from_millis(1);
            permit.judge(&Verdict { became, latency, now }, &care);
            drop(permit);
            assert!(cohort.budget.left(&config::Budget::default(), now) > 0);
            watch(&members, &care, &cohort, now);
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn hashing_a_request_s_key_allocates_nothing() {
    let mut request = RequestHead::default();
    assert!(parse_request(support::REQUEST, &support::LIMITS, &mut request).is_ok());
    let client = Some([192, 0, 2, 1].into());
    let count = allocations(|| {
        for source in [
            KeySource::CLIENT_IP,
            KeySource::Path,
            KeySource::Uri,
            KeySource::Host,
            KeySource::Query("page".into()),
            KeySource::Cookie("session".into()),
            KeySource::Header("referer".into()),
        ]
        .iter()
        {
            assert!(key_of(source, &request, client).is_some(), "{source:?}");
        }
    });
    // The three names of the sources themselves.
    assert_eq!(count, 3);
}

#[test]
fn a_head_that_has_its_buffers_is_parsed_edited_and_written_without_allocating() {
    let mut request = RequestHead::default();
    let mut response = ResponseHead::default();
    let mut out = Vec::new();
    let count = allocations(|| {
        assert!(parse_request(support::REQUEST, &support::LIMITS, &mut request).is_ok());
        let fields = &mut request.fields;
        fields.remove_if(|known, _| matches!(known, Known::Connection | Known::XForwardedFor));
        fields.append(Known::XForwardedFor, b"x-forwarded-for", &[b"192.0.2.1"]);
        out.clear();
        fields.write_to(&mut out);
        assert!(out.ends_with(b"x-forwarded-for: 192.0.2.1\r\n"));
        assert!(parse_response(support::RESPONSE, false, &mut response).is_ok());
    });
    assert_eq!(count, 0);
}

#[test]
fn editing_fields_and_rewriting_prefixes_in_a_head_that_has_its_buffers_allocates_nothing() {
    let template = |text| Template::parse(text).expect("a template");
    let edits = HeaderEdits {
        remove: vec!["cookie".into()],
        set: vec![("x-env".into(), template("prod"))],
        add: vec![("x-who".into(), template("{client_ip} {host} {path_and_query} {request_id}"))],
    };
    let headers = HeadersFilter { request: edits.clone(), response: edits };
    let headers = filter::build(&config::Filter::Headers(headers)).expect("a kind");
    let written = config::Rewrite {
        strip_prefix: Some("/api".into()),
        add_prefix: Some("/v1".into()),
        host: Some(template("{host}.internal")),
        regex: None,
    };
    let rewrite = Rewrite::compile(&written).expect("it compiles").expect("it does something");
    let facts = Facts {
        client_certificate: None,
        client: Some([192, 0, 2, 1].into()),
        host: b"shop.example",
        request_id: b"id",
        scheme: "http",
        listener: "web",
        route: "api",
        upstream: "app",
        backend: "",
    };
    let (mut request, mut response) = (RequestHead::default(), ResponseHead::default());
    let (mut slot, mut scratch, mut host): (Slot, _, _) = (None, Vec::new(), Vec::new());
    let count = allocations(|| {
        assert!(parse_request(support::REQUEST, &support::LIMITS, &mut request).is_ok());
        request.set_target(&[b"/api/items?n=1"]);
        let mut cx = Context { facts, slot: &mut slot, scratch: &mut scratch };
        drop(headers.on_request(&mut request, &mut cx));
        let rewritten = rewrite.apply(&mut request, b"", &facts, &mut host, &mut scratch);
        assert!(rewritten.is_ok());
        assert_eq!(
            (request.target(), &host[..]),
            (&b"/v1/items?n=1"[..], &b"shop.example.internal"[..])
        );
        assert!(parse_response(support::RESPONSE, false, &mut response).is_ok());
        let mut cx = Context { facts, slot: &mut slot, scratch: &mut scratch };
        drop(headers.on_response(&mut response, &request, &mut cx));
        assert_eq!(response.fields.named(b"x-env"), Some(&b"prod"[..]));
    });
    assert_eq!(count, 0);
}

#[test]
fn a_clean_chunked_body_is_passed_on_without_allocating() {
    let mut spill = Vec::new();
    let count = allocations(|| {
        let mut decoder = Decoder::new(Framing::Chunked);
        let mut pieces = Pieces::new(b"5\r\nhello\r\n0\r\n\r\n", &mut spill, true);
        assert_eq!(decoder.feed(&mut pieces), Ok(15));
        assert!(decoder.is_done());
    });
    assert_eq!(count, 0);
}

#[test]
fn a_request_for_a_plain_route_finds_its_backends_upstream_without_allocating() {
    let text = "[[listener]]\nbind = \"127.0.0.1:0\"\n\
                [[route]]\nname = \"plain\"\nhosts = [\"*.example\"]\nupstream = \"app\"\n\
                match = { path_prefix = \"/api\", headers = { x-version = \"2\" } }\n\
                [[route]]\nname = \"split\"\nsplit_by = \"header:x-version\"\n\
                split = [{ upstream = \"app\" }, { upstream = \"next\" }]\n\
                [upstream.app]\nbackends = [\"10.0.0.1:80\"]\n[upstream.next]\nbackends = [\"10.0.0.2:80\"]\n";
    let source = Source::Text { name: "test".into(), text: text.into() };
    let snapshot = compile_offline(&load(&source).expect("good").config).expect("compiled");
    let (listener, forwarding) = (&snapshot.listeners[0].1, &snapshot.forwarding);
    let peer = Peer::Tcp("203.0.113.7:4711".parse().expect("an address"));
    let from = admit::From { peer, peer_ip: "203.0.113.7", trusted: false };
    let (mut request, mut response) = (admit::Request::default(), ResponseHead::default());
    let mut rng = Rng::seeded(1);
    let count = allocations(|| {
        for (host, route) in [("SHOP.example:80", 0), ("elsewhere", 1)] {
            request.clear();
            let limits = &support::LIMITS;
            let bytes = match host {
                "elsewhere" => &b"GET /api HTTP/1.1\r\nHost: elsewhere\r\nx-version: 2\r\n\r\n"[..],
                _ => b"GET /api HTTP/1.1\r\nHost: SHOP.example:80\r\nx-version: 2\r\n\r\n",
            };
            let parsed = parse_request(bytes, limits, &mut request.head);
            let Ok(Parsed::Complete { facts, .. }) = parsed else { panic!("a head") };
            request.facts = facts;
            admit::identify(&mut request, forwarding, from, &mut rng);
            let place = admit::enter(&mut request, listener, &mut rng).expect("a route");
            assert_eq!(place.entry, route);
            let entry = &listener.entries[place.entry];
            let policy = entry.policy(place.target).expect("a policy");
            let way = admit::Way { forwarding, from, entry, policy };
            let step = admit::pass(&mut request, &mut response, way);
            assert!(matches!(step, admit::Step::Forward));
        }
    });
    assert_eq!(count, 0);
}
