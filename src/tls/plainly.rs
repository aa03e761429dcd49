//! Why a client and we did not agree, in words for operators.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// What `error` means, of a client that asked for `sni`, if for any host.
pub fn plainly(error: &Error, sni: Option<&str>) -> String {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what came is not TLS".to_owned()
        }
        // What rustls says where no certificate was found.
        Error::General(why) if why == "no server certificate chain resolved" => match sni {
            Some(sni) => format!("no certificate is for {sni}, which it asks for"),
            None => "there is no certificate to show".to_owned(),
        },
        Error::NoCertificatesPresented => {
            "it showed no certificate, and client_auth requires one".to_owned()
        }
        Error::InvalidCertificate(error) => certificate(error),
        Error::PeerIncompatible(error) => incompatible(error),
        Error::NoApplicationProtocol => {
            "it offers none of the protocols that are spoken here (ALPN)".to_owned()
        }
        Error::AlertReceived(alert) => told(*alert),
        Error::PeerMisbehaved(_) | Error::InappropriateHandshakeMessage { .. } => {
            format!("it does not keep to the protocol: {error}")
        }
        error => error.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    let why = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; are both clocks right?"
        }
        CertificateError::UnknownIssuer => "is from nobody in client_auth.ca",
        CertificateError::BadSignature => "is not signed by the authority it names",
        CertificateError::Revoked => "was revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for clients (extendedKeyUsage)"
        }
        error => return format!("its certificate cannot be used: {error}"),
    };
    format!("its certificate {why}")
}

fn incompatible(error: &PeerIncompatible) -> String {
    let why = match error {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => {
            "it speaks no version of TLS that is spoken here (min_version)"
        }
        PeerIncompatible::NoCipherSuitesInCommon => "it offers no cipher suite that is used here",
        PeerIncompatible::NoKxGroupsInCommon
        | PeerIncompatible::NamedGroupsExtensionRequired
        | PeerIncompatible::KeyShareExtensionRequired => {
            "it offers no key exchange that is used here"
        }
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
            "it understands no signature of the certificate's kind of key"
        }
        error => return format!("it offers nothing that is spoken here: {error:?}"),
    };
    why.to_owned()
}

fn told(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::UnknownCA => "it does not trust who issued our certificate",
        AlertDescription::CertificateExpired => "it finds our certificate expired",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked => "it does not accept our certificate",
        AlertDescription::ProtocolVersion => "it speaks no version of TLS that is spoken here",
        AlertDescription::UserCanceled | AlertDescription::CloseNotify => "it changed its mind",
        alert => return format!("it broke off ({alert:?})"),
    };
    format!("{why} ({alert:?})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_operators_can_mend_is_told_in_their_words() {
        let none = Error::General("no server certificate chain resolved".to_owned());
        for (error, sni, told) in [
            (none.clone(), Some("a.example"), "no certificate is for a.example"),
            (none, None, "no certificate to show"),
            (PeerIncompatible::Tls12NotOffered.into(), None, "min_version"),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), None, "no cipher suite"),
            (CertificateError::UnknownIssuer.into(), None, "client_auth.ca"),
            (CertificateError::Expired.into(), None, "its certificate has expired"),
            (Error::NoCertificatesPresented, None, "client_auth requires one"),
            (Error::AlertReceived(AlertDescription::UnknownCA), None, "(UnknownCA)"),
            (Error::AlertReceived(AlertDescription::AccessDenied), None, "(AccessDenied)"),
        ] {
            let words = plainly(&error, sni);
            assert!(words.contains(told), "{words}");
        }
    }
}
