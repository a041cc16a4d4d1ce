//! Lists: pages of rows of the store, pages of what is made in memory, and words of a query that must be known.

use std::collections::BTreeSet;

use calipso_store::{
    Collection, Page, RecordQuery,
    work::{self, Row, row::Versioned},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    paging,
    problem::{FieldError, MOST_ERRORS, Problem},
    service::Service,
};

/// A page of the rows that a question finds, and the cursor of the next one.
///
/// # Errors
/// Those of the store; 400 when the cursor is none that it gave.
pub(crate) async fn rows<R: Row>(
    service: &Service,
    question: &RecordQuery,
    page: &Page,
) -> Result<(Vec<Versioned<R>>, Option<String>), Problem> {
    let found = work::list::<R>(&*service.backend, question, page).await;
    let (rows, next) = found.map_err(|error| paging::problem(error, page))?;
    Ok((rows, next.map(|cursor| paging::encode(None, &cursor))))
}

/// Which documents of an environment are removed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemoveQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// These ids, with commas between.
    #[param(min_length = 1, max_length = 12_000)]
    ids: Option<String>,
    /// All of the environment.
    all: Option<bool>,
}

/// How many were removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removed {
    /// Their number.
    count: u64,
}

/// Removes documents of an environment: those of some ids, or all.
///
/// # Errors
/// 404 of the environment; 400 unless exactly one of `ids` and `all=true` is given.
pub(crate) async fn remove(service: &Service, collection: Collection, query: &RemoveQuery) -> Result<Removed, Problem> {
    let (environment, backend) = (query.env_name.as_str(), &service.backend);
    backend.current(environment).await?;
    let wrong = |parameter: &str, sentence: &str| Problem::bad_request(vec![FieldError::query(parameter, sentence)]);
    let ids = match (&query.ids, query.all) {
        (Some(ids), None | Some(false)) => ids,
        (None, Some(true)) => {
            let all = RecordQuery::all().equals("environment", environment);
            return Ok(Removed { count: backend.remove_all(collection, &all).await? });
        }
        (Some(_), Some(true)) => return Err(wrong("all", "stands beside `ids`; say one of them")),
        (None, _) => return Err(wrong("ids", "is needed, or `all=true`")),
    };
    let mut count = 0;
    for id in ids.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        let found = backend.record(collection, id).await?;
        if found.is_some_and(|record| record.doc.text("environment").is_some_and(|name| **name == *environment)) {
            count += u64::from(backend.remove(collection, id, None).await?);
        }
    }
    Ok(Removed { count })
}

/// The page of a list, counted from 0; a size of 0 means as many as the server allows.
pub(crate) fn page<T>(items: Vec<T>, page: Option<u64>, size: Option<u64>, most: usize) -> Vec<T> {
    let size = match size.and_then(|size| usize::try_from(size).ok()) {
        None | Some(0) => most,
        Some(size) => size.min(most),
    };
    let page = page.and_then(|page| usize::try_from(page).ok()).unwrap_or(0);
    items.into_iter().skip(page.saturating_mul(size)).take(size).collect()
}

/// Notes that a parameter has a value that nothing can have.
pub(crate) fn known<'k>(
    errors: &mut Vec<FieldError>,
    name: &str,
    given: impl IntoIterator<Item = &'k String>,
    known: &BTreeSet<String>,
) {
    let wrong: Vec<&String> = given.into_iter().filter(|value| !known.contains(*value)).collect();
    if wrong.is_empty() {
        return;
    }
    let listed = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    // More are not told anyway.
    for value in wrong.into_iter().take(MOST_ERRORS) {
        errors.push(FieldError::query(name, format!("nothing has `{value}`")).help(format!("there are {listed}")));
    }
}

/// 400 when something was noted.
///
/// # Errors
/// Everything that was noted.
pub(crate) fn refuse(errors: Vec<FieldError>) -> Result<(), Problem> {
    if errors.is_empty() { Ok(()) } else { Err(Problem::bad_request(errors)) }
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn pages_have_their_size() {
        let items = || (0..10).collect::<Vec<i32>>();
        assert_eq!(page(items(), None, None, 4), [0, 1, 2, 3]);
        assert_eq!(page(items(), Some(2), Some(3), 4), [6, 7, 8]);
        assert_eq!(page(items(), Some(1), Some(0), 100), [0_i32; 0]);
        assert_eq!(page(items(), Some(u64::MAX), Some(u64::MAX), 4), [0_i32; 0]);
    }
}
