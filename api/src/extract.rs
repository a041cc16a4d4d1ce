//! What handlers take: parameters and bodies that the contract has passed.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{access::Caller, problem::Problem};

/// What the guard found in a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckedRequest {
    /// Query and path parameters.
    pub(crate) params: Map<String, Value>,
    pub(crate) body: Option<Value>,
}

/// The parameters of query and path, as a struct that stands in the document.
#[derive(Clone, Debug)]
pub(crate) struct Params<T>(pub(crate) T);

/// The body, as a struct that stands in the document.
#[derive(Clone, Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// What an answer that may be kept, or that has a next page, needs of its request.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// The headers: what the client has already.
    pub(crate) headers: HeaderMap,
    /// The query, as it was sent.
    pub(crate) query: Option<String>,
}

fn checked(parts: &mut Parts) -> Result<&mut CheckedRequest, Problem> {
    parts.extensions.get_mut::<CheckedRequest>().ok_or_else(|| Problem::bug("a handler is not behind the guard"))
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        T::deserialize(&checked(parts)?.params).map(Self).map_err(Problem::bug)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let body = checked(parts)?.body.take().unwrap_or_default();
        T::deserialize(&body).map(Self).map_err(Problem::bug)
    }
}

impl<S: Sync> FromRequestParts<S> for Conditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self { headers: parts.headers.clone(), query: parts.uri.query().map(str::to_owned) })
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthenticated("log in first"))
    }
}
