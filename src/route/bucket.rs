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
        if !self.prefix_lengths.is_empty() {
            // A prefix ends before a slash; one that is the whole path was met above.
            let longest = path.len().min(self.prefix_lengths.longest + 1);
            for slash in memchr::memrchr_iter(b'/', &path[..longest]) {
                if self.prefix_lengths.contains(slash)
                    && let Some(leaves) = self.paths.get(&path[..slash])
                {
                    visitor.leaf(PathRank::Prefix(slash), leaves.prefix)?;
                }
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

    #[inline]
    pub(super) fn contains(&self, length: usize) -> bool {
        length <= self.longest && self.mask & (1 << length.min(63)) != 0
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.mask == 0
    }
}
