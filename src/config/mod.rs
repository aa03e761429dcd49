//! The text room: what an operator wrote becomes a [`Config`], or a list of everything that is wrong with it.
//!
//! `include` reads files into one `tree` of values with places (`env` replaces variables on the way);
//! `sections` reads the tree into the `schema` through `reader` and `item`, which report and never stop; `check`,
//! `references` and `lints` look across tables; `report` shows what was found, `origins` what is found later at the
//! same places. Keys stand in `shapes`, those to come in `planned`, those that stand elsewhere in `misplaced`, those
//! of other proxies in `foreign`. Nothing is resolved, opened or bound here but the files themselves and the bodies,
//! secrets, certificates and keys that they name. The command line and the controller call [`load`].

use std::fmt;
use std::io;
use std::path::PathBuf;

mod address;
mod bodies;
mod certificates;
mod check;
mod defaults;
mod env;
mod expressions;
mod fields;
mod foreign;
mod hosts;
mod include;
mod item;
mod lints;
mod misplaced;
mod networks;
mod origins;
mod paths;
mod planned;
mod reader;
mod references;
pub mod regex;
mod report;
mod retries;
mod schema;
mod secret;
mod sections;
mod shapes;
mod source;
mod syntax;
pub mod template;
mod templates;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod unknown;

pub use certificates::{read_pair, read_pairs, read_roots};
pub use env::Lookup;
pub use origins::{Finding, Origins};
pub use report::{Code, Colour, Location, Problem, Report, Severity};
pub use schema::*;
pub use template::Template;
pub(crate) use units::show_duration;

/// The strategies that `balance` accepts; the registry in `crate::balance` has exactly these.
pub const BALANCES: &[&str] = sections::BALANCES;

/// The options that the strategy of this name takes in `balance = { … }`, besides `strategy` itself.
pub fn balance_options(strategy: &str) -> &'static [&'static str] {
    sections::balance_options(strategy)
}

/// The kinds that a filter can be; the registry in `crate::filter` has exactly these.
pub const FILTER_KINDS: &[&str] = sections::FILTER_KINDS;

/// The kinds of active checks that `health.kind` accepts; the registry in `crate::probe` has exactly these.
pub const PROBES: &[&str] = sections::PROBES;

/// The keys of `health` that the check of this kind takes, besides those that each does.
pub fn probe_options(kind: &str) -> &'static [&'static str] {
    sections::probe_options(kind)
}

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, read again at each reload.
    File(PathBuf),
    /// Text made by the program itself (`run --to`, `demo`): a reload finds the same text. Relative paths
    /// in it start at the working directory.
    Text {
        /// What diagnostics call it.
        name: String,
        /// The TOML.
        text: String,
    },
}

/// A configuration without an error in it.
#[derive(Debug)]
pub struct Loaded {
    /// What was written, complete with defaults.
    pub config: Config,
    /// What is suspicious in it; often empty.
    pub warnings: Report,
    /// Where its parts were written.
    pub origins: Origins,
}

impl Loaded {
    /// What was found after the load as errors with their source lines, in the order of the text, with the warnings of the load among them: all that is to
    /// be told when they refuse the configuration.
    pub fn problems_at(&self, findings: impl IntoIterator<Item = Finding>) -> Report {
        self.warnings.clone().and(self.origins.problems(findings))
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum Failure {
    /// The text is wrong: every problem of every file, warnings included.
    Problems(Report),
    /// A file could not be read.
    Io(IoFailure),
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoFailure {
    /// The file.
    pub file: String,
    /// Why.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Reads and checks a configuration, variables taken from the environment of the process.
///
/// # Errors
/// [`Failure::Problems`] if the text is wrong, [`Failure::Io`] if a file cannot be read.
pub fn load(source: &Source) -> Result<Loaded, Failure> {
    load_with(source, &|name| std::env::var(name).ok())
}

/// As [`load`], variables taken from `env`.
///
/// # Errors
/// As [`load`].
pub fn load_with(source: &Source, env: Lookup<'_>) -> Result<Loaded, Failure> {
    let mut cx = reader::Cx::default();
    let root = include::read_all(&mut cx, source, env).map_err(Failure::Io)?;
    secret::look_up(&cx, &root, env);
    let mut config = sections::read(&cx, &root);
    let (report, origins) = cx.into_parts();
    if report.has_errors() {
        return Err(Failure::Problems(report));
    }
    config.places = origins.lines();
    Ok(Loaded { config, warnings: report, origins })
}

impl Failure {
    /// The exit code that a command ends with: 1 for problems in the configuration, 2 for I/O.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Problems(_) => 1,
            Failure::Io(_) => 2,
        }
    }

    /// For people; ends with a line break.
    pub fn render(&self, colour: Colour) -> String {
        match self {
            Failure::Problems(report) => report.render(colour),
            Failure::Io(failure) => format!("{failure}\n"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Problems(report) => report.fmt(f),
            Failure::Io(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl IoFailure {
    fn read(file: String, error: &io::Error) -> Self {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "create it, or correct the path",
            io::ErrorKind::PermissionDenied => "give this user the right to read it",
            io::ErrorKind::IsADirectory => {
                "give the path of a TOML file; for all in it: \"DIR/*.toml\""
            }
            _ => "check the path and the disk",
        };
        IoFailure { file, message: error.to_string(), help: help.to_owned() }
    }

    /// The file was asked for by the `include` of the file `main`.
    fn named_in(mut self, main: &str) -> Self {
        self.help.push_str(&format!("; `include` in {main} names it"));
        self
    }
}

impl fmt::Display for IoFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: cannot read {}: {}\n  help: {}", self.file, self.message, self.help)
    }
}
