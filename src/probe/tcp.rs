//! `tcp`: whether a connection can be made. It is closed again at once.

use std::time::Instant;

use super::{Checking, Line, Probe, ProbeError, Target};
use crate::net;

/// The probe.
pub(super) struct Tcp;

impl Probe for Tcp {
    fn check<'a>(
        &'a self,
        target: &'a Target,
        _line: &'a mut Line,
        _deadline: Instant,
    ) -> Checking<'a> {
        Box::pin(async {
            net::dial(&target.address, None).await.map(drop).map_err(ProbeError::from)
        })
    }
}
