//! `forebay reload`: have the running daemon read its configuration again, and say what came of it.

use std::path::Path;
use std::time::Duration;

use super::ask::{self, printable};
use super::{Outcome, ReloadArguments, complain, print, stderr_colour};
use crate::config::Colour;
use crate::control::ReloadAnswer;

/// How long a reload may take: names that are new are waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn reload(arguments: &ReloadArguments) -> Outcome {
    match try_reload(arguments) {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

fn try_reload(arguments: &ReloadArguments) -> Result<Outcome, Outcome> {
    let socket = ask::socket(&arguments.socket)?;
    let target = match stderr_colour() {
        Colour::Always => "/v1/reload?colour=always",
        Colour::Never => "/v1/reload",
    };
    let answer = ask::ask(&socket, "POST", target, PATIENCE)?;
    let found: ReloadAnswer = serde_json::from_str(&answer.body).unwrap_or_default();
    let outcome = match found.outcome.as_str() {
        "good" => Outcome::Good,
        "problems" => Outcome::Problems,
        _ => Outcome::Failed,
    };
    if let Some(named) = &arguments.socket.config
        && is_another(named, Path::new(&found.configuration))
    {
        complain(&format!(
            "note: the daemon on this socket read {}, which it was started with, and not {}\n",
            printable(&found.configuration),
            named.display()
        ));
    }
    if arguments.json && !found.outcome.is_empty() {
        print(&answer.body);
        return Ok(outcome);
    }
    // Rendered from the operator's own file, as `check` does it.
    complain(&found.rendered);
    match outcome {
        Outcome::Good => {
            found.notes.iter().for_each(|note| complain(&format!("note: {}\n", printable(note))));
            print(&format!(
                "reloaded {}: generation {} is in service{}\n",
                printable(&found.configuration),
                found.generation,
                besides(&found)
            ));
        }
        Outcome::Problems => complain(&format!(
            "\nnot reloaded: {}; generation {} stays in service\n",
            found.summary, found.generation
        )),
        Outcome::Failed => {
            let stays = match found.generation {
                0 => String::new(),
                generation => format!("; generation {generation} stays in service"),
            };
            complain(&format!("error: not reloaded: {}{stays}\n", ask::message(&answer)));
        }
    }
    Ok(outcome)
}

/// Whether the daemon `read` another file than the one `named`, which is there; an older daemon does not tell.
fn is_another(named: &Path, read: &Path) -> bool {
    !read.as_os_str().is_empty() && named.canonicalize().ok() != read.canonicalize().ok()
}

fn besides(found: &ReloadAnswer) -> String {
    let n_problems = found.problems.as_array().map_or(0, Vec::len);
    if n_problems == 0 { String::new() } else { format!("; {}", found.summary) }
}
