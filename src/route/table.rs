//! The compiled matcher and its walk: hosts choose buckets, a bucket's paths choose leaves, a leaf lists its
//! routes. Buckets and leaves are walked best first; a [`Visitor`] says what is done with what is met. [`Search`]
//! is the one that requests use; `explain` has one that writes everything down.
//!
//! Bounds: every table is as large as the configuration it came from. What a client sends only decides
//! how many slices are hashed, and none is hashed that is longer than the longest pattern.

use std::ops::ControlFlow;

use crate::hash::Map;

use super::bucket::{Bucket, Leaf, Lengths, PathRank};
use super::conditions::Matcher;
use super::draft::Draft;
use super::{BadPattern, RouteSpec, Subject};

/// The compiled matcher of one listener.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// Buckets of exact hosts.
    pub(super) exact: Map<Box<[u8]>, u32>,
    /// Buckets of wildcards, by what follows `*.`.
    pub(super) wildcard: Map<Box<[u8]>, u32>,
    /// Lengths of the keys of `wildcard`.
    pub(super) wildcard_lengths: Lengths,
    /// Bucket of the routes without a host.
    pub(super) any: Option<u32>,
    pub(super) buckets: Vec<Bucket>,
    /// Each leaf is a slice of this; the leaves of one bucket are neighbours.
    pub(super) entries: Vec<Entry>,
    /// What [`Entry::conditions`] points at; routes that ask the same share one.
    pub(super) conditions: Vec<Matcher>,
    /// The highest priority of all: whoever has it and is met first has won.
    pub(super) priority_max: i32,
}

/// A route in a leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its index in the list that was compiled.
    pub(super) route: u32,
    pub(super) priority: i32,
    /// Index into [`RouteTable::conditions`], or [`Entry::UNCONDITIONAL`].
    pub(super) conditions: u32,
}

impl Entry {
    /// Every request meets it.
    pub(super) const UNCONDITIONAL: u32 = u32::MAX;
}

/// Which kind of host pattern matched; the greater goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostRank {
    Any,
    /// Bytes after the `*.`.
    Wildcard(usize),
    Exact,
}

/// What is done with what a walk meets. Nothing is asked that the visitor of requests does not need.
pub(super) trait Visitor {
    /// A bucket whose host matches; `false` passes it by.
    fn enter(&mut self, rank: HostRank, bucket: &Bucket) -> bool;

    /// Whether a route of this priority could still matter: asked before an expression is run.
    fn wants(&self, priority: i32) -> bool;

    /// A leaf whose path matches. `Break` ends the walk.
    fn leaf(&mut self, rank: PathRank, leaf: Leaf) -> ControlFlow<()>;
}

impl RouteTable {
    /// Compiles all of `specs`; `find` yields indexes into them.
    ///
    /// # Errors
    /// An expression that is none; what the configuration's check has passed never fails.
    pub fn compile(specs: &[RouteSpec]) -> Result<Self, BadPattern> {
        Self::compile_for(specs, |_| true)
    }

    /// Compiles those of `specs` whose index `keep` answers true for; `find` yields indexes into the whole list.
    ///
    /// # Errors
    /// As [`RouteTable::compile`].
    pub fn compile_for(
        specs: &[RouteSpec],
        keep: impl Fn(usize) -> bool,
    ) -> Result<Self, BadPattern> {
        let mut draft = Draft::default();
        for (index, spec) in specs.iter().enumerate() {
            if keep(index) {
                draft.insert(index, spec)?;
            }
        }
        draft.finish(specs)
    }

    /// The best route for `subject`: an index into the list that was compiled.
    #[inline]
    pub fn find(&self, subject: &Subject<'_>) -> Option<usize> {
        let mut search = Search::new(self, subject);
        let _ = self.walk(subject, &mut search);
        search.winner()
    }

    /// Shows `visitor` every bucket and leaf that host and path match, in the order of rank, priority aside.
    #[inline]
    pub(super) fn walk(
        &self,
        subject: &Subject<'_>,
        visitor: &mut impl Visitor,
    ) -> ControlFlow<()> {
        let host = subject.host;
        if let Some(&bucket) = self.exact.get(host) {
            self.walk_bucket(HostRank::Exact, bucket, subject, visitor)?;
        }
        // At least one byte and a dot stand before what follows a wildcard.
        for length in self.wildcard_lengths.below(host.len().saturating_sub(1)) {
            let (before, suffix) = host.split_at(host.len() - length);
            if before.ends_with(b".")
                && let Some(&bucket) = self.wildcard.get(suffix)
            {
                self.walk_bucket(HostRank::Wildcard(length), bucket, subject, visitor)?;
            }
        }
        match self.any {
            Some(bucket) => self.walk_bucket(HostRank::Any, bucket, subject, visitor),
            None => ControlFlow::Continue(()),
        }
    }

    #[inline]
    fn walk_bucket(
        &self,
        rank: HostRank,
        bucket: u32,
        subject: &Subject<'_>,
        visitor: &mut impl Visitor,
    ) -> ControlFlow<()> {
        let bucket = &self.buckets[bucket as usize];
        if !visitor.enter(rank, bucket) {
            return ControlFlow::Continue(());
        }
        bucket.walk(&self.entries, subject.path, visitor)
    }

    /// The routes of a leaf, best first.
    #[inline]
    pub(super) fn leaf(&self, leaf: Leaf) -> &[Entry] {
        leaf.of(&self.entries)
    }

    /// What a route asks besides host and path.
    #[inline]
    pub(super) fn conditions(&self, entry: &Entry) -> Option<&Matcher> {
        self.conditions.get(entry.conditions as usize)
    }
}

/// The visitor of requests: keeps the best route whose conditions hold, and stops as soon as none can be better.
#[derive(Debug)]
pub(super) struct Search<'t, 's> {
    table: &'t RouteTable,
    subject: &'t Subject<'s>,
    best: Option<u32>,
    /// Only routes above this matter: the priority of `best`, or less than any.
    floor: i64,
}

impl<'t, 's> Search<'t, 's> {
    #[inline]
    pub(super) fn new(table: &'t RouteTable, subject: &'t Subject<'s>) -> Self {
        Search { table, subject, best: None, floor: i64::MIN }
    }

    /// Its result once the walk is over.
    #[inline]
    pub(super) fn winner(&self) -> Option<usize> {
        self.best.map(|route| route as usize)
    }
}

impl Visitor for Search<'_, '_> {
    #[inline]
    fn enter(&mut self, _: HostRank, bucket: &Bucket) -> bool {
        self.wants(bucket.priority_max)
    }

    #[inline]
    fn wants(&self, priority: i32) -> bool {
        i64::from(priority) > self.floor
    }

    #[inline]
    fn leaf(&mut self, _: PathRank, leaf: Leaf) -> ControlFlow<()> {
        for entry in self.table.leaf(leaf) {
            if !self.wants(entry.priority) {
                break;
            }
            let conditions = self.table.conditions(entry);
            if conditions.is_none_or(|conditions| conditions.unmet(self.subject).is_none()) {
                self.best = Some(entry.route);
                self.floor = i64::from(entry.priority);
                // What follows in rank order wins only by its priority.
                if entry.priority == self.table.priority_max {
                    return ControlFlow::Break(());
                }
                break;
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
