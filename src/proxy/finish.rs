//! The end of an exchange: it is counted and, if there is an access log, written down.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::exchange::Exchange;
use super::hold::Hold;
use crate::admit;
use crate::config::AccessFormat;
use crate::log::{AccessRecord, since_1970};
use crate::message::Known;

impl Connection {
    /// Counts and logs the exchange; returns when it ended.
    pub(super) fn finish(&self, exchange: &mut Exchange) -> Instant {
        let ended = exchange.record.ended.unwrap_or_else(Instant::now);
        let record = &mut exchange.record;
        record.bytes_in += exchange.upload.data_bytes;
        record.bytes_out += exchange.download.data_bytes + record.own_bytes;
        let counters = self.worker().counters();
        counters.responses[usize::from(record.status / 100).min(5)].add(1);
        if let Some(reason) = record.reason {
            counters.reasons[reason as usize].add(1);
        }
        counters.bytes_in.add(record.bytes_in);
        counters.bytes_out.add(record.bytes_out);
        self.log(exchange, ended);
        ended
    }

    fn log(&self, exchange: &Exchange, ended: Instant) {
        let worker = self.worker();
        let snapshot = worker.pin();
        let Some(log) = &snapshot.access_log else { return };
        if log.sample_at_most != u32::MAX
            && worker.rng.borrow_mut().next_u64() as u32 > log.sample_at_most
        {
            return;
        }
        let (record, request, head) = (&exchange.record, &exchange.request, &exchange.request.head);
        let hold = exchange.hold.as_ref();
        let policy = hold.and_then(Hold::policy);
        let listener = match (hold.and_then(Hold::listener), policy) {
            (Some(listener), _) => &*listener.name,
            (None, Some(policy)) => &policy.listener,
            (None, None) => "",
        };
        let total = match (record.first_byte, record.started) {
            (Some(first_byte), _) if record.turn == Some(ended) => first_byte,
            (_, Some(started)) => ended.saturating_duration_since(started),
            (_, None) => Duration::ZERO,
        };
        let combined = log.format == AccessFormat::Combined;
        let line = AccessRecord {
            time: since_1970().saturating_sub(total),
            client: request.client,
            peer: if self.peer_ip.is_empty() { "unix" } else { &self.peer_ip },
            client_is_peer: request.client == admit::peer_ip(self.peer),
            method: head.method(),
            target: head.received_target(),
            host: head.host().unwrap_or_default(),
            version: head.version,
            status: record.status,
            reason: record.reason,
            request_id: &request.id,
            listener,
            route: policy.map(|policy| &*policy.route),
            upstream: policy.and_then(|policy| policy.upstream.as_deref()),
            names_json: policy.map(|policy| &*policy.names_json),
            backend: record.backend.as_ref().map(|backend| &*backend.label),
            attempts: record.attempts,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            connect: record.connect,
            queued: record.queued_for,
            first_byte: record.first_byte,
            total,
            referer: combined.then(|| head.fields.get(Known::Referer)).flatten(),
            user_agent: combined.then(|| head.fields.get(Known::UserAgent)).flatten(),
        };
        worker.log.borrow_mut().add(log, &line, head);
    }
}
