//! Entity tags of every operation: which answers have one, and which changes can be bound to a version.

use serde_json::{Map, Value, json};

/// Declares `ETag` where an operation may answer 304, and `If-Match` where it may answer 412.
pub(super) fn declare(document: &mut Value) {
    for item in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let answers = |status: &str| operation["responses"].get(status).is_some();
            let (is_kept, is_bound) = (answers("304"), answers("412"));
            if let Some(answer) = operation.pointer_mut("/responses/200").filter(|_| is_kept) {
                answer["headers"]["ETag"] = json!({
                    "description": "What `If-None-Match` takes to be answered 304. Of a document the version, which `If-Match` \
                                    takes; of everything else a weak one (`W/`), which `If-Match` never takes.",
                    "schema": { "type": "string" },
                });
            }
            if let Some(operation) = operation.as_object_mut().filter(|_| is_bound) {
                let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
                if let Some(parameters) = parameters.as_array_mut() {
                    parameters.push(json!({
                        "name": "If-Match", "in": "header", "required": false, "schema": { "type": "string" },
                        "description": "`ETag` of the document as it was read: the change is refused (412) when it is in another \
                                        version now. A weak tag never matches (RFC 9110, section 13.1.1); `*` always does.",
                    }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::declare;

    #[test]
    fn what_may_be_answered_says_what_may_be_sent() {
        let mut document = json!({"paths": {"/a": {
            "get": {"responses": {"200": {}, "304": {}}},
            "put": {"responses": {"200": {}, "412": {}}},
            "post": {"responses": {"201": {}}},
        }}});
        declare(&mut document);
        let item = &document["paths"]["/a"];
        assert!(
            item["get"]["responses"]["200"]["headers"]["ETag"].is_object() && item["get"].get("parameters").is_none()
        );
        assert_eq!(item["put"]["parameters"][0]["name"], "If-Match");
        assert_eq!(item["post"], json!({"responses": {"201": {}}}));
    }
}
