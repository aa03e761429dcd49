//! The compiled matcher and its walk: hosts choose buckets, a bucket's paths choose leaves, a leaf lists its
//! routes. Buckets and leaves are walked best first; a [`Visitor`] says what is done with what is met. [`Search`]
//! is the one that requests use; `explain` has one that writes everything down.
//!
//! Bounds: every table is as large as the configuration it came from. What a client sends only decides
//! how many slices are hashed, and none is hashed that is longer than the longest pattern.

use std::ops::ControlFlow;

use crate::hash::Seed;

use super::bucket::{Bucket, Leaf, PathRank};
use super::conditions::Matcher;
use super::draft::Draft;
use super::index::Index;
use super::lengths::Lengths;
use super::paths::{Kind, Owner, Paths};
use super::{BadPattern, RouteSpec, Subject};

/// The compiled matcher of one listener.
#[derive(Debug, Default)]
pub struct RouteTable {
    pub(super) seed: Seed,
    /// Buckets of exact hosts.
    pub(super) exact: Index,
    /// Buckets of wildcards, by what follows `*.`.
    pub(super) wildcard: Index,
    /// Lengths of what follows `*.`.
    pub(super) wildcard_lengths: Lengths,
    /// Bytes of the longest.
    pub(super) wildcard_bytes_max: usize,
    /// Bucket of the routes without a host.
    pub(super) any: Option<u32>,
    pub(super) buckets: Vec<Bucket>,
    pub(super) paths: Paths,
    /// Each leaf is a slice of this; the leaves of one bucket are neighbours.
    pub(super) entries: Vec<Entry>,
    /// What [`Entry::conditions`] points at; routes that ask the same share one.
    pub(super) conditions: Vec<Matcher>,
    /// The highest priority of all: whoever has it and is met first has won.
    pub(super) priority_max: i32,
}

/// What stands for a hash in the bucket of the routes without a host.
pub(super) const ANY_HASH: u64 = 0;

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
    fn leaf(&mut self, rank: PathRank, leaf: &Leaf) -> ControlFlow<()>;
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
        if !self.exact.is_empty()
            && let Some((owner, bucket)) = self.bucket(&self.exact, self.exact_hash(host), host)
        {
            self.walk_bucket(HostRank::Exact, owner, bucket, subject, visitor)?;
        }
        self.walk_inexact(subject, visitor)
    }

    /// The part of the walk after the exact host.
    #[inline(never)]
    fn walk_inexact(&self, subject: &Subject<'_>, visitor: &mut impl Visitor) -> ControlFlow<()> {
        if !self.wildcard.is_empty() {
            self.walk_wildcards(subject, visitor)?;
        }
        match self.any() {
            Some((owner, bucket)) => {
                self.walk_bucket(HostRank::Any, owner, bucket, subject, visitor)
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// The longest first.
    #[inline(never)]
    fn walk_wildcards(&self, subject: &Subject<'_>, visitor: &mut impl Visitor) -> ControlFlow<()> {
        let host = subject.host;
        // At least one byte and a dot stand before what follows a wildcard.
        let bound = host.len().saturating_sub(1);
        for length in self.wildcard_lengths.below(bound, self.wildcard_bytes_max) {
            if let Some((owner, bucket)) = self.wildcard(host, length) {
                self.walk_bucket(HostRank::Wildcard(length), owner, bucket, subject, visitor)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The bucket of the wildcard that the last `length` bytes of `host` are.
    #[inline]
    fn wildcard(&self, host: &[u8], length: usize) -> Option<(Owner, &Bucket)> {
        let (before, suffix) = host.split_at_checked(host.len().checked_sub(length)?)?;
        if !before.ends_with(b".") {
            return None;
        }
        self.bucket(&self.wildcard, self.wildcard_hash(suffix), suffix)
    }

    #[inline]
    fn any(&self) -> Option<(Owner, &Bucket)> {
        let bucket = self.any?;
        Some((Owner { bucket, hash: ANY_HASH }, self.buckets.get(bucket as usize)?))
    }

    /// What the bucket of this exact host is found by.
    #[inline]
    pub(super) fn exact_hash(&self, host: &[u8]) -> u64 {
        self.seed.hash(host)
    }

    /// What the bucket of a wildcard is found by. Other than that of an exact host, as `example.org` and `*.example.org`
    /// often have the same paths.
    #[inline]
    pub(super) fn wildcard_hash(&self, suffix: &[u8]) -> u64 {
        !self.seed.hash(suffix)
    }

    #[inline(always)]
    fn bucket(&self, index: &Index, hash: u64, host: &[u8]) -> Option<(Owner, &Bucket)> {
        for place in index.find(hash) {
            let bucket = self.buckets.get(place)?;
            if bucket.host.is(host) {
                return Some((Owner { bucket: place as u32, hash }, bucket));
            }
        }
        None
    }

    #[inline(always)]
    fn walk_bucket(
        &self,
        rank: HostRank,
        owner: Owner,
        bucket: &Bucket,
        subject: &Subject<'_>,
        visitor: &mut impl Visitor,
    ) -> ControlFlow<()> {
        if !visitor.enter(rank, bucket) {
            return ControlFlow::Continue(());
        }
        let path = subject.path;
        if bucket.exact_lengths.has(path.len())
            && let Some(leaf) = self.paths.find(&self.seed, owner, Kind::Exact, path)
        {
            visitor.leaf(PathRank::Exact, leaf)?;
        }
        for length in self.paths.lengths_up_to(path.len(), bucket.prefix_lengths) {
            // A prefix ends before a slash or with the path.
            if path.get(length).is_none_or(|byte| *byte == b'/')
                && bucket.prefix_lengths.has(length)
                && let Some(prefix) = path.get(..length)
                && let Some(leaf) = self.paths.find(&self.seed, owner, Kind::Prefix, prefix)
            {
                visitor.leaf(PathRank::Prefix(length), leaf)?;
            }
        }
        if let Some(expressions) = &bucket.expressions {
            expressions.walk(&self.entries, path, visitor)?;
        }
        match &bucket.any {
            Some(leaf) => visitor.leaf(PathRank::Any, leaf),
            None => ControlFlow::Continue(()),
        }
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

    /// A leaf whose best route has conditions: takes the first that is wanted and whose conditions hold.
    #[inline(never)]
    fn choose(&mut self, leaf: &Leaf) -> ControlFlow<()> {
        for entry in leaf.entries(&self.table.entries) {
            if !self.wants(entry.priority) {
                break;
            }
            let conditions = self.table.conditions(entry);
            if conditions.is_none_or(|conditions| conditions.unmet(self.subject).is_none()) {
                return self.take(entry);
            }
        }
        ControlFlow::Continue(())
    }

    #[inline(always)]
    fn take(&mut self, entry: &Entry) -> ControlFlow<()> {
        self.best = Some(entry.route);
        self.floor = i64::from(entry.priority);
        // What follows in rank order wins only by its priority.
        match entry.priority == self.table.priority_max {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
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

    #[inline(always)]
    fn leaf(&mut self, _: PathRank, leaf: &Leaf) -> ControlFlow<()> {
        let first = &leaf.first;
        if first.conditions != Entry::UNCONDITIONAL {
            self.choose(leaf)
        } else if self.wants(first.priority) {
            self.take(first)
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
