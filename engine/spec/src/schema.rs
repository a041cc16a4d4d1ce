//! JSON Schemas (draft 2020-12), one per kind, made from the table of keys.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::keys::{BlockKeys, Holds, KINDS, block};

/// Kind and schema text of every kind.
#[must_use]
pub fn schemas() -> Vec<(&'static str, String)> {
    KINDS
        .iter()
        .map(|(kind, root)| {
            let mut needed = BTreeSet::new();
            let mut body = of_block(block(root).expect("every kind is a block"), &mut needed);
            let mut definitions = Map::new();
            let mut done = BTreeSet::new();
            while let Some(name) = needed.iter().find(|name| !done.contains(**name)).copied() {
                done.insert(name);
                if let Some(found) = block(name) {
                    let schema = of_block(found, &mut needed);
                    definitions.insert(plain(name), schema);
                }
            }
            body["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            body["title"] = json!(kind);
            body["properties"]["schema"] = json!({"const": format!("{kind}/v1")});
            body["$defs"] = Value::Object(definitions);
            let mut text = serde_json::to_string_pretty(&body).expect("a JSON value can be written");
            text.push('\n');
            (*kind, text)
        })
        .collect()
}

/// The name of a definition.
fn plain(name: &str) -> String {
    name.trim_start_matches("a ").trim_start_matches("an ").replace('`', "").replace(' ', "_")
}

fn of_block(block: &BlockKeys, needed: &mut BTreeSet<&'static str>) -> Value {
    let mut properties = Map::new();
    for key in block.keys.iter().filter(|key| !key.reserved) {
        let mut schema = of(key.holds, needed);
        schema["description"] = json!(key.doc);
        properties.insert(key.name.to_owned(), schema);
    }
    let required: Vec<&str> = block.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if block.keys.iter().any(|key| key.name == "extends" && key.holds == Holds::Bool) {
        // What only adds to a spec of an earlier layer needs no more than its head.
        schema["if"] = json!({"properties": {"extends": {"const": true}}, "required": ["extends"]});
        schema["then"] = json!({"required": ["schema", "name", "description", "source"]});
        schema["else"] = json!({"required": required});
    } else if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if block.name == "a step" {
        let verbs: Vec<Value> = crate::keys::verbs().map(|verb| json!({"required": [verb]})).collect();
        schema["oneOf"] = Value::Array(verbs);
    }
    if block.name == "`parse`" {
        schema["minProperties"] = json!(1);
        schema["maxProperties"] = json!(1);
    }
    schema
}

fn of(holds: Holds, needed: &mut BTreeSet<&'static str>) -> Value {
    let mut reference = |name: &'static str| {
        needed.insert(name);
        json!({"$ref": format!("#/$defs/{}", plain(name))})
    };
    match holds {
        Holds::Text | Holds::Each => json!({"type": "string"}),
        Holds::Expr => json!({"type": ["string", "boolean", "number"]}),
        Holds::Value | Holds::Constant => json!({}),
        Holds::Values => json!({"type": "object"}),
        Holds::Bool => json!({"type": "boolean"}),
        Holds::Count => json!({"type": "integer", "minimum": 0}),
        Holds::Number => json!({"type": "number", "minimum": 0}),
        Holds::Word(words) => json!({"enum": words}),
        Holds::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Holds::Counts => json!({"type": "array", "items": {"type": "integer"}}),
        Holds::Block(name) => reference(name),
        Holds::Blocks(name) => json!({"type": "array", "items": reference(name)}),
        Holds::Named(name) => json!({"type": "object", "additionalProperties": reference(name)}),
        Holds::NamedTexts => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Holds::NamedTextLists => {
            json!({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}})
        }
        Holds::Steps => json!({"type": "array", "items": reference("a step")}),
        Holds::Maps => json!({"type": "array", "items": {"type": "object"}}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_schemas() {
        for (kind, text) in schemas() {
            let schema: Value = serde_json::from_str(&text).expect("this is JSON");
            jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
    }

    #[test]
    fn a_schema_refuses_what_the_decoder_refuses() {
        let (_, text) = schemas().into_iter().find(|(kind, _)| *kind == "fetcher").expect("there are fetchers");
        let validator =
            jsonschema::validator_for(&serde_json::from_str(&text).expect("this is JSON")).expect("a schema");
        let good = json!({"schema": "fetcher/v1", "name": "x", "description": "d", "source": "s", "under": "host", "emits": ["y"], "steps": [{"emit": "y"}]});
        assert!(validator.is_valid(&good));
        for (pointer, value) in [
            ("/steps/0/emitt", json!("y")),
            ("/under", json!(3)),
            ("/steps/0/run", json!("ls")),
            ("/unknown", json!(1)),
            ("/schema", json!("link_type/v1")),
        ] {
            let mut bad = good.clone();
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            bad.pointer_mut(parent).expect("it is there")[key] = value;
            assert!(!validator.is_valid(&bad), "{pointer}");
        }
    }
}
