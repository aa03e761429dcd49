//! What keeps a client from noticing a backend that dies, hangs, slows down or lies: `retry`, `budget`, `health`,
//! `passive` and `breaker`, each complete with its defaults.

use std::time::Duration;

/// Statuses 100..=599 as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Statuses([u64; 8]);

impl Statuses {
    /// The set of `statuses`; those that are none are left out.
    pub fn of(statuses: impl IntoIterator<Item = u16>) -> Self {
        let mut set = Statuses::default();
        statuses.into_iter().for_each(|status| set.insert(status));
        set
    }

    /// Adds `status`, if it is one.
    pub fn insert(&mut self, status: u16) {
        if (100..600).contains(&status) {
            let bit = usize::from(status - 100);
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Whether `status` is in it.
    #[inline]
    pub fn contains(&self, status: u16) -> bool {
        let bit = usize::from(status.wrapping_sub(100));
        bit < 500 && self.0[bit / 64] & (1 << (bit % 64)) != 0
    }

    /// Every status in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (100..600).filter(|status| self.contains(*status))
    }
}

/// What can befall a try, besides a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Signal {
    /// No connection could be made, or not in time. `connect`.
    Connect,
    /// The backend said that it had not begun with the request. `refused_stream`.
    RefusedStream,
    /// The connection ended before the response head. `reset_before_response`, of `passive` `reset`.
    Reset,
    /// The response head took too long. `first_byte_timeout`, of `passive` `timeout`.
    Timeout,
    /// The backend answers nobody while its peers do. `stalled`.
    Stalled,
}

/// A set of what can befall a try: signals, and statuses that a backend answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Events {
    signals: u8,
    /// Answered by the backend.
    pub statuses: Statuses,
}

impl Events {
    /// The set of `signals` and `statuses`.
    pub fn of(signals: &[Signal], statuses: &[u16]) -> Self {
        let mut events = Events { signals: 0, statuses: Statuses::of(statuses.iter().copied()) };
        signals.iter().for_each(|signal| events.insert(*signal));
        events
    }

    /// Adds `signal`.
    pub fn insert(&mut self, signal: Signal) {
        self.signals |= 1 << signal as u8;
    }

    /// Whether `signal` is in it.
    #[inline]
    pub fn contains(&self, signal: Signal) -> bool {
        self.signals & (1 << signal as u8) != 0
    }
}

/// `retry`: sending a request again, to another backend while there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Further tries, 0..=10. Default 2.
    pub attempts: u32,
    /// After what. Default: every signal, 502, 503 and 504.
    pub on: Events,
    /// For which methods, once something was sent. Timeouts and stalls: of these only GET, HEAD and OPTIONS.
    /// Default GET, HEAD, OPTIONS, PUT, DELETE.
    pub methods: Vec<String>,
    /// The longest that one try may take from its beginning to the response head; `None`: no bound of its own.
    pub per_try: Option<Duration>,
    /// Pauses before further tries.
    pub backoff: Backoff,
    /// A request body up to this many bytes is kept to be sent again. Default 64 KiB, at most 16 MiB.
    pub body_buffer: u64,
    /// Lower-case name of a header whose presence makes any method one of `methods`; `None`: none.
    pub idempotency_header: Option<String>,
}

/// A pause before the nth further try: random between zero and min(`max`, `base` × 2ⁿ⁻¹).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Default 25 ms.
    pub base: Duration,
    /// Default 250 ms.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let signals = [
            Signal::Connect,
            Signal::RefusedStream,
            Signal::Reset,
            Signal::Timeout,
            Signal::Stalled,
        ];
        Retry {
            attempts: 2,
            on: Events::of(&signals, &[502, 503, 504]),
            methods: ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].map(str::to_owned).into(),
            per_try: None,
            backoff: Backoff { base: Duration::from_millis(25), max: Duration::from_millis(250) },
            body_buffer: 64 << 10,
            idempotency_header: None,
        }
    }
}

/// `retry` as written at one level: outer `None` is "not written".
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "fields as in Retry")]
pub struct RetryOverrides {
    pub attempts: Option<u32>,
    pub on: Option<Events>,
    pub methods: Option<Vec<String>>,
    pub per_try: Option<Option<Duration>>,
    pub backoff_base: Option<Duration>,
    pub backoff_max: Option<Duration>,
    pub body_buffer: Option<u64>,
    pub idempotency_header: Option<Option<String>>,
}

impl Retry {
    /// This policy with what `overrides` writes put over it.
    #[must_use]
    pub fn overridden_by(&self, overrides: &RetryOverrides) -> Self {
        Retry {
            attempts: overrides.attempts.unwrap_or(self.attempts),
            on: overrides.on.unwrap_or(self.on),
            methods: overrides.methods.as_ref().unwrap_or(&self.methods).clone(),
            per_try: overrides.per_try.unwrap_or(self.per_try),
            backoff: Backoff {
                base: overrides.backoff_base.unwrap_or(self.backoff.base),
                max: overrides.backoff_max.unwrap_or(self.backoff.max),
            },
            body_buffer: overrides.body_buffer.unwrap_or(self.body_buffer),
            idempotency_header: overrides
                .idempotency_header
                .as_ref()
                .unwrap_or(&self.idempotency_header)
                .clone(),
        }
    }
}

/// `budget`: what further tries may cost, over all requests of an upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Further tries for each first one, 0.0..=10.0. Default 0.2.
    pub ratio: f64,
    /// Further tries that are always allowed, for each second, 0..=10 000. Default 3.
    pub min_per_second: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { ratio: 0.2, min_per_second: 3 }
    }
}

/// `health`: asking backends how they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The name of a probe. Default `http`.
    pub kind: &'static str,
    /// `http`: what is asked for. Default `/`.
    pub path: String,
    /// `http`: how. Default `GET`.
    pub method: String,
    /// `http`: what is to be answered.
    pub expect: HealthExpect,
    /// `grpc`: the service that is asked about; `None`: the server as a whole.
    pub service: Option<String>,
    /// `http`, `grpc`: the Host that is sent; `None`: what the upstream's `host` makes of a backend.
    pub host: Option<String>,
    /// Where to ask; `None`: the backend's own port.
    pub port: Option<u16>,
    /// From one probe to the next while nothing changes, ± 20 %. Default 5 s.
    pub interval: Duration,
    /// A probe that takes longer has failed. Default 2 s.
    pub timeout: Duration,
    /// Passes in a row that bring a backend back, 1..=100. Default 2.
    pub rise: u32,
    /// Failures in a row that take it out, 1..=100. Default 3.
    pub fall: u32,
}

/// `health.expect`.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthExpect {
    /// Default 200 to 399.
    pub status: Statuses,
    /// What the first 64 KiB of the body must contain.
    pub body_contains: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            kind: "http",
            path: "/".into(),
            method: "GET".into(),
            expect: HealthExpect { status: Statuses::of(200..400), body_contains: None },
            service: None,
            host: None,
            port: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
        }
    }
}

/// `passive`: learning from the answers to requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passive {
    /// Failures in a row that open the breaker, 1..=1000; `None`: they do not. Default 5.
    pub failures: Option<u32>,
    /// The share of failures in the window that opens it, above 0.0 and up to 1.0; `None`: it does not. Default 0.5.
    pub error_ratio: Option<f64>,
    /// Answers in the window below which no share is looked at, 1..=1 000 000. Default 20.
    pub min_requests: u32,
    /// 1 s..=1 h. Default 10 s.
    pub window: Duration,
    /// What is a failure. Default connect, timeout, reset, 502, 503, 504.
    pub count: Events,
    /// A backend whose 95th percentile is beyond this many times the median of its peers is taken out, 1.5..=100;
    /// `None`: it is not. Default `None`.
    pub latency_factor: Option<f64>,
    /// A backend that answers nobody while its peers do gets no new requests. Default true.
    pub stall: bool,
}

impl Default for Passive {
    fn default() -> Self {
        let signals = [Signal::Connect, Signal::Timeout, Signal::Reset];
        Passive {
            failures: Some(5),
            error_ratio: Some(0.5),
            min_requests: 20,
            window: Duration::from_secs(10),
            count: Events::of(&signals, &[502, 503, 504]),
            latency_factor: None,
            stall: true,
        }
    }
}

/// `breaker`: taking a backend out and letting it back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// How long it stays out at first, 100 ms..=1 h. Default 5 s.
    pub open: Duration,
    /// How long it stays out at most, `open`..=1 d. Default 5 min.
    pub max_open: Duration,
    /// Requests at once that try whether it is back, over all workers, 1..=100; so many must pass. Default 1.
    pub probes: u32,
    /// The share of an upstream's backends that may be out by soft ejections, 0.0..=1.0. Default 0.5.
    pub max_ejected: f64,
    /// With none eligible, use those that could still be connected to. Default true.
    pub fail_open: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            open: Duration::from_secs(5),
            max_open: Duration::from_secs(300),
            probes: 1,
            max_ejected: 0.5,
            fail_open: true,
        }
    }
}
