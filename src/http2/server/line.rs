//! The line of streams that have data to send and no room for it: in the connection's window, or in what waits to be
//! sent. First come, first served, each a slice at a time.

use std::collections::VecDeque;

use super::core::Core;
use super::stream::wants;

/// Data that waits to be sent, up to a slice more.
const OUT_BYTES_MAX: usize = 64 * 1024;

/// What a stream in line may send when it is its turn.
const SLICE_BYTES: usize = 16 * 1024;

/// Who waits.
#[derive(Debug, Default)]
pub(super) struct Line {
    places: VecDeque<u32>,
    /// What those may send whose turn it is.
    n_granted: usize,
}

#[cfg(test)]
impl Line {
    pub(super) fn n_granted(&self) -> usize {
        self.n_granted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl Core {
    /// Data that may be sent now by whoever need not stand in line.
    pub(super) fn room(&self) -> usize {
        let waits = self.out.len() + self.line.n_granted;
        let room = match OUT_BYTES_MAX.saturating_sub(waits) {
            0 => 0,
            // No crumbs.
            room => room.max(SLICE_BYTES),
        };
        let window = usize::try_from(self.send_window).unwrap_or(0);
        room.min(window.saturating_sub(self.line.n_granted))
    }

    /// Data that the stream at `place` may send now. What was granted to it is used by this; whoever called serves the
    /// line once it has sent what it has.
    pub(super) fn take_room(&mut self, place: u32) -> usize {
        let stream = self.streams.at(place);
        let window = usize::try_from(stream.send_window).unwrap_or(0);
        let granted = std::mem::take(&mut stream.granted);
        if granted > 0 {
            self.line.n_granted -= granted;
            return granted.min(window);
        }
        if self.line.places.is_empty() { self.room().min(window) } else { 0 }
    }

    /// Whether the stream at `place` may send something now. If not, it stands in line, unless its own window is what
    /// it waits for.
    pub(super) fn has_room(&mut self, place: u32) -> bool {
        let is_free = self.line.places.is_empty() && self.room() > 0;
        let stream = self.streams.at(place);
        if stream.send_window <= 0 {
            // Others need not wait for that.
            self.leave_line(place);
            return false;
        }
        if stream.granted > 0 || is_free {
            return true;
        }
        if !std::mem::replace(&mut stream.in_line, true) {
            self.line.places.push_back(place);
        }
        false
    }

    /// There may be room again.
    pub(super) fn serve_line(&mut self) {
        while !self.line.places.is_empty() {
            let room = self.room();
            if room == 0 {
                return;
            }
            let Some(place) = self.line.places.pop_front() else { return };
            let stream = self.streams.at(place);
            stream.in_line = false;
            stream.granted = room.min(SLICE_BYTES);
            self.line.n_granted += stream.granted;
            stream.wake(wants::WRITE);
        }
    }

    /// The stream at `place` sends nothing more.
    pub(super) fn leave_line(&mut self, place: u32) {
        let stream = self.streams.at(place);
        if std::mem::take(&mut stream.in_line) {
            self.line.places.retain(|other| *other != place);
        }
        let granted = std::mem::take(&mut self.streams.at(place).granted);
        if granted > 0 {
            self.line.n_granted -= granted;
            self.serve_line();
        }
    }
}
