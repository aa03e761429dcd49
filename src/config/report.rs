//! What is wrong with a configuration, as told to people (source lines with carets) and to programs (JSON).
//! Finding problems is the other files' work; this one orders, locates and shows them.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::source::{Place, SourceFile};

/// Everything that was found, in the order of the text: files as read, then by position.
#[derive(Clone, Default)]
pub struct Report {
    problems: Vec<Problem>,
    files: Vec<Arc<SourceFile>>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the configuration is refused for it.
    pub severity: Severity,
    /// What kind of problem it is.
    pub code: Code,
    /// What is wrong: one line.
    pub message: String,
    /// What would be accepted, or what to do; may have several lines.
    pub help: Option<String>,
    /// Where it is.
    pub location: Location,
    /// Other places that belong to it (the first definition of a duplicate), each with what stands there.
    pub related: Vec<(Location, String)>,
    places: Vec<Place>,
}

/// A place in a file as people count: from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file's name, as the operator gave it.
    pub file: String,
    /// Line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// One past the last column, on the same line.
    pub end_column: usize,
}

/// Whether a problem stops the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// Accepted, but most likely not what was meant.
    Warning,
}

/// Kinds of problems; the names in JSON are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Not TOML.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key or value of the contract that this version cannot do.
    NotBuilt,
    /// A value of the wrong type.
    WrongType,
    /// A value that is not accepted.
    BadValue,
    /// A key that has to be there.
    Missing,
    /// Something defined twice.
    Duplicate,
    /// A name that nothing defines.
    UnknownName,
    /// A key in a file or table where it may not stand.
    Misplaced,
    /// An environment variable that is not set, or a malformed `${…}`.
    Environment,
    /// A route that can never match.
    Unreachable,
    /// Routes of equal rank that match the same requests.
    Overlap,
    /// Something that nothing uses.
    Unused,
    /// Accepted, but suspicious.
    Suspicious,
    /// A `[[test]]` that fails.
    TestFailed,
}

impl Code {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Syntax => "syntax",
            Code::UnknownKey => "unknown_key",
            Code::NotBuilt => "not_built",
            Code::WrongType => "wrong_type",
            Code::BadValue => "bad_value",
            Code::Missing => "missing",
            Code::Duplicate => "duplicate",
            Code::UnknownName => "unknown_name",
            Code::Misplaced => "misplaced",
            Code::Environment => "environment",
            Code::Unreachable => "unreachable",
            Code::Overlap => "overlap",
            Code::Unused => "unused",
            Code::Suspicious => "suspicious",
            Code::TestFailed => "test_failed",
        }
    }
}

/// A finding before it is located.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Draft {
    pub(crate) severity: Severity,
    pub(crate) code: Code,
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) related: Vec<(Place, String)>,
}

impl Draft {
    pub(crate) fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Draft {
            severity: Severity::Error,
            code,
            place,
            message: message.into(),
            help: None,
            related: Vec::new(),
        }
    }

    pub(crate) fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Draft { severity: Severity::Warning, ..Draft::error(code, place, message) }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }
}

impl Report {
    pub(crate) fn new(mut drafts: Vec<Draft>, files: Vec<Arc<SourceFile>>) -> Self {
        drafts.sort_by_key(|draft| draft.place);
        let mut report = Report { problems: Vec::with_capacity(drafts.len()), files };
        for draft in drafts {
            let problem = report.locate(draft);
            if report.problems.last() != Some(&problem) {
                report.problems.push(problem);
            }
        }
        report
    }

    /// Both reports as one, in the order of the text. They are about the same load.
    #[must_use]
    pub fn and(mut self, other: Report) -> Report {
        self.problems.extend(other.problems);
        self.problems.sort_by_key(|problem| problem.places[0]);
        if self.files.is_empty() {
            self.files = other.files;
        }
        self
    }

    /// What was found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// At least one problem refuses the configuration.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// How many there are: `"2 errors, 1 warning"`; `"no problems"` when there are none.
    pub fn summary(&self) -> String {
        let errors = self.problems.iter().filter(|p| p.severity == Severity::Error).count();
        let counted = |count: usize, noun: &str| match count {
            0 => None,
            1 => Some(format!("1 {noun}")),
            _ => Some(format!("{count} {noun}s")),
        };
        let parts = [counted(errors, "error"), counted(self.problems.len() - errors, "warning")];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "no problems".into() } else { parts.join(", ") }
    }

    /// For people: each problem with its source line and a caret span, a blank line between two.
    /// Colour is ANSI escapes, only for terminals that want them.
    pub fn render(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        let mut out = String::new();
        for problem in &self.problems {
            if !out.is_empty() {
                out.push('\n');
            }
            for line in renderer.render(&[self.group(problem)]).lines() {
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        out
    }

    /// For programs: an array of `{severity, code, message, help, file, line, column, end_column, related}`.
    pub fn to_json(&self) -> Value {
        self.problems.iter().map(Problem::to_json).collect()
    }

    fn locate(&self, draft: Draft) -> Problem {
        let mut places = vec![draft.place];
        places.extend(draft.related.iter().map(|(place, _)| *place));
        let related = draft.related.into_iter();
        Problem {
            severity: draft.severity,
            code: draft.code,
            message: draft.message,
            help: draft.help,
            location: self.location(draft.place),
            related: related.map(|(place, label)| (self.location(place), label)).collect(),
            places,
        }
    }

    fn location(&self, place: Place) -> Location {
        let file = &self.files[place.file];
        let position = file.position(place.start, place.end);
        Location {
            file: file.name.clone(),
            line: position.line,
            column: position.column,
            end_column: position.end_column,
        }
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let main = problem.places[0];
        let mut here = vec![Mark { place: main, kind: AnnotationKind::Primary, label: None }];
        let mut elsewhere = Vec::new();
        for (place, (_, label)) in problem.places[1..].iter().zip(&problem.related) {
            let mark =
                Mark { place: *place, kind: AnnotationKind::Context, label: Some(label.as_str()) };
            if place.file == main.file {
                here.push(mark);
            } else {
                elsewhere.push(mark);
            }
        }
        let mut group = level.primary_title(problem.message.as_str()).element(self.window(&here));
        for mark in elsewhere {
            group = group.element(self.window(&[mark]));
        }
        match &problem.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// The lines that `marks` (all in one file) need and no more, so that a large file costs nothing to show.
    fn window<'a>(&'a self, marks: &[Mark<'a>]) -> Snippet<'a, Annotation<'a>> {
        let file = &self.files[marks[0].place.file];
        let starts = || marks.iter().map(|mark| file.boundary(mark.place.start));
        let from = file.line_start(starts().min().unwrap_or(0));
        let to = file.line_end(starts().max().unwrap_or(0));
        let mut snippet = Snippet::source(&file.text[from..to])
            .line_start(file.position(from, from).line)
            .path(file.name.as_str());
        for mark in marks {
            let start = file.boundary(mark.place.start);
            let end = file.boundary(mark.place.end).min(file.line_end(start)).max(start);
            snippet =
                snippet.annotation(mark.kind.span(start - from..end - from).label(mark.label));
        }
        snippet
    }
}

/// A span to underline, and what to write beside it.
struct Mark<'a> {
    place: Place,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

/// Whether a rendering carries ANSI colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI escapes.
    Always,
}

impl Problem {
    fn to_json(&self) -> Value {
        let related = self.related.iter().map(|(location, message)| {
            json!({
                "message": message,
                "file": location.file,
                "line": location.line,
                "column": location.column,
                "end_column": location.end_column,
            })
        });
        json!({
            "severity": match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "code": self.code.name(),
            "message": self.message,
            "help": self.help,
            "file": self.location.file,
            "line": self.location.line,
            "column": self.location.column,
            "end_column": self.location.end_column,
            "related": related.collect::<Value>(),
        })
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colour::Never))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colour::Never))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
