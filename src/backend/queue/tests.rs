//! Who is called and when, by hand; then many threads at random, from fixed seeds.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{Attempt, Queue, Waited, Waiter};
use crate::backend::{Address, Backend, Candidates, Member, Members, Permit, Tried};
use crate::rng::Rng;

const N_MAX: u32 = 100;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Backends of one upstream, each with so many places.
fn members(queue: &Arc<Queue>, n: u64, places: u32) -> Members {
    let member = |id| {
        let address = Address::Unix(format!("/{id}").into());
        let backend = Arc::new(Backend::new(id, address).in_queue(queue));
        Member { max_connections: places, ..Member::new(backend, "x") }
    };
    (0..n).map(member).collect::<Vec<_>>().into()
}

/// What the data plane does: any eligible member, by the first strategy that comes to mind.
fn attempt(members: &Members, tried: &Tried) -> Attempt<Permit> {
    let taken = || Candidates::new(members, tried).iter().find_map(Permit::try_acquire);
    match taken() {
        Some(permit) => Attempt::Got(permit),
        None if !Candidates::any_gets_free(members, tried) => Attempt::Hopeless,
        None if tried.is_empty() => Attempt::Full,
        None => Attempt::NotForMe,
    }
}

struct World {
    queue: Arc<Queue>,
    members: Members,
    start: Instant,
}

struct Client {
    waiter: Option<Waiter>,
    bell: Arc<Bell>,
    tried: Tried,
}

impl World {
    fn new(n: u64, places: u32) -> Self {
        let queue = Arc::new(Queue::default());
        let members = members(&queue, n, places);
        World { queue, members, start: Instant::now() }
    }

    fn take(&self) -> Permit {
        let tried = Tried::default();
        match attempt(&self.members, &tried) {
            Attempt::Got(permit) => permit,
            other => panic!("{other:?}"),
        }
    }

    /// One that lines up and has looked once.
    fn join(&self) -> Client {
        self.join_after(Tried::default())
    }

    fn join_after(&self, tried: Tried) -> Client {
        let waiter = Some(self.queue.join(N_MAX).expect("room"));
        let mut client = Client { waiter, bell: Arc::default(), tried };
        assert!(self.poll(&mut client).is_none());
        client
    }

    fn poll_at(&self, client: &mut Client, seconds: u64) -> Poll<Waited<Permit>> {
        let waker = Waker::from(Arc::clone(&client.bell));
        let (now, deadline) =
            (self.start + Duration::from_secs(seconds), self.start + Duration::from_secs(5));
        let waiter = client.waiter.as_ref().expect("it waits");
        let look = || attempt(&self.members, &client.tried);
        let polled = waiter.poll(&waker, now, Some(deadline), look);
        if polled.is_ready() {
            client.waiter = None;
        }
        polled
    }

    fn poll(&self, client: &mut Client) -> Option<Permit> {
        match self.poll_at(client, 0) {
            Poll::Ready(Waited::Got(permit)) => Some(permit),
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => None,
        }
    }
}

impl Client {
    fn n_woken(&self) -> usize {
        self.bell.0.load(SeqCst)
    }
}

#[test]
fn freed_places_go_to_those_who_waited_longest() {
    let world = World::new(1, 1);
    let mut held = world.take();
    let mut clients: Vec<_> = (0..5).map(|_| world.join()).collect();
    for turn in 0..5 {
        drop(held);
        let woken: Vec<_> = clients.iter().map(Client::n_woken).collect();
        let expected: Vec<_> = (0..5).map(|n| usize::from(n <= turn)).collect();
        assert_eq!(woken, expected);
        // Those who come now do not overtake, whoever is polled first.
        let mut late = world.join();
        assert!(world.poll(&mut late).is_none());
        held = world.poll(&mut clients[turn]).expect("the freed place");
    }
    drop(held);
    assert_eq!((world.queue.n_waiting(), world.members[0].backend.in_flight()), (0, 0));
}

#[test]
fn the_queue_has_a_bound() {
    let queue = Arc::new(Queue::default());
    let waiters: Vec<_> = (0..3).map_while(|_| queue.join(2)).collect();
    assert_eq!((waiters.len(), queue.n_waiting()), (2, 2));
    drop(waiters);
    assert!(queue.join(1).is_some() && queue.join(0).is_none());
}

#[test]
fn a_wait_ends_in_time_and_not_before() {
    let world = World::new(1, 1);
    let held = world.take();
    let mut client = world.join();
    assert!(world.poll_at(&mut client, 4).is_pending());
    assert!(matches!(world.poll_at(&mut client, 5), Poll::Ready(Waited::Expired)));
    let mut called = world.join();
    drop(held);
    assert!(
        matches!(world.poll_at(&mut called, 9), Poll::Ready(Waited::Got(_))),
        "a place that is there is taken, however late"
    );
    assert_eq!(world.queue.n_waiting(), 0);
}

#[test]
fn who_leaves_when_called_passes_it_on() {
    let world = World::new(1, 1);
    let held = world.take();
    let (first, second, mut third) = (world.join(), world.join(), world.join());
    drop(first);
    assert_eq!((second.n_woken(), third.n_woken()), (0, 0), "it had nothing to pass on");
    drop(held);
    assert_eq!((second.n_woken(), third.n_woken()), (1, 0));
    drop(second);
    assert_eq!(third.n_woken(), 1);
    drop(world.poll(&mut third).expect("the place"));
    // Before its first look, too.
    let held = world.take();
    let fresh = world.queue.join(N_MAX);
    let mut last = world.queue.join(N_MAX).map(|waiter| Client {
        waiter: Some(waiter),
        bell: Arc::default(),
        tried: Tried::default(),
    });
    drop(held);
    drop(fresh);
    assert!(last.as_mut().and_then(|client| world.poll(client)).is_some());
}

#[test]
fn a_place_that_the_first_may_not_use_goes_to_the_next_or_to_a_newcomer() {
    let world = World::new(2, 1);
    let (a, b) = (world.take(), world.take());
    let mut tried = Tried::default();
    tried.insert(&world.members[0].backend);
    let (mut choosy, mut plain) = (world.join_after(tried), world.join());
    assert_eq!(a.backend().id, 0);
    drop(a);
    assert_eq!((choosy.n_woken(), plain.n_woken()), (1, 0));
    assert!(world.poll(&mut choosy).is_none());
    assert_eq!(plain.n_woken(), 1);
    let a = world.poll(&mut plain).expect("the first backend's place");
    // Nobody is behind: whoever comes next need not wait.
    drop(a);
    assert!(world.poll(&mut choosy).is_none());
    let waiter = Some(world.queue.join(N_MAX).expect("room"));
    let mut newcomer = Client { waiter, bell: Arc::default(), tried: Tried::default() };
    let a = world.poll(&mut newcomer).expect("the first backend's place");
    drop(b);
    assert_eq!(world.poll(&mut choosy).map(|permit| permit.backend().id), Some(1));
    drop(a);
}

#[test]
fn a_choosy_one_at_the_head_holds_nobody_up() {
    let world = World::new(2, 3);
    let all = (0..6).map(|_| world.take());
    let (first, second): (Vec<_>, Vec<_>) = all.partition(|permit| permit.backend().id == 0);
    let mut tried = Tried::default();
    tried.insert(&world.members[0].backend);
    let mut choosy = world.join_after(tried);
    // Three places at the backend that it may not use.
    drop(first);
    assert!(world.poll(&mut choosy).is_none());
    let newcomer = || {
        let waiter = Some(world.queue.join(N_MAX).expect("room"));
        let mut client = Client { waiter, bell: Arc::default(), tried: Tried::default() };
        world.poll(&mut client)
    };
    let served: Vec<_> = (0..3).filter_map(|_| newcomer()).collect();
    assert_eq!(served.len(), 3, "nobody sleeps while a place is free");
    assert!(newcomer().is_none());
    drop(second);
    assert_eq!(world.poll(&mut choosy).map(|permit| permit.backend().id), Some(1));
}

#[test]
fn after_a_change_of_members_as_many_are_served_as_there_is_room_for() {
    let mut world = World::new(1, 1);
    let _held = world.take();
    let mut clients: Vec<_> = (0..4).map(|_| world.join()).collect();
    let list = world.members.iter().cloned();
    let raised: Vec<_> = list.map(|member| Member { max_connections: 3, ..member }).collect();
    world.members = raised.into();
    world.queue.members_changed();
    let mut permits = Vec::new();
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.n_woken(), usize::from(n <= 2), "client {n}");
        permits.extend(world.poll(client));
    }
    assert_eq!((permits.len(), world.queue.n_waiting()), (2, 2));
}

#[test]
fn nobody_waits_for_what_cannot_come() {
    let world = World::new(1, 1);
    let _held = world.take();
    let mut client = world.join();
    world.members[0].backend.set_available(false);
    assert_eq!(client.n_woken(), 1);
    assert!(matches!(world.poll_at(&mut client, 0), Poll::Ready(Waited::Hopeless)));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Without a deadline: one wake-up that is lost, and this does not end.
fn wait(world: &World, tried: &Tried, gives_up: bool) -> Option<Permit> {
    let waiter = world.queue.join(N_MAX)?;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match waiter.poll(&waker, world.start, None, || attempt(&world.members, tried)) {
            Poll::Ready(Waited::Got(permit)) => return Some(permit),
            Poll::Ready(_) => return None,
            Poll::Pending if gives_up => return None,
            Poll::Pending => thread::park(),
        }
    }
}

/// One thread's walk: requests with and without a retry, some of which leave while they wait.
fn walk(world: &World, seed: u64, n_served: &AtomicU32) {
    let mut rng = Rng::seeded(seed);
    for _ in 0..2_000 {
        let draw = rng.next_u64();
        let mut tried = Tried::default();
        if draw.is_multiple_of(5) {
            tried.insert(&world.members[(draw / 5 % 3) as usize].backend);
        }
        let at_once = match world.queue.n_waiting() {
            0 => Candidates::new(&world.members, &tried).iter().find_map(Permit::try_acquire),
            _ => None,
        };
        let permit = at_once.or_else(|| wait(world, &tried, draw.is_multiple_of(7)));
        for member in &world.members {
            assert!(member.backend.in_flight() <= member.max_connections, "seed {seed}");
        }
        if permit.is_some() {
            n_served.fetch_add(1, SeqCst);
        }
        if draw.is_multiple_of(3) {
            thread::yield_now();
        }
        if draw.is_multiple_of(101) {
            world.queue.members_changed();
        }
    }
}

#[test]
fn many_threads_never_exceed_a_bound_never_wait_for_ever_and_give_every_place_back() {
    const THREADS: u64 = 8;
    for seed in 0..4 {
        let world = World::new(3, 1);
        let n_served = AtomicU32::new(0);
        let barrier = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for n in 0..THREADS {
                let (world, n_served, barrier) = (&world, &n_served, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    walk(world, seed * THREADS + n, n_served);
                });
            }
        });
        assert_eq!(world.queue.n_waiting(), 0, "seed {seed}");
        assert!(world.members.iter().all(|member| member.backend.in_flight() == 0));
        assert!(n_served.into_inner() > 1_000, "seed {seed}");
    }
}
