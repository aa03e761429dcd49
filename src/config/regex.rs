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
    let free = build(text)?;
    // Checked alone first: parentheses that do not pair up must not pair with ours.
    if whole { build(&anchored(text)) } else { Ok(free) }
}

/// The expression that matches where `text` matches the whole.
pub fn anchored(text: &str) -> String {
    format!("^(?:{text})$")
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).size_limit(COMPILED_BYTES_MAX).build()
}
