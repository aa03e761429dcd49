//! What a listener shows to those who speak TLS to it: a line for each certificate, or for those that need a look where
//! there are many. And what TLS with backends is made with.

use std::fmt::Write as _;

use super::super::ask::printable;
use super::super::check::count;
use super::render::{RED, YELLOW, painted};
use crate::config::Colour;
use crate::control::{CertificateStatus, TlsStatus, UpstreamTlsStatus};

/// So many certificates of a listener are all shown; of more only those that need a look, and of these the first.
const SHOWN_MAX: usize = 20;

/// Names of a certificate that are shown.
const NAMES_MAX: usize = 3;

/// The lines below a listener's own.
pub(super) fn tls(tls: &TlsStatus, colour: Colour, text: &mut String) {
    let all = &tls.certificates;
    let needs_look = |it: &&CertificateStatus| it.expires_soon || it.problem.is_some();
    let shown: Vec<_> = match all.len() <= SHOWN_MAX {
        true => all.iter().collect(),
        false => all.iter().filter(needs_look).take(SHOWN_MAX).collect(),
    };
    if all.len() > shown.len() {
        let n = count(all.len(), "certificate");
        let n_soon = all.iter().filter(|it| it.expires_soon).count();
        let n_bad = all.iter().filter(|it| it.problem.is_some()).count();
        let _ = writeln!(
            text,
            "  {n}: {n_soon} end within 30 days, {n_bad} cannot be renewed; --json has all"
        );
    }
    for certificate in shown {
        line(&format!("certificate {}", names(&certificate.names)), certificate, colour, text);
    }
    if let Some(ca) = &tls.client_ca {
        line("authorities for clients", ca, colour, text);
    }
    if tls.handshakes_failed > 0 {
        let _ = writeln!(text, "  {} failed", count_of(tls.handshakes_failed));
    }
}

/// The lines below an upstream's own.
pub(super) fn upstream_tls(tls: &UpstreamTlsStatus, colour: Colour, text: &mut String) {
    if !tls.verify {
        let told = painted("nobody verifies who the backends are", colour, YELLOW);
        let _ = writeln!(text, "  {told}");
    }
    if let Some(ca) = &tls.ca {
        line("authorities for backends", ca, colour, text);
    }
    if let Some(client) = &tls.client {
        let what = format!("certificate for backends {}", names(&client.names));
        line(&what, client, colour, text);
    }
}

fn line(what: &str, certificate: &CertificateStatus, colour: Colour, text: &mut String) {
    let date = certificate.expires.split('T').next().unwrap_or_default();
    let days = certificate.days_left;
    let (ends, paint) = match certificate.expires_soon {
        _ if days < 0 => (format!("EXPIRED {}", printable(date)), RED),
        soon => {
            let mark = if soon { "ENDS SOON, " } else { "" };
            let left = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
            let paint = if soon { YELLOW } else { "" };
            (format!("{mark}good until {} ({left} left)", printable(date)), paint)
        }
    };
    let (file, ends) = (printable(&certificate.file), painted(&ends, colour, paint));
    let _ = writeln!(text, "  {what}  {ends}  {file}");
    if let Some(problem) = &certificate.problem {
        let told = format!("not renewed, an older one is in service: {}", printable(problem));
        let _ = writeln!(text, "    {}", painted(&told, colour, RED));
    }
}

/// `shop.example *.shop.example and 3 more`.
fn names(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| printable(name)).collect();
    match names.len().saturating_sub(NAMES_MAX) {
        0 if names.is_empty() => "without a name".to_owned(),
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}

fn count_of(n: u64) -> String {
    if n == 1 { "1 TLS handshake".to_owned() } else { format!("{n} TLS handshakes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str, days_left: i64) -> CertificateStatus {
        CertificateStatus {
            names: vec![name.to_owned()],
            file: format!("/etc/{name}.crt"),
            expires: "2031-02-03T04:05:06.000Z".to_owned(),
            days_left,
            expires_soon: days_left < 30,
            ..CertificateStatus::default()
        }
    }

    fn shown(status: &TlsStatus) -> String {
        let mut text = String::new();
        tls(status, Colour::Never, &mut text);
        text
    }

    #[test]
    fn each_certificate_is_shown_with_its_end_and_what_is_wrong() {
        let mut names = certificate("a.example", 90);
        names.names = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let refused = CertificateStatus {
            problem: Some("/etc/b.example.key holds a key that does not match".to_owned()),
            ..certificate("b.example", 29)
        };
        let ca = CertificateStatus { names: Vec::new(), ..certificate("clients", 1) };
        let status = TlsStatus {
            certificates: vec![names, refused, certificate("c.example", -1)],
            client_ca: Some(ca),
            handshakes_failed: 7,
        };
        let wanted = "  \
  certificate a b c and 2 more  good until 2031-02-03 (90 days left)  /etc/a.example.crt
  certificate b.example  ENDS SOON, good until 2031-02-03 (29 days left)  /etc/b.example.crt
    not renewed, an older one is in service: /etc/b.example.key holds a key that does not match
  certificate c.example  EXPIRED 2031-02-03  /etc/c.example.crt
  authorities for clients  ENDS SOON, good until 2031-02-03 (1 day left)  /etc/clients.crt
  7 TLS handshakes failed
";
        assert_eq!(shown(&status), wanted);
    }

    #[test]
    fn what_backends_are_verified_with_and_shown_is_told() {
        let mut status = UpstreamTlsStatus { verify: true, ..UpstreamTlsStatus::default() };
        let shown = |status: &UpstreamTlsStatus| {
            let mut text = String::new();
            upstream_tls(status, Colour::Never, &mut text);
            text
        };
        assert_eq!(shown(&status), "");
        status.ca = Some(CertificateStatus {
            problem: Some("/etc/ca.crt is damaged".to_owned()),
            ..certificate("ca", 90)
        });
        status.client = Some(certificate("me.example", 3));
        let wanted = "  \
  authorities for backends  good until 2031-02-03 (90 days left)  /etc/ca.crt
    not renewed, an older one is in service: /etc/ca.crt is damaged
  certificate for backends me.example  ENDS SOON, good until 2031-02-03 (3 days left)  /etc/me.example.crt
";
        assert_eq!(shown(&status), wanted);
        let unverified = UpstreamTlsStatus::default();
        assert_eq!(shown(&unverified), "  nobody verifies who the backends are\n");
    }

    #[test]
    fn of_many_only_those_that_need_a_look_are_shown() {
        let mut certificates: Vec<_> =
            (0..SHOWN_MAX).map(|n| certificate(&format!("{n}.example"), 90)).collect();
        let mut status = TlsStatus { certificates: certificates.clone(), ..TlsStatus::default() };
        assert_eq!(shown(&status).lines().count(), SHOWN_MAX);
        certificates.push(certificate("late.example", 3));
        status.certificates = certificates;
        assert_eq!(
            shown(&status),
            "  21 certificates: 1 end within 30 days, 0 cannot be renewed; --json has all\n  \
             certificate late.example  ENDS SOON, good until 2031-02-03 (3 days left)  \
             /etc/late.example.crt\n"
        );
    }
}
