//! Access-log lines of one worker, on their way to the writer thread.

use crate::config::AccessFormat;
use crate::log::{AccessRecord, LineSender, LoggedHeader, TimeCache, write_combined, write_json};
use crate::message::RequestHead;
use crate::snapshot::AccessLog;

/// Lines are handed over once there are this many bytes of them.
const FULL_BYTES: usize = 32 * 1024;

/// The buffer between exchanges and the writer thread.
#[derive(Debug, Default)]
pub(super) struct LogLines {
    lines: Vec<u8>,
    n_lines: u64,
    sender: Option<LineSender>,
    times: TimeCache,
}

impl LogLines {
    /// Adds the line of one exchange.
    pub(super) fn add(
        &mut self,
        log: &AccessLog,
        record: &AccessRecord<'_>,
        request: &RequestHead,
    ) {
        if !self.sender.as_ref().is_some_and(|sender| sender.goes_where(&log.sender)) {
            self.flush();
            self.sender = Some(log.sender.clone());
        }
        match log.format {
            AccessFormat::Combined => write_combined(record, &mut self.times, &mut self.lines),
            AccessFormat::Json => {
                let headers = log.headers.iter().filter_map(|header| {
                    let mut all = request.fields.all_named(header.known, header.name.as_bytes());
                    let value = all.next()?;
                    let value = (!header.redacted).then_some(value);
                    Some(LoggedHeader { name_json: &header.name_json, value })
                });
                write_json(record, headers, &mut self.times, &mut self.lines);
            }
        }
        self.n_lines += 1;
        if self.lines.len() >= FULL_BYTES {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(super) fn flush(&mut self) {
        if let Some(sender) = &self.sender
            && self.n_lines > 0
        {
            let lines = std::mem::replace(&mut self.lines, sender.buffer());
            sender.send(lines, std::mem::take(&mut self.n_lines));
        }
    }
}
