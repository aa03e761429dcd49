//! Fields that concern one connection only and go no further, in either direction.

use crate::http1::connection_options;
use crate::message::{Fields, Known};

/// RFC 9110, section 7.6.1: removes every field that `Connection` names. What frames or routes the message is
/// not a peer's to remove, and an upgrade or TE is dealt with as such by the caller.
pub fn remove_named_by_connection(fields: &mut Fields) {
    let named: Vec<Vec<u8>> =
        fields.all(Known::Connection).flat_map(connection_options).map(<[u8]>::to_vec).collect();
    fields.remove_if(|known, name| {
        let kept = matches!(
            known,
            Known::Host
                | Known::ContentLength
                | Known::TransferEncoding
                | Known::Connection
                | Known::Upgrade
                | Known::Te
        );
        !kept && named.iter().any(|option| option.eq_ignore_ascii_case(name))
    });
}
