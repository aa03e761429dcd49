//! The shipped files say the truth: they load, the reference names every key once, and what it calls a default
//! is one.

use std::collections::BTreeSet;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::super::{Config, Source, load_with, planned, shapes};
use super::{env, load_text};

const REFERENCE: &str = include_str!("../../../config/reference.toml");

fn load_file(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    match load_with(&Source::File(path), &env) {
        Ok(loaded) => {
            assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
            loaded.config
        }
        Err(failure) => panic!("{failure}"),
    }
}

/// With what the reference names found from the project's directory.
fn in_project(text: &str) -> String {
    [
        "maintenance.html",
        "sticky.key",
        "shop.crt",
        "shop.key",
        "clients.pem",
        "ca.pem",
        "proxy.crt",
        "proxy.key",
    ]
    .iter()
    .fold(text.to_owned(), |text, name| {
        text.replace(&format!("\"{name}\""), &format!("\"config/{name}\""))
    })
}

fn load_reference(text: &str) -> Config {
    // The text stands in the project's directory here, and lines that are dropped move all places.
    match load_text(&in_project(text)) {
        Ok(loaded) => Config { places: Default::default(), ..loaded.config },
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn the_shipped_files_load_without_a_problem() {
    assert_eq!(load_file("forebay.toml").listeners.len(), 1);
    assert_eq!(load_file("example.toml").routes.len(), 2);
    assert_eq!(load_file("reference.toml").upstreams.len(), 5);
    assert_eq!(load_file("resilience.toml").routes.len(), 3);
    assert_eq!(load_file("grpc.toml").routes.len(), 2);
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
    let files =
        files.expect("they are there").filter_map(|file| file.ok()?.file_name().into_string().ok());
    let n_files = files.filter(|name| name.ends_with(".toml")).count();
    assert_eq!(n_files, 6, "a file in config/ is not checked here");
}

/// The lines of the reference that state a default: marked ones, and all values in `[defaults.*]`.
fn default_lines() -> Vec<usize> {
    let mut in_defaults = false;
    let mut lines = Vec::new();
    for (index, line) in REFERENCE.lines().enumerate() {
        if line.starts_with('[') {
            in_defaults = line.starts_with("[defaults.");
        }
        let is_value = line.contains(" = ") && !line.starts_with('#');
        if is_value && (in_defaults || line.contains("# default")) {
            lines.push(index);
        }
    }
    lines
}

#[test]
fn every_value_that_the_reference_calls_a_default_is_one() {
    let whole = load_reference(REFERENCE);
    let defaults = default_lines();
    assert!(defaults.len() >= 35, "{defaults:?}");
    let without = |dropped: &[usize]| {
        let kept = REFERENCE.lines().enumerate().filter(|(index, _)| !dropped.contains(index));
        kept.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    };
    for index in &defaults {
        let line = REFERENCE.lines().nth(*index).unwrap_or_default();
        assert_eq!(load_reference(&without(&[*index])), whole, "without the line {line}");
    }
    assert_eq!(load_reference(&without(&defaults)), whole);
}

#[test]
fn a_default_that_is_written_differently_is_noticed() {
    let text = REFERENCE.replace("connect = \"3s\"", "connect = \"4s\"");
    assert_ne!(load_reference(&text), load_reference(REFERENCE));
}

/// `table.key` for each key in `table` and below, tables named as shapes are.
fn keys(name: &str, table: &DeTable<'_>, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let is_named = ["upstream", "filter", "route.match.headers"].contains(&name);
        let key = if is_named { "NAME" } else { key.get_ref() };
        let path = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        found.insert(path.clone());
        below(&path, value.get_ref(), found);
    }
}

fn below(path: &str, value: &DeValue<'_>, found: &mut BTreeSet<String>) {
    match value {
        DeValue::Table(table) => keys(path, table, found),
        DeValue::Array(items) => items.iter().for_each(|item| below(path, item.get_ref(), found)),
        _ => {}
    }
}

/// Whether the keys of this table stand in `[defaults]`: it is enough to show that they can stand here.
fn is_override(shape: &str) -> bool {
    let tables =
        ["timeouts", "retry", "backoff", "budget", "health", "expect", "passive", "breaker"];
    let is_one = shape.rsplit('.').next().is_some_and(|last| tables.contains(&last));
    is_one && !shape.starts_with("defaults.")
}

#[test]
fn the_reference_has_every_key_that_is_read() {
    let root = DeTable::parse(REFERENCE).expect("the reference is TOML");
    let mut found = BTreeSet::new();
    keys("", root.get_ref(), &mut found);
    for shape in shapes::ALL.iter().filter(|shape| !is_override(shape.name)) {
        // A secret comes from one place; the other is told of in words.
        for key in shape.keys.iter().filter(|key| **key != "env") {
            let path = format!("{}.{key}", shape.name);
            let path = path.trim_start_matches('.');
            // What has no default to be shown stands where it is written.
            let written = path.replace("defaults.", "upstream.NAME.");
            assert!(
                found.contains(path) || found.contains(&written),
                "{path} is not in the reference"
            );
        }
    }
}

#[test]
fn a_key_is_either_read_or_planned() {
    for planned in planned::PLANNED {
        let shape = shapes::ALL.iter().find(|shape| shape.name == planned.table);
        let shape = shape.unwrap_or_else(|| panic!("{} is no table", planned.table));
        assert!(!shape.keys.contains(&planned.key), "{}.{} is both", planned.table, planned.key);
    }
}
