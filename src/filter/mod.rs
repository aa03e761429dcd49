//! What changes or answers a request on its way. A filter is one file and one entry in the registry; routes name
//! filters, apply them in order to requests and in reverse to responses, and share them.
//!
//! A filter sees the request as the backend would get it: hop-by-hop fields gone, who asked appended. What it
//! writes is the last word. One that needs to wait (for another server, say) hands out a future and is resumed
//! with the head in its hands again; those that do not wait pay nothing for it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::certificate::Peer;
use crate::config;
use crate::message::{RequestHead, ResponseHead};

mod headers;
mod passes;
#[cfg(test)]
pub(crate) mod proof;
mod render;
mod rewrite;
#[cfg(test)]
mod tests;

pub use passes::{on_response, whole};
pub use render::render;
pub use rewrite::Rewrite;

/// A kind of filter.
#[derive(Debug)]
pub struct Kind {
    /// The name in TOML.
    pub name: &'static str,
    /// Builds a filter of this kind; `None` where another kind was written.
    pub build: fn(&config::Filter) -> Option<Arc<dyn Filter>>,
}

/// Every kind that a configuration can name.
pub const KINDS: &[Kind] = &[Kind { name: "headers", build: headers::build }];

/// Builds what was written; `None` for a kind that is not in [`KINDS`], which a test excludes.
pub fn build(written: &config::Filter) -> Option<Arc<dyn Filter>> {
    #[cfg(test)]
    if let Some(proof) = proof::build(written) {
        return Some(proof);
    }
    KINDS.iter().find_map(|kind| (kind.build)(written))
}

/// A filter. One object serves every exchange on every worker; what belongs to one exchange goes into its
/// [`Context::slot`].
pub trait Filter: Send + Sync + fmt::Debug {
    /// Before a backend is looked for. Must not block.
    fn on_request(&self, _head: &mut RequestHead, _cx: &mut Context<'_>) -> Flow {
        Flow::Continue
    }

    /// When the response head is there: a backend's, or a redirect's or `respond`'s. Must not block.
    fn on_response(
        &self,
        _head: &mut ResponseHead,
        _request: &RequestHead,
        _cx: &mut Context<'_>,
    ) -> Wrap {
        Wrap::Keep
    }
}

/// What comes after a filter saw the request.
pub enum Flow {
    /// The next filter, or the backend.
    Continue,
    /// This answer, at once; filters before this one see it on its way back.
    Respond(Box<Answer>),
    /// What the future says, once it is ready. It is dropped when the client leaves or time runs out.
    Wait(Pin<Box<dyn Future<Output = Resume>>>),
}

/// How a filter that waited goes on.
pub type Resume = Box<dyn FnOnce(&mut RequestHead, &mut Context<'_>) -> Flow>;

/// What becomes of a response's body.
pub enum Wrap {
    /// It passes as it is.
    Keep,
    /// It passes through this, and its length is no longer known.
    Body(Box<dyn Transform>),
}

/// Changes a body as it streams by. What it returns is sent before more is asked for, so that memory stays bounded
/// by what it makes of one piece (at most 32 KiB go in at a time).
pub trait Transform {
    /// Takes a piece of the body; what is to be sent for it is appended to `out`.
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>);
    /// The body has ended; what is left is appended to `out`.
    fn end(&mut self, out: &mut Vec<u8>);
}

/// An answer that a filter or a route gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200..=599.
    pub status: u16,
    /// Fields, names in lower case; the length and what frames the message is added.
    pub headers: Vec<(Box<str>, Vec<u8>)>,
    /// The whole body; not sent for HEAD, 204 and 304.
    pub body: Arc<[u8]>,
}

/// What is known of an exchange besides its heads.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who asks, by the trust rules.
    pub client: Option<IpAddr>,
    /// The Host asked for, lower case, without port.
    pub host: &'a [u8],
    /// Made here, or believed.
    pub request_id: &'a [u8],
    /// The certificate that the client showed, verified.
    pub client_certificate: Option<&'a Peer>,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The listener's name.
    pub listener: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// The upstream's name; empty where a route answers by itself.
    pub upstream: &'a str,
    /// The address of the backend that answered; empty before.
    pub backend: &'a str,
}

/// What a filter may look at and keep.
pub struct Context<'a> {
    /// What is known.
    pub facts: Facts<'a>,
    /// This filter's own memory in this exchange, from request to response.
    pub slot: &'a mut Slot,
    /// Room for rendering; between calls its contents mean nothing.
    pub scratch: &'a mut Vec<u8>,
}

/// One filter's memory in one exchange; empty until it is written to.
pub type Slot = Option<Box<dyn Any>>;
