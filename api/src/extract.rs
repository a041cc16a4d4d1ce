//! What handlers take: parameters and bodies that the contract has passed.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{access::Caller, problem::Problem};

/// What the guard found in a request.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Query and path parameters.
    pub params: Map<String, Value>,
    /// The body.
    pub body: Option<Value>,
}

/// The parameters of query and path, as a struct that stands in the document.
#[derive(Clone, Debug)]
pub struct Params<T>(pub T);

/// The body, as a struct that stands in the document.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

fn checked(parts: &Parts) -> Result<&Checked, Problem> {
    parts.extensions.get::<Checked>().ok_or_else(|| Problem::bug("a handler is not behind the guard"))
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let params = Value::Object(checked(parts)?.params.clone());
        serde_json::from_value(params).map(Self).map_err(Problem::bug)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let body = checked(parts)?.body.clone().unwrap_or_default();
        serde_json::from_value(body).map(Self).map_err(Problem::bug)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthenticated("log in first"))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
