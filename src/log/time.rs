//! Timestamps of log lines. The calendar part changes once a second, so it is formatted once a second.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The calendar part of the last second that was asked for. One for each thread that writes lines.
#[derive(Clone, Debug)]
pub struct TimeCache {
    second: u64,
    /// `2026-01-31T23:59:58`.
    rfc3339: [u8; 19],
    /// `[31/Jan/2026:23:59:58 +0000]`.
    bracketed: [u8; 28],
}

impl Default for TimeCache {
    fn default() -> Self {
        let mut cache = TimeCache { second: 0, rfc3339: [0; 19], bracketed: [0; 28] };
        cache.format(0);
        cache
    }
}

impl TimeCache {
    /// Appends `time`, since 1970, as RFC 3339 in UTC with milliseconds: `2026-01-31T23:59:58.123Z`.
    #[inline]
    pub fn append_rfc3339(&mut self, time: Duration, out: &mut Vec<u8>) {
        self.advance(time.as_secs());
        out.extend_from_slice(&self.rfc3339);
        out.extend_from_slice(decimals(time.subsec_millis()));
        out.push(b'Z');
    }

    /// Appends `time`, since 1970, as the combined log format has it: `[31/Jan/2026:23:59:58 +0000]`.
    #[inline]
    pub fn append_bracketed(&mut self, time: Duration, out: &mut Vec<u8>) {
        self.advance(time.as_secs());
        out.extend_from_slice(&self.bracketed);
    }

    #[inline]
    fn advance(&mut self, second: u64) {
        if second != self.second {
            self.format(second);
        }
    }

    #[cold]
    fn format(&mut self, second: u64) {
        self.second = second;
        let timestamp = i64::try_from(second)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok())
            .unwrap_or(Timestamp::MAX);
        let fits = "years have four digits up to the greatest timestamp";
        write!(&mut self.rfc3339[..], "{}", timestamp.strftime("%Y-%m-%dT%H:%M:%S")).expect(fits);
        write!(&mut self.bracketed[..], "{}", timestamp.strftime("[%d/%b/%Y:%H:%M:%S +0000]"))
            .expect(fits);
    }
}

/// What the wall clock says, as time since 1970. A clock before that says nothing.
#[inline]
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A point and the three decimals of `thousandths`, which is below 1000.
#[inline]
pub(super) fn decimals(thousandths: u32) -> &'static [u8; 4] {
    static ALL: [[u8; 4]; 1000] = {
        let mut all = [*b".000"; 1000];
        let mut n = 0;
        while n < 1000 {
            let digits = [n / 100, n / 10 % 10, n % 10];
            all[n] = [b'.', b'0' + digits[0] as u8, b'0' + digits[1] as u8, b'0' + digits[2] as u8];
            n += 1;
        }
        all
    };
    &ALL[thousandths as usize % 1000]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(cache: &mut TimeCache, time: Duration) -> (String, String) {
        let (mut rfc3339, mut bracketed) = (Vec::new(), Vec::new());
        cache.append_rfc3339(time, &mut rfc3339);
        cache.append_bracketed(time, &mut bracketed);
        let text = |bytes| String::from_utf8(bytes).expect("ASCII");
        (text(rfc3339), text(bracketed))
    }

    #[test]
    fn known_instants_are_written_in_both_forms() {
        let mut cache = TimeCache::default();
        for (ms, rfc3339, bracketed) in [
            (0, "1970-01-01T00:00:00.000Z", "[01/Jan/1970:00:00:00 +0000]"),
            (971_186_136_007, "2000-10-10T13:55:36.007Z", "[10/Oct/2000:13:55:36 +0000]"),
            (971_186_136_999, "2000-10-10T13:55:36.999Z", "[10/Oct/2000:13:55:36 +0000]"),
            (1_709_164_800_120, "2024-02-29T00:00:00.120Z", "[29/Feb/2024:00:00:00 +0000]"),
            (971_186_136_000, "2000-10-10T13:55:36.000Z", "[10/Oct/2000:13:55:36 +0000]"),
        ] {
            let found = both(&mut cache, Duration::from_millis(ms));
            assert_eq!(found, (rfc3339.to_owned(), bracketed.to_owned()));
        }
    }

    #[test]
    fn times_out_of_range_are_clamped() {
        let mut cache = TimeCache::default();
        let far = Duration::from_secs(1 << 40);
        assert!(both(&mut cache, far).0.starts_with("9999-12-30T"));
    }

    #[test]
    fn decimals_are_three_digits() {
        for n in 0..1000 {
            assert_eq!(decimals(n), format!(".{n:03}").as_bytes());
        }
    }
}
