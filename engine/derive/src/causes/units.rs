//! How two documents differ: values that changed, elements of lists that came and went.

use calipso_model::{Map, Str, Value};

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// A value is another one, or is there at one side only.
    Value,
    /// An element of a list came or went.
    Element,
    /// A list has the same elements in another order.
    Order,
}

/// The smallest part in which two documents differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The attribute of the object.
    pub attribute: Str,
    /// The way to it: `ports`, `bridges[br-int].interfaces`.
    pub path: String,
    /// What kind of difference.
    pub kind: UnitKind,
    /// What was there.
    pub before: Option<Value>,
    /// What is there.
    pub after: Option<Value>,
}

impl Unit {
    /// Both texts, when one text took the place of another.
    pub(super) fn texts(&self) -> Option<(&str, &str)> {
        Some((self.before.as_ref()?.as_str()?, self.after.as_ref()?.as_str()?))
    }

    /// Whether it only says when something was looked at or written.
    pub(super) fn is_time(&self) -> bool {
        let sides: Vec<&Value> = self.before.iter().chain(&self.after).filter(|value| !value.is_null()).collect();
        !sides.is_empty() && sides.iter().all(|value| value.as_str().is_some_and(is_time))
    }
}

/// `2026-11-24T14:38:05…`, or with a space.
pub(super) fn is_time(text: &str) -> bool {
    let shape: String =
        text.chars().take(16).map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    shape == "0000-00-00T00:00" || shape == "0000-00-00 00:00"
}

/// Every part in which two documents differ, by attribute.
#[must_use]
pub fn units(before: &Map, after: &Map) -> Vec<Unit> {
    let mut found = Vec::new();
    for key in keys(before, after) {
        let (before, after) = (before.get(key), after.get(key));
        compare(key, key.to_string(), before, after, &mut found);
    }
    found
}

/// The keys of both maps, each once, in order.
fn keys<'m>(before: &'m Map, after: &'m Map) -> Vec<&'m Str> {
    let mut keys: Vec<&Str> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn compare(attribute: &Str, path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Unit>) {
    if before == after {
        return;
    }
    let mut add = |path: String, kind: UnitKind, before: Option<&Value>, after: Option<&Value>| {
        found.push(Unit { attribute: attribute.clone(), path, kind, before: before.cloned(), after: after.cloned() });
    };
    match (before, after) {
        (Some(Value::Map(before)), Some(Value::Map(after))) => {
            for key in keys(before, after) {
                compare(attribute, format!("{path}.{key}"), before.get(key), after.get(key), found);
            }
        }
        (Some(Value::List(before)), Some(Value::List(after))) => {
            let gone = missing(before, after);
            let mut new = missing(after, before);
            if gone.is_empty() && new.is_empty() {
                let whole = |items: &[Value]| Value::list(items.to_vec());
                add(path, UnitKind::Order, Some(&whole(before)), Some(&whole(after)));
                return;
            }
            let mut pairs = Vec::new();
            for element in gone {
                match new.iter().position(|other| label(element).is_some() && label(element) == label(other)) {
                    Some(index) => pairs.push((element, new.remove(index))),
                    None => add(path.clone(), UnitKind::Element, Some(element), None),
                }
            }
            for element in new {
                add(path.clone(), UnitKind::Element, None, Some(element));
            }
            for (before, after) in pairs {
                let name = label(before).map(plain).unwrap_or_default();
                compare(attribute, format!("{path}[{name}]"), Some(before), Some(after), found);
            }
        }
        _ => add(path, UnitKind::Value, before, after),
    }
}

/// What tells an element of a list from the others.
fn label(element: &Value) -> Option<&Value> {
    let map = element.as_map()?;
    ["id", "name"].iter().find_map(|key| map.get(key).filter(|value| matches!(value, Value::Str(_) | Value::Int(_))))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_json(), str::to_owned)
}

/// The elements of a list that another one lacks, as often as it lacks them.
fn missing<'v>(of: &'v [Value], other: &[Value]) -> Vec<&'v Value> {
    let mut rest: Vec<&Value> = other.iter().collect();
    rest.sort_by(|a, b| a.total_cmp(b));
    let mut taken = vec![false; rest.len()];
    of.iter()
        .filter(|element| {
            let first = rest.partition_point(|known| known.total_cmp(element).is_lt());
            let same = (first..rest.len())
                .take_while(|index| rest[*index].total_cmp(element).is_eq())
                .find(|index| !taken[*index]);
            match same {
                Some(index) => {
                    taken[index] = true;
                    false
                }
                None => true,
            }
        })
        .collect()
}

/// Every text in a value.
pub(super) fn leaves<'v>(value: &'v Value, see: &mut impl FnMut(&'v str)) {
    match value {
        Value::Str(text) => see(text),
        Value::List(items) => items.iter().for_each(|item| leaves(item, see)),
        Value::Map(map) => map.iter().for_each(|(_, item)| leaves(item, see)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use calipso_model::{Map, Value};

    use super::units;

    fn told(before: &str, after: &str) -> Vec<String> {
        let map = |text: &str| -> Map { serde_json::from_str(text).expect("this is a map") };
        let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_json);
        units(&map(before), &map(after))
            .iter()
            .map(|unit| format!("{} {:?} {} {}", unit.path, unit.kind, side(&unit.before), side(&unit.after)))
            .collect()
    }

    #[test]
    fn elements_come_and_go() {
        assert_eq!(told(r#"{"a":[1,2,2]}"#, r#"{"a":[2,3]}"#), ["a Element 1 -", "a Element 2 -", "a Element - 3"]);
        assert_eq!(told(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#), ["a Order [1,2] [2,1]"]);
        assert_eq!(
            told(
                r#"{"b":[{"name":"x","p":[1]},{"name":"y"}]}"#,
                r#"{"b":[{"name":"x","p":[1,2]},{"name":"z"}],"c":null}"#
            ),
            [r#"b Element {"name":"y"} -"#, r#"b Element - {"name":"z"}"#, "b[x].p Element - 2", "c Value - null"]
        );
        assert_eq!(told(r#"{"m":{"k":1,"s":2}}"#, r#"{"m":{"k":3,"s":2}}"#), ["m.k Value 1 3"]);
        assert!(told(r#"{"a":[{"x":[1]}]}"#, r#"{"a":[{"x":[1]}]}"#).is_empty());
    }
}
