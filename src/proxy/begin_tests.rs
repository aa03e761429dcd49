//! What an exchange holds on to while it waits, for a filter or for a slow client, and for how long. What comes of
//! filters that wait is shown through the whole daemon, in `server`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::filter::{Context as Cx, Filter, Flow};
use crate::message::RequestHead;
use crate::proxy::stage::Stage;

/// Never decides.
#[derive(Debug, Default)]
struct Undecided {
    n_began: AtomicUsize,
    /// Futures that are gone.
    n_dropped: Arc<AtomicUsize>,
}

impl Undecided {
    fn dropped(&self) -> usize {
        self.n_dropped.load(Ordering::Relaxed)
    }
}

impl Filter for Undecided {
    fn on_request(&self, _: &mut RequestHead, _: &mut Cx<'_>) -> Flow {
        self.n_began.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&self.n_dropped));
        Flow::Wait(Box::pin(async move {
            let _counted = counted;
            std::future::pending().await
        }))
    }
}

/// Counts when it goes.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const GET: &str = "GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Gives a connection a turn.
async fn poll_once(mut serving: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        let _ = serving.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

#[test]
fn filters_wait_up_to_their_bound_or_the_end_of_the_exchange() {
    let began = Instant::now();
    let bound = began + FILTERS_WAIT_MAX;
    let ms = Duration::from_millis(1);
    for (total, expected) in [
        (None, (bound, Reason::FilterTimeout)),
        (Some(bound + ms), (bound, Reason::FilterTimeout)),
        (Some(bound), (bound, Reason::TotalTimeout)),
        (Some(bound - ms), (bound - ms, Reason::TotalTimeout)),
    ] {
        assert_eq!(filters_expiry(began, total), expected, "{total:?}");
    }
}

#[tokio::test]
async fn a_wait_ends_with_its_connection() {
    let waits = Arc::new(Undecided::default());
    // Nobody is asked.
    let stage = Stage::new("127.0.0.1:1", Arc::new([Arc::<Undecided>::clone(&waits)]));
    let (serving, mut client) = stage.serve();
    let mut serving = Box::pin(serving);
    client.write_all(GET.as_bytes()).await.expect("open");
    while waits.n_began.load(Ordering::Relaxed) == 0 {
        poll_once(serving.as_mut()).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(waits.dropped(), 0);
    drop(serving);
    assert_eq!(waits.dropped(), 1);
}

#[tokio::test]
async fn a_slow_client_of_an_answer_keeps_no_old_configuration_alive() {
    let body = "x".repeat(1 << 20);
    let stage = Stage::with_route(&format!("respond = {{ body = \"{body}\" }}"), "", Arc::new([]));
    let (serving, mut client) = stage.serve();
    let mut serving = Box::pin(serving);
    client.write_all(GET.as_bytes()).await.expect("open");
    let mut first = [0; 1];
    while client.try_read(&mut first).is_err() {
        poll_once(serving.as_mut()).await;
        tokio::task::yield_now().await;
    }
    let new = Stage::with_route("respond = { status = 204 }", "", Arc::new([]));
    let old = stage.current.swap(new.current.load_full());
    stage.worker.tick();
    assert_eq!(Arc::strong_count(&old), 1, "somebody else has it");
    let reading = async move {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("in order");
        rest
    };
    let ((), rest) = tokio::join!(serving, reading);
    assert!(rest.ends_with(body.as_bytes()), "{} bytes", rest.len());
}
