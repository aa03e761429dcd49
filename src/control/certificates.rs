//! Certificates in service: read again when their files change, told when they are to end. Neither takes a reload.
//!
//! A listener's certificates are replaced one by one: a pair that is good goes into service, one that is not leaves
//! what was there before, and why is told once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::controller::Controller;
use super::watch::{self, Marks, Subject, Watched};
use crate::certificate::{Fingerprint, Pair};
use crate::config::{CertificateFiles, Config, ListenerTls, read_pair, read_roots};
use crate::hash::Map;
use crate::log::since_1970;

/// What the controller knows of certificates besides the configuration.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    watched: Option<Arc<Watched>>,
    faults: Faults,
    expiry: Expiry,
    /// When it is looked again at who ends.
    next_look: Option<Instant>,
}

/// Every file of a certificate, a key or an authority of listeners that `config` names.
pub(super) fn files(config: &Config) -> Vec<PathBuf> {
    let tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let mut files: Vec<PathBuf> = tls
        .flat_map(|tls| {
            let pairs = tls.certificates.iter().map(|certificate| &certificate.files);
            let pairs = pairs.flat_map(|files| [files.cert.clone(), files.key.clone()]);
            pairs.chain(tls.client_auth.iter().map(|auth| auth.ca.clone()))
        })
        .collect();
    files.sort();
    files.dedup();
    files
}

/// What reading the files of all listeners came to.
#[derive(Debug)]
pub(super) struct Readings {
    /// Of which configuration.
    generation: u64,
    /// By listener, as it is to be from now on.
    listeners: Vec<(String, ListenerTls)>,
    /// What is wrong with files, by the first of them.
    faults: Vec<(PathBuf, String)>,
}

/// Reads every file again. Blocks.
fn read(config: &Config, generation: u64) -> Readings {
    let mut readings = Readings { generation, listeners: Vec::new(), faults: Vec::new() };
    let mut pairs: Map<CertificateFiles, Option<Arc<Pair>>> = Map::default();
    for listener in &config.listeners {
        let Some(mut tls) = listener.tls.clone() else { continue };
        for certificate in &mut tls.certificates {
            let files = &certificate.files;
            let read = pairs.entry(files.clone()).or_insert_with(|| match read_pair(files) {
                Ok(pair) => Some(Arc::new(pair)),
                Err(fault) => {
                    readings.faults.push((files.cert.clone(), fault.to_string()));
                    None
                }
            });
            if let Some(pair) = read.as_ref().filter(|pair| **pair != certificate.pair) {
                certificate.pair = Arc::clone(pair);
            }
        }
        if let Some(auth) = &mut tls.client_auth {
            match read_roots(&auth.ca) {
                Ok(roots) if roots != *auth.roots => auth.roots = Arc::new(roots),
                Ok(_) => {}
                Err(fault) => readings.faults.push((auth.ca.clone(), fault.to_string())),
            }
        }
        readings.listeners.push((listener.name.clone(), tls));
    }
    readings
}

impl Controller {
    /// A configuration is in service: its files are watched from now on, of which `marks` are as they were read.
    pub(super) fn certificates_adopted(&mut self, marks: Marks) {
        self.certificates.faults = Faults::default();
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
    pub(super) fn read_certificates(&self) {
        let (config, events) = (self.config.clone(), self.events.clone());
        let generation = self.snapshot.load().generation;
        tokio::spawn(async move {
            let work = tokio::task::spawn_blocking(move || read(&config, generation));
            let Ok(readings) = work.await else { return };
            // Fails only when the controller has ended.
            let _ = events.send(super::event::Event::CertificatesRead(Box::new(readings))).await;
        });
    }

    /// Puts what was read into service, as far as it is good.
    pub(super) fn certificates_read(&mut self, readings: Readings) {
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
        for (name, tls) in readings.listeners {
            let listener = self.config.listeners.iter_mut().find(|known| known.name == name);
            let Some(known) = listener.and_then(|listener| listener.tls.as_mut()) else { continue };
            if *known == tls {
                continue;
            }
            let Some(server) = self.registry.server(&name) else { continue };
            if let Err(error) = server.refresh(&tls) {
                tracing::error!(listener = name, %error, "changed certificates cannot be used");
                continue;
            }
            let n_renewed = tell_renewed(&name, known, &tls);
            counters.certificates_renewed.add(n_renewed);
            *known = tls;
        }
        self.certificates.next_look = None;
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
        let all = tls.flat_map(|tls| &tls.certificates);
        let all = all.map(|it| (&*it.pair, &*it.files.cert));
        for (file, names, days) in self.certificates.expiry.news(all, seconds) {
            self.fleet.metrics().control.certificates_expiring.add(1);
            let file = file.display();
            match days {
                Some(days) => {
                    tracing::warn!(%file, names, days, "a certificate ends in so many days; renew it");
                }
                None => {
                    tracing::error!(%file, names, "a certificate has expired; clients refuse it")
                }
            }
        }
    }
}

/// One event for each that differs; returns how many.
fn tell_renewed(listener: &str, before: &ListenerTls, after: &ListenerTls) -> u64 {
    let pairs = before.certificates.iter().zip(&after.certificates);
    let mut n_renewed = 0;
    for (_, certificate) in pairs.filter(|(before, after)| before.pair != after.pair) {
        n_renewed += 1;
        let pair = &certificate.pair;
        tracing::info!(
            listener,
            file = %certificate.files.cert.display(),
            names = names(pair),
            fingerprint = %pair.fingerprint,
            "a changed certificate is in service"
        );
    }
    let roots = |tls: &ListenerTls| tls.client_auth.as_ref().map(|auth| auth.roots.fingerprint);
    if let Some(auth) = after.client_auth.as_ref().filter(|_| roots(before) != roots(after)) {
        n_renewed += 1;
        let file = auth.ca.display();
        tracing::info!(listener, %file, "changed authorities for clients are in service");
    }
    n_renewed
}

fn names(pair: &Pair) -> String {
    pair.names.iter().take(NAMES_MAX).collect::<Vec<_>>().join(" ")
}

/// What is wrong with files, so that it is told once.
#[derive(Debug, Default)]
struct Faults(Map<PathBuf, String>);

impl Faults {
    /// Those of `found` that were not there the last time.
    fn news<'a>(&mut self, found: &'a [(PathBuf, String)]) -> Vec<(&'a Path, &'a str)> {
        let is_news = |(file, why): &&(PathBuf, String)| self.0.get(file) != Some(why);
        let news = found.iter().filter(is_news);
        let news = news.map(|(file, why)| (file.as_path(), why.as_str())).collect();
        self.0 = found.iter().cloned().collect();
        news
    }
}

/// Which certificates were told to end, and how soon, so that each step is told once.
#[derive(Debug, Default)]
struct Expiry(Map<Fingerprint, i64>);

impl Expiry {
    /// Days before the end at which it is told; 0 is the end itself.
    const STEPS: [i64; 4] = [0, 1, 7, 30];

    /// Those of `all` that have come to another step: the file, its names and the whole days left, `None` when it is
    /// over. Forgets those that are not among them.
    fn news<'a>(
        &mut self,
        all: impl Iterator<Item = (&'a Pair, &'a Path)>,
        now: i64,
    ) -> Vec<(&'a Path, String, Option<i64>)> {
        let mut told = Map::default();
        let mut news = Vec::new();
        for (pair, file) in all {
            let left = pair.validity.not_after.saturating_sub(now);
            let reached = |step: &i64| left < step * DAY_SECONDS;
            let Some(step) = Self::STEPS.into_iter().find(reached) else { continue };
            let known =
                told.insert(pair.fingerprint, step).or(self.0.get(&pair.fingerprint).copied());
            if known != Some(step) {
                news.push((file, names(pair), (left >= 0).then_some(left / DAY_SECONDS)));
            }
        }
        self.0 = told;
        news
    }
}

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How often it is looked at who ends.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Names of a certificate that are told.
const NAMES_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Pair::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).expect("a pair")
    }

    #[test]
    fn the_end_is_told_at_thirty_seven_and_one_day_and_when_it_is_there() {
        let (pair, mut expiry) = (pair(&["shop.example"]), Expiry::default());
        let end = pair.validity.not_after;
        let file = Path::new("shop.crt");
        let mut told = |left: i64| {
            let news = expiry.news([(&pair, file)].into_iter(), end - left);
            news.into_iter().map(|(_, _, days)| days).collect::<Vec<_>>()
        };
        assert_eq!(told(31 * DAY_SECONDS), []);
        assert_eq!(told(30 * DAY_SECONDS - 1), [Some(29)]);
        assert_eq!(told(29 * DAY_SECONDS), []);
        assert_eq!(told(7 * DAY_SECONDS - 1), [Some(6)]);
        assert_eq!(told(DAY_SECONDS), []);
        assert_eq!(told(DAY_SECONDS - 1), [Some(0)]);
        assert_eq!(told(0), []);
        assert_eq!(told(-1), [None]);
        assert_eq!(told(-1000), []);
    }

    #[test]
    fn a_certificate_of_several_listeners_is_told_once_and_another_anew() {
        let (one, two) = (pair(&["a.example"]), pair(&["a.example"]));
        let mut expiry = Expiry::default();
        let now = one.validity.not_after - DAY_SECONDS / 2;
        let file = Path::new("shop.crt");
        assert_eq!(expiry.news([(&one, file), (&one, file)].into_iter(), now).len(), 1);
        assert_eq!(expiry.news([(&two, file)].into_iter(), now).len(), 1);
        assert_eq!(expiry.news([(&two, file)].into_iter(), now).len(), 0);
    }

    #[test]
    fn a_fault_is_told_once_until_it_is_mended_or_another() {
        let mut faults = Faults::default();
        let found = |why: &str| vec![(PathBuf::from("shop.crt"), why.to_owned())];
        assert_eq!(faults.news(&found("damaged")).len(), 1);
        assert_eq!(faults.news(&found("damaged")).len(), 0);
        assert_eq!(faults.news(&found("empty")).len(), 1);
        assert_eq!(faults.news(&[]).len(), 0);
        assert_eq!(faults.news(&found("empty")).len(), 1);
    }
}
