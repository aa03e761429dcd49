//! Forebay: an HTTP reverse proxy and load balancer. This page is the map of the house.
//!
//! # Words, one meaning each
//! **Listener** accepts · **Route** matches a request and says what happens · **Upstream** a set of backends
//! with one policy · **Backend** one address with live state · **Strategy** chooses a backend · **Config** what
//! the operator wrote · **Snapshot** all that the data plane reads, immutable · **Exchange** one request and its
//! response · **Breaker** closed, open or half-open for one backend · **Check** one asking of a backend how it is,
//! done by a **probe** · **Worker** one data-plane thread · **Pool** idle connections to backends, nothing else.
//!
//! # Two planes
//! The **data plane** is one [`proxy::Worker`] a core, each a single-threaded runtime with its own
//! `SO_REUSEPORT` sockets, pools, buffers and counters: no lock, no cross-thread wake-up, nothing to await that
//! cannot be dropped. The **control plane** is one more thread: configuration, names, signals, the
//! admin socket. They meet in one
//! `ArcSwap<Snapshot>` with a single writer, in the atomics inside each `Arc<Backend>`, and in the workers'
//! mailboxes, through which the controller hands out and retires listening sockets.
//!
//! # Rooms, on storeys
//! A room imports only lower storeys; `tests/tidy.rs` fails on an arrow that points up.
//! ```text
//! 7 the door      cli       arguments → a command, exit codes; the demo
//! 6 the process   server    Daemon: start, workers, accept and hand-over, limits on connections, stop
//! 5 two planes    proxy     connection → exchange: the life of a request (its mod.rs shows it on one screen)
//!                 control   the only writer of the snapshot: reload, watch, names, signals, admin socket;
//!                           never imports proxy
//! 4 compiled      snapshot  Config + resolved names + registry → Snapshot; live state adopted by identity
//!                 admit     a request's way up to the search for a backend, sans I/O: also for tests and explain
//! 3 bytes         probe     asking a backend how it is, a file for each kind of asking
//!                 pool      idle connections to backends, and shared ones that speak HTTP/2
//!                 relay     pumps: bodies and tunnels from socket to socket, by copy or splice
//!                 http2     streams of HTTP/2 behind the heads and byte streams of HTTP/1: our codec to clients, h2 to backends
//!                 net       sockets: listen, accept, dial; one stream type: in the clear, through TLS, or one of many
//!                 tls       what listeners show to those who speak TLS: certificates by name, tickets
//!                 log       operator events and access lines, one writer thread per target
//! 2 decisions     message   heads as bytes and an index, edited in place
//!   (pure)        http1     the codec, sans I/O: heads, framing, chunks; strict in one place
//!                 route     host, path, conditions → route; normalising
//!                 filter    what changes or answers a request on its way, one file each; templates filled in; rewrites
//!                 balance   strategies, one file each; sticky sessions
//!                 backend   live state of a backend; candidates; permits; the queue of those who wait for one
//! 1 the text      config    TOML → Config, or every problem with its place
//! 0 facts         certificate (PEM → checked), error, hash, metrics, rng
//! ```
//! Rooms that are planned have their storey: `discovery` on 3.
//!
//! # The life of a request
//! ```text
//! bytes ─ net::accept ─▶ Stream, Peer ─ proxy::serve ─▶ one task a connection
//! 1 head     read into the worker's buffer, parsed by http1 into the exchange's RequestHead   | 400 408 414 431
//! 2 enter    client known, Host and path normalised, RouteTable::find, a split's choice → Hold | 404 405 413 417
//! 3 pass     fields: hop-by-hop out, who asked in, an index edit; filters, which may answer or wait; the rewrite,
//!            or the route's own redirect or response: then nothing below but 8
//! 4 pick     the cookie's backend, else upstream.balancer.pick(candidates) → Permit            | 503
//!            all full, and the upstream has a queue: wait in line, first come, first served    | 503
//! 5 send     pool.take or dial; head and what is there of the body in one write
//!            a try that failed → 4 while the retry policy and its budget allow it              | 502 504
//!            fully sent: its copy, where the route has a mirror, leaves on a task of its own, never waited for
//!            a backend found stalled meanwhile: the try goes on beside another, the first head wins
//! 6 head     1xx go on at once, the final head is parsed, edited, seen by the filters, framed for this client
//! 7 body     a pump each way until done; longer than one read: only Arc<Policy> stays pinned   | cut, never completed
//! 8 end      connection → pool, in-flight − 1, counters, access-log line
//! ```
//! The client's task drives everything, both sockets and one lazily armed timer: dropping it at any point closes
//! what must be closed. An HTTP/2 connection has a task of its own, and each of its streams one that does the above. While idle it holds none of the above; buffers and exchanges are lent by the worker.
//!
//! # The life of a reload
//! ```text
//! read → check (every problem) → try every [[test]] → look names up → compile a draft that adopts live state by
//! identity: same upstream and address → same Arc<Backend>; same bind → same socket → bind what is new on every
//! worker → tell gates that go that they are retired → ONE store → drop what is gone: sockets, pools, at last the
//! old snapshot, on the control thread
//! ```
//! Any failure before the store changes nothing. A gate is told before the store and keeps the last snapshot that
//! knew it, so that a request in between still finds its listener.
//!
//! # Who owns what
//! | state | owner | survives a reload |
//! |---|---|---|
//! | routes, limits, timeouts, strategies with their cursors | Snapshot, immutable | replaced as one |
//! | in-flight counts, latency, breaker, failures, share of the weight | `Arc<Backend>` in the registry | yes, by (upstream, address) |
//! | retry budget, cap on ejections, count of pending requests | registry | yes, by upstream |
//! | queue of waiting requests | registry | yes, by upstream |
//! | what checks say, and when the next is due | control thread | yes, by backend |
//! | upstream connections that are kept or shared, buffers, pipes, log lines | each worker | yes |
//! | TLS sessions with backends, to be resumed | registry, by settings | yes |
//! | counters | each worker, one writer, summed on read | yes |
//! | listening sockets | each worker; the wanted set in the controller | yes, by address |
//! | writer threads of logs | registry, by target | yes |
//! | certificates | `tls::Server` of each listener, refreshed by the controller when their files change; an upstream is built anew with its own | where nothing differs |
//! | keys of session tickets | registry, by client authentication and certificates | yes |
#![forbid(unsafe_code)]

pub mod admit;
pub mod backend;
pub mod balance;
pub mod certificate;
pub mod cli;
pub mod config;
pub mod control;
pub mod error;
pub mod filter;
pub mod hash;
pub mod http1;
pub mod http2;
pub mod log;
pub mod message;
pub mod metrics;
pub mod net;
pub mod pool;
pub mod probe;
pub mod proxy;
pub mod relay;
pub mod rng;
pub mod route;
pub mod server;
pub mod snapshot;
pub mod tls;
