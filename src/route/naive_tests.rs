//! The table against a naive matcher, written straight from the words of the configuration's reference, over random
//! tables and requests of few distinct labels and values, so that almost everything collides.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regex::bytes::{Regex, RegexBuilder};

use super::{RouteSpec, RouteTable, Subject, Verdict};
use crate::config::{
    ClientIpCondition, Conditions, FieldCondition, HostPattern, MethodCondition, PathPattern,
    ValuePattern,
};
use crate::hash::Map;
use crate::message::{Fields, Known};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "get"];
const NETWORKS: &[&str] = &["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "192.0.2.1/32"];
const CLIENTS: &[&str] = &["10.1.2.3", "10.2.0.1", "2001:db8::1", "192.0.2.1"];
const PATH_EXPRESSIONS: &[&str] =
    &["/a.*", "(/[ab]+)+", "/a|/b|/ab", "/(?i:A)/?", ".*b", "/[^/]*", "()", "/a/.|/a/.."];

/// A request with all that it owns.
#[derive(Clone, Debug)]
struct Request {
    host: String,
    path: String,
    query: String,
    method: &'static str,
    headers: Vec<(&'static str, String)>,
    client: Option<IpAddr>,
}

impl Request {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in &self.headers {
            fields.append(Known::of(name.as_bytes()), name.as_bytes(), &[value.as_bytes()]);
        }
        fields
    }
}

fn hosts() -> impl Strategy<Value = Vec<HostPattern>> {
    let host = "(\\*\\.)?[ab](\\.[ab]){0,2}".prop_map(|text| match text.strip_prefix("*.") {
        Some(suffix) => HostPattern::Wildcard(suffix.to_owned()),
        None => HostPattern::Exact(text),
    });
    prop::collection::vec(host, 0..3)
}

fn path() -> impl Strategy<Value = PathPattern> {
    prop_oneof![
        2 => Just(PathPattern::Any),
        2 => "(/[ab]{1,2}){1,3}".prop_map(PathPattern::Exact),
        3 => "(/[ab]{1,2}){0,3}".prop_map(PathPattern::Prefix),
        3 => select(PATH_EXPRESSIONS).prop_map(|text| PathPattern::Regex(text.to_owned())),
    ]
}

fn field() -> impl Strategy<Value = FieldCondition> {
    let value = prop_oneof![
        select(&["1", "2", "", "a b"][..]).prop_map(|text| ValuePattern::Exact(text.to_owned())),
        select(&["[12]", "1|", ".+", "a.b"][..])
            .prop_map(|text| ValuePattern::Regex(text.to_owned())),
        Just(ValuePattern::Present),
    ];
    (select(&["x", "y", "te"][..]), value, any::<bool>())
        .prop_map(|(name, value, negated)| FieldCondition { name: name.to_owned(), value, negated })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let methods = (subsequence(METHODS, 1..3), any::<bool>()).prop_map(|(methods, negated)| {
        MethodCondition { methods: methods.into_iter().map(str::to_owned).collect(), negated }
    });
    let client_ip = (subsequence(NETWORKS, 1..3), any::<bool>()).prop_map(|(texts, negated)| {
        let networks = texts.iter().map(|text| text.parse().expect("a network")).collect();
        ClientIpCondition { networks, negated }
    });
    let fields = || prop::collection::vec(field(), 0..2);
    let some = (
        prop::option::weighted(0.3, methods),
        fields(),
        fields(),
        fields(),
        prop::option::weighted(0.3, client_ip),
    )
        .prop_map(|(methods, headers, query, cookies, client_ip)| Conditions {
            methods,
            headers,
            query,
            cookies,
            client_ip,
        });
    prop_oneof![Just(Conditions::default()), some]
}

fn specs() -> impl Strategy<Value = Vec<RouteSpec>> {
    let priority = prop_oneof![3 => Just(0), 1 => -1..2];
    let spec = (priority, hosts(), path(), conditions()).prop_map(
        |(priority, hosts, path, conditions)| RouteSpec { priority, hosts, path, conditions },
    );
    prop::collection::vec(spec, 0..40)
}

fn request() -> impl Strategy<Value = Request> {
    let header = prop_oneof![
        (select(&["x", "X", "y", "te", "TE"][..]), select(&["1", " 1\t", "2", "", "a b"][..])),
        (
            select(&["cookie", "Cookie"][..]),
            select(&["x=1", "y=\"1\"; x=2", "x; y=", "te=a b;x=1;;x=2", "X=1"][..])
        ),
    ]
    .prop_map(|(name, value)| (name, value.to_owned()));
    let client = select(CLIENTS).prop_map(|text| text.parse().expect("an address"));
    (
        "|[ab](\\.[ab]){0,3}",
        "(/[ab]{0,2}){1,4}",
        "|((x|y|%78|te|)(=(1|%31|2|a[+]b|a%20b|%)?)?&?){0,3}",
        select(METHODS),
        prop::collection::vec(header, 0..4),
        prop::option::of(client),
    )
        .prop_map(|(host, path, query, method, headers, client)| Request {
            host,
            path,
            query,
            method,
            headers,
            client,
        })
}

/// Whether `pattern` matches the whole of `text`.
fn whole(pattern: &str, text: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<Map<String, Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| {
            let pattern = format!("\\A(?:{pattern})\\z");
            RegexBuilder::new(&pattern).unicode(false).build().expect("an expression")
        });
        regex.is_match(text.as_bytes())
    })
}

fn host_rank(spec: &RouteSpec, host: &str) -> Option<usize> {
    if spec.hosts.is_empty() {
        return Some(0);
    }
    let rank = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => (name == host).then_some(usize::MAX),
        HostPattern::Wildcard(suffix) => host
            .strip_suffix(suffix.as_str())
            .and_then(|rest| rest.strip_suffix('.'))
            .is_some_and(|rest| !rest.is_empty())
            .then_some(suffix.len() + 1),
    };
    spec.hosts.iter().filter_map(rank).max()
}

fn path_rank(spec: &RouteSpec, path: &str) -> Option<usize> {
    match &spec.path {
        PathPattern::Any => Some(0),
        PathPattern::Regex(pattern) => whole(pattern, path).then_some(1),
        PathPattern::Prefix(prefix) => path
            .strip_prefix(prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            .then_some(prefix.len() + 2),
        PathPattern::Exact(exact) => (exact == path).then_some(usize::MAX),
    }
}

fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        match rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte as char);
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

fn fields_met(wanted: &[FieldCondition], came: &[(Cow<'_, str>, String)]) -> bool {
    wanted.iter().all(|condition| {
        let meets = |value: &str| match &condition.value {
            ValuePattern::Exact(text) => text == value,
            ValuePattern::Regex(pattern) => whole(pattern, value),
            ValuePattern::Present => true,
        };
        let one = came.iter().any(|(name, value)| *name == condition.name && meets(value));
        one != condition.negated
    })
}

fn met(wanted: &Conditions, request: &Request) -> bool {
    let headers: Vec<(Cow<'_, str>, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase().into(), value.trim().to_owned()))
        .collect();
    let mut cookies = Vec::new();
    for (_, value) in headers.iter().filter(|(name, _)| name == "cookie") {
        for (name, value) in value.split(';').filter_map(|pair| pair.trim().split_once('=')) {
            let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            cookies.push((Cow::from(name), inside.unwrap_or(value).to_owned()));
        }
    }
    let query: Vec<(Cow<'_, str>, String)> = request
        .query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (decode(name).into(), decode(value)))
        .collect();
    let method = wanted.methods.as_ref().is_none_or(|wanted| {
        wanted.methods.iter().any(|method| method == request.method) != wanted.negated
    });
    let client = wanted.client_ip.as_ref().is_none_or(|wanted| {
        let inside =
            |network: &ipnet::IpNet| request.client.is_some_and(|ip| network.contains(&ip));
        wanted.networks.iter().any(inside) != wanted.negated
    });
    method
        && client
        && fields_met(&wanted.headers, &headers)
        && fields_met(&wanted.cookies, &cookies)
        && fields_met(&wanted.query, &query)
}

/// The rules, said as slowly as possible.
fn naive(specs: &[RouteSpec], request: &Request) -> Option<usize> {
    let matching = specs.iter().enumerate().filter_map(|(index, spec)| {
        let host = host_rank(spec, &request.host)?;
        let path = path_rank(spec, &request.path)?;
        let rank = (spec.priority, host, path, spec.conditions.len(), Reverse(index));
        met(&spec.conditions, request).then_some(rank)
    });
    matching.max().map(|(.., Reverse(index))| index)
}

/// What explain should say of one route, as far as that does not depend on the winner.
fn fits(verdict: &Verdict, spec: &RouteSpec, request: &Request) -> bool {
    let host = host_rank(spec, &request.host).is_some();
    let path = path_rank(spec, &request.path).is_some();
    match verdict {
        Verdict::HostDiffers => !host,
        Verdict::PathDiffers => host && !path,
        Verdict::Condition(_) => host && path && !met(&spec.conditions, request),
        Verdict::Outranked { .. } | Verdict::Wins => host && path && met(&spec.conditions, request),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_table_agrees_with_a_naive_matcher(
        specs in specs(),
        requests in prop::collection::vec(request(), 1..30),
    ) {
        let table = RouteTable::compile(&specs).expect("good expressions");
        let odd = RouteTable::compile_for(&specs, |index| index % 2 == 1).expect("good expressions");
        for request in &requests {
            let fields = request.fields();
            let subject = Subject {
                host: request.host.as_bytes(),
                path: request.path.as_bytes(),
                query: request.query.as_bytes(),
                method: request.method.as_bytes(),
                fields: &fields,
                client: request.client,
                trusted: true,
            };
            let winner = table.find(&subject);
            prop_assert_eq!(winner, naive(&specs, request), "{:?}", request);
            // A table of some of the routes speaks of them by their places in the whole list.
            let some: Vec<RouteSpec> = specs.iter().skip(1).step_by(2).cloned().collect();
            let place = naive(&some, request).map(|index| 2 * index + 1);
            prop_assert_eq!(odd.find(&subject), place, "{:?}", request);

            let verdicts = table.explain(&subject, &specs);
            prop_assert_eq!(verdicts.len(), specs.len());
            for (index, verdict) in &verdicts {
                prop_assert_eq!(*verdict == Verdict::Wins, Some(*index) == winner);
                prop_assert!(fits(verdict, &specs[*index], request), "{} {:?}", index, verdict);
            }
        }
    }

    #[test]
    fn no_bytes_make_a_lookup_or_its_explanation_fail(
        specs in specs(),
        (host, path, query) in any::<(Vec<u8>, Vec<u8>, Vec<u8>)>(),
        (method, cookie) in any::<(Vec<u8>, Vec<u8>)>(),
    ) {
        let mut fields = Fields::new();
        fields.append(Known::Cookie, b"cookie", &[&cookie]);
        let subject = Subject {
            query: &query,
            method: &method,
            fields: &fields,
            ..Subject::get(&host, &path)
        };
        let table = RouteTable::compile(&specs).expect("good expressions");
        let _ = table.find(&subject);
        let _ = table.explain(&subject, &specs);
    }
}
