//! How documents lie in the file, and back.

use calipso_model::{Environment, Map, Object, ObjectKey};

use crate::{embedded::fault::unreadable, error::StoreError, form};

/// A document as text.
pub(super) fn map_text(map: &Map) -> String {
    serde_json::to_string(map).expect("a document has text keys and finite numbers only")
}

/// A document from text.
pub(super) fn map_from(text: &str) -> Result<Map, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable("a document", error))
}

/// An object from its key and the text of its document.
pub(super) fn object_from(key: ObjectKey, text: &str) -> Result<Object, StoreError> {
    Ok(Object { key, doc: map_from(text)? })
}

/// An environment as text.
pub(super) fn environment_text(environment: &Environment) -> String {
    map_text(&form::environment_map(environment))
}

/// An environment from text.
pub(super) fn environment_from(text: &str) -> Result<Environment, StoreError> {
    form::environment_from(&map_from(text)?)
}
