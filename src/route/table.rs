//! The compiled matcher: hosts choose buckets, a bucket's paths choose leaves, a leaf lists its routes
//! in file order. Buckets and leaves are visited best first, so the first accepted route is the winner.
//!
//! Bounds: every table is as large as the configuration it came from. What a client sends only decides
//! how many slices are hashed, and none is hashed that is longer than the longest pattern.

use crate::config::{HostPattern, PathPattern};
use crate::hash::Map;

use super::{RouteSpec, Subject};

/// The compiled matcher.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// Buckets of exact hosts.
    exact: Map<Box<[u8]>, u32>,
    /// Buckets of wildcards, by what follows `*.`.
    wildcard: Map<Box<[u8]>, u32>,
    /// Lengths of the keys of `wildcard`.
    wildcard_lengths: Lengths,
    /// Bucket of the routes without a host.
    any: Option<u32>,
    buckets: Vec<Bucket>,
    /// Route indexes; each leaf is a slice of this.
    routes: Vec<u32>,
}

impl RouteTable {
    /// Compiles routes in rank order of file position; `find` yields indexes into `specs`.
    pub fn compile(specs: &[RouteSpec]) -> Self {
        let mut draft = Draft::default();
        for (index, spec) in specs.iter().enumerate() {
            let index = u32::try_from(index).expect("a configuration of four billion routes");
            draft.insert(index, spec);
        }
        draft.finish()
    }

    /// The best route for `subject`.
    #[inline]
    pub fn find(&self, subject: &Subject<'_>) -> Option<usize> {
        self.find_where(subject.host, subject.path, |_| true)
    }

    /// The best route for `host` and `path` that `accept` does not turn down. Routes are offered best
    /// first, each at most once for each of its host patterns that match.
    #[inline]
    pub fn find_where(
        &self,
        host: &[u8],
        path: &[u8],
        mut accept: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let mut search = |bucket: u32| {
            self.buckets[bucket as usize].find(path, |leaf| {
                let routes = &self.routes[leaf.start as usize..leaf.end as usize];
                routes.iter().map(|&route| route as usize).find(|&route| accept(route))
            })
        };
        if let Some(&bucket) = self.exact.get(host)
            && let Some(route) = search(bucket)
        {
            return Some(route);
        }
        if !self.wildcard.is_empty() {
            for dot in memchr::memchr_iter(b'.', host) {
                let suffix = &host[dot + 1..];
                if dot > 0
                    && self.wildcard_lengths.contains(suffix.len())
                    && let Some(&bucket) = self.wildcard.get(suffix)
                    && let Some(route) = search(bucket)
                {
                    return Some(route);
                }
            }
        }
        self.any.and_then(search)
    }
}

/// The routes of one host pattern.
#[derive(Debug, Default)]
struct Bucket {
    /// Leaves by path. Exact paths and prefixes share one map, so that a whole path is hashed once.
    paths: Map<Box<[u8]>, PathLeaves>,
    /// Lengths of the prefixes in `paths`.
    prefix_lengths: Lengths,
    /// Routes without a path.
    any: Leaf,
}

impl Bucket {
    #[inline]
    fn find(&self, path: &[u8], mut visit: impl FnMut(Leaf) -> Option<usize>) -> Option<usize> {
        if let Some(leaves) = self.paths.get(path)
            && let Some(route) = visit(leaves.exact).or_else(|| visit(leaves.prefix))
        {
            return Some(route);
        }
        if !self.prefix_lengths.is_empty() {
            // A prefix ends before a slash; one that is the whole path was met above.
            let longest = path.len().min(self.prefix_lengths.longest + 1);
            for slash in memchr::memrchr_iter(b'/', &path[..longest]) {
                if self.prefix_lengths.contains(slash)
                    && let Some(leaves) = self.paths.get(&path[..slash])
                    && let Some(route) = visit(leaves.prefix)
                {
                    return Some(route);
                }
            }
        }
        visit(self.any)
    }
}

/// The routes of one path in one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct PathLeaves {
    exact: Leaf,
    prefix: Leaf,
}

/// A slice of [`RouteTable::routes`].
#[derive(Clone, Copy, Debug, Default)]
struct Leaf {
    start: u32,
    end: u32,
}

/// Which key lengths occur, so that slices no pattern can equal are not hashed.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    /// Bit n: a key of n bytes exists; bit 63: one of 63 or more.
    mask: u64,
    longest: usize,
}

impl Lengths {
    fn insert(&mut self, length: usize) {
        self.mask |= 1 << length.min(63);
        self.longest = self.longest.max(length);
    }

    #[inline]
    fn contains(&self, length: usize) -> bool {
        length <= self.longest && self.mask & (1 << length.min(63)) != 0
    }

    fn is_empty(&self) -> bool {
        self.mask == 0
    }
}

/// A table whose leaves still grow.
#[derive(Default)]
struct Draft {
    table: RouteTable,
    buckets: Vec<DraftBucket>,
}

#[derive(Default)]
struct DraftBucket {
    paths: Map<Box<[u8]>, DraftLeaves>,
    any: Vec<u32>,
}

/// What becomes [`PathLeaves`].
#[derive(Default)]
struct DraftLeaves {
    exact: Vec<u32>,
    prefix: Vec<u32>,
}

impl Draft {
    fn insert(&mut self, index: u32, spec: &RouteSpec) {
        if spec.hosts.is_empty() {
            let next = self.buckets.len() as u32;
            let bucket = *self.table.any.get_or_insert(next);
            self.insert_path(bucket, index, &spec.path);
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
            self.insert_path(bucket, index, &spec.path);
        }
    }

    fn insert_path(&mut self, bucket: u32, index: u32, path: &PathPattern) {
        if bucket as usize == self.buckets.len() {
            self.buckets.push(DraftBucket::default());
        }
        let bucket = &mut self.buckets[bucket as usize];
        let leaf = match path {
            PathPattern::Any => &mut bucket.any,
            PathPattern::Exact(path) => {
                &mut bucket.paths.entry(path.as_bytes().into()).or_default().exact
            }
            // No section reads it yet.
            PathPattern::Regex(_) => return,
            PathPattern::Prefix(path) => {
                let path = path.trim_end_matches('/');
                &mut bucket.paths.entry(path.as_bytes().into()).or_default().prefix
            }
        };
        // A route that names a host twice stands in its leaf once.
        if leaf.last() != Some(&index) {
            leaf.push(index);
        }
    }

    fn finish(self) -> RouteTable {
        let mut table = self.table;
        let mut leaf = |indexes: &[u32]| {
            let start = table.routes.len() as u32;
            table.routes.extend_from_slice(indexes);
            Leaf { start, end: table.routes.len() as u32 }
        };
        for draft in self.buckets {
            let mut bucket = Bucket { any: leaf(&draft.any), ..Bucket::default() };
            bucket.paths.reserve(draft.paths.len());
            for (path, leaves) in draft.paths {
                if !leaves.prefix.is_empty() {
                    bucket.prefix_lengths.insert(path.len());
                }
                let leaves =
                    PathLeaves { exact: leaf(&leaves.exact), prefix: leaf(&leaves.prefix) };
                bucket.paths.insert(path, leaves);
            }
            table.buckets.push(bucket);
        }
        table
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
