//! Making a route table: routes are sorted into buckets and leaves, then each leaf into rank order. Called by
//! `table` once per listener and reload.

use std::cmp::Reverse;

use crate::config::{Conditions, HostPattern, PathPattern};
use crate::hash::Map;

use super::bucket::{Bucket, Leaf, PathLeaves};
use super::conditions::{Matcher, Patterns};
use super::expressions::{Built, Expressions};
use super::table::Entry;
use super::{BadPattern, RouteSpec, RouteTable};

/// A table whose leaves still grow.
#[derive(Default)]
pub(super) struct Draft<'a> {
    table: RouteTable,
    buckets: Vec<DraftBucket<'a>>,
    /// Where equal conditions stand already.
    conditions: Map<&'a Conditions, u32>,
    patterns: Patterns<'a>,
}

#[derive(Default)]
struct DraftBucket<'a> {
    paths: Map<&'a [u8], DraftLeaves>,
    expressions: Vec<Ranked>,
    any: Vec<Ranked>,
}

/// What becomes [`PathLeaves`].
#[derive(Default)]
struct DraftLeaves {
    exact: Vec<Ranked>,
    prefix: Vec<Ranked>,
}

/// A route with all that its place in a leaf depends on.
#[derive(Clone, Copy)]
struct Ranked {
    entry: Entry,
    n_conditions: u32,
}

impl<'a> Draft<'a> {
    /// Adds route `index`; routes come in file order.
    pub(super) fn insert(&mut self, index: usize, spec: &'a RouteSpec) -> Result<(), BadPattern> {
        let route = u32::try_from(index).expect("a configuration of four billion routes");
        let conditions = self.conditions(index, &spec.conditions)?;
        let entry = Entry { route, priority: spec.priority, conditions };
        let ranked = Ranked { entry, n_conditions: spec.conditions.len() as u32 };
        if spec.hosts.is_empty() {
            let next = self.buckets.len() as u32;
            let bucket = *self.table.any.get_or_insert(next);
            self.insert_path(bucket, ranked, &spec.path);
        }
        for host in &spec.hosts {
            let next = self.buckets.len() as u32;
            let bucket = match host {
                HostPattern::Exact(name) => {
                    *self.table.exact.entry(name.as_bytes().into()).or_insert(next)
                }
                HostPattern::Wildcard(suffix) => {
                    self.table.wildcard_lengths.insert(suffix.len());
                    *self.table.wildcard.entry(suffix.as_bytes().into()).or_insert(next)
                }
            };
            self.insert_path(bucket, ranked, &spec.path);
        }
        Ok(())
    }

    fn conditions(&mut self, route: usize, wanted: &'a Conditions) -> Result<u32, BadPattern> {
        if wanted.is_empty() {
            return Ok(Entry::UNCONDITIONAL);
        }
        if let Some(&place) = self.conditions.get(wanted) {
            return Ok(place);
        }
        let place = self.table.conditions.len() as u32;
        let matcher = Matcher::compile(wanted, &mut self.patterns)
            .map_err(|(pattern, why)| BadPattern { route, pattern: pattern.to_owned(), why })?;
        self.table.conditions.push(matcher);
        self.conditions.insert(wanted, place);
        Ok(place)
    }

    fn insert_path(&mut self, bucket: u32, ranked: Ranked, path: &'a PathPattern) {
        if bucket as usize == self.buckets.len() {
            self.buckets.push(DraftBucket::default());
        }
        let bucket = &mut self.buckets[bucket as usize];
        let leaf = match path {
            PathPattern::Any => &mut bucket.any,
            PathPattern::Exact(path) => &mut bucket.paths.entry(path.as_bytes()).or_default().exact,
            PathPattern::Regex(_) => &mut bucket.expressions,
            PathPattern::Prefix(path) => {
                let path = path.trim_end_matches('/');
                &mut bucket.paths.entry(path.as_bytes()).or_default().prefix
            }
        };
        // A route that names a host twice stands in its leaf once.
        if leaf.last().is_none_or(|last| last.entry.route != ranked.entry.route) {
            leaf.push(ranked);
        }
    }

    /// The table, of the list that the routes came from.
    pub(super) fn finish(self, specs: &'a [RouteSpec]) -> Result<RouteTable, BadPattern> {
        let mut table = self.table;
        let mut built = Built::default();
        for draft in self.buckets {
            let bucket = draft.finish(&mut table.entries, specs, &mut built)?;
            table.buckets.push(bucket);
        }
        let highest = table.buckets.iter().map(|bucket| bucket.priority_max).max();
        table.priority_max = highest.unwrap_or_default();
        Ok(table)
    }
}

impl<'a> DraftBucket<'a> {
    fn finish(
        self,
        entries: &mut Vec<Entry>,
        specs: &'a [RouteSpec],
        built: &mut Built<'a>,
    ) -> Result<Bucket, BadPattern> {
        let start = entries.len() as u32;
        let mut bucket = Bucket { any: leaf(self.any, entries), ..Bucket::default() };
        bucket.paths.reserve(self.paths.len());
        for (path, leaves) in self.paths {
            if !leaves.prefix.is_empty() {
                bucket.prefix_lengths.insert(path.len());
            }
            let leaves = PathLeaves {
                exact: leaf(leaves.exact, entries),
                prefix: leaf(leaves.prefix, entries),
            };
            bucket.paths.insert(path.into(), leaves);
        }
        if !self.expressions.is_empty() {
            let leaf = leaf(self.expressions, entries);
            bucket.expressions = Some(Box::new(expressions(leaf, entries, specs, built)?));
        }
        bucket.all = Leaf { start, end: entries.len() as u32 };
        let priorities = bucket.all.of(entries).iter().map(|entry| entry.priority);
        bucket.priority_max = priorities.max().unwrap_or_default();
        Ok(bucket)
    }
}

/// Appends `routes` in rank order.
fn leaf(mut routes: Vec<Ranked>, entries: &mut Vec<Entry>) -> Leaf {
    // Stable: equals stay in file order.
    routes.sort_by_key(|ranked| Reverse((ranked.entry.priority, ranked.n_conditions)));
    let start = entries.len() as u32;
    entries.extend(routes.iter().map(|ranked| ranked.entry));
    Leaf { start, end: entries.len() as u32 }
}

fn expressions<'a>(
    leaf: Leaf,
    entries: &[Entry],
    specs: &'a [RouteSpec],
    built: &mut Built<'a>,
) -> Result<Expressions, BadPattern> {
    let routes = leaf.of(entries).iter().map(|entry| entry.route as usize);
    let texts: Vec<&'a str> = routes
        .map(|route| match &specs[route].path {
            PathPattern::Regex(text) => text.as_str(),
            _ => "",
        })
        .collect();
    Expressions::compile(&texts, leaf.start, built).map_err(|(position, why)| BadPattern {
        route: leaf.of(entries)[position].route as usize,
        pattern: texts[position].to_owned(),
        why,
    })
}
