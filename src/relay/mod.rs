//! Moving bodies and tunnels from one socket to another, with back-pressure: nothing is read before what
//! was read last has been written.

mod buffers;
mod pipes;
mod pump;

pub use buffers::{BUFFER_BYTES, Buffer, Buffers};
pub use pipes::{PIPE_BYTES, Pipe, Pipes};
pub use pump::{Encoding, Pump, PumpError, Resources, Waiting};
