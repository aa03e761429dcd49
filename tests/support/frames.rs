//! A peer that speaks HTTP/2 frame by frame, a client or a backend: what is sent are frames, right or wrong, what
//! arrived is kept by stream.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{DEADLINE, Wire};

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 0x20;

/// Names of error codes, by their number.
pub const CODES: &[&str] = &[
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
];

/// The name of an error code.
pub fn code(payload: &[u8]) -> &'static str {
    let number = payload.try_into().map_or(u32::MAX, u32::from_be_bytes);
    CODES.get(number as usize).copied().unwrap_or("?")
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A frame of any kind.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
    Frame { kind, flags, stream, payload: payload.into() }
}

/// A header block in one frame. `flags` come to `END_HEADERS`.
pub fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Frame {
    frame(HEADERS, END_HEADERS | flags, stream, block(fields))
}

/// A GET of `path` that is a whole request.
pub fn get(stream: u32, path: &str) -> Frame {
    headers(stream, END_STREAM, &request("GET", path))
}

/// The head of a POST of `path`.
pub fn post(stream: u32, path: &str) -> Frame {
    headers(stream, 0, &request("POST", path))
}

/// Pseudo-fields of a request.
pub fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)]
}

pub fn data(stream: u32, flags: u8, bytes: impl Into<Vec<u8>>) -> Frame {
    frame(DATA, flags, stream, bytes)
}

pub fn reset(stream: u32, code: u32) -> Frame {
    frame(RST_STREAM, 0, stream, code.to_be_bytes())
}

pub fn ping(payload: [u8; 8]) -> Frame {
    frame(PING, 0, 0, payload)
}

pub fn window_update(stream: u32, by: u32) -> Frame {
    frame(WINDOW_UPDATE, 0, stream, by.to_be_bytes())
}

pub fn settings(values: &[(u16, u32)]) -> Frame {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, payload)
}

/// PRIORITY of `stream`, which depends on `on`.
pub fn priority(stream: u32, on: u32) -> Frame {
    let mut payload = on.to_be_bytes().to_vec();
    payload.push(16);
    frame(PRIORITY, 0, stream, payload)
}

/// Literals without indexing and without Huffman coding.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        string(name.as_bytes(), &mut out);
        string(value.as_bytes(), &mut out);
    }
    out
}

/// A string literal.
pub fn string(bytes: &[u8], out: &mut Vec<u8>) {
    integer(bytes.len(), 7, 0, out);
    out.extend_from_slice(bytes);
}

/// An integer with a prefix of `n_bits` below `first` (RFC 7541, section 5.1).
pub fn integer(mut value: usize, n_bits: u32, first: u8, out: &mut Vec<u8>) {
    let max = (1 << n_bits) - 1;
    if value < max {
        return out.push(first | value as u8);
    }
    out.push(first | max as u8);
    value -= max;
    while value >= 128 {
        out.push((value % 128) as u8 | 128);
        value /= 128;
    }
    out.push(value as u8);
}

impl Frame {
    /// As it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = (self.payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[self.kind, self.flags]);
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// With other flags, too.
    #[must_use]
    pub fn with(mut self, flags: u8) -> Frame {
        self.flags |= flags;
        self
    }
}

/// Frames in one write.
pub fn all(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// What came on one stream.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Heads and trailers, each a list of fields.
    pub heads: Vec<Vec<(String, String)>>,
    pub body: Vec<u8>,
    /// How the stream ended: `"END_STREAM"`, or the name of the code it was reset with.
    pub end: Option<&'static str>,
}

impl Answer {
    /// The status of the last head that has one; 0: none came.
    pub fn status(&self) -> u16 {
        let heads = self.heads.iter().rev();
        heads.filter_map(|head| value(head, ":status")?.parse().ok()).next().unwrap_or(0)
    }

    /// All statuses, interim ones, too.
    pub fn statuses(&self) -> Vec<u16> {
        self.heads.iter().filter_map(|head| value(head, ":status")?.parse().ok()).collect()
    }

    /// A field of the first head: of a request.
    pub fn of_request(&self, name: &str) -> Option<&str> {
        value(self.heads.first()?, name)
    }

    /// A field of the last head with a status.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut heads = self.heads.iter().rev().filter(|head| value(head, ":status").is_some());
        value(heads.next()?, name)
    }

    /// The trailers.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let last = self.heads.last().filter(|head| value(head, ":status").is_none())?;
        value(last, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// A connection to a server that speaks HTTP/2.
pub struct Framed {
    pub wire: Wire,
    decoder: loona_hpack::Decoder<'static>,
    /// A header block that is not complete: its stream, whether that ends with it, what there is of it.
    partial: Option<(u32, bool, Vec<u8>)>,
    answers: BTreeMap<u32, Answer>,
    /// Frames that are no part of an answer: SETTINGS, PING, GOAWAY, WINDOW_UPDATE and RST_STREAM.
    pub others: Vec<Frame>,
    /// Data that came.
    pub n_data: usize,
}

impl Framed {
    /// Connects, says hello, and waits for the server's.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Framed {
        Framed::connect_with(address, &[])
    }

    /// As [`Framed::connect`], with these settings.
    #[track_caller]
    pub fn connect_with(address: SocketAddr, values: &[(u16, u32)]) -> Framed {
        let mut framed = Framed::over(Wire::connect(address));
        framed.wire.send([PREFACE, &settings(values).bytes()].concat());
        framed.until("the server's settings", |framed| framed.has(SETTINGS, 0));
        framed.send(frame(SETTINGS, ACK, 0, []));
        framed
    }

    /// The other side: takes a client's hello, and says these settings.
    #[track_caller]
    pub fn accept_with(mut wire: Wire, values: &[(u16, u32)]) -> Framed {
        assert_eq!(wire.exactly(PREFACE.len()), PREFACE);
        let mut framed = Framed::over(wire);
        framed.send(settings(values));
        framed.until("the client's settings", |framed| framed.has(SETTINGS, 0));
        framed.send(frame(SETTINGS, ACK, 0, []));
        framed
    }

    /// As [`Framed::accept_with`], of a backend that allows 100 streams.
    #[track_caller]
    pub fn accept(wire: Wire) -> Framed {
        Framed::accept_with(wire, &[(3, 100)])
    }

    /// Over a connection on which nothing was sent yet.
    pub fn over(wire: Wire) -> Framed {
        Framed {
            wire,
            decoder: loona_hpack::Decoder::new(),
            partial: None,
            answers: BTreeMap::new(),
            others: Vec::new(),
            n_data: 0,
        }
    }

    #[track_caller]
    pub fn send(&mut self, frame: Frame) {
        self.wire.send(frame.bytes());
    }

    /// Sends, if the server still takes it.
    pub fn try_send(&mut self, frame: &Frame) -> bool {
        self.wire.try_send(frame.bytes()).is_ok()
    }

    /// The answer to a GET of `path` on `stream`.
    #[track_caller]
    pub fn get(&mut self, stream: u32, path: &str) -> Answer {
        self.send(get(stream, path));
        self.answer(stream)
    }

    /// Waits for the end of `stream`.
    #[track_caller]
    pub fn answer(&mut self, stream: u32) -> Answer {
        self.until(&format!("the end of stream {stream}"), |framed| {
            framed.seen(stream).end.is_some()
        });
        self.seen(stream)
    }

    /// What came on `stream` so far.
    pub fn seen(&self, stream: u32) -> Answer {
        self.answers.get(&stream).cloned().unwrap_or_default()
    }

    /// Waits until a PING is answered: everything sent before it was seen.
    #[track_caller]
    pub fn round_trip(&mut self) {
        let payload = Instant::now().elapsed().as_nanos() as u64 ^ self.others.len() as u64;
        self.send(ping(payload.to_be_bytes()));
        self.until("the answer to a PING", |framed| {
            framed.others.contains(&frame(PING, ACK, 0, payload.to_be_bytes()))
        });
    }

    /// Waits for a GOAWAY that is followed by the end of the connection; its code.
    #[track_caller]
    pub fn goaway(&mut self) -> &'static str {
        while self.read() {}
        assert!(self.wire.is_closed(), "the connection stays open");
        self.last_goaway().unwrap_or("closed without GOAWAY")
    }

    /// The code of the last GOAWAY.
    pub fn last_goaway(&self) -> Option<&'static str> {
        let goaways = self.others.iter().rev().filter(|frame| frame.kind == GOAWAY);
        goaways.map(|frame| code(frame.payload.get(4..8).unwrap_or_default())).next()
    }

    /// Whether a frame of this kind with at least these flags came that belongs to no stream.
    pub fn has(&self, kind: u8, flags: u8) -> bool {
        self.others.iter().any(|frame| frame.kind == kind && frame.flags & flags == flags)
    }

    /// Whether `stream` was reset with the code of this name, after its end or before.
    pub fn has_reset(&self, stream: u32, name: &str) -> bool {
        let mut resets = self.others.iter().filter(|frame| frame.kind == RST_STREAM);
        resets.any(|frame| frame.stream == stream && code(&frame.payload) == name)
    }

    /// Reads until `condition` holds.
    #[track_caller]
    pub fn until(&mut self, what: &str, condition: impl Fn(&Framed) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !condition(self) {
            let more = Instant::now() < end && self.read();
            assert!(more, "never came: {what}; there are {:?} and {:?}", self.others, self.answers);
        }
    }

    /// Reads what comes for `time`.
    pub fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now())
            && self.wire.has_news_within(left.max(Duration::from_millis(1)))
            && self.read()
        {}
    }

    /// Reads the next frame; `false` when none comes any more.
    pub fn read(&mut self) -> bool {
        while self.wire.waiting().len() < 9 {
            if !self.wire.read_some() {
                return false;
            }
        }
        let head = self.wire.exactly(9);
        let n = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.wire.exactly(n);
        self.see(Frame { kind: head[3], flags: head[4], stream, payload });
        true
    }

    fn see(&mut self, frame: Frame) {
        let answer = self.answers.entry(frame.stream).or_default();
        assert!(
            frame.stream == 0
                || answer.end.is_none()
                || matches!(frame.kind, RST_STREAM | WINDOW_UPDATE),
            "{frame:?} after the end of its stream"
        );
        assert!(self.partial.is_none() || frame.kind == CONTINUATION, "{frame:?} in a block");
        match frame.kind {
            DATA => {
                self.n_data += frame.payload.len();
                answer.body.extend_from_slice(&frame.payload);
                if frame.flags & END_STREAM != 0 {
                    answer.end = Some("END_STREAM");
                }
            }
            HEADERS | CONTINUATION => {
                let ends = frame.flags & END_STREAM != 0 && frame.kind == HEADERS;
                let (stream, ends, mut block) =
                    self.partial.take().unwrap_or((frame.stream, ends, Vec::new()));
                block.extend_from_slice(&frame.payload);
                match frame.flags & END_HEADERS {
                    0 => self.partial = Some((stream, ends, block)),
                    _ => self.head(stream, ends, &block),
                }
            }
            RST_STREAM => {
                answer.end.get_or_insert(code(&frame.payload));
                self.others.push(frame);
            }
            _ => {
                if frame.kind == SETTINGS || frame.kind == PING {
                    assert_eq!(frame.stream, 0, "{frame:?}");
                }
                self.others.push(frame);
            }
        }
    }

    fn head(&mut self, stream: u32, ends: bool, block: &[u8]) {
        let fields = self.decoder.decode(block).expect("a good header block");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let fields = fields.into_iter().map(|(name, value)| (text(name), text(value))).collect();
        let answer = self.answers.entry(stream).or_default();
        answer.heads.push(fields);
        if ends {
            answer.end = Some("END_STREAM");
        }
    }
}
