//! The command line: arguments become a command, a command's outcome becomes an exit code.
//!
//! 0: good · 1: problems in the configuration, or a backend that is not up · 2: usage or I/O. Nothing here serves a request; `run` and
//! `demo` start a [`Daemon`](crate::server::Daemon) and wait for its end.

use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Colour, Failure, Loaded, Source};

mod ask;
mod check;
mod demo;
mod demo_backend;
mod describe;
mod explain;
mod plan;
mod reload;
mod run;
mod status;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Good,
    /// The configuration has problems, or a backend is not up; that was shown.
    Problems,
    /// A file, a socket or the usage: one message was shown.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Good => 0,
            Outcome::Problems => 1,
            Outcome::Failed => 2,
        })
    }
}

/// Reads the arguments of this process, does what they say and returns what to exit with.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too. Nobody is left to tell if they cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let outcome = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Reload(arguments) => reload::reload(&arguments),
    };
    outcome.into()
}

#[derive(Parser, Debug)]
#[command(
    name = "forebay",
    version,
    about = "An HTTP reverse proxy and load balancer: one binary, one TOML file, reloads without losing a request",
    after_help = MAIN_EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the proxy in the foreground
    #[command(after_help = RUN_EXAMPLES, override_usage = RUN_USAGE)]
    Run(RunArguments),
    /// Say everything that is wrong with a configuration, and use no network
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
    /// Say where a request goes, why, and why nowhere else
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArguments),
    /// Say what a change of the configuration changes, also for the requests of an access log
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArguments),
    /// Run the proxy before three small backends of its own, to look at and to curl
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArguments),
    /// Say how a running proxy and its backends are
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArguments),
    /// Have a running proxy read its configuration again
    #[command(after_help = RELOAD_EXAMPLES)]
    Reload(ReloadArguments),
}

#[derive(Args, Debug)]
struct RunArguments {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", required_unless_present = "to", conflicts_with_all = ["listen", "to"])]
    config: Option<PathBuf>,
    /// Reload when the file, or one it includes, changes
    #[arg(long, requires = "config")]
    watch: bool,
    /// Without a file: an address to listen on, or unix:PATH (repeatable)
    #[arg(long, value_name = "ADDR", requires = "to")]
    listen: Vec<String>,
    /// Without a file: a backend's address, also after https:// or h2c://, or unix:PATH (repeatable)
    #[arg(long, value_name = "ADDR", requires = "listen")]
    to: Vec<String>,
}

#[derive(Args, Debug)]
struct CheckArguments {
    /// The configuration file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the problems as a JSON array, for editors and scripts
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ExplainArguments {
    /// The configuration file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The method, as in GET
    #[arg(value_name = "METHOD")]
    method: String,
    /// What is asked for: http://host[:port]/path, or https://
    #[arg(value_name = "URL")]
    url: String,
    /// A header of the request, as in 'x-version: v2' (repeatable)
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// The address that it comes from; 127.0.0.1 if not given
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The listener that gets it, where the URL's port does not say it
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct PlanArguments {
    /// The configuration as it is
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The configuration as it shall be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// A JSON access log whose requests are run through both; - reads standard input
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,
}

/// `name: value`.
fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write 'name: value'".to_owned()),
    }
}

#[derive(Args, Debug)]
struct DemoArguments {
    /// Where to listen; by default 127.0.0.1:8080 or the next free port
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Write a JSON line to stdout for each request
    #[arg(long)]
    access_log: bool,
}

/// Which running daemon is meant.
#[derive(Args, Debug)]
struct SocketArguments {
    /// The configuration file of the daemon; its [admin] socket is used
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket")]
    config: Option<PathBuf>,
    /// The admin socket; without this and -c /run/forebay/admin.sock
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct StatusArguments {
    #[command(flatten)]
    socket: SocketArguments,
    /// Only this upstream
    #[arg(value_name = "UPSTREAM", value_parser = name)]
    upstream: Option<String>,
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ReloadArguments {
    #[command(flatten)]
    socket: SocketArguments,
    /// Print the outcome, with every problem, as one JSON object
    #[arg(long)]
    json: bool,
}

/// A name as the configuration has them.
fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match !text.is_empty() && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err("names have letters, digits, `_`, `-` and `.`".to_owned()),
    }
}

const MAIN_EXAMPLES: &str = "\
Examples:
  forebay demo                                       see it work, nothing else needed
  forebay run --listen 127.0.0.1:8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002
  forebay check /etc/forebay.toml && forebay run -c /etc/forebay.toml
  forebay status -c /etc/forebay.toml                how its backends are

Exit codes: 0 good, 1 problems in the configuration (of status: a backend is not up), 2 usage or I/O.";

const RUN_USAGE: &str = "\
forebay run --config <FILE> [--watch]
       forebay run --listen <ADDR>... --to <ADDR>...";

const RUN_EXAMPLES: &str = "\
Examples:
  forebay run -c forebay.toml                        as configured
  forebay run -c forebay.toml --watch                and reload whenever the file changes
  forebay run --listen 127.0.0.1:8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002

Signals: HUP reloads, USR1 opens log files again, TERM and INT finish what is running and stop,
a second INT stops at once. A reload with a problem in it changes nothing and says what is wrong.
FOREBAY_LOG=debug overrides log.level.";

const CHECK_EXAMPLES: &str = "\
Examples:
  forebay check forebay.toml                         every problem, with its line and what would be accepted
  forebay check --json forebay.toml | jq '.[].message'";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  forebay explain forebay.toml GET http://shop.example/api/cart
  forebay explain forebay.toml POST http://shop.example:8080/api -H 'x-version: v2' --from 203.0.113.7
  forebay explain forebay.toml GET https://shop.example/   which certificate is shown, too
  forebay explain forebay.toml GET http://shop.example/ --json | jq .route

Nothing is sent: the file is compiled and the request runs through the same code as under `forebay run`.";

const PLAN_EXAMPLES: &str = "\
Examples:
  forebay plan /etc/forebay.toml new.toml            routes, upstreams and backends that come, go and change
  forebay plan /etc/forebay.toml new.toml --log access.jsonl
                                                     and which of these requests would go elsewhere";

const DEMO_EXAMPLES: &str = "\
Examples:
  forebay demo                                       on 127.0.0.1:8080, or the next free port
  forebay demo --listen 127.0.0.1:9000 --access-log";

const STATUS_EXAMPLES: &str = "\
Examples:
  forebay status -c /etc/forebay.toml                every backend: its state, since when and why
  forebay status --socket /run/forebay/admin.sock app
                                                     only the upstream app
  forebay status --json | jq -r '.upstreams[].backends[] | select(.state != \"up\") | .address'

States:
  up           it gets requests
  unproven     it is new and waits for its first passing check
  down         its checks fail
  open         it was taken out for what it did to requests
  half_open    a few requests try whether it is back
Causes, of the last change of state:
  failures, error_ratio, connect, latency
               what passive counts: so many in a row, too large a share, no connection, slower than its peers
  stalled      it held requests and answered none while its peers did; answered: it did after all
  open_over    it was out for long enough and is tried; probes_passed, probe_failed, probe_late: what came of that
  checks_passed, checks_failed
               so many health checks in a row
  start, configured
               it is new; checks or ejection were switched off
Exit codes: 0 all backends are up, 1 one is not, 2 the daemon cannot be reached.";

const RELOAD_EXAMPLES: &str = "\
Examples:
  forebay reload -c /etc/forebay.toml                as kill -HUP, but it waits and says what came of it
  forebay check /etc/forebay.toml && forebay reload -c /etc/forebay.toml

The daemon reads the file that it was started with. With a problem in it nothing changes.
Exit codes: 0 reloaded, 1 problems in the configuration, 2 the daemon cannot be reached or could not do it.";

/// Writes text that was asked for to stdout. A reader that has gone away is no failure of ours.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes what went wrong to stderr.
fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Reads a configuration for a command that needs a good one; what is wrong with it is shown.
fn load(file: &Path) -> Result<Loaded, Outcome> {
    config::load(&Source::File(file.to_owned())).map_err(|failure| {
        complain(&failure.render(stderr_colour()));
        if let Failure::Problems(report) = &failure {
            complain(&format!("\n{}: {}\n", file.display(), report.summary()));
        }
        match failure {
            Failure::Problems(_) => Outcome::Problems,
            Failure::Io(_) => Outcome::Failed,
        }
    })
}

/// Whether problems shown on stderr carry colours.
fn stderr_colour() -> Colour {
    let wanted = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if wanted { Colour::Always } else { Colour::Never }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::error::ErrorKind> {
        Arguments::try_parse_from(line.split(' '))
            .map(|arguments| arguments.command)
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_of_the_arguments_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_takes_a_file_or_addresses_but_not_both() {
        use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument};
        assert!(matches!(parse("forebay run -c a.toml --watch"), Ok(Command::Run(_))));
        let two = parse("forebay run --listen a:1 --to b:1 --to c:1");
        let Ok(Command::Run(run)) = two else { panic!("refused: {two:?}") };
        assert_eq!(run.to, ["b:1", "c:1"]);
        for (line, kind) in [
            ("forebay run", MissingRequiredArgument),
            ("forebay run --listen a:1", MissingRequiredArgument),
            ("forebay run --to a:1", MissingRequiredArgument),
            ("forebay run -c a.toml --listen a:1 --to b:1", ArgumentConflict),
            ("forebay check", MissingRequiredArgument),
        ] {
            assert_eq!(parse(line).err(), Some(kind), "{line}");
        }
    }

    #[test]
    fn every_command_teaches_by_example() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  forebay"), "{}", command.get_name());
        }
    }
}
