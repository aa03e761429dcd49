use forebay::config::*;
use forebay::snapshot::{self, *};
use forebay::*;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
fn main() {
    let s = |n| Some(Duration::from_secs(n));
    let t = ExchangeTimeouts {
        send_idle: s(60),
        connect: s(3),
        first_byte: s(60),
        response_idle: s(60),
        total: None,
        tunnel_idle: s(3600),
    };
    let b = Arc::new(backend::Backend::new(
        1,
        backend::Address::Tcp("127.0.0.1:9001".parse().unwrap()),
    ));
    let up = Arc::new(snapshot::Upstream {
        name: "app".into(),
        members: vec![backend::Member { backend: b, authority: "127.0.0.1:9001".into() }],
        balancer: Arc::new(balance::RoundRobin::new(1)),
        pool: Pool { max_idle: 128, idle: s(50), max_age: s(3600), max_requests: None },
        host: Host::Preserve,
    });
    let policy = Arc::new(Policy {
        listener: "http".into(),
        route: "default".into(),
        upstream: "app".into(),
        timeouts: t,
    });
    let l = Arc::new(snapshot::Listener {
        name: "http".into(),
        limits: Limits {
            connections: None,
            per_ip: None,
            header_bytes: 32768,
            headers: 100,
            uri_bytes: 16384,
            body_bytes: None,
        },
        path: PathPolicy { merge_slashes: false, forward: ForwardPath::Normalized },
        timeouts: ListenerTimeouts { header: s(10), body_idle: s(30), keepalive: s(75) },
        send_idle: s(60),
        routes: Arc::new(route::RouteTable::compile(&[route::RouteSpec {
            hosts: vec![],
            path: PathPattern::Any,
        }])),
        entries: vec![RouteEntry { upstream: 0, policy }],
    });
    let snap = Snapshot {
        generation: 1,
        listeners: vec![(SocketId(0), l)],
        upstreams: vec![up],
        forwarding: Forwarding {
            trusted: TrustedProxies::default(),
            client_ip_header: ClientIpHeader::XForwardedFor,
            forwarded: false,
            request_id: "x-request-id".into(),
        },
        access_log: None,
    };
    let shared = Arc::new(arc_swap::ArcSwap::from_pointee(snap));
    let metrics = Arc::new(metrics::Metrics::new(1));
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
        .unwrap();
    rt.block_on(async move {
        let w = proxy::Worker::new(0, shared, metrics);
        let g = proxy::Gate::new(SocketId(0));
        let l = tokio::net::TcpListener::bind("127.0.0.1:18080").await.unwrap();
        let w2 = w.clone();
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                w2.tick();
            }
        });
        loop {
            let (s, p) = l.accept().await.unwrap();
            s.set_nodelay(true).unwrap();
            tokio::task::spawn_local(proxy::serve(
                Rc::clone(&w),
                Rc::clone(&g),
                net::Stream::Tcp(s),
                net::Peer::Tcp(p),
                false,
            ));
        }
    });
}
