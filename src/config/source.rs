//! The texts that a configuration was read from, and places in them. Everything that is said about a
//! configuration points at a [`Place`]; only `report` turns places into lines and columns.

use std::path::PathBuf;
use std::sync::Arc;

/// A span of bytes in one of the files of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// Index of the file, in reading order; 0 is the main one.
    pub(crate) file: usize,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

/// One text, as read.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// What diagnostics call it.
    pub(crate) name: String,
    /// Where it was read from; `None` for text made by the program.
    pub(crate) path: Option<PathBuf>,
    /// Relative paths in it start here.
    pub(crate) dir: PathBuf,
    /// The text.
    pub(crate) text: Arc<str>,
    /// The byte where each line starts.
    lines: Vec<usize>,
}

/// A place as people count: everything from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// One past the last column on the same line.
    pub(crate) end_column: usize,
}

impl SourceFile {
    /// A text with its lines found. A byte-order mark in front is no part of it.
    pub(crate) fn new(name: String, path: Option<PathBuf>, dir: PathBuf, text: &str) -> Self {
        let text: Arc<str> = text.trim_start_matches('\u{feff}').into();
        let breaks = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        SourceFile { name, path, dir, text, lines }
    }

    /// The position of `start..end`, cut at the end of its first line.
    pub(crate) fn position(&self, start: usize, end: usize) -> Position {
        let start = self.boundary(start);
        let line_start = self.line_start(start);
        let end = self.boundary(end).min(self.line_end(start)).max(start);
        let column = self.text[line_start..start].chars().count() + 1;
        Position {
            line: self.line_index(start) + 1,
            column,
            end_column: column + self.text[start..end].chars().count(),
        }
    }

    fn line_index(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset) - 1
    }

    /// The byte where the line of `offset` starts.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        self.lines[self.line_index(offset)]
    }

    /// The byte where the line of `offset` ends, its line break not included.
    pub(crate) fn line_end(&self, offset: usize) -> usize {
        let end =
            self.text[offset..].find('\n').map_or(self.text.len(), |newline| offset + newline);
        if end > offset && self.text.as_bytes()[end - 1] == b'\r' { end - 1 } else { end }
    }

    /// `offset`, moved back to where a character starts.
    pub(crate) fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile::new(String::new(), None, PathBuf::new(), text)
    }

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let position = file("a = 1\nü = \"x\"\n").position(11, 14);
        assert_eq!(position, Position { line: 2, column: 5, end_column: 8 });
    }

    #[test]
    fn a_place_over_several_lines_ends_with_its_first_line() {
        let position = file("a = [\r\n1,\r\n]").position(4, 12);
        assert_eq!(position, Position { line: 1, column: 5, end_column: 6 });
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let position = file("\u{feff}a = 1").position(0, 1);
        assert_eq!(position, Position { line: 1, column: 1, end_column: 2 });
    }

    #[test]
    fn a_place_behind_the_text_is_its_end() {
        assert_eq!(file("ab").position(9, 12), Position { line: 1, column: 3, end_column: 3 });
        assert_eq!(file("").position(0, 0), Position { line: 1, column: 1, end_column: 1 });
    }
}
