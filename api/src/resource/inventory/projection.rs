//! Which fields of objects a list shows.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Map, Str, Value};
use calipso_spec::Specs;

use crate::problem::{FieldError, Problem};

/// Fields that objects of all types have.
const COMMON: &[&str] = &[
    "environment",
    "host",
    "id",
    "id_path",
    "name",
    "name_path",
    "object_name",
    "parent_id",
    "parent_type",
    "show_in_tree",
    "text",
    "type",
];

/// When the object was found last: not part of the document.
pub(super) const LAST_SCANNED: &str = "last_scanned";

/// What a list shows where nothing else is asked for.
const DEFAULT: &[&str] = &["environment", "id", "name", "name_path", "type"];

/// The fields that a list shows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Projection {
    below: Tree,
    /// Whether the last scan is shown.
    pub(super) last_scanned: bool,
}

/// Names of fields; an empty tree below a name is all that is there.
#[derive(Debug, Default, PartialEq)]
struct Tree(BTreeMap<Str, Tree>);

impl Projection {
    /// From a list of names and dotted paths with commas between.
    ///
    /// # Errors
    /// A name that no object of these types has, or an empty one.
    pub(super) fn of(text: Option<&str>, specs: &Specs, types: &[Str]) -> Result<Self, Problem> {
        let Some(text) = text else {
            let below = DEFAULT.iter().map(|name| (Str::from(*name), Tree::default())).collect();
            return Ok(Self { below: Tree(below), last_scanned: false });
        };
        let mut projection = Self::default();
        let mut errors = Vec::new();
        let known = Known::of(specs, types);
        for path in text.split(',').map(str::trim) {
            let first = path.split('.').next().unwrap_or_default();
            if path == LAST_SCANNED {
                projection.last_scanned = true;
            } else if path.split('.').any(str::is_empty) {
                errors.push(FieldError::query("projection", format!("`{path}` is not the name of a field")));
            } else if known.has(first) {
                projection.below.add(path);
            } else {
                errors.push(FieldError::query("projection", format!("no object here has a field `{first}`")));
            }
        }
        for always in ["id", "type"] {
            projection.below.add(always);
        }
        if errors.is_empty() { Ok(projection) } else { Err(Problem::bad_request(errors)) }
    }

    /// The fields of the document that are needed.
    pub(super) fn fields(&self) -> Vec<Str> {
        self.below.0.keys().cloned().collect()
    }

    /// What is shown of a document.
    pub(super) fn apply(&self, doc: &Map) -> Map {
        self.below.pick(doc)
    }
}

impl Tree {
    fn add(&mut self, path: &str) {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        match (self.0.get_mut(name), rest) {
            (None, None) => {
                self.0.insert(name.into(), Self::default());
            }
            (None, Some(rest)) => self.0.entry(name.into()).or_default().add(rest),
            (Some(known), None) => known.0.clear(),
            // The whole field is shown already.
            (Some(known), Some(_)) if known.0.is_empty() => {}
            (Some(known), Some(rest)) => known.add(rest),
        }
    }

    fn pick(&self, doc: &Map) -> Map {
        self.0
            .iter()
            .filter_map(|(name, below)| {
                let value = doc.get(name)?;
                Some((name.clone(), if below.0.is_empty() { value.clone() } else { below.within(value)? }))
            })
            .collect()
    }

    /// What of a value is shown; lists are looked through.
    fn within(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Map(map) => Some(Value::Map(self.pick(map))),
            Value::List(items) => Some(Value::list(items.iter().filter_map(|item| self.within(item)).collect())),
            _ => None,
        }
    }
}

/// The fields that objects may have.
struct Known<'s> {
    names: BTreeSet<&'s str>,
    any: bool,
}

impl<'s> Known<'s> {
    fn of(specs: &'s Specs, types: &[Str]) -> Self {
        let mut known = Self { names: COMMON.iter().copied().collect(), any: false };
        for (name, object_type) in &specs.object_types {
            if !types.is_empty() && !types.contains(name) {
                continue;
            }
            known.names.extend(object_type.attributes.keys().map(|name| &**name));
            known.names.extend(object_type.derive.iter().map(|rule| &*rule.attribute));
            // Who names a type that takes any attribute may ask for any.
            known.any |= object_type.other_attributes && !types.is_empty();
        }
        known
    }

    fn has(&self, name: &str) -> bool {
        self.any || self.names.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use calipso_model::Map;
    use calipso_spec::Specs;

    use super::Projection;

    fn shown(projection: &str, doc: &str) -> String {
        let mut projection = Projection::of(Some(projection), &Specs::default(), &[]).unwrap();
        projection.below.add("ports.name");
        let doc: Map = serde_json::from_str(doc).unwrap();
        serde_json::to_string(&projection.apply(&doc)).unwrap()
    }

    #[test]
    fn paths_lead_through_maps_and_lists() {
        assert_eq!(
            shown("name", r#"{"id":"1","type":"t","name":"n","host":"h","ports":[{"name":"a","mac":1},{"mac":2},3]}"#),
            r#"{"id":"1","name":"n","ports":[{"name":"a"},{}],"type":"t"}"#
        );
        assert_eq!(shown("name.first,name", r#"{"name":{"first":1,"last":2}}"#), r#"{"name":{"first":1,"last":2}}"#);
    }

    #[test]
    fn what_no_object_has_is_named() {
        for wrong in ["colour", "", "name,,host", "name..x", "$where", "name\0"] {
            let problem = Projection::of(Some(wrong), &Specs::default(), &[]).unwrap_err();
            assert_eq!(problem.status(), 400, "{wrong}");
        }
    }
}
