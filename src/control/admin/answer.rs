//! A request on the admin socket becomes an answer. Everything is JSON; what is not there is told with what is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::super::event::{Event, Reply, Request as Asked};
use super::super::reload::{ReloadError, Reloaded};
use super::site::Site;
use super::status::{LookedUp, Status};
use crate::config::{Colour, Report};

/// What `POST /v1/reload` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadAnswer {
    /// `good`, or why nothing has changed: `problems` in the configuration, or it `failed`.
    pub outcome: String,
    /// Where the configuration comes from: the file's whole path.
    pub configuration: String,
    /// The generation in service now.
    pub generation: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// What was written but could not be applied, and what it takes.
    pub notes: Vec<String>,
    /// How many problems there are, in words.
    pub summary: String,
    /// What was found, as `forebay check --json` has it.
    pub problems: Value,
    /// The same for people, as `forebay check` shows it.
    pub rendered: String,
}

/// Answers one request, whatever it is.
pub(super) async fn answer<B>(
    request: Request<B>,
    site: Arc<Site>,
) -> Result<Response<String>, Infallible> {
    let (uri, method) = (request.uri(), request.method());
    Ok(match uri.path() {
        "/v1/status" if method == Method::GET || method == Method::HEAD => {
            status(site, parameter(uri.query(), "upstream")).await
        }
        "/v1/status" => not_allowed("GET, HEAD"),
        "/v1/reload" if method == Method::POST => {
            let colour = match parameter(uri.query(), "colour").as_deref() {
                Some("always") => Colour::Always,
                _ => Colour::Never,
            };
            reload(&site, colour).await
        }
        "/v1/reload" => not_allowed("POST"),
        _ => error(
            StatusCode::NOT_FOUND,
            "there is nothing here; there is GET /v1/status and POST /v1/reload",
        ),
    })
}

/// The value of a query parameter. Values are names and words, in which nothing is escaped.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

async fn status(site: Arc<Site>, upstream: Option<String>) -> Response<String> {
    let Ok(_place) = Arc::clone(&site.gathering).acquire_owned().await else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping");
    };
    let looked_up = match LookedUp::of(&site, upstream.as_deref()) {
        Ok(looked_up) => looked_up,
        Err(message) => return error(StatusCode::NOT_FOUND, &message),
    };
    let gather = move || {
        let status = Status::gather(&site, &looked_up, Instant::now());
        serde_json::to_string_pretty(&status)
    };
    match tokio::task::spawn_blocking(gather).await {
        Ok(Ok(text)) => json_text(StatusCode::OK, text),
        Ok(Err(_)) | Err(_) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "a fault while the state was gathered; the log has more",
        ),
    }
}

async fn reload(site: &Site, colour: Colour) -> Response<String> {
    let (reply, outcome) = oneshot::channel();
    let asked = Asked { cause: "the admin socket", reply: Some(Reply::Task(reply)) };
    let refused = match site.events.try_send(Event::Reload(asked)) {
        Ok(()) => None,
        Err(mpsc::error::TrySendError::Full(_)) => Some(ReloadError::Io(
            "too much is waiting to be done already; reload again later".into(),
        )),
        Err(mpsc::error::TrySendError::Closed(_)) => Some(ReloadError::stopping()),
    };
    let outcome = match refused {
        Some(error) => Err(error),
        None => match tokio::time::timeout(RELOAD_MAX, outcome).await {
            Ok(outcome) => outcome.unwrap_or_else(|_| Err(ReloadError::stopping())),
            Err(_) => {
                return error(
                    StatusCode::GATEWAY_TIMEOUT,
                    "the reload takes its time; it goes on, and the log tells what comes of it",
                );
            }
        },
    };
    let code = match &outcome {
        Ok(_) => StatusCode::OK,
        Err(ReloadError::Problems(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        Err(ReloadError::Io(_)) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let generation = site.snapshot.load().generation;
    let configuration = site.configuration.clone();
    let answer = ReloadAnswer { configuration, ..ReloadAnswer::of(outcome, generation, colour) };
    match serde_json::to_string_pretty(&answer) {
        Ok(text) => json_text(code, text),
        Err(fault) => error(StatusCode::INTERNAL_SERVER_ERROR, &fault.to_string()),
    }
}

/// How long somebody who asked for a reload waits for it, which is less than a connection may take.
const RELOAD_MAX: Duration = Duration::from_secs(50);

impl ReloadAnswer {
    fn of(outcome: Result<Reloaded, ReloadError>, generation: u64, colour: Colour) -> Self {
        let found = |outcome: &str, report: &Report| ReloadAnswer {
            outcome: outcome.to_owned(),
            generation,
            summary: report.summary(),
            problems: report.to_json(),
            rendered: report.render(colour),
            ..ReloadAnswer::default()
        };
        match outcome {
            Ok(reloaded) => ReloadAnswer {
                generation: reloaded.generation,
                notes: reloaded.notes,
                ..found("good", &reloaded.warnings)
            },
            Err(ReloadError::Problems(report)) => found("problems", &report),
            Err(ReloadError::Io(error)) => {
                ReloadAnswer { error: Some(error), ..found("failed", &Report::default()) }
            }
        }
    }
}

fn not_allowed(allowed: &'static str) -> Response<String> {
    let message = format!("this takes {allowed} only");
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, &message);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn error(status: StatusCode, message: &str) -> Response<String> {
    json_text(status, format!("{:#}", json!({ "error": message })))
}

fn json_text(status: StatusCode, mut text: String) -> Response<String> {
    text.push('\n');
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
