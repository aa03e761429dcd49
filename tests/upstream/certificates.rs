//! Certificates made for a test, in files of a folder that goes with it.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// A CA and what it has signed.
pub struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// A new one, whose own certificate is in `ca.pem`.
    pub fn new() -> Authority {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "A test's CA");
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("a file");
        Authority { folder, issuer: Issuer::new(params, key) }
    }

    /// The file with its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for `names`, valid now.
    pub fn signs(&self, names: &[&str]) -> Pair {
        self.signs_with(names, |_| {})
    }

    /// One that was valid until years ago.
    pub fn signed(&self, names: &[&str]) -> Pair {
        self.signs_with(names, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2011, 1, 1);
        })
    }

    fn signs_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let (mut params, key) = leaf(names);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.store(names, &certificate.pem(), &key)
    }

    /// One that vouches for itself.
    pub fn self_signed(&self, names: &[&str]) -> Pair {
        let (params, key) = leaf(names);
        let certificate = params.self_signed(&key).expect("a certificate");
        self.store(names, &certificate.pem(), &key)
    }

    fn store(&self, names: &[&str], certificate: &str, key: &KeyPair) -> Pair {
        let n_files = std::fs::read_dir(self.folder.path()).expect("a folder").count();
        let path = |kind| self.folder.path().join(format!("{n_files}-{}.{kind}", names[0]));
        let pair = Pair { cert: path("crt"), key: path("key") };
        std::fs::write(&pair.cert, certificate).expect("a file");
        std::fs::write(&pair.key, key.serialize_pem()).expect("a file");
        pair
    }
}

fn leaf(names: &[&str]) -> (CertificateParams, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, "A test's peer");
    (params, KeyPair::generate().expect("a key"))
}
