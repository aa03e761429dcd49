//! A host or a path of a table, kept inside the record that it leads to: finding the record and comparing its key
//! touch the same memory. Used by `bucket` and `paths`, and its
//! comparison by `values` and `conditions` too.

/// Longest key that is kept inside, in bytes: with its length, five words.
pub(super) const KEY_INSIDE_MAX: usize = 38;

/// Bytes to compare with.
#[derive(Debug)]
pub(super) enum Key {
    Inside { len: u8, bytes: [u8; KEY_INSIDE_MAX] },
    Long(Box<[u8]>),
}

impl Key {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; KEY_INSIDE_MAX];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text);
                Key::Inside { len: text.len() as u8, bytes }
            }
            None => Key::Long(text.into()),
        }
    }

    /// Whether it is `text`.
    #[inline(always)]
    pub(super) fn is(&self, text: &[u8]) -> bool {
        match self {
            Key::Inside { len, bytes } => {
                usize::from(*len) == text.len()
                    && bytes.get(..text.len()).is_some_and(|key| same(key, text))
            }
            Key::Long(key) => **key == *text,
        }
    }
}

impl Default for Key {
    fn default() -> Self {
        Key::new(b"")
    }
}

/// Whether two slices of one length are equal, by pieces that may overlap: for so few bytes, a call into the C library
/// costs more.
#[inline(always)]
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() > 32 {
        left == right
    } else {
        same_ends::<16>(left, right)
            .or_else(|| same_ends::<8>(left, right))
            .or_else(|| same_ends::<4>(left, right))
            .unwrap_or_else(|| left.iter().zip(right).all(|(left, right)| left == right))
    }
}

/// Whether the first `N` and the last `N` bytes are equal; `None` when there are less.
#[inline(always)]
fn same_ends<const N: usize>(left: &[u8], right: &[u8]) -> Option<bool> {
    let first = left.first_chunk::<N>()? == right.first_chunk::<N>()?;
    let last = left.last_chunk::<N>()? == right.last_chunk::<N>()?;
    Some(first & last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_length_is_itself_and_nothing_that_differs_in_one_byte_or_in_length() {
        for len in 0..=KEY_INSIDE_MAX + 10 {
            let text = vec![b'a'; len];
            let key = Key::new(&text);
            assert_eq!(matches!(key, Key::Inside { .. }), len <= KEY_INSIDE_MAX);
            assert!(key.is(&text), "{len}");
            assert!(!key.is(&[&text[..], b"a"].concat()), "{len}");
            assert!(!key.is(&[&text[..], b"\0"].concat()), "{len}");
            for at in 0..len {
                let mut other = text.clone();
                other[at] = b'b';
                assert!(!key.is(&other), "{len}, {at}");
                assert!(!key.is(&text[..at]), "{len}, {at}");
            }
        }
    }

    #[test]
    fn a_key_takes_five_words() {
        assert_eq!(size_of::<Key>(), 40);
    }
}
