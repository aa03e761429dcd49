//! The configuration held against the rooms above it.

use forebay::balance::STRATEGIES;
use forebay::config::{BALANCES, PathPattern, Source, load_with};
use forebay::route::{Normalized, normalize};
use proptest::prelude::{prop_assert_eq, proptest};

#[test]
fn the_strategies_that_a_configuration_can_name_are_those_that_exist() {
    let mut registered: Vec<_> = STRATEGIES.iter().map(|strategy| strategy.name).collect();
    let mut named = BALANCES.to_vec();
    registered.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, registered);
}

fn exact_path(pattern: &str) -> Option<String> {
    let text = format!(
        "[[listener]]\nbind = \"127.0.0.1:80\"\n[[route]]\nupstream = \"a\"\nmatch = {{ path = '{pattern}' }}\n[upstream.a]\nbackends = [\"127.0.0.1:1\"]\n"
    );
    let loaded = load_with(&Source::Text { name: "test".into(), text }, &|_| None).ok()?;
    match loaded.config.routes[0].path.clone() {
        PathPattern::Exact(path) => Some(path),
        other => panic!("{other:?}"),
    }
}

/// The form that a request for `path` is matched in; `None` if it is refused.
fn request_path(path: &str) -> Option<String> {
    let (mut matched, mut forward) = (Vec::new(), Vec::new());
    let bytes = match normalize(path.as_bytes(), false, &mut matched, &mut forward).ok()? {
        Normalized::AsReceived => path.as_bytes().to_owned(),
        Normalized::Changed { .. } => matched,
    };
    Some(String::from_utf8(bytes).expect("what was ASCII stays ASCII"))
}

proptest! {
    #[test]
    fn a_path_pattern_that_is_accepted_is_what_a_request_for_it_is_matched_as(
        path in "/([a-z~;.%/]|%[0-9a-fA-F]{2}|\\.\\.|\\*|\\\\){0,8}"
    ) {
        if let Some(pattern) = exact_path(&path) {
            prop_assert_eq!(Some(pattern), request_path(&path));
        }
    }

    #[test]
    fn an_ordinary_path_pattern_is_accepted(path in "(/[a-zA-Z0-9~_-]{1,5}){1,4}/?") {
        prop_assert_eq!(exact_path(&path), Some(path));
    }
}
