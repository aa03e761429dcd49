//! Noticing when a file changes: of the configuration, where that is wanted, and certificates always.
//!
//! The files' *directories* are watched, because editors and configuration managers replace a file by renaming
//! another over it. What the kernel tells only wakes us; whether anything changed is seen by looking at the
//! files, so that neither a lost nor a superfluous notice matters. Without the kernel's help (no inotify
//! watches left, say) the files are looked at every two seconds. Certificates are looked at every ten in any case: a
//! link may lead to where nobody watches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};

use super::event::{Event, Request};

/// What is watched, and so what a change of it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Files of the configuration: it is read anew. A new file beside them counts, which an `include` may mean.
    Configuration,
    /// Files that the configuration names: they are read again alone.
    Certificates,
}

impl Subject {
    fn event(self) -> Event {
        match self {
            Subject::Configuration => {
                Event::Reload(Request { cause: "a file changed", reply: None })
            }
            Subject::Certificates => Event::CertificatesChanged,
        }
    }

    /// Looks at the files. Blocks.
    fn marks(self, files: &[PathBuf]) -> Marks {
        match self {
            Subject::Configuration => marks(files),
            Subject::Certificates => marks_of(files.iter().cloned()),
        }
    }
}

/// The files to watch, shared by the controller, which knows them, and the task that watches.
#[derive(Debug)]
pub(super) struct Watched {
    subject: Subject,
    wanted: Mutex<Option<Wanted>>,
    wake: Notify,
}

#[derive(Debug)]
struct Wanted {
    files: Vec<PathBuf>,
    marks: Marks,
}

impl Watched {
    pub(super) fn new(subject: Subject) -> Self {
        Watched { subject, wanted: Mutex::default(), wake: Notify::new() }
    }

    /// Watches `files` from now on, and nothing else. `marks` are theirs as of the time they were read.
    pub(super) fn set(&self, files: Vec<PathBuf>, marks: Marks) {
        let wanted = Wanted { files, marks };
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
        self.wake.notify_one();
    }

    fn take(&self) -> Option<Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Sends the subject's event for each change of the watched files. Ends with the controller.
pub(super) async fn run(watched: Arc<Watched>, events: mpsc::Sender<Event>) {
    let mut files = Vec::new();
    let mut seen = Marks::default();
    let mut watcher = None;
    let subject = watched.subject;
    while !events.is_closed() {
        match (&watcher, subject) {
            (Some(_), Subject::Configuration) => watched.wake.notified().await,
            (Some(_), Subject::Certificates) => {
                drop(timeout(LOOK_AGAIN_EVERY, watched.wake.notified()).await);
            }
            (None, _) => drop(timeout(LOOK_EVERY, watched.wake.notified()).await),
        }
        settle(&watched.wake).await;
        if let Some(wanted) = watched.take() {
            seen = wanted.marks;
            if wanted.files != files {
                files = wanted.files;
                watcher = watch(&files, &watched);
            }
        }
        let found = look(subject, files.clone()).await;
        if found != seen {
            seen = found;
            if events.send(subject.event()).await.is_err() {
                return;
            }
        }
    }
}

/// Waits until it has been quiet for a moment: a save is several notices, a deployment several files.
async fn settle(wake: &Notify) {
    let latest = Instant::now() + SETTLE_MAX;
    while Instant::now() < latest && timeout(QUIET, wake.notified()).await.is_ok() {}
}

fn directories(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let parent = |file: &PathBuf| match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_path_buf(),
        None => PathBuf::from("/"),
    };
    files.iter().map(parent).collect()
}

/// The kernel's notices for the files' directories; `None` when it will not give them.
fn watch(files: &[PathBuf], watched: &Arc<Watched>) -> Option<RecommendedWatcher> {
    let waker = Arc::downgrade(watched);
    let wake = move |notice: notify::Result<notify::Event>| {
        // Looking at a file is an access too: only what changes something may wake us, and what the
        // watcher could not tell.
        let idle = matches!(&notice, Ok(event) if event.kind.is_access());
        if let Some(watched) = waker.upgrade().filter(|_| !idle) {
            watched.wake.notify_one();
        }
    };
    let made = notify::recommended_watcher(wake).and_then(|mut watcher| {
        for directory in directories(files) {
            watcher.watch(&directory, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    match made {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the system gives no notice of changed files; looking every two seconds");
            None
        }
    }
}

/// What tells one state of the files from another: inode, length, and when it was changed. `None` is a file
/// that is not there.
pub(super) type Marks = BTreeMap<PathBuf, Option<(u64, u64, i64, i64)>>;

async fn look(subject: Subject, files: Vec<PathBuf>) -> Marks {
    let work = tokio::task::spawn_blocking(move || subject.marks(&files));
    work.await.unwrap_or_default()
}

/// The marks of the files themselves and, since a new one may match an `include`, of every `.toml` beside
/// them. Blocks.
pub(super) fn marks(files: &[PathBuf]) -> Marks {
    let mut paths: BTreeSet<PathBuf> = files.iter().cloned().collect();
    for directory in directories(files) {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        let beside = entries.flatten().map(|entry| entry.path());
        let is_toml =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
        paths.extend(beside.filter(is_toml).take(ENTRIES_MAX));
    }
    marks_of(paths)
}

/// The marks of these files and no others. Blocks.
pub(super) fn marks_of(paths: impl IntoIterator<Item = PathBuf>) -> Marks {
    let mark = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    };
    let marked = |path: PathBuf| (path.clone(), mark(&path));
    paths.into_iter().map(marked).collect()
}

/// How long nothing may happen before the files are looked at.
const QUIET: Duration = Duration::from_millis(50);
/// How long a steady stream of notices can put that off.
const SETTLE_MAX: Duration = Duration::from_secs(1);
/// How often files are looked at without the kernel's notices.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often certificates are looked at with them.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(10);
/// Files looked at beside the watched ones, in each directory.
const ENTRIES_MAX: usize = 10_000;
