//! The text room: what an operator wrote becomes a [`Config`], or a list of everything that is wrong with it.

use std::path::PathBuf;

mod schema;

pub use schema::*;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, read again at each reload.
    File(PathBuf),
    /// Text made by the program itself (`run --to`, `demo`): a reload finds the same text.
    Text {
        /// What diagnostics call it.
        name: String,
        /// The TOML.
        text: String,
    },
}

/// Problems.
#[derive(Clone, Debug, Default)]
pub struct Report;

impl Report {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// One line.
    pub fn summary(&self) -> String {
        String::new()
    }
}

/// A configuration without errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd about it.
    pub warnings: Report,
}

/// Why there is none.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Problems in it.
    Problems(Report),
    /// It could not be read.
    Io(String),
}

/// Loads a configuration.
pub fn load(_source: &Source) -> Result<Loaded, Failure> {
    Err(Failure::Io("not here yet".into()))
}
