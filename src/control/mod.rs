//! The control plane: one thread that decides and stores. It is the only writer of the snapshot.
//!
//! Whatever happens to the process arrives here as an event (`event`): a signal, a request to
//! reload, a changed file, an answer to a name. Work that can block (reading, compiling, resolving, binding)
//! runs on helper threads and comes back as one more event. The workers are reached through [`Fleet`], which
//! the server implements; the data plane's rooms are not known here.

mod admin;
mod certificates;
mod controller;
mod event;
mod fleet;
mod graveyard;
mod handle;
mod health;
mod prepare;
mod reload;
mod resolve;
mod signals;
mod stop;
mod watch;

pub use admin::{
    BackendStatus, CertificateStatus, CheckStatus, ListenerStatus, QueueStatus, ReloadAnswer,
    Status, TlsStatus, UpstreamStatus, UpstreamTlsStatus,
};
pub use controller::Bound;
pub use fleet::{Fleet, Order};
pub use handle::{Ended, Handle, Launch};
pub use health::{CheckInfo, Checks};
pub use prepare::{Loader, Settings};
pub use reload::{ReloadError, Reloaded};
pub use resolve::Lookup;
