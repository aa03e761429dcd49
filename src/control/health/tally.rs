//! What the results of checks make of a backend: up, down or unproven. Pure.

use crate::backend::{Cause, State};

/// What a backend's checks say, and how much speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    /// `Up`, `Unproven` or `Down`.
    state: State,
    /// Results in a row that speak against the state.
    n_against: u32,
}

impl Tally {
    /// One of a backend that is taken for up until its checks say otherwise.
    pub(super) const UP: Tally = Tally { state: State::Up, n_against: 0 };
    /// One of a backend that has to pass a check first.
    pub(super) const UNPROVEN: Tally = Tally { state: State::Unproven, n_against: 0 };

    /// What holds now.
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Takes a result; `Some` if the state is another now, and why. `rise` passes in a row bring a backend back,
    /// one pass proves a new one, `fall` failures in a row take either out.
    pub(super) fn record(&mut self, passed: bool, rise: u32, fall: u32) -> Option<Cause> {
        let (speaks_against, wanted) = match self.state {
            State::Unproven if passed => (true, 1),
            State::Down => (passed, rise),
            _ => (!passed, fall),
        };
        // An unproven backend's failures add up to `fall`; any other result clears what was against the state.
        self.n_against = if speaks_against { self.n_against + 1 } else { 0 };
        if self.n_against < wanted.max(1) || !speaks_against {
            return None;
        }
        let (state, cause) = match passed {
            true => (State::Up, Cause::ChecksPassed),
            false => (State::Down, Cause::ChecksFailed),
        };
        *self = Tally { state, n_against: 0 };
        Some(cause)
    }

    /// Whether it is open what the backend is: then it is asked more often.
    pub(super) fn is_changing(&self) -> bool {
        self.n_against > 0 || self.state == State::Unproven
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// The states after each of the results in `results`: `+` is a pass.
    fn states(mut tally: Tally, rise: u32, fall: u32, results: &str) -> String {
        let letter = |result: char| {
            tally.record(result == '+', rise, fall);
            match (tally.state(), tally.is_changing()) {
                (State::Up, false) => 'U',
                (State::Up, true) => 'u',
                (State::Down, false) => 'D',
                (State::Down, true) => 'd',
                _ => '?',
            }
        };
        results.chars().map(letter).collect()
    }

    #[test]
    fn so_many_results_in_a_row_change_the_state() {
        let table = [
            (Tally::UP, 2, 3, "+--+---+-++", "UuuUuuDdDdU"),
            (Tally::UP, 1, 1, "-+-+", "DUDU"),
            (Tally::UP, 3, 1, "-++-+++-", "DddDddUD"),
            (Tally::UNPROVEN, 2, 3, "+", "U"),
            (Tally::UNPROVEN, 2, 3, "--+", "??U"),
            (Tally::UNPROVEN, 2, 3, "---+-++", "??DdDdU"),
            // Never configured so, but nothing that would go on for ever.
            (Tally::UP, 0, 0, "-+", "DU"),
        ];
        for (tally, rise, fall, results, expected) in table {
            assert_eq!(states(tally, rise, fall, results), expected, "{results}");
        }
    }

    #[test]
    fn a_state_only_changes_after_as_many_results_as_configured() {
        for seed in 0..200 {
            let mut random = Rng::seeded(seed);
            let mut number = |n: u64| (random.next_u64() % n) as u32;
            let (rise, fall) = (1 + number(5), 1 + number(5));
            let mut tally = if number(2) == 0 { Tally::UP } else { Tally::UNPROVEN };
            let mut history: Vec<bool> = Vec::new();
            for _ in 0..500 {
                let (passed, before) = (number(3) > 0, tally.state());
                history.push(passed);
                let cause = tally.record(passed, rise, fall);
                assert_eq!(cause.is_some(), tally.state() != before);
                let n_last = |n: u32, wanted: bool| {
                    let n = n as usize;
                    history.len() >= n && history.iter().rev().take(n).all(|it| *it == wanted)
                };
                match (before, tally.state()) {
                    (State::Up | State::Unproven, State::Down) => assert!(n_last(fall, false)),
                    (State::Down, State::Up) => assert!(n_last(rise, true)),
                    (State::Unproven, State::Up) => assert!(n_last(1, true)),
                    (one, other) => assert_eq!(one, other),
                }
                match tally.state() {
                    State::Up => assert!(!n_last(fall, false)),
                    State::Down => assert!(!n_last(rise, true)),
                    _ => assert!(!passed),
                }
            }
        }
    }
}
