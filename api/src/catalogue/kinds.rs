//! Object, link and clique types, connections and variances as documents.

use std::collections::BTreeMap;

use calipso_model::Str;
use calipso_spec::{
    Specs,
    checked::{
        AttributeType, CliqueType, Connection, Distribution, Field, FieldType, LinkType, ListCondition, ObjectType,
        Selector, VersionCondition,
    },
    environment,
};
use serde_json::{Map, Value, json};

use crate::catalogue::is_own;

fn list_condition(condition: &ListCondition) -> Value {
    let mut shown = Map::new();
    for (key, values) in [("any_of", &condition.any_of), ("all_of", &condition.all_of), ("none_of", &condition.none_of)]
    {
        if let Some(values) = values {
            shown.insert(key.to_owned(), json!(values));
        }
    }
    Value::Object(shown)
}

fn version_condition(condition: &VersionCondition) -> Value {
    let mut shown = Map::new();
    for (key, values) in [("any_of", &condition.any_of), ("none_of", &condition.none_of)] {
        if let Some(values) = values {
            shown.insert(key.to_owned(), json!(values));
        }
    }
    for (key, value) in [("at_least", &condition.at_least), ("below", &condition.below)] {
        if let Some(value) = value {
            shown.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(shown)
}

/// A selector, as it is written.
#[must_use]
pub fn selector(selector: &Selector) -> Value {
    let mut shown = Map::new();
    for (key, condition) in [
        ("name", &selector.name),
        ("platform", &selector.platform),
        ("distribution", &selector.distribution),
        ("mechanism_drivers", &selector.mechanism_drivers),
        ("type_drivers", &selector.type_drivers),
        ("flags", &selector.flags),
    ] {
        if let Some(condition) = condition {
            shown.insert(key.to_owned(), list_condition(condition));
        }
    }
    if let Some(condition) = &selector.version {
        shown.insert("version".to_owned(), version_condition(condition));
    }
    Value::Object(shown)
}

/// A clique type; `environment` is that whose own it is.
#[must_use]
pub fn clique_type(spec: &CliqueType, env_name: Option<&str>) -> Value {
    let mut shown = json!({
        "id": spec.head.name,
        "name": spec.head.name,
        "description": spec.head.description,
        "focal_point_type": spec.focal_point,
        "link_types": spec.path.iter().map(|step| &step.written).collect::<Vec<_>>(),
        "constraints": spec.constraints,
        "use_implicit_links": spec.implicit_links,
        "selector": selector(&spec.environment),
    });
    let own = env_name.filter(|_| is_own(&spec.head.at));
    if let (Some(own), Some(shown)) = (own, shown.as_object_mut()) {
        shown.insert("environment".to_owned(), json!(own));
    }
    shown
}

/// A link type.
#[must_use]
pub fn link_type(spec: &LinkType, env_name: Option<&str>) -> Value {
    let mut shown = json!({
        "id": spec.head.name,
        "name": spec.head.name,
        "description": spec.head.description,
        "from": spec.from,
        "to": spec.to,
        "rules": spec.rules.iter().map(|rule| json!({"name": rule.name, "selector": selector(&rule.environment)})).collect::<Vec<_>>(),
        "selector": selector(&spec.environment),
    });
    let own = env_name.filter(|_| is_own(&spec.head.at));
    if let (Some(own), Some(shown)) = (own, shown.as_object_mut()) {
        shown.insert("environment".to_owned(), json!(own));
    }
    shown
}

/// The name of an attribute's type.
#[must_use]
pub fn attribute_type(attribute_type: AttributeType) -> &'static str {
    match attribute_type {
        AttributeType::Text => "text",
        AttributeType::Integer => "integer",
        AttributeType::Number => "number",
        AttributeType::Bool => "bool",
        AttributeType::Ip => "ip",
        AttributeType::Mac => "mac",
        AttributeType::Timestamp => "timestamp",
        AttributeType::List => "list",
        AttributeType::Map => "map",
        AttributeType::Any => "any",
    }
}

/// An object type: its attributes, and under what its objects stand.
#[must_use]
pub fn object_type(spec: &ObjectType) -> Value {
    let mut attributes: BTreeMap<&Str, Value> = spec
        .attributes
        .iter()
        .map(|(name, attribute)| {
            let mut shown = json!({
                "name": name,
                "type": attribute_type(attribute.attribute_type),
                "derived": spec.derive.iter().any(|rule| rule.attribute == *name),
            });
            for (key, value) in [
                ("of", attribute.of.map(|of| json!(attribute_type(of)))),
                ("unit", attribute.unit.as_ref().map(|unit| json!(unit))),
                ("one_of", (!attribute.one_of.is_empty()).then(|| json!(attribute.one_of))),
                ("refers_to", attribute.refers_to.as_ref().map(|to| json!(to))),
                ("description", attribute.description.as_ref().map(|text| json!(text))),
            ] {
                if let Some(value) = value {
                    shown[key] = value;
                }
            }
            (name, shown)
        })
        .collect();
    for rule in &spec.derive {
        attributes
            .entry(&rule.attribute)
            .or_insert_with(|| json!({"name": rule.attribute, "type": "any", "derived": true}));
    }
    let mut parents: Vec<&Str> = spec.forms.iter().map(|form| &form.parent_type).collect();
    parents.sort();
    parents.dedup();
    json!({
        "id": spec.head.name,
        "name": spec.head.name,
        "description": spec.head.description,
        "parents": parents,
        "other_attributes": spec.other_attributes,
        "attributes": attributes.into_values().collect::<Vec<_>>(),
    })
}

fn field_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "text",
        FieldType::Url => "url",
        FieldType::Host => "host",
        FieldType::Port => "port",
        FieldType::Path => "path",
        FieldType::Integer => "integer",
        FieldType::Bool => "bool",
        FieldType::PrivateKey => "private_key",
        FieldType::Certificates => "certificates",
        FieldType::Map => "map",
    }
}

fn fields(form: &BTreeMap<Str, Field>) -> Value {
    form.iter()
        .map(|(name, field)| {
            let mut shown = json!({
                "name": name,
                "type": field_type(field.field_type),
                "secret": field.secret || field.field_type == FieldType::PrivateKey,
                "required": !field.optional && field.default.is_none(),
                "description": field.description,
            });
            for (key, value) in [
                // What is secret has no default that could be told.
                ("default", field.default.as_ref().filter(|_| !field.secret).map(|value| json!(value))),
                ("one_of", (!field.one_of.is_empty()).then(|| json!(field.one_of))),
                ("example", field.example.as_ref().map(|value| json!(value))),
                ("of", (!field.of.is_empty()).then(|| fields(&field.of))),
            ] {
                if let Some(value) = value {
                    shown[key] = value;
                }
            }
            shown
        })
        .collect()
}

/// A connection: the form that is to be filled in.
#[must_use]
pub fn connection_type(spec: &Connection) -> Value {
    json!({
        "id": spec.head.name,
        "name": spec.head.name,
        "description": spec.head.description,
        "role": spec.role,
        "transport": spec.transport.as_str(),
        "fields": fields(&environment::form(spec)),
        "require_any": spec.require_any,
        "aliases": {"sections": spec.aliases.sections, "fields": spec.aliases.fields},
        "tests": spec.test.iter().filter_map(|step| step.name.as_ref()).collect::<Vec<_>>(),
    })
}

/// The variances of a distribution, one for each version.
#[must_use]
pub fn variances(distribution: &Distribution) -> Vec<Value> {
    let mut shown = Vec::new();
    for (index, variance) in distribution.variances.iter().enumerate() {
        let versions = distribution.versions.iter().filter(|version| {
            variance.versions.as_ref().is_none_or(|condition| condition.holds(version, &distribution.versions))
        });
        for version in versions {
            shown.push(json!({
                "id": format!("{}/{version}/{index}", distribution.head.name),
                "environment_type": distribution.platform,
                "environment": {
                    "distribution": distribution.head.name,
                    "distribution_version": version,
                    "mechanism_drivers": variance.mechanism_drivers,
                    "type_drivers": variance.type_drivers,
                },
                "features": variance.features,
            }));
        }
    }
    shown
}

/// The variances of all distributions.
#[must_use]
pub fn all_variances(specs: &Specs) -> Vec<Value> {
    specs.distributions.values().flat_map(|distribution| variances(distribution)).collect()
}
