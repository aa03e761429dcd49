//! The tables that header blocks refer to (RFC 7541, section 2.3): the static one, and the dynamic one of what went
//! before.

use std::collections::VecDeque;

/// What an entry counts beside its bytes.
const ENTRY_OVERHEAD_BYTES: usize = 32;

/// Names and values that everybody knows; the first has the index 1.
#[rustfmt::skip]
pub(super) static STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"),
    (b":path", b"/index.html"), (b":scheme", b"http"), (b":scheme", b"https"), (b":status", b"200"),
    (b":status", b"204"), (b":status", b"206"), (b":status", b"304"), (b":status", b"400"),
    (b":status", b"404"), (b":status", b"500"), (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"), (b"accept-language", b""), (b"accept-ranges", b""),
    (b"accept", b""), (b"access-control-allow-origin", b""), (b"age", b""), (b"allow", b""),
    (b"authorization", b""), (b"cache-control", b""), (b"content-disposition", b""),
    (b"content-encoding", b""), (b"content-language", b""), (b"content-length", b""),
    (b"content-location", b""), (b"content-range", b""), (b"content-type", b""), (b"cookie", b""),
    (b"date", b""), (b"etag", b""), (b"expect", b""), (b"expires", b""), (b"from", b""),
    (b"host", b""), (b"if-match", b""), (b"if-modified-since", b""), (b"if-none-match", b""),
    (b"if-range", b""), (b"if-unmodified-since", b""), (b"last-modified", b""), (b"link", b""),
    (b"location", b""), (b"max-forwards", b""), (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""), (b"range", b""), (b"referer", b""), (b"refresh", b""),
    (b"retry-after", b""), (b"server", b""), (b"set-cookie", b""),
    (b"strict-transport-security", b""), (b"transfer-encoding", b""), (b"user-agent", b""),
    (b"vary", b""), (b"via", b""), (b"www-authenticate", b""),
];

/// Where an entry stands in the bytes.
#[derive(Clone, Copy, Debug)]
struct Entry<M> {
    start: u32,
    name_len: u32,
    value_len: u32,
    mark: M,
}

impl<M> Entry<M> {
    fn size(&self) -> usize {
        (self.name_len + self.value_len) as usize + ENTRY_OVERHEAD_BYTES
    }
}

/// The dynamic table, each entry with a mark of whoever reads. Memory is at most twice the size it may have.
#[derive(Debug)]
pub(super) struct Table<M> {
    /// The newest first.
    entries: VecDeque<Entry<M>>,
    bytes: Vec<u8>,
    /// As RFC 7541, section 4.1, counts it.
    size: usize,
    size_max: usize,
}

impl<M: Copy> Table<M> {
    pub(super) fn new(size_max: usize) -> Self {
        Table { entries: VecDeque::new(), bytes: Vec::new(), size: 0, size_max }
    }

    /// The entry at `index`; the newest has 0.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8], M)> {
        let entry = self.entries.get(index)?;
        let bytes = &self.bytes[entry.start as usize..];
        let (name, rest) = bytes.split_at(entry.name_len as usize);
        Some((name, &rest[..entry.value_len as usize], entry.mark))
    }

    /// Changes the size it may have, which evicts what has no room.
    pub(super) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict(0);
    }

    /// Inserts an entry; one larger than the table empties it.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], mark: M) {
        let needed = name.len() + value.len() + ENTRY_OVERHEAD_BYTES;
        self.evict(needed);
        if needed > self.size_max {
            return;
        }
        self.make_room(name.len() + value.len());
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        let (name_len, value_len) = (name.len() as u32, value.len() as u32);
        self.entries.push_front(Entry { start, name_len, value_len, mark });
        self.size += needed;
    }

    fn evict(&mut self, needed: usize) {
        while self.size + needed > self.size_max
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }

    /// Once half of the bytes are of entries that are gone, the others move to the front.
    fn make_room(&mut self, n: usize) {
        let Some(oldest) = self.entries.back() else { return };
        let dead = oldest.start;
        if self.bytes.len() + n <= self.bytes.capacity() || (dead as usize) < self.bytes.len() / 2 {
            return;
        }
        self.bytes.drain(..dead as usize);
        self.entries.iter_mut().for_each(|entry| entry.start -= dead);
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}
