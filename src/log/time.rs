//! Timestamps of log lines. The calendar part changes once a second, so it is formatted once a second.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// Appends `time` as RFC 3339 in UTC with milliseconds: `2026-01-31T23:59:58.123Z`. Times before
    /// 1970 count as its first instant.
    #[inline]
    pub fn append_rfc3339(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.advance(since.as_secs());
        let ms = since.subsec_millis();
        let digit = |n: u32| b'0' + (n % 10) as u8;
        out.extend_from_slice(&self.rfc3339);
        out.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms), b'Z']);
    }

    /// Appends `time` as the combined log format has it: `[31/Jan/2026:23:59:58 +0000]`.
    #[inline]
    pub fn append_bracketed(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        self.advance(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn both(cache: &mut TimeCache, time: SystemTime) -> (String, String) {
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
            let found = both(&mut cache, UNIX_EPOCH + Duration::from_millis(ms));
            assert_eq!(found, (rfc3339.to_owned(), bracketed.to_owned()));
        }
    }

    #[test]
    fn times_out_of_range_are_clamped() {
        let mut cache = TimeCache::default();
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(both(&mut cache, before).0, "1970-01-01T00:00:00.000Z");
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert!(both(&mut cache, far).0.starts_with("9999-12-30T"));
    }
}
