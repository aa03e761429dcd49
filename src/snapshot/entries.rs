//! Compiling routes: what does not depend on the listener is made once and shared; names, timeouts and limits
//! are merged for each listener.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::action::{Action, Mirror, Own, RouteEntry, Split, Target};
use super::compile::CompileError;
use super::{Policy, Upstream};
use crate::config::{self, Config, ExchangeTimeouts};
use crate::filter::{self, Filter, Rewrite};
use crate::hash::Map;
use crate::log::names_json;
use crate::route::{RouteSpec, RouteTable};

/// The routes of a configuration, as far as they are the same on every listener.
pub(super) struct Routes<'a> {
    config: &'a Config,
    upstreams: &'a [Arc<Upstream>],
    index_of: &'a Map<&'a str, usize>,
    shared: Vec<Shared>,
    /// By upstream, for the routes that write nothing over it.
    retries: Vec<Arc<config::Retry>>,
    /// Where a route answers by itself.
    no_retry: Arc<config::Retry>,
    /// Tables by the routes in them: listeners with the same routes have the same table.
    tables: Map<Vec<usize>, Arc<RouteTable>>,
}

/// What one route is on every listener.
struct Shared {
    name: Arc<str>,
    filters: Arc<[Arc<dyn Filter>]>,
    rewrite: Option<Arc<Rewrite>>,
    mirror: Option<Mirror>,
    own: Option<Arc<Own>>,
}

impl<'a> Routes<'a> {
    pub(super) fn new(
        config: &'a Config,
        upstreams: &'a [Arc<Upstream>],
        index_of: &'a Map<&'a str, usize>,
    ) -> Result<Self, CompileError> {
        let filters = filters(config)?;
        let none: Arc<[Arc<dyn Filter>]> = Arc::new([]);
        let shared = config.routes.iter().map(|route| {
            Ok(Shared {
                name: route.name.as_str().into(),
                filters: match route.filters.is_empty() {
                    true => Arc::clone(&none),
                    false => named(&filters, &route.filters)?,
                },
                rewrite: Rewrite::compile(&route.rewrite)
                    .map_err(|error| pattern(route, error.to_string()))?
                    .map(Arc::new),
                mirror: mirror(route, index_of)?,
                own: match &route.action {
                    config::Action::Redirect(to) => Some(Arc::new(Own::Redirect(to.clone()))),
                    config::Action::Respond(with) => Some(Arc::new(Own::Respond(with.clone()))),
                    config::Action::Upstream(_) | config::Action::Split(_) => None,
                },
            })
        });
        let shared = shared.collect::<Result<_, _>>()?;
        let retries = config.upstreams.values().map(|upstream| Arc::new(upstream.retry.clone()));
        Ok(Routes {
            retries: retries.collect(),
            no_retry: Arc::default(),
            config,
            upstreams,
            index_of,
            shared,
            tables: Map::default(),
        })
    }

    /// The table of one listener, and what each of its routes does, by the table's indexes.
    pub(super) fn of(
        &mut self,
        listener: &config::Listener,
    ) -> Result<(Arc<RouteTable>, Vec<RouteEntry>), CompileError> {
        let written = &self.config.routes;
        let kept: Vec<usize> =
            (0..written.len()).filter(|&index| written[index].is_on(&listener.name)).collect();
        let timeouts = self.config.upstreams.values().map(|upstream| {
            let so_far = upstream.default_timeouts.overridden_by(&listener.exchange_timeouts);
            so_far.overridden_by(&upstream.timeouts)
        });
        let timeouts: Vec<ExchangeTimeouts> = timeouts.collect();
        let name: Arc<str> = listener.name.as_str().into();
        let entry = |&index: &usize| self.entry(index, &name, listener, &timeouts);
        let entries = kept.iter().map(entry).collect::<Result<_, _>>()?;
        let table = match self.tables.get(&kept) {
            Some(table) => Arc::clone(table),
            None => {
                let specs: Vec<RouteSpec> =
                    kept.iter().map(|&index| RouteSpec::from(&written[index])).collect();
                let table = RouteTable::compile(&specs)
                    .map_err(|error| pattern(&written[kept[error.route]], error.to_string()))?;
                let table = Arc::new(table);
                self.tables.insert(kept, Arc::clone(&table));
                table
            }
        };
        Ok((table, entries))
    }

    fn retry(
        &self,
        upstream: Option<usize>,
        written: &config::RetryOverrides,
    ) -> Arc<config::Retry> {
        let Some(upstream) = upstream else { return Arc::clone(&self.no_retry) };
        let retry = &self.retries[upstream];
        match *written == config::RetryOverrides::default() {
            true => Arc::clone(retry),
            false => Arc::new(retry.overridden_by(written)),
        }
    }

    fn entry(
        &self,
        index: usize,
        name: &Arc<str>,
        listener: &config::Listener,
        timeouts: &[ExchangeTimeouts],
    ) -> Result<RouteEntry, CompileError> {
        let (route, shared) = (&self.config.routes[index], &self.shared[index]);
        let policy = |upstream: Option<usize>| {
            let known = upstream.map(|upstream| &self.upstreams[upstream].name);
            let base = match upstream {
                Some(upstream) => timeouts[upstream],
                None => self.config.default_timeouts.overridden_by(&listener.exchange_timeouts),
            };
            Arc::new(Policy {
                listener: Arc::clone(name),
                scheme: super::scheme(listener.tls.is_some()),
                route: Arc::clone(&shared.name),
                upstream: known.cloned(),
                names_json: names_json(name, Some(&shared.name), known.map(|known| &**known)),
                timeouts: base.overridden_by(&route.timeouts),
                retry: self.retry(upstream, &route.retry),
                body_idle: listener.timeouts.body_idle,
            })
        };
        let target = |to: &str| {
            let upstream = upstream_index(self.index_of, to)?;
            Ok(Target { upstream, policy: policy(Some(upstream)) })
        };
        let action = match (&route.action, &shared.own) {
            (config::Action::Upstream(to), _) => Action::Forward(target(to)?),
            (config::Action::Split(split), _) => {
                let targets = split.targets.iter().map(|to| target(&to.upstream));
                Action::Split(Arc::new(Split {
                    targets: targets.collect::<Result<_, _>>()?,
                    until: sums(&split.targets),
                    by: split.by.clone(),
                    salt: xxh3_64(route.name.as_bytes()),
                }))
            }
            (_, Some(own)) => Action::Answer { own: Arc::clone(own), policy: policy(None) },
            (_, None) => return Err(unknown("action of route", &route.name)),
        };
        Ok(RouteEntry {
            action,
            filters: Arc::clone(&shared.filters),
            rewrite: shared.rewrite.clone(),
            mirror: shared.mirror,
            body_bytes_max: route.body_bytes.unwrap_or(listener.limits.body_bytes),
        })
    }
}

/// Every filter of the configuration, each built once.
fn filters(config: &Config) -> Result<Map<&str, Arc<dyn Filter>>, CompileError> {
    let build = |(name, written)| match filter::build(written) {
        Some(filter) => Ok((String::as_str(name), filter)),
        None => Err(unknown("kind of filter", name)),
    };
    config.filters.iter().map(build).collect()
}

fn named(
    filters: &Map<&str, Arc<dyn Filter>>,
    names: &[String],
) -> Result<Arc<[Arc<dyn Filter>]>, CompileError> {
    let find = |name: &String| match filters.get(name.as_str()) {
        Some(filter) => Ok(Arc::clone(filter)),
        None => Err(unknown("filter", name)),
    };
    names.iter().map(find).collect()
}

fn mirror(
    route: &config::Route,
    index_of: &Map<&str, usize>,
) -> Result<Option<Mirror>, CompileError> {
    let Some(written) = &route.mirror else { return Ok(None) };
    let upstream = upstream_index(index_of, &written.upstream)?;
    let at_most = (written.percent.clamp(0.0, 100.0) / 100.0 * f64::from(u32::MAX)) as u32;
    Ok(Some(Mirror { upstream, at_most }))
}

fn upstream_index(index_of: &Map<&str, usize>, name: &str) -> Result<usize, CompileError> {
    index_of.get(name).copied().ok_or_else(|| unknown("upstream", name))
}

fn pattern(route: &config::Route, error: String) -> CompileError {
    CompileError::Pattern { route: route.name.clone(), error }
}

fn unknown(what: &'static str, name: &str) -> CompileError {
    CompileError::Unknown { what, name: name.to_owned() }
}

/// The sum of the weights up to and with each target.
fn sums(targets: &[config::SplitTarget]) -> Vec<u64> {
    let add = |sum: &mut u64, target: &config::SplitTarget| {
        *sum += u64::from(target.weight);
        Some(*sum)
    };
    targets.iter().scan(0, add).collect()
}
