//! `forebay plan OLD NEW [--log FILE]`: what a change of the configuration would change, without touching anything.

mod changes;
mod replay;
