//! Pages of lists: by cursor, which fit together while scans run, or by number.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::Revision;
use calipso_store::{Cursor, Page, StoreError};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    limits::Limits,
    problem::{FieldError, Problem},
};

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Number of the page, from 0. Pages by number may overlap while scans run; follow `next` instead.
    #[param(minimum = 0, maximum = 100_000)]
    pub page: Option<usize>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 1_000)]
    pub page_size: Option<usize>,
    /// `next` of the former page. It holds the revision, so that all pages are of one.
    #[param(max_length = 12_000)]
    pub cursor: Option<String>,
}

/// A page for a store, and the revision that it is read at, where one is named.
#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    pub page: Page,
    /// The revision: that of the cursor, or the one asked for.
    pub at: Option<Revision>,
}

impl Paging {
    /// The page for a store.
    ///
    /// # Errors
    /// Both a cursor and a number; a cursor that no answer gave, or one of another revision than is asked for.
    pub(crate) fn request(&self, limits: &Limits, at: Option<Revision>) -> Result<PageRequest, Problem> {
        let limit = self.page_size.unwrap_or(limits.page_size).clamp(1, limits.page_size.max(1));
        match (&self.cursor, self.page) {
            (Some(_), Some(_)) => Err(query_problem("page", "stands beside `cursor`; a page is named by one of them")),
            (Some(cursor), None) => {
                let (revision, cursor) = decode(cursor)?;
                if at.is_some() && at != revision {
                    return Err(query_problem("cursor", "belongs to another revision; leave `at` out to go on"));
                }
                Ok(PageRequest { page: Page::after(cursor, limit), at: revision })
            }
            (None, page) => {
                let skip = page.unwrap_or(0).saturating_mul(limit);
                Ok(PageRequest { page: Page { after: None, skip, limit }, at })
            }
        }
    }

    /// Refuses a page by number where pages cannot be counted.
    ///
    /// # Errors
    /// There is a number above 0.
    pub(crate) fn refuse_number(&self, because_of: &str) -> Result<(), Problem> {
        if self.page.unwrap_or(0) == 0 {
            return Ok(());
        }
        Err(query_problem("page", &format!("cannot be counted with `{because_of}`; follow `next`")))
    }
}

/// Which page of what has no revisions and is not counted, as users.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CursorPaging {
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 1000)]
    page_size: Option<usize>,
    /// `next` of the former page.
    #[param(max_length = 4000)]
    cursor: Option<String>,
}

impl CursorPaging {
    /// The page for a store.
    ///
    /// # Errors
    /// A cursor that no answer gave.
    pub(crate) fn page(&self, limits: &Limits) -> Result<Page, Problem> {
        let limit = self.page_size.unwrap_or(limits.page_size).min(limits.page_size);
        Ok(match &self.cursor {
            Some(cursor) => Page::after(decode(cursor)?.1, limit),
            None => Page::first(limit),
        })
    }
}

fn query_problem(parameter: &str, sentence: &str) -> Problem {
    Problem::bad_request(vec![FieldError::query(parameter, sentence)])
}

/// A cursor as clients see it: opaque, with the revision where there is one.
#[must_use]
pub(crate) fn encode(revision: Option<Revision>, cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_string(&(revision, cursor.as_str())).unwrap_or_default())
}

/// The cursor that a client handed back; the store looks into it.
fn decode(text: &str) -> Result<(Option<Revision>, Cursor), Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let (revision, text): (Option<Revision>, String) =
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(foreign_cursor)?;
    Ok((revision, Cursor::new(text)))
}

/// 400: the cursor is not one of ours.
#[must_use]
pub(crate) fn foreign_cursor() -> Problem {
    Problem::bad_request(vec![
        FieldError::query("cursor", "is not one that an answer to this question gave").help("begin again without one"),
    ])
}

/// What the store says of a question, told as a problem: what it calls invalid is the cursor when there is one.
#[must_use]
pub(crate) fn problem(error: StoreError, page: &Page) -> Problem {
    match error {
        StoreError::Invalid { .. } if page.after.is_some() => foreign_cursor(),
        other => other.into(),
    }
}

/// Adds where the next page is, if there is one.
///
/// # Source
/// RFC 8288: the reference is relative to the address that was asked.
pub(crate) fn link(response: &mut Response, query: Option<&str>, next: Option<&str>) {
    let Some(next) = next else { return };
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "cursor" && name != "page" {
            pairs.append_pair(&name, &value);
        }
    }
    pairs.append_pair("cursor", next);
    if let Ok(value) = HeaderValue::from_str(&format!("<?{}>; rel=\"next\"", pairs.finish())) {
        response.headers_mut().insert(header::LINK, value);
    }
}
