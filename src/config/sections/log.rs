//! `[log]` and `[telemetry]`.

use super::super::defaults;
use super::super::fields::header;
use super::super::item::Item;
use super::super::reader::Section;
use super::super::schema::{AccessFormat, AccessLog, Level, Log, LogFormat, LogTarget, Telemetry};
use super::super::shapes;

/// The most headers that an access-log line records.
const ACCESS_HEADERS_MAX: usize = 64;

/// Headers that frame or route a message or concern a connection: an id in one of them would end or divert
/// requests.
const TAKEN: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
];

/// `[log]`.
pub(super) fn read(root: &Section<'_>) -> Log {
    let mut log = Log::default();
    let Some(section) = root.child("log", &shapes::LOG) else { return log };
    let levels = [
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ];
    if let Some(level) = section.read("level", |item| item.word(&levels)) {
        log.level = level;
    }
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    if let Some(format) = section.read("format", |item| item.word(&formats)) {
        log.format = format;
    }
    log.access = access(&section);
    log
}

/// `[telemetry]`.
pub(super) fn telemetry(root: &Section<'_>) -> Telemetry {
    let mut telemetry = Telemetry::default();
    let Some(section) = root.child("telemetry", &shapes::TELEMETRY) else { return telemetry };
    if let Some(name) = section.read("request_id", id_header_name) {
        telemetry.request_id = name;
    }
    telemetry
}

fn access(log: &Section<'_>) -> Option<AccessLog> {
    let section = log.child("access", &shapes::LOG_ACCESS)?;
    let to = match section.item("to") {
        Some(item) => target(item),
        None => {
            section.missing("to", "write to = \"stdout\", \"stderr\" or the path of a file");
            None
        }
    };
    let formats = [("json", AccessFormat::Json), ("combined", AccessFormat::Combined)];
    let format = section.read("format", |item| item.word(&formats));
    let sample = section.read("sample", Item::share);
    let names = |key, default: &[&str]| match section.item(key) {
        Some(item) => header_names(item),
        None => default.iter().map(|name| (*name).to_owned()).collect(),
    };
    let headers = names("headers", defaults::ACCESS_HEADERS);
    let redact = names("redact", defaults::ACCESS_REDACT);
    Some(AccessLog {
        to: to?,
        format: format.unwrap_or(defaults::ACCESS_FORMAT),
        sample: sample.unwrap_or(defaults::ACCESS_SAMPLE),
        headers,
        redact,
    })
}

fn target(item: Item<'_>) -> Option<LogTarget> {
    match item.text()? {
        "stdout" => Some(LogTarget::Stdout),
        "stderr" => Some(LogTarget::Stderr),
        "" | "off" => {
            item.bad(
                "the access log has to go somewhere",
                "write \"stdout\", \"stderr\" or the path of a file; to switch it off, remove `access`",
            );
            None
        }
        path => Some(LogTarget::File(item.cx.resolve(path, item.place()))),
    }
}

fn header_names(item: Item<'_>) -> Vec<String> {
    let names: Vec<String> = item.items().into_iter().flatten().filter_map(header).collect();
    if names.len() > ACCESS_HEADERS_MAX {
        item.bad(
            format!("`{}` names {} headers", item.key, names.len()),
            format!("accepted: up to {ACCESS_HEADERS_MAX}"),
        );
    }
    names
}

/// The name of a header that a request id may stand in.
fn id_header_name(item: Item<'_>) -> Option<String> {
    let name = header(item)?;
    if TAKEN.contains(&name.as_str()) || name.starts_with("x-forwarded-") {
        item.bad(
            format!("`{name}` has a meaning of its own and cannot be the request id's header"),
            "accepted: a name such as \"x-request-id\"",
        );
        return None;
    }
    Some(name)
}
