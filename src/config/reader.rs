//! Reading a tree without ever stopping: a [`Section`] is a table whose keys are known. Whatever is wrong becomes
//! a report and `None`, and reading goes on.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bodies::Bodies;
use super::certificates::Certificates;
use super::item::Item;
use super::origins::Origins;
use super::report::{Code, Draft, Report, Severity};
use super::schema::CertificateFiles;
use super::shapes::Shape;
use super::source::{Place, SourceFile};
use super::tree::{Node, Table, Value};
use super::unknown;
use crate::certificate::{Fault, Pair};

/// What a load has read and found so far.
#[derive(Default)]
pub(crate) struct Cx {
    files: Vec<Arc<SourceFile>>,
    drafts: RefCell<Vec<Draft>>,
    n_errors: Cell<usize>,
    bodies: RefCell<Bodies>,
    certificates: RefCell<Certificates>,
    /// Expressions that are known to compile, as matching the whole of something.
    expressions: RefCell<HashSet<String>>,
    /// Variables that secrets are taken from.
    variables: RefCell<HashMap<String, Option<String>>>,
    /// Files with secrets.
    secrets: RefCell<Vec<PathBuf>>,
    /// Places with the name they will be asked for by.
    marked: RefCell<HashMap<String, Place>>,
}

impl Cx {
    /// Takes a file in; returns its index.
    pub(crate) fn add_file(&mut self, file: SourceFile) -> usize {
        self.files.push(Arc::new(file));
        self.files.len() - 1
    }

    /// No file was read yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(crate) fn file(&self, index: usize) -> &SourceFile {
        &self.files[index]
    }

    /// The files that were read from disk: configuration in reading order, then bodies, then secrets.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let files = self.files.iter().filter_map(|file| file.path.clone());
        let (bodies, secrets) = (self.bodies.borrow(), self.secrets.borrow());
        files.chain(bodies.paths().cloned()).chain(secrets.iter().cloned()).collect()
    }

    /// Has changes of the file at `path` noticed as those of the configuration are.
    pub(crate) fn watch(&self, path: &Path) {
        self.secrets.borrow_mut().push(path.to_owned());
    }

    /// Remembers what the variable `name` is, if it is set.
    pub(crate) fn keep_variable(&self, name: &str, value: Option<String>) {
        self.variables.borrow_mut().insert(name.to_owned(), value);
    }

    /// What the variable `name` was kept as.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.variables.borrow().get(name).cloned().flatten()
    }

    /// Whether this expression compiled before.
    pub(crate) fn is_known_expression(&self, text: &str) -> bool {
        self.expressions.borrow().contains(text)
    }

    /// Remembers an expression that compiled.
    pub(crate) fn know_expression(&self, text: &str) {
        self.expressions.borrow_mut().insert(text.to_owned());
    }

    /// What the file at `path` holds, or what is wrong and what to do.
    pub(crate) fn body(&self, path: &Path) -> Result<Arc<[u8]>, (String, String)> {
        self.bodies.borrow_mut().read(path)
    }

    /// Reads certificates that [`Cx::pair`] will be asked for.
    pub(crate) fn read_ahead(&self, wanted: impl IntoIterator<Item = CertificateFiles>) {
        self.certificates.borrow_mut().read_ahead(wanted);
    }

    /// The certificate and its key in these files, or what is wrong with them.
    pub(crate) fn pair(&self, files: &CertificateFiles) -> Result<Arc<Pair>, Fault> {
        self.certificates.borrow_mut().pair(files)
    }

    pub(crate) fn report(&self, draft: Draft) {
        if draft.severity == Severity::Error {
            self.n_errors.set(self.n_errors.get() + 1);
        }
        self.drafts.borrow_mut().push(draft);
    }

    /// How many errors were reported so far: one that has grown says that something in between is wrong.
    pub(crate) fn n_errors(&self) -> usize {
        self.n_errors.get()
    }

    /// Remembers where `name` stands, a key of [`super::schema::Places`].
    pub(crate) fn mark(&self, name: String, place: Place) {
        self.marked.borrow_mut().insert(name, place);
    }

    /// Where `name` stands, if it was written and right.
    pub(crate) fn marked(&self, name: &str) -> Option<Place> {
        self.marked.borrow().get(name).copied()
    }

    /// The part `span` (in bytes of `text`) of the string at `place`; `None` if escapes or variables moved it.
    pub(crate) fn inside(&self, place: Place, text: &str, span: Range<usize>) -> Option<Place> {
        let raw = self.file(place.file).text.get(place.start..place.end)?;
        let start = place.start + 1 + span.start;
        let as_it_stands = raw.get(1..raw.len() - 1) == Some(text) && span.start < text.len();
        as_it_stands.then(|| Place { start, end: start + span.len(), ..place })
    }

    /// Where `part` first stands in what was written at `place`; all of it if it does not.
    pub(crate) fn find_inside(&self, place: Place, part: &str) -> Place {
        let raw = self.file(place.file).text.get(place.start..place.end).unwrap_or_default();
        let Some(at) = raw.find(part) else { return place };
        let start = place.start + at;
        Place { start, end: start + part.len(), ..place }
    }

    /// `path` as written at `place`: relative ones start at the directory of the file that names them.
    pub(crate) fn resolve(&self, path: &str, place: Place) -> PathBuf {
        let joined = self.file(place.file).dir.join(path);
        std::path::absolute(&joined).unwrap_or(joined)
    }

    /// All that was found, and where things stand. Where a text has syntax errors, what they may have caused themselves is left out.
    pub(crate) fn into_parts(self) -> (Report, Origins) {
        let mut drafts = self.drafts.into_inner();
        let line = |place: Place| {
            let file = &self.files[place.file];
            (place.file, file.line_start(file.boundary(place.start)))
        };
        let syntax = |draft: &Draft| draft.code == Code::Syntax;
        let broken: Vec<_> = drafts.iter().filter(|d| syntax(d)).map(|d| line(d.place)).collect();
        if !broken.is_empty() {
            let caused = |draft: &Draft| {
                draft.severity == Severity::Warning
                    || matches!(draft.code, Code::Missing | Code::UnknownName)
                    || draft.place.start == draft.place.end
                    || broken.contains(&line(draft.place))
            };
            drafts.retain(|draft| syntax(draft) || !caused(draft));
        }
        let origins = Origins::new(self.files.clone(), self.marked.into_inner());
        (Report::new(drafts, self.files), origins)
    }
}

/// A table and what may stand in it.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) table: &'a Table,
    pub(crate) shape: &'static Shape,
    /// Where to say that something is missing from it.
    pub(crate) place: Place,
    /// What messages call it: `[upstream.app]`.
    pub(crate) title: String,
    /// The tables around it, the nearest last.
    pub(crate) parents: Vec<(&'static Shape, String)>,
}

impl<'a> Section<'a> {
    /// The whole text. Its keys are not checked here but where it is read.
    pub(crate) fn root(cx: &'a Cx, table: &'a Table, shape: &'static Shape) -> Self {
        let place = Place { file: 0, start: 0, end: 0 };
        let title = "the top level".to_owned();
        let section = Section { cx, table, shape, place, title, parents: Vec::new() };
        unknown::check_keys(&section);
        section
    }

    /// The table `node`, which belongs to this one; every key that does not belong in it is reported.
    pub(crate) fn open(
        &self,
        node: &'a Node,
        shape: &'static Shape,
        title: String,
    ) -> Option<Section<'a>> {
        let Value::Table(table) = &node.value else {
            if matches!(node.value, Value::Faulty) {
                return None;
            }
            let example = shape.example;
            self.cx.report(
                Draft::error(
                    Code::WrongType,
                    node.place,
                    format!("{title} is a table, not {}", node.value.kind()),
                )
                .help(format!("write {example}")),
            );
            return None;
        };
        let mut parents = self.parents.clone();
        parents.push((self.shape, self.title.clone()));
        let section = Section { cx: self.cx, table, shape, place: node.place, title, parents };
        unknown::check_keys(&section);
        Some(section)
    }

    /// The table under `key`, if it was written.
    pub(crate) fn child(&self, key: &str, shape: &'static Shape) -> Option<Section<'a>> {
        let item = self.item(key)?;
        let is_header = matches!(&item.node.value, Value::Table(table) if table.header);
        let title = match self.title.strip_prefix("`[").and_then(|it| it.strip_suffix("]`")) {
            _ if !is_header => format!("`{key}`"),
            Some(around) if !around.starts_with('[') => format!("`[{around}.{key}]`"),
            _ => format!("`[{}]`", shape.name),
        };
        self.open(item.node, shape, title)
    }

    /// The value under `key`, if it was written.
    pub(crate) fn item(&self, key: &str) -> Option<Item<'a>> {
        debug_assert!(
            self.shape.keys.contains(&key),
            "{key} is not in the shape {}",
            self.shape.name
        );
        let entry = self.table.find(key)?;
        Some(Item { cx: self.cx, key: &entry.key, node: &entry.node, of_array: false })
    }

    /// The value under `key` through `read`; `None` if it was not written or is wrong (which is reported).
    pub(crate) fn read<T>(&self, key: &str, read: impl FnOnce(Item<'a>) -> Option<T>) -> Option<T> {
        self.item(key).and_then(read)
    }

    /// Reports that `key` is missing.
    pub(crate) fn missing(&self, key: &str, help: impl Into<String>) {
        self.missing_all(&[key], &format!("`{key}`"), help);
    }

    /// Reports that `none` is there, which is none of `keys`.
    pub(crate) fn missing_all(&self, keys: &[&str], none: &str, help: impl Into<String>) {
        let is_near = |near: &str| {
            !self.shape.keys.contains(&near)
                && unknown::closest(near, keys.iter().copied()).is_some()
        };
        if self.table.entries.iter().any(|entry| is_near(&entry.key)) {
            return; // Told already: did you mean it?
        }
        let message = format!("{} has no {none}", self.title);
        self.cx.report(Draft::error(Code::Missing, self.place, message).help(help));
    }
}
