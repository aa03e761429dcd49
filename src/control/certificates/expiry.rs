//! Which certificates are to end: told at 30, 7 and 1 days, and when it is over.

use std::path::Path;

use super::names;
use crate::certificate::{Fingerprint, Pair};
use crate::hash::Map;

/// Which certificates were told to end, and how soon, so that each step is told once.
#[derive(Debug, Default)]
pub(super) struct Expiry(Map<Fingerprint, i64>);

impl Expiry {
    /// Days before the end at which it is told; 0 is the end itself.
    const STEPS: [i64; 4] = [0, 1, 7, 30];

    /// Those of `all` that have come to another step: the file, its names and the whole days left, `None` when it is
    /// over. Forgets those that are not among them.
    pub(super) fn news<'a>(
        &mut self,
        all: impl Iterator<Item = (&'a Pair, &'a Path)>,
        now: i64,
    ) -> Vec<(&'a Path, String, Option<i64>)> {
        let mut told = Map::default();
        let mut news = Vec::new();
        for (pair, file) in all {
            let left = pair.validity.not_after.saturating_sub(now);
            let reached = |step: &i64| left < step * DAY_SECONDS;
            let Some(step) = Self::STEPS.into_iter().find(reached) else { continue };
            let known =
                told.insert(pair.fingerprint, step).or(self.0.get(&pair.fingerprint).copied());
            if known != Some(step) {
                news.push((file, names(pair), (left >= 0).then_some(left / DAY_SECONDS)));
            }
        }
        self.0 = told;
        news
    }
}

const DAY_SECONDS: i64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(names: &[&str]) -> Pair {
        pair_until(names, 2030)
    }

    fn pair_until(names: &[&str], year: i32) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Pair::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).expect("a pair")
    }

    #[test]
    fn the_end_is_told_at_thirty_seven_and_one_day_and_when_it_is_there() {
        let (pair, mut expiry) = (pair(&["shop.example"]), Expiry::default());
        let end = pair.validity.not_after;
        let file = Path::new("shop.crt");
        let mut told = |left: i64| {
            let news = expiry.news([(&pair, file)].into_iter(), end - left);
            news.into_iter().map(|(_, _, days)| days).collect::<Vec<_>>()
        };
        assert_eq!(told(31 * DAY_SECONDS), []);
        assert_eq!(told(30 * DAY_SECONDS - 1), [Some(29)]);
        assert_eq!(told(29 * DAY_SECONDS), []);
        assert_eq!(told(7 * DAY_SECONDS - 1), [Some(6)]);
        assert_eq!(told(DAY_SECONDS), []);
        assert_eq!(told(DAY_SECONDS - 1), [Some(0)]);
        assert_eq!(told(0), []);
        assert_eq!(told(-1), [None]);
        assert_eq!(told(-1000), []);
    }

    #[test]
    fn a_certificate_of_several_listeners_is_told_once_and_another_anew() {
        let (one, two) = (pair(&["a.example"]), pair(&["a.example"]));
        let mut expiry = Expiry::default();
        let now = one.validity.not_after - DAY_SECONDS / 2;
        let file = Path::new("shop.crt");
        assert_eq!(expiry.news([(&one, file), (&one, file)].into_iter(), now).len(), 1);
        // One that takes its place is told if it ends as soon itself.
        assert_eq!(expiry.news([(&two, file)].into_iter(), now).len(), 1);
        assert_eq!(expiry.news([(&two, file)].into_iter(), now).len(), 0);
    }

    #[test]
    fn a_renewed_certificate_is_told_only_when_its_own_end_is_near() {
        let (old, new) = (pair(&["a.example"]), pair_until(&["a.example"], 2031));
        let mut expiry = Expiry::default();
        let now = old.validity.not_after - DAY_SECONDS / 2;
        let file = Path::new("shop.crt");
        assert_eq!(expiry.news([(&old, file)].into_iter(), now).len(), 1);
        assert_eq!(expiry.news([(&new, file)].into_iter(), now).len(), 0);
        let later = new.validity.not_after - 29 * DAY_SECONDS;
        assert_eq!(expiry.news([(&new, file)].into_iter(), later).len(), 1);
    }
}
