//! `forebay plan OLD NEW [--log FILE]`: what a change of the configuration would change, without touching anything.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;

use serde_json::json;

use self::replay::{Line, NO_ROUTE, REDACTED, Replay, Tried};
use super::{Outcome, PlanArguments, complain, load, print};
use crate::admit::status;
use crate::admit::trial;
use crate::config::{Code, Config, Loaded, TestRequest};
use crate::error::Reason;
use crate::snapshot::{CompileError, Snapshot, compile_offline};

mod changes;
mod render;
mod replay;

pub(super) fn plan(arguments: &PlanArguments) -> Outcome {
    let (old, new) = match (load(&arguments.old), load(&arguments.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
    };
    let changes = changes::changes(&old.config, &new.config);
    let shadowed = newly_shadowed(&old, &new);
    let replay = match &arguments.log {
        None => None,
        Some(log) => match replay_log(log, &old.config, &new.config) {
            Ok(replay) => Some(replay),
            Err(error) => {
                complain(&format!("error: cannot read {}: {error}\n", log.display()));
                return Outcome::Failed;
            }
        },
    };
    if arguments.json {
        let whole = json!({ "changes": changes, "shadowed": shadowed, "replay": replay });
        print(&format!("{whole:#}\n"));
        return Outcome::Good;
    }
    print(&render::changes(&changes));
    print(&render::shadowed(&shadowed));
    if let (Some(replay), Some(log)) = (replay, &arguments.log) {
        print(&render::replay(&replay, &log.display().to_string()));
    }
    Outcome::Good
}

/// What the new file's routes lose to each other and the old one's did not: `file:line: message`.
fn newly_shadowed(old: &Loaded, new: &Loaded) -> Vec<String> {
    let findings = |loaded: &Loaded| -> Vec<(String, String)> {
        let problems = loaded.warnings.problems().iter();
        let shadows = problems.filter(|p| matches!(p.code, Code::Unreachable | Code::Overlap));
        shadows
            .map(|problem| {
                let at = format!("{}:{}", problem.location.file, problem.location.line);
                let named = loaded.config.places.iter().find(|(key, place)| {
                    key.starts_with("route.") && key.matches('.').count() == 1 && **place == at
                });
                let name = named.map_or_else(String::new, |(key, _)| format!(" ({key})"));
                (format!("{}{name}", problem.message), at)
            })
            .collect()
    };
    let before: BTreeSet<String> = findings(old).into_iter().map(|(message, _)| message).collect();
    let after = findings(new).into_iter();
    after
        .filter(|(message, _)| !before.contains(message))
        .map(|(message, at)| format!("{at}: {message}"))
        .collect()
}

fn replay_log(log: &Path, old: &Config, new: &Config) -> io::Result<Replay> {
    let compiled =
        |config| compile_offline(config).map_err(|e: CompileError| io::Error::other(e.to_string()));
    let (before, after) = (compiled(old)?, compiled(new)?);
    let input: Box<dyn BufRead> = match log {
        log if log == Path::new("-") => {
            if io::stdin().is_terminal() {
                complain("reading the log from standard input\n");
            }
            Box::new(io::stdin().lock())
        }
        log => Box::new(BufReader::with_capacity(1 << 16, File::open(log)?)),
    };
    let mut replay =
        replay::replay(input, |line| goes(&before, old, line), |line| goes(&after, new, line))?;
    replay.unrecorded = replay::unrecorded(old, [old, new]);
    Ok(replay)
}

/// Where the request of `line` goes under `config`.
fn goes(snapshot: &Snapshot, config: &Config, line: &Line<'_>) -> Tried {
    let path = line.path.as_deref().unwrap_or_default();
    let host = line.host.as_deref().unwrap_or_default();
    let is_recorded =
        |name: &str, value: &str| value != REDACTED && !name.eq_ignore_ascii_case("host");
    let recorded = line.headers.iter().filter(|(name, value)| is_recorded(name, value));
    let request = TestRequest {
        method: line.method.as_deref().unwrap_or_default().to_owned(),
        url: match path.starts_with('/') {
            true => format!("http://{host}{path}"),
            false => path.to_owned(),
        },
        headers: recorded.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        from: line.client.as_deref().and_then(|client| client.parse().ok()),
        listener: line.listener.as_deref().map(str::to_owned),
    };
    match trial::run(snapshot, config, &request) {
        Ok(outcome) => Ok(match (outcome.route, outcome.refused) {
            (_, Some(Reason::NoRoute)) => NO_ROUTE.to_owned(),
            (_, Some(reason)) => status(reason)
                .map_or_else(|| reason.to_string(), |status| format!("{status} {reason}")),
            (Some(route), None) => route,
            (None, None) => NO_ROUTE.to_owned(),
        }),
        Err(error) => Err(match &request.listener {
            Some(listener) if config.listeners.iter().all(|known| known.name != *listener) => {
                format!("no listener {listener}")
            }
            _ => format!("not sent: {error}"),
        }),
    }
}
