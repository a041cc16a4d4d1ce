//! `/clique_constraints`, `/connection_types`, `/constants`, `/link_types`, `/object_types`, `/schema`,
//! `/supported_environments`: what the specs say, for forms and filters.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use calipso_spec::{Specs, select};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    catalogue::{self, CatalogueQuery, constants::CONSTANTS, kinds, schema::schema},
    extract::Params,
    listing,
    problem::{FieldError, Problem},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(clique_constraints))
        .routes(routes!(connection_types))
        .routes(routes!(constant))
        .routes(routes!(link_types))
        .routes(routes!(object_types))
        .routes(routes!(type_schema))
        .routes(routes!(supported_environments))
}

fn listed(service: &Service, key: &str, items: Vec<Value>, scope: &CatalogueQuery) -> Json<Value> {
    Json(json!({ key: listing::page(items, scope.page, scope.page_size, service.limits.page_size) }))
}

fn object_type_known(specs: &Specs, name: &str, given: Option<&String>) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let known: BTreeSet<String> = specs.object_types.keys().map(ToString::to_string).collect();
    listing::known(&mut errors, name, given, &known);
    listing::refuse(errors)
}

/// Which constraints.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConstraintFilter {
    /// Those of this clique type, as a whole.
    id: Option<String>,
    /// Those of cliques around this object type.
    focal_point_type: Option<String>,
    /// Those with all of these attributes.
    #[serde(default)]
    constraint: Vec<String>,
}

/// What links of a clique must share with its focal point, by clique type.
#[utoipa::path(get, path = "/clique_constraints", tag = "catalogue", params(CatalogueQuery, ConstraintFilter),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn clique_constraints(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(scope): Params<CatalogueQuery>,
    Params(filter): Params<ConstraintFilter>,
) -> Result<Json<Value>, Problem> {
    let (loaded, _) = catalogue::in_force(&service, &caller, scope.env_name.as_deref()).await?;
    object_type_known(&loaded.specs, "focal_point_type", filter.focal_point_type.as_ref())?;
    let shown = |spec: &calipso_spec::checked::CliqueType| json!({"id": spec.head.name, "focal_point_type": spec.focal_point, "constraints": spec.constraints});
    let specs = loaded.specs.clique_types.values().filter(|spec| !spec.constraints.is_empty());
    if let Some(id) = &filter.id {
        let mut specs = specs;
        let found = specs.find(|spec| spec.head.name.as_ref() == id);
        return found
            .map(|spec| Json(shown(spec)))
            .ok_or_else(|| Problem::not_found(format!("no clique type `{id}` has constraints")));
    }
    let items = specs
        .filter(|spec| filter.focal_point_type.as_ref().is_none_or(|wanted| spec.focal_point.as_ref() == wanted))
        .filter(|spec| {
            filter.constraint.iter().all(|wanted| spec.constraints.iter().any(|found| found.as_ref() == wanted))
        })
        .map(|spec| shown(spec))
        .collect();
    Ok(listed(&service, "clique_constraints", items, &scope))
}

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConnectionFilter {
    /// The one of this name.
    name: Option<String>,
    /// Those that serve this role.
    role: Option<String>,
}

/// The ways to reach an environment, each with the form to be filled in.
#[utoipa::path(get, path = "/connection_types", tag = "catalogue", params(CatalogueQuery, ConnectionFilter),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn connection_types(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(scope): Params<CatalogueQuery>,
    Params(filter): Params<ConnectionFilter>,
) -> Result<Json<Value>, Problem> {
    let (loaded, _) = catalogue::in_force(&service, &caller, scope.env_name.as_deref()).await?;
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    let found = loaded.specs.connections.values();
    let found = found.filter(|spec| is(&filter.name, &spec.head.name) && is(&filter.role, &spec.role));
    let items = found.map(|spec| kinds::connection_type(spec)).collect();
    Ok(listed(&service, "connection_types", items, &scope))
}

/// Which list of words.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Constant {
    /// Name of the list.
    name: String,
    /// Words of this environment's platform only.
    env_name: Option<String>,
    /// Words of this platform only.
    env_type: Option<String>,
}

/// The words that a parameter or field can have.
#[utoipa::path(get, path = "/constants", tag = "catalogue", params(Constant),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn constant(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(asked): Params<Constant>,
) -> Result<Json<Value>, Problem> {
    if asked.env_name.is_some() && asked.env_type.is_some() {
        let error = FieldError::query("env_type", "is given together with `env_name`; give one of them");
        return Err(Problem::bad_request(vec![error]));
    }
    let (loaded, environment) = catalogue::in_force(&service, &caller, asked.env_name.as_deref()).await?;
    let specs = &loaded.specs;
    let platforms: BTreeSet<String> = specs.distributions.values().map(|found| found.platform.to_string()).collect();
    if let Some(wanted) = &asked.env_type
        && !platforms.iter().any(|platform| platform.eq_ignore_ascii_case(wanted))
    {
        let mut errors = Vec::new();
        listing::known(&mut errors, "env_type", [wanted], &platforms);
        listing::refuse(errors)?;
    }
    let own = environment
        .and_then(|environment| specs.distributions.get(&environment.distribution))
        .map(|distribution| distribution.platform.to_string());
    let platform = asked.env_type.clone().or(own);
    let Some((name, words)) = CONSTANTS.iter().find(|(name, _)| *name == asked.name) else {
        let known: Vec<&str> = CONSTANTS.iter().map(|(name, _)| *name).collect();
        return Err(Problem::not_found(format!("no list is called `{}`; there are {}", asked.name, known.join(", "))));
    };
    let data: Vec<Value> =
        words(specs, platform.as_deref()).into_iter().map(|word| json!({"label": word, "value": word})).collect();
    Ok(Json(json!({"id": name, "name": name, "data": data})))
}

/// Which link types.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LinkTypeFilter {
    /// The one of this name.
    name: Option<String>,
    /// Those between this object type and others.
    object_type: Option<String>,
}

/// Link types: what is joined with what. With `env_name` those that apply there.
#[utoipa::path(get, path = "/link_types", tag = "catalogue", params(CatalogueQuery, LinkTypeFilter),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn link_types(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(scope): Params<CatalogueQuery>,
    Params(filter): Params<LinkTypeFilter>,
) -> Result<Json<Value>, Problem> {
    let (loaded, environment) = catalogue::in_force(&service, &caller, scope.env_name.as_deref()).await?;
    let specs = &loaded.specs;
    object_type_known(specs, "object_type", filter.object_type.as_ref())?;
    let distribution = environment.as_ref().and_then(|found| specs.distributions.get(&found.distribution));
    let found = match (&environment, distribution) {
        (Some(environment), Some(distribution)) => select::link_types(specs, environment, distribution),
        _ => specs.link_types.values().cloned().collect(),
    };
    let items = found
        .iter()
        .filter(|spec| filter.name.as_ref().is_none_or(|wanted| spec.head.name.as_ref() == wanted))
        .filter(|spec| {
            filter
                .object_type
                .as_ref()
                .is_none_or(|wanted| [&spec.from, &spec.to].iter().any(|end| end.as_ref() == wanted))
        })
        .map(|spec| kinds::link_type(spec, scope.env_name.as_deref()))
        .collect();
    Ok(listed(&service, "link_types", items, &scope))
}

/// Which object types.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ObjectTypeFilter {
    /// The one of this name.
    name: Option<String>,
}

/// Object types with their attributes.
#[utoipa::path(get, path = "/object_types", tag = "catalogue", params(CatalogueQuery, ObjectTypeFilter),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn object_types(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(scope): Params<CatalogueQuery>,
    Params(filter): Params<ObjectTypeFilter>,
) -> Result<Json<Value>, Problem> {
    let (loaded, _) = catalogue::in_force(&service, &caller, scope.env_name.as_deref()).await?;
    let found = loaded.specs.object_types.values();
    let items = found
        .filter(|spec| filter.name.as_ref().is_none_or(|wanted| spec.head.name.as_ref() == wanted))
        .map(|spec| kinds::object_type(spec))
        .collect();
    Ok(listed(&service, "object_types", items, &scope))
}

/// Which schema.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SchemaOf {
    /// Name of an object type.
    r#type: String,
    /// The environment whose specs are meant.
    env_name: Option<String>,
}

/// JSON Schema of the documents of an object type.
#[utoipa::path(get, path = "/schema", tag = "catalogue", params(SchemaOf),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn type_schema(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(asked): Params<SchemaOf>,
) -> Result<Json<Value>, Problem> {
    let (loaded, _) = catalogue::in_force(&service, &caller, asked.env_name.as_deref()).await?;
    let found = loaded.specs.object_types.get(asked.r#type.as_str());
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no object type `{}`", asked.r#type)))?;
    Ok(Json(schema(found)))
}

/// Which combinations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SupportFilter {
    /// Of this distribution.
    distribution: Option<String>,
    /// Of this version.
    distribution_version: Option<String>,
    /// Of this platform.
    environment_type: Option<String>,
    /// With all of these mechanism drivers.
    #[serde(default)]
    mechanism_drivers: Vec<String>,
    /// With all of these type drivers.
    #[serde(default)]
    type_drivers: Vec<String>,
}

/// Combinations of distribution, version and drivers that somebody vouches for, and what works there.
#[utoipa::path(get, path = "/supported_environments", tag = "catalogue", params(CatalogueQuery, SupportFilter),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn supported_environments(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(scope): Params<CatalogueQuery>,
    Params(filter): Params<SupportFilter>,
) -> Result<Json<Value>, Problem> {
    let (loaded, _) = catalogue::in_force(&service, &caller, scope.env_name.as_deref()).await?;
    let is = |wanted: &Option<String>, found: &Value| {
        wanted.as_ref().is_none_or(|wanted| found.as_str().is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
    };
    let has = |wanted: &[String], found: &Value| {
        wanted.iter().all(|wanted| found.as_array().is_some_and(|found| found.iter().any(|one| one == wanted)))
    };
    let fits = |row: &Value| {
        let environment = &row["environment"];
        is(&filter.distribution, &environment["distribution"])
            && is(&filter.distribution_version, &environment["distribution_version"])
            && is(&filter.environment_type, &row["environment_type"])
            && has(&filter.mechanism_drivers, &environment["mechanism_drivers"])
            && has(&filter.type_drivers, &environment["type_drivers"])
    };
    let items = kinds::all_variances(&loaded.specs).into_iter().filter(fits).collect();
    Ok(listed(&service, "supported_environments", items, &scope))
}
