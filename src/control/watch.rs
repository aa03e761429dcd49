//! Noticing when a file changes: of the configuration, where that is wanted, and certificates always.
//!
//! The files' *directories* are watched, because editors and configuration managers replace a file by renaming
//! another over it, and those of every link on the way to them, because deployments swap a link to a whole directory.
//! What the kernel tells only wakes us; whether anything changed is seen by looking at the files, so that neither a
//! lost nor a superfluous notice matters. Without the kernel's help (no inotify watches left, say) the files are looked
//! at every two seconds. Certificates are looked at every ten in any case: network file systems give no notice.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
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
    /// How often files are looked at without a notice.
    look_again_every: Option<Duration>,
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
        let look_again_every = match subject {
            Subject::Configuration => None,
            Subject::Certificates => Some(LOOK_AGAIN_EVERY),
        };
        Watched { subject, look_again_every, wanted: Mutex::default(), wake: Notify::new() }
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
    let mut places = Places::default();
    let mut watcher = None;
    let subject = watched.subject;
    while !events.is_closed() {
        let patience = match watcher {
            Some(_) => watched.look_again_every,
            None => Some(LOOK_EVERY),
        };
        match patience {
            None => watched.wake.notified().await,
            Some(patience) => drop(timeout(patience, watched.wake.notified()).await),
        }
        settle(&watched.wake).await;
        if let Some(wanted) = watched.take() {
            seen = wanted.marks;
            files = wanted.files;
        }
        let mut found = look(subject, files.clone()).await;
        if found.places != places {
            watcher = watch(&found.places, &watched);
            // What changed before the kernel was asked.
            (places, found) = (found.places, look(subject, files.clone()).await);
        }
        if found.marks != seen {
            seen = found.marks;
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
    let parent = |file: &PathBuf| file.parent().map_or_else(|| PathBuf::from("/"), or_here);
    files.iter().map(parent).collect()
}

/// Directories to watch, with what tells one of that name from the next; `None`: there is none now.
type Places = BTreeMap<PathBuf, Option<(u64, u64)>>;

/// The directories of these files, and those of every link that leads to them. Blocks.
fn places(files: &[PathBuf]) -> Places {
    let own = directories(files);
    let mut found = own.clone();
    // Thousands of certificates share a directory, and most are no links.
    for directory in &own {
        let end = follow(directory, &mut found);
        found.extend(end.map(|end| or_here(&end)));
    }
    for file in files.iter().filter(|file| fs::read_link(file).is_ok()) {
        let end = follow(file, &mut found);
        found.extend(end.and_then(|end| end.parent().map(or_here)));
    }
    let known = |place: &PathBuf| {
        let metadata = fs::metadata(place).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    found.into_iter().map(|place| (place.clone(), known(&place))).collect()
}

/// Adds the directory of each link on the way to `path`. Where the way ends, if there is a link on it.
fn follow(path: &Path, found: &mut BTreeSet<PathBuf>) -> Option<PathBuf> {
    let mut n_links = 0;
    let mut gone = PathBuf::new();
    let mut left: Vec<OsString> = parts_reversed(path);
    while let Some(part) = left.pop() {
        if part == ".." {
            // What was gone until here has no link any more.
            match gone.file_name() {
                Some(_) => drop(gone.pop()),
                None if gone.has_root() => {}
                None => gone.push(part),
            }
            continue;
        }
        let here = gone.join(&part);
        match fs::read_link(&here) {
            Ok(target) if n_links < LINKS_MAX => {
                n_links += 1;
                found.insert(or_here(&gone));
                if target.is_absolute() {
                    gone.clear();
                }
                left.extend(parts_reversed(&target));
            }
            Ok(_) | Err(_) => gone = here,
        }
    }
    (n_links > 0).then_some(gone)
}

/// A directory's path, that of this one where it is empty.
fn or_here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_path_buf() }
}

/// The parts of a path, the last first, without those that lead nowhere.
fn parts_reversed(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).filter(|it| it != ".").collect()
}

/// The kernel's notices for these directories; `None` when it will not give them, or not for all.
fn watch(places: &Places, watched: &Arc<Watched>) -> Option<RecommendedWatcher> {
    if places.values().any(Option::is_none) {
        return None;
    }
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
        for directory in places.keys() {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
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

/// What looking at the files came to.
#[derive(Default)]
struct Found {
    marks: Marks,
    places: Places,
}

async fn look(subject: Subject, files: Vec<PathBuf>) -> Found {
    let work = tokio::task::spawn_blocking(move || Found {
        marks: subject.marks(&files),
        places: places(&files),
    });
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
/// Links that are followed on the way to one file; the system follows as many.
const LINKS_MAX: usize = 40;
/// Files looked at beside the watched ones, in each directory.
const ENTRIES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// `live`, a link to the directory `v1`, and `shop.crt` there; and the whole path of the folder.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        for version in ["v1", "v2"] {
            fs::create_dir_all(root.join("versions").join(version)).expect("made");
            let file = root.join("versions").join(version).join("shop.crt");
            fs::write(file, version).expect("written");
        }
        symlink("versions/v1", root.join("live")).expect("linked");
        (folder, root)
    }

    fn names(places: &Places, root: &Path) -> Vec<String> {
        let name =
            |place: &PathBuf| place.strip_prefix(root).ok().map(|it| it.display().to_string());
        places.keys().filter_map(name).collect()
    }

    #[test]
    fn the_directories_of_all_links_on_the_way_are_watched() {
        let (_folder, root) = folder();
        let of = |file: &str| names(&places(&[root.join(file)]), &root);
        assert_eq!(of("versions/v1/shop.crt"), ["versions/v1"]);
        assert_eq!(of("live/shop.crt"), ["", "live", "versions/v1"]);
        // As certbot lays them out, and as orchestrators do.
        fs::create_dir(root.join("etc")).expect("made");
        symlink("../live/shop.crt", root.join("etc/shop.pem")).expect("linked");
        assert_eq!(of("etc/shop.pem"), ["", "etc", "versions/v1"]);
        symlink(root.join("etc"), root.join("all")).expect("linked");
        assert_eq!(of("all/./shop.pem"), ["", "all", "etc", "versions/v1"]);
        // What leads nowhere, and in a circle.
        symlink("nowhere/shop.crt", root.join("etc/lost")).expect("linked");
        assert_eq!(of("etc/lost"), ["etc", "etc/nowhere"]);
        symlink("round", root.join("etc/round")).expect("linked");
        assert_eq!(of("etc/round"), ["etc"]);
    }

    /// Watches `file` without ever looking by itself.
    fn watching(file: PathBuf) -> (Arc<Watched>, mpsc::Receiver<Event>) {
        let watched = Watched::new(Subject::Certificates);
        let watched = Arc::new(Watched { look_again_every: None, ..watched });
        let (events, received) = mpsc::channel(8);
        watched.set(vec![file.clone()], Marks::default());
        tokio::spawn(run(Arc::clone(&watched), events));
        (watched, received)
    }

    async fn change(received: &mut mpsc::Receiver<Event>) {
        let event = timeout(Duration::from_secs(60), received.recv()).await;
        assert!(matches!(event, Ok(Some(Event::CertificatesChanged))), "{event:?}");
    }

    #[tokio::test]
    async fn a_directory_that_is_swapped_is_noticed_without_looking() {
        let (_folder, root) = folder();
        let (_watched, mut received) = watching(root.join("live/shop.crt"));
        // The first is that of a file whose marks were never taken; from then on it is watched.
        change(&mut received).await;
        for (n, version) in ["v2", "v1", "v2"].into_iter().enumerate() {
            let new = root.join(format!("new{n}"));
            symlink(format!("versions/{version}"), &new).expect("linked");
            fs::rename(new, root.join("live")).expect("swapped");
            change(&mut received).await;
        }
        // Where it leads now is watched, too.
        fs::write(root.join("versions/v2/new"), "another").expect("written");
        fs::rename(root.join("versions/v2/new"), root.join("versions/v2/shop.crt"))
            .expect("renamed");
        change(&mut received).await;
        // A directory that is none of a link: moved away, and another put in its place.
        fs::rename(root.join("versions/v2"), root.join("versions/old")).expect("renamed");
        fs::create_dir(root.join("versions/v2")).expect("made");
        change(&mut received).await;
        fs::write(root.join("versions/v2/shop.crt"), "back").expect("written");
        change(&mut received).await;
    }
}
