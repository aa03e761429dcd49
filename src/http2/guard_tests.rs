//! What the guard lets pass and what it does not.

use super::*;

/// A connection whose clock the test moves.
struct Rig {
    guard: Guard,
    now: Instant,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
    Frame { kind, flags, stream, len: payload.len() }
}

use kind::{PING, PRIORITY, WINDOW_UPDATE};

impl Rig {
    fn new() -> Rig {
        let now = Instant::now();
        let mut rig = Rig { guard: Guard::new(now), now };
        rig.gets(kind::SETTINGS, 0, 0, &[0; 12]);
        rig
    }

    fn gets(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let now = self.now;
        self.guard.received(&frame(kind, flags, stream, payload), || now);
    }

    fn answers(&mut self, n_bytes: usize) {
        self.guard.sent_head();
        if n_bytes > 0 {
            self.guard.sent_data(n_bytes);
        }
    }

    fn resets(&mut self, code: Code) {
        let now = self.now;
        self.guard.sent_reset(code, || now);
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
    }

    /// How often `turn` may be taken, at once, before it is a flood.
    fn bears(mut self, mut turn: impl FnMut(&mut Rig, u32)) -> u32 {
        let turns = (0..100_000).take_while(|&n| {
            turn(&mut self, n);
            self.guard.offence().is_none()
        });
        turns.count() as u32
    }
}

#[test]
fn frames_that_do_no_work_are_borne_up_to_a_bound() {
    let burst = TOKENS_MAX as u32;
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(PING, 0, 0, &[0; 8])), burst - 20);
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(PING, 1, 0, &[0; 8])), burst - 20);
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(PRIORITY, 0, 7, &[0; 5])), burst - 20);
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(WINDOW_UPDATE, 0, 0, &[0; 4])), burst - 20);
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(0x42, 0, 0, &[])), burst - 20);
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(0x42, 0, 0, &[0; 16_000])), burst / 16 - 2);
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(kind::SETTINGS, 0, 0, &[0; 6])), burst / 20 - 1);
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(kind::DATA, 0, 1, &[])), burst / 2 - 10);
    // Trailers, or what pretends to be: only a new stream is a request.
    assert_eq!(Rig::new().bears(|rig, _| rig.gets(kind::HEADERS, 5, 1, &[0; 9])), burst - 18 + 1);
}

#[test]
fn a_stream_that_is_given_up_costs_more_than_it_earned() {
    let rapid_reset = |rig: &mut Rig, n: u32| {
        rig.gets(kind::HEADERS, 5, 2 * n + 1, &[0; 9]);
        rig.gets(kind::RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes());
    };
    assert!(Rig::new().bears(rapid_reset) <= 250);
    let made_you_reset = |rig: &mut Rig, n: u32| {
        rig.gets(kind::HEADERS, 5, 2 * n + 1, &[0; 9]);
        rig.gets(WINDOW_UPDATE, 0, 2 * n + 1, &[0; 4]);
        rig.resets(Code::Protocol);
    };
    assert!(Rig::new().bears(made_you_reset) <= 250);
}

#[test]
fn what_we_give_up_ourselves_is_not_the_clients_fault() {
    let cut = |rig: &mut Rig, n: u32| {
        rig.gets(kind::HEADERS, 5, 2 * n + 1, &[0; 9]);
        rig.resets(Code::Internal);
    };
    assert_eq!(Rig::new().bears(cut), 100_000);
}

#[test]
fn time_makes_up_for_a_little() {
    let mut rig = Rig::new();
    for _ in 0..100_000 {
        rig.passes(Duration::from_millis(5));
        rig.gets(PING, 0, 0, &[0; 8]);
    }
    assert_eq!(rig.guard.offence(), None, "200 a second");
    let mut rig = Rig::new();
    for _ in 0..10_000 {
        rig.passes(Duration::from_millis(2));
        rig.gets(PING, 0, 0, &[0; 8]);
    }
    assert_eq!(rig.guard.offence(), Some(Offence::Flood), "500 a second");
}

#[test]
fn unary_calls_with_a_ping_and_updates_for_each_frame_are_no_flood() {
    let call = |rig: &mut Rig, n: u32| {
        let stream = 2 * n + 1;
        rig.gets(kind::HEADERS, 4, stream, &[0; 60]);
        rig.gets(kind::DATA, 1, stream, &[0; 20]);
        rig.answers(20);
        rig.gets(PING, 0, 0, &[0; 8]);
        rig.gets(WINDOW_UPDATE, 0, stream, &[0; 4]);
        rig.gets(WINDOW_UPDATE, 0, 0, &[0; 4]);
        rig.answers(0);
    };
    assert_eq!(Rig::new().bears(call), 100_000);
}

#[test]
fn calls_that_are_cancelled_once_they_are_answered_are_no_flood() {
    let call = |rig: &mut Rig, n: u32| {
        let stream = 2 * n + 1;
        rig.gets(kind::HEADERS, 4, stream, &[0; 60]);
        rig.gets(kind::DATA, 1, stream, &[0; 20]);
        rig.answers(0);
        rig.gets(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    };
    assert_eq!(Rig::new().bears(call), 100_000);
}

#[test]
fn one_call_in_three_may_be_cancelled_before_it_is_answered() {
    let call = |rig: &mut Rig, n: u32| {
        let stream = 2 * n + 1;
        rig.gets(kind::HEADERS, 5, stream, &[0; 60]);
        match n % 3 {
            0 => rig.gets(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
            _ => rig.answers(0),
        }
    };
    assert_eq!(Rig::new().bears(call), 100_000);
}

#[test]
fn a_download_with_two_updates_for_every_4_kib_is_no_flood() {
    let piece = |rig: &mut Rig, _: u32| {
        rig.guard.sent_data(16_384);
        for _ in 0..4 {
            rig.gets(WINDOW_UPDATE, 0, 1, &[0; 4]);
            rig.gets(WINDOW_UPDATE, 0, 0, &[0; 4]);
        }
        rig.gets(PING, 0, 0, &[0; 8]);
    };
    assert_eq!(Rig::new().bears(piece), 100_000);
}

#[test]
fn whoever_does_not_begin_with_settings_is_told_apart() {
    for (kind, flags) in [(PING, 0), (kind::HEADERS, 5), (kind::SETTINGS, 1)] {
        let now = Instant::now();
        let mut guard = Guard::new(now);
        guard.received(&frame(kind, flags, 1, &[0; 8]), || now);
        assert_eq!(guard.offence(), Some(Offence::NoSettings));
        assert!(!guard.began());
    }
    assert!(Rig::new().guard.began());
}
