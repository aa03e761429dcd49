//! Private keys: which kinds there are, and whether one belongs to a certificate.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;

use super::Fault;

/// A key to sign with.
pub(super) fn signing(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, Fault> {
    rustls::crypto::aws_lc_rs::sign::any_supported_type(key).map_err(|_| {
        Fault::key(
            "holds a key that cannot be used",
            "accepted: RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, and Ed25519",
        )
    })
}
