//! The ways of comparing that the cases name: `exact`, `subset`, `count+subset`, `count`; and `described`, which the
//! map turns into one of them.

use calipso_model::{Map, Str, Value};

/// How to compare.
pub struct How {
    /// A mode of the cases.
    pub mode: Str,
    /// Whether the order of a list does not count.
    pub any_order: bool,
    /// Fields that do not count, at the top of a document.
    pub ignore: Vec<Str>,
}

/// Says what differs; `None` when nothing does.
pub fn compare(expected: &Value, got: &Value, how: &How) -> Option<String> {
    let expected = &without(expected, &how.ignore);
    let got = &without(got, &how.ignore);
    match (&*how.mode, expected, got) {
        ("count", expected, got) => {
            let wanted = expected.as_map().and_then(|map| map.get("count")).cloned().unwrap_or_default();
            let found = got.as_list().map(<[Value]>::len);
            (wanted.as_int() != found.and_then(|len| i64::try_from(len).ok()))
                .then(|| format!("{wanted} expected, {} found", found.map_or("no list".to_owned(), |n| n.to_string())))
        }
        ("exact" | "subset" | "count+subset", Value::List(wanted), Value::List(found)) => {
            let exact = &*how.mode == "exact";
            let counted = exact || &*how.mode == "count+subset" || (wanted.is_empty() != found.is_empty());
            if counted && wanted.len() != found.len() {
                return Some(format!("{} expected, {} found: {}", wanted.len(), found.len(), short(got)));
            }
            lists(wanted, found, exact, how.any_order)
        }
        ("exact", expected, got) => {
            (expected != got).then(|| difference(expected, got, true).unwrap_or_else(|| "they differ".into()))
        }
        ("subset" | "count+subset", expected, got) => difference(expected, got, false),
        (other, ..) => Some(format!("the mode `{other}` is not known")),
    }
}

/// Finds an element for each one wanted: in order, or (without order) the first that is free and fits.
fn lists(wanted: &[Value], found: &[Value], exact: bool, any_order: bool) -> Option<String> {
    let mut free: Vec<&Value> = found.iter().collect();
    for (index, wanted) in wanted.iter().enumerate() {
        let fits = |got: &&Value| difference(wanted, got, exact).is_none();
        let place =
            if any_order { free.iter().position(fits) } else { free.first().filter(|got| fits(got)).map(|_| 0) };
        let Some(place) = place else {
            let nearest = if any_order { found.get(index) } else { free.first().copied() };
            let why = nearest.and_then(|got| difference(wanted, got, exact)).unwrap_or_else(|| "is not there".into());
            return Some(format!("element {index}: {why}"));
        };
        free.remove(place);
    }
    None
}

/// The first difference between two values; when not exact, fields that are not wanted do not count.
fn difference(wanted: &Value, got: &Value, exact: bool) -> Option<String> {
    let (Value::Map(wanted_map), Value::Map(got_map)) = (wanted, got) else {
        return (wanted != got).then(|| format!("{} expected, {} found", short(wanted), short(got)));
    };
    for (key, wanted) in wanted_map {
        let Some(got) = got_map.get(key) else {
            return Some(format!("`{key}`: {} expected, nothing found", short(wanted)));
        };
        if wanted != got {
            return Some(format!("`{key}`: {} expected, {} found", short(wanted), short(got)));
        }
    }
    let extra = got_map.keys().find(|key| exact && !wanted_map.contains_key(key))?;
    Some(format!("`{extra}` is not expected"))
}

fn without(value: &Value, ignore: &[Str]) -> Value {
    let strip =
        |map: &Map| -> Value { Value::Map(map.iter().filter(|(key, _)| !ignore.contains(key)).cloned().collect()) };
    match value {
        Value::Map(map) => strip(map),
        Value::List(items) => {
            let items = items.iter().map(|item| item.as_map().map_or_else(|| item.clone(), strip));
            items.collect::<Vec<_>>().into()
        }
        other => other.clone(),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_json();
    if text.chars().count() <= 160 { text } else { text.chars().take(159).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mode: &str, expected: &str, got: &str, any_order: bool, difference: Option<&str>) {
        let value = |text| Value::from_json(text).unwrap();
        let how = How { mode: mode.into(), any_order, ignore: vec!["x".into()] };
        let found = compare(&value(expected), &value(got), &how);
        match difference {
            None => assert_eq!(found, None, "{mode} {expected} {got}"),
            Some(part) => assert!(found.as_deref().unwrap_or_default().contains(part), "{mode}: {found:?}"),
        }
    }

    #[test]
    fn modes() {
        check("exact", r#"{"a": 1, "x": 2}"#, r#"{"a": 1}"#, false, None);
        check("exact", r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false, Some("`b` is not expected"));
        check("exact", r#"[{"a": 1}]"#, r#"[{"a": 1, "b": 1}]"#, false, Some("`b` is not expected"));
        check("exact", "[]", "[{}]", false, Some("0 expected, 1 found"));
        check("exact", "null", "null", false, None);
        check("exact", "true", "false", false, Some("true expected, false found"));
        check("subset", r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false, None);
        check("subset", r#"{"a": 1}"#, r#"{"b": 2}"#, false, Some("`a`: 1 expected, nothing found"));
        check("subset", "[]", "[1]", false, Some("0 expected"));
        check("subset", r#"[{"a": 1}]"#, r#"[{"a": 1, "b": 2}, {"a": 2}]"#, false, None);
        check("count+subset", r#"[{"a": 1}]"#, r#"[{"a": 1, "b": 2}, {"a": 2}]"#, false, Some("1 expected, 2 found"));
        check("exact", "[1, 2]", "[2, 1]", true, None);
        check("exact", "[1, 2]", "[2, 1]", false, Some("element 0"));
        check("exact", "[1, 1]", "[1, 2]", true, Some("element 1"));
        check("count", r#"{"count": 2}"#, "[1, 2]", false, None);
        check("count", r#"{"count": 2}"#, "[1]", false, Some("2 expected, 1 found"));
        check("described", "1", "1", false, Some("not known"));
    }
}
