//! What a listener shows to those who speak TLS to it, and what TLS with backends is made with, as `GET /v1/status`
//! tells it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::status::Clock;
use crate::certificate::{Roots, Validity};
use crate::config::{Certificate, UpstreamTls};
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

/// What TLS with the backends of one upstream is made with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamTlsStatus {
    /// Whether it is verified who they are.
    pub verify: bool,
    /// Who may vouch for them; `null`: the system's authorities, or nobody needs to.
    pub ca: Option<CertificateStatus>,
    /// What they are shown; `null`: nothing.
    pub client: Option<CertificateStatus>,
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
        let all = written.certificates.iter();
        let certificates = all.map(|it| CertificateStatus::of_pair(it, faults, clock)).collect();
        let auth = written.client_auth.as_ref();
        let client_ca =
            auth.map(|auth| CertificateStatus::of_roots(&auth.ca, &auth.roots, faults, clock));
        TlsStatus { certificates, client_ca, handshakes_failed: server.n_failures() }
    }
}

impl UpstreamTlsStatus {
    /// Of `tls`; `faults` are those of files.
    pub(super) fn of(tls: &UpstreamTls, faults: &Map<PathBuf, String>, clock: &mut Clock) -> Self {
        let (ca, client) = (tls.ca.as_ref(), tls.client.as_ref());
        UpstreamTlsStatus {
            verify: tls.verify,
            ca: ca.map(|ca| CertificateStatus::of_roots(&ca.file, &ca.roots, faults, clock)),
            client: client.map(|client| CertificateStatus::of_pair(client, faults, clock)),
        }
    }
}

impl CertificateStatus {
    fn of_pair(it: &Certificate, faults: &Map<PathBuf, String>, clock: &mut Clock) -> Self {
        CertificateStatus {
            names: it.pair.names.iter().map(str::to_owned).collect(),
            fingerprint: it.pair.fingerprint.to_string(),
            ..CertificateStatus::of(&it.files.cert, it.pair.validity, faults, clock)
        }
    }

    fn of_roots(
        file: &Path,
        roots: &Roots,
        faults: &Map<PathBuf, String>,
        clock: &mut Clock,
    ) -> Self {
        CertificateStatus {
            fingerprint: roots.fingerprint.to_string(),
            ..CertificateStatus::of(file, roots.validity, faults, clock)
        }
    }

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
