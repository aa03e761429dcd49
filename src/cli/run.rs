//! `forebay run`: start the daemon and wait for its end.

use std::time::Duration;

use super::{Outcome, RunArguments, complain, stderr_colour};
use crate::config::Source;
use crate::log::operator;
use crate::server::{Daemon, Options, StartError};

/// What `--listen` and `--to` are called in messages.
const COMMAND_LINE: &str = "the command line";

/// How long the last log lines may take at the end.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(2);

pub(super) fn run(arguments: &RunArguments) -> Outcome {
    let source = match &arguments.config {
        Some(path) => Source::File(path.clone()),
        None => Source::Text {
            name: COMMAND_LINE.to_owned(),
            text: configuration(&arguments.listen, &arguments.to, ""),
        },
    };
    serve(source, arguments.watch, |_| {})
}

/// Starts a daemon that listens to signals, has `started` look at it and waits for its end.
pub(super) fn serve(source: Source, watch: bool, started: impl FnOnce(&Daemon)) -> Outcome {
    if let Err(error) = operator::install() {
        complain(&format!("forebay: the log cannot be set up: {error}\n"));
        return Outcome::Failed;
    }
    let reload = match &source {
        Source::File(_) => format!("kill -HUP {}", std::process::id()),
        Source::Text { .. } => "nothing to reload: there is no file".to_owned(),
    };
    let outcome = match Daemon::start(source, Options { watch, handle_signals: true }) {
        Ok(daemon) => {
            // What listens where was said by those who bound it.
            tracing::info!(reload, "ready");
            operator::flush(FLUSH_TIME_MAX);
            started(&daemon);
            daemon.wait();
            Outcome::Good
        }
        Err(error) => refuse(error),
    };
    operator::flush(FLUSH_TIME_MAX);
    outcome
}

fn refuse(error: StartError) -> Outcome {
    // What was logged on the way comes before what it led to.
    operator::flush(FLUSH_TIME_MAX);
    match error {
        StartError::Problems(report) => {
            complain(&report.render(stderr_colour()));
            complain(&format!("\nforebay: not started: {}\n", report.summary()));
            Outcome::Problems
        }
        StartError::Io(message) => {
            let message = message.strip_prefix("error: ").unwrap_or(&message);
            complain(&format!("forebay: not started: {message}\n"));
            Outcome::Failed
        }
    }
}

/// A configuration that listens on `listen` and sends everything to `to`. The values are checked where
/// all values are: when the text is loaded. `more` is TOML to put in front.
pub(super) fn configuration(listen: &[String], to: &[String], more: &str) -> String {
    format!(
        "{more}[[listener]]\nbind = {}\n\n[[route]]\nupstream = \"app\"\n\n[upstream.app]\nbackends = {}\n",
        array(listen),
        array(to)
    )
}

fn array(values: &[String]) -> String {
    let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// `value` as a TOML string that reads back as it is: escaped, and its dollar signs doubled.
fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '$' => out.push_str("$$"),
            _ if character.is_control() => {
                out.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_command_line_become_a_configuration() {
        let text = configuration(
            &["127.0.0.1:8080".to_owned()],
            &["127.0.0.1:9001".to_owned(), "unix:/run/app.sock".to_owned()],
            "",
        );
        assert_eq!(
            text,
            "[[listener]]\nbind = [\"127.0.0.1:8080\"]\n\n[[route]]\nupstream = \"app\"\n\n\
             [upstream.app]\nbackends = [\"127.0.0.1:9001\", \"unix:/run/app.sock\"]\n"
        );
    }

    #[test]
    fn a_value_cannot_leave_its_string_or_reach_the_environment() {
        assert_eq!(quoted("a\"]\nb\\${HOME}"), r#""a\"]\u000Ab\\$${HOME}""#);
        let table = toml::de::DeTable::parse("x = \"a\\\"]\\u000Ab\"").expect("TOML");
        assert!(table.get_ref().contains_key("x"));
    }
}
