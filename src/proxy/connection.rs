//! One client connection.

use std::rc::Rc;

use super::{Gate, Worker};
use crate::net::{Peer, Stream};

/// Serves one client connection to its end. `over_limit`: the client holds too many connections, so its
/// first request is answered 429 and the connection closed. Dropping the future closes it at once.
pub async fn serve(
    _worker: Rc<Worker>,
    _gate: Rc<Gate>,
    _stream: Stream,
    _peer: Peer,
    _over_limit: bool,
) {
}
