//! Certificates and keys from the files that the configuration names: read once a load, each pair checked once.
//! `control` reads a pair again when one of its files has changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::schema::CertificateFiles;
use crate::certificate::{Fault, Pair, Part, Roots};

/// More bytes are no certificate but the wrong file.
const BYTES_MAX: u64 = 1 << 20;

/// What was read so far.
#[derive(Default)]
pub(crate) struct Certificates {
    pairs: HashMap<CertificateFiles, Result<Arc<Pair>, Fault>>,
}

impl Certificates {
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
