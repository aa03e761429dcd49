//! Making a route table: routes are sorted into buckets and leaves, then each leaf into rank order. Called by
//! `table` once per listener and reload.

use std::cmp::Reverse;

use crate::config::{Conditions, HostPattern, PathPattern};
use crate::hash::Map;

use super::bucket::{Bucket, Leaf, Places};
use super::conditions::{Matcher, Patterns};
use super::expressions::{Built, Expressions};
use super::index::Index;
use super::key::Key;
use super::paths::{Kind, Owner, Paths};
use super::table::{ANY_HASH, Entry};
use super::{BadPattern, RouteSpec, RouteTable};

/// A table whose leaves still grow.
#[derive(Default)]
pub(super) struct Draft<'a> {
    table: RouteTable,
    exact: Map<&'a [u8], u32>,
    wildcard: Map<&'a [u8], u32>,
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

/// All leaves that are found by their paths.
type PathLeaves<'a> = Vec<(Owner, Kind, &'a [u8], Leaf)>;

/// The routes of one path.
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
                HostPattern::Exact(name) => *self.exact.entry(name.as_bytes()).or_insert(next),
                HostPattern::Wildcard(suffix) => {
                    *self.wildcard.entry(suffix.as_bytes()).or_insert(next)
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
        let mut hosts = vec![(&b""[..], ANY_HASH); self.buckets.len()];
        for (&host, &bucket) in &self.exact {
            hosts[bucket as usize] = (host, table.exact_hash(host));
        }
        for (&suffix, &bucket) in &self.wildcard {
            hosts[bucket as usize] = (suffix, table.wildcard_hash(suffix));
            table.wildcard_lengths.insert(suffix.len());
            table.wildcard_bytes_max = table.wildcard_bytes_max.max(suffix.len());
        }
        let index = |places: &Map<&[u8], u32>| {
            let hashes = places.values().map(|bucket| (hosts[*bucket as usize].1, *bucket));
            Index::new(&hashes.collect::<Vec<_>>())
        };
        table.exact = index(&self.exact);
        table.wildcard = index(&self.wildcard);
        let mut built = Built::default();
        let mut leaves = PathLeaves::new();
        for ((draft, (host, hash)), bucket) in self.buckets.into_iter().zip(hosts).zip(0..) {
            let start = table.entries.len() as u32;
            let owner = Owner { bucket, hash };
            let mut bucket =
                draft.finish(owner, &mut leaves, &mut table.entries, specs, &mut built)?;
            bucket.host = Key::new(host);
            bucket.all = Places { start, end: table.entries.len() as u32 };
            let priorities = bucket.all.of(&table.entries).iter().map(|entry| entry.priority);
            bucket.priority_max = priorities.max().unwrap_or_default();
            table.buckets.push(bucket);
        }
        table.paths = Paths::new(&leaves, &table.seed);
        let highest = table.buckets.iter().map(|bucket| bucket.priority_max).max();
        table.priority_max = highest.unwrap_or_default();
        Ok(table)
    }
}

impl<'a> DraftBucket<'a> {
    fn finish(
        self,
        owner: Owner,
        leaves: &mut PathLeaves<'a>,
        entries: &mut Vec<Entry>,
        specs: &'a [RouteSpec],
        built: &mut Built<'a>,
    ) -> Result<Bucket, BadPattern> {
        let any = append(self.any, entries);
        let mut bucket = Bucket { any: Leaf::new(any, entries), ..Bucket::default() };
        for (path, routes) in self.paths {
            let exact = append(routes.exact, entries);
            if let Some(leaf) = Leaf::new(exact, entries) {
                bucket.exact_lengths.insert(path.len());
                leaves.push((owner, Kind::Exact, path, leaf));
            }
            let prefix = append(routes.prefix, entries);
            if let Some(leaf) = Leaf::new(prefix, entries) {
                bucket.prefix_lengths.insert(path.len());
                leaves.push((owner, Kind::Prefix, path, leaf));
            }
        }
        if !self.expressions.is_empty() {
            let places = append(self.expressions, entries);
            bucket.expressions = Some(Box::new(expressions(places, entries, specs, built)?));
        }
        Ok(bucket)
    }
}

/// Appends `routes` in rank order.
fn append(mut routes: Vec<Ranked>, entries: &mut Vec<Entry>) -> Places {
    // Stable: equals stay in file order.
    routes.sort_by_key(|ranked| Reverse((ranked.entry.priority, ranked.n_conditions)));
    let start = entries.len() as u32;
    entries.extend(routes.iter().map(|ranked| ranked.entry));
    Places { start, end: entries.len() as u32 }
}

fn expressions<'a>(
    places: Places,
    entries: &[Entry],
    specs: &'a [RouteSpec],
    built: &mut Built<'a>,
) -> Result<Expressions, BadPattern> {
    let routes = places.of(entries).iter().map(|entry| entry.route as usize);
    let texts: Vec<&'a str> = routes
        .map(|route| match &specs[route].path {
            PathPattern::Regex(text) => text.as_str(),
            _ => "",
        })
        .collect();
    Expressions::compile(&texts, places.start, built).map_err(|(position, why)| BadPattern {
        route: places.of(entries)[position].route as usize,
        pattern: texts[position].to_owned(),
        why,
    })
}
