//! How a client begins that knows beforehand that we speak HTTP/2. Asked by `connection` on listeners that do.

/// What such a client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether what a client sends is the preface of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preface {
    /// It is.
    Complete,
    /// It may become it.
    Partial,
    /// It is HTTP/1.
    None,
}

impl Preface {
    /// Of `bytes`, the first ones. Without `h1` there is nothing else that they could be.
    pub(super) fn of(bytes: &[u8], h1: bool) -> Self {
        match (bytes.starts_with(PREFACE), PREFACE.starts_with(bytes)) {
            (true, _) => Preface::Complete,
            (false, true) => Preface::Partial,
            // It will be refused by whoever knows how.
            (false, false) if !h1 => Preface::Complete,
            (false, false) => Preface::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_told_from_http_1_at_its_first_other_byte() {
        for n in 0..PREFACE.len() {
            assert_eq!(Preface::of(&PREFACE[..n], true), Preface::Partial);
            let other = [&PREFACE[..n], b"x"].concat();
            assert_eq!(Preface::of(&other, true), Preface::None);
            assert_eq!(Preface::of(&other, false), Preface::Complete);
        }
        assert_eq!(Preface::of(&[PREFACE, b"x"].concat(), true), Preface::Complete);
    }
}
