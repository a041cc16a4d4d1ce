//! Inventory objects and their keys.

use std::fmt;

use crate::{Map, Str, Value};

/// What identifies an object within one environment: its type and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Object type, as the specs declare it.
    pub object_type: Str,
    /// Id, unique within the type.
    pub id: Str,
}

impl ObjectKey {
    /// Makes a key.
    #[must_use]
    pub fn new(object_type: impl Into<Str>, id: impl Into<Str>) -> Self {
        Self { object_type: object_type.into(), id: id.into() }
    }
}

/// Shown as `TYPE/ID`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.object_type, self.id)
    }
}

/// An object of the inventory: its key and its whole document.
///
/// # Shape
/// `doc` holds every field of the object as users see it, the common ones included: `environment`, `type`, `id`,
/// `name`, `object_name`, `parent_type`, `parent_id`, `id_path`, `name_path`, `show_in_tree`, `host` where it applies,
/// then fetched and derived attributes. It never holds what changes with every scan (`last_scanned`).
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Type and id.
    pub key: ObjectKey,
    /// Every field, the common ones included.
    pub doc: Map,
}

impl Object {
    /// The text of a field, or nothing.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.doc.get(field).and_then(Value::as_str)
    }

    /// The display name: `name`, else the id.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("name").unwrap_or(&self.key.id)
    }
}
