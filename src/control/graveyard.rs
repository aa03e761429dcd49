//! Where snapshots wait until the last exchange lets go of them, so that they are taken apart here and never
//! on a worker, where freeing 10 000 routes would stall every connection of that thread.

use std::sync::Arc;

/// Things that were replaced and may still be in use.
#[derive(Debug)]
pub(super) struct Graveyard<T> {
    waiting: Vec<Arc<T>>,
}

impl<T> Graveyard<T> {
    /// How many wait at most. Beyond it the oldest is let go of and dies wherever its last user is: a
    /// stall of a worker is better than memory without a bound.
    pub(super) const MAX: usize = 1024;

    /// An empty one.
    pub(super) fn new() -> Self {
        Graveyard { waiting: Vec::new() }
    }

    /// Takes in what nobody can newly find.
    pub(super) fn bury(&mut self, replaced: Arc<T>) {
        if self.waiting.len() == Self::MAX {
            tracing::warn!(
                waiting = Self::MAX,
                "too many old configurations are still in use; letting go of the oldest"
            );
            self.waiting.remove(0);
        }
        self.waiting.push(replaced);
    }

    /// Drops what nobody else holds. Nobody can take a new hold: what is here cannot be found any more.
    pub(super) fn sweep(&mut self) {
        self.waiting.retain(|old| Arc::strong_count(old) > 1);
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_dropped_at_the_first_sweep_after_its_last_user_left() {
        let mut graveyard = Graveyard::new();
        let snapshot = Arc::new(1);
        let user = Arc::clone(&snapshot);
        let watcher = Arc::downgrade(&snapshot);
        graveyard.bury(snapshot);
        graveyard.sweep();
        assert_eq!((graveyard.len(), watcher.strong_count()), (1, 2));
        drop(user);
        assert_eq!(watcher.strong_count(), 1, "the user did not take it apart");
        graveyard.sweep();
        assert_eq!((graveyard.len(), watcher.strong_count()), (0, 0));
    }

    #[test]
    fn the_graveyard_is_bounded_and_lets_go_of_the_oldest() {
        let mut graveyard = Graveyard::new();
        let users: Vec<Arc<usize>> = (0..=Graveyard::<usize>::MAX).map(Arc::new).collect();
        for user in &users {
            graveyard.bury(Arc::clone(user));
        }
        assert_eq!(graveyard.len(), Graveyard::<usize>::MAX);
        assert_eq!(Arc::strong_count(&users[0]), 1);
        assert_eq!(Arc::strong_count(&users[1]), 2);
    }
}
