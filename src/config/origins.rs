//! Where things were written, kept after a load: so that what is found later (a `[[test]]` that fails) is told at
//! its line like everything else. Sections mark places while they read; `control` and `cli` ask.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use super::report::{Code, Draft, Report};
use super::schema::Places;
use super::source::{Place, SourceFile};

/// The texts of a load and the places in them that have a name; names as in [`Places`].
#[derive(Clone, Default)]
pub struct Origins {
    files: Vec<Arc<SourceFile>>,
    places: BTreeMap<String, Place>,
}

/// Something wrong that was found after the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: a key of [`Places`], as in [`super::Test::place`]. One that is not there is the top of the main file.
    pub place: String,
    /// What is wrong: one line.
    pub message: String,
    /// What would be accepted, or what to do; may have several lines.
    pub help: Option<String>,
}

impl Origins {
    /// Of these texts; where a name was marked twice (which is an error told elsewhere), the later place counts.
    pub(crate) fn new(files: Vec<Arc<SourceFile>>, marked: HashMap<String, Place>) -> Self {
        Origins { files, places: marked.into_iter().collect() }
    }

    /// `file:line` by name.
    pub(crate) fn lines(&self) -> Places {
        let line = |place: &Place| {
            let file = &self.files[place.file];
            format!("{}:{}", file.name, file.position(place.start, place.end).line)
        };
        self.places.iter().map(|(name, place)| (name.clone(), line(place))).collect()
    }

    /// These findings as errors with the code `test_failed`, in the order of the text.
    pub fn problems(&self, findings: impl IntoIterator<Item = Finding>) -> Report {
        let top = Place { file: 0, start: 0, end: 0 };
        let drafts = findings.into_iter().map(|finding| {
            let place = self.places.get(&finding.place).copied().unwrap_or(top);
            let draft = Draft::error(Code::TestFailed, place, finding.message);
            Draft { help: finding.help, ..draft }
        });
        Report::new(drafts.collect(), self.files.clone())
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.lines()).finish()
    }
}
