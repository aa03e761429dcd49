//! The process: workers, listening sockets, the control thread, start and stop.
//!
//! Nothing of HTTP is known here: connections are accepted, counted, put on a worker and given to the proxy.
//! The command line and the tests hold a [`Daemon`]; the workers are moved by the control plane's orders.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::{Report, Source};
use crate::control::{Fleet, Handle, Launch, Order, Settings};
use crate::metrics::Metrics;
use crate::net;
use crate::snapshot::Snapshot;

mod descriptors;
mod door;
#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod health_tests;
mod house;
mod occupancy;
#[cfg(test)]
mod tests;
mod worker;

use door::Accept;
use house::House;

pub use crate::control::{Bound, ReloadError, Reloaded};

/// How a daemon is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Reload when a configuration file changes, whatever `reload.watch` says.
    pub watch: bool,
    /// Act on HUP, USR1, USR2, TERM and INT. Off where the daemon shares its process.
    pub handle_signals: bool,
}

/// Why a daemon did not start. Nothing of it runs then.
#[derive(Debug)]
pub enum StartError {
    /// Problems in the configuration, all of them.
    Problems(Report),
    /// Something could not be read, opened, bound or started; says what, why and what to do.
    Io(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Problems(report) => report.fmt(f),
            StartError::Io(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {}

impl From<ReloadError> for StartError {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Problems(report) => StartError::Problems(report),
            ReloadError::Io(text) => StartError::Io(text),
        }
    }
}

impl StartError {
    /// The exit code that a command ends with: 1 for problems in the configuration, 2 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Problems(_) => 1,
            StartError::Io(_) => 2,
        }
    }
}

/// What a daemon did in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Client connections accepted.
    pub connections: u64,
    /// Requests answered or given up.
    pub requests: u64,
    /// Connections that were open when the stop could wait no longer.
    pub cut: usize,
}

/// A running daemon in this process. Dropping it stops it at once.
#[derive(Debug)]
pub struct Daemon {
    control: Handle,
    house: Arc<House>,
    workers: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// Loads the configuration, listens, and starts every thread. Blocks until connections are accepted;
    /// host names that do not resolve are waited for up to a few seconds.
    ///
    /// Fails as a whole, see [`StartError`].
    pub fn start(source: Source, options: Options) -> Result<Self, StartError> {
        let settings = Settings {
            watch: options.watch,
            handle_signals: options.handle_signals,
            ..Settings::new(source)
        };
        Self::start_with(settings)
    }

    /// As [`start`](Self::start), by other means than the real ones.
    pub fn start_with(settings: Settings) -> Result<Self, StartError> {
        Self::launch(settings, net::accept)
    }

    fn launch(settings: Settings, accept: Accept) -> Result<Self, StartError> {
        let descriptors_max = descriptors::raise_limit();
        let launch = Launch::prepare(settings)?;
        let n_workers = launch.n_workers();
        let (house, inboxes) = House::new(launch.snapshot(), n_workers, descriptors_max);
        let house = Arc::new(house);
        let mut workers = Vec::with_capacity(n_workers);
        for (index, inbox) in inboxes.into_iter().enumerate() {
            match worker::start(index, Arc::clone(&house), inbox, accept) {
                Ok(worker) => workers.push(worker),
                Err(error) => {
                    end_workers(&house, workers);
                    return Err(StartError::Io(format!(
                        "worker {index} of {n_workers} cannot be started: {error}; \
                         lower global.workers, or raise the limits of this process"
                    )));
                }
            }
        }
        match launch.start(Arc::clone(&house) as Arc<dyn Fleet>) {
            Ok(control) => Ok(Daemon { control, house, workers }),
            Err(error) => {
                end_workers(&house, workers);
                Err(StartError::Io(format!("the control thread cannot be started: {error}")))
            }
        }
    }

    /// Every socket listened on now, as bound.
    pub fn bound(&self) -> Vec<Bound> {
        self.control.bound()
    }

    /// Reads the configuration again and puts it into service. Blocks until that is done or refused; when
    /// refused, nothing has changed.
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.control.reload("a call")
    }

    /// Begins the graceful stop and returns at once: nothing more is accepted, exchanges finish within
    /// `global.shutdown_grace`. See [`wait`](Self::wait).
    pub fn stop_gracefully(&self) {
        self.control.stop_gracefully();
    }

    /// Begins the stop that cuts whatever is open, and returns at once.
    pub fn stop_now(&self) {
        self.control.stop_now();
    }

    /// Waits until the daemon has stopped and its log lines are written.
    pub fn wait(mut self) -> Totals {
        self.join()
    }

    /// Every counter.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.house.metrics)
    }

    /// The configuration in force, with the live state of every backend.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.house.snapshot.load_full()
    }

    /// Client connections that each worker holds now.
    pub fn worker_connections(&self) -> Vec<usize> {
        self.house.occupancy.by_worker()
    }

    fn join(&mut self) -> Totals {
        let ended = self.control.join();
        if ended.is_none() {
            // The control thread fell over and gave no order to stop.
            end_workers(&self.house, Vec::new());
        }
        for (index, worker) in self.workers.drain(..).enumerate() {
            if worker.join().is_err() {
                tracing::error!(worker = index, "a worker ended by a fault");
            }
        }
        if let Some(ended) = &ended {
            ended.flush_logs(FLUSH_WITHIN);
        }
        let metrics = &self.house.metrics;
        let responses = metrics.workers.iter().flat_map(|worker| &worker.responses);
        Totals {
            connections: metrics.sum(|worker| &worker.connections),
            requests: responses.map(|counter| counter.value()).sum(),
            cut: ended.map_or(0, |ended| ended.n_cut),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            self.control.stop_now();
            self.join();
        }
    }
}

/// Tells workers to end and waits for those in `workers`.
fn end_workers(house: &House, workers: Vec<JoinHandle<()>>) {
    for worker in 0..house.n_workers() {
        // Closed: it has ended. Full: a worker that takes no orders does not end by one more either.
        let _ = house.mailbox(worker).try_send(Order::Stop);
    }
    for worker in workers {
        let _ = worker.join();
    }
}

/// How long the end waits for a log target that does not take its lines.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
