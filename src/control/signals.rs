//! The process's signals, as events.

use std::io;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::event::{Event, Request, Urgency};

/// Keeps a HUP that comes before [`forward`] from ending the process: who asks for a reload does not know that the
/// start is still waiting for names or files. The system keeps it, and it is acted on then.
///
/// Fails when the system refuses a runtime or a handler.
pub(super) fn hold_hang_up() -> io::Result<()> {
    // The handler outlives the runtime, which a handler cannot be installed without.
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    signal(SignalKind::hangup()).map(drop)
}

/// Takes over HUP, USR1, USR2, TERM and INT, which end the process otherwise. Needs a tokio runtime.
///
/// Fails when the system refuses a handler.
pub(super) fn forward(events: &mpsc::Sender<Event>) -> io::Result<()> {
    let kinds: [(SignalKind, fn() -> Event); 5] = [
        (SignalKind::hangup(), || Event::Reload(Request { cause: "HUP", reply: None })),
        (SignalKind::user_defined1(), || Event::ReopenLogs),
        (SignalKind::user_defined2(), || Event::ReplaceBinary),
        (SignalKind::terminate(), || Event::Stop(Urgency::Graceful)),
        (SignalKind::interrupt(), || Event::Stop(Urgency::Interrupt)),
    ];
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
