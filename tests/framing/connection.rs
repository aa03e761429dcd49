//! Fields that are about one connection end at the proxy, whatever they name.

use crate::case::{Case, answer, pass, run, want};

#[test]
fn connection_fields_end_at_the_proxy() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let get = || want("GET /a HTTP/1.1");
    vec![
        pass(
            "fields that Connection names",
            b"GET /a HTTP/1.1\r\nHost: test\r\nConnection: x-drop, X-Also\r\nX-Drop: a\r\nX-Also: b\r\n\
              X-Keep: c\r\n\r\n",
            get().lacks("x-drop").lacks("x-also").has("x-keep", "c"),
        ),
        pass(
            "fields that a second Connection names",
            b"GET /a HTTP/1.1\r\nHost: test\r\nConnection: keep-alive\r\nX-Drop: a\r\n\
              Connection: x-drop\r\n\r\n",
            get().lacks("x-drop"),
        ),
        pass(
            "Keep-Alive and Proxy-Connection",
            b"GET /a HTTP/1.1\r\nHost: test\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\r\n",
            get().lacks("keep-alive").lacks("proxy-connection"),
        ),
        pass(
            "Connection names the Host, which stays",
            b"GET /a HTTP/1.1\r\nHost: test\r\nConnection: close, host\r\n\r\n",
            get().has("host", "test"),
        ),
        pass(
            "Connection names the length, which stays",
            b"POST /a HTTP/1.1\r\nHost: test\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello",
            want("POST /a HTTP/1.1").length("hello"),
        ),
        pass(
            "Connection names the transfer coding, which stays",
            b"POST /a HTTP/1.1\r\nHost: test\r\nConnection: transfer-encoding\r\n\
              Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            want("POST /a HTTP/1.1").chunked("hello"),
        ),
        pass(
            "Connection names what we say of the client, which stays",
            b"GET /a HTTP/1.1\r\nHost: test\r\nConnection: x-forwarded-for, x-forwarded-proto\r\n\r\n",
            get().has("x-forwarded-for", "127.0.0.1").has("x-forwarded-proto", "http"),
        ),
        pass(
            "Upgrade: h2c is not passed on",
            b"GET /a HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
              HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
            get().lacks("upgrade").lacks("http2-settings"),
        ),
        pass(
            "Upgrade: h2c in capitals is not passed on",
            b"GET /a HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: H2C\r\n\r\n",
            get().lacks("upgrade"),
        ),
        pass(
            "Upgrade that Connection does not name",
            b"GET /a HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\r\n",
            get().lacks("upgrade"),
        ),
        pass(
            "HTTP2-Settings alone",
            b"GET /a HTTP/1.1\r\nHost: test\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
            get().lacks("http2-settings"),
        ),
        pass(
            "Upgrade in HTTP/1.0",
            b"GET /a HTTP/1.0\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            get().lacks("upgrade"),
        ),
        pass(
            "TE: trailers may pass, gzip not",
            b"GET /a HTTP/1.1\r\nHost: test\r\nTE: gzip\r\nConnection: TE\r\n\r\n",
            get().lacks("te"),
        ),
        answer(
            "an unknown expectation",
            b"POST /a HTTP/1.1\r\nHost: test\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
            417,
            "bad_expect",
        ),
        answer(
            "an expectation beside 100-continue",
            b"POST /a HTTP/1.1\r\nHost: test\r\nExpect: 100-continue, x=y\r\nContent-Length: 5\r\n\r\nhello",
            417,
            "bad_expect",
        ),
    ]
}
