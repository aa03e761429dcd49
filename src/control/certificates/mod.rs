//! Certificates in service, those of listeners and those towards backends: read again when their files change, told
//! when they are to end. Neither takes a reload.
//!
//! They are replaced one by one: a pair that is good goes into service, one that is not leaves what was there before,
//! and why is told once. A listener begins its next sessions with what is new; an upstream is built anew with it, as
//! when its names have other addresses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::controller::Controller;
use super::watch::{self, Marks, Subject, Watched};
use crate::certificate::Pair;
use crate::config::{Certificate, ListenerTls, UpstreamTls};
use crate::hash::Map;
use crate::log::since_1970;
use crate::snapshot::replace_tls;

mod expiry;
mod faults;
mod read;
mod turns;

use expiry::Expiry;
pub(super) use faults::Faults;
pub(super) use read::{Readings, files};
use turns::Turns;

/// What the controller knows of certificates besides the configuration.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    watched: Option<Arc<Watched>>,
    /// What is wrong with files now.
    pub(super) faults: Faults,
    expiry: Expiry,
    turns: Turns,
    /// Upstreams are to be built anew as soon as no reload is being prepared.
    waits: bool,
    /// When it is looked again at who ends.
    next_look: Option<Instant>,
}

impl Controller {
    /// A configuration is in service: its files are watched from now on, of which `marks` are as they were read.
    pub(super) fn certificates_adopted(&mut self, marks: Marks) {
        self.certificates.faults.clear();
        self.certificates.next_look = None;
        let files = files(&self.config);
        match &self.certificates.watched {
            Some(watched) => watched.set(files, marks),
            None if files.is_empty() => {}
            None => {
                let watched = Arc::new(Watched::new(Subject::Certificates));
                watched.set(files, marks);
                tokio::spawn(watch::run(Arc::clone(&watched), self.events.clone()));
                self.certificates.watched = Some(watched);
            }
        }
    }

    /// Has the files read on a helper thread.
    pub(super) fn read_certificates(&mut self) {
        let (config, events) = (self.config.clone(), self.events.clone());
        let (generation, turn) = (self.snapshot.load().generation, self.certificates.turns.begin());
        tokio::spawn(async move {
            let work = tokio::task::spawn_blocking(move || read::read(&config, generation, turn));
            let Ok(readings) = work.await else { return };
            // Fails only when the controller has ended.
            let _ = events.send(super::event::Event::CertificatesRead(Box::new(readings))).await;
        });
    }

    /// Puts what was read into service, as far as it is good.
    pub(super) async fn certificates_read(&mut self, readings: Readings) {
        if !self.certificates.turns.is_news(readings.turn) {
            // The files were read again since, and that is in service: what they held before is not to come back.
            return;
        }
        if readings.generation != self.snapshot.load().generation {
            // Of another configuration: the files of this one are read once more.
            return self.read_certificates();
        }
        let counters = &self.fleet.metrics().control;
        for (file, why) in self.certificates.faults.news(&readings.faults) {
            counters.certificates_refused.add(1);
            let file = file.display();
            tracing::error!(
                %file,
                why,
                "a changed certificate cannot be used; the one in service stays"
            );
        }
        let mut asks_otherwise = false;
        for (name, tls) in readings.listeners {
            asks_otherwise |= self.renew_listener(&name, tls);
        }
        if asks_otherwise {
            // Those on many streams say goodbye to clients that others have vouched for.
            self.wake_connections().await;
        }
        self.renew_upstreams(readings.upstreams);
        self.certificates.next_look = None;
    }

    /// Has `tls` in service on a listener, if it differs. Returns whether others vouch for its clients now.
    fn renew_listener(&mut self, name: &str, tls: ListenerTls) -> bool {
        let listener = self.config.listeners.iter_mut().find(|known| known.name == name);
        let Some(known) = listener.and_then(|listener| listener.tls.as_mut()) else { return false };
        let server = self.registry.server(name).filter(|_| *known != tls);
        let Some(server) = server else { return false };
        if let Err(error) = server.refresh(&tls) {
            tracing::error!(listener = name, %error, "changed certificates cannot be used");
            return false;
        }
        let n_renewed = tell_listener(name, known, &tls);
        self.fleet.metrics().control.certificates_renewed.add(n_renewed);
        let asks_otherwise = known.client_auth != tls.client_auth;
        *known = tls;
        asks_otherwise
    }

    /// Has the backends of these upstreams spoken to with these, as far as they differ.
    fn renew_upstreams(&mut self, mut upstreams: Map<String, UpstreamTls>) {
        upstreams
            .retain(|name, tls| self.config.upstreams.get(name).is_some_and(|it| it.tls != *tls));
        if upstreams.is_empty() {
            return;
        }
        if self.reloads.busy() {
            // What is being prepared begins with what is in service now.
            self.certificates.waits = true;
            return;
        }
        let mut config = self.config.clone();
        for (name, tls) in &upstreams {
            if let Some(upstream) = config.upstreams.get_mut(name) {
                upstream.tls = tls.clone();
            }
        }
        let concerns = |name: &str| upstreams.contains_key(name);
        match self.following(&config, |given| replace_tls(given, concerns)) {
            Ok((snapshot, registry)) => self.follow_with(snapshot, registry),
            Err(error) => {
                tracing::error!(%error, "changed certificates for backends cannot be used");
                return;
            }
        }
        for (name, tls) in &upstreams {
            let before = self.config.upstreams.get(name).map(|upstream| &upstream.tls);
            let n_renewed = before.map_or(0, |before| tell_upstream(name, before, tls));
            self.fleet.metrics().control.certificates_renewed.add(n_renewed);
        }
        self.config = config;
    }

    /// Reads once more what had to wait for a reload.
    pub(super) fn catch_up_with_certificates(&mut self) {
        if !self.reloads.busy() && std::mem::take(&mut self.certificates.waits) {
            self.read_certificates();
        }
    }

    /// Tells, now and then, which certificates are to end.
    pub(super) fn look_at_expiry(&mut self) {
        let now = Instant::now();
        if self.certificates.next_look.is_some_and(|next| now < next) {
            return;
        }
        self.certificates.next_look = Some(now + LOOK_EVERY);
        let seconds = i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX);
        let tls = self.config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        let ours = self.config.upstreams.values().filter_map(|it| it.tls.client.as_ref());
        let all = tls.flat_map(|tls| &tls.certificates).chain(ours);
        let all = all.map(|it| (&*it.pair, &*it.files.cert));
        for (file, names, days) in self.certificates.expiry.news(all, seconds) {
            self.fleet.metrics().control.certificates_expiring.add(1);
            let file = file.display();
            match days {
                Some(days) => {
                    tracing::warn!(%file, names, days, "a certificate ends in so many days; renew it");
                }
                None => {
                    tracing::error!(%file, names, "a certificate has expired; peers refuse it")
                }
            }
        }
    }
}

/// One event for each that differs; returns how many.
fn tell_listener(listener: &str, before: &ListenerTls, after: &ListenerTls) -> u64 {
    let mut n_renewed = 0;
    for (before, after) in before.certificates.iter().zip(&after.certificates) {
        if before.pair != after.pair {
            n_renewed += 1;
            tell_pair(Whose::Listener(listener), after);
        }
    }
    let roots = |tls: &ListenerTls| tls.client_auth.as_ref().map(|auth| auth.roots.fingerprint);
    if let Some(auth) = after.client_auth.as_ref().filter(|_| roots(before) != roots(after)) {
        n_renewed += 1;
        let file = auth.ca.display();
        tracing::info!(listener, %file, "changed authorities for clients are in service");
    }
    n_renewed
}

/// One event for each that differs; returns how many.
fn tell_upstream(upstream: &str, before: &UpstreamTls, after: &UpstreamTls) -> u64 {
    let mut n_renewed = 0;
    if let (Some(before), Some(after)) = (&before.client, &after.client)
        && before.pair != after.pair
    {
        n_renewed += 1;
        tell_pair(Whose::Upstream(upstream), after);
    }
    if let (Some(before), Some(after)) = (&before.ca, &after.ca)
        && before.roots != after.roots
    {
        n_renewed += 1;
        let file = after.file.display();
        tracing::info!(upstream, %file, "changed authorities for backends are in service");
    }
    n_renewed
}

/// Who shows a certificate.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Listener(&'a str),
    Upstream(&'a str),
}

fn tell_pair(whose: Whose<'_>, certificate: &Certificate) {
    let pair = &certificate.pair;
    let (file, names) = (certificate.files.cert.display(), names(pair));
    let fingerprint = pair.fingerprint;
    let message = "a changed certificate is in service";
    match whose {
        Whose::Listener(listener) => {
            tracing::info!(listener, %file, names, %fingerprint, "{message}");
        }
        Whose::Upstream(upstream) => {
            tracing::info!(upstream, %file, names, %fingerprint, "{message}");
        }
    }
}

fn names(pair: &Pair) -> String {
    pair.names.iter().take(NAMES_MAX).collect::<Vec<_>>().join(" ")
}

/// How often it is looked at who ends.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Names of a certificate that are told.
const NAMES_MAX: usize = 5;
