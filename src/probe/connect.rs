//! `tcp` and `tls`: whether a connection can be made, or a TLS session comes about, verified as the upstream says. It
//! is closed again at once.

use std::time::Instant;

use super::{Checking, Line, Probe, ProbeError, Target};
use crate::net;

/// The probe of both kinds.
pub(super) enum Connect {
    /// In the clear, whatever the upstream is spoken to through.
    Tcp,
    /// As the upstream is spoken to.
    Tls,
}

impl Probe for Connect {
    fn check<'a>(
        &'a self,
        target: &'a Target,
        _line: &'a mut Line,
        _deadline: Instant,
    ) -> Checking<'a> {
        let transport = match self {
            Connect::Tcp => None,
            Connect::Tls => target.transport.as_deref(),
        };
        Box::pin(async move {
            net::dial(&target.address, transport).await.map(drop).map_err(ProbeError::from)
        })
    }
}
