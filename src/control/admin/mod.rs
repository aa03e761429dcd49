//! The admin socket: HTTP on a unix socket that only this user and root can open, for the command line and for
//! scripts. It reads what everybody may read and asks for reloads as anybody may; it decides nothing.
//!
//! The socket is bound with everything else of a reload, in `prepare`; here it is served (`serve`), each request is
//! answered (`answer`), and the state of everything is gathered (`status`). All of it runs in tasks of their own on
//! the control thread's runtime, with bounds on how many, how large and how long; what takes long is done by a
//! helper thread. So whatever a client does, the controller's loop goes on.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use crate::net::{Listening, SocketFile};

mod answer;
mod serve;
mod site;
mod status;
#[cfg(test)]
mod tests;
mod tls_status;

pub use answer::ReloadAnswer;
pub(super) use site::Site;
pub use status::{BackendStatus, CheckStatus, ListenerStatus, QueueStatus, Status, UpstreamStatus};
pub use tls_status::{CertificateStatus, TlsStatus, UpstreamTlsStatus};

/// The admin socket as the controller holds it.
pub(super) struct Admin {
    site: Arc<Site>,
    open: Option<Open>,
}

/// A socket in service.
struct Open {
    /// Dropping it removes the file.
    file: Option<SocketFile>,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        // The file first: nobody may find a socket that nobody accepts from. Connections live on.
        self.file = None;
        self.task.abort();
    }
}

impl Admin {
    /// One that listens nowhere yet and will tell of `site`.
    pub(super) fn new(site: Site) -> Self {
        Admin { site: Arc::new(site), open: None }
    }

    /// Where it listens; `None` too if somebody took the file away, so that the next reload brings it back.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let file = self.open.as_ref()?.file.as_ref()?;
        file.is_in_place().then(|| file.path().to_path_buf())
    }

    /// Goes over to `new`, if there is one; closes the present socket if none is wanted. Connections live on.
    pub(super) fn adopt(&mut self, wanted: bool, new: Option<Listening>) {
        if !wanted {
            self.close();
        }
        let Some(listening) = new else { return };
        self.close();
        let Listening { sockets, file, .. } = listening;
        let path = file.as_ref().map(|file| file.path().display().to_string());
        let listener = sockets.into_iter().next().map(std::os::unix::net::UnixListener::from);
        match listener.map(UnixListener::from_std) {
            Some(Ok(listener)) => {
                tracing::info!(path, "admin socket");
                let task = tokio::spawn(serve::accept(listener, Arc::clone(&self.site)));
                self.open = Some(Open { file, task });
            }
            Some(Err(error)) => tracing::error!(path, %error, "the admin socket cannot be served"),
            None => {}
        }
    }

    /// Closes the socket and removes its file. Connections finish.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}
