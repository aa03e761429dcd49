//! Regular expressions as the configuration means them: over bytes, `\\d` is 0 to 9, `.` any byte but a line break,
//! case-sensitive unless the expression says `(?i)`. Matching takes time linear in the text.

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of a compiled expression.
pub const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Compiles `text`; `whole`: it matches from the first byte to the last or not at all.
///
/// # Errors
/// It is no expression, or larger than [`COMPILED_BYTES_MAX`].
pub fn compile(text: &str, whole: bool) -> Result<Regex, regex::Error> {
    if !whole {
        return build(text);
    }
    // Parsed alone first: parentheses that do not pair up must not pair with ours.
    if regex_syntax::ast::parse::Parser::new().parse(text).is_err() {
        build(text)?;
    }
    // What is wrong is told about the text alone.
    build(&anchored(text)).map_err(|error| build(text).err().unwrap_or(error))
}

/// The expression that matches where `text` matches the whole.
pub fn anchored(text: &str) -> String {
    format!("^(?:{text})$")
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).size_limit(COMPILED_BYTES_MAX).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_matched_or_nothing() {
        let regex = compile("a|b+", true).expect("an expression");
        for (text, expected) in [("a", true), ("bb", true), ("ab", false), ("xa", false)] {
            assert_eq!(regex.is_match(text.as_bytes()), expected, "{text}");
        }
        assert!(compile("a", false).expect("an expression").is_match(b"xax"));
    }

    #[test]
    fn parentheses_do_not_pair_with_ours() {
        for text in ["a)(?:b", ")", "(", "a)|(?:b"] {
            assert!(compile(text, true).is_err(), "{text}");
            assert!(compile(text, false).is_err(), "{text}");
        }
    }
}
