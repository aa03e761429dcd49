//! The field section of a head: bytes and an index over them.

use std::ops::Range;

use super::Known;

/// Memory that an empty head keeps.
const IDLE_BYTES_MAX: usize = 4096;

/// Index entries that an empty head keeps.
const IDLE_FIELDS_MAX: usize = 128;

/// One field line in a head's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    line_start: u32,
    line_end: u32,
    value_start: u32,
    value_len: u32,
    name_len: u16,
    /// What the name is.
    pub known: Known,
    live: bool,
}

/// Field lines, in order, over one buffer that also holds the start line.
///
/// Removing marks a field dead, setting appends a new line behind the received ones, writing copies
/// the runs of live lines. A head is at most 4 GiB by construction and in fact bounded by its limits.
#[derive(Debug, Default)]
pub struct Fields {
    pub(super) bytes: Vec<u8>,
    list: Vec<Field>,
    /// The bit of every name that was ever in the list: most names that are asked for never were.
    seen: u32,
}

impl Fields {
    /// None at all.
    pub const fn new() -> Self {
        Fields { bytes: Vec::new(), list: Vec::new(), seen: 0 }
    }

    /// No field yet, over a copy of `bytes`.
    pub(crate) fn over(bytes: &[u8]) -> Self {
        Fields { bytes: bytes.to_vec(), ..Fields::new() }
    }

    /// Forgets everything but keeps the memory, up to a bound.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
        self.seen = 0;
        if self.bytes.capacity() > IDLE_BYTES_MAX {
            self.bytes.shrink_to(IDLE_BYTES_MAX);
        }
        if self.list.capacity() > IDLE_FIELDS_MAX {
            self.list.shrink_to(IDLE_FIELDS_MAX);
        }
    }

    /// Indexes a line that already stands in the buffer. All positions are offsets into it.
    pub(crate) fn index(
        &mut self,
        known: Known,
        line: (usize, usize),
        name_len: usize,
        value: (usize, usize),
    ) {
        self.seen |= known.bit();
        self.list.push(Field {
            line_start: line.0 as u32,
            line_end: line.1 as u32,
            value_start: value.0 as u32,
            value_len: (value.1 - value.0) as u32,
            name_len: name_len as u16,
            known,
            live: true,
        });
    }

    /// Number of live fields.
    pub fn len(&self) -> usize {
        self.list.iter().filter(|field| field.live).count()
    }

    /// Whether no field is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Live fields in order: the entry, its name and its value.
    pub fn iter(&self) -> impl Iterator<Item = (Known, &[u8], &[u8])> {
        let live = self.list.iter().filter(|field| field.live);
        live.map(|field| (field.known, self.name(field), self.value(field)))
    }

    /// As [`Fields::iter`], with name and value as ranges of [`Fields::bytes`].
    pub fn ranges(&self) -> impl Iterator<Item = (Known, Range<usize>, Range<usize>)> {
        let live = self.list.iter().filter(|field| field.live);
        live.map(|field| {
            let (name, value) = (field.line_start as usize, field.value_start as usize);
            let value_end = value + field.value_len as usize;
            (field.known, name..name + field.name_len as usize, value..value_end)
        })
    }

    /// The buffer that everything stands in.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of fields, with those that were removed: a bound for the live ones that costs nothing.
    pub fn n_indexed(&self) -> usize {
        self.list.len()
    }

    /// The value of the first live field that is `known`.
    #[inline]
    pub fn get(&self, known: Known) -> Option<&[u8]> {
        self.all(known).next()
    }

    /// The values of all live fields that are `known`, in order.
    #[inline]
    pub fn all(&self, known: Known) -> impl DoubleEndedIterator<Item = &[u8]> {
        let list = self.list_with(known).iter();
        let same = list.filter(move |field| field.known == known && field.live);
        same.map(|field| self.value(field))
    }

    /// The value of the first live field called `name`, in any case.
    pub fn named(&self, name: &[u8]) -> Option<&[u8]> {
        let known = Known::of(name);
        // The two that stand for more than one name are compared.
        if !matches!(known, Known::Other | Known::XForwarded) {
            return self.get(known);
        }
        let mut live =
            self.list.iter().filter(|field| field.live && field.name_len as usize == name.len());
        live.find(|field| self.name(field).eq_ignore_ascii_case(name))
            .map(|field| self.value(field))
    }

    /// The values of all live fields called `name` (lower case), which is `known`, in order.
    #[inline]
    pub fn all_named(&self, known: Known, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        // The two that stand for more than one name are compared.
        let compared = matches!(known, Known::Other | Known::XForwarded);
        let called = move |field: &&Field| {
            field.known == known
                && field.live
                && (!compared
                    || field.name_len as usize == name.len()
                        && self.name(field).eq_ignore_ascii_case(name))
        };
        self.list_with(known).iter().filter(called).map(|field| self.value(field))
    }

    /// All fields, or none where none is `known`.
    #[inline]
    fn list_with(&self, known: Known) -> &[Field] {
        if self.seen & known.bit() == 0 { &[] } else { &self.list }
    }

    /// Removes every live field for which `remove` answers true; it is given the entry and the name.
    #[inline]
    pub fn remove_if(&mut self, mut remove: impl FnMut(Known, &[u8]) -> bool) {
        for field in &mut self.list {
            let name = &self.bytes[field.line_start as usize..][..field.name_len as usize];
            if field.live && remove(field.known, name) {
                field.live = false;
            }
        }
    }

    /// Removes every live field called `name`, in any case.
    pub fn remove_named(&mut self, name: &[u8]) {
        let named = Known::of(name);
        match named {
            // The two that stand for more than one name are compared.
            Known::Other | Known::XForwarded => {
                self.remove_if(|known, other| known == named && other.eq_ignore_ascii_case(name));
            }
            _ => self.remove_if(|known, _| known == named),
        }
    }

    /// Appends a field whose value is the concatenation of `value`'s parts.
    pub fn append(&mut self, known: Known, name: &[u8], value: &[&[u8]]) {
        let line_start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        let value_start = self.bytes.len();
        for part in value {
            self.bytes.extend_from_slice(part);
        }
        self.end_line(known, line_start, name.len(), value_start);
    }

    /// Appends a field of which the name, with its colon and space, is known when this is compiled: what
    /// every request gets. Half the instructions of [`Fields::append`].
    #[inline]
    pub fn append_known<const N: usize>(&mut self, known: Known, name: &[u8; N], value: &[u8]) {
        debug_assert!(name.ends_with(b": "), "a name with its colon and space");
        self.bytes.reserve(N + value.len() + 2);
        let line_start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.end_line(known, line_start, N - 2, line_start + N);
    }

    #[inline]
    fn end_line(&mut self, known: Known, line_start: usize, name_len: usize, value_start: usize) {
        let value_end = self.bytes.len();
        self.bytes.extend_from_slice(b"\r\n");
        self.index(known, (line_start, value_end + 2), name_len, (value_start, value_end));
    }

    /// Appends a field with the value of the first live field that is `source`, if there is one.
    pub fn append_copy(&mut self, known: Known, name: &[u8], source: Known) {
        let Some(field) = self.list.iter().find(|field| field.known == source && field.live) else {
            return;
        };
        let (start, len) = (field.value_start as usize, field.value_len as usize);
        let line_start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        let value_start = self.bytes.len();
        self.bytes.extend_from_within(start..start + len);
        self.bytes.extend_from_slice(b"\r\n");
        self.index(
            known,
            (line_start, self.bytes.len()),
            name.len(),
            (value_start, value_start + len),
        );
    }

    /// Writes the live lines, each with its line end, copying neighbours as one run.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.write_lines(out, |_| true);
    }

    /// As [`Fields::write_to`], without the lines that are `known`.
    pub fn write_without(&self, known: Known, out: &mut Vec<u8>) {
        self.write_lines(out, |field| field.known != known);
    }

    #[inline]
    fn write_lines(&self, out: &mut Vec<u8>, wanted: impl Fn(&Field) -> bool) {
        let mut run = 0..0;
        for field in &self.list {
            if !field.live || !wanted(field) {
                continue;
            }
            let (start, end) = (field.line_start as usize, field.line_end as usize);
            if start == run.end {
                run.end = end;
            } else {
                out.extend_from_slice(&self.bytes[run]);
                run = start..end;
            }
        }
        out.extend_from_slice(&self.bytes[run]);
    }

    fn name(&self, field: &Field) -> &[u8] {
        &self.bytes[field.line_start as usize..][..field.name_len as usize]
    }

    fn value(&self, field: &Field) -> &[u8] {
        &self.bytes[field.value_start as usize..][..field.value_len as usize]
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
