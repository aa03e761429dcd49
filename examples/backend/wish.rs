//! What a request's query asks for.

use std::time::Duration;

use forebay::rng::Rng;

/// The largest body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 30;

/// What `busy` is cut to.
const BUSY_MAX: Duration = Duration::from_secs(1);

/// How an answer goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not.
    #[default]
    None,
    /// A reset instead of an answer.
    Reset,
    /// Closed in the middle of the body.
    Truncate,
    /// No answer.
    Stall,
    /// Half of the body, and then nothing.
    StallBody,
    /// Something that is not HTTP.
    Garbage,
}

/// One answer, as it is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub body_bytes: usize,
    pub status: u16,
    pub delay: Duration,
    /// For so long nobody is served.
    pub busy: Duration,
    /// Over this time the body is spread.
    pub spread: Duration,
    pub chunked: bool,
    pub close: bool,
    pub fault: Fault,
}

impl Default for Wish {
    fn default() -> Self {
        Wish {
            body_bytes: 0,
            status: 200,
            delay: Duration::ZERO,
            busy: Duration::ZERO,
            spread: Duration::ZERO,
            chunked: false,
            close: false,
            fault: Fault::None,
        }
    }
}

/// What the query of `target` asks for, or `usual` where it has none; `None` if there is neither or this request is
/// not among its share. What cannot be understood is left out.
pub(crate) fn of(target: &[u8], usual: &str, usual_bytes: usize, rng: &mut Rng) -> Option<Wish> {
    let query = match memchr::memchr(b'?', target) {
        Some(question) => std::str::from_utf8(&target[question + 1..]).ok()?,
        None if usual.is_empty() => return None,
        None => usual,
    };
    let mut wish = Wish { body_bytes: usual_bytes, ..Wish::default() };
    let mut share = 1.0;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "1"));
        let yes = value != "0";
        match key {
            "size" => wish.body_bytes = bytes(value).unwrap_or(usual_bytes),
            "status" => {
                let status = value.parse().ok().filter(|status| (200..=999).contains(status));
                wish.status = status.unwrap_or(200);
            }
            "delay" => wish.delay = duration(value).unwrap_or_default(),
            "busy" => wish.busy = duration(value).unwrap_or_default().min(BUSY_MAX),
            "spread" => wish.spread = duration(value).unwrap_or_default(),
            "chunked" => wish.chunked = yes,
            "close" => wish.close = yes,
            "share" => share = value.parse().unwrap_or(1.0),
            "stall" if value == "body" => wish.fault = Fault::StallBody,
            "stall" if yes => wish.fault = Fault::Stall,
            "reset" if yes => wish.fault = Fault::Reset,
            "truncate" if yes => wish.fault = Fault::Truncate,
            "garbage" if yes => wish.fault = Fault::Garbage,
            _ => {}
        }
    }
    let dice = rng.next_u64() as f64 / u64::MAX as f64;
    (dice < share || share >= 1.0).then_some(wish)
}

/// `128`, `16k`, `1m`: at most [`BODY_BYTES_MAX`].
pub(crate) fn bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1024,
        "m" | "mib" => 1024 * 1024,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor).filter(|bytes| *bytes <= BODY_BYTES_MAX)
}

/// `20ms`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let (number, factor) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s')?, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
}
