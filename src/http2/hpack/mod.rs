//! HPACK (RFC 7541), without I/O: header blocks read for `server`, with a table that is never larger than was offered,
//! and written by it.

mod decode;
mod encode;
mod huffman;
mod integer;
mod table;

pub(super) use decode::{Decoder, Field, judge_static};
pub(super) use encode::Encoder;

/// A header block that nobody could have meant. What follows on the connection cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undecodable;

#[cfg(test)]
mod tests;
