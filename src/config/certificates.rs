//! Certificates and keys from the files that the configuration names: read once a load, each pair checked once.
//! `control` reads a pair again when one of its files has changed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::schema::CertificateFiles;
use crate::certificate::{Fault, Pair, Part, Roots};

/// More bytes are no certificate but the wrong file.
const BYTES_MAX: u64 = 1 << 20;

/// The most threads that read certificates at once.
const THREADS_MAX: usize = 16;

/// Fewer pairs are not worth a thread: a pair is some tenths of a millisecond.
const PAIRS_MIN: usize = 8;

/// What was read so far.
#[derive(Default)]
pub(crate) struct Certificates {
    pairs: HashMap<CertificateFiles, Result<Arc<Pair>, Fault>>,
}

impl Certificates {
    /// Reads these several at once, so that [`Certificates::pair`] has them when it is asked. Blocks.
    pub(crate) fn read_ahead(&mut self, wanted: impl IntoIterator<Item = CertificateFiles>) {
        let mut seen = HashSet::new();
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.retain(|files| !self.pairs.contains_key(files) && seen.insert(files.clone()));
        let read = read_pairs(&wanted);
        self.pairs.extend(wanted.into_iter().zip(read));
    }

    /// The pair in these files, or what is wrong with it.
    pub(crate) fn pair(&mut self, files: &CertificateFiles) -> Result<Arc<Pair>, Fault> {
        if let Some(known) = self.pairs.get(files) {
            return known.clone();
        }
        let read = read_pair(files).map(Arc::new);
        self.pairs.insert(files.clone(), read.clone());
        read
    }
}

/// Reads and checks certificates with their keys, on as many threads as help. Blocks.
pub fn read_pairs(wanted: &[CertificateFiles]) -> Vec<Result<Arc<Pair>, Fault>> {
    let read = |files| read_pair(files).map(Arc::new);
    let available = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let n_each = wanted.len().div_ceil(available).max(PAIRS_MIN);
    // This thread takes the first part; of most configurations that is all there is.
    let (own, others) = wanted.split_at(n_each.min(wanted.len()));
    thread::scope(|scope| {
        let parts = others.chunks(n_each).map(|part| {
            let work = move || part.iter().map(read).collect::<Vec<_>>();
            (part, thread::Builder::new().name("certificates".into()).spawn_scoped(scope, work))
        });
        let parts: Vec<_> = parts.collect();
        let mut all: Vec<_> = own.iter().map(read).collect();
        for (part, thread) in parts {
            let done = thread.ok().and_then(|thread| thread.join().ok());
            // There was no thread to be had: then here.
            all.extend(done.unwrap_or_else(|| part.iter().map(read).collect()));
        }
        all
    })
}

/// Reads and checks a certificate and its key. Blocks.
///
/// # Errors
/// What is wrong first, the file named in the message.
pub fn read_pair(files: &CertificateFiles) -> Result<Pair, Fault> {
    let certificates = read(&files.cert, Part::Certificate)?;
    let key = read(&files.key, Part::Key)?;
    Pair::from_pem(&certificates, &key).map_err(|fault| {
        let path = match fault.part {
            Part::Certificate => &files.cert,
            Part::Key => &files.key,
        };
        named(path, fault)
    })
}

/// Reads and checks the certificates of authorities. Blocks.
///
/// # Errors
/// What is wrong first, the file named in the message.
pub fn read_roots(path: &Path) -> Result<Roots, Fault> {
    let text = read(path, Part::Certificate)?;
    Roots::from_pem(&text).map_err(|fault| named(path, fault))
}

fn named(path: &Path, fault: Fault) -> Fault {
    Fault { message: format!("{} {}", path.display(), fault.message), ..fault }
}

fn read(path: &Path, part: Part) -> Result<Vec<u8>, Fault> {
    read_file(path).map_err(|error| Fault {
        part,
        message: format!("cannot read {}: {error}", path.display()),
        help: match error.kind() {
            io::ErrorKind::NotFound => {
                "create it, or correct the path: it starts at the directory of this file"
            }
            io::ErrorKind::PermissionDenied => "give this user the right to read it",
            _ => "name a PEM file of at most 1MiB",
        }
        .to_owned(),
    })
}

/// A pipe or a device is not even opened.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err(io::Error::other("it is larger than 1MiB")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` pairs that are not there.
    fn missing(n: usize) -> Vec<CertificateFiles> {
        let path = |n: usize, end: &str| format!("/nowhere/{n}.{end}").into();
        (0..n).map(|n| CertificateFiles { cert: path(n, "crt"), key: path(n, "key") }).collect()
    }

    #[test]
    fn pairs_that_are_read_at_once_are_told_in_their_order() {
        for n in [0, 1, PAIRS_MIN, PAIRS_MIN + 1, PAIRS_MIN * THREADS_MAX * 2 + 1] {
            let wanted = missing(n);
            let read = read_pairs(&wanted);
            assert_eq!(read.len(), n);
            for (files, read) in wanted.iter().zip(read) {
                let fault = read.expect_err("it is not there");
                assert!(fault.message.contains(&*files.cert.to_string_lossy()), "{fault}");
            }
        }
    }

    #[test]
    fn what_was_read_ahead_is_not_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let files = CertificateFiles { cert: path("a.crt"), key: path("a.key") };
        let mut certificates = Certificates::default();
        certificates.read_ahead([files.clone(), files.clone()]);
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(["a.test".to_owned()]).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        fs::write(&files.cert, certificate).expect("written");
        fs::write(&files.key, key.serialize_pem()).expect("written");
        assert!(certificates.pair(&files).is_err(), "as it was read ahead");
        assert!(Certificates::default().pair(&files).is_ok());
    }

    #[test]
    fn a_file_of_a_megabyte_is_read_and_one_of_a_byte_more_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("long.pem");
        fs::write(&path, vec![b'x'; BYTES_MAX as usize]).expect("written");
        let fault = read_roots(&path).expect_err("no certificate");
        assert!(fault.message.contains("holds no certificate"), "{fault}");
        fs::write(&path, vec![b'x'; BYTES_MAX as usize + 1]).expect("written");
        let fault = read_roots(&path).expect_err("too long");
        assert!(fault.message.contains("it is larger than 1MiB"), "{fault}");
        assert!(fault.help.contains("at most 1MiB"), "{fault}");
    }
}
