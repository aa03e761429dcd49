//! What stands in a PEM file, by its labels: enough to say what somebody has put there instead.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Fault;

/// Every certificate of a file, in order; at least one.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(no_certificate(text)),
        Err(error) => Err(Fault::certificate(
            format!("is damaged: {}", damage(&error)),
            "write it again, each certificate between its BEGIN and END lines",
        )),
    }
}

/// Every certificate of a file that is to name authorities, in order; at least one.
pub(super) fn authorities(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    certificates(text).map_err(|fault| {
        let labels = labels(text);
        let has = |what: &str| labels.iter().any(|label| label.contains(what));
        let help = match () {
            () if has("CERTIFICATE") && !has("REQUEST") => return fault,
            () if has("PRIVATE KEY") => {
                "name the file with the authority's certificate: its key stays with the authority"
            }
            () if has("REQUEST") || has("PUBLIC KEY") => {
                "name the file with the certificates of authorities, each in PEM: \
                 -----BEGIN CERTIFICATE-----"
            }
            () => return fault,
        };
        Fault { help: help.to_owned(), ..fault }
    })
}

/// The first private key of a file.
pub(super) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    if is_encrypted(text) {
        return Err(Fault::key(
            "holds a key that is encrypted, and nobody is there to type a password",
            "take the password off: openssl pkey -in OLD.key -out NEW.key",
        ));
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => no_key(text),
        error => Fault::key(
            format!("is damaged: {}", damage(&error)),
            "write it again, the key between its BEGIN and END lines",
        ),
    })
}

/// What is wrong with a file, in words: the library shows labels as lists of numbers.
fn damage(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("it ends before -----END {}-----", String::from_utf8_lossy(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("a line is no beginning of a part: {}", String::from_utf8_lossy(line).trim())
        }
        error => error.to_string(),
    }
}

fn no_certificate(text: &[u8]) -> Fault {
    let labels = labels(text);
    let has = |what: &str| labels.iter().any(|label| label.contains(what));
    let (message, help) = match () {
        () if is_der(text) => {
            ("is DER, not PEM", "convert it: openssl x509 -inform der -in OLD -out NEW.crt")
        }
        () if has("PRIVATE KEY") => (
            "holds a private key, not a certificate",
            "name the certificate's file here, and this one as `key`",
        ),
        () if has("CERTIFICATE REQUEST") => (
            "holds a request for a certificate, not the certificate",
            "name the file that the authority answered it with",
        ),
        () if has("TRUSTED CERTIFICATE") => (
            "holds a certificate in a form of openssl's own",
            "convert it: openssl x509 -in OLD -out NEW.crt",
        ),
        () if has("PUBLIC KEY") => (
            "holds a public key, not a certificate",
            "name the certificate's file: it begins with -----BEGIN CERTIFICATE-----",
        ),
        () => {
            ("holds no certificate", "name a PEM file: it begins with -----BEGIN CERTIFICATE-----")
        }
    };
    Fault::certificate(message, help)
}

fn no_key(text: &[u8]) -> Fault {
    let labels = labels(text);
    let has = |what: &str| labels.iter().any(|label| label.contains(what));
    let (message, help) = match () {
        () if is_der(text) => {
            ("is DER, not PEM", "convert it: openssl pkey -inform der -in OLD -out NEW.key")
        }
        () if has("CERTIFICATE REQUEST") => (
            "holds a request for a certificate, not a private key",
            "name the file that holds the key the request was made with",
        ),
        () if has("CERTIFICATE") => (
            "holds a certificate, not a private key",
            "name the key's file here, and this one as `cert`",
        ),
        () if has("PUBLIC KEY") => (
            "holds a public key, not a private one",
            "name the private key's file: it begins with -----BEGIN PRIVATE KEY-----",
        ),
        () => {
            ("holds no private key", "name a PEM file: it begins with -----BEGIN PRIVATE KEY-----")
        }
    };
    Fault::key(message, help)
}

/// PKCS #8 says so in the label, the older forms in a header.
fn is_encrypted(text: &[u8]) -> bool {
    let header = b"Proc-Type: 4,ENCRYPTED";
    labels(text).iter().any(|label| label.contains("ENCRYPTED"))
        || memchr::memmem::find(text, header).is_some()
}

/// Every certificate and key in DER begins with a SEQUENCE.
fn is_der(text: &[u8]) -> bool {
    text.first() == Some(&0x30) && labels(text).is_empty()
}

/// The labels of a file, at most a few.
fn labels(text: &[u8]) -> Vec<String> {
    let begins = memchr::memmem::find_iter(text, b"-----BEGIN ").take(LABELS_MAX);
    let label = |at: usize| {
        let rest = &text[at + b"-----BEGIN ".len()..];
        let end = memchr::memmem::find(rest, b"-----")?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    };
    begins.filter_map(label).collect()
}

/// Labels that are looked at.
const LABELS_MAX: usize = 64;
