//! The mark of a result that is not known because its step failed, and of a map that may lack keys for that reason.

use std::sync::{Arc, LazyLock};

use calipso_model::{Map, Str, Value};

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

/// Whether something in a value is not known, at any depth.
#[must_use]
pub fn holds_marker(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(holds_marker),
        Value::Map(map) => map.iter().any(|(_, value)| holds_marker(value)),
        other => is_marker(other),
    }
}

/// Prefix and suffix of the keys that a map may have besides the known ones. Both empty: any key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ends {
    /// The common prefix of the keys.
    pub begin: String,
    /// The common suffix of the keys.
    pub end: String,
}

impl Ends {
    /// Whether a key is one of them.
    #[must_use]
    pub fn fit(&self, key: &str) -> bool {
        key.len() >= self.begin.len() + self.end.len() && key.starts_with(&self.begin) && key.ends_with(&self.end)
    }
}

/// Notes in a map that it may lack entries: what has such a key, and is not there, is not known. Nothing masks that.
pub fn open(map: &mut Map, keys: impl IntoIterator<Item = Ends>) {
    let mut noted = vec![marker()];
    for ends in keys {
        noted.push(Value::text(&ends.begin));
        noted.push(Value::text(&ends.end));
    }
    if noted.len() > 1 {
        map.insert(MARKER.clone(), Value::list(noted));
    }
}

/// What [`open`] noted in a map, as the entry that it is.
#[must_use]
pub fn note(map: &Map) -> Option<&(Str, Value)> {
    // Cheap for the many maps without: text that is not the mark itself may have the same letters.
    map.get(TEXT)?;
    map.iter().find(|(key, _)| is_text(key))
}

/// Whether a map that lacks a key may do so only because something is not known.
#[must_use]
pub fn hides(map: &Map, key: &str) -> bool {
    let Some((_, Value::List(noted))) = note(map) else { return false };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    noted.get(1..).unwrap_or_default().chunks(2).any(|pair| {
        let ends = Ends { begin: text(pair.first()), end: text(pair.get(1)) };
        ends.fit(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_map_hides_only_keys_that_fit() {
        let ends = |begin: &str, end: &str| Ends { begin: begin.to_owned(), end: end.to_owned() };
        let mut map: Map = [("a|1", 1i64)].into_iter().collect();
        assert!(!hides(&map, "b|1"));
        open(&mut map, [ends("b|", ""), ends("", "|9")]);
        assert!(hides(&map, "b|1") && hides(&map, "c|9") && !hides(&map, "c|1") && !hides(&map, "b"));
        assert!(holds_marker(&Value::Map(map)));
        assert!(!ends("ab", "bc").fit("abc"), "the two ends do not share a letter");
    }
}
