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
