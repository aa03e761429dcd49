//! What a listener shows to those who speak TLS to it: certificates by name, whom it asks for one, tickets. Sans I/O;
//! `snapshot` builds a [`Server`] for each such listener, `control` refreshes it when its files change, `proxy` begins
//! sessions with it and asks their [`Session`] afterwards. The sessions themselves run in `net`.

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

mod choice;
mod failures;
mod plainly;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod tickets;

pub use choice::Choice;
pub use plainly::plainly;
pub use server::Server;
pub use session::Session;
pub use tickets::Tickets;

/// The cryptography of this process. Its key exchanges begin with X25519MLKEM768.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider()))
}
