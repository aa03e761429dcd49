//! Which lengths of keys occur, so that what no key can equal is not hashed. Used by `table`, `bucket` and `paths`.

/// From here on lengths are not told apart.
const LONG: usize = 63;

/// A set of lengths that may name one too many, never one too few.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    /// Bit n: a key of n bytes exists; bit 63: one of 63 or more.
    mask: u64,
}

impl Lengths {
    pub(super) fn insert(&mut self, length: usize) {
        self.mask |= 1 << length.min(LONG);
    }

    /// How many there are, the long ones counted as one.
    pub(super) fn len(self) -> u32 {
        self.mask.count_ones()
    }

    /// Whether there may be a key of this length.
    #[inline(always)]
    pub(super) fn has(self, length: usize) -> bool {
        self.mask >> length.min(LONG) & 1 != 0
    }

    /// The lengths less than `bound` that may occur, the longest first; those from 63 on up to `longest`.
    #[inline(always)]
    pub(super) fn below(self, bound: usize, longest: usize) -> Below {
        let short = self.mask & !(u64::MAX << bound.min(LONG));
        let long = match self.mask >> LONG {
            0 => LONG,
            _ => bound.min(longest + 1).max(LONG),
        };
        Below { mask: short, long }
    }
}

/// Lengths, the longest first.
#[derive(Debug)]
pub(super) struct Below {
    mask: u64,
    /// One more than the next of the long ones; 63: none is left.
    long: usize,
}

impl Iterator for Below {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.long > LONG {
            self.long -= 1;
            return Some(self.long);
        }
        let length = self.mask.checked_ilog2()?;
        self.mask ^= 1 << length;
        Some(length as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(all: &[usize]) -> Lengths {
        let mut lengths = Lengths::default();
        all.iter().for_each(|length| lengths.insert(*length));
        lengths
    }

    #[test]
    fn short_lengths_come_exactly_and_long_ones_up_to_the_longest() {
        for (all, bound, expected) in [
            (&[][..], 100, vec![]),
            (&[0, 5, 62], 100, vec![62, 5, 0]),
            (&[0, 5, 62], 62, vec![5, 0]),
            (&[0, 5, 62], 0, vec![]),
            (&[3, 63], 100, vec![63, 3]),
            (&[3, 63], 63, vec![3]),
            (&[3, 65], 100, vec![65, 64, 63, 3]),
            (&[3, 65], 65, vec![64, 63, 3]),
            (&[3, 65], 66, vec![65, 64, 63, 3]),
        ] {
            let longest = all.iter().copied().max().unwrap_or_default();
            let found: Vec<usize> = lengths(all).below(bound, longest).collect();
            assert_eq!(found, expected, "{all:?} below {bound}");
        }
    }

    #[test]
    fn only_short_lengths_are_known_to_be_missing() {
        let lengths = lengths(&[0, 62, 64]);
        for (length, expected) in [(0, true), (1, false), (61, false), (62, true), (63, true)] {
            assert_eq!(lengths.has(length), expected, "{length}");
        }
        assert!(lengths.has(usize::MAX));
    }
}
