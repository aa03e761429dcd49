//! Reads header blocks (RFC 7541, sections 3 and 6).

use super::table::{STATIC, Table};
use super::{Undecodable, huffman, integer};

/// A field of a block.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Field<'a, M> {
    pub(in super::super) name: &'a [u8],
    pub(in super::super) value: &'a [u8],
    /// What whoever reads thinks of it.
    pub(in super::super) mark: M,
}

/// Says what is to be thought of a name and a value: asked once for what is kept in the table.
pub(in super::super) type Judge<M> = fn(&[u8], &[u8]) -> M;

/// The blocks of one connection, in order.
#[derive(Debug)]
pub(in super::super) struct Decoder<M: 'static> {
    table: Table<M>,
    /// What was offered.
    size_max: usize,
    judge: Judge<M>,
    /// What is thought of the static table's entries.
    judged: &'static [M; STATIC.len()],
    /// Names and values out of Huffman's code.
    unfolded: Vec<u8>,
}

/// What `judge` says of the entries of the static table: made once, for all connections.
pub(in super::super) fn judge_static<M>(judge: Judge<M>) -> [M; STATIC.len()] {
    STATIC.map(|(name, value)| judge(name, value))
}

/// Memory for unfolding that is kept between blocks.
const IDLE_BYTES_MAX: usize = 1024;

/// Where a string stands: in the block, or in what was unfolded.
enum Text<'b> {
    Plain(&'b [u8]),
    Unfolded { start: usize, end: usize },
}

impl<'b> Text<'b> {
    #[inline]
    fn get<'a>(&self, unfolded: &'a [u8]) -> &'a [u8]
    where
        'b: 'a,
    {
        match *self {
            Text::Plain(bytes) => bytes,
            Text::Unfolded { start, end } => &unfolded[start..end],
        }
    }
}

impl<M: Copy + 'static> Decoder<M> {
    /// With a dynamic table of at most `size_max` bytes, which the peer was offered. `judged` is what [`judge_static`]
    /// makes of the same `judge`.
    pub(in super::super) fn new(
        size_max: usize,
        judge: Judge<M>,
        judged: &'static [M; STATIC.len()],
    ) -> Self {
        Decoder { table: Table::new(size_max), size_max, judge, judged, unfolded: Vec::new() }
    }

    /// Shows the fields of `block` to `see`, in order, until that has had enough (`false`).
    ///
    /// # Errors
    /// The block cannot be read, or was not read to its end: nothing that follows can be, either.
    pub(in super::super) fn decode(
        &mut self,
        mut block: &[u8],
        mut see: impl FnMut(Field<'_, M>) -> bool,
    ) -> Result<(), Undecodable> {
        let mut may_resize = true;
        while let Some((&first, rest)) = block.split_first() {
            block = rest;
            let goes_on = match first {
                0x80.. => see(self.indexed(first, &mut block)?),
                0x40.. => self.literal(first, 6, true, &mut block, &mut see)?,
                0x20.. if may_resize => {
                    let size = integer::read(first, 5, &mut block)?;
                    if size > self.size_max {
                        return Err(Undecodable);
                    }
                    self.table.resize(size);
                    continue;
                }
                0x20.. => return Err(Undecodable),
                _ => self.literal(first, 4, false, &mut block, &mut see)?,
            };
            if !goes_on {
                return Err(Undecodable);
            }
            may_resize = false;
        }
        if self.unfolded.capacity() > IDLE_BYTES_MAX {
            self.unfolded = Vec::new();
        }
        Ok(())
    }

    #[inline]
    fn indexed(&self, first: u8, block: &mut &[u8]) -> Result<Field<'_, M>, Undecodable> {
        match integer::read(first, 7, block)? {
            0 => Err(Undecodable),
            index @ 1..=61 => {
                let (name, value) = STATIC[index - 1];
                Ok(Field { name, value, mark: self.judged[index - 1] })
            }
            index => {
                let (name, value, mark) = self.table.get(index - 62).ok_or(Undecodable)?;
                Ok(Field { name, value, mark })
            }
        }
    }

    #[inline]
    fn literal(
        &mut self,
        first: u8,
        prefix: u32,
        keeps: bool,
        block: &mut &[u8],
        see: &mut impl FnMut(Field<'_, M>) -> bool,
    ) -> Result<bool, Undecodable> {
        self.unfolded.clear();
        let name = match integer::read(first, prefix, block)? {
            0 => self.string(block)?,
            index @ 1..=61 => Text::Plain(STATIC[index - 1].0),
            index => {
                let (name, ..) = self.table.get(index - 62).ok_or(Undecodable)?;
                // It may be evicted by its own heir.
                self.unfolded.extend_from_slice(name);
                Text::Unfolded { start: 0, end: name.len() }
            }
        };
        let value = self.string(block)?;
        let (name, value) = (name.get(&self.unfolded), value.get(&self.unfolded));
        let mark = (self.judge)(name, value);
        if keeps {
            self.table.insert(name, value, mark);
        }
        Ok(see(Field { name, value, mark }))
    }

    #[inline]
    fn string<'b>(&mut self, block: &mut &'b [u8]) -> Result<Text<'b>, Undecodable> {
        let (&first, rest) = block.split_first().ok_or(Undecodable)?;
        *block = rest;
        let len = integer::read(first, 7, block)?;
        let (string, rest) = block.split_at_checked(len).ok_or(Undecodable)?;
        *block = rest;
        if first & 0x80 == 0 {
            return Ok(Text::Plain(string));
        }
        let start = self.unfolded.len();
        huffman::decode(string, &mut self.unfolded)?;
        Ok(Text::Unfolded { start, end: self.unfolded.len() })
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &Table<M> {
        &self.table
    }
}
