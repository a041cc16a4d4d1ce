//! `/timezone`: in which time zone an environment, or the server, lives.

use std::sync::Arc;

use axum::{Json, extract::State};
use calipso_model::Environment;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    extract::Params,
    problem::{Problem, ProblemBody},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(timezone))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TimezoneQuery {
    /// An environment; the server when not given.
    #[param(min_length = 1, max_length = 256)]
    env_name: Option<String>,
}

/// How far local time is from UTC.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TimezoneOffset)]
pub(super) struct Offset {
    hours: i32,
    minutes: i32,
}

/// A time zone.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Timezone {
    /// Its IANA name; `unknown` when nothing is known by the name that is configured.
    pub(super) tz_name: String,
    /// How far it is from UTC now.
    pub(super) utc_offset: Offset,
}

impl Timezone {
    /// The time zone of a name, at a time.
    pub(super) fn named(name: &str, now: jiff::Timestamp) -> Self {
        let zone = jiff::tz::TimeZone::get(name).ok();
        let seconds = zone.as_ref().map_or(0, |zone| zone.to_offset(now).seconds());
        Self {
            tz_name: if zone.is_some() { name.to_owned() } else { "unknown".to_owned() },
            utc_offset: Offset { hours: seconds / 3_600, minutes: seconds % 3_600 / 60 },
        }
    }

    /// The server's: all its times are UTC.
    pub(super) fn server() -> Self {
        Self { tz_name: "UTC".to_owned(), utc_offset: Offset { hours: 0, minutes: 0 } }
    }

    /// That of an environment, as its setting `timezone` says; UTC where it says nothing.
    pub(super) fn of(environment: &Environment, now: jiff::Timestamp) -> Self {
        let setting = environment.settings.text("timezone").or_else(|| environment.settings.text("time_zone"));
        setting.map_or_else(Self::server, |name| Self::named(name, now))
    }
}

/// In which time zone an environment, or the server, lives.
#[utoipa::path(get, path = "/timezone", tag = "service", extensions(("x-right" = json!("login"))), params(TimezoneQuery),
    responses((status = 200, body = inline(Timezone)), (status = 404, body = ProblemBody)))]
async fn timezone(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(query): Params<TimezoneQuery>,
) -> Result<Json<Timezone>, Problem> {
    let Some(name) = query.env_name else { return Ok(Json(Timezone::server())) };
    if !caller.may_view(&name) {
        return Err(Problem::forbidden("your rights do not reach this environment"));
    }
    let environment = service.backend.environment(&name).await?;
    Ok(Json(Timezone::of(&environment, (service.clock)())))
}
