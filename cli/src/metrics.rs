//! `/metrics`: what the process counted, in the text form of Prometheus.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use calipso_api::{Problem, Service};
use calipso_pipeline::work::describe_metrics;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::failure::{Exit, Failure};

/// Seconds between the buckets of latencies: from half a millisecond to half a minute.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Who may read the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    Everybody,
    Users,
}

impl Readers {
    /// From the setting `metrics`; nothing when metrics are off.
    ///
    /// # Errors
    /// It is none of the three words.
    pub fn from_setting(text: &str) -> Result<Option<Self>, Failure> {
        match text {
            "off" => Ok(None),
            "open" => Ok(Some(Self::Everybody)),
            "login" => Ok(Some(Self::Users)),
            other => Err(Failure::usage(format!("the setting `metrics` is `login`, `open` or `off`, not `{other}`"))),
        }
    }
}

#[derive(Clone)]
struct Exporter {
    handle: PrometheusHandle,
    service: Arc<Service>,
    readers: Readers,
}

/// Begins to count, and makes the route that shows it.
///
/// # Errors
/// Somebody counts already in this process.
pub fn router(service: Arc<Service>, readers: Readers) -> Result<Router, Failure> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot count: {error}")))?;
    calipso_api::describe_gauges();
    describe_metrics();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(5));
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(Router::new().route("/metrics", get(show)).with_state(Exporter { handle, service, readers }))
}

async fn show(State(exporter): State<Exporter>, request: Request) -> Response {
    let shown = text(&exporter, request).await;
    // This route stands beside the interface, which writes problems with the ids of requests.
    shown.unwrap_or_else(|problem| problem.response(None))
}

async fn text(exporter: &Exporter, request: Request) -> Result<Response, Problem> {
    if exporter.readers == Readers::Users {
        let (parts, _) = request.into_parts();
        if exporter.service.caller(&parts).await?.is_none() {
            return Err(Problem::unauthenticated("the metrics are for users; send a token"));
        }
    }
    // What the store does not tell stays as it was; the rest is wanted most when it is away.
    if let Err(error) = calipso_api::set_gauges(exporter.service.backend.as_ref()).await {
        tracing::warn!(%error, "The queues could not be counted for the metrics.");
    }
    let text = exporter.handle.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
