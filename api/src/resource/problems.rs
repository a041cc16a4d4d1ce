//! `/problems/…`: every type of problem explains itself.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    problem::{KINDS, Problem},
    service::Service,
};

/// The routes of this resource. They stand beside the interface, not in it: links from answers lead here.
pub fn router() -> Router<Arc<Service>> {
    Router::new().route("/problems/{slug}", get(explain))
}

async fn explain(Path(slug): Path<String>) -> Response {
    match KINDS.iter().find(|kind| kind.slug == slug) {
        Some(kind) => {
            let text = format!("{} ({})\n\n{}\n", kind.title, kind.status, kind.about);
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        None => Problem::not_found("no type of problem has this name").into_response(),
    }
}
