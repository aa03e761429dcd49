//! Heads and bodies: parsing, editing, writing, and the chunked coding.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use forebay::http1::{Decoder, Framing, Pieces, parse_request, parse_response};
use forebay::message::{Known, RequestHead, ResponseHead};

#[path = "support/mod.rs"]
mod support;

fn heads(c: &mut Criterion) {
    let mut head = RequestHead::default();
    c.bench_function("head/parse a browser's request", |b| {
        b.iter(|| parse_request(black_box(support::REQUEST), &support::LIMITS, &mut head).is_ok());
    });
    let mut head = ResponseHead::default();
    c.bench_function("head/parse a response", |b| {
        b.iter(|| parse_response(black_box(support::RESPONSE), false, &mut head).is_ok());
    });
}

/// What a request goes through between parsing and the wire: hop-by-hop fields out, who asked in, written.
fn edits(c: &mut Criterion) {
    let mut head = RequestHead::default();
    let mut out = Vec::new();
    c.bench_function("head/parse, edit and write", |b| {
        b.iter(|| {
            parse_request(black_box(support::REQUEST), &support::LIMITS, &mut head).is_ok()
                && forward(&mut head, &mut out)
        });
    });
}

fn forward(head: &mut RequestHead, out: &mut Vec<u8>) -> bool {
    let fields = &mut head.fields;
    fields.remove_if(|known, _| matches!(known, Known::Connection | Known::XForwardedFor));
    fields.append(Known::XForwardedFor, b"x-forwarded-for", &[b"192.0.2.1"]);
    fields.append(Known::XForwardedProto, b"x-forwarded-proto", &[b"http"]);
    fields.append(Known::Other, b"x-request-id", &[b"0123456789abcdef0123456789abcdef"]);
    out.clear();
    fields.write_to(out);
    !out.is_empty()
}

fn chunks(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunked");
    for (name, chunk_bytes) in [("chunks of 4 KiB", 4096), ("chunks of 16 B", 16)] {
        let body = chunked(64 * 1024, chunk_bytes);
        group.throughput(Throughput::Bytes(body.len() as u64));
        let mut spill = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut decoder = Decoder::new(Framing::Chunked);
                spill.clear();
                let mut pieces = Pieces::new(black_box(&body), &mut spill, true);
                decoder.feed(&mut pieces).is_ok() && decoder.is_done()
            });
        });
    }
    group.finish();
}

fn chunked(n_bytes: usize, chunk_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..n_bytes / chunk_bytes {
        body.extend_from_slice(format!("{chunk_bytes:x}\r\n").as_bytes());
        body.resize(body.len() + chunk_bytes, b'x');
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

criterion_group!(benches, heads, edits, chunks);
criterion_main!(benches);
