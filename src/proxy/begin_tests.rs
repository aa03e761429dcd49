//! Filters that wait, on a connection: what comes of them, and that nothing of them outlives their exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::filter::{Answer, Context as Cx, Filter, Flow, Wrap};
use crate::message::{Known, RequestHead, ResponseHead};
use crate::proxy::stage::Stage;

/// What comes once it has waited.
#[derive(Clone, Copy, Debug)]
enum Then {
    Continue,
    Respond,
    /// It waits on.
    Never,
}

/// Waits `n_waits` times, leaves a mark each time, then does as it is told.
#[derive(Debug)]
struct Waits {
    n_waits: usize,
    then: Then,
    n_began: Arc<AtomicUsize>,
    /// Futures that are gone, whichever way.
    n_dropped: Arc<AtomicUsize>,
}

impl Waits {
    fn new(n_waits: usize, then: Then) -> Arc<Waits> {
        Arc::new(Waits { n_waits, then, n_began: Arc::default(), n_dropped: Arc::default() })
    }

    fn dropped(&self) -> usize {
        self.n_dropped.load(Ordering::Relaxed)
    }
}

impl Filter for Waits {
    fn on_request(&self, _: &mut RequestHead, _: &mut Cx<'_>) -> Flow {
        self.n_began.fetch_add(1, Ordering::Relaxed);
        wait(self.n_waits, self.then, Arc::clone(&self.n_dropped))
    }

    fn on_response(&self, head: &mut ResponseHead, _: &RequestHead, _: &mut Cx<'_>) -> Wrap {
        head.fields.append(Known::Other, b"x-back", &[b"waited"]);
        Wrap::Keep
    }
}

/// Counts when it goes.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn wait(n_waits: usize, then: Then, n_dropped: Arc<AtomicUsize>) -> Flow {
    if n_waits == 0 {
        let headers = vec![("x-by".into(), b"filter".to_vec())];
        let answer = Answer { status: 403, headers, body: b"no".as_slice().into() };
        return match then {
            Then::Respond => Flow::Respond(Box::new(answer)),
            Then::Continue | Then::Never => Flow::Continue,
        };
    }
    let counted = Counted(Arc::clone(&n_dropped));
    Flow::Wait(Box::pin(async move {
        let _counted = counted;
        tokio::task::yield_now().await;
        if matches!(then, Then::Never) {
            std::future::pending::<()>().await;
        }
        let resume: Resume = Box::new(move |head, _| {
            head.fields.append(Known::Other, b"x-waited", &[b"1"]);
            wait(n_waits - 1, then, n_dropped)
        });
        resume
    }))
}

/// Marks responses.
#[derive(Debug)]
struct First;

impl Filter for First {
    fn on_response(&self, head: &mut ResponseHead, _: &RequestHead, _: &mut Cx<'_>) -> Wrap {
        head.fields.append(Known::Other, b"x-back", &[b"first"]);
        Wrap::Keep
    }
}

fn through(waits: &Arc<Waits>) -> Arc<[Arc<dyn Filter>]> {
    Arc::new([Arc::new(First), Arc::<Waits>::clone(waits)])
}

const GET: &str = "GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Nobody listens there; nobody is to be asked.
const NOBODY: &str = "127.0.0.1:1";

async fn ask(stage: &Stage, request: &str) -> String {
    let (serving, mut client) = stage.serve();
    let asking = async move {
        client.write_all(request.as_bytes()).await.expect("open");
        let mut got = String::new();
        client.read_to_string(&mut got).await.expect("in order");
        got
    };
    tokio::join!(serving, asking).1
}

/// Gives a connection a turn.
async fn poll_once(mut serving: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        let _ = serving.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_filter_that_waited_goes_on_with_the_head_and_sees_the_response() {
    let backend = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let waits = Waits::new(2, Then::Continue);
    let address = backend.local_addr().expect("bound").to_string();
    let stage = Stage::new(&address, "", through(&waits));
    let answering = async {
        let (mut peer, _) = backend.accept().await.expect("a connection");
        let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
        while !read.ends_with(b"\r\n\r\nbody") {
            let n = peer.read(&mut buffer).await.expect("open");
            read.extend_from_slice(&buffer[..n]);
        }
        peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("open");
        String::from_utf8(read).expect("text")
    };
    let post = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
    let (got, sent) = tokio::join!(ask(&stage, post), answering);
    assert_eq!(sent.matches("x-waited: 1\r\n").count(), 2, "{sent}");
    assert!(got.contains("x-back: waited\r\nx-back: first\r\n"), "{got}");
    assert_eq!(waits.dropped(), 2);
}

#[tokio::test]
async fn a_filter_can_answer_once_it_has_waited_and_only_those_before_it_see_that() {
    let waits = Waits::new(1, Then::Respond);
    let stage = Stage::new(NOBODY, "", through(&waits));
    let got = ask(&stage, GET).await;
    assert_eq!(
        got,
        "HTTP/1.1 403 Forbidden\r\nx-by: filter\r\nx-back: first\r\ncontent-length: 2\r\n\
         connection: close\r\n\r\nno"
    );
}

#[tokio::test]
async fn a_wait_ends_when_the_time_of_the_exchange_has() {
    let waits = Waits::new(1, Then::Never);
    let stage = Stage::new(NOBODY, "timeouts = { total = \"20ms\" }", through(&waits));
    let got = ask(&stage, GET).await;
    assert!(got.starts_with("HTTP/1.1 504 ") && got.contains("total_timeout"), "{got}");
    assert!(!got.contains("x-back"), "an answer of ours passes no filter: {got}");
    assert_eq!(waits.dropped(), 1);
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
async fn a_wait_ends_when_the_client_leaves() {
    let waits = Waits::new(1, Then::Never);
    let stage = Stage::new(NOBODY, "", through(&waits));
    let (serving, mut client) = stage.serve();
    client.write_all(GET.as_bytes()).await.expect("open");
    drop(client);
    serving.await;
    assert_eq!(waits.dropped(), 1);
    assert_eq!(stage.metrics.sum(|worker| &worker.reasons[Reason::ClientGone as usize]), 1);
}

#[tokio::test]
async fn a_wait_ends_with_its_connection() {
    let waits = Waits::new(1, Then::Never);
    let stage = Stage::new(NOBODY, "", through(&waits));
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
