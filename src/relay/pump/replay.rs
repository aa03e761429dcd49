//! Starting over on another sink: what was taken from the source is still there to be sent again.
//!
//! A body that came along with its head is sent again from the buffer that it lies in. A longer one is copied as it
//! is read, where somebody asked for that, up to a bound; nothing else costs anything.

use std::ops::Range;

use super::{Pump, Resources};
use crate::http1::Decoder;

/// What can be sent again.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Everything taken so far, as a run of the buffer.
    pub(super) run: Option<Range<usize>>,
    /// Everything taken so far, framed as it is sent, once the buffer was needed for more.
    kept: Option<Vec<u8>>,
    /// Bytes that may be kept; 0: nobody asked.
    kept_bytes_max: usize,
}

impl Replay {
    pub(super) fn start(&mut self) {
        self.run = Some(0..0);
        self.kept_bytes_max = 0;
    }

    pub(super) fn give_up(&mut self) {
        self.run = None;
        self.kept_bytes_max = 0;
        if self.kept.is_some() {
            self.kept = None;
        }
    }

    fn append(&mut self, parts: [&[u8]; 3]) {
        let Some(kept) = &mut self.kept else { return };
        let n_more: usize = parts.iter().map(|part| part.len()).sum();
        if kept.len() + n_more > self.kept_bytes_max {
            return self.give_up();
        }
        parts.iter().for_each(|part| kept.extend_from_slice(part));
    }
}

impl Pump {
    /// From now on keeps what is taken from the source, up to `bytes_max` bytes as they are sent, so that it can be
    /// sent again; a longer body is given up as soon as that is known. To be called before a head is set.
    pub fn remember(&mut self, bytes_max: u64) {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let n_pending = self.out.len() + self.run.len();
        let n_ahead = match self.decoder {
            Decoder::Length(n) => usize::try_from(n).unwrap_or(usize::MAX),
            Decoder::Done | Decoder::Chunked(_) | Decoder::UntilClose => 0,
        };
        if n_pending.saturating_add(n_ahead) > bytes_max {
            return;
        }
        self.replay.kept_bytes_max = bytes_max;
        if self.replay.run.is_none() {
            // It lies in two pieces, a part of it copied already.
            let run = self.buffer.as_ref().map_or(&[][..], |buffer| &buffer[self.run.clone()]);
            self.replay.kept = Some([&self.out[..], run].concat());
        }
    }

    /// Whether everything taken from the source so far can be sent again from memory.
    pub fn can_replay(&self) -> bool {
        self.replay.run.is_some() || self.replay.kept.is_some()
    }

    /// Bytes that [`Pump::replay`] would send.
    pub fn replay_bytes(&self) -> usize {
        let kept = self.replay.kept.as_ref().map(Vec::len);
        kept.or(self.replay.run.as_ref().map(Range::len)).unwrap_or(0)
    }

    /// Whether not one byte has reached the sink since the start or the last replay.
    pub fn wrote_nothing(&self) -> bool {
        !self.wrote
    }

    /// Starts over, with no head yet.
    pub fn replay(&mut self) {
        self.out.clear();
        self.out_at = 0;
        self.tail = b"";
        self.run = self.replay.run.clone().unwrap_or_default();
        if let Some(kept) = &self.replay.kept {
            self.out.extend_from_slice(kept);
        }
        self.wrote = false;
    }

    /// Forgets what was not written: the sink is gone, and nobody else will get it.
    pub fn abandon(&mut self) {
        self.out.clear();
        (self.out_at, self.run, self.tail) = (0, 0..0, b"");
    }

    /// The peer answered: nothing will be sent again.
    pub fn commit(&mut self, resources: Resources<'_>) {
        self.replay.give_up();
        if self.run.is_empty() {
            self.give_buffer_back(resources);
        }
    }

    /// The buffer is needed for more of the body.
    pub(super) fn move_to_kept(&mut self) {
        if self.replay.kept_bytes_max == 0 {
            return;
        }
        if let Some(run) = self.replay.run.take() {
            let buffer = self.buffer.as_ref();
            self.replay.kept = Some(buffer.map(|buffer| buffer[run].to_vec()).unwrap_or_default());
        }
    }

    /// Keeps what was made of a read: all that is pending.
    #[inline]
    pub(super) fn append_to_kept(&mut self, buffer: &[u8]) {
        if self.replay.kept_bytes_max > 0 {
            self.replay.append([&self.out, &buffer[self.run.clone()], self.tail]);
        }
    }

    /// Whether `n_ahead` bytes are to be kept as well, so that they cannot go past us in a pipe. Gives up if they
    /// are too many.
    pub(super) fn keeps(&mut self, n_ahead: u64) -> bool {
        if self.replay.kept_bytes_max == 0 {
            return false;
        }
        let n_ahead = usize::try_from(n_ahead).unwrap_or(usize::MAX);
        if self.replay_bytes().saturating_add(n_ahead) > self.replay.kept_bytes_max {
            self.replay.give_up();
        }
        self.replay.kept_bytes_max > 0
    }
}
