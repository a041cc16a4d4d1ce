//! Sections of a configuration in the form of the original: a list whose entries are named by what they reach.

use std::collections::BTreeMap;

use calipso_expr::{Frame, Fuel};
use calipso_model::{ConnectionConfig, Map, Str, Value};

use super::{Mistake, below, read::serving};
use crate::checked::{Connection, FieldType, Specs};

/// A section that was understood.
pub(super) struct Section {
    pub role: Str,
    pub config: ConnectionConfig,
    /// Field to its name in the section, where the two differ.
    pub names: BTreeMap<Str, Str>,
}

/// The connections that a section's name means: a spec of that name, specs of that role, or specs with that alias.
fn connections_named<'s>(specs: &'s Specs, name: &str) -> Vec<&'s Connection> {
    if let Some(spec) = specs.connections.get(name) {
        return vec![spec];
    }
    let of_role = serving(specs, name);
    if !of_role.is_empty() {
        return of_role;
    }
    let called = |spec: &&Connection| spec.aliases.sections.iter().any(|alias| alias.as_ref() == name);
    specs.connections.values().map(AsRef::as_ref).filter(called).collect()
}

fn known_sections(specs: &Specs) -> Vec<&str> {
    let mut names: Vec<&str> = specs
        .connections
        .values()
        .flat_map(|spec| [&spec.head.name, &spec.role].into_iter().chain(&spec.aliases.sections))
        .map(AsRef::as_ref)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Reads one section.
///
/// # Errors
/// Everything that is wrong with it, and the intended role if it is known.
pub(super) fn read(value: &Value, pointer: &str, specs: &Specs) -> Result<Section, (Option<Str>, Vec<Mistake>)> {
    let one = |mistake: Mistake| Err((None, vec![mistake]));
    let Some(given) = value.as_map() else {
        return one(Mistake::new(pointer, format!("a section must be a map, not {}", value.kind())));
    };
    let at = below(pointer, "name");
    let name = match given.get("name") {
        Some(Value::Str(name)) => name,
        Some(other) => return one(Mistake::new(at, format!("`name` must be text, not {}", other.kind()))),
        None => return one(Mistake::new(at, "a section says with `name` what it reaches")),
    };
    let candidates = connections_named(specs, name);
    let chosen = given.get("spec").and_then(Value::as_str);
    let spec = match candidates.as_slice() {
        [] => {
            return one(
                Mistake::new(at, format!("no connection is called `{name}`")).among(name, known_sections(specs))
            );
        }
        [only] => *only,
        several => match several.iter().find(|spec| Some(spec.head.name.as_ref()) == chosen) {
            Some(spec) => *spec,
            None => {
                let names: Vec<&str> = several.iter().map(|spec| spec.head.name.as_ref()).collect();
                let mistake = Mistake::new(at, format!("several connections are meant by `{name}`"));
                return one(mistake.help(format!("name one: {}", names.join(" or "))));
            }
        },
    };
    if let Some(chosen) = chosen
        && chosen != spec.head.name.as_ref()
    {
        let sentence = format!("`{name}` is the connection `{}`, not `{chosen}`", spec.head.name);
        return one(Mistake::new(below(pointer, "spec"), sentence));
    }
    fields(spec, given, pointer).map_err(|mistakes| (Some(spec.role.clone()), mistakes))
}

fn fields(spec: &Connection, given: &Map, pointer: &str) -> Result<Section, Vec<Mistake>> {
    let aliases = &spec.aliases;
    let (mut fields, mut names) = (Map::new(), BTreeMap::new());
    let mut mistakes = Vec::new();
    let computed: Vec<&str> = aliases.values.iter().map(|(name, _)| name.as_ref()).collect();
    for (key, value) in given.iter().filter(|(key, _)| !["name", "spec"].contains(&key.as_ref())) {
        if spec.fields.contains_key(key) {
            if fields.contains_key(key) {
                mistakes.push(Mistake::new(below(pointer, key), format!("`{key}` is given under another name, too")));
            }
            fields.insert(key.clone(), value.clone());
        } else if let Some(field) = aliases.fields.get(key) {
            let kind = spec.fields.get(field).map(|field| field.field_type);
            let value = match value {
                // The original names a file where the key itself could stand.
                Value::Str(text) if kind == Some(FieldType::PrivateKey) && text.starts_with('/') => {
                    Value::from(format!("file:{text}"))
                }
                other => other.clone(),
            };
            if fields.contains_key(field) {
                mistakes.push(Mistake::new(below(pointer, key), format!("`{key}` and `{field}` are the same")));
            }
            names.insert(field.clone(), key.clone());
            fields.insert(field.clone(), value);
        } else if aliases.ignore.contains(key) || aliases.reads(key) {
            // Said by the original, and either of no use or part of a value below.
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
    for (field, tree) in &aliases.values {
        if fields.contains_key(field) {
            continue;
        }
        let missing: Vec<Str> =
            aliases.needed(field).into_iter().filter(|key| given.get(key).is_none_or(Value::is_null)).collect();
        if !missing.is_empty() {
            if computed.contains(&field.as_ref()) {
                let listed = missing.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
                mistakes.push(
                    Mistake::new(below(pointer, &missing[0]), format!("{listed} has to be given"))
                        .help(format!("or `{field}` itself")),
                );
            }
            continue;
        }
        let mut frame = Frame::new(spec.layout.len());
        frame.bind(&spec.layout, "given", Value::Map(given.clone()));
        match tree.eval(&frame, &mut Fuel::default()) {
            Ok(value) => fields.insert(field.clone(), value),
            Err(_) => {
                let keys = aliases.needed(field).iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
                mistakes.push(Mistake::new(pointer, format!("`{field}` cannot be made of {keys}")));
            }
        }
    }
    if mistakes.is_empty() {
        let config = ConnectionConfig { spec: spec.head.name.clone(), fields };
        Ok(Section { role: spec.role.clone(), config, names })
    } else {
        Err(mistakes)
    }
}
