//! Fields of documents, and the values that a query wants in them.

use calipso_model::{Map, Str, Value};

use crate::form::at_path;

/// A field with the values that it may have.
pub(super) struct Field<'q> {
    path: &'q str,
    values: Vec<&'q Value>,
    /// One of these must stand somewhere in the text of a document; tells most others apart without reading them whole.
    traces: Option<Vec<String>>,
}

impl<'q> Field<'q> {
    /// Exactly this value.
    pub(super) fn equal((path, value): &'q (Str, Value)) -> Self {
        Self::of(path, vec![value])
    }

    /// One of these values.
    pub(super) fn one_of((path, values): &'q (Str, Vec<Value>)) -> Self {
        Self::of(path, values.iter().collect())
    }

    fn of(path: &'q str, values: Vec<&'q Value>) -> Self {
        // The last part stands in every form of the path, whether the dots belong to a name or not.
        let name = Value::text(path.rsplit('.').next().unwrap_or(path)).to_json();
        let name = name.get(1..).unwrap_or_default();
        let trace = |value: &&Value| match value {
            Value::Bool(_) | Value::Int(_) | Value::Str(_) => Some(format!("{name}:{}", value.to_json())),
            _ => None,
        };
        let traces = values.iter().map(trace).collect();
        Self { path, values, traces }
    }

    /// Whether a document of this text may fit.
    pub(super) fn may_fit(&self, text: &str) -> bool {
        self.traces.as_ref().is_none_or(|traces| traces.iter().any(|trace| text.contains(trace)))
    }

    /// Whether a document fits.
    pub(super) fn holds(&self, doc: &Map) -> bool {
        let found = at_path(doc, self.path).unwrap_or(&Value::Null);
        self.values.contains(&found)
    }
}

#[cfg(test)]
mod tests {
    use calipso_model::{Map, Str, Value};

    use super::Field;

    fn doc(text: &str) -> Map {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_trace_never_hides_what_fits() {
        for (text, field, value) in [
            (r#"{"a":{"b":"x\"y"}}"#, "a.b", Value::text("x\"y")),
            (r#"{"a.b":true}"#, "a.b", Value::Bool(true)),
            (r#"{"n":1.0}"#, "n", Value::Int(1)),
            (r#"{"n":1}"#, "n", Value::Float(1.0)),
            (r#"{"pro\"v:id":7}"#, "pro\"v:id", Value::Int(7)),
            (r#"{"x":0}"#, "gone", Value::Null),
        ] {
            let doc = doc(text);
            let stored = crate::embedded::row::map_text(&doc);
            let pair = (Str::from(field), value.clone());
            let equal = Field::equal(&pair);
            assert!(equal.holds(&doc) && equal.may_fit(&stored), "{field} in {stored}");
            let pair = (Str::from(field), vec![Value::text("no"), value]);
            let one_of = Field::one_of(&pair);
            assert!(one_of.holds(&doc) && one_of.may_fit(&stored), "{field} in {stored}");
        }
    }
}
