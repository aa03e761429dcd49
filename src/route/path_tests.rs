//! Tests of path normalisation: what changes, what is refused, what stays.

use proptest::prelude::*;

use super::*;

/// The result, the path to match and the path for the backend.
fn run(path: &str, merge_slashes: bool) -> Result<(String, String), BadPath> {
    let (mut matched, mut forward) = (b"old".to_vec(), b"old".to_vec());
    let result = normalize(path.as_bytes(), merge_slashes, &mut matched, &mut forward)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match result {
        Normalized::AsReceived => {
            assert!(matched.is_empty() && forward.is_empty(), "{path}: nothing is to be written");
            (path.to_owned(), path.to_owned())
        }
        changed if changed.segments_removed() => (text(&matched), text(&forward)),
        _ => (text(&matched), path.to_owned()),
    })
}

#[test]
fn ordinary_paths_are_left_alone() {
    for path in [
        "/",
        "/a",
        "/a/b/c",
        "/a/",
        "//",
        "/a//b",
        "/index.html",
        "/a.b/c..d/...",
        "/.well-known/x",
        "/..a",
        "/a;v=1/b",
        "/%20",
        "/a%3Fb",
        "/%E4%BD%A0",
        "/é",
        "/a:b@c!$&'()*+,=",
        "*",
        "/.../x",
        "/%25",
        "/%252e%252e/x",
        "/%0A",
        "/x;..",
        "/a%3Bb",
        "/{id}|^`\"<>",
    ] {
        assert_eq!(run(path, false), Ok((path.to_owned(), path.to_owned())), "{path}");
    }
}

#[test]
fn dot_segments_are_resolved_for_both_and_escapes_only_for_matching() {
    for (path, matched, forward) in [
        ("/a/./b", "/a/b", "/a/b"),
        ("/a/../b", "/b", "/b"),
        ("/a/b/../../c", "/c", "/c"),
        ("/a/..", "/", "/"),
        ("/a/.", "/a/", "/a/"),
        ("/.", "/", "/"),
        ("/./", "/", "/"),
        ("/a/b/..", "/a/", "/a/"),
        ("/a//../b", "/a/b", "/a/b"),
        ("//../b", "/b", "/b"),
        ("/%7euser/./%61%20", "/~user/a%20", "/%7euser/%61%20"),
        ("/a/%2a/../x%2a", "/a/x%2A", "/a/x%2a"),
        ("/%61/../%62", "/b", "/%62"),
    ] {
        assert_eq!(run(path, false), Ok((matched.to_owned(), forward.to_owned())), "{path}");
    }
}

#[test]
fn escapes_are_undone_or_written_in_upper_case_for_matching_only() {
    for (path, matched) in [
        ("/%61pi", "/api"),
        ("/%7Euser", "/~user"),
        ("/a%2ejson", "/a.json"),
        ("/%2e%2ea", "/..a"),
        ("/%2e%2e%2e", "/..."),
        ("/%e4%bd%a0", "/%E4%BD%A0"),
        ("/%41%5A%5f%2D", "/AZ_-"),
        ("/%61//b", "/a//b"),
    ] {
        assert_eq!(run(path, false), Ok((matched.to_owned(), path.to_owned())), "{path}");
    }
}

#[test]
fn slashes_are_merged_only_when_asked() {
    for (path, merged, forward) in [
        ("//", "/", "/"),
        ("///a//b///", "/a/b/", "/a/b/"),
        ("/a//../b", "/b", "/b"),
        ("//%61", "/a", "/%61"),
    ] {
        assert_eq!(run(path, true), Ok((merged.to_owned(), forward.to_owned())), "{path}");
    }
    assert_eq!(run("///a//b", false), Ok(("///a//b".to_owned(), "///a//b".to_owned())));
    assert_eq!(run("/a/b/", true), Ok(("/a/b/".to_owned(), "/a/b/".to_owned())));
}

#[test]
fn what_changed_is_told() {
    let (mut matched, mut forward) = (Vec::new(), Vec::new());
    let mut told = |path: &[u8]| normalize(path, true, &mut matched, &mut forward);
    let changed = |dot_segments_removed, slashes_merged| {
        Ok(Normalized::Changed { dot_segments_removed, slashes_merged })
    };
    assert_eq!(told(b"/a"), Ok(Normalized::AsReceived));
    assert_eq!(told(b"/%41"), changed(false, false));
    assert_eq!(told(b"/./a"), changed(true, false));
    assert_eq!(told(b"//a"), changed(false, true));
    assert_eq!(told(b"//a/.."), changed(true, true));
}

#[test]
fn ambiguous_and_broken_paths_are_refused() {
    for (path, reason) in [
        ("", BadPath::NotAbsolute),
        ("a", BadPath::NotAbsolute),
        ("**", BadPath::NotAbsolute),
        ("/a b", BadPath::ControlByte),
        ("/a\0", BadPath::ControlByte),
        ("/a\tb", BadPath::ControlByte),
        ("/a\r\nb", BadPath::ControlByte),
        ("/\x7f", BadPath::ControlByte),
        ("/a#b", BadPath::Fragment),
        ("/a\\b", BadPath::Backslash),
        ("/..\\x", BadPath::Backslash),
        ("/%", BadPath::BrokenEscape),
        ("/%4", BadPath::BrokenEscape),
        ("/%4/1", BadPath::BrokenEscape),
        ("/%zz", BadPath::BrokenEscape),
        ("/%u0041", BadPath::BrokenEscape),
        ("/a%2fb", BadPath::EncodedSeparator),
        ("/a%2Fb", BadPath::EncodedSeparator),
        ("/..%2fb", BadPath::EncodedSeparator),
        ("/a%5cb", BadPath::EncodedSeparator),
        ("/a%5Cb", BadPath::EncodedSeparator),
        ("/a%00", BadPath::EncodedSeparator),
        ("/%2e", BadPath::EncodedDotSegment),
        ("/a/%2e%2e/b", BadPath::EncodedDotSegment),
        ("/a/%2E./b", BadPath::EncodedDotSegment),
        ("/a/.%2e", BadPath::EncodedDotSegment),
        ("/a/..;/b", BadPath::DotSegmentParameter),
        ("/a/.;x=1/b", BadPath::DotSegmentParameter),
        ("/a/%2e%2e;/b", BadPath::DotSegmentParameter),
        ("/a/..%3b/b", BadPath::DotSegmentParameter),
        ("/a/..%3Bx;y/b", BadPath::DotSegmentParameter),
        ("/..", BadPath::AboveRoot),
        ("/../a", BadPath::AboveRoot),
        ("/a/../../b", BadPath::AboveRoot),
        ("/./..", BadPath::AboveRoot),
    ] {
        assert_eq!(run(path, false), Err(reason), "{path:?}");
        assert_eq!(run(path, true), Err(reason), "{path:?} with merged slashes");
    }
}

/// How a lenient backend would read a path: decode once, then resolve.
fn read_leniently(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail) {
            decoded.push(hex(*high).expect("accepted") << 4 | hex(*low).expect("accepted"));
            rest = after;
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    decoded
}

proptest! {
    #[test]
    fn what_is_accepted_has_no_dot_segments_left_under_one_more_decoding(
        path in "/([ab.;/%]|%2e|%2E|%2f|%5c|%3b|%61|%20){0,12}",
        merge_slashes: bool,
    ) {
        let Ok((matched, forward)) = run(&path, merge_slashes) else { return Ok(()) };
        for result in [&matched, &forward] {
            prop_assert!(result.starts_with('/'));
            let decoded = read_leniently(result.as_bytes());
            for segment in decoded.split(|&byte| byte == b'/' || byte == b'\\') {
                let name = segment.split(|&byte| byte == b';').next().unwrap_or_default();
                prop_assert!(name != b"." && name != b"..", "{} became {}", path, result);
            }
            prop_assert!(!merge_slashes || !result.contains("//"));
        }
        let again = run(&matched, merge_slashes);
        prop_assert_eq!(again, Ok((matched.clone(), matched)), "idempotent");
    }

    #[test]
    fn no_bytes_make_it_panic(path: Vec<u8>, merge_slashes: bool) {
        let _ = normalize(&path, merge_slashes, &mut Vec::new(), &mut Vec::new());
    }
}
