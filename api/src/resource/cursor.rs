//! Where pages of accounts and of the audit trail begin.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_store::{Cursor, Page};

use crate::problem::{FieldError, Problem};

/// A cursor as clients see it.
pub(crate) fn encode(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(cursor.as_str())
}

/// The page after a cursor, or the first one.
pub(crate) fn page(cursor: Option<&str>, limit: usize) -> Result<Page, Problem> {
    let Some(text) = cursor else { return Ok(Page::first(limit)) };
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(foreign)?;
    Ok(Page::after(Cursor::new(text), limit))
}

/// What the store finds wrong with a question is its cursor, if there is one.
pub(crate) fn mended<T>(answer: Result<T, Problem>, page: &Page) -> Result<T, Problem> {
    answer.map_err(|problem| if problem.status() == 400 && page.after.is_some() { foreign() } else { problem })
}

fn foreign() -> Problem {
    let error = FieldError::query("cursor", "is not one that an answer to this question gave");
    Problem::bad_request(vec![error.help("begin again without one")])
}
