//! The process's signals, as events.

use std::io;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::event::{Event, Request, Urgency};

/// Takes over HUP before there is a controller, so that it does not end the process: who asks for a reload does not
/// know that the start still waits for files or names. Given to [`forward`], it is acted on then.
///
/// Fails when the system refuses a runtime or a handler.
pub(super) fn hang_up() -> io::Result<Signal> {
    // A handler cannot be installed without a runtime; it outlives this one.
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    signal(SignalKind::hangup())
}

/// Takes over `hang_up`, USR1, USR2, TERM and INT, which end the process otherwise. Needs a tokio runtime.
///
/// Fails when the system refuses a handler.
pub(super) fn forward(hang_up: Signal, events: &mpsc::Sender<Event>) -> io::Result<()> {
    let kinds: [(SignalKind, fn() -> Event); 4] = [
        (SignalKind::user_defined1(), || Event::ReopenLogs),
        (SignalKind::user_defined2(), || Event::ReplaceBinary),
        (SignalKind::terminate(), || Event::Stop(Urgency::Graceful)),
        (SignalKind::interrupt(), || Event::Stop(Urgency::Interrupt)),
    ];
    let reload = || Event::Reload(Request { cause: "HUP", reply: None });
    tokio::spawn(forward_one(hang_up, reload, events.clone()));
    for (kind, event) in kinds {
        tokio::spawn(forward_one(signal(kind)?, event, events.clone()));
    }
    Ok(())
}

async fn forward_one(mut signal: Signal, event: fn() -> Event, events: mpsc::Sender<Event>) {
    while signal.recv().await.is_some() {
        if events.send(event()).await.is_err() {
            return;
        }
    }
}
