//! Message heads, independent of the version on the wire: one buffer of bytes as received, case and
//! order kept, and a small index of fields; edits touch the index, never rebuild the head.

mod fields;
mod known;
mod request;
mod response;

pub use fields::{Field, Fields};
pub use known::Known;
pub(crate) use known::is_name;
pub use request::{RequestHead, Version};
pub use response::ResponseHead;
