//! One stream of an HTTP/2 connection: one exchange, on a task of its own.

use std::future::Future;

use super::connection::Connection;
use super::exchange::Exchange;
use super::http2::OpenStream;
use crate::error::Reason;
use crate::http1::RequestFacts;
use crate::relay::Buffer;

/// Serves the request whose head is in `exchange`; `facts` are what it says, or why it is refused. Dropping the future
/// resets the stream.
pub(super) fn serve(
    mut connection: Connection,
    mut exchange: Box<Exchange>,
    facts: Result<RequestFacts, Reason>,
    open: OpenStream,
) -> impl Future<Output = ()> {
    // Not an async function, as `connection::serve` is none.
    let refused = match facts {
        Ok(facts) => {
            exchange.request.facts = facts;
            None
        }
        Err(reason) => Some(reason),
    };
    async move {
        connection.register_stream().await;
        match refused {
            None => connection.exchange(&mut exchange, Buffer::default(), 0..0).await,
            Some(reason) => {
                connection.identify_refused(&mut exchange);
                connection.answer(&mut exchange, reason).await
            }
        };
        connection.finish(&mut exchange);
        connection.worker().put_exchange(exchange);
        drop((connection, open));
    }
}
