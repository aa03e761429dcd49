//! What the sections hand to the checks: parts of the schema with the places they were written at.

use std::collections::BTreeMap;

use super::super::schema::{Filter, Listener, Route, Test, Upstream};
use super::super::source::Place;
use super::Defaults;

/// A listener and where its parts stand.
pub(crate) struct WrittenListener {
    pub(crate) listener: Listener,
    /// Its header.
    pub(crate) place: Place,
    /// Its name, if it was written.
    pub(crate) name_place: Option<Place>,
    /// `bind`, in the order of `listener.binds`.
    pub(crate) bind_places: Vec<Place>,
}

/// A route and where its parts stand.
pub(crate) struct WrittenRoute {
    pub(crate) route: Route,
    /// Its header.
    pub(crate) place: Place,
    /// Its name, if it was written.
    pub(crate) name_place: Option<Place>,
    /// `hosts`, in the order of `route.hosts`.
    pub(crate) host_places: Vec<Place>,
    /// What it names.
    pub(crate) references: Vec<Reference>,
    /// Something in it is wrong: nothing is concluded from what it seems to say.
    pub(crate) broken: bool,
}

/// A test and what it names.
pub(crate) struct WrittenTest {
    pub(crate) test: Test,
    pub(crate) references: Vec<Reference>,
}

/// Something under `[upstream.NAME]` or `[filter.NAME]`, and where its name stands.
pub(crate) struct Written<T> {
    pub(crate) value: T,
    pub(crate) name_place: Place,
}

/// A name of something that has to be defined.
pub(crate) struct Reference {
    pub(crate) kind: Named,
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Listener,
    Route,
    Upstream,
    Filter,
}

impl Named {
    /// What it is called, which is also its key.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Named::Listener => "listener",
            Named::Route => "route",
            Named::Upstream => "upstream",
            Named::Filter => "filter",
        }
    }
}

/// All that was written, before it is held against each other.
pub(crate) struct Everything {
    pub(crate) listeners: Vec<WrittenListener>,
    pub(crate) routes: Vec<WrittenRoute>,
    pub(crate) upstreams: BTreeMap<String, Written<Upstream>>,
    pub(crate) filters: BTreeMap<String, Written<Filter>>,
    pub(crate) tests: Vec<WrittenTest>,
    pub(crate) defaults: Defaults,
}
