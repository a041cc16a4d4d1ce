//! `/connection_tests`: whether an environment, or a configuration that is not saved, can be reached. Workers find out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use calipso_model::{ConnectionConfig, Map, Str, Value as Data};
use calipso_spec::{
    Specs,
    environment::{self, Mistake},
};
use calipso_store::{
    Page, RecordQuery,
    work::{
        TestStatus,
        conntest::{self, ConnectionTest},
        row::{self, Versioned},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    environments::{body::rejected, secrets, view},
    extract::{Body, Params},
    listing,
    problem::Problem,
    service::Service,
};

/// Tests that are looked through for a list; older ones are forgotten by workers.
const MOST_TESTS: usize = 5_000;

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one))
}

/// A request to try connections.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConnectionTest {
    /// Name of the environment.
    env_name: String,
    /// Roles, connections or aliases; left out: all that are configured here or there.
    #[serde(default)]
    test_targets: Vec<String>,
    /// Connections in place of the environment's own: a map or a list, as in a configuration. Secrets that are left out are
    /// those of the environment, as long as nothing else of the connection differs.
    #[schema(value_type = Option<TestedConnections>)]
    targets_configuration: Option<Value>,
}

/// Connections by role, or a list of sections.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands in the document only")]
enum TestedConnections {
    ByRole(BTreeMap<String, serde_json::Map<String, Value>>),
    Sections(Vec<serde_json::Map<String, Value>>),
}

/// Which tests.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConnectionTestsQuery {
    /// Name of the environment.
    env_name: String,
    /// The one of this id.
    id: Option<String>,
    /// Where they stand.
    #[param(inline)]
    status: Option<ConnectionTestStatus>,
    /// Those of all of these roles; of one test its results for these.
    #[serde(default)]
    test_targets: Vec<String>,
    /// Those where everything worked, or not; of one test the results of that kind.
    test_results: Option<bool>,
    /// Number of the page, from 0.
    #[param(minimum = 0)]
    page: Option<u64>,
    /// Items of a page; 0: as many as the server allows.
    #[param(minimum = 0)]
    page_size: Option<u64>,
}

/// Where a test stands.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ConnectionTestStatus {
    Request,
    Running,
    Response,
}

/// Which test.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ConnectionTestPath {
    /// Its id.
    id: String,
}

/// The role that a role, a connection or an alias means.
fn role_of(specs: &Specs, name: &str) -> Option<Str> {
    let connections = || specs.connections.values();
    let found = connections()
        .find(|spec| spec.role.as_ref() == name)
        .or_else(|| connections().find(|spec| spec.head.name.as_ref() == name))
        .or_else(|| connections().find(|spec| spec.aliases.sections.iter().any(|alias| alias.as_ref() == name)));
    found.map(|spec| spec.role.clone())
}

/// Asks for a test. `Location` leads to its answer.
#[utoipa::path(post, path = "/connection_tests", tag = "environments", request_body = NewConnectionTest,
    extensions(("x-right" = json!("edit"))), responses((status = 201, body = Object)))]
async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(sent): Body<NewConnectionTest>,
) -> Result<Response, Problem> {
    let environment = service.backend.environment(&sent.env_name).await?;
    if view::is_archived(&environment) {
        return Err(Problem::conflict(format!("of `{}` only the inventory is left", sent.env_name)));
    }
    let loaded = service.catalogue(&sent.env_name).await?;
    let specs = &loaded.specs;
    let mut mistakes = Vec::new();
    let given = match &sent.targets_configuration {
        None => BTreeMap::new(),
        Some(given) => {
            let wanted = sent.test_targets.iter().filter_map(|name| role_of(specs, name)).collect();
            configuration(&service, specs, &environment, given, &wanted, &mut mistakes)?
        }
    };
    let mut targets: Vec<Str> = Vec::new();
    for (index, name) in sent.test_targets.iter().enumerate() {
        let at = format!("/test_targets/{index}");
        match role_of(specs, name) {
            None => {
                let known: Vec<&str> = specs.connections.values().map(|spec| spec.role.as_ref()).collect();
                mistakes.push(Mistake::new(at, format!("nothing is reached as `{name}`")).among(name, known));
            }
            Some(role) if !environment.connections.contains_key(&role) && !given.contains_key(&role) => {
                let sentence =
                    format!("neither the environment nor `targets_configuration` has a connection of the role {role}");
                mistakes.push(Mistake::new(at, sentence));
            }
            Some(role) if targets.contains(&role) => {}
            Some(role) => targets.push(role),
        }
    }
    if !mistakes.is_empty() {
        return Err(rejected(mistakes));
    }
    if targets.is_empty() {
        targets =
            environment.connections.keys().chain(given.keys()).cloned().collect::<BTreeSet<_>>().into_iter().collect();
    }
    let configuration: Map = given
        .into_iter()
        .map(|(role, (spec, fields))| {
            let connection: Map = [("spec", Data::Str(spec)), ("fields", Data::Map(fields))].into_iter().collect();
            (role, Data::Map(connection))
        })
        .collect();
    let test = ConnectionTest {
        environment: environment.name.clone(),
        test_targets: targets,
        targets_configuration: (!configuration.is_empty()).then_some(configuration),
        submitted_by: caller.user.clone(),
        ..ConnectionTest::default()
    };
    let task = conntest::submit(service.backend.as_ref(), test, service.now_millis()).await?;
    let location = format!("{}/connection_tests/{}", crate::resource::PREFIX, task.id);
    let body = json!({"id": task.id, "message": format!("created a new connection test for environment {}", environment.name)});
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// Connections that were sent, checked, their secrets sealed: role to spec and fields. Those of `wanted` are tried, or all.
fn configuration(
    service: &Service,
    specs: &Specs,
    environment: &calipso_model::Environment,
    given: &Value,
    wanted: &BTreeSet<Str>,
    mistakes: &mut Vec<Mistake>,
) -> Result<BTreeMap<Str, (Str, Map)>, Problem> {
    let key = if given.is_array() { "configuration" } else { "connections" };
    let value = Data::from_json(&json!({ key: given }).to_string()).map_err(Problem::bug)?;
    let (mut written, mut found) = environment::from_value(&value, specs);
    if let Err(wrong) = environment::choose_specs(&mut written.environment, specs) {
        found.extend(written.placed(wrong));
    }
    // What is not sent is tried as it is kept: it has to be settled beside what is.
    let mut tried = written.environment.connections.clone();
    for (role, kept) in environment.connections.iter().filter(|(role, _)| wanted.is_empty() || wanted.contains(*role)) {
        if let Some(spec) = specs.connections.get(&kept.spec) {
            let bare = || ConnectionConfig { spec: kept.spec.clone(), fields: secrets::without(spec, &kept.fields) };
            tried.entry(role.clone()).or_insert_with(bare);
        }
    }
    let (mut settled, wrong) =
        secrets::settle(&service.environments, specs, &environment.name, &tried, &environment.connections);
    settled.retain(|role, _| written.environment.connections.contains_key(role));
    found.extend(written.placed(wrong));
    let moved = |one: Mistake| {
        let rest = one.path.strip_prefix(&format!("/{key}")).unwrap_or_default().to_owned();
        Mistake { path: format!("/targets_configuration{rest}"), ..one }
    };
    mistakes.extend(found.into_iter().map(moved));
    Ok(settled.into_iter().map(|(role, config)| (role, (config.spec, config.fields))).collect())
}

fn narrowed(results: &Map, keep: &dyn Fn(&Str) -> bool) -> Value {
    results.iter().filter(|(role, _)| keep(role)).map(|(role, value)| (role.to_string(), json!(value))).collect()
}

/// A test without what was sent with it.
fn shown(task: &Versioned<ConnectionTest>, keep: &dyn Fn(&Str) -> bool) -> Value {
    let test = &task.row;
    let mut shown = json!({
        "id": task.id,
        "environment": test.environment,
        "status": test.status.as_str(),
        "test_targets": test.test_targets,
        "test_results": narrowed(&test.test_results, keep),
        "lines": narrowed(&test.lines, keep),
        "errors": narrowed(&test.errors, keep),
        "submitted_by": test.submitted_by,
        "submit_timestamp": test.submit_timestamp,
    });
    if let Some(at) = &test.response_timestamp {
        shown["response_timestamp"] = json!(at);
    }
    if let Some(seconds) = test.response_time {
        shown["response_time"] = json!(seconds);
    }
    shown
}

fn keeps<'f>(filter: &'f ConnectionTestsQuery, targets: &'f [Str], results: &'f Map) -> impl Fn(&Str) -> bool {
    move |role| {
        (targets.is_empty() || targets.contains(role))
            && filter.test_results.is_none_or(|wanted| results.get(role) == Some(&Data::Bool(wanted)))
    }
}

/// Lists the tests of an environment, newest first; with `id`, gives that test.
#[utoipa::path(get, path = "/connection_tests", tag = "environments", params(ConnectionTestsQuery),
    extensions(("x-right" = json!("view"))), responses((status = 200, body = Object)))]
async fn list(
    State(service): State<Arc<Service>>,
    Params(filter): Params<ConnectionTestsQuery>,
) -> Result<Json<Value>, Problem> {
    service.backend.environment(&filter.env_name).await?;
    let loaded = service.catalogue(&filter.env_name).await?;
    let roles: Vec<Str> = filter
        .test_targets
        .iter()
        .map(|name| role_of(&loaded.specs, name).unwrap_or_else(|| name.as_str().into()))
        .collect();
    if let Some(id) = &filter.id {
        let task = found(&service, id).await?.filter(|task| task.row.environment.as_ref() == filter.env_name);
        let task = task.ok_or_else(|| Problem::not_found(format!("there is no connection test `{id}`")))?;
        return Ok(Json(shown(&task, &keeps(&filter, &roles, &task.row.test_results))));
    }
    let mut query = RecordQuery::all().equals("environment", filter.env_name.as_str()).newest_first("submit_timestamp");
    if let Some(status) = filter.status {
        let status = match status {
            ConnectionTestStatus::Request => TestStatus::Request,
            ConnectionTestStatus::Running => TestStatus::Running,
            ConnectionTestStatus::Response => TestStatus::Response,
        };
        query = query.equals("status", status.as_str());
    }
    let (tasks, _) = row::list::<ConnectionTest>(service.backend.as_ref(), &query, &Page::first(MOST_TESTS)).await?;
    let fits = |task: &Versioned<ConnectionTest>| {
        let test = &task.row;
        let asked = |role: &Str| test.test_targets.is_empty() || test.test_targets.contains(role);
        let worked = !test.test_results.is_empty() && test.test_results.iter().all(|(_, ok)| *ok == Data::Bool(true));
        let answered = test.status == TestStatus::Response;
        roles.iter().all(asked) && filter.test_results.is_none_or(|wanted| answered && worked == wanted)
    };
    let items = tasks.iter().filter(|task| fits(task)).map(|task| shown(task, &|_| true)).collect();
    let page = listing::page(items, filter.page, filter.page_size, service.limits.page_size);
    Ok(Json(json!({"connection_tests": page})))
}

async fn found(service: &Service, id: &str) -> Result<Option<Versioned<ConnectionTest>>, Problem> {
    Ok(row::get::<ConnectionTest>(service.backend.as_ref(), id).await?)
}

/// One test, with a line for each step that was tried.
#[utoipa::path(get, path = "/connection_tests/{id}", tag = "environments", params(ConnectionTestPath),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object)))]
async fn one(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(ConnectionTestPath { id }): Params<ConnectionTestPath>,
) -> Result<Json<Value>, Problem> {
    // A test that the caller may not view is not told from one that is not there.
    let task = found(&service, &id).await?.filter(|task| caller.may_view(&task.row.environment));
    let task = task.ok_or_else(|| Problem::not_found(format!("there is no connection test `{id}`")))?;
    Ok(Json(shown(&task, &|_| true)))
}
