//! What a route rewrites before a backend gets the request: its path, and the Host. Compiled with the snapshot,
//! applied once a request after the route's filters.

use regex::bytes::Regex;

use super::Facts;
use super::render::{render, split_query};
use crate::config::{self, template::Template};
use crate::error::Reason;
use crate::message::RequestHead;
use crate::route::normalize;

/// A compiled `route.rewrite`.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Expression and replacement.
    regex: Option<(Regex, Box<[u8]>)>,
    /// Normalised, without a trailing slash.
    strip: Option<Box<[u8]>>,
    add: Box<[u8]>,
    host: Option<Template>,
}

impl Rewrite {
    /// Compiles what was written; `None` where it changes nothing.
    ///
    /// # Errors
    /// `regex.from` is no expression, or too large a one: see [`config::regex::compile`].
    pub fn compile(written: &config::Rewrite) -> Result<Option<Rewrite>, regex::Error> {
        if *written == config::Rewrite::default() {
            return Ok(None);
        }
        let compiled = written.regex.as_ref().map(|regex| {
            let to = regex.to.as_bytes().into();
            config::regex::compile(&regex.from, false).map(|from| (from, to))
        });
        let prefix = |path: &String| path.trim_end_matches('/').as_bytes().to_vec();
        Ok(Some(Rewrite {
            regex: compiled.transpose()?,
            strip: written.strip_prefix.as_ref().map(|path| normal_form(prefix(path)).into()),
            add: written.add_prefix.as_ref().map(prefix).unwrap_or_default().into(),
            host: written.host.clone(),
        }))
    }

    /// Rewrites the target as it would be sent: first the regular expression, then the prefix off, then the
    /// other prefix on. The query stays, behind one that the expression wrote; the path begins with `/`
    /// whatever comes out. `*` (of OPTIONS) is left alone.
    ///
    /// `matched` is the path that the route was found with, where it is not the target's: else a request would get
    /// past its rewrite by another spelling.
    ///
    /// Leaves in `host` the Host that backends are to see; empty: as their upstream says. Nothing is kept in
    /// `scratch`.
    ///
    /// # Errors
    /// [`Reason::BadPath`] where the expression made a dot segment of what the client wrote.
    pub fn apply(
        &self,
        head: &mut RequestHead,
        matched: &[u8],
        facts: &Facts<'_>,
        host: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        host.clear();
        if let Some(template) = &self.host {
            render(template, head, facts, host);
            host.retain(|byte| may_stand_in_host(*byte));
        }
        if head.target().starts_with(b"/")
            && self.rewrite_target(head.target(), matched, scratch)?
        {
            head.set_target(&[scratch]);
        }
        Ok(())
    }

    /// Leaves the new target in `out`; `false`: it stays as it is.
    fn rewrite_target(
        &self,
        target: &[u8],
        matched: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Reason> {
        out.clear();
        let (received_path, query) = split_query(target);
        let matched = if matched.is_empty() { received_path } else { matched };
        let replaced = self.regex.as_ref().and_then(|(from, to)| replace(from, to, matched));
        let replaced_path = replaced.as_deref().map(split_query);
        if replaced_path.is_some_and(|(path, _)| has_dot_segment(path)) {
            return Err(Reason::BadPath);
        }
        let (path, own_query) = replaced_path.unwrap_or((received_path, b""));
        let stripped = self.strip.as_ref().and_then(|prefix| match replaced {
            Some(_) => strip(path, prefix),
            // Merged slashes are seen in `matched` only.
            None => strip(path, prefix).or_else(|| strip(matched, prefix)),
        });
        if replaced.is_none() && stripped.is_none() && self.add.is_empty() {
            return Ok(false);
        }
        out.extend_from_slice(&self.add);
        let rest = stripped.as_deref().unwrap_or(path);
        if out.is_empty() && !rest.starts_with(b"/") {
            out.push(b'/');
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(own_query);
        match query {
            [b'?', rest @ ..] if !own_query.is_empty() => {
                if own_query.len() > 1 && !rest.is_empty() {
                    out.push(b'&');
                }
                out.extend_from_slice(rest);
            }
            _ => out.extend_from_slice(query),
        }
        Ok(true)
    }
}

/// `path` with the first match of `from` replaced, as a target; `None` where it does not match.
fn replace(from: &Regex, to: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let captures = from.captures(path)?;
    let all = captures.get(0)?;
    let mut made = path[..all.start()].to_vec();
    captures.expand(to, &mut made);
    made.extend_from_slice(&path[all.end()..]);
    let mut target = Vec::with_capacity(made.len() + 1);
    if !made.starts_with(b"/") {
        target.push(b'/');
    }
    for byte in made {
        match byte {
            b'!'..=b'~' if !matches!(byte, b'#' | b'\\') => target.push(byte),
            _ => target.extend_from_slice(&escaped(byte)),
        }
    }
    Some(target)
}

/// Whether a program that decodes `path` once more may find a dot segment in it, parameters left out.
fn has_dot_segment(path: &[u8]) -> bool {
    decoded(path).split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    })
}

/// Every escape undone once.
fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (mut out, mut rest) = (Vec::with_capacity(path.len()), path);
    while let [first, after @ ..] = rest {
        rest = after;
        let escape = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        if escape.is_some() {
            rest = &after[2..];
        }
        out.push(escape.map_or(*first, |(high, low)| (high << 4 | low) as u8));
    }
    out
}

/// `%2F` and the like.
fn escaped(byte: u8) -> [u8; 3] {
    let digit = |n: u8| b"0123456789ABCDEF"[usize::from(n & 15)];
    [b'%', digit(byte >> 4), digit(byte)]
}

/// `path` without `prefix`, whole segments; `None` where it does not begin with it.
///
/// A route is found by the normalised path, so the prefix counts however its escapes were spelled. What is left
/// is spelled as it was, but without dot segments: those might lead out of what was stripped.
fn strip<'a>(path: &'a [u8], prefix: &[u8]) -> Option<std::borrow::Cow<'a, [u8]>> {
    let (mut normal, mut resolved) = (Vec::new(), Vec::new());
    // What cannot be normalised was written by the regular expression: its spelling counts.
    let normalized = normalize(path, false, &mut normal, &mut resolved).ok();
    let compared = if normal.is_empty() { path } else { &normal };
    let rest = compared.strip_prefix(prefix)?;
    if !rest.is_empty() && !rest.starts_with(b"/") {
        return None;
    }
    // No slash is ever escaped: both spellings have the same segments.
    let n_segments = memchr::memchr_iter(b'/', prefix).count();
    Some(match normalized.is_some_and(|normalized| normalized.segments_removed()) {
        true => resolved.split_off(end_of_segments(&resolved, n_segments)).into(),
        false => path[end_of_segments(path, n_segments)..].into(),
    })
}

/// Where the first `n` segments of `path` end.
fn end_of_segments(path: &[u8], n: usize) -> usize {
    memchr::memchr_iter(b'/', path).nth(n).unwrap_or(path.len())
}

fn normal_form(path: Vec<u8>) -> Vec<u8> {
    let (mut normal, mut resolved) = (Vec::new(), Vec::new());
    match normalize(&path, false, &mut normal, &mut resolved) {
        Ok(_) if !normal.is_empty() => normal,
        _ => path,
    }
}

/// RFC 3986, section 3.2: what a host and a port are written with.
fn may_stand_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
