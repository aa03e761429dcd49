//! Asking a backend how it is: one kind of check is one file and one entry in [`PROBES`]. Run by the control
//! thread (`control::health`), which decides when, how often and what follows; here is one check, from the
//! connection to a verdict, bounded in time and bytes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crate::backend::Address;
use crate::config::Health;
use crate::net::{Stream, Transport};

#[cfg(test)]
mod conformance;
mod connect;
mod error;
mod grpc;
mod http;
mod response;
#[cfg(test)]
mod scripted;

pub use error::{ProbeError, Stage};
pub use response::{BODY_BYTES_MAX, SEARCHED_BYTES_MAX};

/// Who asks, for the backend's log. Without a version: what a log shows need not change with ours.
const USER_AGENT: &str = "forebay-health";

/// Whom to ask for what.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Where to connect.
    pub address: Address,
    /// The Host, of kinds that send one.
    pub host: Box<str>,
    /// What is asked and what is expected.
    pub options: Arc<Health>,
    /// What a connection is made with; `None`: HTTP/1.1 in the clear.
    pub transport: Option<Arc<Transport>>,
}

impl Target {
    /// A target at `address`, or at the port that `options` say. A unix socket has none.
    pub fn new(address: &Address, host: impl Into<Box<str>>, options: Arc<Health>) -> Self {
        let mut address = address.clone();
        if let (Address::Tcp(address), Some(port)) = (&mut address, options.port) {
            address.set_port(port);
        }
        Target { address, host: host.into(), options, transport: None }
    }

    /// The same, over connections made with `transport`.
    #[must_use]
    pub fn through(self, transport: Option<Arc<Transport>>) -> Self {
        Target { transport, ..self }
    }
}

/// What one check of a target leaves to the next.
#[derive(Debug, Default)]
pub struct Line {
    /// A connection that can be used again, or a last one that could.
    pub kept: Option<Stream>,
    /// How far the check has got.
    pub stage: Stage,
}

/// A check under way.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), ProbeError>> + Send + 'a>>;

/// One kind of check.
pub trait Probe: Send + Sync {
    /// Asks `target`, over the connection in `line` if it is still good. `deadline` is for kinds that tell the
    /// backend; nobody has to keep it, since [`check`] drops what takes longer. It must bound the bytes it reads.
    fn check<'a>(
        &'a self,
        target: &'a Target,
        line: &'a mut Line,
        deadline: Instant,
    ) -> Checking<'a>;
}

/// A kind of check and its name.
pub struct Kind {
    /// The name in TOML.
    pub name: &'static str,
    /// Whether who passes it has answered, and not only taken a connection.
    pub is_answered: bool,
    /// What does it.
    pub probe: &'static dyn Probe,
}

/// Every kind that a configuration can name.
pub const PROBES: &[Kind] = &[
    Kind { name: "http", is_answered: true, probe: &http::Http },
    Kind { name: "tcp", is_answered: false, probe: &connect::Connect::Tcp },
    Kind { name: "tls", is_answered: true, probe: &connect::Connect::Tls },
    Kind { name: "grpc", is_answered: true, probe: &grpc::Grpc },
];

/// Whether who passes a check of this kind has answered.
pub fn is_answered(kind: &str) -> bool {
    PROBES.iter().any(|known| known.name == kind && known.is_answered)
}

/// Checks `target` within its timeout. What `line` keeps is from then on good to be used again, or gone.
///
/// # Errors
/// Why the check failed.
pub async fn check(target: &Target, line: &mut Line) -> Result<(), ProbeError> {
    let timeout = target.options.timeout;
    let found = PROBES.iter().find(|kind| kind.name == target.options.kind);
    let Some(kind) = found else { return Err(ProbeError::UnknownKind(target.options.kind)) };
    line.stage = Stage::Connecting;
    let deadline = Instant::now() + timeout;
    let checking = kind.probe.check(target, line, deadline);
    let result = match tokio::time::timeout_at(deadline.into(), checking).await {
        Ok(result) => result,
        Err(_) => Err(ProbeError::Late(line.stage, timeout)),
    };
    if result.is_err() {
        line.kept = None;
    }
    result
}
