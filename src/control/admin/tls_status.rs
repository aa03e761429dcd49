//! What a listener shows to those who speak TLS to it, as `GET /v1/status` tells it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::status::Clock;
use crate::certificate::Validity;
use crate::hash::Map;
use crate::tls;

/// The certificates of one listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsStatus {
    /// Those that it shows, in file order.
    pub certificates: Vec<CertificateStatus>,
    /// Who may vouch for clients; `null`: they are not asked for a certificate.
    pub client_ca: Option<CertificateStatus>,
    /// Handshakes that failed; those who left are not among them.
    pub handshakes_failed: u64,
}

/// A certificate, or the certificates of authorities in one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateStatus {
    /// Hosts that it is for; of authorities none.
    pub names: Vec<String>,
    /// The file it stands in.
    pub file: String,
    /// SHA-256 of it, in hexadecimal digits.
    pub fingerprint: String,
    /// When the first of it and its chain ends, RFC 3339.
    pub expires: String,
    /// Whole days until then, negative once it has ended.
    pub days_left: i64,
    /// These are less than 30.
    pub expires_soon: bool,
    /// Why what the files hold now was not put into service, so that an older one is; `null`: it was.
    pub problem: Option<String>,
}

/// Fewer days than these are marked.
const SOON_DAYS: i64 = 30;

impl TlsStatus {
    /// Of `server`; `faults` are those of files.
    pub(super) fn of(
        server: &tls::Server,
        faults: &Map<PathBuf, String>,
        clock: &mut Clock,
    ) -> Self {
        let written = server.in_service();
        let certificates = written.certificates.iter().map(|certificate| {
            let pair = &certificate.pair;
            let fingerprint = pair.fingerprint.to_string();
            CertificateStatus {
                names: pair.names.iter().map(str::to_owned).collect(),
                fingerprint,
                ..CertificateStatus::of(&certificate.files.cert, pair.validity, faults, clock)
            }
        });
        let certificates = certificates.collect();
        let client_ca = written.client_auth.as_ref().map(|auth| CertificateStatus {
            fingerprint: auth.roots.fingerprint.to_string(),
            ..CertificateStatus::of(&auth.ca, auth.roots.validity, faults, clock)
        });
        TlsStatus { certificates, client_ca, handshakes_failed: server.n_failures() }
    }
}

impl CertificateStatus {
    fn of(
        file: &Path,
        validity: Validity,
        faults: &Map<PathBuf, String>,
        clock: &mut Clock,
    ) -> Self {
        let days_left = clock.days_to(validity.not_after);
        CertificateStatus {
            file: file.display().to_string(),
            expires: clock.rfc3339_of(validity.not_after),
            days_left,
            expires_soon: days_left < SOON_DAYS,
            problem: faults.get(file).cloned(),
            ..CertificateStatus::default()
        }
    }
}
