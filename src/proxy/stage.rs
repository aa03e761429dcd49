//! What tests of this room play on: one worker with one listener, whose only route goes through filters that no
//! configuration can name.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::UnixStream;

use super::{Gate, Worker, serve};
use crate::config::{self, Source};
use crate::filter::Filter;
use crate::metrics::Metrics;
use crate::net::{Peer, Stream};
use crate::snapshot::{Names, Registry, Snapshot, compile};

pub(super) struct Stage {
    pub(super) worker: Rc<Worker>,
    pub(super) metrics: Arc<Metrics>,
    /// What the worker reads.
    pub(super) current: Arc<ArcSwap<Snapshot>>,
    gate: Rc<Gate>,
}

impl Stage {
    /// The route sends to `backend` through `filters`.
    pub(super) fn new(backend: &str, filters: Arc<[Arc<dyn Filter>]>) -> Stage {
        let rest = format!("[upstream.u]\nbackends = [\"{backend}\"]\n");
        Self::with_route("upstream = \"u\"", &rest, filters)
    }

    /// The route is `route`, and `rest` stands below it.
    pub(super) fn with_route(route: &str, rest: &str, filters: Arc<[Arc<dyn Filter>]>) -> Stage {
        let text = format!("[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\n{route}\n{rest}");
        let source = Source::Text { name: "test".into(), text };
        let config = config::load(&source).unwrap_or_else(|failure| panic!("{failure}")).config;
        let draft = compile(&config, &Names::default(), &Registry::default(), 1, 1);
        let mut snapshot = draft.expect("compiled").snapshot;
        let (socket, listener) = &mut snapshot.listeners[0];
        Arc::get_mut(listener).expect("ours alone").entries[0].filters = filters;
        let (gate, metrics) = (Gate::new(*socket), Arc::new(Metrics::new(1)));
        let current = Arc::new(ArcSwap::from_pointee(snapshot));
        let worker = Worker::new(0, Arc::clone(&current), Arc::clone(&metrics), 4);
        Stage { worker, metrics, current, gate }
    }

    /// A connection that is served while the future is polled, and its client's end.
    pub(super) fn serve(&self) -> (impl Future<Output = ()> + use<>, UnixStream) {
        let (ours, client) = UnixStream::pair().expect("a pair");
        let (worker, gate) = (Rc::clone(&self.worker), Rc::clone(&self.gate));
        (serve(worker, gate, Stream::from(ours), Peer::Unix, false, ()), client)
    }
}
