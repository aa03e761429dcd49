//! Secrets: `{ file = "path" }` or `{ env = "NAME" }`, never in the text itself, never shown.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::env::Lookup;
use super::reader::{Cx, Section};
use super::schema::Secret;
use super::shapes;
use super::tree::{Table, Value};

/// Fewer bytes could be guessed.
const BYTES_MIN: usize = 16;

/// More bytes are no secret but the wrong file.
const BYTES_MAX: usize = 4096;

impl Secret {
    /// One that consists of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Secret { bytes: bytes.into() }
    }

    /// The bytes, for those who compute with them.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Looks up the variables that secrets are taken from, while variables can be looked up.
pub(crate) fn look_up(cx: &Cx, table: &Table, env: Lookup<'_>) {
    for entry in &table.entries {
        match &entry.node.value {
            Value::Table(inner) => look_up(cx, inner, env),
            Value::String { text, .. } if entry.key == "env" => {
                cx.keep_variable(text, env(text));
            }
            _ => {}
        }
    }
}

/// The secret under `key`; an end of line behind it is not a part of it.
pub(crate) fn read(section: &Section<'_>, key: &str) -> Option<Secret> {
    let item = section.item(key)?;
    let table = section.child(key, &shapes::SECRET)?;
    let accepted = "accepted: { file = \"path\" } or { env = \"NAME\" }";
    let bytes = match (table.item("file"), table.item("env")) {
        (Some(file), None) => {
            let path = file.cx.resolve(file.text()?, file.place());
            file.cx.watch(&path);
            match read_file(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let help = "name a file that this user may read; \
                                make one with: head -c 32 /dev/urandom | base64 > sticky.key";
                    file.bad(format!("cannot read {}: {error}", path.display()), help);
                    return None;
                }
            }
        }
        (None, Some(variable)) => {
            let name = variable.text()?;
            match variable.cx.variable(name) {
                Some(value) => value.into_bytes(),
                None => {
                    let message = format!("the environment variable `{name}` is not set");
                    variable.bad(message, "set it, or name a file: { file = \"path\" }");
                    return None;
                }
            }
        }
        (Some(_), Some(_)) => {
            item.bad("a secret comes from one place", accepted);
            return None;
        }
        (None, None) => {
            item.bad(format!("`{key}` does not say where the secret is"), accepted);
            return None;
        }
    };
    let bytes = bytes.trim_ascii_end();
    if !(BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
        let help = format!("accepted: {BYTES_MIN} to {BYTES_MAX} bytes, best random ones");
        item.bad(format!("the secret has {} bytes", describe(bytes.len())), help);
        return None;
    }
    Some(Secret::new(bytes))
}

fn describe(n_bytes: usize) -> String {
    if n_bytes > BYTES_MAX { format!("more than {BYTES_MAX}") } else { n_bytes.to_string() }
}

/// One byte more than is accepted tells a file that is too large. A pipe or a device is not even opened.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.file_type().is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX as u64 + 2).read_to_end(&mut bytes)?;
    Ok(bytes)
}
