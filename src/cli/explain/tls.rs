//! What a client meets before its request is read, at a listener that speaks TLS.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::admit::trial::Outcome;
use crate::certificate::Pair;
use crate::config::{ClientAuthMode, Config, ListenerTls, UnknownSni};
use crate::tls::Choice;

/// The handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handshake<'a> {
    /// The URL says http: such a request is answered 400 here.
    InTheClear,
    /// No certificate is for this name.
    Refused(&'a str),
    /// This certificate is shown.
    Shown {
        /// Its file.
        file: &'a Path,
        /// What the client asked for and no certificate is for.
        unknown: Option<&'a str>,
        client_auth: Option<ClientAuthMode>,
    },
}

impl<'a> Handshake<'a> {
    /// Of a request that came to `outcome`; `None` where the listener speaks no TLS.
    pub(super) fn of(config: &'a Config, outcome: &'a Outcome) -> Option<Self> {
        let listener = config.listeners.iter().find(|it| it.name == outcome.listener)?;
        let tls = listener.tls.as_ref()?;
        if !outcome.secure {
            return Some(Handshake::InTheClear);
        }
        let sni = outcome.sni.as_deref();
        let client_auth = tls.client_auth.as_ref().map(|auth| auth.mode);
        let shown = |file, unknown| Handshake::Shown { file, unknown, client_auth };
        Some(match (chosen(tls, sni, UnknownSni::Reject), sni, tls.unknown_sni) {
            (Some(file), ..) => shown(file, None),
            (None, Some(sni), UnknownSni::Reject) => Handshake::Refused(sni),
            (None, sni, _) => shown(chosen(tls, sni, UnknownSni::First)?, sni),
        })
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Handshake::InTheClear => {
                "this listener speaks TLS alone: http:// is answered 400".into()
            }
            Handshake::Refused(sni) => format!(
                "no certificate is for {sni}: the handshake is refused (unknown_sni = \"reject\")"
            ),
            Handshake::Shown { file, unknown, client_auth } => {
                let file = file.display();
                let shown = match unknown {
                    Some(sni) => format!(
                        "no certificate is for {sni}: the first is shown, {file} (unknown_sni = \"first\")"
                    ),
                    None => format!("the certificate of {file}"),
                };
                let asked = match client_auth {
                    Some(ClientAuthMode::Require) => "; one of the client is required",
                    Some(ClientAuthMode::Optional) => "; one of the client is asked for",
                    None => "",
                };
                shown + asked
            }
        }
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Value {
        match self {
            Handshake::InTheClear => json!({ "refused": "in the clear" }),
            Handshake::Refused(sni) => json!({ "refused": "unknown_sni", "sni": sni }),
            Handshake::Shown { file, unknown, client_auth } => json!({
                "certificate": file,
                "unknown_sni": unknown,
                "client_auth": client_auth.map(|mode| match mode {
                    ClientAuthMode::Require => "require",
                    ClientAuthMode::Optional => "optional",
                }),
            }),
        }
    }
}

/// The file of the certificate for a client that understands every kind.
fn chosen<'a>(tls: &'a ListenerTls, sni: Option<&str>, unknown: UnknownSni) -> Option<&'a Path> {
    let pairs: Vec<Arc<Pair>> = tls.certificates.iter().map(|it| Arc::clone(&it.pair)).collect();
    let choice = Choice::new(&pairs, unknown);
    let pair = choice.choose(sni, &[])?;
    let found = tls.certificates.iter().find(|it| Arc::ptr_eq(&it.pair, pair))?;
    Some(&found.files.cert)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, load};

    /// What is said of `url` at a listener whose `tls` has these keys beside the certificate of shop.example.
    #[track_caller]
    fn said(url: &str, more: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
        let text = format!(
            "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:1\"\n[listener.tls]\n\
             certificates = {{ cert = \"{folder}/shop.crt\", key = \"{folder}/shop.key\" }}\n{more}\n\
             [[route]]\nname = \"r\"\nrespond = {{ status = 204 }}\n"
        )
        .replace("FOLDER", folder);
        let source = Source::Text { name: "t".into(), text };
        let config = load(&source).unwrap_or_else(|failure| panic!("{failure}")).config;
        let snapshot = crate::snapshot::compile_offline(&config).expect("compiled");
        let request = crate::config::TestRequest {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            from: None,
            listener: None,
        };
        let explained = crate::admit::trial::explain(&snapshot, &config, &request);
        let outcome = explained.unwrap_or_else(|error| panic!("{error}")).outcome;
        let handshake = Handshake::of(&config, &outcome).expect("it speaks TLS");
        assert!(handshake.as_json().is_object());
        handshake.words().replace(folder, "FOLDER")
    }

    #[test]
    fn a_client_learns_which_certificate_it_is_shown_and_whether_it_needs_one() {
        let auth = "client_auth = { mode = \"require\", ca = \"FOLDER/clients.pem\" }";
        for (url, more, words) in [
            ("https://shop.example:1/", "", "the certificate of FOLDER/shop.crt"),
            ("https://A.shop.example:1/", "", "the certificate of FOLDER/shop.crt"),
            ("https://127.0.0.1:1/", "", "the certificate of FOLDER/shop.crt"),
            (
                "https://shop.example:1/",
                auth,
                "the certificate of FOLDER/shop.crt; one of the client is required",
            ),
            (
                "https://other.example:1/",
                "",
                "no certificate is for other.example: the handshake is refused (unknown_sni = \"reject\")",
            ),
            (
                "https://other.example:1/",
                "unknown_sni = \"first\"",
                "no certificate is for other.example: the first is shown, FOLDER/shop.crt (unknown_sni = \"first\")",
            ),
            (
                "http://shop.example:1/",
                "",
                "this listener speaks TLS alone: http:// is answered 400",
            ),
        ] {
            assert_eq!(said(url, more), words, "{url} {more}");
        }
    }
}
