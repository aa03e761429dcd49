//! The book over whole configurations, with a clock of its own: states, joins, reloads, our own lateness, bounds.

use std::collections::BTreeMap;

use super::*;
use crate::config::{self, Source};
use crate::probe::Stage;
use crate::snapshot::{Names, Registry, compile};

/// A process without I/O: what a controller does with the book.
struct World {
    book: Book,
    registry: Registry,
    snapshot: Snapshot,
    now: Instant,
    /// Checks that were begun and have not ended.
    under_way: Vec<Start>,
}

impl World {
    fn new() -> Self {
        let (snapshot, registry) = compiled("", &Registry::default(), 0);
        let book = Book::new(8, PLACES, Rng::seeded(1));
        World { book, registry, snapshot, now: Instant::now(), under_way: Vec::new() }
    }

    /// Puts a configuration into service, of lines of `[upstream.u]`.
    fn reload(&mut self, upstream: &str) {
        let generation = self.snapshot.generation + 1;
        let (next, registry) = compiled(upstream, &self.registry, generation);
        self.book.adopt(&self.snapshot, &next, self.now);
        (self.snapshot, self.registry) = (next, registry);
    }

    fn advance(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    fn start(&mut self, n_max: usize) {
        let under_way = &mut self.under_way;
        self.book.start_due(self.now, n_max, |start| {
            under_way.push(start);
            None
        });
    }

    fn end(&mut self, at: usize, passed: bool) {
        let error = || ProbeError::Late(Stage::Asked, Duration::from_secs(2));
        self.end_with(at, if passed { Ok(()) } else { Err(error()) });
    }

    fn end_with(&mut self, at: usize, result: Result<(), ProbeError>) {
        let Start { id, target, .. } = self.under_way.swap_remove(at);
        self.book.done(Done { id, target, result, kept: None }, self.now);
    }

    /// Lets every check that comes due within the next `seconds` pass or fail at once.
    fn pass_time(&mut self, seconds: f64, passes: impl Fn(&str) -> bool) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(due) = self.book.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.start(usize::MAX);
            while let Some(start) = self.under_way.last() {
                let passed = passes(&start.target.address.to_string());
                self.end(self.under_way.len() - 1, passed);
            }
        }
        self.now = end;
    }

    /// What the checks of each backend say, by its address' last number.
    fn states(&self) -> String {
        let of = |member: &Member| {
            let port = member.backend.label.rsplit('.').next().unwrap_or_default().to_owned();
            let state = self.book.checks.get(&member.backend.id).map(|check| check.tally.state());
            (port, state.map_or("none", State::token))
        };
        let states: BTreeMap<_, _> = self.snapshot.upstreams[0].members.iter().map(of).collect();
        let shown: Vec<String> =
            states.into_iter().map(|(port, state)| format!("{port} {state}")).collect();
        shown.join(", ").replace(":80", "")
    }

    /// What must hold at any time.
    fn verify(&self) {
        let upstream = &self.snapshot.upstreams[0];
        let wanted: Set<u64> = match upstream.health {
            Some(_) => upstream.members.iter().map(|member| member.backend.id).collect(),
            None => Set::default(),
        };
        assert_eq!(self.book.checks.keys().copied().collect::<Set<u64>>(), wanted);
        let n_running = self.book.checks.values().filter(|it| it.running.is_some()).count();
        assert_eq!(n_running + self.book.due.len(), self.book.checks.len(), "each has one place");
        for (id, check) in &self.book.checks {
            let waits = self.book.due.has(check.lane(), check.due, *id);
            assert_eq!(waits, check.running.is_none(), "{check:?}");
            let longest = check.target.options.interval.mul_f64(1.2).max(Duration::from_secs(1));
            assert!(!waits || check.due <= self.now + longest, "too late: {check:?}");
        }
    }
}

fn compiled(upstream: &str, registry: &Registry, generation: u64) -> (Snapshot, Registry) {
    let text = match upstream {
        "" => "listener = [{ name = \"a\", bind = \"127.0.0.1:0\" }]\n\
               route = [{ name = \"r\", respond = { status = 204 } }]\n"
            .to_owned(),
        lines => format!(
            "listener = [{{ name = \"a\", bind = \"127.0.0.1:0\" }}]\n\
             route = [{{ name = \"r\", upstream = \"u\" }}]\n[upstream.u]\n{lines}\n"
        ),
    };
    let source = Source::Text { name: "test".into(), text };
    let config = config::load(&source).unwrap_or_else(|error| panic!("{error:?}")).config;
    let draft = compile(&config, &Names::default(), registry, generation, 1).expect("compiled");
    (draft.snapshot, draft.registry)
}

/// Of each kind: enough for the tests that are about something else.
const PLACES: usize = 256;

const ONE: &str = "backends = [\"10.0.0.1:80\"]\nhealth = { rise = 2, fall = 3 }";
const TWO: &str = "backends = [\"10.0.0.1:80\", \"10.0.0.2:80\"]\nhealth = { rise = 2, fall = 3 }";

#[test]
fn a_start_takes_all_for_up_and_asks_each_within_a_second() {
    let mut world = World::new();
    world.reload(TWO);
    assert_eq!(world.states(), "1 up, 2 up");
    world.advance(1.0);
    world.start(usize::MAX);
    assert_eq!(world.under_way.len(), 2);
    world.verify();
}

#[test]
fn a_backend_goes_down_after_fall_failures_and_comes_back_after_rise_passes() {
    let mut world = World::new();
    world.reload(TWO);
    let second_is_dead = |address: &str| !address.contains("0.2:");
    world.pass_time(1.0, second_is_dead);
    assert_eq!(world.states(), "1 up, 2 up", "one failure is none");
    // Asked more often while it is open: max(1 s, timeout) is two seconds.
    world.pass_time(2.0 * 2.0 * 1.2, second_is_dead);
    assert_eq!(world.states(), "1 up, 2 down");
    world.pass_time(5.0 * 1.2, |_| true);
    world.pass_time(2.0 * 1.2, |_| true);
    assert_eq!(world.states(), "1 up, 2 up");
}

#[test]
fn who_joins_a_set_that_serves_is_unproven_until_one_pass_and_the_others_stay_as_they_are() {
    let mut world = World::new();
    world.reload(TWO);
    world.pass_time(10.0, |address| !address.contains("0.2:"));
    let three = TWO.replace("\"10.0.0.1:80\"", "\"10.0.0.3:80\", \"10.0.0.1:80\"");
    world.reload(&three);
    assert_eq!(world.states(), "1 up, 2 down, 3 unproven");
    world.pass_time(1.0, |address| address.contains("0.3:"));
    assert_eq!(world.states(), "1 up, 2 down, 3 up");
    // One that never was good is down in the end.
    world.reload(&three.replace("0.3:", "0.4:"));
    assert_eq!(world.states(), "1 up, 2 down, 4 unproven");
    world.pass_time(10.0, |address| address.contains("0.1:"));
    assert_eq!(world.states(), "1 up, 2 down, 4 down");
    world.verify();
}

#[test]
fn the_first_members_of_an_upstream_need_not_be_proven() {
    let mut world = World::new();
    world.reload(ONE);
    assert_eq!(world.states(), "1 up", "a new upstream is a start");
}

#[test]
fn checks_that_are_switched_on_take_for_up_who_served_already() {
    let mut world = World::new();
    world.reload("backends = [\"10.0.0.1:80\"]");
    assert_eq!(world.states(), "1 none");
    world.reload(TWO);
    assert_eq!(world.states(), "1 up, 2 unproven");
    world.verify();
}

#[test]
fn checks_that_are_switched_off_leave_nobody_out() {
    let mut world = World::new();
    world.reload(ONE);
    world.pass_time(10.0, |_| false);
    assert_eq!(world.states(), "1 down");
    let backend = Arc::clone(&world.snapshot.upstreams[0].members[0].backend);
    assert!(!backend.is_available());
    world.reload("backends = [\"10.0.0.1:80\"]");
    assert!(backend.is_available());
    assert_eq!(world.states(), "1 none");
    assert!(world.book.info(backend.id).is_none());
    world.verify();
}

#[test]
fn a_changed_check_keeps_the_state_and_is_done_soon_and_the_old_answer_does_not_count() {
    let mut world = World::new();
    world.reload("backends = [\"10.0.0.1:80\"]\nhealth = { fall = 1, interval = \"1h\" }");
    world.advance(1.0);
    world.start(usize::MAX);
    world.reload("backends = [\"10.0.0.1:80\"]\nhealth = { fall = 1, path = \"/up\" }");
    world.verify();
    world.end(0, false);
    assert_eq!(world.states(), "1 up", "that was the answer to another question");
    world.advance(1.0);
    world.start(usize::MAX);
    assert_eq!(world.under_way[0].target.options.path, "/up");
    world.end(0, false);
    assert_eq!(world.states(), "1 down");
    world.reload("backends = [\"10.0.0.1:80\"]\nhealth = { fall = 1, path = \"/health\" }");
    assert_eq!(world.states(), "1 down", "a changed check is no reason to be up");
}

#[test]
fn a_reload_that_changes_nothing_moves_no_check() {
    let mut world = World::new();
    world.reload(TWO);
    world.pass_time(3.0, |_| true);
    let due = world.book.due.all();
    world.reload(TWO);
    assert_eq!(world.book.due.all(), due);
}

#[test]
fn a_check_that_we_were_late_for_is_repeated_and_counts_for_nothing() {
    let mut world = World::new();
    world.reload("backends = [\"10.0.0.1:80\"]\nhealth = { fall = 1 }");
    world.advance(1.0);
    world.start(usize::MAX);
    // The thread wanted to run a moment later, and did after a second.
    let planned = world.now + Duration::from_millis(25);
    world.advance(2.0);
    world.book.woke(planned, world.now);
    world.end(0, false);
    assert_eq!(world.states(), "1 up");
    assert!(world.book.checks.values().all(|check| check.last.is_none()));
    world.verify();
    // Repeated within a second, and now it does count.
    world.advance(1.0);
    world.start(usize::MAX);
    world.end(0, false);
    assert_eq!(world.states(), "1 down");
}

#[test]
fn a_check_that_could_not_be_made_for_want_of_descriptors_counts_for_nothing() {
    let mut world = World::new();
    world.reload("backends = [\"10.0.0.1:80\"]\nhealth = { fall = 1 }");
    world.advance(1.0);
    world.start(usize::MAX);
    world.end_with(0, Err(ProbeError::Connect(rustix::io::Errno::MFILE.into())));
    assert_eq!(world.states(), "1 up");
    world.verify();
}

#[test]
fn what_a_backend_said_by_itself_counts_whenever_it_was_read() {
    let mut world = World::new();
    world.reload("backends = [\"10.0.0.1:80\"]\nhealth = { fall = 1 }");
    world.advance(1.0);
    world.start(usize::MAX);
    world.book.woke(world.now, world.now + Duration::from_secs(1));
    let expected = config::Statuses::of(200..400);
    world.end_with(0, Err(ProbeError::Status(503, expected)));
    assert_eq!(world.states(), "1 down");
}

#[test]
fn no_more_is_begun_than_there_is_room_for() {
    let mut world = World::new();
    let list: Vec<String> = (0..100).map(|n| format!("\"10.0.1.{n}:80\"")).collect();
    world.reload(&format!("backends = [{}]\nhealth = {{}}", list.join(", ")));
    world.advance(1.0);
    world.start(7);
    assert_eq!(world.under_way.len(), 7);
    assert_eq!(world.book.due.len(), 93);
    world.verify();
}

#[tokio::test]
async fn idle_connections_are_kept_up_to_a_bound_and_not_for_long_pauses() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut world = World::new();
    let list: Vec<String> = (0..20).map(|n| format!("\"10.0.1.{n}:80\"")).collect();
    let lines = format!("backends = [{}]\nhealth = {{ interval = \"1s\" }}", list.join(", "));
    world.reload(&lines);
    world.advance(1.0);
    world.start(usize::MAX);
    while let Some(Start { id, target, .. }) = world.under_way.pop() {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let kept = Some(Stream::from(stream));
        world.book.done(Done { id, target, result: Ok(()), kept }, world.now);
    }
    let n_kept = |world: &World| world.book.checks.values().filter(|it| it.kept.is_some()).count();
    assert_eq!((n_kept(&world), world.book.n_kept), (8, 8), "the bound of this book");
    // They are used for the next check, and gone with their backend.
    world.advance(1.5);
    world.start(usize::MAX);
    assert_eq!((n_kept(&world), world.book.n_kept), (0, 0));
    assert_eq!(world.under_way.iter().filter(|start| start.kept.is_some()).count(), 8);
    let Start { id, target, kept } = world
        .under_way
        .swap_remove(world.under_way.iter().position(|it| it.kept.is_some()).expect("one"));
    world.book.done(Done { id, target, result: Ok(()), kept }, world.now);
    assert_eq!(world.book.n_kept, 1);
    world.reload(&lines.replace("1s", "1h"));
    assert_eq!(world.book.n_kept, 0, "the question is another one");
    world.reload(ONE);
    world.verify();
}

#[test]
fn a_lost_check_is_asked_again() {
    let mut world = World::new();
    world.reload(ONE);
    world.advance(1.0);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let task = runtime.spawn(async {}).abort_handle();
    let id = task.id();
    let mut task = Some(task);
    world.book.start_due(world.now, 1, |_| task.take());
    world.book.lost(id, world.now);
    world.verify();
    assert_eq!(world.book.next_due(), Some(world.now + Duration::from_secs(5)));
}

#[test]
fn whatever_happens_every_backend_has_its_check() {
    const CONFIGURATIONS: [&str; 6] = [
        ONE,
        TWO,
        "backends = [\"10.0.0.1:80\", \"10.0.0.2:80\"]",
        "backends = [\"10.0.0.2:80\", \"10.0.0.3:80\", \"10.0.0.4:80\"]\nhealth = { path = \"/up\", rise = 1 }",
        "backends = [\"10.0.0.3:80\", \"10.0.0.1:80\"]\nhealth = { interval = \"300ms\", timeout = \"100ms\" }",
        "backends = [\"10.0.0.5:80\"]\nhealth = { kind = \"tcp\" }",
    ];
    for seed in 0..60 {
        let mut random = Rng::seeded(seed);
        let mut number = |n: usize| (random.next_u64() % n as u64) as usize;
        let mut world = World::new();
        world.reload(CONFIGURATIONS[number(6)]);
        for _ in 0..300 {
            match number(20) {
                0 => world.reload(CONFIGURATIONS[number(6)]),
                1 => {
                    let late = Duration::from_millis(number(3000) as u64);
                    world.book.woke(world.now, world.now + late);
                    world.now += late;
                }
                2..8 => world.advance(number(2000) as f64 / 1000.0),
                8..14 => world.start(number(4)),
                _ if world.under_way.is_empty() => {}
                _ => {
                    let (at, passed) = (number(world.under_way.len()), number(2) == 0);
                    world.end(at, passed);
                }
            }
            world.verify();
        }
    }
}

/// Lets `seconds` pass in steps of 10 ms, each of which begins at most `n_max` checks: `hangs` answers nothing until
/// its check has taken all of its time. How long ago each of the others was asked, at most.
fn longest_wait(
    world: &mut World,
    seconds: u64,
    n_max: usize,
    hangs: impl Fn(&str) -> bool,
) -> Duration {
    let timeout = Duration::from_secs(2);
    let (mut silent, mut asked) = (Vec::new(), BTreeMap::new());
    let mut longest = Duration::ZERO;
    for _ in 0..seconds * 100 {
        world.advance(0.01);
        while silent.first().is_some_and(|(until, _)| *until <= world.now) {
            let (_, Start { id, target, .. }) = silent.remove(0);
            let result = Err(ProbeError::Late(Stage::Asked, timeout));
            world.book.done(Done { id, target, result, kept: None }, world.now);
        }
        world.start(n_max);
        for start in std::mem::take(&mut world.under_way) {
            if hangs(&start.target.address.to_string()) {
                silent.push((world.now + timeout, start));
                continue;
            }
            let Start { id, target, .. } = start;
            if let Some(before) = asked.insert(id, world.now) {
                longest = longest.max(world.now - before);
            }
            world.book.done(Done { id, target, result: Ok(()), kept: None }, world.now);
        }
    }
    for before in asked.values() {
        longest = longest.max(world.now - *before);
    }
    longest
}

#[test]
fn hundreds_of_hanging_backends_hold_up_no_check_of_those_who_answer() {
    let mut world = World::new();
    let backend = |n: usize| format!("\"10.0.{}.{}:80\"", n / 200, n % 200 + 1);
    let list: Vec<String> = (0..310).map(backend).collect();
    world.reload(&format!("backends = [{}]\nhealth = {{ fall = 1 }}", list.join(", ")));
    // All but ten: more than there are places.
    let hangs = |address: &str| {
        let last: Vec<usize> =
            address.split(['.', ':']).filter_map(|part| part.parse().ok()).collect();
        !(last[2] * 200 + last[3] - 1).is_multiple_of(31)
    };
    let longest = longest_wait(&mut world, 60, 256, hangs);
    // The interval with its jitter, a step, and once the time that the first silent ones take to be known as such.
    let allowed = Duration::from_secs(5).mul_f64(1.2) + Duration::from_millis(10);
    assert!(longest <= allowed + Duration::from_secs(2), "{longest:?}");
    let longest = longest_wait(&mut world, 60, 256, hangs);
    assert!(longest <= allowed, "{longest:?}");
    let down = world.states().matches("down").count();
    assert!(down > 150, "{down}: those that hang are asked, too");
}
