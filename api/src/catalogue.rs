//! The catalogue as answers: what each kind of spec tells those who use the interface.

pub(crate) mod constants;
pub(crate) mod kinds;
pub(crate) mod schema;

use std::sync::Arc;

use calipso_spec::{Diagnostic, Loaded, diag};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    access::Caller,
    problem::{FieldError, Problem},
    service::Service,
};

/// Whose specs are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CatalogueQuery {
    /// The environment whose specs are meant: those that apply to it, its own included. Left out: those of the server.
    pub env_name: Option<String>,
    /// Number of the page, from 0.
    #[param(minimum = 0)]
    pub page: Option<u64>,
    /// Items of a page; 0: as many as the server allows.
    #[param(minimum = 0)]
    pub page_size: Option<u64>,
}

/// The specs in force for a caller.
///
/// # Errors
/// 403 and 404 of the environment.
pub async fn in_force(
    service: &Service,
    caller: &Caller,
    env_name: Option<&str>,
) -> Result<(Arc<Loaded>, Option<calipso_model::Environment>), Problem> {
    let Some(name) = env_name else { return Ok((Arc::clone(service.catalogues.server()), None)) };
    if !caller.may_view(name) {
        return Err(Problem::forbidden("your rights do not reach this environment"));
    }
    let environment = service.backend.environment(name).await?;
    Ok((service.catalogue(name).await?, Some(environment)))
}

/// Whether a spec comes from the environment's own.
#[must_use]
pub fn is_own(at: &calipso_spec::checked::At) -> bool {
    calipso_spec::is_own(&at.file)
}

/// A diagnostic as a part of a problem: a place in a spec that stands at `pointer` of the body.
#[must_use]
pub fn field_error(diagnostic: &Diagnostic, files: &diag::Files, pointer: &str) -> FieldError {
    let text = files.get(&diagnostic.primary.file).map_or("", AsRef::as_ref);
    let (line, column) = diag::line_column(text, diagnostic.primary.range.start);
    let mut error = FieldError::body(pointer, diagnostic.message.clone());
    error.help = diagnostic.help.clone();
    error.code = Some(diagnostic.code.to_owned());
    error.line = Some(line);
    error.column = Some(column);
    error
}
