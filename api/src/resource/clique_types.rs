//! `/clique_types`: what is walked from a focal point; those of single environments are made and removed here.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use calipso_model::Str;
use calipso_spec::{
    checked::{CliqueType, ListCondition},
    environment::Mistake,
    select,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    audit::Notes,
    catalogue::{self, CatalogueQuery, constants::CONSTANTS, is_own, kinds},
    environments::{
        body::rejected,
        own_specs::{self, Content, Draft},
    },
    etag::{self, Tag},
    extract::{Body, Params},
    listing,
    problem::{FieldError, Problem},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(remove))
}

/// Which clique types.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CliqueTypesQuery {
    /// The one of this name, as a whole.
    id: Option<String>,
    /// Those of this name.
    name: Option<String>,
    /// Those around this object type.
    focal_point_type: Option<String>,
    /// Those whose path has all of these link types.
    #[serde(default)]
    link_type: Vec<String>,
    /// Those that apply to this distribution.
    distribution: Option<String>,
    /// Those that apply to this version of it.
    distribution_version: Option<String>,
    /// Those that apply to all of these mechanism drivers.
    #[serde(default)]
    mechanism_drivers: Vec<String>,
    /// Those that apply to all of these type drivers.
    #[serde(default)]
    type_drivers: Vec<String>,
}

/// A clique type of one environment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCliqueType {
    /// The environment (`environment` is the same).
    env_name: Option<String>,
    /// The environment, as the original calls it.
    environment: Option<String>,
    /// Its name.
    name: String,
    /// Object type in the middle.
    focal_point_type: String,
    /// Link types in the order in which they are walked; one that is walked backwards is written backwards.
    #[schema(min_items = 1)]
    link_types: Vec<String>,
    /// Attributes whose values on links must agree with the focal point.
    #[serde(default)]
    constraints: Vec<String>,
    /// Whether implicit links are walked, too.
    #[serde(default)]
    use_implicit_links: bool,
    /// What it is for.
    description: Option<String>,
}

/// Clique types. With `env_name` those that match there, the one that is used for each focal point first.
#[utoipa::path(get, path = "/clique_types", tag = "catalogue", params(CatalogueQuery, CliqueTypesQuery),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(scope): Params<CatalogueQuery>,
    Params(filter): Params<CliqueTypesQuery>,
) -> Result<Json<Value>, Problem> {
    let (loaded, environment) = catalogue::in_force(&service, &caller, scope.env_name.as_deref()).await?;
    let specs = &loaded.specs;
    let mut errors = Vec::new();
    let words = |name: &str| {
        let found = CONSTANTS.iter().find(|(known, _)| *known == name);
        found.map_or_else(BTreeSet::new, |(_, words)| words(specs, None))
    };
    for (name, given, list) in [
        ("focal_point_type", filter.focal_point_type.iter().collect::<Vec<_>>(), "object_types"),
        ("distribution", filter.distribution.iter().collect(), "distributions"),
        ("distribution_version", filter.distribution_version.iter().collect(), "distribution_versions"),
        ("mechanism_drivers", filter.mechanism_drivers.iter().collect(), "mechanism_drivers"),
        ("type_drivers", filter.type_drivers.iter().collect(), "type_drivers"),
    ] {
        listing::known(&mut errors, name, given, &words(list));
    }
    if filter.distribution_version.is_some() && filter.distribution.is_none() {
        errors.push(FieldError::query("distribution_version", "is given without `distribution`"));
    }
    listing::refuse(errors)?;
    let distribution = environment.as_ref().and_then(|found| specs.distributions.get(&found.distribution));
    let found: Vec<Arc<CliqueType>> = match (&environment, distribution) {
        (Some(environment), Some(distribution)) => select::clique_types(specs, environment, distribution),
        _ => specs.clique_types.values().cloned().collect(),
    };
    let env_name = scope.env_name.as_deref();
    if let Some(id) = &filter.id {
        let one = found.iter().find(|spec| spec.head.name.as_ref() == id);
        let one = one.ok_or_else(|| Problem::not_found(format!("there is no clique type `{id}`")))?;
        return Ok(Json(kinds::clique_type(one, env_name)));
    }
    let versions = filter.distribution.as_ref().and_then(|name| specs.distributions.get(name.as_str()));
    let versions: &[Str] = versions.map_or(&[], |distribution| &distribution.versions);
    let items: Vec<Value> = found
        .iter()
        .filter(|spec| fits(spec, &filter, versions))
        .map(|spec| kinds::clique_type(spec, env_name))
        .collect();
    let page = listing::page(items, scope.page, scope.page_size, service.limits.page_size);
    Ok(Json(json!({"clique_types": page})))
}

fn fits(spec: &CliqueType, filter: &CliqueTypesQuery, versions: &[Str]) -> bool {
    let is = |wanted: &Option<String>, found: &Str| wanted.as_ref().is_none_or(|wanted| wanted == found.as_ref());
    let holds = |condition: &Option<ListCondition>, given: &[String]| {
        let given: Vec<Str> = given.iter().map(|one| Str::from(one.as_str())).collect();
        given.is_empty() || condition.as_ref().is_none_or(|condition| condition.holds(&given))
    };
    let selector = &spec.environment;
    let walks = |wanted: &String| {
        spec.path.iter().any(|step| step.written.as_ref() == wanted || step.link_type.as_ref() == wanted)
    };
    let version = filter
        .distribution_version
        .as_ref()
        .is_none_or(|version| selector.version.as_ref().is_none_or(|condition| condition.holds(version, versions)));
    is(&filter.name, &spec.head.name)
        && is(&filter.focal_point_type, &spec.focal_point)
        && filter.link_type.iter().all(walks)
        && holds(&selector.distribution, filter.distribution.as_slice())
        && version
        && holds(&selector.mechanism_drivers, &filter.mechanism_drivers)
        && holds(&selector.type_drivers, &filter.type_drivers)
}

/// Makes a clique type for one environment. Clique types of more than one environment are specs of the server.
#[utoipa::path(post, path = "/clique_types", tag = "catalogue", request_body = NewCliqueType,
    extensions(("x-right" = json!("login"))), responses((status = 201, body = Object)))]
async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    notes: Notes,
    Body(sent): Body<NewCliqueType>,
) -> Result<Response, Problem> {
    let environment = match (&sent.env_name, &sent.environment) {
        (Some(one), Some(other)) if one != other => {
            return Err(rejected(vec![Mistake::new("/environment", "is not the same as `env_name`")]));
        }
        (Some(name), _) | (None, Some(name)) => name.clone(),
        (None, None) => {
            let mistake = Mistake::new("/env_name", "`env_name` has to be given");
            return Err(rejected(vec![
                mistake.help("clique types of more than one environment are specs of the server"),
            ]));
        }
    };
    notes.environment(&environment);
    if !caller.may_edit(&environment) {
        return Err(Problem::forbidden("your rights do not reach this environment"));
    }
    let (loaded, _) = catalogue::in_force(&service, &caller, Some(&environment)).await?;
    let mut mistakes = Vec::new();
    let types = &loaded.specs.object_types;
    if !types.contains_key(sent.focal_point_type.as_str()) {
        let sentence = format!("no object type is named `{}`", sent.focal_point_type);
        let known = types.keys().map(AsRef::as_ref);
        mistakes.push(Mistake::new("/focal_point_type", sentence).among(&sent.focal_point_type, known));
    }
    let links = &loaded.specs.link_types;
    for (index, name) in sent.link_types.iter().enumerate() {
        let backwards = name.split_once('-').map(|(from, to)| format!("{to}-{from}")).unwrap_or_default();
        if !links.contains_key(name.as_str()) && !links.contains_key(backwards.as_str()) {
            let mistake = Mistake::new(format!("/link_types/{index}"), format!("no link type is named `{name}`"));
            mistakes.push(mistake.among(name, links.keys().map(AsRef::as_ref)));
        }
    }
    if !mistakes.is_empty() {
        return Err(rejected(mistakes));
    }
    let own = loaded
        .specs
        .clique_types
        .values()
        .find(|spec| is_own(&spec.head.at) && spec.focal_point.as_ref() == sent.focal_point_type);
    if let Some(own) = own {
        return Err(Problem::conflict(format!(
            "the clique type `{}` with the focal point {} is registered for {environment} already",
            own.head.name, sent.focal_point_type
        )));
    }
    let description = sent.description.unwrap_or_else(|| format!("Cliques around {}.", sent.focal_point_type));
    let spec = json!({
        "schema": "clique_type/v1",
        "name": sent.name,
        "description": description,
        "source": "made over REST",
        "focal_point": sent.focal_point_type,
        "path": sent.link_types,
        "constraints": sent.constraints,
        "implicit_links": sent.use_implicit_links,
    });
    let draft =
        Draft { environment: environment.into(), kind: "clique_type".into(), name: None, content: Content::Data(spec) };
    let taken = own_specs::keep(&service, &caller, draft, None).await?;
    let body = json!({
        "message": "created a new clique_type", "id": taken.task.row.name, "name": taken.task.row.name,
        "warnings": taken.warnings,
    });
    Ok((StatusCode::CREATED, [Tag::version(taken.task.version).header()], Json(body)).into_response())
}

/// Which clique type.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct CliqueTypePath {
    /// Its name.
    name: String,
}

/// Of which environment.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EnvironmentQuery {
    /// Name of the environment.
    env_name: String,
}

/// Removes a clique type of one environment; `If-Match` refuses to when it was changed meanwhile.
#[utoipa::path(delete, path = "/clique_types/{name}", tag = "catalogue", params(CliqueTypePath, EnvironmentQuery),
    extensions(("x-right" = json!("edit"))), responses((status = 204), (status = 412)))]
async fn remove(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(CliqueTypePath { name }): Params<CliqueTypePath>,
    Params(EnvironmentQuery { env_name }): Params<EnvironmentQuery>,
) -> Result<StatusCode, Problem> {
    let task = own_specs::get(&service, &env_name, "clique_type", &name).await?;
    etag::check(&headers, task.version)?;
    own_specs::forget(&service, &task).await?;
    Ok(StatusCode::NO_CONTENT)
}
