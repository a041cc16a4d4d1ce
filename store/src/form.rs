//! What all backends share: the texts that search compares, parents of documents, paths, cursors.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{ConnectionConfig, Environment, Map, Object, ObjectKey, Revision, Str, Value};

use crate::{
    commit::{Commit, RowWrite},
    error::StoreError,
    query::Cursor,
    scope::{ScopeChanges, ScopeKey},
    store::{Expect, Searched},
};

/// Stands before a name twice, so that even one letter makes a trigram with its beginning.
const START: char = '\u{2}';

/// Stands after a name.
const END: char = '\u{3}';

/// Stands between the names of an object and the other values by which it is found.
pub(crate) const BEYOND_NAMES: char = '\u{4}';

/// Maximum number of values of one object that search looks at beside its names, and of their bytes in all.
const MOST_VALUES: (usize, usize) = (1_024, 32_768);

/// What search compares: lower case, without the marks.
pub(crate) fn fold(text: &str) -> String {
    let is_mark = |c: char| c == '\0' || c == START || c == END || c == BEYOND_NAMES;
    text.chars().flat_map(char::to_lowercase).map(|c| if is_mark(c) { ' ' } else { c }).collect()
}

/// What an object is found by: its names, then the values of the fields that search looks at; nothing when it has none.
pub(crate) fn terms(object_type: &str, doc: &Map, searched: &Searched) -> Option<String> {
    let mut terms = names(doc).unwrap_or_default();
    let mut values: BTreeSet<String> = BTreeSet::new();
    let mut room = MOST_VALUES.1;
    for path in searched.get(object_type).into_iter().flatten() {
        let mut parts = path.split('.');
        // A field whose own name has dots is no path.
        let (first, rest): (_, Vec<&str>) = match doc.get(path) {
            Some(field) => (Some(field), Vec::new()),
            None => (parts.next().and_then(|first| doc.get(first)), parts.collect()),
        };
        let Some(first) = first else { continue };
        along(first, &rest, &mut |value| {
            let text = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
            if !text.is_empty() && text.len() <= room && values.len() < MOST_VALUES.0 && values.insert(fold(&text)) {
                room -= text.len();
            }
        });
    }
    if !values.is_empty() {
        terms.push(BEYOND_NAMES);
    }
    for value in values {
        terms.extend([START, START]);
        terms.push_str(&value);
        terms.push(END);
    }
    (!terms.is_empty()).then_some(terms)
}

/// Every text and number at the end of a path; lists are gone through on the way.
fn along<'d>(value: &'d Value, path: &[&str], see: &mut impl FnMut(&'d Value)) {
    match (value, path) {
        (Value::List(items), _) => items.iter().for_each(|item| along(item, path, see)),
        (Value::Map(map), [first, rest @ ..]) => {
            if let Some(value) = map.get(first) {
                along(value, rest, see);
            }
        }
        (Value::Str(_) | Value::Int(_) | Value::Float(_), []) => see(value),
        _ => {}
    }
}

/// What search looks at, as text; and back.
pub(crate) fn searched_text(searched: &Searched) -> String {
    let lists: BTreeMap<&str, Vec<&str>> =
        searched.iter().map(|(name, paths)| (&**name, paths.iter().map(|path| &**path).collect())).collect();
    serde_json::to_string(&lists).expect("names and paths are always JSON")
}

/// What search looks at; nothing where the text is not one that [`searched_text`] made.
pub(crate) fn searched_from(text: &str) -> Searched {
    let lists: BTreeMap<String, Vec<String>> = serde_json::from_str(text).unwrap_or_default();
    lists.into_iter().map(|(name, paths)| (name.into(), paths.into_iter().map(Str::from).collect())).collect()
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
pub(crate) fn infix_pattern(text: &str) -> Option<String> {
    let folded = fold(text);
    match folded.chars().count() {
        0 => None,
        1 => Some(format!("{START}{START}{folded}")),
        2 => Some(format!("{START}{folded}")),
        _ => Some(folded),
    }
}

/// Whether a search for a text finds an object: by its id, its names, or the values of the fields that search looks at.
#[must_use]
pub fn is_found(object: &Object, searched: &Searched, text: &str) -> bool {
    let Some(needle) = infix_pattern(text) else { return false };
    object.key.id.starts_with(text)
        || terms(&object.key.object_type, &object.doc, searched).is_some_and(|terms| terms.contains(&needle))
}

/// What to look for among names that are a text.
pub(crate) fn exact_pattern(text: &str) -> String {
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
pub(crate) fn cursor(revision: Revision, parts: &[&Str]) -> Cursor {
    let parts: Vec<&str> = parts.iter().map(|part| &***part).collect();
    Cursor::new(serde_json::to_string(&(revision, parts)).expect("numbers and text are always JSON"))
}

/// Reads a cursor with this number of parts.
pub(crate) fn open_cursor(cursor: &Cursor, n_parts: usize) -> Result<(Revision, Vec<Str>), StoreError> {
    serde_json::from_str::<(Revision, Vec<String>)>(cursor.as_str())
        .ok()
        .filter(|(_, parts)| parts.len() == n_parts)
        .map(|(revision, parts)| (revision, parts.into_iter().map(Str::from).collect()))
        .ok_or_else(|| StoreError::invalid("the cursor is not one that an answer to this question gave"))
}

/// A time of a commit or of retention, in milliseconds since 1970 UTC.
pub(crate) fn millis(at: &str) -> Result<i64, StoreError> {
    at.parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|error| StoreError::invalid(format!("`{at}` is not a time such as 2026-01-31T12:00:00Z: {error}")))
}

/// Refuses a delta that has two entries for one key.
pub(crate) fn named_twice(what: &str, key: &dyn std::fmt::Display) -> StoreError {
    StoreError::invalid(format!("the change names {what} {key} twice"))
}

/// Refuses a commit that says two things about a scope, a member of one, or a row. What it says twice about an object, a link
/// or a clique is found where these are sorted.
pub(crate) fn check(commit: &Commit<'_>) -> Result<(), StoreError> {
    let ScopeChanges { put, update, remove } = commit.scopes;
    let updated = update.iter().map(|update| &update.record.key);
    let mut scopes = BTreeSet::new();
    for key in put.iter().map(|record| &record.key).chain(updated).chain(remove) {
        if !scopes.insert(key) {
            return Err(named_twice("scope", key));
        }
    }
    for update in update {
        let members: BTreeSet<_> = update.record.members.iter().map(|member| &member.key).collect();
        if let Some(key) = update.remove.iter().find(|key| members.contains(key)) {
            return Err(named_twice(&format!("in scope {} member", update.record.key), key));
        }
    }
    let mut rows = BTreeSet::new();
    match commit.rows.iter().find(|row| !rows.insert((row.collection, &row.id))) {
        Some(row) => Err(named_twice(row.collection.name(), &format_args!("`{}`", row.id))),
        None => Ok(()),
    }
}

/// Refuses to update a scope that is not there.
pub(crate) fn not_stored(key: &ScopeKey) -> StoreError {
    StoreError::invalid(format!(
        "scope {key} is to be updated, but it is not stored; read the scopes again, or put it whole"
    ))
}

/// Compares what is expected of a row with the version that is there.
pub(crate) fn compare(row: &RowWrite, found: Option<u64>) -> Result<(), StoreError> {
    let (what, name) = (row.collection.name(), &row.id);
    match row.expect {
        Expect::Nothing if found.is_some() => Err(StoreError::Exists { what, name: name.clone() }),
        Expect::Version(version) if found != Some(version) => Err(StoreError::Changed { what, name: name.clone() }),
        _ => Ok(()),
    }
}

/// A configuration as a document.
pub(crate) fn environment_map(environment: &Environment) -> Map {
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
    let mut map = environment.selectable();
    map.insert("connections", Value::Map(connections));
    map.insert("settings", Value::Map(environment.settings.clone()));
    map
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
    use calipso_model::{Map, Object, ObjectKey, Value};

    use super::{Searched, at_path, is_found, names, searched_from, searched_text, terms};

    #[test]
    fn values_are_found_along_lists() {
        let doc: Map = serde_json::from_str(
            r#"{"name":"Web","mac":"FA:16","ips":[{"ip":"10.0.0.1","mask":"24"},{"ip":"10.0.0.2"}],"list":["x",7,null,{"y":1}]}"#,
        )
        .unwrap();
        let searched: Searched =
            [("card".into(), ["mac", "ips.ip", "list", "name.deeper", "no"].map(Into::into).to_vec())].into();
        let found = terms("card", &doc, &searched).unwrap();
        let marked = ["10.0.0.1", "10.0.0.2", "7", "fa:16", "x"].map(|text| format!("\u{2}\u{2}{text}\u{3}")).concat();
        assert_eq!(found, format!("\u{2}\u{2}web\u{3}\u{4}{marked}"));
        assert_eq!(terms("other", &doc, &searched), names(&doc));
        assert_eq!(searched_from(&searched_text(&searched)), searched);
        assert!(searched_from("").is_empty());
        let long = Value::list((0..20_000).map(|number| Value::text(&format!("value-{number}"))).collect());
        let many: Map = [("mac", long)].into_iter().collect();
        assert!(terms("card", &many, &searched).unwrap().len() < 40_000, "what is searched is bounded");
    }

    #[test]
    fn an_object_is_found_by_id_names_and_what_is_searched() {
        let doc: Map = serde_json::from_str(r#"{"name":"Web","mac":"FA:16:3E","note":"spare"}"#).unwrap();
        let object = Object { key: ObjectKey { object_type: "card".into(), id: "c-1".into() }, doc };
        let searched: Searched = [("card".into(), vec!["mac".into()])].into();
        let found: Vec<&str> = ["c-1", "c", "C-1", "-1", "web", "eb", "16:3e", "fa", "spare", ""]
            .into_iter()
            .filter(|text| is_found(&object, &searched, text))
            .collect();
        assert_eq!(found, ["c-1", "c", "web", "16:3e", "fa"]);
        assert!(!is_found(&object, &Searched::new(), "fa"));
    }

    #[test]
    fn a_path_is_a_field_first_and_a_way_second() {
        let doc: Map = serde_json::from_str(r#"{"a.b":1,"a":{"b":2,"c.d":{"e":3}}}"#).unwrap();
        assert_eq!(at_path(&doc, "a.b"), Some(&Value::Int(1)));
        assert_eq!(at_path(&doc, "a.c.d.e"), Some(&Value::Int(3)));
        assert_eq!(at_path(&doc, "a.x"), None);
    }
}
