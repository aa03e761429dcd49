//! The whole daemon, in this process, on a free port.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::panic;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once, PoisonError};

use forebay::backend::{Cause, Standing};
use forebay::config::{Bind, Source};
use forebay::control::Settings;
use forebay::error::Reason;
use forebay::server::{Daemon, Options};
use forebay::snapshot::Upstream;

use super::{Wire, eventually};

/// What a test writes into the configuration; everything is TOML text.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Data-plane threads. One, unless the test is about several: pools are per worker.
    pub workers: usize,
    /// More lines of `[global]`.
    pub global: &'a str,
    /// Lines of `[defaults.timeouts]`.
    pub timeouts: &'a str,
    /// More lines of the `[[listener]]`.
    pub listener: &'a str,
    /// More lines of the `[upstream.app]`.
    pub upstream: &'a str,
    /// More tables, at the end of the file.
    pub more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup { workers: 1, global: "", timeouts: "", listener: "", upstream: "", more: "" }
    }
}

impl Setup<'_> {
    /// The configuration with these backends behind one listener.
    pub fn text(&self, backends: &[SocketAddr]) -> String {
        let mut list = String::new();
        for backend in backends {
            let _ = write!(list, "\"{backend}\", ");
        }
        let Setup { workers, global, timeouts, listener, upstream, more } = self;
        format!(
            "[global]\nworkers = {workers}\nshutdown_grace = \"2s\"\n{global}\n\
             [defaults.timeouts]\n{timeouts}\n\
             [[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n{listener}\n\
             [[route]]\nname = \"all\"\nupstream = \"app\"\n\
             [upstream.app]\nbackends = [{list}]\n{upstream}\n{more}\n"
        )
    }
}

/// A running daemon; dropped, it stops.
#[derive(Debug)]
pub struct Proxy {
    daemon: Option<Daemon>,
    file: Option<(tempfile::TempDir, PathBuf)>,
}

impl Proxy {
    /// In front of `backends` with every default.
    #[track_caller]
    pub fn to(backends: &[SocketAddr]) -> Proxy {
        Proxy::with(Setup::default(), backends)
    }

    /// In front of `backends` with what `setup` adds.
    #[track_caller]
    pub fn with(setup: Setup<'_>, backends: &[SocketAddr]) -> Proxy {
        Proxy::from_text(&setup.text(backends))
    }

    /// From a whole configuration.
    #[track_caller]
    pub fn from_text(text: &str) -> Proxy {
        let source = Source::Text { name: "test.toml".to_owned(), text: text.to_owned() };
        Proxy { daemon: Some(start(source, text)), file: None }
    }

    /// From a file that [`Proxy::rewrite`] can replace.
    #[track_caller]
    pub fn from_file(text: &str) -> Proxy {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("forebay.toml");
        std::fs::write(&path, text).expect("a file in a temporary folder");
        let daemon = start(Source::File(path.clone()), text);
        Proxy { daemon: Some(daemon), file: Some((folder, path)) }
    }

    /// By other means than the real ones.
    #[track_caller]
    pub fn from_settings(settings: Settings) -> Proxy {
        watch_panics();
        let daemon = Daemon::start_with(settings).expect("the daemon starts");
        Proxy { daemon: Some(daemon), file: None }
    }

    /// The first upstream, with its live state.
    pub fn upstream(&self) -> Arc<Upstream> {
        let snapshot = self.daemon().snapshot();
        Arc::clone(snapshot.upstreams.first().expect("an upstream"))
    }

    /// How the backend at `address` stands; `None` if there is none.
    pub fn standing(&self, address: SocketAddr) -> Option<Standing> {
        let (upstream, label) = (self.upstream(), address.to_string());
        let mut backends = upstream.members.iter().map(|member| &member.backend);
        backends.find(|backend| *backend.label == *label).map(|backend| backend.standing())
    }

    /// How often backends changed their state for `cause`.
    pub fn n_changes(&self, cause: Cause) -> u64 {
        self.upstream().cohort.n_changes(cause)
    }

    /// Replaces the file's text; nothing is reloaded yet.
    pub fn rewrite(&self, text: &str) {
        let (_, path) = self.file.as_ref().expect("a proxy started from a file");
        std::fs::write(path, text).expect("a file in a temporary folder");
    }

    /// Reloads; what was wrong with the new configuration comes back as text.
    pub fn reload(&self) -> Result<(), String> {
        self.daemon().reload().map(drop).map_err(|error| error.to_string())
    }

    /// The daemon itself.
    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it is taken only when stopping")
    }

    /// Where the only listener (or the first) accepts.
    pub fn address(&self) -> SocketAddr {
        self.addresses().into_iter().next().expect("a listener").1
    }

    /// Where `listener` accepts, if it does.
    pub fn address_of(&self, listener: &str) -> Option<SocketAddr> {
        self.addresses().into_iter().find(|(name, _)| name == listener).map(|(_, address)| address)
    }

    /// A new client connection to the first listener.
    #[track_caller]
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address())
    }

    /// How often `reason` was counted.
    pub fn count(&self, reason: Reason) -> u64 {
        self.daemon().metrics().sum(|worker| &worker.reasons[reason as usize])
    }

    /// Waits until `reason` was counted `n` times.
    #[track_caller]
    pub fn counted(&self, reason: Reason, n: u64) {
        eventually(&format!("{n} × {reason}"), || self.count(reason) >= n);
        assert_eq!(self.count(reason), n, "{reason} was counted too often");
    }

    /// Stops in order and waits for the end.
    pub fn stop(mut self) {
        self.stop_now();
    }

    fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let bound = self.daemon().bound().into_iter();
        bound
            .filter_map(|bound| match bound.bind {
                Bind::Tcp(address) => Some((bound.listener, address)),
                Bind::Unix(_) => None,
            })
            .collect()
    }

    fn stop_now(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop_gracefully();
            daemon.wait();
        }
        let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !std::thread::panicking() {
            assert!(panics.is_empty(), "a daemon of this process panicked: {panics:#?}");
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop_now();
    }
}

/// Panics in the daemon's own code. A runtime swallows those of its tasks, and a test would only see a
/// connection that closes.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours =
                std::thread::current().name().is_some_and(|name| name.starts_with("worker-"))
                    || info.location().is_some_and(|location| location.file().starts_with("src/"));
            if ours {
                let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
                panics.push(info.to_string());
            }
            usual(info);
        }));
    });
}

#[track_caller]
fn start(source: Source, text: &str) -> Daemon {
    watch_panics();
    match Daemon::start(source, Options { watch: false, handle_signals: false }) {
        Ok(daemon) => daemon,
        Err(error) => panic!("the daemon did not start: {error:?}\n{text}"),
    }
}
