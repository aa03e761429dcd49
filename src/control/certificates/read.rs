//! Reading the files of certificates again, all of them, on a helper thread.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::certificate::{Fault, Pair, Roots};
use crate::config::{
    Certificate, CertificateFiles, Config, ListenerTls, UpstreamTls, read_pairs, read_roots,
};
use crate::hash::Map;

/// Every file of a certificate, a key or an authority that `config` names.
pub(in crate::control) fn files(config: &Config) -> Vec<PathBuf> {
    let pairs = pairs(config).flat_map(|it| [it.files.cert.clone(), it.files.key.clone()]);
    let files: BTreeSet<PathBuf> = pairs.chain(authorities(config).map(Path::to_owned)).collect();
    files.into_iter().collect()
}

/// What is shown to clients, then what is shown to backends.
fn pairs(config: &Config) -> impl Iterator<Item = &Certificate> {
    let tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let ours = config.upstreams.values().filter_map(|upstream| upstream.tls.client.as_ref());
    tls.flat_map(|tls| &tls.certificates).chain(ours)
}

/// Who vouches for clients, then who vouches for backends.
fn authorities(config: &Config) -> impl Iterator<Item = &Path> {
    let tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let clients = tls.filter_map(|tls| tls.client_auth.as_ref()).map(|auth| &*auth.ca);
    let backends = config.upstreams.values().filter_map(|upstream| upstream.tls.ca.as_ref());
    clients.chain(backends.map(|ca| &*ca.file))
}

/// What reading all files came to.
#[derive(Debug)]
pub(in crate::control) struct Readings {
    /// Of which configuration.
    pub(super) generation: u64,
    /// Which reading of all it was, see [`super::turns::Turns`].
    pub(super) turn: u64,
    /// By listener, as it is to be from now on.
    pub(super) listeners: Vec<(String, ListenerTls)>,
    /// By upstream, as it is to be from now on.
    pub(super) upstreams: Map<String, UpstreamTls>,
    /// What is wrong with files, by the first of them.
    pub(super) faults: Vec<(PathBuf, String)>,
}

/// What is good of all files.
struct Good {
    pairs: Map<CertificateFiles, Arc<Pair>>,
    roots: Map<PathBuf, Arc<Roots>>,
    faults: Vec<(PathBuf, String)>,
}

/// Reads every file again, as the reading number `turn`. Blocks.
pub(super) fn read(config: &Config, generation: u64, turn: u64) -> Readings {
    let good = Good::of(config);
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        let Some(mut tls) = listener.tls.clone() else { continue };
        tls.certificates.iter_mut().for_each(|certificate| good.renew(certificate));
        if let Some(auth) = &mut tls.client_auth {
            good.renew_roots(&auth.ca, &mut auth.roots);
        }
        listeners.push((listener.name.clone(), tls));
    }
    let mut upstreams = Map::default();
    for (name, upstream) in &config.upstreams {
        let mut tls = upstream.tls.clone();
        if let Some(client) = &mut tls.client {
            good.renew(client);
        }
        if let Some(ca) = &mut tls.ca {
            good.renew_roots(&ca.file, &mut ca.roots);
        }
        upstreams.insert(name.clone(), tls);
    }
    Readings { generation, turn, listeners, upstreams, faults: good.faults }
}

impl Good {
    fn of(config: &Config) -> Self {
        let mut good = Good { pairs: Map::default(), roots: Map::default(), faults: Vec::new() };
        let wanted: BTreeSet<_> = pairs(config).map(|it| it.files.clone()).collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        for (files, read) in wanted.iter().zip(read_pairs(&wanted)) {
            if let Some(pair) = good.judge(&files.cert, read) {
                good.pairs.insert(files.clone(), pair);
            }
        }
        for file in authorities(config).collect::<BTreeSet<_>>() {
            if let Some(roots) = good.judge(file, read_roots(file)) {
                good.roots.insert(file.to_owned(), Arc::new(roots));
            }
        }
        good
    }

    fn judge<T>(&mut self, file: &Path, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.faults.push((file.to_owned(), fault.to_string()))).ok()
    }

    /// What is the same stays what it was.
    fn renew(&self, certificate: &mut Certificate) {
        let read = self.pairs.get(&certificate.files);
        if let Some(pair) = read.filter(|pair| **pair != certificate.pair) {
            certificate.pair = Arc::clone(pair);
        }
    }

    fn renew_roots(&self, file: &Path, known: &mut Arc<Roots>) {
        if let Some(roots) = self.roots.get(file).filter(|roots| *roots != known) {
            *known = Arc::clone(roots);
        }
    }
}
