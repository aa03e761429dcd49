//! Transfer codings: exactly `chunked`, once, alone, in HTTP/1.1, or refused.

use crate::case::{Case, bad, pass, run, want};

#[test]
fn transfer_encoding_is_chunked_alone_or_refused() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        pass(
            "chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n",
            want("POST /a HTTP/1.1").chunked("hello").lacks("content-length"),
        ),
        pass(
            "chunked in capitals",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n",
            want("POST /a HTTP/1.1").chunked("hello"),
        ),
        pass(
            "blanks around chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding:\t chunked \t\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n",
            want("POST /a HTTP/1.1").chunked("hello").has("transfer-encoding", "chunked"),
        ),
        pass(
            "a chunked body that is empty",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            want("POST /a HTTP/1.1").chunked(""),
        ),
    ];
    cases.extend(with_a_length());
    cases.extend(other_codings());
    cases.extend(disguised());
    cases
}

fn with_a_length() -> Vec<Case> {
    vec![
        bad(
            "a length before chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
              0\r\n\r\nG",
        ),
        bad(
            "a length behind chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n\
              1c\r\nGET /smuggled HTTP/1.1\r\nX: y\r\n0\r\n\r\n",
        ),
        bad(
            "chunked, a length, and the length named by Connection",
            b"POST /a HTTP/1.1\r\nHost: test\r\nConnection: content-length\r\nContent-Length: 5\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked named by Connection, and a length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nConnection: transfer-encoding\r\nContent-Length: 5\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "identity with a length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n\
              hello",
        ),
    ]
}

fn other_codings() -> Vec<Case> {
    vec![
        bad(
            "chunked twice in one field",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked twice in two fields",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked and then identity",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "identity and then chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "identity and chunked in two fields",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: identity\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "gzip and then chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "gzip alone",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "identity alone",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: identity\r\n\r\n",
        ),
        bad(
            "an unknown coding",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "an empty coding",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked in HTTP/1.0",
            b"POST /a HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked with a length in HTTP/1.0",
            b"POST /a HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n\
              0\r\n\r\n",
        ),
        bad(
            "chunked on a GET beside gzip",
            b"GET /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        ),
    ]
}

fn disguised() -> Vec<Case> {
    vec![
        bad(
            "xchunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunkedx",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked with a parameter",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked in quotes",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a comma before chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a comma behind chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a vertical tab before chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a vertical tab behind chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a form feed before chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: \x0cchunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a NUL behind chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a non-breaking space before chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a bare CR before chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: \rchunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a bare CR behind chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a space before the colon of chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a tab before the colon of chunked",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a space before the name of chunked's field",
            b"POST /a HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: test\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked on a folded line",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "chunked's field in the fold of another",
            b"POST /a HTTP/1.1\r\nHost: test\r\nX: y\r\n Transfer-Encoding: chunked\r\n\
              Content-Length: 5\r\n\r\nhello",
        ),
        bad(
            "chunked's field behind a bare LF",
            b"POST /a HTTP/1.1\r\nHost: test\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a NUL inside the name of chunked's field",
            b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer\0-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        pass(
            "a field that only resembles it is no framing",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nTransfer-Encodings: chunked\r\n\r\n\
              hello",
            want("POST /a HTTP/1.1").length("hello"),
        ),
    ]
}
