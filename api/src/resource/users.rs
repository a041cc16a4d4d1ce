//! `/users`: who may log in, and what they may do.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use calipso_model::Secret;
use calipso_store::{RecordQuery, work::row::Versioned};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Caller, Grant},
    account::{Source, User, VersionedUser, folded},
    answer,
    audit::Notes,
    etag::{self, Tag},
    extract::{Body, Conditions, Params},
    listing,
    paging::CursorPaging,
    problem::{FieldError, Problem},
    resource::auth::texts,
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, replace, change, remove))
        .routes(routes!(set_password))
        .routes(routes!(grant, withdraw))
        .routes(routes!(revoke_all))
}

/// A user, without the password.
#[derive(Serialize, ToSchema)]
struct UserView {
    /// The name, in lower case.
    name: String,
    /// Where the password is kept.
    source: Source,
    /// Whether the user administers: may do everything.
    administrator: bool,
    /// What the user was granted here, by environment; `*` stands for all environments.
    grants: BTreeMap<String, Grant>,
    /// What the directory gave at the last login, besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<FromDirectory>,
    /// Whether the user is kept out.
    disabled: bool,
    /// When it was made.
    created: String,
    /// When it was last changed.
    changed: String,
    /// When the password was last set.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_changed: Option<String>,
}

/// What a directory gave to a user.
#[derive(Serialize, ToSchema)]
struct FromDirectory {
    /// Whether the user administers: may do everything.
    administrator: bool,
    /// What the user may do, by environment.
    grants: BTreeMap<String, Grant>,
}

fn view(user: &User) -> UserView {
    let text = |text: &calipso_model::Str| text.to_string();
    UserView {
        name: text(&user.name),
        source: user.source,
        administrator: user.administrator,
        grants: texts(&user.grants),
        directory: user
            .directory
            .as_ref()
            .map(|rights| FromDirectory { administrator: rights.administrator, grants: texts(&rights.grants) }),
        disabled: user.disabled,
        created: text(&user.created),
        changed: text(&user.changed),
        password_changed: user.password_changed.as_ref().map(text),
    }
}

/// A user with its version as an entity tag.
fn tagged(status: StatusCode, found: &VersionedUser) -> Response {
    (status, [Tag::version(found.version).header()], Json(view(&found.user))).into_response()
}

/// The version that a client means to change; nothing when it does not say.
async fn expected(service: &Service, name: &str, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(None);
    }
    let version = service.accounts.read_user(name).await?.version;
    etag::check(headers, version)?;
    Ok(Some(version))
}

/// A page of users.
#[derive(Serialize, ToSchema)]
struct Users {
    /// By name.
    users: Vec<UserView>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists users.
#[utoipa::path(get, path = "/users", tag = "users", extensions(("x-right" = json!("administer"))), params(CursorPaging),
    responses((status = 200, body = Users), (status = 304, description = "What you have is current.")))]
async fn list(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(paging): Params<CursorPaging>,
) -> Result<Response, Problem> {
    let page = paging.page(&service.limits)?;
    let (found, next) = listing::rows::<User>(&service, &RecordQuery::all(), &page).await?;
    let body = Users { users: found.iter().map(|task: &Versioned<User>| view(&task.row)).collect(), next };
    answer::page(&conditions, None, &body, body.next.as_deref())
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// Letters, digits, `.`, `_`, `@`, `-`; names that differ in case only are the same.
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", example = "anna")]
    name: String,
    /// At least 12 characters; none for a user of the directory.
    #[serde(default)]
    #[schema(max_length = 1024, format = Password, write_only)]
    password: Option<String>,
    /// Who knows the password; `local` where nothing is said.
    #[serde(default = "local")]
    source: Source,
    /// Whether the user administers: may do everything.
    #[serde(default)]
    administrator: bool,
    /// What the user may do, by environment; `*` stands for all environments.
    #[serde(default)]
    grants: BTreeMap<String, Grant>,
    /// Whether the user is kept out.
    #[serde(default)]
    disabled: bool,
}

fn local() -> Source {
    Source::Local
}

/// Maximum number of environments that a user is granted one by one.
const MOST_GRANTS: usize = 10_000;

/// Names of environments are short enough to be shown.
fn granted(grants: BTreeMap<String, Grant>) -> Result<BTreeMap<calipso_model::Str, Grant>, Problem> {
    // Every request of the user carries them.
    if grants.len() > MOST_GRANTS {
        let sentence = format!("names more than {MOST_GRANTS} environments; `*` stands for all");
        return Err(Problem::rejected(vec![FieldError::body("/grants", sentence)]));
    }
    match grants.keys().find(|name| name.is_empty() || name.len() > 200) {
        Some(_) => {
            let error = FieldError::body("/grants", "names an environment that has no name, or one that is too long");
            Err(Problem::rejected(vec![error]))
        }
        None => Ok(grants.into_iter().map(|(name, grant)| (name.into(), grant)).collect()),
    }
}

/// Adds a user.
#[utoipa::path(post, path = "/users", tag = "users", extensions(("x-right" = json!("administer"))),
    request_body = NewUser, responses((status = 201, body = UserView)))]
async fn add(
    State(service): State<Arc<Service>>,
    notes: Notes,
    Body(body): Body<NewUser>,
) -> Result<Response, Problem> {
    notes.detail("name", body.name.as_str());
    notes.detail("administrator", body.administrator);
    let user = User {
        administrator: body.administrator,
        grants: granted(body.grants)?,
        disabled: body.disabled,
        ..User::new(&body.name, body.source, (service.clock)())
    };
    let found = service.accounts.add_user(user, body.password.map(Secret::new)).await?;
    Ok(tagged(StatusCode::CREATED, &found))
}

/// Which user.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct UserPath {
    /// The user's name.
    #[param(max_length = 64, example = "anna")]
    name: String,
}

/// One user.
#[utoipa::path(get, path = "/users/{name}", tag = "users", extensions(("x-right" = json!("administer"))),
    params(UserPath),
    responses((status = 200, body = UserView), (status = 304, description = "What you have is current.")))]
async fn show(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(which): Params<UserPath>,
) -> Result<Response, Problem> {
    let found = service.accounts.read_user(&which.name).await?;
    answer::document(&headers, found.version, &view(&found.user))
}

/// What a user may do, as a whole.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rights {
    /// Whether the user administers: may do everything.
    #[serde(default)]
    administrator: bool,
    /// What the user may do, by environment; `*` stands for all environments.
    #[serde(default)]
    grants: BTreeMap<String, Grant>,
    /// Whether the user is kept out.
    #[serde(default)]
    disabled: bool,
}

/// Replaces what a user may do; what is left out is taken away.
///
/// `If-Match` with the user's `ETag` refuses the change when somebody else was faster.
#[utoipa::path(put, path = "/users/{name}", tag = "users", extensions(("x-right" = json!("administer"))),
    params(UserPath), request_body = Rights, responses((status = 200, body = UserView), (status = 412)))]
async fn replace(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    notes: Notes,
    Params(which): Params<UserPath>,
    Body(body): Body<Rights>,
) -> Result<Response, Problem> {
    let change =
        Change { administrator: Some(body.administrator), grants: Some(body.grants), disabled: Some(body.disabled) };
    changed(&service, &headers, &notes, &which.name, change).await
}

/// What to change of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Whether the user administers: may do everything.
    #[serde(default)]
    administrator: Option<bool>,
    /// What the user may do, by environment, in place of all former grants.
    #[serde(default)]
    grants: Option<BTreeMap<String, Grant>>,
    /// Whether the user is kept out.
    #[serde(default)]
    disabled: Option<bool>,
}

/// Changes what a user may do; what is left out stays.
#[utoipa::path(patch, path = "/users/{name}", tag = "users", extensions(("x-right" = json!("administer"))),
    params(UserPath), request_body = Change, responses((status = 200, body = UserView), (status = 412)))]
async fn change(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    notes: Notes,
    Params(which): Params<UserPath>,
    Body(body): Body<Change>,
) -> Result<Response, Problem> {
    changed(&service, &headers, &notes, &which.name, body).await
}

async fn changed(
    service: &Service,
    headers: &HeaderMap,
    notes: &Notes,
    name: &str,
    change: Change,
) -> Result<Response, Problem> {
    let grants = change.grants.map(granted).transpose()?;
    if let Some(administrator) = change.administrator {
        notes.detail("administrator", administrator);
    }
    if let Some(disabled) = change.disabled {
        notes.detail("disabled", disabled);
    }
    let version = expected(service, name, headers).await?;
    let found = service
        .accounts
        .change_user(name, version, (service.clock)(), |user| {
            user.administrator = change.administrator.unwrap_or(user.administrator);
            user.disabled = change.disabled.unwrap_or(user.disabled);
            if let Some(grants) = grants {
                user.grants = grants;
            }
        })
        .await?;
    Ok(tagged(StatusCode::OK, &found))
}

/// Removes a user with all tokens.
#[utoipa::path(delete, path = "/users/{name}", tag = "users", extensions(("x-right" = json!("administer"))),
    params(UserPath), responses((status = 204, description = "It is removed."), (status = 412)))]
async fn remove(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(which): Params<UserPath>,
) -> Result<StatusCode, Problem> {
    let version = expected(&service, &which.name, &headers).await?;
    service.accounts.remove_user(&which.name, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The password so far; administrators need none for others.
    #[serde(default)]
    #[schema(max_length = 1024, format = Password, write_only)]
    old: Option<String>,
    /// At least 12 characters.
    #[schema(max_length = 1024, format = Password, write_only)]
    new: String,
}

/// Sets a password: one's own, or for administrators that of others. All tokens of the user end.
#[utoipa::path(post, path = "/users/{name}/password", tag = "users", extensions(("x-right" = json!("login"))),
    params(UserPath), request_body = NewPassword, responses((status = 204, description = "It is set.")))]
async fn set_password(
    State(service): State<Arc<Service>>,
    caller: Caller,
    notes: Notes,
    Params(which): Params<UserPath>,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let name = folded(&which.name);
    if name == caller.user {
        let old = body
            .old
            .map(Secret::new)
            .ok_or_else(|| Problem::rejected(vec![FieldError::body("/old", "is needed for one's own password")]))?;
        let checked = service.accounts.check(&name, &old, notes.address(), (service.clock)()).await;
        checked.map_err(|problem| match problem.status() {
            401 => Problem::forbidden("the old password is wrong"),
            _ => problem,
        })?;
    } else if !caller.administrator {
        return Err(Problem::forbidden("only administrators may set the passwords of others"));
    }
    service.accounts.set_password(&name, Secret::new(body.new), (service.clock)()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A right of a user in one environment.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GrantPath {
    /// The user's name.
    #[param(max_length = 64, example = "anna")]
    name: String,
    /// The environment; `*` stands for all.
    #[param(min_length = 1, max_length = 200, example = "*")]
    environment: String,
}

/// What a user may do with one environment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGrant {
    /// `view` or `edit`.
    grant: Grant,
}

/// Grants a right in one environment.
#[utoipa::path(put, path = "/users/{name}/grants/{environment}", tag = "users",
    extensions(("x-right" = json!("administer"))), params(GrantPath), request_body = NewGrant,
    responses((status = 200, body = UserView), (status = 412)))]
async fn grant(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    notes: Notes,
    Params(which): Params<GrantPath>,
    Body(body): Body<NewGrant>,
) -> Result<Response, Problem> {
    notes.environment(&which.environment);
    let version = expected(&service, &which.name, &headers).await?;
    let found = service
        .accounts
        .change_user(&which.name, version, (service.clock)(), |user| {
            user.grants.insert(which.environment.into(), body.grant);
        })
        .await?;
    Ok(tagged(StatusCode::OK, &found))
}

/// Withdraws a right in one environment.
#[utoipa::path(delete, path = "/users/{name}/grants/{environment}", tag = "users",
    extensions(("x-right" = json!("administer"))), params(GrantPath), responses((status = 200, body = UserView), (status = 412)))]
async fn withdraw(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    notes: Notes,
    Params(which): Params<GrantPath>,
) -> Result<Response, Problem> {
    notes.environment(&which.environment);
    let version = expected(&service, &which.name, &headers).await?;
    let found = service
        .accounts
        .change_user(&which.name, version, (service.clock)(), |user| {
            user.grants.remove(which.environment.as_str());
        })
        .await?;
    Ok(tagged(StatusCode::OK, &found))
}

/// Revokes all tokens of a user.
#[utoipa::path(delete, path = "/users/{name}/tokens", tag = "users", extensions(("x-right" = json!("administer"))),
    params(UserPath), responses((status = 204, description = "They are revoked.")))]
async fn revoke_all(
    State(service): State<Arc<Service>>,
    notes: Notes,
    Params(which): Params<UserPath>,
) -> Result<StatusCode, Problem> {
    let found = service.accounts.read_user(&which.name).await?;
    let revoked = service.accounts.revoke_all(&found.user.name).await?;
    notes.detail("revoked", i64::try_from(revoked).unwrap_or(i64::MAX));
    Ok(StatusCode::NO_CONTENT)
}
