//! Durations and sizes as operators write them: a number with a unit. Pure text in, number out; the
//! messages say what is wrong, the reader says where.

use std::time::Duration;

/// The longest duration that is accepted: a year. Longer ones are typing errors, `"off"` is for ever.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(365 * 86_400);

/// `"250ms"`, `"5s"`, `"1m30s"`, `"1h"`, `"2d"`: whole numbers, each unit once, larger units first.
///
/// The error says what is wrong with the text, to follow it in a sentence.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    let mut last_unit = Duration::MAX;
    if rest.is_empty() {
        return Err("is empty");
    }
    while !rest.is_empty() {
        let (number, unit, after) = number_and_word(rest)?;
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86_400),
            "" => return Err("has no unit"),
            _ => return Err("has a unit that does not exist"),
        };
        if unit >= last_unit {
            return Err("has its units out of order");
        }
        last_unit = unit;
        let part = u32::try_from(number).ok().and_then(|number| unit.checked_mul(number));
        total = match part.and_then(|part| total.checked_add(part)) {
            Some(sum) if sum <= DURATION_MAX => sum,
            _ => return Err("is longer than a year"),
        };
        rest = after;
    }
    Ok(total)
}

/// `"8KiB"`, `"1MiB"`, `"10MB"`, `"512B"`, in bytes. `k`, `m`, `g` and `KiB`, `MiB`, `GiB`, `TiB` count by
/// 1024, `KB`, `MB`, `GB`, `TB` by 1000; case does not matter.
///
/// The error says what is wrong with the text, to follow it in a sentence.
pub(crate) fn parse_size(text: &str) -> Result<u64, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    let (number, unit, rest) = number_and_word(text)?;
    if !rest.is_empty() {
        return Err("is not one number with one unit");
    }
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "" => return Err("has no unit"),
        _ => return Err("has a unit that does not exist"),
    };
    number.checked_mul(unit).ok_or("is too large")
}

/// A duration as an operator would write it, to the millisecond: `1m30s`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= ms {
            text.push_str(&format!("{}{unit}", rest / ms));
            rest %= ms;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// A size as an operator would write it: `32KiB`, or bytes where that is not exact.
pub(crate) fn show_size(bytes: u64) -> String {
    for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

/// Splits `12ms…` into 12, `ms` and what follows the letters; a space may stand before the letters.
fn number_and_word(text: &str) -> Result<(u64, &str, &str), &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err(if text.starts_with('-') {
            "is negative"
        } else {
            "does not start with a number"
        });
    }
    if rest.starts_with(['.', ',']) {
        return Err("is not a whole number");
    }
    let number = number.parse().map_err(|_| "is too large")?;
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, rest) = rest.split_at(letters);
    Ok((number, word, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_in_falling_order() {
        let ms = |ms| Ok(Duration::from_millis(ms));
        for (text, expected) in [
            ("250ms", ms(250)),
            ("5s", ms(5000)),
            ("1m30s", ms(90_000)),
            ("1h", ms(3_600_000)),
            ("2d", ms(172_800_000)),
            ("1h30m", ms(5_400_000)),
            ("1s500ms", ms(1500)),
            ("0s", ms(0)),
            (" 10 s ", ms(10_000)),
            ("365d", Ok(DURATION_MAX)),
            ("", Err("is empty")),
            ("10", Err("has no unit")),
            ("1m30", Err("has no unit")),
            ("10x", Err("has a unit that does not exist")),
            ("10S", Err("has a unit that does not exist")),
            ("1s1m", Err("has its units out of order")),
            ("1s1s", Err("has its units out of order")),
            ("1.5s", Err("is not a whole number")),
            ("-5s", Err("is negative")),
            ("s", Err("does not start with a number")),
            ("366d", Err("is longer than a year")),
            ("99999999999999999999s", Err("is too large")),
            ("9999999999d", Err("is longer than a year")),
            ("5s!", Err("does not start with a number")),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_count_by_1024_unless_written_decimal() {
        for (text, expected) in [
            ("512B", Ok(512)),
            ("8KiB", Ok(8192)),
            ("8k", Ok(8192)),
            ("8K", Ok(8192)),
            ("8KB", Ok(8000)),
            ("1MiB", Ok(1 << 20)),
            ("10MB", Ok(10_000_000)),
            ("1m", Ok(1 << 20)),
            ("2g", Ok(2 << 30)),
            ("1TiB", Ok(1 << 40)),
            ("16 KiB", Ok(16_384)),
            ("", Err("is empty")),
            ("10", Err("has no unit")),
            ("10q", Err("has a unit that does not exist")),
            ("1MiB1KiB", Err("is not one number with one unit")),
            ("1.5MiB", Err("is not a whole number")),
            ("-1B", Err("is negative")),
            ("MiB", Err("does not start with a number")),
            ("99999999TiB", Err("is too large")),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn shown_sizes_read_back_as_themselves() {
        for text in ["1000B", "32KiB", "1MiB", "3GiB", "1TiB", "0B"] {
            assert_eq!(parse_size(text).map(show_size), Ok(text.to_owned()));
        }
    }
}
