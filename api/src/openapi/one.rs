//! Lists that answer with the document itself where the query names one of them.

use serde_json::{Map, Value, json};

/// Declares both answers.
pub(super) fn declare(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for item in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let Some(operation) = item.get_mut("get") else { continue };
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names_one = parameters
            .iter()
            .any(|parameter| parameter["in"] == "query" && (parameter["name"] == "id" || parameter["name"] == "name"));
        let Some(list) = operation.pointer_mut("/responses/200/content/application~1json/schema") else { continue };
        if names_one {
            let required = list
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| schemas.get(reference.rsplit('/').next()?))
                .unwrap_or(list)
                .get("required")
                .cloned();
            let one = json!({
                "description": "The whole document, where the query names one.",
                "type": "object",
                "not": { "required": required.unwrap_or_else(|| json!([])) },
            });
            *list = json!({ "anyOf": [list.take(), one] });
        }
    }
}
