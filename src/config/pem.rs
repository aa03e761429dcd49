//! Certificates and keys in PEM files, read while the configuration is; what is wrong with one is told where it is
//! named. Called by `sections::upstream_tls`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::item::Item;
use super::schema::{Authorities, CertificateFiles, ClientCertificate};

/// A longer file is not one of these: all that the world trusts fits in a quarter of it.
const BYTES_MAX: u64 = 1 << 20;

/// Those who may vouch, from the file that `item` names.
pub(crate) fn authorities(item: Item<'_>) -> Option<Authorities> {
    let file = item.cx.resolve(item.text()?, item.place());
    let text = read(item, &file)?;
    let certificates = certificates(item, &text)?;
    let mut roots = RootCertStore::empty();
    for (nth, certificate) in certificates.iter().enumerate() {
        if let Err(error) = roots.add(certificate.clone()) {
            let message =
                format!("certificate {} of {} cannot be used: {error}", nth + 1, file.display());
            item.bad(message, "name a PEM file of X.509 certificates, those of a CA");
            return None;
        }
    }
    Some(Authorities { file, certificates })
}

/// A certificate and its key, from the files that the two items name.
pub(crate) fn pair(cert: Item<'_>, key: Item<'_>) -> Option<ClientCertificate> {
    let files = CertificateFiles {
        cert: cert.cx.resolve(cert.text()?, cert.place()),
        key: key.cx.resolve(key.text()?, key.place()),
    };
    let chain = read(cert, &files.cert).and_then(|text| certificates(cert, &text));
    let private = read(key, &files.key).and_then(|text| private_key(key, &text));
    let (chain, private) = (chain?, private?);
    let shown = (cert.text()?, key.text()?);
    match CertifiedKey::from_der(chain.to_vec(), private.clone_key(), &default_provider()) {
        Ok(_) => Some(ClientCertificate { files, chain, key: Arc::new(private) }),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!("the key in {} is not that of {}", shown.1, shown.0);
            key.bad(message, "name the key that the certificate was made for");
            None
        }
        Err(rustls::Error::InvalidCertificate(error)) => {
            let message = format!("the certificate in {} cannot be used: {error:?}", shown.0);
            cert.bad(
                message,
                "name a PEM file with an X.509 certificate (version 3), then its chain",
            );
            None
        }
        Err(error) => {
            let message = format!("the key in {} cannot be used: {error}", shown.1);
            key.bad(message, "accepted: RSA, ECDSA (P-256, P-384, P-521) and Ed25519 keys");
            None
        }
    }
}

fn certificates(item: Item<'_>, text: &[u8]) -> Option<Arc<[CertificateDer<'static>]>> {
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => Some(found.into()),
        Ok(_) => {
            let instead = sections(text).find(|kind| *kind != SectionKind::Certificate);
            item.bad(
                format!("there is no certificate in {}{}", item.text()?, but(instead)),
                "name a PEM file with a part that begins -----BEGIN CERTIFICATE-----",
            );
            None
        }
        Err(error) => broken(item, &error),
    }
}

fn private_key(item: Item<'_>, text: &[u8]) -> Option<PrivateKeyDer<'static>> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Some(key),
        Err(PemError::NoItemsFound) => {
            let shown = item.text()?;
            let is_sealed = text.windows(9).any(|part| part == b"ENCRYPTED");
            let (message, help) = match is_sealed {
                true => (
                    format!("the key in {shown} is encrypted"),
                    "store it without a passphrase, readable by this user only: \
                     openssl pkey -in sealed.key -out plain.key",
                ),
                false => (
                    format!("there is no private key in {shown}{}", but(sections(text).next())),
                    "name a PEM file with a part that begins -----BEGIN PRIVATE KEY-----",
                ),
            };
            item.bad(message, help);
            None
        }
        Err(error) => broken(item, &error),
    }
}

fn broken<T>(item: Item<'_>, error: &PemError) -> Option<T> {
    let what = match error {
        PemError::MissingSectionEnd { .. } => "a part of it has no end",
        PemError::Base64Decode(_) => "a part of it is not base64",
        _ => "a part of it begins with a broken line",
    };
    let message = format!("{} is no sound PEM file: {what}", item.text()?);
    item.bad(message, "write the file anew; it was perhaps cut short");
    None
}

/// What kinds of parts there are in a text.
fn sections(text: &[u8]) -> impl Iterator<Item = SectionKind> {
    type Any = (SectionKind, Vec<u8>);
    <Any as PemObject>::pem_slice_iter(text).map_while(Result::ok).map(|(kind, _)| kind)
}

fn but(instead: Option<SectionKind>) -> &'static str {
    match instead {
        Some(SectionKind::Certificate) => ", but a certificate",
        Some(SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey) => {
            ", but a private key"
        }
        Some(SectionKind::Csr) => ", but a request to sign one",
        Some(SectionKind::PublicKey) => ", but a public key",
        _ => "",
    }
}

/// The whole file. A pipe or a device is not even opened.
fn read(item: Item<'_>, file: &Path) -> Option<Vec<u8>> {
    item.cx.watch(file);
    let read = || {
        if !std::fs::metadata(file)?.file_type().is_file() {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(file)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > BYTES_MAX {
            true => Err(std::io::Error::other("it is larger than 1MiB")),
            false => Ok(bytes),
        }
    };
    match read() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let help = "name a PEM file that this user may read; \
                        relative paths start at the directory of this file";
            item.bad(format!("cannot read {}: {error}", item.text()?), help);
            None
        }
    }
}
