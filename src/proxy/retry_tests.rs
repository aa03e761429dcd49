//! The table of what may be tried again.

use super::*;
use crate::config::Events;
use crate::http1::{HeadLimits, parse_request};

use Again::{Elsewhere, Free, Never, SameOnNewConnection};
use End::{Answered, Failed, Final};
use Signal::{Connect, RefusedStream, Reset, Stalled, Timeout};

/// A try on a new connection whose request was sent as a whole, and nothing came back.
const SENT: Try = Try {
    end: Failed(Reset),
    origin: Some(Origin::New),
    unsent: false,
    unanswered: true,
    replayable: true,
    replied: false,
};

const fn ended(end: End) -> Try {
    Try { end, ..SENT }
}

const fn unsent(end: End) -> Try {
    Try { end, unsent: true, ..SENT }
}

const fn pooled(end: End) -> Try {
    Try { end, origin: Some(Origin::Pool), ..SENT }
}

fn nature(request: &str, policy: &Retry) -> Nature {
    let mut head = RequestHead::default();
    let limits = HeadLimits { header_bytes: 1024, headers: 10, uri_bytes: 100 };
    parse_request(request.as_bytes(), &limits, &mut head).expect("a good request");
    Nature::of(&head, policy)
}

fn of(method: &str, policy: &Retry) -> Nature {
    nature(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), policy)
}

#[test]
fn methods_and_the_idempotency_header_say_what_may_be_sent_twice() {
    let policy = Retry {
        methods: vec!["GET".into(), "PUT".into(), "PURGE".into()],
        idempotency_header: Some("idempotency-key".into()),
        ..Retry::default()
    };
    for (method, repeatable, in_silence, idempotent) in [
        ("GET", true, true, true),
        ("HEAD", false, false, true),
        ("PUT", true, false, true),
        ("PURGE", true, false, false),
        ("POST", false, false, false),
        ("get", false, false, false),
    ] {
        let nature = of(method, &policy);
        assert_eq!(nature.repeatable, repeatable, "{method}");
        assert_eq!(nature.repeatable_in_silence, in_silence, "{method}");
        assert_eq!(nature.idempotent, idempotent, "{method}");
    }
    let keyed = "POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 7\r\n\r\n";
    let nature_of_keyed = nature(keyed, &policy);
    assert!(nature_of_keyed.repeatable && nature_of_keyed.repeatable_in_silence);
    assert!(!nature(keyed, &Retry::default()).repeatable, "the header is off by default");
}

#[test]
fn the_default_policy_decides_by_what_happened_and_by_method() {
    let policy = Retry::default();
    let table: &[(&str, Try, Again)] = &[
        // No connection: any method, at no cost.
        ("GET", unsent(Failed(Connect)), Free(true)),
        ("POST", unsent(Failed(Connect)), Free(true)),
        ("POST", unsent(Failed(RefusedStream)), Free(true)),
        // A connection that was lost before anything of the request was written on it.
        ("POST", unsent(Failed(Reset)), Free(true)),
        ("POST", Try { unsent: true, ..pooled(Failed(Reset)) }, SameOnNewConnection),
        // One that was most likely closed while idle.
        ("GET", pooled(Failed(Reset)), SameOnNewConnection),
        ("DELETE", pooled(Failed(Reset)), SameOnNewConnection),
        ("POST", pooled(Failed(Reset)), Never),
        ("PATCH", pooled(Failed(Reset)), Never),
        // One that began to answer was not.
        ("GET", Try { unanswered: false, ..pooled(Failed(Reset)) }, Elsewhere),
        ("POST", Try { unanswered: false, ..pooled(Failed(Reset)) }, Never),
        ("GET", ended(Failed(Reset)), Elsewhere),
        ("PUT", ended(Failed(Reset)), Elsewhere),
        ("POST", ended(Failed(Reset)), Never),
        // In silence the first may still be at work on it.
        ("GET", ended(Failed(Timeout)), Elsewhere),
        ("OPTIONS", ended(Failed(Stalled)), Elsewhere),
        ("PUT", ended(Failed(Timeout)), Never),
        ("DELETE", ended(Failed(Stalled)), Never),
        ("POST", ended(Failed(Timeout)), Never),
        // Statuses.
        ("GET", ended(Answered(503)), Elsewhere),
        ("PUT", ended(Answered(502)), Elsewhere),
        ("POST", ended(Answered(503)), Never),
        ("GET", ended(Answered(500)), Never),
        ("GET", ended(Answered(200)), Never),
        ("GET", ended(Final), Never),
        ("POST", unsent(Final), Never),
    ];
    for (method, last, expected) in table {
        let decided = decide(&policy, of(method, &policy), last, SoFar::default());
        assert_eq!(decided, *expected, "{method} {last:?}");
    }
}

#[test]
fn nothing_is_tried_after_a_reply_or_without_the_body() {
    let policy = Retry::default();
    for last in [ended(Failed(Reset)), pooled(Failed(Reset)), ended(Answered(503))] {
        let get = of("GET", &policy);
        assert_ne!(decide(&policy, get, &last, SoFar::default()), Never);
        for spoilt in [Try { replied: true, ..last }, Try { replayable: false, ..last }] {
            assert_eq!(decide(&policy, get, &spoilt, SoFar::default()), Never, "{spoilt:?}");
        }
    }
}

#[test]
fn a_signal_that_is_not_listed_is_not_tried_again_but_a_dead_idle_connection_is() {
    let policy = Retry { on: Events::default(), ..Retry::default() };
    let get = of("GET", &policy);
    for end in [Failed(Connect), Failed(Reset), Failed(Timeout), Failed(Stalled), Answered(503)] {
        assert_eq!(decide(&policy, get, &ended(end), SoFar::default()), Never, "{end:?}");
        assert_eq!(decide(&policy, get, &unsent(end), SoFar::default()), Never, "{end:?}");
    }
    assert_eq!(decide(&policy, get, &pooled(Failed(Reset)), SoFar::default()), SameOnNewConnection);
}

#[test]
fn every_bound_holds() {
    let policy = Retry { attempts: 2, ..Retry::default() };
    let get = of("GET", &policy);
    let ask = |last: Try, so_far: SoFar| decide(&policy, get, &last, so_far);
    for (n_retries, reset, refused) in
        [(0, Elsewhere, Free(true)), (1, Elsewhere, Free(true)), (2, Never, Free(false))]
    {
        let so_far = SoFar { n_retries, ..SoFar::default() };
        assert_eq!(ask(ended(Failed(Reset)), so_far), reset);
        assert_eq!(ask(ended(Answered(503)), so_far), reset);
        assert_eq!(ask(unsent(Failed(Connect)), so_far), refused, "refusals have their own bound");
    }
    for (n_refusals, refused) in [(0, Free(true)), (1, Free(true)), (REFUSALS_MAX - 1, Never)] {
        let so_far = SoFar { n_refusals, ..SoFar::default() };
        assert_eq!(ask(unsent(Failed(Connect)), so_far), refused);
    }
    let replaced = SoFar { replaced: true, ..SoFar::default() };
    assert_eq!(ask(pooled(Failed(Reset)), replaced), Elsewhere, "only once");
    let none = Retry { attempts: 0, ..Retry::default() };
    for last in [unsent(Failed(Connect)), ended(Failed(Reset)), ended(Answered(503))] {
        assert_eq!(decide(&none, get, &last, SoFar::default()), Never, "{last:?}");
    }
    let dead = pooled(Failed(Reset));
    assert_eq!(decide(&none, get, &dead, SoFar::default()), SameOnNewConnection, "no further try");
}

#[test]
fn pauses_double_up_to_their_bound_and_are_spread_from_zero_on() {
    let backoff = Retry::default().backoff;
    let mut random = Rng::seeded(7);
    for (nth, max_ms) in [(1, 25), (2, 50), (3, 100), (4, 200), (5, 250), (11, 250), (1000, 250)] {
        let max = Duration::from_millis(max_ms);
        let pauses: Vec<Duration> = (0..500).map(|_| pause(backoff, nth, &mut random)).collect();
        assert!(pauses.iter().all(|pause| *pause <= max), "{nth}");
        assert!(pauses.iter().any(|pause| *pause < max / 10), "{nth}: spread from zero");
        assert!(pauses.iter().any(|pause| *pause > max / 10 * 9), "{nth}: up to the bound");
    }
}
