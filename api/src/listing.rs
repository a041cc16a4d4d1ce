//! Pages of short lists that are made in memory, and words of a query that must be known.

use std::collections::BTreeSet;

use crate::problem::{FieldError, MOST_ERRORS, Problem};

/// The page of a list, counted from 0; a size of 0 means as many as the server allows.
pub fn page<T>(items: Vec<T>, page: Option<u64>, size: Option<u64>, most: usize) -> Vec<T> {
    let size = match size.and_then(|size| usize::try_from(size).ok()) {
        None | Some(0) => most,
        Some(size) => size.min(most),
    };
    let page = page.and_then(|page| usize::try_from(page).ok()).unwrap_or(0);
    items.into_iter().skip(page.saturating_mul(size)).take(size).collect()
}

/// Notes that a parameter has a value that nothing can have.
pub fn known<'k>(
    errors: &mut Vec<FieldError>,
    name: &str,
    given: impl IntoIterator<Item = &'k String>,
    known: &BTreeSet<String>,
) {
    let mut wrong = given.into_iter().filter(|value| !known.contains(*value)).peekable();
    if wrong.peek().is_none() {
        return;
    }
    let listed = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    // More are not told anyway.
    for value in wrong.take(MOST_ERRORS) {
        errors.push(FieldError::query(name, format!("nothing has `{value}`")).help(format!("there are {listed}")));
    }
}

/// 400 when something was noted.
///
/// # Errors
/// Everything that was noted.
pub fn fine(errors: Vec<FieldError>) -> Result<(), Problem> {
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
