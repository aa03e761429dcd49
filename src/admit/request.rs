//! The state of a request from its parsed head to the search for a backend. `proxy` embeds it in its exchange and
//! keeps its memory; [`super::trial`] makes one for each request it tries.

use std::net::IpAddr;
use std::rc::Rc;

use super::Call;
use crate::filter::Slot;
use crate::http1::RequestFacts;
use crate::message::RequestHead;
use crate::route::host::BadHost;
use crate::route::normalize_host;
use crate::tls::Session;

/// Bytes of a request id that we take over from a trusted peer.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// Memory that a cleared request keeps in each of its small buffers.
const IDLE_BUFFER_BYTES_MAX: usize = 1024;

/// Filters of one route for which a cleared request keeps the slots' memory.
const IDLE_SLOTS_MAX: usize = 32;

/// One request, before a backend is looked for.
#[derive(Debug, Default)]
pub struct Request {
    /// Its head: as received at first, in the end as a backend gets it.
    pub head: RequestHead,
    /// What the head says about its message.
    pub facts: RequestFacts,
    /// Who asks, by the trust rules; `None` on a unix socket that nobody vouches for.
    pub client: Option<IpAddr>,
    /// What the client's TLS handshake has settled, if there was one.
    pub session: Option<Rc<Session>>,
    /// Whether the peer is believed about those before it.
    pub(super) trusted: bool,
    /// The request id: made here, or believed.
    pub id: Vec<u8>,
    /// It is a call of gRPC; known once it is identified.
    pub call: Option<Call>,
    /// An upgrade is asked of the backend.
    pub upgrade: bool,
    /// The Host that the route's rewrite gives backends; empty: the upstream's rule holds.
    pub backend_host: Vec<u8>,
    /// The path that routes are matched with, where it is not the one received.
    pub(super) path: Vec<u8>,
    /// The Host asked for, lower case, without port, from the search for a route on where filters, a rewrite or an
    /// answer of the route may want it; else its contents mean nothing.
    pub(super) host: Vec<u8>,
    /// The Host that an earlier request in this memory had.
    pub(super) last_host: HostMemo,
    /// Room for normalising and rendering; between calls its contents mean nothing.
    pub scratch: Vec<u8>,
    /// The route's filters' memory, by their position; empty where there is none.
    pub slots: Vec<Slot>,
    /// How many of the route's filters have let the request go on: they see the response, last one first.
    pub n_passed: usize,
}

/// The Host value seen last, if its normal form stands at its beginning: one client asks for the same host again
/// and again, and comparing is a tenth of the work of checking. Bounded by what is remembered at all.
#[derive(Debug, Default)]
pub(super) struct HostMemo {
    /// As received.
    authority: Vec<u8>,
    /// How much of it is the normal form.
    host_len: usize,
}

impl HostMemo {
    /// Longer ones are not remembered.
    const BYTES_MAX: usize = 64;

    /// The normal form of `authority`, by [`normalize_host`], which writes to `out` where it has to.
    ///
    /// # Errors
    /// As [`normalize_host`].
    #[inline]
    pub(super) fn normalize<'a>(
        &mut self,
        authority: &'a [u8],
        out: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], BadHost> {
        if authority == self.authority {
            return Ok(&authority[..self.host_len]);
        }
        let host = normalize_host(authority, out)?.host;
        if authority.len() <= Self::BYTES_MAX && authority.starts_with(host) {
            self.authority.clear();
            self.authority.extend_from_slice(authority);
            self.host_len = host.len();
        }
        Ok(host)
    }
}

impl Request {
    /// Ready for another; keeps memory up to a bound.
    pub fn clear(&mut self) {
        self.head.clear();
        self.facts = RequestFacts::default();
        (self.client, self.trusted) = (None, false);
        self.session = None;
        (self.call, self.upgrade) = (None, false);
        self.n_passed = 0;
        self.slots.clear();
        if self.slots.capacity() > IDLE_SLOTS_MAX {
            self.slots.shrink_to(IDLE_SLOTS_MAX);
        }
        for buffer in [
            &mut self.id,
            &mut self.path,
            &mut self.host,
            &mut self.scratch,
            &mut self.backend_host,
        ] {
            buffer.clear();
            if buffer.capacity() > IDLE_BUFFER_BYTES_MAX {
                buffer.shrink_to(IDLE_BUFFER_BYTES_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_seen_before_gives_what_it_gave_then() {
        let mut memo = HostMemo::default();
        let long = "a".repeat(HostMemo::BYTES_MAX);
        let longer = format!("{long}a:80");
        for authority in [
            "",
            "shop.example",
            "shop.example:80",
            "Shop.example",
            "shop.example.",
            "[::1]:80",
            "[0::1]",
            "a..b",
            "a:x",
            "shop.example:x",
            &long,
            &longer,
        ] {
            for _ in 0..3 {
                let (mut out, mut fresh) = (Vec::new(), Vec::new());
                let found = memo.normalize(authority.as_bytes(), &mut out);
                let expected = normalize_host(authority.as_bytes(), &mut fresh);
                assert_eq!(found, expected.map(|authority| authority.host), "{authority}");
                assert!(memo.authority.len() <= HostMemo::BYTES_MAX);
            }
        }
    }
}
