//! The connection without I/O: bounds, turns, and whatever a client may send.

use proptest::prelude::*;

use super::receive::Received;
use super::stream::wants;
use super::*;
use crate::http1::Framing;
use crate::http2::frame::{self, Frame, HEAD_BYTES, PREFACE, flag, kind};
use crate::http2::hpack::Encoder;
use crate::message::{ResponseHead, Version};
use crate::net::{Channel, ClientChannel};

const LIMITS: CarrierLimits = CarrierLimits { streams: 10, header_list_bytes: 8192 };

const HEAD_LIMITS: HeadLimits = HeadLimits { header_bytes: 4096, headers: 50, uri_bytes: 1024 };

/// A connection, and the client's side of it.
struct Rig {
    core: Shared,
    encoder: Encoder,
    streams: Vec<ServerStream>,
    error: Option<ConnectionError>,
}

impl Rig {
    fn new() -> Rig {
        let core = Arc::new(Mutex::new(Core::new(LIMITS)));
        let mut rig = Rig { core, encoder: Encoder::default(), streams: Vec::new(), error: None };
        rig.bytes(PREFACE);
        rig.sends(kind::SETTINGS, 0, 0, &[]);
        rig
    }

    fn bytes(&mut self, mut bytes: &[u8]) {
        let mut head = RequestHead::default();
        loop {
            let mut wanted = Wanted { head: &mut head, limits: &HEAD_LIMITS };
            let received = lock(&self.core).receive(&mut bytes, &mut wanted);
            match received {
                Ok(Received::Starved) => return,
                Ok(Received::Request((place, _))) => {
                    self.streams.push(ServerStream::new(Arc::clone(&self.core), place));
                }
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        }
    }

    fn sends(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut out = Vec::new();
        Frame { kind, flags, stream, len: payload.len() }.write(&mut out);
        out.extend_from_slice(payload);
        self.bytes(&out);
    }

    fn asks(&mut self, stream: u32, ends: bool) {
        let mut block = vec![0x82, 0x86, 0x84, 0x41, 1, b'a'];
        self.encoder.field(b"x-some", b"thing", &mut block);
        let flags = flag::END_HEADERS | if ends { flag::END_STREAM } else { 0 };
        self.sends(kind::HEADERS, flags, stream, &block);
    }

    /// The client takes all that was to be sent; the frames of it.
    fn takes(&mut self) -> Vec<(Frame, Vec<u8>)> {
        let mut core = lock(&self.core);
        let bytes = std::mem::take(&mut core.out.bytes);
        core.out.clear();
        core.serve_line();
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let Some((head, behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
            let frame = Frame::read(head);
            let (payload, behind) = behind.split_at(frame.len);
            frames.push((frame, payload.to_vec()));
            rest = behind;
        }
        frames
    }

    fn holds(&self) {
        let mut core = lock(&self.core);
        let n_granted: usize = core.streams.each().map(|stream| stream.granted).sum();
        let n_active = core.streams.each().filter(|stream| stream.broken.is_none()).count();
        assert_eq!((core.line.n_granted(), core.streams.n_active), (n_granted, n_active));
        assert!(core.line.is_empty() || core.room() == 0, "somebody waits for nothing");
        assert!(core.streams.len() <= 2 * LIMITS.streams as usize);
        assert!((0..=i64::from(self::core::WINDOW_BYTES)).contains(&core.recv_window));
        for stream in core.streams.each() {
            assert!(stream.n_unread() <= self::core::STREAM_WINDOW_BYTES as usize);
        }
    }
}

/// What comes of a head with these fields, and how much of it is kept.
fn reads(fields: &[(&str, &str)]) -> (Result<crate::http1::RequestFacts, Reason>, usize) {
    let (mut encoder, mut block, mut cookies) = (Encoder::default(), Vec::new(), Vec::new());
    for (name, value) in fields {
        encoder.field(name.as_bytes(), value.as_bytes(), &mut block);
    }
    let mut head = RequestHead::default();
    let mut reader = super::request::Reader::new(&mut head, &HEAD_LIMITS, &mut cookies);
    let mut decoder =
        crate::http2::hpack::Decoder::new(4096, super::fields::judge, &super::fields::JUDGED);
    let decoded = decoder.decode(&block, |field| {
        reader.see(&field);
        true
    });
    decoded.expect("a good block");
    let facts = reader.finish(true).expect("a head that is no error of the stream");
    (facts, head.fields.bytes().len())
}

fn head(status: u16) -> ResponseHead {
    let mut head = ResponseHead::default();
    head.start(b"", Version::Http11, status, 0..0);
    head
}

/// Begins an answer of `n` bytes.
fn answers(stream: &ServerStream, n: u64) {
    assert_eq!(stream.respond(&head(200), Framing::Length(n)), Ok(()));
}

fn ready(polled: Poll<io::Result<()>>) -> bool {
    polled.is_ready()
}

fn cx() -> Context<'static> {
    Context::from_waker(std::task::Waker::noop())
}

#[test]
fn no_more_streams_than_allowed_are_served_nor_twice_as_many_kept() {
    let mut rig = Rig::new();
    (0..=LIMITS.streams).for_each(|n| rig.asks(2 * n + 1, true));
    assert_eq!(rig.streams.len(), LIMITS.streams as usize);
    let refused = rig.takes().pop().expect("a frame");
    assert_eq!((refused.0.kind, refused.0.stream), (kind::RST_STREAM, 2 * LIMITS.streams + 1));
    // Those that the client gives up count no more, as long as there are not too many of them.
    for n in 0..100 {
        rig.sends(kind::RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]);
        rig.asks(2 * n + 101, true);
    }
    assert_eq!(rig.streams.len(), 2 * LIMITS.streams as usize);
    rig.holds();
    rig.streams.clear();
    rig.asks(1001, true);
    assert_eq!((rig.streams.len(), lock(&rig.core).streams.len()), (1, 1));
}

#[test]
fn streams_that_we_reset_are_known_for_a_while() {
    let mut rig = Rig::new();
    for n in 0..200 {
        rig.asks(2 * n + 1, false);
        answers(&rig.streams[0], 1);
        rig.streams[0].reset();
        rig.streams.clear();
    }
    rig.takes();
    rig.sends(kind::DATA, 0, 399, b"late");
    assert!(rig.takes().is_empty(), "ignored");
    rig.sends(kind::DATA, 0, 1, b"later");
    assert_eq!(rig.takes()[0].0.kind, kind::RST_STREAM, "forgotten");
    assert_eq!(rig.error, None);
}

#[test]
fn streams_take_turns_where_room_is_scarce() {
    let mut rig = Rig::new();
    rig.sends(kind::SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    rig.sends(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    (0..8).for_each(|n| rig.asks(2 * n + 1, true));
    rig.streams.iter().for_each(|stream| answers(stream, 1 << 20));
    let mut sent = [0_usize; 8];
    for _ in 0..16 {
        for (stream, sent) in rig.streams.iter().zip(&mut sent) {
            while let Ok(n) = stream.try_write(&[b'x'; 32 * 1024]) {
                *sent += n;
            }
            assert!(!ready(stream.poll_writable(&mut cx())));
        }
        assert!(lock(&rig.core).out.len() < 64 * 1024 + 16 * 1024 + 1024);
        rig.holds();
        rig.takes();
    }
    let (least, most) = (sent.iter().min().expect("8"), sent.iter().max().expect("8"));
    assert!(*least > 0 && most - least <= 80 * 1024, "{sent:?}");
}

#[test]
fn a_stream_that_ends_gives_its_turn_to_the_next() {
    let mut rig = Rig::new();
    (0..3).for_each(|n| rig.asks(2 * n + 1, true));
    rig.streams.iter().for_each(|stream| answers(stream, 1 << 20));
    // The connection's window is used up.
    while rig.streams[0].try_write(&[b'x'; 16 * 1024]).is_ok() {
        rig.takes();
    }
    assert!(!ready(rig.streams[1].poll_writable(&mut cx())));
    assert!(!ready(rig.streams[2].poll_writable(&mut cx())));
    rig.sends(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 10]);
    assert!(ready(rig.streams[1].poll_writable(&mut cx())));
    assert!(!ready(rig.streams[2].poll_writable(&mut cx())));
    rig.streams.remove(1);
    assert_eq!(rig.streams[1].try_write(b"more than ten bytes").ok(), Some(10));
    rig.holds();
}

#[test]
fn what_was_read_is_credited_when_it_is_worth_it() {
    let mut rig = Rig::new();
    rig.asks(1, false);
    rig.takes();
    let mut n_updates = 0;
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..64 {
        rig.sends(kind::DATA, 0, 1, &[b'x'; 16 * 1024]);
        while rig.streams[0].try_read(&mut buffer).is_ok() {}
        n_updates += rig.takes().len();
        rig.holds();
    }
    assert_eq!((rig.error, n_updates), (None, 8 + 2), "1 MiB, by halves of the windows");
    // What nobody reads is credited to the connection when its stream goes.
    rig.sends(kind::DATA, 0, 1, &[b'x'; 1000]);
    let before = lock(&rig.core).uncredited;
    rig.streams.clear();
    assert_eq!(lock(&rig.core).uncredited, before + 1000);
}

#[test]
fn heads_longer_than_a_frame_go_on_in_others() {
    let mut rig = Rig::new();
    rig.asks(1, true);
    rig.takes();
    let mut long = head(200);
    long.fields.append(crate::message::Known::Other, b"x-long", &[&[b'v'; 40_000]]);
    assert_eq!(rig.streams[0].respond(&long, Framing::None), Ok(()));
    let frames = rig.takes();
    let seen: Vec<(u8, u8)> = frames.iter().map(|(frame, _)| (frame.kind, frame.flags)).collect();
    assert_eq!(seen, [(kind::HEADERS, 1), (kind::CONTINUATION, 0), (kind::CONTINUATION, 4)]);
}

/// What a client or a stream's task may do.
#[derive(Clone, Debug)]
enum Deed {
    Frame(u8, u8, u32, Vec<u8>),
    Ask(u32, bool),
    Read(usize),
    Respond(usize, u64),
    Write(usize, usize),
    Wait(usize),
    Drop(usize),
    Take,
}

fn deed() -> impl Strategy<Value = Deed> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let update = (0_u32..40, 1_u32..100_000).prop_map(|(stream, n)| {
        Deed::Frame(kind::WINDOW_UPDATE, 0, stream, n.to_be_bytes().into())
    });
    let data = (0_u8..2, 1_u32..40, 0_usize..16_000)
        .prop_map(|(flags, stream, n)| Deed::Frame(kind::DATA, flags, stream | 1, vec![b'x'; n]));
    let reset = (0_u32..40)
        .prop_map(|stream| Deed::Frame(kind::RST_STREAM, 0, stream | 1, vec![0, 0, 0, 8]));
    prop_oneof![
        1 => (0_u8..11, any::<u8>(), 0_u32..40, payload)
            .prop_map(|(kind, flags, stream, payload)| Deed::Frame(kind, flags, stream, payload)),
        10 => (0_u32..3, any::<bool>()).prop_map(|(skipped, ends)| Deed::Ask(skipped, ends)),
        10 => data,
        5 => update,
        3 => reset,
        10 => (0_usize..20).prop_map(Deed::Read),
        10 => (0_usize..20, 0_u64..100_000).prop_map(|(at, n)| Deed::Respond(at, n)),
        20 => (0_usize..20, 1_usize..50_000).prop_map(|(at, n)| Deed::Write(at, n)),
        10 => (0_usize..20).prop_map(Deed::Wait),
        5 => (0_usize..20).prop_map(Deed::Drop),
        10 => Just(Deed::Take),
    ]
}

fn does(rig: &mut Rig, deed: &Deed, next: &mut u32) {
    let n_streams = rig.streams.len().max(1);
    let stream = |rig: &Rig, at: usize| rig.streams.get(at % n_streams).is_some();
    match deed {
        Deed::Frame(kind, flags, stream, payload) => rig.sends(*kind, *flags, *stream, payload),
        Deed::Ask(skipped, ends) => {
            rig.asks(*next + 2 * skipped, *ends);
            *next += 2 * (skipped + 1);
        }
        Deed::Read(at) if stream(rig, *at) => {
            let _ = rig.streams[at % n_streams].try_read(&mut [0; 1000]);
        }
        Deed::Respond(at, n) if stream(rig, *at) => {
            let _ = rig.streams[at % n_streams].respond(&head(200), Framing::Length(*n));
        }
        Deed::Write(at, n) if stream(rig, *at) => {
            let _ = rig.streams[at % n_streams].try_write(&vec![b'y'; *n]);
        }
        Deed::Wait(at) if stream(rig, *at) => {
            let stream = &rig.streams[at % n_streams];
            let _ = stream.poll_writable(&mut cx());
            let _ = stream.poll_readable(&mut cx());
            let _ = stream.poll_gone(&mut cx());
        }
        Deed::Drop(at) if stream(rig, *at) => drop(rig.streams.swap_remove(at % n_streams)),
        Deed::Take => drop(rig.takes()),
        _ => {}
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_books_balance(deeds in prop::collection::vec(deed(), 0..200)) {
        let (mut rig, mut next) = (Rig::new(), 1);
        for deed in &deeds {
            does(&mut rig, deed, &mut next);
            rig.holds();
        }
        rig.streams.clear();
        rig.holds();
        prop_assert_eq!(lock(&rig.core).streams.len(), 0);
    }

    #[test]
    fn whatever_bytes_come_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut rig = Rig::new();
        rig.bytes(&bytes);
        rig.holds();
    }
}

#[test]
fn whoever_waits_is_woken_once() {
    let mut rig = Rig::new();
    rig.asks(1, false);
    let mut core = lock(&rig.core);
    let stream = core.streams.at(0);
    stream.wait(&cx(), wants::READ | wants::GONE);
    stream.wake(wants::WRITE);
    stream.wake(wants::READ);
    assert!(stream.is_waited_for(wants::GONE) && !stream.is_waited_for(wants::READ));
    drop(core);
    assert_eq!(frame::number(&[0x80, 0, 0, 1]), Some(1));
}

#[test]
fn whatever_a_head_is_refused_for_first_no_more_of_it_is_kept_than_its_limit() {
    let long = "x".repeat(1500);
    let huge = "x".repeat(100_000);
    let (path, huge_path) = (format!("/{long}"), format!("/{huge}"));
    let pseudo = |method, authority, path| {
        [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)]
    };
    // As if each of its lines were one of HTTP/1.1, and what cookies are joined in.
    let kept_max = HEAD_LIMITS.header_bytes + HEAD_LIMITS.headers * 4;
    let many = |field: (&'static str, &'static str)| vec![field; 20_000];
    for (first, more, reason) in [
        (pseudo("GET", "a", "/"), many(("x", "y")), Reason::HeaderLimit),
        (pseudo("GET", "a", &path), many(("x", "y")), Reason::UriLimit),
        (pseudo("GET", "a", &path), many(("cookie", "y")), Reason::UriLimit),
        (pseudo("GET", "a", &path), vec![("x", &huge[..])], Reason::UriLimit),
        (pseudo("GET", "a", &huge_path), vec![], Reason::UriLimit),
        (pseudo("GET", &huge, "/"), vec![], Reason::HeaderLimit),
        (pseudo(&huge, "a", "/"), vec![], Reason::HeaderLimit),
        (pseudo(&huge, &huge, &huge_path), many(("x", "y")), Reason::HeaderLimit),
        (
            pseudo("GET", "a", "/"),
            [vec![("host", "b")], many(("x", "y"))].concat(),
            Reason::BadRequest,
        ),
    ] {
        let (facts, n_kept) = reads(&[&first[..], &more].concat());
        assert_eq!(facts.err(), Some(reason));
        assert!(n_kept <= kept_max, "{n_kept} bytes of {kept_max}");
    }
    // At the bound, and one beyond.
    let at = HEAD_LIMITS.headers;
    let line = |n| [&pseudo("GET", "a", "/")[..], &vec![("x", "y"); n]].concat();
    assert!(reads(&line(at)).0.is_ok());
    assert_eq!(reads(&line(at + 1)).0.err(), Some(Reason::HeaderLimit));
}

#[test]
fn no_more_data_is_held_than_the_windows_have_room_for() {
    let full = [0; 16_384];
    let n_frames = self::core::STREAM_WINDOW_BYTES as usize / full.len();
    // Padding counts as well.
    for (flags, beyond) in [(0, &[0][..]), (8, &[0]), (8, &[1, 0])] {
        let mut rig = Rig::new();
        rig.asks(1, false);
        (0..n_frames).for_each(|_| rig.sends(kind::DATA, 0, 1, &full));
        assert!(rig.error.is_none() && !rig.streams[0].is_reset());
        rig.sends(kind::DATA, flags, 1, beyond);
        assert!(rig.error.is_none() && rig.streams[0].is_reset(), "{beyond:?}");
        let code = (Code::FlowControl as u32).to_be_bytes();
        let reset = |(frame, payload): &(Frame, Vec<u8>)| {
            frame.kind == kind::RST_STREAM && frame.stream == 1 && *payload == code
        };
        assert!(rig.takes().iter().any(reset));
        rig.holds();
    }
    let mut rig = Rig::new();
    let n_streams = self::core::WINDOW_BYTES / self::core::STREAM_WINDOW_BYTES;
    for n in 0..n_streams {
        rig.asks(2 * n + 1, false);
        (0..n_frames).for_each(|_| rig.sends(kind::DATA, 0, 2 * n + 1, &full));
    }
    rig.asks(2 * n_streams + 1, false);
    assert!(rig.error.is_none());
    rig.sends(kind::DATA, 0, 2 * n_streams + 1, &[0]);
    assert_eq!(rig.error.map(|error| error.code), Some(Code::FlowControl));
}
