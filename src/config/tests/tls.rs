//! `[listener.tls]`: what is read, and every way to get it wrong, with certificates made for the purpose.

use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::super::*;
use super::{completed, load_text, plain, report};

/// A folder with `NAME.crt` and `NAME.key`, changed by `change` before it is signed.
fn issue(folder: &Path, name: &str, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names");
    // What chains are told by.
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    fs::write(folder.join(format!("{name}.crt")), certificate).expect("written");
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("written");
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    issue(folder.path(), "shop", &["shop.example", "*.shop.example"], |_| {});
    issue(folder.path(), "other", &["other.example"], |_| {});
    folder
}

/// A configuration with these lines of `[listener.tls]`; `@` is the folder.
fn text(folder: &Path, tls: &str) -> String {
    let listener = format!("[[listener]]\nbind = \"127.0.0.1:8443\"\n[listener.tls]\n{tls}\n");
    completed(&listener.replace('@', &folder.display().to_string()))
}

/// Every problem of it, one a line, folders left out.
fn problems(folder: &Path, tls: &str) -> String {
    let found = plain(&report(&text(folder, tls)));
    found.replace(&folder.display().to_string(), "@")
}

const SHOP: &str = "{ cert = \"@/shop.crt\", key = \"@/shop.key\" }";

#[test]
fn what_is_written_is_read() {
    let folder = folder();
    let tls = format!(
        "min_version = \"1.3\"\ncertificates = [{SHOP}, {{ cert = \"@/other.crt\", key = \"@/other.key\" }}]\n\
         unknown_sni = \"first\"\nsni_host_check = false\n\
         client_auth = {{ ca = \"@/shop.crt\", mode = \"require\" }}"
    );
    let loaded = load_text(&text(folder.path(), &tls)).expect("good");
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let tls = loaded.config.listeners[0].tls.as_ref().expect("it was written");
    assert_eq!(tls.min_version, TlsVersion::V13);
    assert_eq!(tls.certificates.len(), 2);
    assert_eq!(tls.certificates[0].files.key, folder.path().join("shop.key"));
    let names: Vec<&str> = tls.certificates[0].pair.names.iter().collect();
    assert_eq!(names, ["shop.example", "*.shop.example"]);
    assert_eq!(tls.unknown_sni, UnknownSni::First);
    assert!(!tls.sni_host_check);
    let auth = tls.client_auth.as_ref().expect("it was written");
    assert_eq!((&auth.ca, auth.mode), (&folder.path().join("shop.crt"), ClientAuthMode::Require));
}

#[test]
fn what_is_not_written_has_its_default() {
    let folder = folder();
    let loaded = load_text(&text(folder.path(), &format!("certificates = {SHOP}"))).expect("good");
    let listener = &loaded.config.listeners[0];
    let tls = listener.tls.as_ref().expect("it was written");
    assert_eq!((tls.min_version, tls.unknown_sni), (TlsVersion::V12, UnknownSni::Reject));
    assert!(tls.sni_host_check && tls.client_auth.is_none());
    assert_eq!(listener.timeouts.tls_handshake, Some(std::time::Duration::from_secs(10)));
}

/// Writes a file into the folder.
fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("written");
}

#[test]
fn every_fault_is_told_where_it_is() {
    let folder = folder();
    let path = folder.path();
    let read = |name: &str| fs::read_to_string(path.join(name)).expect("it is there");
    write(path, "empty.crt", "");
    write(path, "chain.crt", &format!("{}{}", read("other.crt"), read("shop.crt")));
    write(path, "loose.crt", &format!("{}{}", read("shop.crt"), read("other.crt")));
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    write(path, "locked.key", locked);
    let pair = |cert: &str, key: &str| {
        format!("certificates = [{{ cert = \"@/{cert}\", key = \"@/{key}\" }}]")
    };
    // What is told, and under which of the two.
    for (cert, key, at, told) in [
        ("none.crt", "shop.key", "@/none.crt", "cannot read @/none.crt: No such file"),
        ("shop.crt", "none.key", "@/none.key", "cannot read @/none.key: No such file"),
        ("shop.crt", "other.key", "@/other.key", "@/other.key holds a key that does not match"),
        ("shop.key", "shop.crt", "@/shop.key", "@/shop.key holds a private key, not a certificate"),
        ("shop.crt", "shop.crt", "@/shop.crt", "@/shop.crt holds a certificate, not a private key"),
        ("empty.crt", "shop.key", "@/empty.crt", "@/empty.crt holds no certificate"),
        ("shop.crt", "locked.key", "@/locked.key", "@/locked.key holds a key that is encrypted"),
        ("chain.crt", "shop.key", "@/chain.crt", "@/chain.crt has its chain out of order"),
        ("loose.crt", "shop.key", "@/loose.crt", "@/loose.crt has a chain that does not hold"),
        ("", "shop.key", "@/", "cannot read @/: is a directory"),
    ] {
        let text = text(path, &pair(cert, key));
        let report = report(&text);
        let problem = &report.problems()[0];
        assert_eq!(report.problems().len(), 1, "{report}");
        assert_eq!(problem.severity, Severity::Error);
        assert!(problem.help.is_some());
        let message = problem.message.replace(&path.display().to_string(), "@");
        assert!(message.contains(told), "{cert} {key}: {message}");
        let location = &problem.location;
        let line = text.lines().nth(location.line - 1).unwrap_or_default();
        let under = &line[location.column - 1..location.end_column - 1];
        let at = at.replace('@', &path.display().to_string());
        assert_eq!(under, format!("\"{at}\""), "{cert} {key}");
    }
}

#[test]
fn a_table_without_what_it_needs_says_what() {
    let folder = folder();
    for (tls, told) in [
        ("", "`[listener.tls]` has no `certificates`"),
        ("certificates = []", "there is no certificate to show"),
        ("certificates = [{ cert = \"@/shop.crt\" }]", "has no `key`"),
        ("certificates = [{ key = \"@/shop.key\" }]", "has no `cert`"),
        ("certificates = [\"@/shop.crt\"]", "is a table, not a string"),
        ("min_version = \"1.1\"", "this version of TLS is broken"),
        ("min_version = \"2\"", "`min_version` cannot be `2`"),
        ("unknown_sni = \"ignore\"", "`unknown_sni` cannot be `ignore`"),
        ("client_auth = { ca = \"@/shop.crt\" }", "has no `mode`"),
        ("client_auth = { mode = \"require\" }", "has no `ca`"),
        ("client_auth = { ca = \"@/none.pem\", mode = \"require\" }", "cannot read @/none.pem"),
        ("client_auth = { ca = \"@/shop.key\", mode = \"optional\" }", "holds a private key"),
        ("certificate = [\"x\"]", "did you mean `certificates`?"),
        ("cert = \"@/shop.crt\"", "they come in pairs: certificates = [{ cert = "),
        ("key = \"@/shop.key\"", "they come in pairs: certificates = [{ cert = "),
        ("ca = \"@/shop.crt\"", "client_auth = { ca = "),
    ] {
        let found = problems(folder.path(), tls);
        assert!(found.contains(told), "{tls}: {found}");
    }
}

#[test]
fn what_other_proxies_call_it_is_told_by_what_it_is_here() {
    let listener = "[[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\nssl = true\n";
    let route = "[[route]]\nrespond = { body = \"hello\" }\n";
    let found = load_text(&format!("{listener}{route}")).expect_err("a foreign key").to_string();
    assert!(found.contains("here: a [listener.tls] table with certificates = ["), "{found}");
}

#[test]
fn what_is_suspicious_is_a_warning() {
    let folder = folder();
    let path = folder.path();
    issue(path, "late", &["late.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    issue(path, "early", &["early.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2990, 1, 1);
        params.not_after = rcgen::date_time_ymd(2999, 1, 1);
    });
    issue(path, "nameless", &[], |_| {});
    issue(path, "again", &["shop.example"], |_| {});
    let with = |name: &str| {
        format!("certificates = [{SHOP}, {{ cert = \"@/{name}.crt\", key = \"@/{name}.key\" }}]")
    };
    for (name, told) in [
        ("late", "has expired (2021-01-01T00:00:00Z)"),
        ("early", "is not good yet (2990-01-01T00:00:00Z)"),
        ("nameless", "names no host (subjectAltName)"),
        ("again", "a second ECDSA certificate for `shop.example`"),
    ] {
        let found = problems(path, &with(name));
        assert!(found.starts_with("warning") && found.contains(told), "{name}: {found}");
        assert_eq!(found.contains("renew"), name == "late", "{found}");
        assert!(!found.contains("error"), "{name}: {found}");
    }
}

#[test]
fn a_host_that_no_certificate_is_for_is_told() {
    let folder = folder();
    let route = |hosts: &str| {
        let tls =
            format!("certificates = [{SHOP}]\n[[route]]\nhosts = [{hosts}]\nupstream = \"app\"");
        problems(folder.path(), &tls)
    };
    assert_eq!(route("\"shop.example\", \"a.shop.example\", \"*.shop.example\""), "");
    let found = route("\"shop.example\", \"a.b.shop.example\"");
    assert!(
        found.contains("no certificate of the listener `http` is for `a.b.shop.example`"),
        "{found}"
    );
    assert!(route("\"*.other.example\"").contains("is for `*.other.example`"));
    // Where it is not served through TLS, nobody needs one.
    let tls = format!(
        "certificates = [{SHOP}]\n[[listener]]\nname = \"plain\"\nbind = \"127.0.0.1:8080\"\n\
         [[route]]\nlisteners = [\"plain\"]\nhosts = [\"x.example\"]\nupstream = \"app\""
    );
    let text =
        text(folder.path(), &tls).replacen("[[listener]]", "[[listener]]\nname = \"tls\"", 1);
    assert!(!plain(&report(&text)).contains("no certificate"));
}

#[test]
fn what_is_spoken_fits_the_listener() {
    let folder = folder();
    for (http, told) in [
        ("h2c = true", "`h2c` is HTTP/2 in the clear, and this listener speaks TLS"),
        ("h1 = false, h2 = false", "without `h1` and `h2` nothing could be served"),
        ("h1 = false", ""),
        ("h2 = false, h2_max_streams = 7", "`h2_max_streams` has nothing to do"),
        ("h2 = true, h2_max_streams = 7", ""),
    ] {
        let text = text(folder.path(), &format!("certificates = [{SHOP}]"));
        let text = text.replace("[listener.tls]", &format!("http = {{ {http} }}\n[listener.tls]"));
        let found = plain(&report(&text));
        assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{found}");
    }
}

#[test]
fn http2_in_the_clear_is_asked_for_by_its_own_name() {
    for (http, told) in [
        ("h2 = true", "write h2c = true for HTTP/2 in the clear"),
        ("h1 = true, h2 = true", "`h2` is HTTP/2 as TLS agrees on it"),
        ("h2_max_streams = 7", "write h2c = true for HTTP/2 in the clear"),
        ("h2 = false", ""),
        ("h2 = true, h2c = true, h2_max_streams = 7", ""),
        // All defaults, written out.
        ("h1 = true, h2 = true, h2c = false, h2_max_streams = 100", ""),
    ] {
        let text = format!("[[listener]]\nbind = \"127.0.0.1:8080\"\nhttp = {{ {http} }}\n");
        let found = plain(&report(&completed(&text)));
        assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{found}");
    }
}

#[test]
fn what_is_wrong_in_many_pairs_is_all_told_in_their_order() {
    let folder = folder();
    let entry = |n: usize| match n % 3 {
        0 => SHOP.to_owned(),
        1 => format!("{{ cert = \"@/none{n}.crt\", key = \"@/shop.key\" }}"),
        _ => format!("{{ cert = \"@/shop.crt\", key = \"@/none{n}.key\" }}"),
    };
    let entries: Vec<String> = (0..60).map(entry).collect();
    let found = problems(folder.path(), &format!("certificates = [{}]", entries.join(", ")));
    let lines = found.lines().filter(|line| line.contains("cannot read"));
    let told: Vec<&str> = lines.filter_map(|line| line.split("@/none").nth(1)).collect();
    let wanted = (0..60).filter(|n| n % 3 > 0);
    let wanted: Vec<String> = wanted.map(|n| format!("{n}.")).collect();
    assert_eq!(told.len(), wanted.len(), "{found}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.starts_with(&wanted), "{told} {wanted}");
    }
}

#[test]
fn ten_thousand_certificates_are_read_and_one_more_is_refused() {
    let folder = folder();
    let with = |n: usize| {
        let entries = vec![SHOP; n].join(", ");
        report(&text(folder.path(), &format!("certificates = [{entries}]")))
    };
    let refused = |n: usize| {
        let report = with(n);
        let errors = report.problems().iter().filter(|it| it.severity == Severity::Error);
        errors.map(|it| it.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(refused(10_000), Vec::<String>::new());
    assert_eq!(refused(10_001), ["`certificates` has 10001 entries"]);
}
