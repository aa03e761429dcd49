//! Whose turn it is to be asked: who is due, in two lanes. Those whose last check ended in silence wait in a lane of
//! their own, so that a thousand of them, each of which holds its place for the whole time a check may take, hold up
//! nobody who answers. Called by `book`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// Which lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lane {
    /// Those who answered the last time, somehow, and those who were never asked.
    #[default]
    Prompt,
    /// Those who did not.
    Silent,
}

/// Who is due, and the places for checks under way.
#[derive(Debug)]
pub(super) struct Turns {
    lanes: [Waiting; 2],
    n_places: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    due: BTreeSet<(Instant, u64)>,
    n_taken: Arc<AtomicUsize>,
}

/// A place for a check under way, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Turns {
    /// With so many places in each lane.
    pub(super) fn new(n_places: usize) -> Self {
        Turns { lanes: Default::default(), n_places }
    }

    /// Backend `id` is due then.
    pub(super) fn insert(&mut self, lane: Lane, due: Instant, id: u64) {
        self.lanes[lane as usize].due.insert((due, id));
    }

    /// It is not any more.
    pub(super) fn remove(&mut self, lane: Lane, due: Instant, id: u64) {
        self.lanes[lane as usize].due.remove(&(due, id));
    }

    /// When the next is due in a lane with a free place.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.first().map(|(_, due)| due)
    }

    /// The next that is due at `now`, and its place; none where all of them are taken.
    pub(super) fn take(&mut self, now: Instant) -> Option<(u64, Place)> {
        let (lane, _) = self.first().filter(|(_, due)| *due <= now)?;
        let lane = &mut self.lanes[lane];
        let (_, id) = lane.due.pop_first()?;
        lane.n_taken.fetch_add(1, Relaxed);
        Some((id, Place(Arc::clone(&lane.n_taken))))
    }

    /// The lane that goes next.
    fn first(&self) -> Option<(usize, Instant)> {
        let free = |lane: &Waiting| lane.n_taken.load(Relaxed) < self.n_places;
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| free(lane));
        let firsts = lanes.filter_map(|(at, lane)| Some((at, lane.due.first()?.0)));
        firsts.min_by_key(|(_, due)| *due)
    }

    /// Whether `id` is due then, in this lane.
    #[cfg(test)]
    pub(super) fn has(&self, lane: Lane, due: Instant, id: u64) -> bool {
        self.lanes[lane as usize].due.contains(&(due, id))
    }

    /// Everybody who waits.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(Instant, u64)> {
        self.lanes.iter().flat_map(|lane| &lane.due).copied().collect()
    }

    /// How many wait for their turn.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.due.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_are_bounded_in_each_lane_and_a_full_one_holds_up_nobody_in_the_other() {
        let mut turns = Turns::new(2);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        (0..5).for_each(|n| turns.insert(Lane::Silent, at(n), n));
        (5..10).for_each(|n| turns.insert(Lane::Prompt, at(n), n));
        assert!(turns.take(start - Duration::from_millis(1)).is_none());
        let mut taken: Vec<(u64, Place)> = std::iter::from_fn(|| turns.take(at(99))).collect();
        let ids = |taken: &[(u64, Place)]| taken.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(ids(&taken), [0, 1, 5, 6], "the first come first");
        assert_eq!(turns.next_due(), None, "nobody has a place");
        taken.remove(1);
        assert_eq!(turns.next_due(), Some(at(2)));
        taken.extend(std::iter::from_fn(|| turns.take(at(99))));
        assert_eq!(ids(&taken), [0, 5, 6, 2]);
    }
}
