//! Which fields of a document differ.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One field that differs.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct FieldChange {
    /// Its JSON pointer; lists are compared as wholes.
    field: String,
    /// What it was; not there when it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// What it is; not there when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

/// Every field that differs, by name.
pub(super) fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let mut found = Vec::new();
    gather("", before, after, &mut found);
    found
}

fn gather(at: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<FieldChange>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let field = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        match (before.get(name), after.get(name)) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => gather(&field, before, after, found),
            (before, after) if before == after => {}
            (before, after) => {
                found.push(FieldChange { field, before: before.cloned(), after: after.cloned() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::changes;

    #[test]
    fn only_what_differs_is_named() {
        let (Value::Object(before), Value::Object(after)) = (
            json!({"same": 1, "gone": null, "deep": {"a/b": [1], "same": {}}, "kind": {}}),
            json!({"same": 1, "new": 2, "deep": {"a/b": [1, 2], "same": {}}, "kind": 3}),
        ) else {
            unreachable!("both are objects");
        };
        assert_eq!(
            serde_json::to_value(changes(&before, &after)).unwrap(),
            json!([
                {"field": "/deep/a~1b", "before": [1], "after": [1, 2]},
                {"field": "/gone", "before": null},
                {"field": "/kind", "before": {}, "after": 3},
                {"field": "/new", "after": 2},
            ])
        );
        assert_eq!(changes(&before, &before), []);
    }
}
