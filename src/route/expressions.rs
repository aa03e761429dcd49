//! The path expressions of one bucket, many run as one: a set tells in a single pass over the path which of its
//! expressions, in rank order, is the first that matches. Walked by `bucket` when no exact path or prefix has won.
//!
//! Matching takes time linear in the path and, beyond [`SET_LEN_MAX`], in the number of sets. The caches of the
//! lazily built automata are the library's: one per thread that has searched, each of bounded size.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, PatternID};

use crate::config::regex::{COMPILED_BYTES_MAX, anchored};
use crate::hash::Map;

use super::bucket::{Leaf, PathRank, Places};
use super::table::{Entry, Visitor};

/// Expressions in one set: more would make the automaton's states large and slow to build.
pub(super) const SET_LEN_MAX: usize = 64;

/// Sets that were built already, by their texts: a route with many hosts stands in as many buckets.
pub(super) type Built<'a> = Map<Vec<&'a str>, Arc<Regex>>;

/// All path expressions of a bucket, in the order of their leaf.
#[derive(Debug)]
pub(super) struct Expressions {
    sets: Vec<Set>,
}

/// Neighbours that are searched together.
#[derive(Debug)]
struct Set {
    regex: Arc<Regex>,
    /// Their places among the entries of the table.
    places: Range<u32>,
}

impl Expressions {
    /// Compiles `texts`, those of the entries from `first` on.
    ///
    /// # Errors
    /// The position of a text that is no expression or too large, and why.
    pub(super) fn compile<'a>(
        texts: &[&'a str],
        first: u32,
        built: &mut Built<'a>,
    ) -> Result<Self, (usize, String)> {
        let mut sets = Vec::new();
        for (chunk, texts) in texts.chunks(SET_LEN_MAX).enumerate() {
            let position = chunk * SET_LEN_MAX;
            // Alone first: parentheses that do not pair up must not pair with those that anchor.
            for (offset, text) in texts.iter().enumerate() {
                if let Err(error) = syntax::parse_with(text, &dialect()) {
                    return Err((position + offset, error.to_string()));
                }
            }
            add(texts, position, first, built, &mut sets)?;
        }
        Ok(Expressions { sets })
    }

    /// Shows `visitor` the routes whose expression matches the whole of `path`, best first.
    #[cold]
    #[inline(never)]
    pub(super) fn walk(
        &self,
        entries: &[Entry],
        path: &[u8],
        visitor: &mut impl Visitor,
    ) -> ControlFlow<()> {
        for set in &self.sets {
            // By priority, the highest first: when this one is not wanted, none after it is.
            if !visitor.wants(entries[set.places.start as usize].priority) {
                break;
            }
            set.walk(entries, path, visitor)?;
        }
        ControlFlow::Continue(())
    }
}

impl Set {
    fn walk(&self, entries: &[Entry], path: &[u8], visitor: &mut impl Visitor) -> ControlFlow<()> {
        let all = Input::new(path).anchored(Anchored::Yes);
        // All are anchored at both ends, so the first in order that matches is what is found.
        let Some(found) = self.regex.search_half(&all) else { return ControlFlow::Continue(()) };
        let mut pattern = found.pattern();
        loop {
            let start = self.places.start + pattern.as_u32();
            if let Some(leaf) = Leaf::new(Places { start, end: start + 1 }, entries) {
                visitor.leaf(PathRank::Regex, &leaf)?;
            }
            // Its conditions do not hold, or a higher priority may follow elsewhere: the others, one by one.
            let Some(next) = self.next(entries, path, pattern, visitor) else {
                return ControlFlow::Continue(());
            };
            pattern = next;
        }
    }

    /// The first expression after `pattern` that is wanted and matches.
    fn next(
        &self,
        entries: &[Entry],
        path: &[u8],
        pattern: PatternID,
        visitor: &impl Visitor,
    ) -> Option<PatternID> {
        let rest = pattern.as_usize() + 1..self.places.len();
        rest.take_while(|&next| visitor.wants(entries[self.places.start as usize + next].priority))
            .map(PatternID::must)
            .find(|&next| {
                let one = Input::new(path).anchored(Anchored::Pattern(next));
                self.regex.search_half(&one).is_some()
            })
    }
}

/// Adds `texts` as one set, or as halves when they are too large together.
fn add<'a>(
    texts: &[&'a str],
    position: usize,
    first: u32,
    built: &mut Built<'a>,
    sets: &mut Vec<Set>,
) -> Result<(), (usize, String)> {
    let regex = match built.get(texts) {
        Some(regex) => Ok(Arc::clone(regex)),
        None => build(texts).map(Arc::new),
    };
    match regex {
        Ok(regex) => {
            built.insert(texts.to_vec(), Arc::clone(&regex));
            let start = first + position as u32;
            sets.push(Set { regex, places: start..start + texts.len() as u32 });
            Ok(())
        }
        Err(error) if texts.len() == 1 => Err((position, error)),
        Err(_) => {
            let (left, right) = texts.split_at(texts.len() / 2);
            add(left, position, first, built, sets)?;
            add(right, position + left.len(), first, built, sets)
        }
    }
}

fn build(texts: &[&str]) -> Result<Regex, String> {
    let whole: Vec<String> = texts.iter().map(|text| anchored(text)).collect();
    Regex::builder()
        .syntax(dialect())
        .configure(Config::new().utf8_empty(false).nfa_size_limit(Some(COMPILED_BYTES_MAX)))
        .build_many(&whole)
        .map_err(|error| error.to_string())
}

/// As [`crate::config::regex`] reads expressions.
fn dialect() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

#[cfg(test)]
#[path = "expressions_tests.rs"]
mod tests;
