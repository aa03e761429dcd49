//! `tls`: whether a TLS session comes about, verified as the upstream says. It is closed again at once.

use std::time::Instant;

use super::{Checking, Line, Probe, ProbeError, Target};
use crate::net;

/// The probe.
pub(super) struct Tls;

impl Probe for Tls {
    fn check<'a>(
        &'a self,
        target: &'a Target,
        _line: &'a mut Line,
        _deadline: Instant,
    ) -> Checking<'a> {
        Box::pin(async {
            let transport = target.transport.as_deref();
            net::dial(&target.address, transport).await.map(drop).map_err(ProbeError::from)
        })
    }
}
