//! Backends that anybody could pretend to be.

use super::super::reader::Cx;
use super::super::report::{Code, Draft};
use super::super::sections::Everything;

/// Warns of `verify = false`.
pub(super) fn run(cx: &Cx, all: &Everything) {
    for (name, written) in &all.upstreams {
        let tls = &written.value.tls;
        let Some(place) = cx.marked(&format!("upstream.{name}.tls")).filter(|_| !tls.verify) else {
            continue;
        };
        let message = "nobody verifies who the backends are: whoever answers gets the requests";
        let help = "a certificate of your own is verified with ca = \"ca.pem\", \
                    one for another name with sni = \"name\"";
        cx.report(Draft::warning(Code::Suspicious, place, message).help(help));
    }
}
