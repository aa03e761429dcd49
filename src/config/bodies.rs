//! Bodies of answers that a route gives by itself, read from files while the configuration is: each file once,
//! however many routes name it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::schema::RESPOND_BYTES_MAX;

/// Bytes of all bodies of one configuration that come from files.
const TOTAL_BYTES_MAX: usize = 256 << 20;

/// The files that were read.
#[derive(Default)]
pub(crate) struct Bodies {
    read: BTreeMap<PathBuf, Arc<[u8]>>,
    n_bytes: usize,
}

impl Bodies {
    /// What the file at `path` holds, or what is wrong and what to do.
    pub(crate) fn read(&mut self, path: &Path) -> Result<Arc<[u8]>, (String, String)> {
        if let Some(body) = self.read.get(path) {
            return Ok(body.clone());
        }
        let shown = path.display();
        let body =
            read(path).map_err(|error| (format!("cannot read {shown}: {error}"), help(&error)))?;
        if body.len() > RESPOND_BYTES_MAX {
            let message = format!("{shown} is larger than 1MiB");
            return Err((message, "bodies are kept in memory; let a backend serve it".into()));
        }
        if self.n_bytes + body.len() > TOTAL_BYTES_MAX {
            let message = format!("with {shown}, the bodies are larger than 256MiB together");
            return Err((message, "bodies are kept in memory; let a backend serve them".into()));
        }
        self.n_bytes += body.len();
        let body: Arc<[u8]> = body.into();
        self.read.insert(path.to_owned(), body.clone());
        Ok(body)
    }

    /// The files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.read.keys()
    }
}

/// One byte more than is accepted tells a file that is too large. A pipe or a device is not even opened.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut body = Vec::new();
    File::open(path)?.take(RESPOND_BYTES_MAX as u64 + 1).read_to_end(&mut body)?;
    Ok(body)
}

fn help(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "create it, or correct the path: it starts at the directory of this file"
        }
        io::ErrorKind::PermissionDenied => "give this user the right to read it",
        _ => "name a regular file of at most 1MiB",
    }
    .to_owned()
}

/// The content type of a file by its name.
pub(crate) fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_once_up_to_the_bound_and_no_further() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("x.html");
        fs::write(&path, vec![b'x'; RESPOND_BYTES_MAX]).expect("written");
        let mut bodies = Bodies::default();
        assert_eq!(bodies.read(&path).map(|body| body.len()), Ok(RESPOND_BYTES_MAX));
        fs::write(&path, vec![b'x'; RESPOND_BYTES_MAX + 1]).expect("written");
        assert_eq!(bodies.read(&path).map(|body| body.len()), Ok(RESPOND_BYTES_MAX));
        let (message, _) = Bodies::default().read(&path).expect_err("it is too large");
        assert!(message.ends_with("x.html is larger than 1MiB"), "{message}");
    }

    #[test]
    fn all_bodies_together_have_a_bound() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("x");
        fs::write(&path, b"xy").expect("written");
        let mut bodies = Bodies { n_bytes: TOTAL_BYTES_MAX - 1, ..Bodies::default() };
        assert!(bodies.read(&path).is_err());
        bodies.n_bytes -= 1;
        assert!(bodies.read(&path).is_ok());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let mut bodies = Bodies::default();
        for path in ["/", "/dev/zero", "/none/such"] {
            assert!(bodies.read(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn types_go_by_extension() {
        assert_eq!(content_type(Path::new("a/B.HTML")), "text/html; charset=utf-8");
        assert_eq!(content_type(Path::new("a.html/b")), "application/octet-stream");
        assert_eq!(content_type(Path::new("x.tar.gz")), "application/octet-stream");
    }
}
