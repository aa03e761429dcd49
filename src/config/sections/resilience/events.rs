//! What can befall a try, as `retry.on` and `passive.count` name it: words, and statuses of a backend.

use super::super::super::fields::Seen;
use super::super::super::item::{Item, quoted};
use super::super::super::schema::{Events, Signal};
use super::super::super::tree::Value;
use super::super::super::unknown;

/// The statuses that can be named: those that say that something went wrong.
const STATUSES: std::ops::RangeInclusive<i64> = 400..=599;

/// The most entries: every word and every status.
const EVENTS_MAX: usize = 256;

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// `retry.on`.
    Retry,
    /// `passive.count`.
    Passive,
}

impl Words {
    fn signals(self) -> &'static [(&'static str, Signal)] {
        match self {
            Words::Retry => &[
                ("connect", Signal::Connect),
                ("refused_stream", Signal::RefusedStream),
                ("reset_before_response", Signal::Reset),
                ("first_byte_timeout", Signal::Timeout),
                ("stalled", Signal::Stalled),
            ],
            Words::Passive => &[
                ("connect", Signal::Connect),
                ("timeout", Signal::Timeout),
                ("reset", Signal::Reset),
            ],
        }
    }

    fn accepted(self) -> String {
        let names: Vec<&str> = self.signals().iter().map(|(name, _)| *name).collect();
        let (first, last) = (STATUSES.start(), STATUSES.end());
        format!("accepted: {}, and statuses from \"{first}\" to \"{last}\"", quoted(&names))
    }

    /// What switches it off, where nothing is named.
    fn off(self) -> &'static str {
        match self {
            Words::Retry => "to send nothing again write attempts = 0",
            Words::Passive => "to learn nothing from answers write passive = false",
        }
    }
}

/// An array of words and statuses.
pub(super) fn read(item: Item<'_>, words: Words) -> Option<Events> {
    let items = item.list(EVENTS_MAX, &format!("; {}", words.off()))?;
    let mut seen = Seen::default();
    let mut events = Events::default();
    for item in items {
        let Some(text) = text(item, words) else { continue };
        if let Some(event) = event(item, &text, words)
            && seen.is_new(item.cx, "event", &text, item.place())
        {
            match event {
                Event::Signal(signal) => events.insert(signal),
                Event::Status(status) => events.statuses.insert(status),
            }
        }
    }
    Some(events)
}

enum Event {
    Signal(Signal),
    Status(u16),
}

/// The entry as text; a status may be written as a number.
fn text(item: Item<'_>, words: Words) -> Option<String> {
    match &item.node.value {
        Value::Integer(Some(number)) => Some(number.to_string()),
        _ if item.as_text().is_some() => item.text().map(str::to_owned),
        _ => {
            item.wrong_type("a string", words.accepted());
            None
        }
    }
}

fn event(item: Item<'_>, text: &str, words: Words) -> Option<Event> {
    let known = words.signals().iter().find(|(name, _)| *name == text);
    if let Some((_, signal)) = known {
        return Some(Event::Signal(*signal));
    }
    if let Ok(number) = text.parse::<i64>() {
        let status = u16::try_from(number).ok().filter(|_| STATUSES.contains(&number));
        if status.is_none() {
            let help = format!("accepted: {} to {}", STATUSES.start(), STATUSES.end());
            item.bad(format!("{number} is not the status of a failure"), help);
        }
        return status.map(Event::Status);
    }
    item.bad(format!("`{text}` is nothing that can befall a try"), help(text, words));
    None
}

fn help(text: &str, words: Words) -> String {
    let names = words.signals().iter().map(|(name, _)| *name);
    match unknown::closest(text, names) {
        Some(meant) => format!("did you mean \"{meant}\"? {}", words.accepted()),
        None => words.accepted(),
    }
}
