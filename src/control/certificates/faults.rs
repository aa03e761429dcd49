//! What is wrong with files of certificates now: told once, and shown as long as it lasts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::hash::Map;

/// By the first file of a pair, or by that of authorities. Shared with those who tell the state of everything.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct Faults(Arc<Mutex<Map<PathBuf, String>>>);

impl Faults {
    /// Those of `found`, which is all there are now, that were not there the last time.
    pub(super) fn news<'a>(&self, found: &'a [(PathBuf, String)]) -> Vec<(&'a Path, &'a str)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = |(file, why): &&(PathBuf, String)| known.get(file) != Some(why);
        let news = found.iter().filter(is_news);
        let news = news.map(|(file, why)| (file.as_path(), why.as_str())).collect();
        *known = found.iter().cloned().collect();
        news
    }

    /// All files are good.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// All there are.
    pub(in crate::control) fn all(&self) -> Map<PathBuf, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_once_until_it_is_mended_or_another() {
        let faults = Faults::default();
        let found = |why: &str| vec![(PathBuf::from("shop.crt"), why.to_owned())];
        assert_eq!(faults.news(&found("damaged")).len(), 1);
        assert_eq!(faults.news(&found("damaged")).len(), 0);
        assert_eq!(faults.news(&found("empty")).len(), 1);
        assert_eq!(faults.news(&[]).len(), 0);
        assert_eq!(faults.news(&found("empty")).len(), 1);
    }
}
