//! `/environment_configs`: how environments are reached, without their secrets.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use calipso_model::Environment;
use calipso_spec::{Specs, environment::is_hidden};
use calipso_store::{Expect, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Caller, EVERY, Grant},
    answer,
    audit::Notes,
    environments::{
        body, environment_twin, removal,
        view::{self, EnvironmentSummary, InventoryState},
    },
    etag::{self, Tag},
    extract::{Body, Params},
    listing,
    problem::Problem,
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, replace, patch, remove))
}

/// What a list is limited to.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EnvironmentsQuery {
    /// The one of this name, as a whole.
    name: Option<String>,
    /// Of this distribution.
    distribution: Option<String>,
    /// Of this version of a distribution.
    distribution_version: Option<String>,
    /// Of this platform.
    environment_type: Option<String>,
    /// With all of these mechanism drivers.
    #[serde(default)]
    mechanism_drivers: Vec<String>,
    /// With all of these type drivers.
    #[serde(default)]
    type_drivers: Vec<String>,
    /// Made by this user.
    user: Option<String>,
    /// Whether changes are listened to.
    listen: Option<bool>,
    /// Whether there is an inventory.
    scanned: Option<bool>,
    /// Whether only the inventory is left; left out: those with a configuration.
    archived: Option<bool>,
    /// State of the listener.
    #[param(inline)]
    operational: Option<ListenerState>,
    /// Number of the page, from 0.
    #[param(minimum = 0)]
    page: Option<u64>,
    /// Items of a page; 0: as many as the server allows.
    #[param(minimum = 0)]
    page_size: Option<u64>,
}

/// State of a listener.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ListenerState {
    Stopped,
    Running,
    Error,
}

impl ListenerState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Error => "error",
        }
    }
}

/// A list of environments.
#[derive(Debug, Serialize, ToSchema)]
struct EnvironmentList {
    environment_configs: Vec<EnvironmentSummary>,
}

/// A configuration. The keys of the original are understood; those that follow from others are checked and not kept
/// (`type`, `environment_type`, `app_path`, `operational`, `scanned`, `last_scanned`, `monitoring_setup_done`, and `user`: who
/// made an environment follows from the login).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it stands in the document only")]
struct EnvironmentConfiguration {
    /// Unique name, in answers and paths: at most 100 bytes of letters, digits, blanks and `!&'()+,-.:;=@_`, beginning with a
    /// letter or digit, in normalization form C; no other environment's name differs from it in case or form only.
    name: Option<String>,
    /// Name of a distribution.
    distribution: Option<String>,
    /// One of its versions.
    distribution_version: Option<String>,
    /// Mechanism drivers that one variance of the distribution covers together.
    mechanism_drivers: Option<Vec<String>>,
    /// Type drivers that the same variance covers; one text is a list of one.
    #[schema(value_type = Option<TextOrList>)]
    type_drivers: Option<Value>,
    /// Switches that specs may ask for.
    flags: Option<Vec<String>>,
    /// Role to `{spec: CONNECTION, FIELD: VALUE …}`; `spec` may be left out where one connection serves the role. A secret is
    /// given as it is (and sealed), or as a reference `env:NAME` or `file:PATH` as far as this server takes them. `"***"`, or
    /// no value, keeps the former secret while nothing else of the connection changes; null removes it.
    #[schema(value_type = Option<Object>)]
    connections: Option<Value>,
    /// The same as a list, as the original writes it: `{name: CONNECTION or ROLE or alias, FIELD: VALUE …}`.
    #[schema(value_type = Option<Vec<Object>>)]
    configuration: Option<Value>,
    /// What it is.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Whether changes are listened to; the distribution must support it.
    listen: Option<bool>,
    /// Whether it is monitored; the distribution must support it.
    enable_monitoring: Option<bool>,
    /// Who may view and edit it, besides administrators and those who may do so everywhere.
    #[schema(value_type = Option<Object>)]
    auth: Option<Value>,
}

/// A text or a list of texts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands in the document only")]
enum TextOrList {
    Text(String),
    List(Vec<String>),
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
struct EnvironmentMade {
    /// A sentence.
    message: String,
    /// Name of the environment.
    id: String,
    /// Name of the environment.
    name: String,
}

/// Which environment.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct EnvironmentPath {
    /// Its name.
    env_name: String,
}

/// What becomes of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Inventory {
    /// It stays readable, with messages, specs and rights; the name can be used again.
    Keep,
    /// It goes, with everything that belongs to the environment.
    Delete,
}

/// How much of an environment goes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RemovalQuery {
    /// What becomes of the inventory.
    #[param(inline)]
    inventory: Inventory,
}

/// Lists the environments that the caller may view, by name; with `name`, gives that environment as a whole.
#[utoipa::path(get, path = "/environment_configs", tag = "environments", params(EnvironmentsQuery),
    extensions(("x-right" = json!("login"))), responses((status = 200, body = EnvironmentList)))]
async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(filter): Params<EnvironmentsQuery>,
) -> Result<Response, Problem> {
    if let Some(name) = &filter.name {
        return shown(&service, &caller, &headers, name).await;
    }
    check(&filter, &service.catalogues.server().specs)?;
    let mut found = Vec::new();
    for environment in service.backend.environments().await? {
        if !caller.may_view(&environment.name) {
            continue;
        }
        let loaded = service.catalogue(&environment.name).await?;
        if !fits(&filter, &environment, &loaded.specs) {
            continue;
        }
        let state = InventoryState::of(service.backend.as_ref(), &environment.name).await?;
        let summary = view::summary(&environment, &loaded.specs, state);
        let state_fits = filter.scanned.is_none_or(|wanted| summary.scanned == wanted)
            && filter.operational.is_none_or(|wanted| summary.operational == wanted.as_str());
        if state_fits {
            found.push(summary);
        }
    }
    let page = listing::page(found, filter.page, filter.page_size, service.limits.page_size);
    Ok(Json(EnvironmentList { environment_configs: page }).into_response())
}

/// Refuses words that no environment can have.
fn check(filter: &EnvironmentsQuery, specs: &Specs) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let all = || specs.distributions.values();
    let variances = || all().flat_map(|distribution| &distribution.variances);
    let set = |texts: Vec<&calipso_model::Str>| texts.into_iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let distributions = set(specs.distributions.keys().collect());
    listing::known(&mut errors, "distribution", &filter.distribution, &distributions);
    let versions = set(all().flat_map(|distribution| &distribution.versions).collect());
    listing::known(&mut errors, "distribution_version", &filter.distribution_version, &versions);
    let platforms: BTreeSet<String> = all().map(|distribution| distribution.platform.to_lowercase()).collect();
    let platform = filter.environment_type.as_ref().map(|platform| platform.to_lowercase());
    listing::known(&mut errors, "environment_type", &platform, &platforms);
    let drivers = set(variances().flat_map(|variance| &variance.mechanism_drivers).collect());
    listing::known(&mut errors, "mechanism_drivers", &filter.mechanism_drivers, &drivers);
    let drivers = set(variances().flat_map(|variance| &variance.type_drivers).collect());
    listing::known(&mut errors, "type_drivers", &filter.type_drivers, &drivers);
    listing::refuse(errors)
}

fn fits(filter: &EnvironmentsQuery, environment: &Environment, specs: &Specs) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    let has = |wanted: &[String], found: &[calipso_model::Str]| {
        wanted.iter().all(|wanted| found.iter().any(|found| found.as_ref() == wanted))
    };
    let platform = specs.distributions.get(&environment.distribution).map_or("", |found| found.platform.as_ref());
    let listens = environment.settings.get("listen") == Some(&calipso_model::Value::Bool(true));
    is(&filter.distribution, &environment.distribution)
        && is(&filter.distribution_version, &environment.version)
        && filter.environment_type.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(platform))
        && has(&filter.mechanism_drivers, &environment.mechanism_drivers)
        && has(&filter.type_drivers, &environment.type_drivers)
        && filter
            .user
            .as_ref()
            .is_none_or(|user| environment.settings.text("user").is_some_and(|known| known.as_ref() == user))
        && filter.listen.is_none_or(|wanted| wanted == listens)
        && view::is_archived(environment) == filter.archived.unwrap_or(false)
}

/// One environment with its configuration; secrets read `***`. `ETag` tells its version.
#[utoipa::path(get, path = "/environment_configs/{env_name}", tag = "environments", params(EnvironmentPath),
    extensions(("x-right" = json!("view"))),
    responses((status = 200, body = Object), (status = 304, description = "What you have is current.")))]
async fn one(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(EnvironmentPath { env_name }): Params<EnvironmentPath>,
) -> Result<Response, Problem> {
    shown(&service, &caller, &headers, &env_name).await
}

async fn shown(service: &Service, caller: &Caller, headers: &HeaderMap, name: &str) -> Result<Response, Problem> {
    if !caller.may_view(name) {
        return Err(Problem::forbidden("your rights do not reach this environment"));
    }
    let (environment, version) = service.backend.versioned_environment(name).await?;
    whole(service, caller, headers, &environment, version).await
}

async fn whole(
    service: &Service,
    caller: &Caller,
    headers: &HeaderMap,
    environment: &Environment,
    version: u64,
) -> Result<Response, Problem> {
    let state = InventoryState::of(service.backend.as_ref(), &environment.name).await?;
    let rights = match caller.may_edit(&environment.name) {
        true => Some(service.accounts.grants_of(&environment.name).await?),
        false => None,
    };
    let loaded = service.catalogue(&environment.name).await?;
    let shown = view::whole(environment, &loaded.specs, state, rights.as_ref());
    answer::document(headers, version, &shown)
}

/// Makes an environment. Only users who may edit all environments can; the one who does may edit the new one.
#[utoipa::path(post, path = "/environment_configs", tag = "environments", request_body = EnvironmentConfiguration,
    extensions(("x-right" = json!("login"))), responses((status = 201, body = EnvironmentMade)))]
async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    notes: Notes,
    Body(sent): Body<Value>,
) -> Result<Response, Problem> {
    if !caller.may_edit(EVERY) {
        return Err(Problem::forbidden("only those who may edit all environments make one"));
    }
    let specs = &service.catalogues.server().specs;
    let checked = body::check(&service.environments, &service.accounts, specs, &sent, None, None).await?;
    let mut environment = checked.environment;
    let name = environment.name.to_string();
    notes.environment(&name);
    // Whatever the body says of it: who made an environment is told by the login.
    environment.settings.remove("user");
    if !caller.user.is_empty() {
        environment.settings.insert("user", caller.user.clone());
    }
    let expect = match service.backend.versioned_environment(&name).await {
        Err(StoreError::NotFound { .. }) => Expect::Nothing,
        Err(error) => return Err(error.into()),
        Ok((former, version)) if view::is_archived(&former) => Expect::Version(version),
        Ok(_) => return Err(Problem::conflict(format!("there is an environment `{name}` already"))),
    };
    refuse_twin(&service, &name, None).await?;
    let version = service.backend.put_environment(&environment, expect).await?;
    if expect == Expect::Nothing
        && let Err(problem) = refuse_twin(&service, &name, Some(version)).await
    {
        // Somebody made the other one at the same time, and was first.
        service.backend.remove_environment(&name, service.now_millis()).await?;
        return Err(problem);
    }
    let mut rights = checked.rights.unwrap_or_default();
    rights.insert(caller.user.clone(), Grant::Edit);
    for (user, grant) in &rights {
        service.accounts.set_grant(user, &name, Some(*grant), (service.clock)()).await?;
    }
    tracing::info!(environment = %name, user = %caller.user, "An environment was made.");
    let location = format!("{}/environment_configs/{}", crate::resource::PREFIX, encoded(&name));
    let done =
        EnvironmentMade { message: format!("created environment configuration for {name}"), id: name.clone(), name };
    Ok((StatusCode::CREATED, [Tag::version(version).header(), (header::LOCATION, location)], Json(done))
        .into_response())
}

/// Refuses an environment that could be taken for another; for one that is there already, only if the other was made first.
async fn refuse_twin(service: &Service, name: &str, made: Option<u64>) -> Result<(), Problem> {
    let names: Vec<calipso_model::Str> =
        service.backend.environments().await?.into_iter().map(|known| known.name).collect();
    let Some(twin) = environment_twin(name, &names) else { return Ok(()) };
    if let Some(made) = made {
        match service.backend.made(twin).await {
            Ok(other) if other < made => {}
            Ok(_) | Err(StoreError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::conflict(format!("there is an environment `{twin}` already, which `{name}` could be taken for")))
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let mut url = url::Url::parse("http://h/").expect("this is a URL");
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.clear().push(name);
    }
    url.path().trim_start_matches('/').to_owned()
}

/// Replaces a configuration. `If-Match` with its `ETag` refuses to when somebody else was faster, here and below.
#[utoipa::path(put, path = "/environment_configs/{env_name}", tag = "environments", params(EnvironmentPath),
    request_body = EnvironmentConfiguration, extensions(("x-right" = json!("edit"))),
    responses((status = 200, body = Object), (status = 412)))]
async fn replace(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(EnvironmentPath { env_name }): Params<EnvironmentPath>,
    Body(sent): Body<Value>,
) -> Result<Response, Problem> {
    let former = current(&service, &headers, &env_name).await?;
    change(&service, &caller, former, &sent).await
}

/// Changes parts of a configuration: a JSON merge patch (RFC 7396) to what a GET answers.
#[utoipa::path(patch, path = "/environment_configs/{env_name}", tag = "environments", params(EnvironmentPath),
    request_body = Object, extensions(("x-right" = json!("edit"))), responses((status = 200, body = Object), (status = 412)))]
async fn patch(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(EnvironmentPath { env_name }): Params<EnvironmentPath>,
    Body(sent): Body<Value>,
) -> Result<Response, Problem> {
    let former = current(&service, &headers, &env_name).await?;
    let loaded = service.catalogue(&env_name).await?;
    let mut patched = view::configuration(&former.0, &loaded.specs);
    if sent.get("auth").is_some_and(Value::is_object) {
        patched["auth"] = view::auth(&service.accounts.grants_of(&env_name).await?);
    }
    if sent.get("configuration").is_some() {
        // The list form replaces all connections.
        if let Some(patched) = patched.as_object_mut() {
            patched.remove("connections");
        }
    }
    if sent.get("version").is_some()
        && let Some(patched) = patched.as_object_mut()
    {
        patched.remove("distribution_version");
    }
    merge(&mut patched, &sent);
    keep_removals(&mut patched, &sent, &former.0, &loaded.specs);
    change(&service, &caller, former, &patched).await
}

/// A merge patch laid over a document.
fn merge(whole: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *whole = patch.clone();
        return;
    };
    if !whole.is_object() {
        *whole = json!({});
    }
    let Some(whole) = whole.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            whole.remove(key);
        } else {
            merge(whole.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A null removes a secret; in the merged document that must be told from one that is kept.
fn keep_removals(whole: &mut Value, patch: &Value, former: &Environment, specs: &Specs) {
    let Some(patched) = patch.get("connections").and_then(Value::as_object) else { return };
    for (role, fields) in patched {
        let form = former
            .connections
            .get(role.as_str())
            .and_then(|config| specs.connections.get(&config.spec))
            .map(|spec| calipso_spec::environment::form(spec))
            .unwrap_or_default();
        mark(whole.pointer_mut(&calipso_spec::environment::below("/connections", role)), fields, &form);
    }
}

fn mark(
    whole: Option<&mut Value>,
    patch: &Value,
    form: &std::collections::BTreeMap<calipso_model::Str, calipso_spec::checked::Field>,
) {
    let (Some(whole), Some(patch)) = (whole.and_then(Value::as_object_mut), patch.as_object()) else { return };
    for (name, value) in patch {
        let Some(field) = form.get(name.as_str()) else { continue };
        let secret = is_hidden(Some(field), &calipso_model::Value::Null);
        if value.is_null() && secret {
            whole.insert(name.clone(), Value::Null);
        } else if let (Some(entries), false) = (value.as_object(), field.of.is_empty()) {
            for (entry, inner) in entries {
                mark(whole.get_mut(name).and_then(|map| map.get_mut(entry)), inner, &field.of);
            }
        }
    }
}

/// What is there, if it is what the caller believes.
async fn current(service: &Service, headers: &HeaderMap, name: &str) -> Result<(Environment, u64), Problem> {
    let (former, version) = service.backend.versioned_environment(name).await?;
    etag::check(headers, version)?;
    if view::is_archived(&former) {
        let sentence = format!("of `{name}` only the inventory is left; POST makes its configuration again");
        return Err(Problem::conflict(sentence));
    }
    Ok((former, version))
}

async fn change(
    service: &Service,
    caller: &Caller,
    (former, version): (Environment, u64),
    sent: &Value,
) -> Result<Response, Problem> {
    let name = former.name.to_string();
    let loaded = service.catalogue(&name).await?;
    let (accounts, specs) = (&service.accounts, &loaded.specs);
    let checked = body::check(&service.environments, accounts, specs, sent, Some(&name), Some(&former)).await?;
    let mut environment = checked.environment;
    // Who made it is not for those who change it to say.
    environment.settings.remove("user");
    // What this interface does not take is not lost.
    for (key, value) in &former.settings {
        let theirs = ["description", "listen", "enable_monitoring"].contains(&key.as_ref());
        if !theirs && !environment.settings.contains_key(key) {
            environment.settings.insert(key.clone(), value.clone());
        }
    }
    let version = service.backend.put_environment(&environment, Expect::Version(version)).await?;
    if let Some(rights) = &checked.rights {
        accounts.settle_grants(&name, rights, (service.clock)()).await?;
    }
    tracing::info!(environment = %name, user = %caller.user, "The configuration of an environment was changed.");
    whole(service, caller, &HeaderMap::new(), &environment, version).await
}

/// Removes an environment: with `inventory=delete` with everything that belongs to it, with `inventory=keep` its
/// configuration only. Refused while it is being scanned.
#[utoipa::path(delete, path = "/environment_configs/{env_name}", tag = "environments", params(EnvironmentPath, RemovalQuery),
    extensions(("x-right" = json!("edit"))), responses((status = 204), (status = 412)))]
async fn remove(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(EnvironmentPath { env_name }): Params<EnvironmentPath>,
    Params(RemovalQuery { inventory }): Params<RemovalQuery>,
) -> Result<StatusCode, Problem> {
    let (environment, version) = service.backend.versioned_environment(&env_name).await?;
    etag::check(&headers, version)?;
    let (backend, now) = (service.backend.as_ref(), (service.clock)());
    match inventory {
        Inventory::Delete => {
            removal::everything(backend, &service.accounts, &env_name, &headers, now).await?;
        }
        Inventory::Keep => removal::configuration(backend, &environment, version, now.as_millisecond()).await?,
    }
    tracing::info!(environment = %env_name, user = %caller.user, ?inventory, "An environment was removed.");
    Ok(StatusCode::NO_CONTENT)
}
