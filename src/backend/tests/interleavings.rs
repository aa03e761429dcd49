//! Every interleaving of threads that use one breaker at once, by loom.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use loom::thread;

use crate::backend::breaker::{Cell, Gate, Phase, Word};

impl Cell for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(SeqCst)
    }

    fn replace(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange(old, new, SeqCst, SeqCst)
    }
}

/// Half-open, with so many slots.
fn half_open(probes: u32) -> Arc<Gate<AtomicU64>> {
    let gate = Gate(AtomicU64::new(0));
    gate.update(|word| word.opened(probes).half_opened());
    Arc::new(gate)
}

#[test]
fn no_more_than_the_slots_are_taken_at_once_and_none_is_lost() {
    loom::model(|| {
        let gate = half_open(1);
        let n_inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (gate, n_inside) = (Arc::clone(&gate), Arc::clone(&n_inside));
                thread::spawn(move || {
                    let Some((generation, true)) = gate.enter() else { return };
                    assert_eq!(n_inside.fetch_add(1, SeqCst), 0, "two in one slot");
                    n_inside.fetch_sub(1, SeqCst);
                    assert!(gate.give_back(generation, false));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!((gate.load().slots(), gate.load().n_probing()), (1, 0));
    });
}

#[test]
fn verdicts_and_aborts_of_an_older_generation_change_nothing() {
    loom::model(|| {
        let gate = half_open(2);
        let (first, _) = gate.enter().expect("a slot");
        let (second, _) = gate.enter().expect("a slot");
        assert!(gate.enter().is_none());
        let fails = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let opened = |word: Word| word.is_trying(first).then(|| word.opened(2));
                gate.update(opened).is_some()
            })
        };
        let passes = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.update(|word| word.passed(second, false)).is_some())
        };
        let again = gate.update(Word::half_opened).is_some();
        let failed = fails.join().expect("no panic");
        passes.join().expect("no panic");
        assert!(failed, "one pass of two does not close it before the failure");
        let word = gate.load();
        let expected = if word.phase() == Phase::HalfOpen { 1 } else { 0 };
        assert_eq!(u32::from(again), expected);
        assert_eq!((word.slots(), word.to_pass()), (2, 2), "{word:?}");
    });
}

#[test]
fn the_last_pass_closes_it_once_and_a_slot_given_back_too_late_is_not_kept() {
    loom::model(|| {
        let gate = half_open(2);
        let generations = [gate.enter(), gate.enter()].map(|slot| slot.expect("a slot").0);
        let threads = generations.map(|generation| {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let closed = gate.update(|word| word.passed(generation, false));
                gate.give_back(generation, false);
                closed.is_some_and(|(_, after)| after.phase() == Phase::Closed)
            })
        });
        let n_closed =
            threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|is| *is).count();
        assert!(n_closed <= 1);
        let word = gate.load();
        assert_eq!(n_closed == 1, word.phase() == Phase::Closed, "{word:?}");
    });
}
