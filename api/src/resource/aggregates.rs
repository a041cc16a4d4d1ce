//! `/aggregates`: how much there is of what.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use calipso_model::Str;
use calipso_spec::Specs;
use calipso_store::{
    Collection, RecordQuery,
    work::{Level, Recurrence, ScanStatus},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    extract::Params,
    problem::{FieldError, Problem, ProblemBody},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(aggregates))
}

/// What is counted.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Objects, links and cliques of one environment, by type.
    Environment,
    /// Messages, by level and by environment.
    Message,
    /// Values of constants, by name.
    Constant,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AggregatesQuery {
    /// What is counted.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Kind,
    /// The environment; needed by `environment`.
    #[param(min_length = 1, max_length = 256)]
    env_name: Option<String>,
    /// The revision of the environment; the current one when not given.
    #[param(minimum = 0)]
    at: Option<u64>,
}

type Numbers = BTreeMap<String, u64>;

/// Numbers, by what is counted and its names.
#[derive(Debug, Serialize, ToSchema)]
struct Aggregates {
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    env_name: Option<String>,
    /// What is counted, its names, and how many there are of each.
    aggregates: BTreeMap<&'static str, Numbers>,
    /// The revision that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

/// How much there is of what, in the environments that you may view.
#[utoipa::path(get, path = "/aggregates", tag = "inventory", extensions(("x-right" = json!("login"))),
    params(AggregatesQuery),
    responses((status = 200, body = inline(Aggregates)), (status = 404, body = ProblemBody)))]
async fn aggregates(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(query): Params<AggregatesQuery>,
) -> Result<Json<Aggregates>, Problem> {
    if let Some(name) = &query.env_name
        && !caller.may_view(name)
    {
        return Err(Problem::forbidden("your rights do not reach this environment"));
    }
    let mut answer = Aggregates { kind: query.kind, env_name: None, aggregates: BTreeMap::new(), revision: None };
    match query.kind {
        Kind::Environment => {
            let Some(name) = query.env_name else {
                let sentence = "is needed where an environment is counted";
                return Err(Problem::bad_request(vec![FieldError::query("env_name", sentence)]));
            };
            let counts = service.backend.counts(&name, query.at).await?;
            let numbers = |counts: Vec<(Str, u64)>| counts.into_iter().map(|(name, n)| (name.to_string(), n)).collect();
            answer.aggregates.insert("object_types", numbers(counts.objects));
            answer.aggregates.insert("link_types", numbers(counts.links));
            answer.aggregates.insert("clique_types", numbers(counts.cliques));
            answer.revision = Some(counts.revision);
            answer.env_name = Some(name);
        }
        Kind::Message => {
            let (levels, environments) = messages(&service, &caller, query.env_name.as_deref()).await?;
            answer.aggregates.insert("levels", levels);
            answer.aggregates.insert("environments", environments);
        }
        Kind::Constant => {
            let loaded = match &query.env_name {
                Some(name) => service.catalogue(name).await?,
                None => Arc::clone(service.catalogues.server()),
            };
            answer.aggregates.insert("names", constants(&loaded.specs));
        }
    }
    Ok(Json(answer))
}

/// Messages by level and by environment, of those that the caller may view.
async fn messages(service: &Service, caller: &Caller, only: Option<&str>) -> Result<(Numbers, Numbers), Problem> {
    let mut names: Vec<Str> =
        service.backend.environments().await?.into_iter().map(|environment| environment.name).collect();
    // Messages about no environment are for those who may view all.
    if caller.may_view(crate::access::EVERY) {
        names.push("".into());
    }
    names.retain(|name| caller.may_view(name) && only.is_none_or(|only| *only == **name));
    let (mut levels, mut environments) = (Numbers::new(), Numbers::new());
    for name in names {
        let mut all = 0;
        for level in Level::ALL {
            let query = RecordQuery::all().equals("environment", name.clone()).equals("level", level.as_str());
            let n = service.backend.count(Collection::Messages, &query).await?;
            if n > 0 {
                *levels.entry(level.as_str().to_owned()).or_default() += n;
                all += n;
            }
        }
        if all > 0 {
            environments.insert(name.to_string(), all);
        }
    }
    Ok((levels, environments))
}

/// How many values each constant has.
fn constants(specs: &Specs) -> Numbers {
    let distinct = |names: Vec<&Str>| names.into_iter().collect::<std::collections::BTreeSet<_>>().len();
    let distributions = || specs.distributions.values();
    let variances = || distributions().flat_map(|distribution| &distribution.variances);
    let numbers = [
        ("clique_types", specs.clique_types.len()),
        ("distribution_versions", distinct(distributions().flat_map(|known| &known.versions).collect())),
        ("distributions", specs.distributions.len()),
        ("environment_types", distinct(distributions().map(|known| &known.platform).collect())),
        ("link_states", 2),
        // Each may be walked in both directions.
        ("link_types", 2 * specs.link_types.len()),
        ("log_levels", Level::ALL.len()),
        ("mechanism_drivers", distinct(variances().flat_map(|known| &known.mechanism_drivers).collect())),
        ("messages_severity", Level::ALL.len()),
        ("object_types", specs.object_types.len()),
        ("scans_recurrences", Recurrence::ALL.len()),
        ("scans_statuses", ScanStatus::ALL.len()),
        ("type_drivers", distinct(variances().flat_map(|known| &known.type_drivers).collect())),
    ];
    numbers.into_iter().map(|(name, n)| (name.to_owned(), n as u64)).collect()
}
