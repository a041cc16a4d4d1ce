//! What all implementations agree on: what search compares, whose child a document is, what a path means, cursors.

use calipso_model::{ConnectionConfig, Environment, Map, ObjectKey, Revision, Str, Value};

use crate::{error::StoreError, query::Cursor};

/// Stands before a name twice, so that even one letter makes a trigram with its beginning.
const START: char = '\u{2}';

/// Stands after a name.
const END: char = '\u{3}';

/// What search compares: lower case, without the marks.
pub(crate) fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c == '\0' || c == START || c == END { ' ' } else { c })
        .collect()
}

/// The names of an object as they are searched; nothing when it has none.
pub(crate) fn names(doc: &Map) -> Option<String> {
    let mut names = String::new();
    let mut seen = None;
    for field in ["name", "object_name"] {
        let Some(name) = doc.text(field).filter(|name| !name.is_empty()) else { continue };
        if seen == Some(name) {
            continue;
        }
        seen = Some(name);
        names.extend([START, START]);
        names.push_str(&fold(name));
        names.push(END);
    }
    (!names.is_empty()).then_some(names)
}

/// What to look for among names that contain a text; or start with it, if it is of one or two characters. Nothing for no
/// text.
pub(crate) fn contained(text: &str) -> Option<String> {
    let folded = fold(text);
    match folded.chars().count() {
        0 => None,
        1 => Some(format!("{START}{START}{folded}")),
        2 => Some(format!("{START}{folded}")),
        _ => Some(folded),
    }
}

/// What to look for among names that are a text.
pub(crate) fn whole(text: &str) -> String {
    format!("{START}{START}{}{END}", fold(text))
}

/// What comes after every text that begins with a text.
pub(crate) fn after_all(text: &str) -> String {
    format!("{text}{}", "\u{10ffff}".repeat(4))
}

/// The parent that a document names.
pub(crate) fn parent(doc: &Map) -> Option<ObjectKey> {
    let id = doc.text("parent_id").filter(|id| !id.is_empty())?;
    let object_type = doc.text("parent_type").filter(|name| !name.is_empty())?;
    Some(ObjectKey { object_type: object_type.clone(), id: id.clone() })
}

/// The host that a document names.
pub(crate) fn host(doc: &Map) -> Option<&Str> {
    doc.text("host").filter(|host| !host.is_empty())
}

/// What stands at a path: the field of that whole name, or the way along its dots.
pub(crate) fn at_path<'d>(doc: &'d Map, path: &str) -> Option<&'d Value> {
    if let Some(found) = doc.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let below = doc.get(path.get(..dot)?)?.as_map()?;
        at_path(below, path.get(dot + 1..)?)
    })
}

/// Makes a cursor of where a page ended.
pub(crate) fn cursor(revision: Revision, place: &[&Str]) -> Cursor {
    let place: Vec<&str> = place.iter().map(|part| &***part).collect();
    Cursor::new(serde_json::to_string(&(revision, place)).expect("numbers and text are always JSON"))
}

/// What a cursor says, if it has so many parts.
pub(crate) fn open_cursor(cursor: &Cursor, parts: usize) -> Result<(Revision, Vec<Str>), StoreError> {
    serde_json::from_str::<(Revision, Vec<String>)>(cursor.as_str())
        .ok()
        .filter(|(_, place)| place.len() == parts)
        .map(|(revision, place)| (revision, place.into_iter().map(Str::from).collect()))
        .ok_or_else(|| StoreError::invalid("the cursor is not one that an answer to this question gave"))
}

/// A time of a commit or of retention, in milliseconds since 1970 UTC.
pub(crate) fn millis(at: &str) -> Result<i64, StoreError> {
    at.parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|error| StoreError::invalid(format!("`{at}` is not a time such as 2026-01-31T12:00:00Z: {error}")))
}

/// Refuses a delta that says two things about one key.
pub(crate) fn twice(what: &str, key: &dyn std::fmt::Display) -> StoreError {
    StoreError::invalid(format!("the change names {what} {key} twice"))
}

/// A configuration as a document.
pub(crate) fn environment_map(environment: &Environment) -> Map {
    let list = |names: &[Str]| Value::list(names.iter().map(|name| Value::Str(name.clone())).collect());
    let connections: Map = environment
        .connections
        .iter()
        .map(|(role, connection)| {
            let connection: Map =
                [("spec", Value::Str(connection.spec.clone())), ("fields", Value::Map(connection.fields.clone()))]
                    .into_iter()
                    .collect();
            (role.clone(), connection)
        })
        .collect();
    [
        ("name", Value::Str(environment.name.clone())),
        ("distribution", Value::Str(environment.distribution.clone())),
        ("version", Value::Str(environment.version.clone())),
        ("mechanism_drivers", list(&environment.mechanism_drivers)),
        ("type_drivers", list(&environment.type_drivers)),
        ("flags", list(&environment.flags)),
        ("connections", Value::Map(connections)),
        ("settings", Value::Map(environment.settings.clone())),
    ]
    .into_iter()
    .collect()
}

/// A configuration from its document.
pub(crate) fn environment_from(row: &Map) -> Result<Environment, StoreError> {
    let damaged = || StoreError::corrupt("the configuration of an environment lacks a field");
    let word = |field: &str| row.text(field).cloned().ok_or_else(damaged);
    let list = |field: &str| -> Result<Vec<Str>, StoreError> {
        let items = row.get(field).and_then(Value::as_list).ok_or_else(damaged)?;
        items.iter().map(|item| item.as_str().map(Str::from).ok_or_else(damaged)).collect()
    };
    let connections = row.get("connections").and_then(Value::as_map).ok_or_else(damaged)?;
    let connection = |value: &Value| -> Result<ConnectionConfig, StoreError> {
        let value = value.as_map().ok_or_else(damaged)?;
        Ok(ConnectionConfig {
            spec: value.text("spec").cloned().ok_or_else(damaged)?,
            fields: value.get("fields").and_then(Value::as_map).cloned().ok_or_else(damaged)?,
        })
    };
    Ok(Environment {
        name: word("name")?,
        distribution: word("distribution")?,
        version: word("version")?,
        mechanism_drivers: list("mechanism_drivers")?,
        type_drivers: list("type_drivers")?,
        flags: list("flags")?,
        connections: connections
            .iter()
            .map(|(role, value)| Ok((role.clone(), connection(value)?)))
            .collect::<Result<_, StoreError>>()?,
        settings: row.get("settings").and_then(Value::as_map).cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use calipso_model::{Map, Value};

    use super::at_path;

    #[test]
    fn a_path_is_a_field_first_and_a_way_second() {
        let doc: Map = serde_json::from_str(r#"{"a.b":1,"a":{"b":2,"c.d":{"e":3}}}"#).unwrap();
        assert_eq!(at_path(&doc, "a.b"), Some(&Value::Int(1)));
        assert_eq!(at_path(&doc, "a.c.d.e"), Some(&Value::Int(3)));
        assert_eq!(at_path(&doc, "a.x"), None);
    }
}
