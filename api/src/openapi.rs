//! The document, and the router that is made with it.

mod etags;
mod one;
mod problems;
mod welcome;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    http::{Extensions, HeaderMap, StatusCode, Version, header},
    middleware,
    routing::get,
};
use serde_json::Value;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, DefaultPredicate, Predicate as _},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    answer,
    contract::Contract,
    etag::{self, Tag},
    guard::{self, Gate},
    problem::{FieldError, Problem, ProblemBody},
    resource,
    service::Service,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Calipso", description = "Inventory, links and cliques of virtual networks, and the scans that find them."),
    components(schemas(ProblemBody, FieldError)),
    modifiers(&Security),
    security(("token" = []), ("x_auth_token" = []), ("basic" = []))
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
        components.add_security_scheme(
            "x_auth_token",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Auth-Token"))),
        );
    }
}

fn parts() -> (Router<Arc<Service>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi()).nest(resource::PREFIX, resource::all()).split_for_parts()
}

/// The OpenAPI document.
///
/// # Panics
/// Never: the document is made of types that serde can write.
#[must_use]
pub fn document() -> Value {
    let (_, document) = parts();
    written(&document)
}

fn written(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("a document has text keys and finite numbers only");
    one::declare(&mut document);
    problems::declare(&mut document);
    etags::declare(&mut document);
    document
}

/// Whether an answer may be sent in another coding: a strong entity tag names these very bytes.
fn no_strong_tag(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    !headers.get(header::ETAG).is_some_and(etag::is_strong)
}

/// The whole service as a router.
pub fn router(service: Arc<Service>) -> Router {
    let (router, document) = parts();
    let document = written(&document);
    let gate = Gate { service: Arc::clone(&service), contract: Arc::new(Contract::new(&document)) };
    let text = document.to_string();
    let (tag, text) = (Tag::content(&text), Bytes::from(text));
    drop(document);
    let show = async move |headers: HeaderMap| answer::tagged(&headers, &tag, || answer::json_text(text.clone()));
    router
        .route_layer(middleware::from_fn_with_state(gate.clone(), guard::pass))
        .route(&format!("{}/openapi.json", resource::PREFIX), get(show))
        .route("/", get(welcome::page))
        .merge(resource::problems::router())
        .fallback(guard::nowhere)
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(CatchPanicLayer::custom(|_| {
            axum::response::IntoResponse::into_response(Problem::bug("a handler panicked"))
        }))
        .layer(middleware::from_fn_with_state(gate.clone(), guard::in_time))
        .layer(middleware::from_fn_with_state(gate, guard::observe))
        .layer(CompressionLayer::new().gzip(true).compress_when(DefaultPredicate::new().and(no_strong_tag)))
        .with_state(service)
}
