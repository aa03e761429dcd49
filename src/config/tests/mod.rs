//! The room as its callers see it: text in, configuration or problems out.

use std::collections::BTreeMap;

use super::{Config, Failure, Loaded, Report, Severity, Source, load_with};

mod cases;
mod files;
mod origins;
mod reach;
mod reference;
mod resilience;
mod routes;
mod tls;
mod values;

/// The smallest useful configuration, in parts. What a test's text has not, is appended to it.
const SMALLEST: [(&str, &str); 3] = [
    ("[[listener]]", "[[listener]]\nbind = \"127.0.0.1:8080\"\n"),
    ("[[route]]", "[[route]]\nupstream = \"app\"\n"),
    ("[upstream.app", "[upstream.app]\nbackends = [\"127.0.0.1:9001\"]\n"),
];

fn completed(text: &str) -> String {
    let mut text = text.to_owned();
    for (mark, part) in SMALLEST {
        if !text.contains(mark) {
            text.push('\n');
            text.push_str(part);
        }
    }
    text
}

/// Variables of the tests' environment.
fn env(name: &str) -> Option<String> {
    let variables = BTreeMap::from([
        ("PORT", "9001"),
        ("HOST", "app.internal"),
        ("WORKERS", "3"),
        ("WATCH", "true"),
        ("WORD", "many"),
        ("EMPTY", ""),
        ("STICKY", "sixteen bytes or so"),
    ]);
    variables.get(name).map(|value| (*value).to_owned())
}

fn load_text(text: &str) -> Result<Loaded, Failure> {
    load_with(&Source::Text { name: "test.toml".into(), text: text.into() }, &env)
}

/// What a good text, completed, is read as.
fn config(text: &str) -> Config {
    match load_text(&completed(text)) {
        Ok(loaded) => {
            assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
            loaded.config
        }
        Err(failure) => panic!("{failure}"),
    }
}

/// Everything that is said about a text as it stands.
fn report(text: &str) -> Report {
    match load_text(text) {
        Ok(loaded) => loaded.warnings,
        Err(Failure::Problems(report)) => report,
        Err(Failure::Io(failure)) => panic!("{failure}"),
    }
}

/// A report as plain lines, for comparing.
fn plain(report: &Report) -> String {
    let mut out = String::new();
    for problem in report.problems() {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let at = &problem.location;
        let (line, column, end) = (at.line, at.column, at.end_column);
        let (code, message) = (problem.code.name(), &problem.message);
        out.push_str(&format!("{severity} {line}:{column}-{end} {code}: {message}\n"));
        for (at, label) in &problem.related {
            out.push_str(&format!("  also {}:{}-{}: {label}\n", at.line, at.column, at.end_column));
        }
        if let Some(help) = &problem.help {
            out.push_str(&format!(
                "  help: {}\n",
                help.replace('\n', "\n        ").replace("        \n", "\n")
            ));
        }
    }
    out
}
