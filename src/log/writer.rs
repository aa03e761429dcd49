//! Writer threads. Workers hand over whole lines and go on; only this room's threads ever wait for a
//! pipe or a disk. What does not fit in the queue is dropped and counted, and each such episode is told
//! once when it begins and once, with the number of lines, when it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;

use crate::config::LogTarget;

/// Buffers that may wait for a writer thread.
const QUEUE_BUFFERS_MAX: usize = 256;
/// Bytes that may wait for a writer thread.
const QUEUE_BYTES_MAX: usize = 16 << 20;
/// Empty buffers kept for reuse, and the largest one worth keeping.
const SPARE_BUFFERS_MAX: usize = 16;
const SPARE_BYTES_MAX: usize = 256 << 10;

/// One log target and the thread that writes to it. The thread ends when the writer and all its senders
/// are gone.
#[derive(Debug)]
pub struct Writer {
    sender: LineSender,
}

impl Writer {
    /// Opens `target` and starts its thread.
    ///
    /// # Errors
    /// The file cannot be opened for appending, a descriptor duplicated or a thread started. Nothing is
    /// left behind then.
    pub fn open(target: &LogTarget) -> io::Result<Writer> {
        Writer::start(Output::open(target)?, Voice::Events)
    }

    /// The writer that operator events themselves go through: it tells its own losses in place, because
    /// an event about them would take the way that is blocked.
    pub(super) fn open_for_operator() -> io::Result<Writer> {
        Writer::start(Output::open(&LogTarget::Stderr)?, Voice::InPlace)
    }

    fn start(output: Output, voice: Voice) -> io::Result<Writer> {
        let (queue, receiver) = sync_channel(QUEUE_BUFFERS_MAX);
        let shared = Arc::new(Shared::new(output.name(), voice));
        let thread = Thread { shared: Arc::clone(&shared), output, failing: None };
        std::thread::Builder::new().name("log".into()).spawn(move || thread.run(&receiver))?;
        Ok(Writer { sender: LineSender { shared, queue } })
    }

    /// A handle for those who write lines.
    pub fn sender(&self) -> LineSender {
        self.sender.clone()
    }

    /// Has a file opened again by its path before the next line is written (log rotation). If that fails
    /// the old file stays and an event says so. Does nothing for stdout and stderr.
    pub fn reopen(&self) {
        self.sender.shared.reopen.store(true, SeqCst);
        // A full queue is as good as a wake-up: the flag is looked at before each buffer.
        self.sender.enqueue(Message::Wake);
    }

    /// Waits until all lines handed over so far have been written or lost; `false` if that takes longer
    /// than `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        let shared = &self.sender.shared;
        let guard = shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = shared
            .idle_changed
            .wait_timeout_while(guard, timeout, |()| shared.n_pending.load(SeqCst) > 0);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Lines that were dropped or lost since the start.
    pub fn lost_lines(&self) -> u64 {
        self.sender.shared.n_lost.load(SeqCst)
    }
}

/// The sending end of a writer thread.
#[derive(Clone, Debug)]
pub struct LineSender {
    shared: Arc<Shared>,
    queue: SyncSender<Message>,
}

impl LineSender {
    /// Hands over whole lines. When the channel is full they are dropped and counted (`n_lines` of them).
    /// Never blocks.
    pub fn send(&self, lines: Vec<u8>, n_lines: u64) {
        if lines.is_empty() {
            return;
        }
        let shared = &self.shared;
        let n_bytes = lines.len();
        // A buffer that is larger than the bound by itself may still go alone.
        let before = shared.queued_bytes.fetch_add(n_bytes, SeqCst);
        let fits = before == 0 || before + n_bytes <= QUEUE_BYTES_MAX;
        if !fits || !self.enqueue(Message::Lines { lines, n_lines }) {
            shared.queued_bytes.fetch_sub(n_bytes, SeqCst);
            shared.drop_lines(n_lines);
        }
    }

    /// Whether both lead to the same writer thread.
    pub fn goes_where(&self, other: &LineSender) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// An empty buffer to build lines in, recycled where possible.
    pub fn buffer(&self) -> Vec<u8> {
        // A contended list is not worth waiting for.
        self.shared.spare.try_lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    fn enqueue(&self, message: Message) -> bool {
        self.shared.n_pending.fetch_add(1, SeqCst);
        let sent = self.queue.try_send(message).is_ok();
        if !sent {
            self.shared.finish_one();
        }
        sent
    }
}

/// What travels to a writer thread.
enum Message {
    Lines {
        lines: Vec<u8>,
        n_lines: u64,
    },
    /// Look at the flags.
    Wake,
}

/// Who hears of lost lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// Operators, by an event.
    Events,
    /// Readers of this very log, by a line in it.
    InPlace,
}

/// What senders and the thread share.
#[derive(Debug)]
struct Shared {
    name: String,
    voice: Voice,
    /// Messages handed over and not yet dealt with.
    n_pending: AtomicUsize,
    queued_bytes: AtomicUsize,
    reopen: AtomicBool,
    /// Whether an episode of dropping is going on, and the lines it has cost so far.
    dropping: AtomicBool,
    n_dropped: AtomicU64,
    /// Lines dropped or lost since the start.
    n_lost: AtomicU64,
    spare: Mutex<Vec<Vec<u8>>>,
    idle: Mutex<()>,
    idle_changed: Condvar,
}

impl Shared {
    fn new(name: String, voice: Voice) -> Self {
        Shared {
            name,
            voice,
            n_pending: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            reopen: AtomicBool::new(false),
            dropping: AtomicBool::new(false),
            n_dropped: AtomicU64::new(0),
            n_lost: AtomicU64::new(0),
            spare: Mutex::new(Vec::new()),
            idle: Mutex::new(()),
            idle_changed: Condvar::new(),
        }
    }

    fn drop_lines(&self, n_lines: u64) {
        self.n_lost.fetch_add(n_lines, SeqCst);
        self.n_dropped.fetch_add(n_lines, SeqCst);
        if !self.dropping.swap(true, SeqCst) && self.voice == Voice::Events {
            tracing::warn!(log = self.name, "the log takes no more lines; dropping until it does");
        }
    }

    fn finish_one(&self) {
        if self.n_pending.fetch_sub(1, SeqCst) == 1 {
            // Passing through the lock keeps a waiter from missing this between its look and its sleep.
            drop(self.idle.lock());
            self.idle_changed.notify_all();
        }
    }

    fn recycle(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() > SPARE_BYTES_MAX {
            return;
        }
        buffer.clear();
        if let Ok(mut spare) = self.spare.try_lock()
            && spare.len() < SPARE_BUFFERS_MAX
        {
            spare.push(buffer);
        }
    }
}

/// The state of a writer thread.
struct Thread {
    shared: Arc<Shared>,
    output: Output,
    /// Lines lost since writing began to fail.
    failing: Option<u64>,
}

impl Thread {
    fn run(mut self, receiver: &Receiver<Message>) {
        while let Ok(message) = receiver.recv() {
            if self.shared.reopen.swap(false, SeqCst) {
                self.reopen();
            }
            if let Message::Lines { lines, n_lines } = message {
                self.write(&lines, n_lines);
                self.shared.queued_bytes.fetch_sub(lines.len(), SeqCst);
                self.shared.recycle(lines);
                // The queue must have run empty: one free place in a full one is no recovery.
                if self.shared.n_pending.load(SeqCst) == 1 {
                    self.tell_dropped();
                }
            }
            self.shared.finish_one();
        }
    }

    fn write(&mut self, lines: &[u8], n_lines: u64) {
        match self.output.write(lines) {
            Ok(()) => {
                if let Some(n_lost) = self.failing.take() {
                    let log = &self.shared.name;
                    tracing::warn!(log, n_lost, "the log is written again; lines were lost");
                }
            }
            Err(error) => {
                self.shared.n_lost.fetch_add(n_lines, SeqCst);
                if self.failing.is_none() && self.shared.voice == Voice::Events {
                    let log = &self.shared.name;
                    tracing::error!(log, %error, "the log cannot be written; its lines are lost");
                }
                *self.failing.get_or_insert(0) += n_lines;
            }
        }
    }

    fn tell_dropped(&mut self) {
        if !self.shared.dropping.load(SeqCst) {
            return;
        }
        self.shared.dropping.store(false, SeqCst);
        let n_dropped = self.shared.n_dropped.swap(0, SeqCst);
        let log = &self.shared.name;
        match self.shared.voice {
            Voice::Events => tracing::warn!(log, n_dropped, "the log takes lines again"),
            Voice::InPlace => {
                let note =
                    format!("({n_dropped} lines of this log were dropped: nobody read it)\n");
                // Nobody is left to tell if this fails too.
                let _ = self.output.write(note.as_bytes());
            }
        }
    }

    fn reopen(&mut self) {
        match self.output.reopen() {
            Ok(()) => {}
            Err(error) => {
                let log = &self.shared.name;
                tracing::error!(log, %error, "the log file could not be opened again; the old one stays");
            }
        }
    }
}

/// An open target.
struct Output {
    file: File,
    target: LogTarget,
    /// The last write ended inside a line.
    torn: bool,
}

impl Output {
    fn open(target: &LogTarget) -> io::Result<Output> {
        Ok(Output { file: open(target)?, target: target.clone(), torn: false })
    }

    fn name(&self) -> String {
        match &self.target {
            LogTarget::Stdout => "stdout".to_owned(),
            LogTarget::Stderr => "stderr".to_owned(),
            LogTarget::File(path) => path.display().to_string(),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let LogTarget::File(_) = self.target {
            self.file = open(&self.target)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Writes everything, waiting as long as it takes. After an error a part may have been written; the
    /// next write then begins on a new line.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write_whole(b"\n")?;
            self.torn = false;
        }
        self.write_whole(lines)
    }

    fn write_whole(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.torn = bytes[n - 1] != b'\n';
                    bytes = &bytes[n..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody made our stdout non-blocking; it is theirs too.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn open(target: &LogTarget) -> io::Result<File> {
    let duplicate = |fd: io::Result<OwnedFd>| fd.map(File::from);
    match target {
        LogTarget::Stdout => duplicate(io::stdout().as_fd().try_clone_to_owned()),
        LogTarget::Stderr => duplicate(io::stderr().as_fd().try_clone_to_owned()),
        LogTarget::File(path) => open_file(path),
    }
}

fn open_file(path: &PathBuf) -> io::Result<File> {
    // Non-blocking only so that a named pipe without a reader is an error and not a start that hangs.
    let flags = OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
