//! A filter for tests only: shows that the seam holds a filter that waits, answers, wraps bodies and remembers. A
//! headers filter that sets `x-proof = "NAME"` becomes one; a request tells it what to do with
//! `x-do: NAME wait`, `twice`, `respond`, `never` or `wrap`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::config;

/// Futures of `never` that were dropped, in this process.
pub(crate) static N_DROPPED: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Proof {
    name: String,
}

pub(super) fn build(written: &config::Filter) -> Option<Arc<dyn Filter>> {
    let config::Filter::Headers(headers) = written;
    let (_, name) = headers.request.set.iter().find(|(name, _)| name == "x-proof")?;
    Some(Arc::new(Proof { name: name.to_string() }))
}

impl Proof {
    fn is_told(&self, head: &RequestHead, what: &str) -> bool {
        let told = format!("{} {what}", self.name);
        head.fields.named(b"x-do").is_some_and(|value| value == told.as_bytes())
    }
}

impl Filter for Proof {
    fn on_request(&self, head: &mut RequestHead, cx: &mut Context<'_>) -> Flow {
        *cx.slot = Some(Box::new(format!("{} saw {}", self.name, cx.facts.route)));
        match () {
            () if self.is_told(head, "wait") => Flow::Wait(wait(|head, cx| {
                mark(head, cx);
                Flow::Continue
            })),
            () if self.is_told(head, "twice") => Flow::Wait(wait(|head, cx| {
                mark(head, cx);
                Flow::Wait(wait(|head, cx| {
                    mark(head, cx);
                    Flow::Continue
                }))
            })),
            () if self.is_told(head, "respond") => Flow::Respond(answer()),
            () if self.is_told(head, "late") => Flow::Wait(wait(|_, _| Flow::Respond(answer()))),
            () if self.is_told(head, "never") => Flow::Wait(Box::pin(async {
                let _guard = Guard;
                std::future::pending().await
            })),
            () => Flow::Continue,
        }
    }

    fn on_response(
        &self,
        head: &mut ResponseHead,
        request: &RequestHead,
        cx: &mut Context<'_>,
    ) -> Wrap {
        let slot = cx.slot.as_ref().and_then(|slot| slot.downcast_ref::<String>());
        let value = slot.map_or("nothing", |slot| slot.as_str());
        head.fields.append(crate::message::Known::Other, b"x-slot", &[value.as_bytes()]);
        match self.is_told(request, "wrap") {
            true => Wrap::Body(Box::new(Upper)),
            false => Wrap::Keep,
        }
    }
}

fn wait(
    then: impl FnOnce(&mut RequestHead, &mut Context<'_>) -> Flow + 'static,
) -> Pin<Box<dyn Future<Output = Resume>>> {
    Box::pin(async {
        tokio::task::yield_now().await;
        Box::new(then) as Resume
    })
}

fn mark(head: &mut RequestHead, cx: &mut Context<'_>) {
    let remembers: &[u8] = if cx.slot.is_some() { b"yes" } else { b"no" };
    head.fields.append(crate::message::Known::Other, b"x-waited", &[remembers]);
}

fn answer() -> Box<Answer> {
    let headers = vec![("x-own".into(), b"yes\r\nx-injected: yes".to_vec())];
    Box::new(Answer { status: 403, headers, body: (*b"no").into() })
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        N_DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

/// Writes a body in capitals, and what stands at its end.
struct Upper;

impl Transform for Upper {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.extend(data.iter().map(u8::to_ascii_uppercase));
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"THE END");
    }
}
