//! `/auth`: logins, tokens, and who sends a request.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use calipso_model::{Secret, Str};
use calipso_store::{RecordQuery, work::row::Versioned};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Caller, Grant},
    account::{Login, Token, Wanted, folded, token_in},
    answer,
    audit::Notes,
    extract::{Body, Conditions, Params},
    listing,
    paging::CursorPaging,
    problem::{FieldError, Problem},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(log_in, log_out, list)).routes(routes!(revoke)).routes(routes!(me))
}

/// A login: `auth` as in the original, or just a name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    /// The form of the original.
    #[serde(default)]
    #[schema(nullable = false)]
    auth: Option<Auth>,
    /// The user's name.
    #[serde(default)]
    #[schema(max_length = 256)]
    username: Option<String>,
    /// The user's password.
    #[serde(default)]
    #[schema(max_length = 1024, format = Password, write_only)]
    password: Option<String>,
    /// What to call the token in lists.
    #[serde(default)]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// Seconds after which the token ends; never later than the login it descends from allows.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 315_360_000)]
    expires_in_secs: Option<u64>,
}

/// How one logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Auth {
    /// The methods to try; `credentials` comes first.
    #[serde(default)]
    #[schema(max_items = 10)]
    methods: Option<Vec<Method>>,
    /// For the method `credentials`.
    #[serde(default)]
    #[schema(nullable = false)]
    credentials: Option<NameAndPassword>,
    /// For the method `token`: a token that is still good.
    #[serde(default)]
    #[schema(max_length = 1024, write_only)]
    token: Option<String>,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Method {
    /// A name and a password.
    Credentials,
    /// A token, to get another one.
    Token,
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NameAndPassword {
    /// The user's name.
    #[schema(max_length = 256)]
    username: String,
    /// The user's password.
    #[schema(max_length = 1024, format = Password, write_only)]
    password: String,
}

/// A new token.
#[derive(Serialize, ToSchema)]
struct NewToken {
    /// The token; it is shown this once.
    token: String,
    /// Its id, for lists and for revoking it.
    id: String,
    /// How it was asked for: `credentials` or `token`.
    method: String,
    /// When it was made.
    issued_at: String,
    /// When it ends.
    expires_at: String,
    /// The user that it speaks for.
    user: String,
    /// Whether that user may do everything.
    administrator: bool,
    /// What the user may do, by environment; `*` stands for all environments.
    grants: BTreeMap<String, Grant>,
}

/// Logs in.
///
/// Answers with a token for the headers `Authorization: Bearer` or `X-Auth-Token`.
#[utoipa::path(post, path = "/auth/tokens", tag = "auth", security(()), extensions(("x-right" = json!("public"))),
    request_body = LoginBody, responses((status = 201, body = NewToken)))]
async fn log_in(
    State(service): State<Arc<Service>>,
    notes: Notes,
    Body(body): Body<LoginBody>,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    let wanted = Wanted {
        name: body.name.map(Into::into),
        lifetime: body.expires_in_secs.map(Duration::from_secs),
        address: notes.address(),
    };
    let plain = match (body.auth, body.username, body.password) {
        (Some(auth), None, None) => return log_in_by(&service, &notes, auth, &wanted).await,
        (None, Some(username), Some(password)) => NameAndPassword { username, password },
        _ => {
            let error = FieldError::body("/auth", "is needed, or `username` and `password` in its place");
            return Err(Problem::bad_request(vec![error]));
        }
    };
    by_password(&service, &notes, plain, &wanted).await
}

async fn log_in_by(
    service: &Service,
    notes: &Notes,
    auth: Auth,
    wanted: &Wanted,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    let refused = |detail: &str| Err(Problem::unauthenticated(detail));
    let methods = auth.methods.ok_or_else(|| {
        let error = FieldError::body("/auth/methods", "is needed").help("write `credentials`, `token` or both");
        Problem::bad_request(vec![error])
    })?;
    if auth.credentials.is_none() && auth.token.is_none() {
        return refused("send credentials or a token");
    }
    if methods.contains(&Method::Credentials) {
        return match auth.credentials {
            Some(credentials) => by_password(service, notes, credentials, wanted).await,
            None => refused("the method credentials needs credentials"),
        };
    }
    match auth.token {
        Some(token) if methods.contains(&Method::Token) => by_token(service, notes, &Secret::new(token), wanted).await,
        _ => refused("the method token needs a token"),
    }
}

async fn by_password(
    service: &Service,
    notes: &Notes,
    given: NameAndPassword,
    wanted: &Wanted,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    let password = Secret::new(given.password);
    let done = service.accounts.log_in(&given.username, &password, wanted, (service.clock)()).await;
    // Who tries too often would fill the trail; the attempts before that are in it.
    if done.as_ref().err().is_none_or(|problem| problem.status() != 429) {
        notes.user(&folded(&given.username));
        notes.detail("method", "credentials");
    }
    done.map(|login| shown(notes, login))
}

async fn by_token(
    service: &Service,
    notes: &Notes,
    token: &Secret,
    wanted: &Wanted,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    let login = service.accounts.renew(token, wanted, (service.clock)()).await?;
    notes.user(&login.token.user);
    notes.detail("method", "token");
    Ok(shown(notes, login))
}

fn shown(notes: &Notes, login: Login) -> (StatusCode, Json<NewToken>) {
    notes.detail("new_token", login.id.clone());
    let token = NewToken {
        token: login.secret.reveal().to_owned(),
        id: login.id.to_string(),
        method: login.token.method.to_string(),
        issued_at: login.token.issued_at.to_string(),
        expires_at: login.token.expires_at.to_string(),
        user: login.caller.user.to_string(),
        administrator: login.caller.administrator,
        grants: texts(&login.caller.grants),
    };
    (StatusCode::CREATED, Json(token))
}

pub(crate) fn texts(grants: &BTreeMap<Str, Grant>) -> BTreeMap<String, Grant> {
    grants.iter().map(|(name, grant)| (name.to_string(), *grant)).collect()
}

/// How much to revoke.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LogOutQuery {
    /// Every token of the caller, not only the one that was sent.
    all: Option<bool>,
}

/// Logs out: revokes the token that was sent.
#[utoipa::path(delete, path = "/auth/tokens", tag = "auth", extensions(("x-right" = json!("login"))), params(LogOutQuery),
    responses((status = 200, description = "It is revoked.")))]
async fn log_out(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(extent): Params<LogOutQuery>,
) -> Result<StatusCode, Problem> {
    let accounts = &service.accounts;
    if extent.all == Some(true) {
        accounts.revoke_all(&caller.user).await?;
        return Ok(StatusCode::OK);
    }
    let id = match caller.token_id {
        Some(id) => id,
        // Basic credentials came before it.
        None => match token_in(&headers) {
            Some(id) => id,
            None => return Err(Problem::unauthenticated("send the token that is to be revoked in X-Auth-Token")),
        },
    };
    match accounts.token(&id).await? {
        Some((_, token)) if token.user == caller.user => accounts.revoke(&id).await?,
        _ => return Err(Problem::unauthenticated("the token is unknown, was revoked or has expired")),
    };
    Ok(StatusCode::OK)
}

/// Whose tokens.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TokensQuery {
    /// A user; only administrators may see those of others.
    #[param(max_length = 256)]
    user: Option<String>,
}

/// A token in a list, without its secret.
#[derive(Serialize, ToSchema)]
struct TokenView {
    /// For revoking it.
    id: String,
    /// Whose it is.
    user: String,
    /// What its owner calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// How it was asked for.
    method: String,
    /// When it was made.
    issued_at: String,
    /// When it ends.
    expires_at: String,
    /// When a password was last given for it.
    login_at: String,
    /// Where it was asked for from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Whether it is the one that was sent.
    current: bool,
}

/// A page of tokens.
#[derive(Serialize, ToSchema)]
struct Tokens {
    /// Those that are still good.
    tokens: Vec<TokenView>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists tokens: one's own, or those of a user.
#[utoipa::path(get, path = "/auth/tokens", tag = "auth", extensions(("x-right" = json!("login"))), params(TokensQuery, CursorPaging),
    responses((status = 200, body = Tokens), (status = 304, description = "What you have is current.")))]
async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    conditions: Conditions,
    Params(whose): Params<TokensQuery>,
    Params(paging): Params<CursorPaging>,
) -> Result<Response, Problem> {
    let user = whose.user.as_deref().map_or_else(|| caller.user.clone(), folded);
    if user != caller.user && !caller.administrator {
        return Err(Problem::forbidden("only administrators may see the tokens of others"));
    }
    let page = paging.page(&service.limits)?;
    let question = RecordQuery::all().equals("user", user);
    let (found, next) = listing::rows::<Token>(&service, &question, &page).await?;
    let now = (service.clock)();
    let tokens = found.into_iter().filter(|task| !task.row.is_expired(now)).map(|task| view(task, &caller)).collect();
    let body = Tokens { tokens, next };
    answer::page(&conditions, None, &body, body.next.as_deref())
}

fn view(task: Versioned<Token>, caller: &Caller) -> TokenView {
    let token = task.row;
    TokenView {
        user: token.user.to_string(),
        name: token.name.map(|name| name.to_string()),
        method: token.method.to_string(),
        issued_at: token.issued_at.to_string(),
        expires_at: token.expires_at.to_string(),
        login_at: token.login_at.to_string(),
        address: token.address.map(|address| address.to_string()),
        current: caller.token_id.as_ref() == Some(&task.id),
        id: task.id.to_string(),
    }
}

/// Which token.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TokenPath {
    /// Its id, as lists show it.
    #[param(max_length = 64, example = "9fd1b7bf0478116b44e0161dbc586fdcd12c37c9adf9723058365cc0fe98e2b8")]
    id: String,
}

/// Revokes a token: one's own, or for administrators any.
#[utoipa::path(delete, path = "/auth/tokens/{id}", tag = "auth", extensions(("x-right" = json!("login"))),
    params(TokenPath), responses((status = 204, description = "It is revoked.")))]
async fn revoke(
    State(service): State<Arc<Service>>,
    caller: Caller,
    notes: Notes,
    Params(which): Params<TokenPath>,
) -> Result<StatusCode, Problem> {
    let accounts = &service.accounts;
    match accounts.token(&which.id).await? {
        Some((_, token)) if token.user == caller.user || caller.administrator => {
            notes.detail("token_of", token.user);
            accounts.revoke(&which.id).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        // Whether others have such a token is not told.
        _ => Err(Problem::not_found("you have no token of this id")),
    }
}

/// Who sends a request.
#[derive(Serialize, ToSchema)]
struct Me {
    /// Name of the user.
    user: String,
    /// Whether the user may do everything.
    administrator: bool,
    /// What the user may do, by environment; `*` stands for all environments.
    grants: BTreeMap<String, Grant>,
    /// The token that was sent, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
}

/// Who sends the request, and what they may do.
#[utoipa::path(get, path = "/auth/me", tag = "auth", extensions(("x-right" = json!("login"))),
    responses((status = 200, body = Me)))]
async fn me(caller: Caller) -> Json<Me> {
    Json(Me {
        user: caller.user.to_string(),
        administrator: caller.administrator,
        grants: texts(&caller.grants),
        token_id: caller.token_id.map(|id| id.to_string()),
    })
}
