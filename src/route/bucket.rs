//! The routes of one host pattern, and the leaves that list routes. The paths of all buckets stand in `paths`. Walked by
//! `table`.

use super::expressions::Expressions;
use super::key::Key;
use super::lengths::Lengths;
use super::table::Entry;

/// The routes of one host pattern. What every lookup reads stands in the first cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    /// The host, or what follows `*.`; empty for the routes without a host.
    pub(super) host: Key,
    /// Lengths of its exact paths.
    pub(super) exact_lengths: Lengths,
    /// Lengths of its prefixes.
    pub(super) prefix_lengths: Lengths,
    /// The highest priority among its routes.
    pub(super) priority_max: i32,
    /// Routes without a path.
    pub(super) any: Option<Leaf>,
    /// Routes with an expression; most buckets have none.
    pub(super) expressions: Option<Box<Expressions>>,
    /// All routes of this bucket.
    pub(super) all: Places,
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

/// The routes of one path: by priority, then number of conditions, the highest first, then in file order. There is at
/// least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    /// The best of them; seldom is there another one.
    pub(super) first: Entry,
    /// The others.
    pub(super) rest: Places,
}

/// A slice of [`super::RouteTable::entries`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Places {
    /// The routes it stands for.
    #[inline]
    pub(super) fn of(self, entries: &[Entry]) -> &[Entry] {
        &entries[self.start as usize..self.end as usize]
    }
}

impl Leaf {
    /// The leaf of the routes in `places`; `None` when that is empty.
    #[inline]
    pub(super) fn new(places: Places, entries: &[Entry]) -> Option<Self> {
        let first = *places.of(entries).first()?;
        Some(Leaf { first, rest: Places { start: places.start + 1, end: places.end } })
    }

    /// Its routes, best first.
    #[inline]
    pub(super) fn entries<'a>(&'a self, entries: &'a [Entry]) -> impl Iterator<Item = &'a Entry> {
        std::iter::once(&self.first).chain(self.rest.of(entries))
    }
}
