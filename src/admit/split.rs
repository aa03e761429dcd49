//! Which upstream of a split a request goes to. A deciding value is hashed with a fixed function onto the sum of the
//! weights, so that the same value goes the same way after restarts and reloads and on every machine, and a change of
//! the weights moves only the values whose share moved.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::config::SplitBy;
use crate::message::RequestHead;
use crate::rng::Rng;
use crate::route::cookie_values;
use crate::snapshot::Split;

/// The index of the target that `head`, as received, goes to.
pub(super) fn choose(split: &Split, head: &RequestHead, rng: &mut Rng) -> usize {
    let point = match value(split, head) {
        Some(value) => xxh3_64_with_seed(value, split.salt),
        None => rng.next_u64(),
    };
    at(split, point)
}

/// Whether a value in `head`, as received, decides.
pub(super) fn is_decided(split: &Split, head: &RequestHead) -> bool {
    value(split, head).is_some()
}

fn value<'a>(split: &Split, head: &'a RequestHead) -> Option<&'a [u8]> {
    match &split.by {
        SplitBy::Random => None,
        SplitBy::Header(name) => head.fields.named(name.as_bytes()),
        SplitBy::Cookie(name) => cookie_values(&head.fields, name.as_bytes()).next(),
    }
}

/// The target in whose share `point`, of 2^64, lies.
fn at(split: &Split, point: u64) -> usize {
    let sum = split.until.last().copied().unwrap_or_default();
    let place = ((u128::from(point) * u128::from(sum)) >> 64) as u64;
    split.until.partition_point(|until| *until <= place)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::Known;
    use crate::snapshot::{Action, compile_offline};

    fn split(route: &str, weights: &[u32], by: &str) -> Arc<Split> {
        let mut config = super::super::tests::config("");
        let target = |(n, weight): (usize, &u32)| crate::config::SplitTarget {
            upstream: ["app", "next"][n % 2].to_owned(),
            weight: *weight,
        };
        config.routes[0].name = route.to_owned();
        config.routes[0].action = crate::config::Action::Split(crate::config::Split {
            targets: weights.iter().enumerate().map(target).collect(),
            by: match by.split_once(':') {
                Some(("cookie", name)) => SplitBy::Cookie(name.to_owned()),
                Some((_, name)) => SplitBy::Header(name.to_owned()),
                None => SplitBy::Random,
            },
        });
        let snapshot = compile_offline(&config).expect("compiled");
        match &snapshot.listeners[0].1.entries[0].action {
            Action::Split(split) => Arc::clone(split),
            other => panic!("{other:?}"),
        }
    }

    fn user(value: &str) -> RequestHead {
        let mut head = RequestHead::default();
        head.fields.append(Known::of(b"x-user"), b"x-user", &[value.as_bytes()]);
        head
    }

    fn choices(split: &Split, n: u32) -> Vec<usize> {
        let mut rng = Rng::seeded(7);
        (0..n).map(|n| choose(split, &user(&format!("user-{n}")), &mut rng)).collect()
    }

    #[test]
    fn shares_are_those_of_the_weights_by_value_and_at_random() {
        for by in ["random", "header:x-user", "cookie:absent"] {
            let choices = choices(&split("r", &[95, 5], by), 100_000);
            let n_next = choices.iter().filter(|chosen| **chosen == 1).count();
            // Five standard deviations are 345.
            assert!(n_next.abs_diff(5_000) < 345, "{by}: {n_next}");
        }
    }

    #[test]
    fn a_change_of_weights_moves_only_the_share_that_changed() {
        let before = choices(&split("r", &[95, 5], "header:x-user"), 20_000);
        let after = choices(&split("r", &[90, 10], "header:x-user"), 20_000);
        let scaled = choices(&split("r", &[900, 100], "header:x-user"), 20_000);
        assert_eq!(after, scaled, "only the ratio counts");
        assert!(!before.iter().zip(&after).any(|(before, after)| before > after), "one went back");
        let n_moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(n_moved.abs_diff(1_000) < 160, "{n_moved}");
    }

    #[test]
    fn what_a_value_chooses_is_pinned_and_differs_between_routes() {
        let first = |route| choices(&split(route, &[1, 1], "header:x-user"), 32);
        let text = |choices: Vec<usize>| choices.iter().map(usize::to_string).collect::<String>();
        assert_eq!(text(first("shop")), "10011111101100000110111110101010");
        assert_eq!(text(first("blog")), "01101111100000011101010011010001");
    }

    #[test]
    fn a_weight_of_nothing_is_never_chosen_and_both_ends_are() {
        for (weights, low, high) in
            [(&[0, 3, 0][..], 1, 1), (&[1, 0, 1], 0, 2), (&[1_000_000, 1_000_000], 0, 1)]
        {
            let split = split("r", weights, "random");
            assert_eq!((at(&split, 0), at(&split, u64::MAX)), (low, high), "{weights:?}");
        }
    }
}
