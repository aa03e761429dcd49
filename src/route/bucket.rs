//! The routes of one host pattern: their paths choose leaves. Walked by `table`.

use std::ops::ControlFlow;

use crate::hash::Map;

use super::expressions::Expressions;
use super::table::{Entry, Visitor};

/// The routes of one host pattern.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Leaves by path. Exact paths and prefixes share one map, so that a whole path is hashed once.
    pub(super) paths: Map<Box<[u8]>, PathLeaves>,
    /// Lengths of the prefixes in `paths`.
    pub(super) prefix_lengths: Lengths,
    /// Routes with an expression; most buckets have none.
    pub(super) expressions: Option<Box<Expressions>>,
    /// Routes without a path.
    pub(super) any: Leaf,
    /// All routes of this bucket.
    pub(super) all: Leaf,
    /// The highest priority among them.
    pub(super) priority_max: i32,
}

/// Which kind of path pattern matched; the greater goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathRank {
    Any,
    Regex,
    /// Bytes of the prefix.
    Prefix(usize),
    Exact,
}

impl Bucket {
    /// Shows `visitor` the leaves that `path` matches, best first.
    #[inline]
    pub(super) fn walk(
        &self,
        entries: &[Entry],
        path: &[u8],
        visitor: &mut impl Visitor,
    ) -> ControlFlow<()> {
        if let Some(leaves) = self.paths.get(path) {
            visitor.leaf(PathRank::Exact, leaves.exact)?;
            visitor.leaf(PathRank::Prefix(path.len()), leaves.prefix)?;
        }
        // A prefix ends before a slash; one that is the whole path was met above.
        for length in self.prefix_lengths.below(path.len()) {
            if path[length] == b'/'
                && let Some(leaves) = self.paths.get(&path[..length])
            {
                visitor.leaf(PathRank::Prefix(length), leaves.prefix)?;
            }
        }
        if let Some(expressions) = &self.expressions {
            expressions.walk(entries, path, visitor)?;
        }
        visitor.leaf(PathRank::Any, self.any)
    }
}

/// The routes of one path in one bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathLeaves {
    pub(super) exact: Leaf,
    pub(super) prefix: Leaf,
}

/// A slice of [`super::RouteTable::entries`]: by priority, then number of conditions, the highest first, then in file
/// order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaf {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Leaf {
    /// The routes it stands for.
    #[inline]
    pub(super) fn of(self, entries: &[Entry]) -> &[Entry] {
        &entries[self.start as usize..self.end as usize]
    }
}

/// Which key lengths occur, so that slices no pattern can equal are not hashed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    /// Bit n: a key of n bytes exists; bit 63: one of 63 or more.
    mask: u64,
    longest: usize,
}

impl Lengths {
    pub(super) fn insert(&mut self, length: usize) {
        self.mask |= 1 << length.min(63);
        self.longest = self.longest.max(length);
    }

    /// The lengths less than `bound` that may occur, the longest first: from 63 on each up to the longest, below
    /// just those that do.
    #[inline]
    pub(super) fn below(self, bound: usize) -> impl Iterator<Item = usize> {
        let long = match self.longest {
            0..63 => 63..63,
            longest => 63..bound.min(longest + 1),
        };
        let mut short = self.mask & ((1 << bound.min(63)) - 1);
        let short = std::iter::from_fn(move || {
            let length = short.checked_ilog2()?;
            short ^= 1 << length;
            Some(length as usize)
        });
        long.rev().chain(short)
    }
}
