//! The mark of a result that is not known because its step failed.

use std::sync::{Arc, LazyLock};

use calipso_model::{Str, Value};

const TEXT: &str = "(not known)";

static MARKER: LazyLock<Str> = LazyLock::new(|| Arc::from(TEXT));

/// The mark. Put into a frame in place of a result, it makes every evaluation that touches it end with an
/// [`EvalError`](crate::EvalError) that says so; nothing masks that, not even `default`.
#[must_use]
pub fn marker() -> Value {
    Value::Str(MARKER.clone())
}

/// Whether a value is the mark; another text with the same letters is not.
#[must_use]
#[inline]
pub fn is_marker(value: &Value) -> bool {
    matches!(value, Value::Str(text) if is_text(text))
}

#[inline]
pub(crate) fn is_text(text: &Str) -> bool {
    text.len() == TEXT.len() && Arc::ptr_eq(text, &MARKER)
}
