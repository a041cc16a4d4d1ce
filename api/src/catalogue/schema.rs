//! JSON Schema of the documents of an object type.

use calipso_spec::checked::{AttributeType, ObjectType};
use serde_json::{Map, Value, json};

/// Attributes that every document has, with their type and what they are.
const ALWAYS: &[(&str, &str, &str)] = &[
    ("environment", "string", "Name of the environment."),
    ("type", "string", "Name of the object type."),
    ("id", "string", "Id, unique within its type and environment."),
    ("name", "string", "Name that is shown."),
    ("object_name", "string", "Name of its own, without what tells it from others."),
    ("parent_type", "string", "Type of the object or folder it stands under."),
    ("parent_id", "string", "Id of that object or folder."),
    ("id_path", "string", "Ids from the environment down to it."),
    ("name_path", "string", "Names from the environment down to it."),
    ("show_in_tree", "boolean", "Whether trees show it."),
];

fn of(attribute_type: AttributeType, items: Option<AttributeType>) -> Value {
    match attribute_type {
        AttributeType::Text => json!({"type": "string"}),
        AttributeType::Integer => json!({"type": "integer"}),
        AttributeType::Number => json!({"type": "number"}),
        AttributeType::Bool => json!({"type": "boolean"}),
        AttributeType::Ip => json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
        AttributeType::Mac => json!({"type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2})+$"}),
        AttributeType::Timestamp => json!({"type": "string", "format": "date-time"}),
        AttributeType::List => match items {
            Some(items) => json!({"type": "array", "items": of(items, None)}),
            None => json!({"type": "array"}),
        },
        AttributeType::Map => json!({"type": "object"}),
        AttributeType::Any => json!({}),
    }
}

/// The schema. An attribute that a source leaves out may be absent or null.
#[must_use]
pub fn schema(spec: &ObjectType) -> Value {
    let mut properties = Map::new();
    for (name, of, about) in ALWAYS {
        properties.insert((*name).to_owned(), json!({"type": of, "description": about}));
    }
    properties.insert("type".to_owned(), json!({"const": spec.head.name, "description": "Name of the object type."}));
    for rule in &spec.derive {
        properties.entry(rule.attribute.to_string()).or_insert_with(|| json!({}));
    }
    for (name, attribute) in &spec.attributes {
        let mut shown = of(attribute.attribute_type, attribute.of);
        if !attribute.one_of.is_empty() {
            shown["enum"] = json!(attribute.one_of);
        }
        let mut shown = json!({"anyOf": [shown, {"type": "null"}]});
        if let Some(about) = &attribute.description {
            shown["description"] = json!(about);
        }
        properties.insert(name.to_string(), shown);
    }
    let required: Vec<&str> = ALWAYS.iter().map(|(name, ..)| *name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": spec.head.name,
        "description": spec.head.description,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}
