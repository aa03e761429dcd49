//! What good routes, filters and tests are read as.

use std::time::Duration;

use super::super::schema::{
    Action, ClientIpCondition, Expect, FieldCondition, Filter, HeaderEdits, MethodCondition,
    Mirror, PathPattern, Redirect, RegexRewrite, Rewrite, Route, Split, SplitBy, SplitTarget,
    ValuePattern,
};
use super::super::template::Template;
use super::config;

/// The one route with this TOML; what it names besides `app` is defined.
fn route(toml: &str) -> Route {
    let mut config = config(&format!(
        "[[route]]\n{toml}\n[filter.f]\nheaders = {{ response = {{ remove = [\"server\"] }} }}\n\
         [[route]]\nname = \"rest\"\nupstream = \"app\"\nfilters = [\"f\"]\nhosts = [\"rest.example\"]\n\
         mirror = \"next\"\n[upstream.next]\nbackends = [\"127.0.0.1:1\"]\n"
    ));
    config.routes.remove(0)
}

fn matched(toml: &str) -> Route {
    route(&format!("name = \"x\"\nupstream = \"app\"\nmatch = {{ {toml} }}"))
}

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

#[test]
fn a_route_with_only_an_upstream_has_the_defaults() {
    let route = config("").routes.remove(0);
    assert_eq!(route.action, Action::Upstream("app".into()));
    assert!(route.listeners.is_empty() && route.filters.is_empty());
    assert!(route.conditions.is_empty());
    assert_eq!(route.rewrite, Rewrite::default());
    assert_eq!((route.priority, route.body_bytes, route.mirror), (0, None, None));
}

#[test]
fn methods_and_clients_can_be_negated() {
    let conditions = matched("methods = [\"GET\", \"PROPFIND\"]").conditions;
    let methods = vec!["GET".to_owned(), "PROPFIND".to_owned()];
    assert_eq!(conditions.methods, Some(MethodCondition { methods, negated: false }));
    assert_eq!(conditions.len(), 1);
    let conditions = matched("methods = { not = [\"GET\"] }").conditions;
    assert_eq!(conditions.methods.map(|methods| methods.negated), Some(true));
    let networks = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"].map(|net| net.parse());
    let networks: Vec<_> = networks.into_iter().map(|net| net.expect("a network")).collect();
    for (toml, negated) in [
        ("[\"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/32\"]", false),
        ("{ not = [\"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/32\"] }", true),
    ] {
        let conditions = matched(&format!("client_ip = {toml}")).conditions;
        let networks = networks.clone();
        assert_eq!(conditions.client_ip, Some(ClientIpCondition { networks, negated }));
    }
}

#[test]
fn values_are_exact_expressions_or_there_and_each_can_be_negated() {
    let exact = || ValuePattern::Exact("v".into());
    let regex = || ValuePattern::Regex("v[0-9]+".into());
    for (toml, value, negated) in [
        ("\"v\"", exact(), false),
        ("{ regex = \"v[0-9]+\" }", regex(), false),
        ("{ present = true }", ValuePattern::Present, false),
        ("{ present = false }", ValuePattern::Present, true),
        ("{ not = \"v\" }", exact(), true),
        ("{ not = { regex = \"v[0-9]+\" } }", regex(), true),
        ("{ not = { present = true } }", ValuePattern::Present, true),
        ("{ not = { present = false } }", ValuePattern::Present, false),
    ] {
        let route = matched(&format!(
            "headers = {{ X-Version = {toml} }}, query = {{ Beta = {toml} }}, cookies = {{ Kind = {toml} }}"
        ));
        let field =
            |name: &str| FieldCondition { name: name.into(), value: value.clone(), negated };
        assert_eq!(route.conditions.headers, [field("x-version")], "{toml}");
        assert_eq!(route.conditions.query, [field("Beta")], "{toml}");
        assert_eq!(route.conditions.cookies, [field("Kind")], "{toml}");
        assert_eq!(route.conditions.len(), 3);
    }
}

#[test]
fn a_header_can_be_called_not() {
    let route = matched("headers = { not = \"v\", x = { not = \"v\" } }");
    let read: Vec<_> =
        route.conditions.headers.iter().map(|it| (it.name.as_str(), it.negated)).collect();
    assert_eq!(read, [("not", false), ("x", true)]);
}

#[test]
fn conditions_can_stand_under_headers_of_their_own() {
    let route = route(
        "name = \"x\"\nupstream = \"app\"\n[route.match]\npath_regex = '/item/\\d+'\n[route.match.headers]\nx-a = \"1\"\n[route.match.cookies.kind]\nnot = \"beta\"",
    );
    assert_eq!(route.path, PathPattern::Regex("/item/\\d+".into()));
    assert_eq!(route.conditions.len(), 2);
    assert!(route.conditions.cookies[0].negated);
}

#[test]
fn a_rewrite_has_four_parts() {
    let route = route(
        r#"
        name = "x"
        upstream = "app"
        match = { path_prefix = "/api" }
        rewrite = { strip_prefix = "/api/", add_prefix = "/v%31/", regex = { from = '^/a/(\d+)$', to = "/b/$1$$$$" }, host = "{host}:8080" }
        "#,
    );
    assert_eq!(
        route.rewrite,
        Rewrite {
            strip_prefix: Some("/api".into()),
            add_prefix: Some("/v1".into()),
            regex: Some(RegexRewrite { from: "^/a/(\\d+)$".into(), to: "/b/$1$$".into() }),
            host: Some(template("{host}:8080")),
        }
    );
}

#[test]
fn names_of_groups_survive_the_environment() {
    let rewrite = |to: &str| {
        let toml = format!(
            "name = \"x\"\nupstream = \"app\"\nrewrite = {{ regex = {{ from = '^/(?<id>\\d+)', to = \"{to}\" }} }}"
        );
        route(&toml).rewrite.regex.expect("there is one").to
    };
    assert_eq!(rewrite("/$id/x"), "/$id/x");
    assert_eq!(rewrite("/$${id}x"), "/${id}x");
    assert_eq!(rewrite("/${1}x"), "/${1}x");
}

#[test]
fn timeouts_and_limits_of_a_route_stand_above_the_others() {
    let route = route(
        "name = \"x\"\nupstream = \"app\"\ntimeouts = { total = \"30s\", connect = \"off\" }\nlimits = { body = \"1MiB\" }\npriority = -5",
    );
    assert_eq!(route.timeouts.total, Some(Some(Duration::from_secs(30))));
    assert_eq!(route.timeouts.connect, Some(None));
    assert_eq!(route.timeouts.first_byte, None);
    assert_eq!((route.body_bytes, route.priority), (Some(Some(1 << 20)), -5));
}

#[test]
fn a_split_has_weights_and_may_stick() {
    let split = |by: &str| {
        let toml = format!(
            "name = \"x\"\nsplit = [{{ upstream = \"app\", weight = 95 }}, {{ upstream = \"next\" }}]\n{by}"
        );
        match route(&toml).action {
            Action::Split(split) => split,
            other => panic!("{other:?}"),
        }
    };
    let targets = vec![
        SplitTarget { upstream: "app".into(), weight: 95 },
        SplitTarget { upstream: "next".into(), weight: 1 },
    ];
    for (toml, by) in [
        ("", SplitBy::Random),
        ("split_by = \"random\"", SplitBy::Random),
        ("split_by = \"cookie:Canary\"", SplitBy::Cookie("Canary".into())),
        ("split_by = \"header:X-User\"", SplitBy::Header("x-user".into())),
    ] {
        assert_eq!(split(toml), Split { targets: targets.clone(), by });
    }
}

#[test]
fn redirects_and_mirrors_have_a_short_form() {
    for (toml, to, status) in [
        ("\"https://{host}{path_and_query}\"", "https://{host}{path_and_query}", 308),
        ("{ to = \"/new\", status = 302 }", "/new", 302),
        ("{ to = \"{scheme}://a.example:8080/\" }", "{scheme}://a.example:8080/", 308),
        ("\"mailto:me@a.example\"", "mailto:me@a.example", 308),
    ] {
        let route = route(&format!("name = \"x\"\nredirect = {toml}"));
        assert_eq!(route.action, Action::Redirect(Redirect { to: template(to), status }));
    }
    for (toml, percent) in [
        ("\"next\"", 100.0),
        ("{ upstream = \"next\" }", 100.0),
        ("{ upstream = \"next\", percent = 0.5 }", 0.5),
        ("{ upstream = \"next\", percent = 5 }", 5.0),
    ] {
        let route = route(&format!("name = \"x\"\nupstream = \"app\"\nmirror = {toml}"));
        assert_eq!(route.mirror, Some(Mirror { upstream: "next".into(), percent }));
    }
}

#[test]
fn an_answer_has_a_content_type_where_it_has_a_body() {
    let respond = |toml: &str| match route(&format!("name = \"x\"\nrespond = {toml}")).action {
        Action::Respond(respond) => respond,
        other => panic!("{other:?}"),
    };
    let text = respond("{ body = \"hé {host}\" }");
    assert_eq!((text.status, &text.body[..]), (200, "hé {host}".as_bytes()));
    let plain = ("content-type".to_owned(), template("text/plain; charset=utf-8"));
    assert_eq!(text.headers, [plain]);
    let own = respond(
        "{ status = 404, body = \"{}\", headers = { Content-Type = \"application/json\", x-route = \"{route}\" } }",
    );
    assert_eq!(own.status, 404);
    let json = ("content-type".to_owned(), template("application/json"));
    assert_eq!(own.headers, [json, ("x-route".to_owned(), template("{route}"))]);
    for toml in ["{}", "{ status = 204 }", "{ status = 204, body = \"\" }"] {
        let empty = respond(toml);
        assert!(empty.body.is_empty() && empty.headers.is_empty(), "{toml}");
    }
}

#[test]
fn a_filter_edits_headers_of_both_directions() {
    let config = config(
        r#"
        [filter.secure]
        headers = { request = { set = { X-Env = "prod" }, add = { x-by = ["a", "{listener}"] }, remove = ["X-Debug"] }, response = { set = { x-served-by = "{backend}" } } }
        [[route]]
        upstream = "app"
        filters = ["secure"]
        "#,
    );
    let Filter::Headers(headers) = &config.filters["secure"];
    let edit = |name: &str, value: &str| (name.to_owned(), template(value));
    assert_eq!(
        headers.request,
        HeaderEdits {
            remove: vec!["x-debug".into()],
            set: vec![edit("x-env", "prod")],
            add: vec![edit("x-by", "a"), edit("x-by", "{listener}")],
        }
    );
    assert_eq!(headers.response.set, [edit("x-served-by", "{backend}")]);
    assert_eq!(config.routes[0].filters, ["secure"]);
}

#[test]
fn a_filter_can_be_called_as_its_kind() {
    let config = config(
        "[filter.headers]\nheaders = { request = { remove = [\"x-a\"] } }\n[[route]]\nupstream = \"app\"\nfilters = [\"headers\"]\n",
    );
    assert!(config.filters.contains_key("headers"));
}

#[test]
fn a_test_has_a_request_and_what_it_expects() {
    let config = config(
        r#"
        [[test]]
        request = "GET https://Shop.example:8443/api/%2e%2e/x?y=1"
        headers = { X-B = "1", a = ["2", "3"] }
        from = "2001:db8::7"
        listener = "http"
        expect = { route = "default", upstream = "app", status = 400, path = "/x?y=1" }
        [[test]]
        request = "PROPFIND http://[::1]"
        expect = { route = "none" }
        "#,
    );
    let [first, second] = &config.tests[..] else { panic!("there are two") };
    let request = &first.request;
    assert_eq!(request.method, "GET");
    assert_eq!(request.url, "https://Shop.example:8443/api/%2e%2e/x?y=1");
    let headers = [("x-b", "1"), ("a", "2"), ("a", "3")].map(|(n, v)| (n.into(), v.into()));
    assert_eq!(request.headers, headers);
    assert_eq!(request.from, "2001:db8::7".parse().ok());
    assert_eq!(request.listener.as_deref(), Some("http"));
    assert_eq!(
        first.expect,
        Expect {
            route: Some("default".into()),
            upstream: Some("app".into()),
            status: Some(400),
            path: Some("/x?y=1".into()),
        }
    );
    assert_eq!((first.place.as_str(), second.place.as_str()), ("test.0", "test.1"));
    assert_eq!(second.request.from, None);
    assert_eq!(second.expect.route.as_deref(), Some("none"));
}

#[test]
fn lists_end_at_their_bounds() {
    let list = |n: usize, item: &str| vec![item; n].join(", ");
    let networks = |n: usize| format!("client_ip = [{}]", list(n, "\"10.0.0.0/8\""));
    assert_eq!(
        matched(&networks(1024)).conditions.client_ip.map(|clients| clients.networks.len()),
        Some(1024)
    );
    let headers = |n: usize| {
        let entries: Vec<_> = (0..n).map(|n| format!("x-{n} = \"1\"")).collect();
        format!("headers = {{ {} }}", entries.join(", "))
    };
    assert_eq!(matched(&headers(64)).conditions.headers.len(), 64);
    for toml in [networks(1025), headers(65)] {
        let text = format!("[[route]]\nupstream = \"app\"\nmatch = {{ {toml} }}\n");
        let report = super::report(&super::completed(&text));
        assert!(report.has_errors(), "{report}");
    }
}
