//! `config/tls.toml` does what it says, with the certificates that its comment makes.

use std::process::Command;

use crate::support::{Proxy, Wire};

const SHIPPED: &str = include_str!("../../config/tls.toml");

#[test]
fn the_shipped_configuration_runs_with_the_command_in_its_comment() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = SHIPPED.lines().find_map(|line| line.strip_prefix("#   openssl "));
    let command = format!("openssl {}", command.expect("it says how"));
    let made = Command::new("sh").args(["-c", &command]).current_dir(&folder).output();
    let made = made.expect("a shell");
    assert!(made.status.success(), "{made:?}");
    let place = |text: &str, name: &str| {
        text.replace(&format!("\"{name}\""), &format!("\"{}/{name}\"", folder.path().display()))
    };
    let text = place(&place(SHIPPED, "localhost.crt"), "localhost.key");
    // Free ports; the tests in the file name those that are written.
    let (text, _) = text.split_once("[[test]]").expect("it has tests");
    let text =
        text.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:8080", "127.0.0.1:0");
    let proxy = Proxy::from_text(&text);

    let https = proxy.address_of("https").expect("it listens").port();
    let curl = Command::new("curl")
        .args(["-sS", "-D", "-", "--cacert"])
        .arg(folder.path().join("localhost.crt"))
        .arg(format!("https://localhost:{https}/"))
        .output()
        .expect("curl is installed");
    let said = String::from_utf8_lossy(&curl.stdout).into_owned();
    assert!(said.starts_with("HTTP/2 200") && said.ends_with("Hello through TLS.\n"), "{curl:?}");
    assert!(said.contains("strict-transport-security: max-age=31536000"), "{said}");

    let mut plain = Wire::connect(proxy.address_of("http").expect("it listens"));
    plain.send("GET /a?b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = plain.response();
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.field("location"), Some("https://localhost:8443/a?b"));
}

#[test]
fn the_shipped_configuration_is_good_by_its_own_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = SHIPPED.lines().find_map(|line| line.strip_prefix("#   openssl "));
    let command = format!("openssl {}", command.expect("it says how"));
    let made = Command::new("sh").args(["-c", &command]).current_dir(&folder).output();
    assert!(made.expect("a shell").status.success());
    std::fs::write(folder.path().join("tls.toml"), SHIPPED).expect("written");
    let check = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .arg("check")
        .arg(folder.path().join("tls.toml"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success() && said.contains("2 tests passed"), "{check:?}");
    assert!(!said.contains("warning"), "{said}");
}
