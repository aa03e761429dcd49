//! What connections to the backends of an upstream are made with. TLS settings that are the same as before are taken
//! from the registry, so that sessions are resumed across reloads.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::compile::CompileError;
use super::registry::Registry;
use crate::config::{self, BackendAddress, UpstreamTls};
use crate::hash::Map;
use crate::metrics::Seldom;
use crate::net::{Settings, Transport};
use crate::pool::Key;

/// By backend id, where it is anything else than HTTP/1.1 in the clear.
#[derive(Debug, Default)]
pub(super) struct Transports {
    by_id: Map<u64, Arc<Transport>>,
    /// What those through TLS were made with; `None`: there are none.
    tls: Option<UpstreamTls>,
    /// When it was told last that an upgrade came to nothing.
    lost_upgrade: Seldom,
}

impl Transports {
    /// That of the backend with this id.
    pub(super) fn of(&self, backend: u64) -> Option<&Arc<Transport>> {
        self.by_id.get(&backend)
    }

    /// Makes those of `upstream`, whose `backends` these are; `None`: all speak HTTP/1.1 in the clear.
    pub(super) fn make(
        upstream: &config::Upstream,
        backends: &[(u64, &config::Backend)],
        registry: &Registry,
        next: &mut Registry,
    ) -> Result<Option<Box<Self>>, CompileError> {
        let mut made = Transports::default();
        for (id, backend) in backends {
            let transport = match Transport::in_the_clear(backend.scheme, upstream.protocol) {
                Some(transport) => transport,
                None => {
                    let settings = settings(upstream, registry, next)?;
                    made.tls.get_or_insert_with(|| upstream.tls.clone());
                    Transport::secure(&settings, server_name(upstream, &backend.address)?)
                }
            };
            if transport.fingerprint() != 0 {
                made.by_id.insert(*id, Arc::new(transport));
            }
        }
        Ok((!made.by_id.is_empty()).then(|| Box::new(made)))
    }
}

fn settings(
    upstream: &config::Upstream,
    registry: &Registry,
    next: &mut Registry,
) -> Result<Settings, CompileError> {
    let fingerprint = Settings::fingerprint(&upstream.tls, upstream.protocol);
    let known = next.tls.get(&fingerprint).or(registry.tls.get(&fingerprint)).cloned();
    let settings = match known {
        Some(known) => known,
        None => Settings::new(&upstream.tls, upstream.protocol, fingerprint)
            .map_err(|error| CompileError::Tls(error.to_string()))?,
    };
    next.tls.insert(fingerprint, settings.clone());
    Ok(settings)
}

/// The name that is asked for and verified: as configured, never the client's Host.
fn server_name(
    upstream: &config::Upstream,
    address: &BackendAddress,
) -> Result<ServerName<'static>, CompileError> {
    let name = match (&upstream.tls.sni, address) {
        (Some(sni), _) => sni.as_str(),
        (None, BackendAddress::Tcp(address)) => return Ok(ServerName::from(address.ip())),
        (None, BackendAddress::Name(host, _)) => host,
        (None, BackendAddress::Unix(_)) => "localhost",
    };
    ServerName::try_from(name.to_owned())
        .map_err(|_| CompileError::Unknown { what: "server", name: name.to_owned() })
}

impl super::Upstream {
    /// What connections to the backend with this id are made with; `None`: HTTP/1.1 in the clear.
    #[inline]
    pub fn transport(&self, backend: u64) -> Option<&Arc<Transport>> {
        self.transports.as_ref()?.of(backend)
    }

    /// What TLS with its backends is made with, as it is in service; `None`: all are spoken to in the clear.
    pub fn tls(&self) -> Option<&UpstreamTls> {
        self.transports.as_ref()?.tls.as_ref()
    }

    /// Whether it may be told now, `since` any fixed moment, that a request for an upgrade went to a backend that speaks
    /// HTTP/2 alone: once a minute.
    pub fn may_tell_of_lost_upgrade(&self, since: Duration) -> bool {
        self.transports.as_ref().is_some_and(|it| it.lost_upgrade.may_tell(since))
    }

    /// The keys of all connections to its backends.
    pub fn pool_keys(&self) -> impl Iterator<Item = Key> {
        self.members.iter().flat_map(|member| {
            let id = member.backend.id;
            let transport = self.transport(id);
            let keys = [transport, transport.map(Transport::for_upgrades)];
            keys.map(|transport| Key::new(id, transport.map(|transport| &**transport)))
        })
    }
}
