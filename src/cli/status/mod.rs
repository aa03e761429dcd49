//! `forebay status`: how a running daemon and its backends are.

use std::io::{self, IsTerminal};
use std::time::Duration;

use super::ask;
use super::{Outcome, StatusArguments, complain, print};
use crate::config::Colour;
use crate::control::Status;

mod certificates;
mod render;

/// How long a daemon may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn status(arguments: &StatusArguments) -> Outcome {
    match try_status(arguments) {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

fn try_status(arguments: &StatusArguments) -> Result<Outcome, Outcome> {
    let target = match &arguments.upstream {
        None => "/v1/status".to_owned(),
        Some(upstream) => format!("/v1/status?upstream={upstream}"),
    };
    let socket = ask::socket(&arguments.socket)?;
    let answer = ask::ask(&socket, "GET", &target, PATIENCE)?;
    let status: Status = match serde_json::from_str(&answer.body) {
        Ok(status) if answer.status == 200 => status,
        _ => {
            complain(&format!("error: {}\n", ask::message(&answer)));
            return Err(Outcome::Failed);
        }
    };
    match arguments.json {
        true => print(&answer.body),
        false => print(&render::status(&status, stdout_colour())),
    }
    Ok(if all_up(&status) { Outcome::Good } else { Outcome::Problems })
}

/// Whether every upstream has backends and all of them are up.
fn all_up(status: &Status) -> bool {
    status.upstreams.iter().all(|upstream| {
        !upstream.backends.is_empty() && upstream.backends.iter().all(|one| one.state == "up")
    })
}

/// Whether what is shown on stdout carries colours.
fn stdout_colour() -> Colour {
    let wanted = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if wanted { Colour::Always } else { Colour::Never }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{BackendStatus, UpstreamStatus};

    #[test]
    fn an_upstream_without_a_backend_is_not_up() {
        let backend = |state: &str| BackendStatus { state: state.into(), ..Default::default() };
        let of = |states: &[&str]| Status {
            upstreams: vec![UpstreamStatus {
                backends: states.iter().map(|state| backend(state)).collect(),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert!(all_up(&of(&["up", "up"])) && all_up(&Status::default()));
        for states in [&[][..], &["up", "half_open"], &["unproven"], &["down"], &["open"]] {
            assert!(!all_up(&of(states)), "{states:?}");
        }
    }
}
