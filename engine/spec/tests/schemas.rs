//! The JSON Schemas: every spec of the catalogue fits its kind's, and what is broken in structure does not.

use std::{collections::BTreeMap, path::Path};

use calipso_parse::{Parser, ParserSpec};
use serde_json::Value;

fn validators() -> BTreeMap<&'static str, jsonschema::Validator> {
    calipso_spec::schema::schemas()
        .into_iter()
        .map(|(kind, text)| {
            let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{kind}");
            (kind, jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{kind}: {error}")))
        })
        .collect()
}

fn json(yaml: &str) -> Value {
    let value = Parser::new(&ParserSpec::Yaml).expect("it has no keys").parse(yaml).expect("the spec is YAML");
    serde_json::from_str(&value.to_json()).expect("a value is JSON")
}

/// Kind and text of every spec and test of the catalogue.
fn catalogue() -> Vec<(String, String, String)> {
    let layer = calipso_spec::read_layer(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs")))
        .expect("the catalogue can be read");
    layer
        .files
        .iter()
        .filter(|(path, _)| path.ends_with(".yaml"))
        .filter_map(|(path, text)| {
            let first = text.lines().find(|line| line.starts_with("schema: "))?;
            let kind = first.trim_start_matches("schema: ").trim_end_matches("/v1").to_owned();
            Some((path.to_string(), kind, text.to_string()))
        })
        .collect()
}

#[test]
fn every_spec_fits_its_schema() {
    let validators = validators();
    let specs = catalogue();
    assert!(specs.len() > 50, "only {} specs were found", specs.len());
    let mut wrong = Vec::new();
    for (path, kind, text) in specs {
        let validator = validators.get(kind.as_str()).unwrap_or_else(|| panic!("{path}: no schema of the kind {kind}"));
        let document = json(&text);
        wrong.extend(validator.iter_errors(&document).map(|error| format!("{path}{}: {error}", error.instance_path())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_broken_structure_does_not_fit() {
    let validators = validators();
    let good = "schema: fetcher/v1\nname: a\ndescription: b\nsource: c\nunder: host\nemits: [disk]\nat: parent\nsteps:\n  - run: lsblk\n    parse: {lines: {}}\n    as: x\n";
    let fits = |text: &str| validators["fetcher"].is_valid(&json(text));
    assert!(fits(good));
    for (old, new) in [
        ("under: host\n", ""),
        ("under: host", "undr: host"),
        ("emits: [disk]", "emits: disk"),
        ("schema: fetcher/v1", "schema: parser/v1"),
        ("  - run: lsblk\n", "  - rum: lsblk\n"),
        ("  - run: lsblk\n", "  - run: lsblk\n    emit: disk\n"),
        ("{lines: {}}", "{liens: {}}"),
        ("{lines: {}}", "{lines: {}, json: {}}"),
        ("    as: x\n", "    as: x\n    tkae: first\n"),
        ("    as: x\n", "    take: frist\n"),
    ] {
        let broken = good.replacen(old, new, 1);
        assert_ne!(broken, good);
        assert!(!fits(&broken), "this fits:\n{broken}");
    }
}

#[test]
fn every_key_says_what_it_does() {
    fn look(path: &str, schema: &Value) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                if name == "schema" {
                    continue;
                }
                let described =
                    property.get("description").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
                assert!(described, "{path}.{name} has no description");
            }
        }
        if let Some(definitions) = schema.get("$defs").and_then(Value::as_object) {
            for (name, inner) in definitions {
                look(&format!("{path}/{name}"), inner);
            }
        }
    }
    for (kind, text) in calipso_spec::schema::schemas() {
        look(kind, &serde_json::from_str(&text).expect("a schema is JSON"));
    }
}
