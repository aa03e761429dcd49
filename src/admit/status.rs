//! The one place where a reason becomes a status: `proxy` answers with it, tests of a configuration expect it.

use crate::error::Reason;

/// The status for a reason; `None` where there is nobody to answer, or too late to.
pub fn status(reason: Reason) -> Option<u16> {
    Some(match reason {
        Reason::BadRequest | Reason::BadPath => 400,
        Reason::NoRoute => 404,
        Reason::MethodRefused => 405,
        Reason::HeaderTimeout | Reason::BodyTimeout => 408,
        Reason::BodyLimit => 413,
        Reason::UriLimit => 414,
        Reason::BadExpect => 417,
        Reason::Misdirected => 421,
        Reason::RateLimited => 429,
        Reason::HeaderLimit => 431,
        Reason::Internal => 500,
        Reason::ConnectFailed
        | Reason::UpstreamReset
        | Reason::RefusedStream
        | Reason::TlsFailed
        | Reason::UpstreamProtocol => 502,
        Reason::NoBackend | Reason::QueueFull | Reason::QueueTimeout | Reason::PendingLimit => 503,
        Reason::ConnectTimeout
        | Reason::FirstByteTimeout
        | Reason::Stalled
        | Reason::TotalTimeout
        | Reason::FilterTimeout => 504,
        Reason::UpstreamTruncated
        | Reason::ResponseTimeout
        | Reason::ClientGone
        | Reason::ClientStalled
        | Reason::H2Flood
        | Reason::TunnelIdle
        | Reason::Shutdown => return None,
    })
}
