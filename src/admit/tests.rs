//! Places, answers and rewrites of whole requests, from a configuration as text.

use crate::config::{self, Config, Source};

/// One listener, one route to `app`; `more` follows.
pub(super) fn config(more: &str) -> Config {
    let text = format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\nname = \"all\"\nupstream = \"app\"\n\
         [upstream.app]\nbackends = [\"10.0.0.1:80\"]\n[upstream.next]\nbackends = [\"10.0.0.2:80\"]\n{more}"
    );
    load(&text)
}

/// A whole configuration.
pub(super) fn load(text: &str) -> Config {
    let source = Source::Text { name: "test".into(), text: text.into() };
    config::load(&source).unwrap_or_else(|failure| panic!("{failure:?}")).config
}
