//! Sticky sessions: a cookie names the backend that a client stays on, by an opaque keyed id. Made by `snapshot`;
//! asked by `proxy` before the strategy, and again when the answer is known.
//!
//! An id is 128 bits of HMAC-SHA-256 over the names of the upstream and the backend, so that it says nothing to who
//! has no key, and the same key finds the same backend after a reload, after a restart and on another machine. All
//! ids are computed when the members are known; a request costs one look into a map.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::backend::{Candidates, Member, Members, Permit, Tried};
use crate::config;
use crate::hash::Map;
use crate::message::{Known, RequestHead, ResponseHead};
use crate::rng::Rng;

/// Hex digits of an id.
const ID_CHARS: usize = 32;

/// An id as it stands in the cookie.
type Id = [u8; ID_CHARS];

/// Which client stays on which of an upstream's members.
#[derive(Debug)]
pub struct Sticky {
    /// The cookie's name.
    cookie: Box<[u8]>,
    /// By member index.
    ids: Box<[Id]>,
    index_of: Map<Id, usize>,
    /// What follows the id in `Set-Cookie`.
    attributes: Box<[u8]>,
}

impl Sticky {
    /// The sessions of `upstream`, which has these members.
    pub fn build(options: &config::Sticky, upstream: &str, members: &Members) -> Self {
        let key = match &options.key {
            Some(key) => key.expose(),
            None => process_key(),
        };
        let ids: Box<[Id]> = members.iter().map(|member| id(key, upstream, member)).collect();
        let index_of = ids.iter().copied().zip(0..).collect();
        let max_age = options.ttl.map(|ttl| format!("; Max-Age={}", ttl.as_secs()));
        let attributes = format!("; Path=/{}; HttpOnly; SameSite=Lax", max_age.unwrap_or_default());
        Sticky {
            cookie: options.cookie.as_bytes().into(),
            ids,
            index_of,
            attributes: attributes.into_bytes().into(),
        }
    }

    /// The member that the request's cookie names, by index; `None` if there is no cookie, or none of ours.
    pub fn member_of(&self, head: &RequestHead) -> Option<usize> {
        let lines = head.fields.all(Known::Cookie);
        let mut pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
        pairs.find_map(|pair| {
            let value = pair.trim_ascii().strip_prefix(&*self.cookie)?.strip_prefix(b"=")?;
            self.index_of.get(value).copied()
        })
    }

    /// A place at the member that the request's cookie names: also if it is drained, but not if it is full, was
    /// tried, is down, or is a backup while a primary is eligible.
    pub fn take(&self, members: &Members, tried: &Tried, head: &RequestHead) -> Option<Permit> {
        let index = self.member_of(head)?;
        let among = |candidates: Candidates<'_>| candidates.acquire(candidates.bound(index)?);
        among(Candidates::new(members, tried))
            .or_else(|| among(Candidates::last_resort(members, tried)?))
    }

    /// Appends the cookie for the member at `index` to a response, unless the request's names that one. `secure`:
    /// the client came by TLS.
    pub fn set(
        &self,
        index: usize,
        request: &RequestHead,
        response: &mut ResponseHead,
        secure: bool,
    ) {
        if self.member_of(request) == Some(index) {
            return;
        }
        let Some(id) = self.ids.get(index) else { return };
        let secure: &[u8] = if secure { b"; Secure" } else { b"" };
        let value = [&self.cookie, &b"="[..], id, &self.attributes, secure];
        response.fields.append(Known::of(b"set-cookie"), b"set-cookie", &value);
    }
}

/// What the cookie calls `member`. No name has a zero byte in it.
fn id(key: &[u8], upstream: &str, member: &Member) -> Id {
    let mut id = [0; ID_CHARS];
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return id };
    for part in [upstream, &member.authority, &member.backend.label] {
        mac.update(part.as_bytes());
        mac.update(&[0]);
    }
    let digest = mac.finalize().into_bytes();
    for (byte, digits) in digest.iter().zip(id.chunks_exact_mut(2)) {
        digits[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        digits[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    id
}

/// The key where none is configured: the same until the process ends.
fn process_key() -> &'static [u8] {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut rng = Rng::from_entropy();
        let mut key = [0; 32];
        key.chunks_exact_mut(8)
            .for_each(|part| part.copy_from_slice(&rng.next_u64().to_ne_bytes()));
        key
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::members_with;
    use super::*;
    use crate::backend::Tier;
    use crate::message::Version;

    fn sticky(key: Option<&str>, ttl: Option<u64>, members: &Members) -> Sticky {
        let options = config::Sticky {
            cookie: "FOREBAY".into(),
            ttl: ttl.map(Duration::from_secs),
            key: key.map(|key| config::Secret::new(key.as_bytes())),
        };
        Sticky::build(&options, "app", members)
    }

    fn request(cookies: &[&str]) -> RequestHead {
        let mut head = RequestHead::default();
        head.start(b"GET / HTTP/1.1\r\n", Version::Http11, 0..3, 4..5);
        for cookie in cookies {
            head.fields.append(Known::Cookie, b"cookie", &[cookie.as_bytes()]);
        }
        head
    }

    /// The `Set-Cookie` of a response from the member at `index`.
    fn set(sticky: &Sticky, index: usize, request: &RequestHead, secure: bool) -> Option<String> {
        let mut response = ResponseHead::default();
        response.start(b"OK", Version::Http11, 200, 0..2);
        sticky.set(index, request, &mut response, secure);
        let value = response.fields.named(b"set-cookie")?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn pair(cookie: &str) -> String {
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_cookie_leads_back_and_says_nothing() {
        let members = members_with(&[1, 1, 1], |_| {});
        let sticky = sticky(Some("a key of the operator"), Some(3600), &members);
        let value = set(&sticky, 1, &request(&[]), false).expect("a cookie");
        let id = value.strip_prefix("FOREBAY=").expect("its name");
        assert!(id[..ID_CHARS].bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(&id[ID_CHARS..], "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
        let ours = pair(&value);
        for cookies in [&[&*ours][..], &["a=b; FOREBAY=zz", &format!("c=d;{ours};e=f")]] {
            let request = request(cookies);
            assert_eq!(sticky.member_of(&request), Some(1));
            assert_eq!(set(&sticky, 1, &request, false), None, "it is where it was");
            assert!(set(&sticky, 2, &request, false).is_some(), "it moved");
        }
        for cookie in ["", "FOREBAY=", &format!("X{ours}"), &format!("{ours}0"), "FOREBAY"] {
            assert_eq!(sticky.member_of(&request(&[cookie])), None, "{cookie}");
        }
    }

    #[test]
    fn without_a_ttl_the_cookie_ends_with_the_session_and_tls_keeps_it_to_itself() {
        let members = members_with(&[1], |_| {});
        let sticky = sticky(Some("a key of the operator"), None, &members);
        let value = set(&sticky, 0, &request(&[]), true).expect("a cookie");
        assert!(value.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{value}");
    }

    #[test]
    fn ids_depend_on_the_key_the_upstream_and_the_address_and_on_nothing_else() {
        let members = members_with(&[1, 1], |_| {});
        let other = members_with(&[1, 1, 1], |list| list.reverse());
        let ids = |key, members: &Members| sticky(key, None, members).ids;
        let mut reversed = ids(Some("one key"), &other).to_vec();
        reversed.reverse();
        assert_eq!(&*ids(Some("one key"), &members), &reversed[..2]);
        assert_ne!(ids(Some("one key"), &members), ids(Some("other key"), &members));
        assert_ne!(id(b"k", "a", &members[0]), id(b"k", "b", &members[0]));
        assert_ne!(id(b"k", "a", &members[0]), id(b"k", "a", &members[1]));
        assert_eq!(ids(None, &members), ids(None, &members), "one key for the process");
        assert_ne!(ids(None, &members), ids(Some(""), &members));
        // From `openssl dgst -sha256 -hmac k`; if this changes, every client moves.
        assert_eq!(&id(b"k", "app", &members[0]), b"0975c7f631b773d3121a5bf1efde0dc9");
    }

    #[test]
    fn drained_ones_keep_their_clients_and_all_others_fall_back() {
        let mut members = members_with(&[1, 0, 1, 1], |list| {
            list[0].max_connections = 1;
            list[3].tier = Tier::Backup;
        });
        let sticky = sticky(None, None, &members);
        let bound = |index| {
            let value = set(&sticky, index, &request(&[]), false).expect("a cookie");
            request(&[&pair(&value)])
        };
        let take = |members: &Members, tried: &Tried, index| {
            let permit = sticky.take(members, tried, &bound(index))?;
            Some((permit.backend().id, permit))
        };
        let tried = Tried::default();
        let held = take(&members, &tried, 0).expect("it has room");
        assert_eq!(held.0, 0);
        assert!(take(&members, &tried, 0).is_none(), "full");
        assert!(take(&members, &tried, 1).is_some_and(|(id, _)| id == 1), "drained");
        assert!(take(&members, &tried, 3).is_none(), "a backup while there is a primary");
        let mut went = Tried::default();
        went.insert(&members[2].backend);
        assert!(take(&members, &went, 2).is_none(), "tried");
        assert!(take(&members, &went, 3).is_some(), "a backup while no primary has a place");
        members[2].backend.set_available(false);
        assert!(take(&members, &tried, 2).is_none(), "down");
        assert!(sticky.take(&members, &tried, &request(&[])).is_none());
        members = members_with(&[1], |_| {});
        assert!(take(&members, &tried, 3).is_none(), "it never leads past the end");
    }
}
