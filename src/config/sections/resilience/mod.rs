//! `retry`, `budget`, `health`, `passive` and `breaker`: what stands under `[defaults]`, and what an upstream or a route
//! writes over it, key by key. What of it does not go together is told by `check` and `lints`.

use super::super::item::Item;
use super::super::reader::Section;
use super::super::schema::{Breaker, Budget, Health, Passive, Retry, RetryOverrides};
use super::super::shapes::{self, Shape};
use super::super::tree::Value;

mod breaker;
mod budget;
mod events;
mod expect;
mod health;
mod passive;
mod retry;
mod shorthand;

pub(crate) use health::{PROBES, options as probe_options};

/// What holds for an upstream, or for those that write nothing.
pub(crate) struct Resilience {
    pub(crate) retry: Retry,
    pub(crate) budget: Budget,
    /// Under `[defaults]` the settings of those that switch it on.
    pub(crate) health: Option<Health>,
    pub(crate) passive: Option<Passive>,
    pub(crate) breaker: Option<Breaker>,
}

/// `[defaults]`, over what is built in.
pub(super) fn defaults(section: Option<&Section<'_>>) -> Resilience {
    let built_in = Resilience {
        retry: Retry::default(),
        budget: Budget::default(),
        health: None,
        passive: Some(Passive::default()),
        breaker: Some(Breaker::default()),
    };
    let Some(section) = section else { return built_in };
    let part = |key, shape| Part::of(section, "defaults", key, shape);
    let switch = |key, shape| Switch::of(section, "defaults", key, shape);
    Resilience {
        retry: match part("retry", &shapes::DEFAULTS_RETRY) {
            Some(part) => {
                Retry::default().overridden_by(&retry::read(&part, &shapes::DEFAULTS_RETRY_BACKOFF))
            }
            None => built_in.retry,
        },
        budget: match part("budget", &shapes::DEFAULTS_BUDGET) {
            Some(part) => budget::read(&part, built_in.budget),
            None => built_in.budget,
        },
        health: health::defaults(section, switch("health", &shapes::DEFAULTS_HEALTH)),
        passive: switch("passive", &shapes::DEFAULTS_PASSIVE).over(built_in.passive, passive::read),
        breaker: switch("breaker", &shapes::DEFAULTS_BREAKER).over(built_in.breaker, breaker::read),
    }
}

/// What the upstream `name` writes, over `defaults`.
pub(super) fn upstream(section: &Section<'_>, name: &str, defaults: &Resilience) -> Resilience {
    let path = format!("upstream.{name}");
    let part = |key, shape| Part::of(section, &path, key, shape);
    let switch = |key, shape| Switch::of(section, &path, key, shape);
    Resilience {
        retry: match part("retry", &shapes::UPSTREAM_RETRY) {
            Some(part) => {
                let written = retry::read(&part, &shapes::UPSTREAM_RETRY_BACKOFF);
                defaults.retry.overridden_by(&written)
            }
            None => defaults.retry.clone(),
        },
        budget: match part("budget", &shapes::UPSTREAM_BUDGET) {
            Some(part) => budget::read(&part, defaults.budget),
            None => defaults.budget,
        },
        health: health::of_upstream(
            switch("health", &shapes::UPSTREAM_HEALTH),
            defaults.health.as_ref(),
        ),
        passive: switch("passive", &shapes::UPSTREAM_PASSIVE).over(defaults.passive, passive::read),
        breaker: switch("breaker", &shapes::UPSTREAM_BREAKER).over(defaults.breaker, breaker::read),
    }
}

/// What the route `name` writes over its upstream's `retry`.
pub(super) fn route(section: &Section<'_>, name: &str) -> RetryOverrides {
    let part = Part::of(section, &format!("route.{name}"), "retry", &shapes::ROUTE_RETRY);
    part.map(|part| retry::read(&part, &shapes::ROUTE_RETRY_BACKOFF)).unwrap_or_default()
}

/// One of these tables.
struct Part<'a> {
    section: Section<'a>,
    /// What it is called in [`super::super::schema::Places`].
    path: String,
}

impl<'a> Part<'a> {
    /// The table `key` of `section`, which `path` is the name of.
    fn of(
        section: &Section<'a>,
        path: &str,
        key: &'static str,
        shape: &'static Shape,
    ) -> Option<Self> {
        let item = section.item(key)?;
        if !matches!(item.node.value, Value::Table(_)) && shorthand::explain(item) {
            return None;
        }
        let section = section.child(key, shape)?;
        Some(Part { section, path: format!("{path}.{key}") })
    }

    /// The table `key` in this one.
    fn part(&self, key: &'static str, shape: &'static Shape) -> Option<Part<'a>> {
        Part::of(&self.section, &self.path, key, shape)
    }

    /// The value under `key` through `read`; where it stands is remembered, if it is right.
    fn read<T>(&self, key: &str, read: impl FnOnce(Item<'a>) -> Option<T>) -> Option<T> {
        let item = self.section.item(key)?;
        let value = read(item)?;
        self.section.cx.mark(format!("{}.{key}", self.path), item.place());
        Some(value)
    }

    /// As [`Part::read`], over what `target` holds.
    fn set<T>(&self, key: &str, target: &mut T, read: impl FnOnce(Item<'a>) -> Option<T>) {
        if let Some(value) = self.read(key, read) {
            *target = value;
        }
    }
}

/// A table that can also be `false`, or `true` for what it is without a word.
enum Switch<'a> {
    /// Nothing is written.
    Inherited,
    Off,
    On,
    Table(Part<'a>),
}

impl<'a> Switch<'a> {
    /// `key` of `section`, which `path` is the name of.
    fn of(
        section: &Section<'a>,
        path: &str,
        key: &'static str,
        shape: &'static Shape,
    ) -> Switch<'a> {
        let Some(item) = section.item(key) else { return Switch::Inherited };
        section.cx.mark(format!("{path}.{key}"), item.place());
        match &item.node.value {
            Value::Boolean(true) => Switch::On,
            Value::Boolean(false) => Switch::Off,
            Value::String { text, .. } if is_switch(text) => match item.boolean() {
                Some(true) => Switch::On,
                Some(false) => Switch::Off,
                None => Switch::Inherited,
            },
            _ => Part::of(section, path, key, shape).map_or(Switch::Inherited, Switch::Table),
        }
    }

    /// What holds where `inherited` does without it; a table that switches on what is inherited as off begins with
    /// what is built in.
    fn over<T: Copy + Default>(
        self,
        inherited: Option<T>,
        read: impl FnOnce(&Part<'a>, T) -> T,
    ) -> Option<T> {
        match self {
            Switch::Inherited => inherited,
            Switch::Off => None,
            Switch::On => Some(inherited.unwrap_or_default()),
            Switch::Table(part) => Some(read(&part, inherited.unwrap_or_default())),
        }
    }
}

/// Whether this is a boolean, or meant as one.
fn is_switch(text: &str) -> bool {
    ["true", "yes", "on", "false", "no", "off"].contains(&text)
}
