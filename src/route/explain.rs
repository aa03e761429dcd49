//! Why a request gets the route it gets, and why not each other one: the walk that requests take, written down.
//! Called by the command line; nothing here runs for a request.

use std::cmp::Reverse;
use std::fmt;
use std::ops::ControlFlow;

use crate::hash::{Map, Set};

use super::bucket::{Bucket, Leaf, PathRank};
use super::conditions::Which;
use super::table::{HostRank, Search, Visitor};
use super::words;
use super::{RouteSpec, RouteTable, Subject};

/// What became of one route; the order is the one in which they are shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The request takes it.
    Wins,
    /// It matches, and so does a better one.
    Outranked {
        /// What makes the winner the better one.
        by: Rank,
    },
    /// Host and path match. Holds which condition does not, in words: what was wanted and what came.
    Condition(String),
    /// One of its hosts matches, its path does not.
    PathDiffers,
    /// None of its hosts matches.
    HostDiffers,
}

/// What decides between two routes that match, the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Rank {
    Priority,
    Host,
    Path,
    Conditions,
    FileOrder,
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rank::Priority => "priority",
            Rank::Host => "host",
            Rank::Path => "path",
            Rank::Conditions => "number of conditions",
            Rank::FileOrder => "file order",
        })
    }
}

impl RouteTable {
    /// Every route of this table with its verdict: the winner, those it outranks from best to worst, those with a
    /// condition that does not hold from best to worst, then in file order those whose path differs and those whose
    /// host does.
    /// `specs` are those that the table was compiled from.
    pub fn explain(&self, subject: &Subject<'_>, specs: &[RouteSpec]) -> Vec<(usize, Verdict)> {
        let mut recorder = Recorder::new(self, subject);
        let _ = self.walk(subject, &mut recorder);
        let winner = recorder.search.winner().and_then(|winner| recorder.met.get(&winner)).copied();
        let mut met: Vec<(usize, Met)> = recorder.met.iter().map(|(at, met)| (*at, *met)).collect();
        met.sort_by_key(|(route, met)| Reverse(met.rank(*route, &specs[*route])));
        let mut verdicts: Vec<(usize, Verdict)> = met
            .into_iter()
            .map(|(route, met)| {
                let verdict = match (met.unmet, winner) {
                    (Some(which), _) => {
                        Verdict::Condition(words::unmet(which, &specs[route].conditions, subject))
                    }
                    (None, Some(winner)) if winner.route != route => {
                        Verdict::Outranked { by: decisive(&winner, &met, specs) }
                    }
                    (None, _) => Verdict::Wins,
                };
                (route, verdict)
            })
            .collect();
        let mut rest: Vec<usize> = self.entries.iter().map(|entry| entry.route as usize).collect();
        rest.sort_unstable();
        rest.dedup();
        rest.retain(|route| !recorder.met.contains_key(route));
        verdicts.extend(rest.into_iter().map(|route| match recorder.reached.contains(&route) {
            true => (route, Verdict::PathDiffers),
            false => (route, Verdict::HostDiffers),
        }));
        // Stable: within a kind, the order made above stays.
        verdicts.sort_by_key(|(_, verdict)| kind(verdict));
        verdicts
    }
}

/// The place of a verdict's kind in the order they are shown in.
fn kind(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Wins => 0,
        Verdict::Outranked { .. } => 1,
        Verdict::Condition(_) => 2,
        Verdict::PathDiffers => 3,
        Verdict::HostDiffers => 4,
    }
}

/// A route whose host and path match.
#[derive(Clone, Copy, Debug)]
struct Met {
    route: usize,
    host: HostRank,
    path: PathRank,
    unmet: Option<Which>,
}

impl Met {
    /// Greater is better.
    fn rank(
        &self,
        route: usize,
        spec: &RouteSpec,
    ) -> (i32, HostRank, PathRank, usize, Reverse<usize>) {
        (spec.priority, self.host, self.path, spec.conditions.len(), Reverse(route))
    }
}

/// The first part of the rank in which the two differ.
fn decisive(winner: &Met, other: &Met, specs: &[RouteSpec]) -> Rank {
    let won = winner.rank(winner.route, &specs[winner.route]);
    let lost = other.rank(other.route, &specs[other.route]);
    if won.0 != lost.0 {
        Rank::Priority
    } else if won.1 != lost.1 {
        Rank::Host
    } else if won.2 != lost.2 {
        Rank::Path
    } else if won.3 != lost.3 {
        Rank::Conditions
    } else {
        Rank::FileOrder
    }
}

/// The visitor that passes nothing by. The winner is still the search's own.
struct Recorder<'t, 's> {
    search: Search<'t, 's>,
    table: &'t RouteTable,
    subject: &'t Subject<'s>,
    host: HostRank,
    /// The best way in which each route was met: the first.
    met: Map<usize, Met>,
    /// Routes one of whose hosts matches.
    reached: Set<usize>,
}

impl<'t, 's> Recorder<'t, 's> {
    fn new(table: &'t RouteTable, subject: &'t Subject<'s>) -> Self {
        Recorder {
            search: Search::new(table, subject),
            table,
            subject,
            host: HostRank::Any,
            met: Map::default(),
            reached: Set::default(),
        }
    }
}

impl Visitor for Recorder<'_, '_> {
    fn enter(&mut self, rank: HostRank, bucket: &Bucket) -> bool {
        self.host = rank;
        let routes = bucket.all.of(&self.table.entries).iter();
        self.reached.extend(routes.map(|entry| entry.route as usize));
        true
    }

    fn wants(&self, _: i32) -> bool {
        true
    }

    fn leaf(&mut self, path: PathRank, leaf: &Leaf) -> ControlFlow<()> {
        // Once it has its winner, nothing it is shown is above its floor.
        let _ = self.search.leaf(path, leaf);
        for entry in leaf.entries(&self.table.entries) {
            let route = entry.route as usize;
            let conditions = self.table.conditions(entry);
            let unmet = conditions.and_then(|conditions| conditions.unmet(self.subject));
            self.met.entry(route).or_insert(Met { route, host: self.host, path, unmet });
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
