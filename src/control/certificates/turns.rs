//! Readings of files take a while, and one that began later may be done first: which of them still counts.

/// The readings begun so far.
#[derive(Debug, Default)]
pub(super) struct Turns {
    n_begun: u64,
    /// The newest that came to its end.
    newest: u64,
}

impl Turns {
    /// One begins; returns its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.n_begun += 1;
        self.n_begun
    }

    /// The reading number `turn` is done. False where one that began later was done before it.
    pub(super) fn is_news(&mut self, turn: u64) -> bool {
        let is_news = turn > self.newest;
        self.newest = self.newest.max(turn);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_something_newer_does_not_count() {
        let mut turns = Turns::default();
        let [first, second, third] = [(); 3].map(|()| turns.begin());
        assert!(turns.is_news(second));
        assert!(!turns.is_news(first), "overtaken");
        assert!(turns.is_news(third));
        let fourth = turns.begin();
        assert!(turns.is_news(fourth));
    }
}
