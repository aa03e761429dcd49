//! A backend that speaks HTTP/2 and does what the path asks for, by the server of the h2 crate.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::sync::{Notify, Semaphore};

/// What it has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub n_connections: AtomicUsize,
    pub n_requests: AtomicUsize,
    /// Requests that the proxy gave up.
    pub n_cancelled: AtomicUsize,
    /// The most requests at once on one connection.
    pub n_at_once_max: AtomicUsize,
    /// Bytes of bodies that were taken, and that were given away.
    pub n_taken: AtomicUsize,
    pub n_given: AtomicUsize,
    pub last_body: Mutex<Vec<u8>>,
    pub last_fields: Mutex<HashMap<String, String>>,
}

/// A running one; it ends with the process.
#[derive(Clone, Debug)]
pub struct H2Peer {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    go_away: Arc<Notify>,
    /// Requests to `/wait` that may be answered, and to `/cut` that may be cut.
    permits: Arc<Semaphore>,
    /// Whatever is asked for is answered by nothing.
    hangs: Arc<AtomicBool>,
    /// Whatever is asked for is reset.
    resets: Arc<AtomicBool>,
}

impl H2Peer {
    /// One that allows `streams_max` streams on a connection.
    pub fn start(streams_max: u32) -> H2Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a mode");
        let address = listener.local_addr().expect("an address");
        let permits = Arc::new(Semaphore::new(0));
        let (seen, go_away, hangs, resets) = Default::default();
        let peer = H2Peer { address, seen, go_away, permits, hangs, resets };
        let ours = peer.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tasks = tokio::task::LocalSet::new();
            let runtime = runtime.expect("a runtime");
            tasks.block_on(&runtime, async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    ours.seen.n_connections.fetch_add(1, SeqCst);
                    tokio::task::spawn_local(serve(stream, ours.clone(), streams_max));
                }
            });
        });
        peer
    }

    /// What `counter` has come to.
    pub fn n(&self, counter: impl Fn(&Seen) -> &AtomicUsize) -> usize {
        counter(&self.seen).load(SeqCst)
    }

    /// A field of the last request, pseudo-fields included.
    pub fn field(&self, name: &str) -> Option<String> {
        let fields = self.seen.last_fields.lock().unwrap_or_else(PoisonError::into_inner);
        fields.get(name).cloned()
    }

    /// Ends every connection in order: what was begun goes on.
    pub fn go_away(&self) {
        self.go_away.notify_waiters();
    }
}

impl H2Peer {
    /// Answers pings and nothing else from now on, or not any more.
    pub fn hangs(&self, hangs: bool) {
        self.hangs.store(hangs, SeqCst);
    }

    /// Resets every stream from now on, or not any more.
    pub fn resets(&self, resets: bool) {
        self.resets.store(resets, SeqCst);
    }

    /// Lets `n` requests to `/wait` or `/cut` go on, those to come included.
    pub fn lets_go(&self, n: usize) {
        self.permits.add_permits(n);
    }

    async fn is_let_go(&self) {
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
    }
}

async fn serve(stream: tokio::net::TcpStream, peer: H2Peer, streams_max: u32) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(streams_max);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let n_open = Rc::new(AtomicUsize::new(0));
    let going = Arc::clone(&peer.go_away);
    let mut leaves = std::pin::pin!(going.notified());
    loop {
        let accepted = poll_fn(|cx| {
            if leaves.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            connection.poll_accept(cx).map(Some)
        });
        match accepted.await {
            None => {
                connection.graceful_shutdown();
                leaves.set(going.notified());
            }
            Some(None | Some(Err(_))) => return,
            Some(Some(Ok((request, respond)))) => {
                let (peer, n_open) = (peer.clone(), Rc::clone(&n_open));
                tokio::task::spawn_local(async move {
                    let n_now = n_open.fetch_add(1, SeqCst) + 1;
                    peer.seen.n_at_once_max.fetch_max(n_now, SeqCst);
                    peer.seen.n_requests.fetch_add(1, SeqCst);
                    if answer(request, respond, &peer).await.is_err() {
                        peer.seen.n_cancelled.fetch_add(1, SeqCst);
                    }
                    n_open.fetch_sub(1, SeqCst);
                });
            }
        }
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    peer: &H2Peer,
) -> Result<(), h2::Error> {
    let seen = &*peer.seen;
    let (parts, body) = request.into_parts();
    let mut fields: HashMap<String, String> = HashMap::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        fields.insert(name.to_string(), value);
    }
    fields.insert(
        ":authority".into(),
        parts.uri.authority().map(ToString::to_string).unwrap_or_default(),
    );
    fields.insert(":scheme".into(), parts.uri.scheme_str().unwrap_or_default().into());
    fields.insert(":method".into(), parts.method.to_string());
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    fields.insert(":path".into(), target.clone());
    *seen.last_fields.lock().unwrap_or_else(PoisonError::into_inner) = fields;
    let path = parts.uri.path();
    let number = path.rsplit('/').next().and_then(|part| part.parse::<usize>().ok());
    let hangs = peer.hangs.load(SeqCst).then_some("hang");
    let resets = peer.resets.load(SeqCst).then_some("reset");
    match hangs.or(resets).or(path.split('/').nth(1)).unwrap_or_default() {
        "echo" => echo(body, respond).await,
        "take" => {
            let (taken, trailers) = take(body, seen).await?;
            let length = taken.len();
            *seen.last_body.lock().unwrap_or_else(PoisonError::into_inner) = taken;
            let mut stream = respond.send_response(Response::new(()), false)?;
            give(&mut stream, format!("{length}").as_bytes(), seen).await?;
            stream.send_trailers(trailers.unwrap_or_default())
        }
        "give" => {
            let mut stream = respond.send_response(Response::new(()), false)?;
            give(&mut stream, &vec![b'x'; number.unwrap_or(0)], seen).await?;
            stream.send_data(Bytes::new(), true)
        }
        "known" => {
            let length = number.unwrap_or(0);
            let response = Response::builder().header("content-length", length).body(());
            let ends = parts.method == "HEAD" || length == 0;
            let mut stream = respond.send_response(response.expect("a response"), ends)?;
            if !ends {
                give(&mut stream, &vec![b'x'; length], seen).await?;
                stream.send_data(Bytes::new(), true)?;
            }
            Ok(())
        }
        "status" => {
            let status = u16::try_from(number.unwrap_or(200)).unwrap_or(200);
            let response = Response::builder().status(status).header("set-cookie", "a=1");
            let response = response.header("set-cookie", "b=2").body(()).expect("a response");
            respond.send_response(response, true).map(drop)
        }
        "interim" => {
            let hint = Response::builder().status(103).header("link", "</a>; rel=preload");
            respond.send_informational(hint.body(()).expect("a response"))?;
            respond.send_response(Response::new(()), true).map(drop)
        }
        "continue" => {
            respond.send_informational(
                Response::builder().status(100).body(()).expect("a response"),
            )?;
            let (taken, _) = take(body, seen).await?;
            let mut stream = respond.send_response(Response::new(()), false)?;
            stream.send_data(taken.into(), true)
        }
        "refuse" => match seen.n_requests.load(SeqCst) <= number.unwrap_or(1) {
            true => {
                respond.send_reset(Reason::REFUSED_STREAM);
                Ok(())
            }
            false => respond.send_response(Response::new(()), true).map(drop),
        },
        "reset" => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        "cut" => {
            let mut stream = respond.send_response(Response::new(()), false)?;
            give(&mut stream, b"a part", seen).await?;
            // A reset overtakes what was not sent yet.
            peer.is_let_go().await;
            stream.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        "hang" => poll_fn(|cx| respond.poll_reset(cx)).await.and_then(|reason| Err(reason.into())),
        "wait" => {
            peer.is_let_go().await;
            respond.send_response(Response::new(()), true).map(drop)
        }
        // Takes nothing of the body, but does not give it up either.
        "stuck" => {
            let reset = poll_fn(|cx| respond.poll_reset(cx)).await;
            drop(body);
            reset.and_then(|reason| Err(reason.into()))
        }
        _ => respond.send_response(Response::new(()), true).map(drop),
    }
}

async fn take(
    mut body: RecvStream,
    seen: &Seen,
) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut taken = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        seen.n_taken.fetch_add(data.len(), SeqCst);
        taken.extend_from_slice(&data);
    }
    Ok((taken, body.trailers().await?))
}

/// Sends all but the end.
async fn give(
    stream: &mut SendStream<Bytes>,
    mut bytes: &[u8],
    seen: &Seen,
) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len().min(64 << 10));
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = room.unwrap_or(Err(Reason::CANCEL.into()))?.min(bytes.len());
        stream.send_data(Bytes::copy_from_slice(&bytes[..room]), false)?;
        seen.n_given.fetch_add(room, SeqCst);
        bytes = &bytes[room..];
    }
    Ok(())
}

/// Every piece goes back as it came.
async fn echo(mut body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(Response::new(()), false)?;
    let nobody = Seen::default();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        give(&mut stream, &data, &nobody).await?;
    }
    match body.trailers().await? {
        Some(trailers) => stream.send_trailers(trailers),
        None => stream.send_data(Bytes::new(), true),
    }
}
