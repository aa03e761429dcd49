//! The part of a start or reload that can fail: read, check, try, resolve, compile, bind. It blocks, so it runs on
//! a helper thread, and it changes nothing: what it returns is either stored as a whole or dropped.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::certificates;
use super::reload::ReloadError;
use super::resolve::{self, Answer, Lookup, Resolver};
use super::watch::{self, Marks};
use crate::admit::trial;
use crate::config::{self, Failure, Loaded, Source};
use crate::hash::Set;
use crate::net::{self, Listening};
use crate::snapshot::{
    Draft, HostPort, Names, Registry, SocketId, compile, compile_offline, names_of,
};

/// Reads and checks a configuration. Blocks.
pub type Loader = Arc<dyn Fn(&Source) -> Result<Loaded, Failure> + Send + Sync>;

/// How a controller works: what it loads, and by what means.
#[derive(Clone)]
pub struct Settings {
    /// Where the configuration comes from.
    pub source: Source,
    /// Reload when a file changes, whatever `reload.watch` says.
    pub watch: bool,
    /// Take over the process's signals.
    pub handle_signals: bool,
    /// How the source becomes a configuration.
    pub loader: Loader,
    /// How names become addresses.
    pub lookup: Lookup,
    /// How often a name that has resolved is asked again.
    pub names_every: Duration,
}

impl Settings {
    /// The real means: `config::load` and the system's resolver.
    pub fn new(source: Source) -> Self {
        Settings {
            source,
            watch: false,
            handle_signals: false,
            loader: Arc::new(config::load),
            lookup: resolve::system_lookup(),
            names_every: Resolver::EVERY,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("source", &self.source)
            .field("watch", &self.watch)
            .field("handle_signals", &self.handle_signals)
            .finish_non_exhaustive()
    }
}

/// What is in service when a preparation begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Basis {
    /// The present generation; 0 before the first.
    pub(super) generation: u64,
    /// Workers that run; `None` before the start, when the configuration decides.
    pub(super) n_workers: Option<usize>,
    /// Live state.
    pub(super) registry: Arc<Registry>,
    /// Names that have resolved.
    pub(super) names: Names,
    /// Sockets that are open.
    pub(super) open: Set<SocketId>,
    /// TCP ports that they hold.
    pub(super) own_ports: Vec<u16>,
    /// The admin socket that is listened on and still in its place.
    pub(super) admin: Option<PathBuf>,
    /// Files of the configuration in service.
    pub(super) files: Vec<PathBuf>,
    /// And of its certificates.
    pub(super) certificates: Vec<PathBuf>,
}

/// A configuration that only has to be stored.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) loaded: Loaded,
    pub(super) n_workers: usize,
    pub(super) draft: Draft,
    /// The files' marks as of the time they were read, or earlier.
    pub(super) marks: Marks,
    /// Those of the certificates' files.
    pub(super) certificate_marks: Marks,
    /// What the new names answered.
    pub(super) answers: Vec<(HostPort, Answer)>,
    /// The new sockets.
    pub(super) listening: Vec<(SocketId, Listening)>,
    /// The admin socket, if it is a new one.
    pub(super) admin: Option<Listening>,
}

/// Prepares a configuration on top of `basis`.
pub(super) fn prepare(settings: &Settings, basis: &Basis) -> Result<Ready, ReloadError> {
    // Marked before they are read: a change while we read is then seen as one.
    let before = watch::marks(&known_files(&settings.source, &basis.files));
    let certificates_before = watch::marks_of(basis.certificates.iter().cloned());
    let loaded = (settings.loader)(&settings.source)?;
    let config = &loaded.config;
    let mut marks = watch::marks(&config.files);
    for (file, mark) in &mut marks {
        *mark = before.get(file).copied().unwrap_or(*mark);
    }
    let mut certificate_marks = watch::marks_of(certificates::files(config));
    for (file, mark) in &mut certificate_marks {
        *mark = certificates_before.get(file).copied().unwrap_or(*mark);
    }
    // Before anything is asked, opened or bound.
    if !config.tests.is_empty() {
        let compiled =
            compile_offline(config).map_err(|error| ReloadError::Io(error.to_string()))?;
        let failed = trial::run_all(&compiled, config);
        if !failed.is_empty() {
            return Err(ReloadError::Problems(loaded.problems_at(failed)));
        }
    }
    let n_workers = basis.n_workers.unwrap_or_else(|| n_workers(config));
    let mut unknown = names_of(config);
    unknown.retain(|name| !basis.names.contains_key(name));
    let answers = resolve::ask_all(&unknown, &settings.lookup, PATIENCE);
    let mut names = basis.names.clone();
    for (name, answer) in &answers {
        let found = answer.as_ref().ok().and_then(|found| resolve::sorted(found.clone()));
        names.extend(found.map(|found| (name.clone(), found)));
    }
    let draft = compile(config, &names, &basis.registry, basis.generation + 1, n_workers)
        .map_err(|error| ReloadError::Io(error.to_string()))?;
    let mut listening = Vec::new();
    for wanted in draft.sockets.iter().filter(|wanted| !basis.open.contains(&wanted.socket)) {
        let bound = net::listen(&wanted.key.0, n_workers, wanted.backlog, &basis.own_ports)
            .map_err(|error| ReloadError::Io(format!("listener {}: {error}", wanted.listener)))?;
        listening.push((wanted.socket, bound));
    }
    let new_admin = config.admin.socket.as_ref().filter(|path| basis.admin.as_ref() != Some(*path));
    let admin = new_admin
        .map(|path| net::listen_privately(path))
        .transpose()
        .map_err(|error| ReloadError::Io(format!("admin.socket: {error}")))?;
    Ok(Ready { loaded, n_workers, draft, marks, certificate_marks, answers, listening, admin })
}

fn known_files(source: &Source, before: &[PathBuf]) -> Vec<PathBuf> {
    let main = match source {
        Source::File(path) => Some(path),
        Source::Text { .. } => None,
    };
    main.into_iter().chain(before).cloned().collect()
}

/// The number of workers that `config` asks for.
pub(super) fn n_workers(config: &config::Config) -> usize {
    let available = || thread::available_parallelism().map_or(1, NonZero::get);
    config.global.workers.unwrap_or_else(available).max(1)
}

/// How long a start or reload waits for names it has not seen before. One that is slower joins later.
const PATIENCE: Duration = Duration::from_secs(3);
