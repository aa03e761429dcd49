//! What can go wrong with an exchange: every reason has one token, one answer to *whose fault is it*
//! and one to *may the request be sent again*. Statuses are chosen elsewhere (`admit::status`).

use std::fmt;

/// Whose fault a failed exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client sent something we refuse, or left.
    Client,
    /// The backend refused, broke or was too slow.
    Backend,
    /// Nobody could serve it: our configuration, our limits, our bugs.
    Proxy,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $token:literal, $fault:ident;)*) => {
        /// Why an exchange did not end with the backend's complete response.
        ///
        /// The token stands in the access log, the counters and `Proxy-Status`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in declaration order; `reason as usize` is its index here.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// The stable name that operators see.
            pub const fn token(self) -> &'static str {
                match self { $(Reason::$name => $token,)* }
            }

            /// Whose fault it is.
            pub const fn fault(self) -> Fault {
                match self { $(Reason::$name => Fault::$fault,)* }
            }
        }
    };
}

reasons! {
    /// Malformed request or conflicting framing.
    BadRequest => "bad_request", Client;
    /// A path that one more decoding would make ambiguous.
    BadPath => "bad_path", Client;
    /// The request head did not arrive in time.
    HeaderTimeout => "header_timeout", Client;
    /// The request body stalled.
    BodyTimeout => "body_timeout", Client;
    /// CONNECT or TRACE.
    MethodRefused => "method_refused", Client;
    /// The body exceeds the limit.
    BodyLimit => "body_limit", Client;
    /// An expectation other than `100-continue`.
    BadExpect => "bad_expect", Client;
    /// The request target exceeds the limit.
    UriLimit => "uri_limit", Client;
    /// The header section exceeds a limit.
    HeaderLimit => "header_limit", Client;
    /// SNI and Host name different hosts.
    Misdirected => "misdirected", Client;
    /// No route matches.
    NoRoute => "no_route", Proxy;
    /// A rate or concurrency limit.
    RateLimited => "rate_limited", Client;
    /// The backend refused the connection or it could not be made.
    ConnectFailed => "connect_failed", Backend;
    /// The backend closed or reset the connection before its response head.
    UpstreamReset => "upstream_reset", Backend;
    /// The backend closed the stream, or was about to close the connection, before it did anything with the request.
    RefusedStream => "refused_stream", Backend;
    /// No TLS session with the backend came about.
    TlsFailed => "tls_failed", Backend;
    /// The backend's response was malformed.
    UpstreamProtocol => "upstream_protocol", Backend;
    /// No eligible backend.
    NoBackend => "no_backend", Proxy;
    /// As many requests as may wait for a place at a backend do.
    QueueFull => "queue_full", Proxy;
    /// No backend had a place in time.
    QueueTimeout => "queue_timeout", Proxy;
    /// As many requests as may wait for a response head of the upstream do.
    PendingLimit => "pending_limit", Proxy;
    /// Connecting took too long.
    ConnectTimeout => "connect_timeout", Backend;
    /// The response head took too long, or the backend stopped reading the request.
    FirstByteTimeout => "first_byte_timeout", Backend;
    /// The backend answers nobody while its peers do, and so did whoever else was asked.
    Stalled => "stalled", Backend;
    /// The whole exchange took too long.
    TotalTimeout => "total_timeout", Backend;
    /// A filter took too long to decide.
    FilterTimeout => "filter_timeout", Proxy;
    /// The backend died in mid-body.
    UpstreamTruncated => "upstream_truncated", Backend;
    /// The backend stalled in mid-body.
    ResponseTimeout => "response_timeout", Backend;
    /// The client left before the end.
    ClientGone => "client_gone", Client;
    /// The client sent more frames than anybody means well with.
    H2Flood => "h2_flood", Client;
    /// The client stopped reading.
    ClientStalled => "client_stalled", Client;
    /// The tunnel was silent for too long; both ends were closed.
    TunnelIdle => "tunnel_idle", Proxy;
    /// The process ended before the exchange did.
    Shutdown => "shutdown", Proxy;
    /// A fault of ours.
    Internal => "internal", Proxy;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}
