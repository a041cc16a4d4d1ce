//! What API users see when something is wrong: problem details (RFC 9457).

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use calipso_store::StoreError;
use serde::Serialize;

/// The kinds of problems: status, the last part of the type's path, title, and what it means.
pub const KINDS: &[Kind] = &[
    Kind {
        status: 400,
        slug: "bad-request",
        title: "The request cannot be understood",
        about: "The query, the path or the body is not of the form that the OpenAPI document describes. `errors` names each place.",
    },
    Kind {
        status: 401,
        slug: "not-authenticated",
        title: "Who you are is not known",
        about: "No credentials came with the request, or they are wrong or have expired. Log in with POST /api/v1/auth/tokens.",
    },
    Kind {
        status: 403,
        slug: "not-allowed",
        title: "You may not do this",
        about: "Your rights do not include this. An administrator can grant them.",
    },
    Kind {
        status: 404,
        slug: "not-found",
        title: "There is no such thing",
        about: "The path leads nowhere, or what it names is not there (or not at this revision).",
    },
    Kind {
        status: 405,
        slug: "method-not-allowed",
        title: "The method does not fit",
        about: "The path is there, but does not take this method; `Allow` lists those that it takes.",
    },
    Kind {
        status: 408,
        slug: "too-slow",
        title: "The body came too slowly",
        about: "A request has to be there whole within a time that stands in the detail.",
    },
    Kind {
        status: 409,
        slug: "conflict",
        title: "It conflicts with what is there",
        about: "Something of that name exists already, or is in a state that forbids this.",
    },
    Kind {
        status: 412,
        slug: "changed-meanwhile",
        title: "It was changed meanwhile",
        about: "The version in `If-Match` is no longer current. Read it again, and repeat the change on what is there now.",
    },
    Kind {
        status: 413,
        slug: "too-large",
        title: "The body is too large",
        about: "Bodies are limited; the limit stands in the detail.",
    },
    Kind {
        status: 415,
        slug: "unsupported-media-type",
        title: "The body is of the wrong type",
        about: "Bodies are JSON, with the content type application/json.",
    },
    Kind {
        status: 422,
        slug: "rejected",
        title: "The content was rejected",
        about: "The body is of the right form but says something that cannot be. `errors` names each place.",
    },
    Kind {
        status: 429,
        slug: "too-many-requests",
        title: "Too many requests",
        about: "Too many attempts in a short time. `Retry-After` says how many seconds to wait.",
    },
    Kind {
        status: 500,
        slug: "bug",
        title: "A fault of the server",
        about: "This should not happen, unless the store is damaged, which the detail says then. The request id in `instance` finds the cause in the server's log.",
    },
    Kind {
        status: 503,
        slug: "store-away",
        title: "What the server needs is away",
        about: "The store is busy, out of reach or full, or the directory that knows passwords is away; the detail says which. Try again after a while.",
    },
];

/// One kind of problem.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub status: u16,
    /// Last part of `type`.
    pub slug: &'static str,
    pub title: &'static str,
    /// What it means and what to do.
    pub about: &'static str,
}

/// What is wrong with one part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// `query`, `path`, `header` or `body`.
    #[serde(rename = "in")]
    pub part: &'static str,
    /// Name of the parameter, or JSON pointer into the body.
    pub path: String,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Id of what stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Code of a diagnostic of a spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Line of a spec, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in a spec, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl FieldError {
    /// About a parameter of the query.
    #[must_use]
    pub fn query(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::at("query", name, message)
    }

    /// About a part of the body, by JSON pointer.
    #[must_use]
    pub fn body(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::at("body", pointer, message)
    }

    /// About any part.
    #[must_use]
    pub fn at(part: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            part,
            path: path.into(),
            message: message.into(),
            help: None,
            id: None,
            code: None,
            line: None,
            column: None,
        }
    }

    /// Adds the id of what stands in the way.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Maximum number of mistakes that are listed; of more only the number is told.
pub const MOST_ERRORS: usize = 100;

/// Maximum length of a text in a problem, in bytes. Names out of a body stand in sentences about it, and may be as long as the body.
const MOST_TEXT: usize = 1_000;

/// A text that is not too long, cut between characters.
fn cut(text: &mut String) {
    if text.len() > MOST_TEXT {
        text.truncate(text.floor_char_boundary(MOST_TEXT));
        text.push('…');
    }
}

/// The first mistakes, in texts that are not too long, and how many are left out.
fn bounded(mut errors: Vec<FieldError>) -> (Vec<FieldError>, usize) {
    let left_out = errors.len().saturating_sub(MOST_ERRORS);
    errors.truncate(MOST_ERRORS);
    for error in &mut errors {
        cut(&mut error.path);
        cut(&mut error.message);
        if let Some(help) = &mut error.help {
            cut(help);
        }
    }
    (errors, left_out)
}

/// A problem: what the client is told, and a cause that only the log sees.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    errors: Vec<FieldError>,
    errors_left_out: usize,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    retry_after_secs: Option<u64>,
}

/// The body of an answer that tells of a problem.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Stable path that explains this type of problem.
    #[serde(rename = "type")]
    type_path: String,
    /// Fixed for the type.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    detail: &'a str,
    /// The request, for the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Each part of the request that is wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    /// How many more there are, which are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    errors_left_out: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The kind of a status; whatever is unknown is our fault.
fn kind(status: u16) -> &'static Kind {
    KINDS.iter().find(|kind| kind.status == status).unwrap_or(&KINDS[KINDS.len() - 2])
}

impl Problem {
    fn new(status: u16, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        cut(&mut detail);
        Self { kind: kind(status), detail, errors: Vec::new(), errors_left_out: 0, cause: None, retry_after_secs: None }
    }

    /// 400, with each place that is wrong.
    #[must_use]
    pub fn bad_request(errors: Vec<FieldError>) -> Self {
        let detail = summary(&errors);
        Self::new(400, detail).with_errors(errors)
    }

    /// 401: who sends the request is not known.
    #[must_use]
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(401, detail)
    }

    /// 403: the caller may not do this.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, detail)
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(405, "this path does not take this method")
    }

    /// 409.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, detail)
    }

    /// Adds each place that it is about.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        (self.errors, self.errors_left_out) = bounded(errors);
        self
    }

    /// 412.
    #[must_use]
    pub fn changed(detail: impl Into<String>) -> Self {
        Self::new(412, detail)
    }

    /// 408.
    #[must_use]
    pub fn too_slow(limit: Duration) -> Self {
        Self::new(408, format!("the body was not there within {} s", limit.as_secs()))
    }

    /// 413.
    #[must_use]
    pub fn too_large(limit_bytes: usize) -> Self {
        Self::new(413, format!("bodies here have at most {limit_bytes} bytes"))
    }

    /// 415.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(415, "send JSON with the header `Content-Type: application/json`")
    }

    /// 422, with each place that is wrong.
    #[must_use]
    pub fn rejected(errors: Vec<FieldError>) -> Self {
        let detail = summary(&errors);
        Self::new(422, detail).with_errors(errors)
    }

    /// 429.
    #[must_use]
    pub fn too_many(detail: impl Into<String>, retry_after_secs: u64) -> Self {
        Self { retry_after_secs: Some(retry_after_secs), ..Self::new(429, detail) }
    }

    /// 500: the cause goes to the log only.
    #[must_use]
    pub fn bug(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(Arc::from(cause.into())),
            ..Self::new(500, "the server's log says more, under the request's id")
        }
    }

    /// 503.
    #[must_use]
    pub fn store_away(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(Arc::from(cause.into())),
            retry_after_secs: Some(5),
            ..Self::new(503, "the store is busy or out of reach; try again")
        }
    }

    /// 503 of a store whose disk is full.
    #[must_use]
    pub fn store_full(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            detail:
                "the store's disk is full, so nothing can be changed; whoever runs this server has to free some space, \
                     nothing was lost"
                    .to_owned(),
            retry_after_secs: Some(60),
            ..Self::store_away(cause)
        }
    }

    /// 500 of a store that does not hold what was written.
    #[must_use]
    pub fn store_damaged(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(Arc::from(cause.into())),
            ..Self::new(
                500,
                "the store is damaged; whoever runs this server has to look with `calipso store check`, and restore a backup",
            )
        }
    }

    /// 503 of an answer that took too long.
    #[must_use]
    pub fn overdue(limit: Duration) -> Self {
        Self {
            retry_after_secs: Some(5),
            ..Self::new(
                503,
                format!("the answer was not ready within {} s; ask for less, or try again", limit.as_secs()),
            )
        }
    }

    /// 503 of the service that knows passwords.
    #[must_use]
    pub fn directory_away(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            detail: "the directory that knows passwords does not answer; try again".to_owned(),
            ..Self::store_away(cause)
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind.status
    }

    /// What happened this time.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What the log should say, if anything.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer, with the id of the request.
    #[must_use]
    pub fn response(&self, request_id: Option<&str>) -> Response {
        let body = ProblemBody {
            type_path: format!("/problems/{}", self.kind.slug),
            title: self.kind.title,
            status: self.kind.status,
            detail: &self.detail,
            instance: request_id.map(|id| format!("/requests/{id}")),
            errors: &self.errors,
            errors_left_out: self.errors_left_out,
        };
        let mut response = (self.status_code(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.kind.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"calipso\""));
        }
        if let Some(seconds) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn summary(errors: &[FieldError]) -> String {
    match errors {
        [] => "the request is wrong".to_owned(),
        [only] => format!("`{}`: {}", only.path, only.message),
        [first, rest @ ..] => format!("`{}`: {}, and {} more", first.path, first.message, rest.len()),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Only a mark: the outermost layer writes it, with the request's id, and logs its cause.
        let mut response = self.status_code().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { .. } | StoreError::NoRevision { .. } => Self::not_found(error.to_string()),
            StoreError::Exists { .. } | StoreError::LeaseHeld { .. } | StoreError::Finished { .. } => {
                Self::conflict(error.to_string())
            }
            StoreError::Changed { .. } => Self::changed(error.to_string()),
            StoreError::Invalid { what } => Self::bad_request(vec![FieldError::query("", what.clone())]),
            StoreError::Busy | StoreError::Unavailable { .. } => Self::store_away(error),
            StoreError::FullDisk { .. } => Self::store_full(error),
            StoreError::Corrupt { .. } => Self::store_damaged(error),
            _ => Self::bug(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldError, KINDS, MOST_ERRORS, Problem, kind};

    #[test]
    fn mistakes_are_told_with_an_end() {
        let errors = |n: usize| (0..n).map(|n| FieldError::body(format!("/{n}"), "x".repeat(5_000))).collect();
        let problem = Problem::rejected(errors(2_000));
        assert_eq!((problem.errors.len(), problem.errors_left_out), (MOST_ERRORS, 2_000 - MOST_ERRORS));
        let length: usize = problem.errors.iter().map(|error| error.message.len()).sum();
        assert!(length < MOST_ERRORS * 1_010 && problem.detail().len() < 1_010, "{length}");
        let few = Problem::bad_request(errors(2)).with_errors(vec![FieldError::body("/ä".repeat(900), "short")]);
        assert_eq!((few.errors.len(), few.errors_left_out), (1, 0));
        assert!(few.errors[0].path.ends_with('…') && few.errors[0].message == "short");
    }

    #[test]
    fn every_status_stands_once() {
        let mut seen: Vec<u16> = KINDS.iter().map(|kind| kind.status).collect();
        seen.dedup();
        assert_eq!(seen.len(), KINDS.len());
        assert_eq!(kind(599).status, 500, "an unknown status is our fault");
    }
}
