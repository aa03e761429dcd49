//! Operator events: what the process has to say, on stderr, as text for people or JSON for collectors.
//!
//! Anybody says something with `tracing`; this room is the one subscriber. It writes through a writer
//! thread, so that a terminal nobody reads never stalls a worker. `cli` installs it, whoever applies a
//! configuration calls [`configure`], and [`flush`] comes last. Spans are not used.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::escape;
use super::time::{TimeCache, since_1970};
use super::writer::{LineSender, Writer};
use crate::config::{Level, Log, LogFormat};

/// Name of the environment variable that overrides `log.level` for as long as the process lives, with
/// the directives of `tracing_subscriber::EnvFilter`: `debug`, or `forebay::proxy=trace,info`.
pub const LEVEL_VARIABLE: &str = "FOREBAY_LOG";

/// The one subscriber of this process.
struct Operator {
    writer: Writer,
    filter: reload::Handle<EnvFilter, Registry>,
    /// Whether the level comes from [`LEVEL_VARIABLE`].
    overridden: bool,
}

static OPERATOR: OnceLock<Operator> = OnceLock::new();
/// Whether events are written as JSON. Outside of [`Operator`] because the layer reads it.
static JSON: AtomicBool = AtomicBool::new(false);

/// Starts writing events to stderr, as text and from `info` upwards until [`configure`] says otherwise.
/// Only the first call in a process has an effect.
///
/// # Errors
/// Stderr cannot be duplicated or no thread be started.
pub fn install() -> io::Result<()> {
    if OPERATOR.get().is_some() {
        return Ok(());
    }
    let writer = Writer::open_for_operator()?;
    let directives = std::env::var(LEVEL_VARIABLE).ok().filter(|directives| !directives.is_empty());
    let parsed = directives.as_deref().map(EnvFilter::try_new);
    let overridden = matches!(parsed, Some(Ok(_)));
    let (initial, problem) = match parsed {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (level_filter(Level::Info), Some(error)),
        None => (level_filter(Level::Info), None),
    };
    let (filter, handle) = reload::Layer::new(initial);
    let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = EventLayer { sender: writer.sender(), color };
    // Somebody else's subscriber stays: a test that embeds the daemon has its own.
    if tracing_subscriber::registry().with(filter).with(layer).try_init().is_ok() {
        let _ = OPERATOR.set(Operator { writer, filter: handle, overridden });
    }
    if let Some(error) = problem {
        tracing::warn!(variable = LEVEL_VARIABLE, %error, "not a level; the configured one holds");
    }
    Ok(())
}

/// Applies `[log]`'s level and format, at start and at each reload.
pub fn configure(log: &Log) {
    let Some(operator) = OPERATOR.get() else { return };
    JSON.store(log.format == LogFormat::Json, Relaxed);
    if !operator.overridden {
        // Fails only when the subscriber is gone, and with it the log.
        let _ = operator.filter.reload(level_filter(log.level));
    }
}

/// Waits, for at most `timeout`, until what was said so far has been written.
pub fn flush(timeout: Duration) {
    if let Some(operator) = OPERATOR.get() {
        operator.writer.flush(timeout);
    }
}

fn level_filter(level: Level) -> EnvFilter {
    let name = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    // What libraries say below a warning is about them, not about us.
    let others = if level == Level::Error { "error" } else { "warn" };
    EnvFilter::new(format!("{others},forebay={name}"))
}

/// Turns events into lines.
struct EventLayer {
    sender: LineSender,
    color: bool,
}

impl<S: Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut out = self.sender.buffer();
        if JSON.load(Relaxed) {
            write_json(since_1970(), level, |fields| event.record(fields), &mut out);
        } else {
            write_text(since_1970(), level, self.color, |fields| event.record(fields), &mut out);
        }
        self.sender.send(out, 1);
    }
}

/// Appends `2026-01-31T23:59:58.123Z  INFO message  key=value`. Line breaks in the message are kept and
/// indented, so that a rendered list of problems stays readable.
fn write_text(
    time: Duration,
    level: tracing::Level,
    color: bool,
    record: impl FnOnce(&mut dyn Visit),
    out: &mut Vec<u8>,
) {
    let mut fields = TextFields::default();
    record(&mut fields);
    let (paint, dim, end) = match (color, level) {
        (false, _) => ("", "", ""),
        (_, tracing::Level::ERROR) => ("\x1b[31m", "\x1b[2m", "\x1b[0m"),
        (_, tracing::Level::WARN) => ("\x1b[33m", "\x1b[2m", "\x1b[0m"),
        (_, tracing::Level::INFO) => ("\x1b[32m", "\x1b[2m", "\x1b[0m"),
        _ => ("\x1b[34m", "\x1b[2m", "\x1b[0m"),
    };
    out.extend_from_slice(dim.as_bytes());
    TimeCache::default().append_rfc3339(time, out);
    out.extend_from_slice(format!("{end} {paint}{level:>5}{end} ").as_bytes());
    for character in fields.message.chars() {
        match character {
            '\n' => out.extend_from_slice(b"\n    "),
            // A rendered list of problems may carry colours when, and only when, we write them too.
            '\x1b' if color => out.push(b'\x1b'),
            _ if character.is_control() => {
                out.extend_from_slice(character.escape_default().to_string().as_bytes());
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if !fields.rest.is_empty() {
        out.extend_from_slice(format!(" {dim}{}{end}", fields.rest).as_bytes());
    }
    out.push(b'\n');
}

/// Appends `{"ts":…,"level":…,"message":…,` and the fields, flat.
fn write_json(
    time: Duration,
    level: tracing::Level,
    record: impl FnOnce(&mut dyn Visit),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"ts\":\"");
    TimeCache::default().append_rfc3339(time, out);
    let level = level.as_str().to_ascii_lowercase();
    out.extend_from_slice(format!("\",\"level\":\"{level}\"").as_bytes());
    record(&mut JsonFields { out });
    out.extend_from_slice(b"}\n");
}

#[derive(Default)]
struct TextFields {
    message: String,
    /// ` key=value` for each other field.
    rest: String,
}

impl TextFields {
    fn push(&mut self, field: &Field, value: &str) {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let written = if field.name() == "message" {
            self.message.push_str(value);
            Ok(())
        } else if !value.is_empty() && value.bytes().all(plain) {
            write!(self.rest, " {}={value}", field.name())
        } else {
            write!(self.rest, " {}={value:?}", field.name())
        };
        written.expect("a String takes every write");
    }
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }
}

struct JsonFields<'a> {
    out: &'a mut Vec<u8>,
}

impl JsonFields<'_> {
    fn push(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.out.extend_from_slice(format!(",\"{}\":{value}", field.name()).as_bytes());
    }
}

impl Visit for JsonFields<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, format_args!("\""));
        escape::json(value.as_bytes(), self.out);
        self.out.push(b'"');
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects what events become, in the given form.
    struct Collector {
        json: bool,
        lines: Arc<Mutex<Vec<u8>>>,
    }

    impl<S: Subscriber> Layer<S> for Collector {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let level = *event.metadata().level();
            let mut out = self.lines.lock().expect("not poisoned");
            if self.json {
                write_json(Duration::ZERO, level, |fields| event.record(fields), &mut out);
            } else {
                write_text(Duration::ZERO, level, false, |fields| event.record(fields), &mut out);
            }
        }
    }

    fn lines_of(json: bool, say: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collector = Collector { json, lines: Arc::clone(&lines) };
        let subscriber = tracing_subscriber::registry().with(collector);
        tracing::subscriber::with_default(subscriber, say);
        String::from_utf8(lines.lock().expect("not poisoned").clone()).expect("UTF-8")
    }

    #[test]
    fn text_is_time_level_message_and_fields() {
        let lines = lines_of(false, || {
            tracing::info!(listener = "http", n = 3, "listening");
            tracing::warn!(error = %"no such file", empty = "", "reload refused");
        });
        assert_eq!(
            lines,
            "1970-01-01T00:00:00.000Z  INFO listening  listener=http n=3\n\
             1970-01-01T00:00:00.000Z  WARN reload refused  error=\"no such file\" empty=\"\"\n"
        );
    }

    #[test]
    fn text_cannot_be_forged_by_a_field_and_keeps_the_lines_of_a_message() {
        let lines = lines_of(false, || {
            tracing::info!(peer = "x\n1970 INFO forged \x1b[2J", "two\nlines\x07");
        });
        assert_eq!(
            lines,
            "1970-01-01T00:00:00.000Z  INFO two\n    lines\\u{7}  peer=\"x\\n1970 INFO forged \\u{1b}[2J\"\n"
        );
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let lines = lines_of(true, || {
            tracing::error!(n = 3u64, ok = false, error = ?Some("x\"y"), "it \"broke\"\n");
        });
        assert_eq!(lines.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&lines).expect("valid JSON");
        let expected = serde_json::json!({
            "ts": "1970-01-01T00:00:00.000Z", "level": "error", "message": "it \"broke\"\n",
            "n": 3, "ok": false, "error": "Some(\"x\\\"y\")",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn levels_apply_to_this_program_and_libraries_are_kept_to_warnings() {
        assert_eq!(level_filter(Level::Debug).to_string(), "forebay=debug,warn");
        assert_eq!(level_filter(Level::Error).to_string(), "forebay=error,error");
    }
}
