//! Networks of addresses as operators write them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::item::Item;
use super::report::{Code, Draft};

/// `"10.0.0.0/8"` or a bare address. `everyone` says what to write for any address, `also` what else is accepted.
pub(crate) fn network(item: Item<'_>, everyone: &str, also: &str) -> Option<IpNet> {
    let text = item.text()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(IpNet::from(ip));
    }
    let Ok(network) = text.parse::<IpNet>() else {
        let help = match text {
            "private_ranges" | "private" => {
                "write \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"fd00::/8\", \"127.0.0.0/8\", \"::1\"".into()
            }
            "*" | "all" | "any" => everyone.to_owned(),
            _ => format!("accepted: \"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/32\"{also}"),
        };
        item.bad(format!("`{text}` is not a network"), help);
        return None;
    };
    if network.trunc() != network {
        let message = format!("`{text}` has bits behind its prefix, which do not count");
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        item.cx.report(draft.help(format!("write \"{}\"", network.trunc())));
    }
    Some(network.trunc())
}
