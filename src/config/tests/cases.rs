//! Bad inputs and what is said about them. The cases are text files: `=== name`, the TOML (completed with what
//! the smallest configuration has and it has not), `---`, every problem. After a change of wording run
//! `FOREBAY_BLESS=1 cargo test --lib config::` and read the difference.

use std::fmt::Write as _;
use std::path::Path;

use super::{completed, plain, report};

#[test]
fn every_case_is_answered_with_exactly_its_problems() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/cases");
    let here = std::env::current_dir().expect("there is one").display().to_string() + "/";
    let mut n_cases = 0;
    let mut wrong = String::new();
    for entry in std::fs::read_dir(dir).expect("the cases are there") {
        let path = entry.expect("the cases are readable").path();
        let text = std::fs::read_to_string(&path).expect("cases are UTF-8");
        let mut blessed = String::new();
        for case in text.split("=== ").skip(1) {
            let (name, rest) = case.split_once('\n').expect("a case has a body");
            let (toml, expected) = rest.split_once("---\n").expect("a case has problems");
            // Files are told with their whole path, which is another on every machine.
            let found = plain(&report(&completed(toml))).replace(&here, "");
            n_cases += 1;
            write!(blessed, "=== {name}\n{toml}---\n{found}\n").expect("strings take everything");
            if found.trim_end() != expected.trim_end() {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                write!(wrong, "{file}: {name}\n--- expected\n{expected}--- found\n{found}\n")
                    .expect("strings take everything");
            }
        }
        if std::env::var_os("FOREBAY_BLESS").is_some() {
            std::fs::write(&path, blessed.trim_end().to_owned() + "\n")
                .expect("cases are writable");
        }
    }
    assert!(n_cases >= 100, "only {n_cases} cases were found");
    assert!(wrong.is_empty() || std::env::var_os("FOREBAY_BLESS").is_some(), "{wrong}");
}
