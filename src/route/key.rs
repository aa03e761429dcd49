//! A host or a path of a table, kept inside the record that it leads to: finding the record and comparing its key
//! touch the same memory. Used by `bucket` and `paths`.

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
    #[inline]
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

/// Whether two slices of one length are equal, word by word: for so few, a call into the C library costs more.
#[inline]
fn same(left: &[u8], right: &[u8]) -> bool {
    // The last word overlaps the one before.
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<8>(), right.last_chunk::<8>()) {
        let words = left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0);
        return left_end == right_end && words.into_iter().all(|(left, right)| left == right);
    }
    left.iter().zip(right).all(|(left, right)| left == right)
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
