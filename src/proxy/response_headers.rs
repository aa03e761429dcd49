//! A response's head on its way to the client: what concerns the backend's connection is removed, and
//! what frames the body on the client's is written.

use crate::admit::remove_named_by_connection;
use crate::http1::{Framing, ResponseFacts};
use crate::message::{Fields, Known, ResponseHead, Version};
use crate::relay::Encoding;

/// What the client is told about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) version: Version,
    /// The request would let the connection stay open.
    pub(super) keep_alive: bool,
    pub(super) head_request: bool,
}

/// How a response is framed towards the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) encoding: Encoding,
    /// Whether the client's connection stays open after it.
    pub(super) keep_alive: bool,
    /// The end of the connection is the end of the body: a truncation must not look like one.
    pub(super) until_close: bool,
}

/// Removes what concerns the backend's connection or frames its message. What is left is what filters see and the
/// client gets; the length stays while it holds.
pub(super) fn strip(head: &mut ResponseHead, facts: &ResponseFacts, client: Client) {
    let keeps_length =
        matches!(facts.framing, Framing::Length(_)) || keeps_length_without_body(head, client);
    remove(&mut head.fields, facts, keeps_length, false);
}

/// Removes what no longer holds of a head whose body goes through a filter; says how that is framed.
pub(super) fn wrap(head: &mut ResponseHead, facts: &ResponseFacts) -> ResponseFacts {
    head.fields.remove_if(|known, _| matches!(known, Known::ContentLength | Known::Trailer));
    let framing = match facts.framing {
        Framing::None => Framing::None,
        // It ends when it ends, whatever the backend said.
        _ => Framing::UntilClose,
    };
    ResponseFacts { framing, ..*facts }
}

/// Writes a stripped `head` to `out`, complete with the empty line. `facts` say how the body is framed that comes.
pub(super) fn write(
    head: &ResponseHead,
    facts: &ResponseFacts,
    client: Client,
    out: &mut Vec<u8>,
) -> Outgoing {
    let outgoing = plan(facts, client);
    head.write_to(out);
    if outgoing.encoding == Encoding::Chunks
        || (facts.framing == Framing::Chunked && !outgoing.until_close)
    {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    // Where the end of the head was the end of the response, as in HTTP/2.
    if facts.framing == Framing::Length(0) && head.fields.get(Known::ContentLength).is_none() {
        out.extend_from_slice(b"content-length: 0\r\n");
    }
    match (outgoing.keep_alive, client.version) {
        (false, _) => out.extend_from_slice(b"connection: close\r\n"),
        (true, Version::Http10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, Version::Http11 | Version::Http2) => {}
    }
    out.extend_from_slice(b"\r\n");
    outgoing
}

/// As [`strip`] for an interim response (1xx but 101).
pub(super) fn strip_interim(head: &mut ResponseHead, facts: &ResponseFacts) {
    remove(&mut head.fields, facts, false, false);
}

/// Writes a stripped interim response.
pub(super) fn write_interim(head: &ResponseHead, out: &mut Vec<u8>) {
    head.write_to(out);
    out.extend_from_slice(b"\r\n");
}

/// As [`strip`] for a 101, which keeps its `Upgrade`.
pub(super) fn strip_switching(head: &mut ResponseHead, facts: &ResponseFacts) {
    remove(&mut head.fields, facts, false, true);
}

/// Writes a stripped 101.
pub(super) fn write_switching(head: &ResponseHead, out: &mut Vec<u8>) {
    head.write_to(out);
    out.extend_from_slice(b"connection: upgrade\r\n\r\n");
}

impl Outgoing {
    /// How the bytes are framed that will be written for a body that `facts` tell of.
    pub(super) fn framing(&self, facts: &ResponseFacts) -> Framing {
        match self.encoding {
            Encoding::Chunks => Framing::Chunked,
            Encoding::AsReceived | Encoding::DataOnly => facts.framing,
        }
    }
}

/// How a response is framed of which `facts` say how its body comes.
pub(super) fn plan(facts: &ResponseFacts, client: Client) -> Outgoing {
    let unframed = match facts.framing {
        Framing::None | Framing::Length(_) => false,
        Framing::Chunked | Framing::UntilClose => client.version == Version::Http10,
    };
    let encoding = match facts.framing {
        _ if unframed => Encoding::DataOnly,
        Framing::UntilClose => Encoding::Chunks,
        _ => Encoding::AsReceived,
    };
    Outgoing { encoding, keep_alive: client.keep_alive && !unframed, until_close: unframed }
}

/// A HEAD's or a 304's Content-Length tells of a body that is not sent; a 204 must not have one.
fn keeps_length_without_body(head: &ResponseHead, client: Client) -> bool {
    head.status == 304 || (client.head_request && head.status >= 200 && head.status != 204)
}

fn remove(fields: &mut Fields, facts: &ResponseFacts, keeps_length: bool, keeps_upgrade: bool) {
    if facts.connection.names_fields {
        remove_named_by_connection(fields);
    }
    fields.remove_if(|known, _| match known {
        Known::Other => false,
        Known::Connection
        | Known::KeepAlive
        | Known::ProxyConnection
        | Known::Te
        | Known::Http2Settings
        | Known::TransferEncoding => true,
        Known::Upgrade => !keeps_upgrade,
        Known::ContentLength => !keeps_length,
        _ => false,
    });
}
