//! Which problems each operation may answer with: declared once for all, by what stands before every handler.

use serde_json::{Map, Value, json};

use crate::problem::{KINDS, Kind};

/// Declares the problems of every operation, and the answers that they point at. What an operation declares itself stays.
pub(super) fn declare(document: &mut Value) {
    for item in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let statuses = statuses(method, operation);
            let takes_text = operation["parameters"].as_array().is_some_and(|known| !known.is_empty());
            let Some(operation) = operation.as_object_mut() else { continue };
            let responses = operation.entry("responses").or_insert_with(|| json!({}));
            let Some(responses) = responses.as_object_mut() else { continue };
            if takes_text {
                // Nothing of ours is asked then: the protocol itself refuses.
                responses
                    .entry("414")
                    .or_insert_with(|| json!({ "description": "The address is longer than 65,534 bytes." }));
            }
            for kind in KINDS {
                let status = kind.status.to_string();
                if statuses.contains(&kind.status) {
                    responses.entry(status.clone()).or_insert_with(|| reference(kind));
                }
                // A handler may say in its own words when it answers so; the form is that of all problems.
                if let Some(own) = responses.get_mut(&status).and_then(Value::as_object_mut) {
                    if own.get("description").is_some_and(|text| text.as_str().unwrap_or_default().is_empty()) {
                        *own = reference(kind).as_object().cloned().unwrap_or_default();
                    } else if !own.contains_key("$ref") {
                        own.insert("content".to_owned(), content());
                    }
                }
            }
        }
    }
    let answers: Map<String, Value> = KINDS.iter().map(|kind| (kind.slug.to_owned(), response(kind))).collect();
    document["components"]["responses"] = Value::Object(answers);
}

/// The statuses of problems that an operation may answer with.
fn statuses(method: &str, operation: &Value) -> Vec<u16> {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |wanted: &dyn Fn(&Value) -> bool| parameters.iter().any(wanted);
    let in_path = named(&|parameter| parameter["in"] == "path");
    let one = named(&|parameter| {
        parameter["in"] == "query" && ["id", "name", "env_name"].iter().any(|name| parameter["name"] == *name)
    });
    let right = operation["x-right"].as_str().unwrap_or_default();
    let body = operation.get("requestBody").is_some();
    let mut statuses = vec![400, 500, 503];
    if right != "public" || body {
        statuses.extend([401, 403, 429]);
    }
    if in_path || one || body || ["view", "edit"].contains(&right) {
        statuses.push(404);
    }
    if body {
        statuses.extend([408, 413, 415, 422]);
    }
    if method != "get" {
        statuses.push(409);
    }
    statuses
}

fn reference(kind: &Kind) -> Value {
    json!({ "$ref": format!("#/components/responses/{}", kind.slug) })
}

fn content() -> Value {
    json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } })
}

fn response(kind: &Kind) -> Value {
    let mut response = json!({ "description": format!("{}. {}", kind.title, kind.about), "content": content() });
    let header = |description: &str, kind: &str| json!({ "description": description, "schema": { "type": kind } });
    match kind.status {
        401 => response["headers"]["WWW-Authenticate"] = header("How to say who you are.", "string"),
        429 | 503 => response["headers"]["Retry-After"] = header("Seconds to wait.", "integer"),
        _ => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::statuses;

    #[test]
    fn what_stands_before_a_handler_says_what_it_may_answer() {
        let public = json!({ "x-right": "public" });
        assert_eq!(statuses("get", &public), [400, 500, 503]);
        let viewed = json!({ "x-right": "view", "parameters": [{ "in": "query", "name": "env_name" }] });
        assert_eq!(statuses("get", &viewed), [400, 500, 503, 401, 403, 429, 404]);
        let changed =
            json!({ "x-right": "administer", "requestBody": {}, "parameters": [{ "in": "path", "name": "name" }] });
        assert_eq!(statuses("put", &changed), [400, 500, 503, 401, 403, 429, 404, 408, 413, 415, 422, 409]);
    }
}
