//! Environments as users write them: a file, options, or both; and as they are shown again.

use std::{collections::BTreeMap, path::Path};

use calipso_model::{ConnectionConfig, Environment, Map, Str, Value};
use calipso_parse::{Parser, ParserSpec};
use calipso_pipeline::connection::form;
use calipso_spec::checked::{Connection, Field, FieldType, Specs};

use crate::{args::EnvAdd, failure::Failure};

/// Puts an environment together from a file and options; options win.
///
/// # Errors
/// The first thing that is wrong, with what to write instead.
pub fn from_args(args: &EnvAdd, specs: &Specs) -> Result<Environment, Failure> {
    let mut environment = match &args.file {
        Some(file) => from_file(file)?,
        None => Environment::default(),
    };
    environment.name = args.environment.as_str().into();
    if let Some(distribution) = &args.distribution {
        environment.distribution = distribution.as_str().into();
    }
    if let Some(version) = &args.release {
        environment.version = version.as_str().into();
    }
    let texts = |items: &[String]| items.iter().map(|item| Str::from(item.as_str())).collect::<Vec<Str>>();
    if !args.mechanism_drivers.is_empty() {
        environment.mechanism_drivers = texts(&args.mechanism_drivers);
    }
    if !args.type_drivers.is_empty() {
        environment.type_drivers = texts(&args.type_drivers);
    }
    if !args.flags.is_empty() {
        environment.flags = texts(&args.flags);
    }
    for chosen in &args.connections {
        let (role, spec) = chosen.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`--connection {chosen}` is not ROLE=SPEC"))
                .help("write for example `--connection hosts=ssh`")
        })?;
        environment.connections.entry(role.into()).or_default().spec = spec.into();
    }
    for setting in &args.set {
        set(&mut environment, setting, specs)?;
    }
    choose_specs(&mut environment, specs)?;
    for (role, config) in &environment.connections {
        let connection = &specs.connections[&config.spec];
        check_references(role, &config.fields, &form(connection))?;
    }
    Ok(environment)
}

/// One `ROLE.FIELD=VALUE`.
fn set(environment: &mut Environment, setting: &str, specs: &Specs) -> Result<(), Failure> {
    let wrong = || {
        Failure::usage(format!("`--set {}` is not ROLE.FIELD=VALUE", setting.split('=').next().unwrap_or_default()))
            .help("write for example `--set hosts.user=admin`")
    };
    let (path, value) = setting.split_once('=').ok_or_else(wrong)?;
    let mut parts = path.split('.');
    let (Some(role), Some(first)) = (parts.next(), parts.next()) else { return Err(wrong()) };
    let rest: Vec<&str> = parts.collect();
    let serving = serving(specs, role);
    if serving.is_empty() {
        return Err(unknown_role(role, specs));
    }
    let field = serving.iter().find_map(|connection| find_field(&form(connection), first, &rest)).ok_or_else(|| {
        let known: Vec<String> =
            serving.iter().flat_map(|connection| form(connection).into_keys()).map(|name| name.to_string()).collect();
        Failure::usage(format!("connection `{role}` has no field `{}`", path.split_once('.').map_or("", |pair| pair.1)))
            .help(format!("its fields are {}", known.join(", ")))
    })?;
    let value = convert(path, value, field.field_type)?;
    let fields = &mut environment.connections.entry(role.into()).or_default().fields;
    let mut keys = vec![first];
    keys.extend(rest);
    put(fields, &keys, value);
    Ok(())
}

fn find_field(fields: &BTreeMap<Str, Field>, first: &str, rest: &[&str]) -> Option<Field> {
    let field = fields.get(first)?;
    match (field.field_type, rest) {
        (FieldType::Map, [_, inner, deeper @ ..]) => find_field(&field.of, inner, deeper),
        (_, []) => Some(field.clone()),
        _ => None,
    }
}

fn put(map: &mut Map, keys: &[&str], value: Value) {
    match keys {
        [] => {}
        [last] => map.insert(*last, value),
        [first, rest @ ..] => {
            let mut inner = map.get(first).and_then(Value::as_map).cloned().unwrap_or_default();
            put(&mut inner, rest, value);
            map.insert(*first, inner);
        }
    }
}

fn convert(path: &str, text: &str, field_type: FieldType) -> Result<Value, Failure> {
    match field_type {
        FieldType::Bool => text
            .parse::<bool>()
            .map(Value::Bool)
            .map_err(|_| Failure::usage(format!("`{path}` is `true` or `false`, not `{text}`"))),
        FieldType::Port | FieldType::Integer => text
            .parse::<i64>()
            .map(Value::Int)
            .map_err(|_| Failure::usage(format!("`{path}` is a whole number, not `{text}`"))),
        _ => Ok(Value::text(text)),
    }
}

fn serving<'a>(specs: &'a Specs, role: &str) -> Vec<&'a Connection> {
    specs.connections.values().filter(|connection| connection.role.as_ref() == role).map(AsRef::as_ref).collect()
}

fn unknown_role(role: &str, specs: &Specs) -> Failure {
    let mut known: Vec<&str> = specs.connections.values().map(|connection| connection.role.as_ref()).collect();
    known.sort_unstable();
    known.dedup();
    Failure::usage(format!("no connection has the role `{role}`")).help(format!("roles are {}", known.join(", ")))
}

/// Fills in the connection spec of each role where only one can serve it.
fn choose_specs(environment: &mut Environment, specs: &Specs) -> Result<(), Failure> {
    for (role, config) in &mut environment.connections {
        let serving = serving(specs, role);
        if config.spec.is_empty() {
            config.spec = match serving.as_slice() {
                [] => return Err(unknown_role(role, specs)),
                [only] => only.head.name.clone(),
                several => {
                    let names: Vec<&str> = several.iter().map(|connection| connection.head.name.as_ref()).collect();
                    return Err(Failure::usage(format!("several connections have the role `{role}`")).help(format!(
                        "choose one: --connection {role}={}",
                        names.join(&format!(" or --connection {role}="))
                    )));
                }
            };
        } else if !serving.iter().any(|connection| connection.head.name == config.spec) {
            let names: Vec<&str> = serving.iter().map(|connection| connection.head.name.as_ref()).collect();
            return Err(Failure::usage(format!("connection `{}` does not have the role `{role}`", config.spec))
                .help(format!("connections with this role are {}", names.join(", "))));
        }
    }
    Ok(())
}

/// Secrets must be references, so that none is ever stored.
fn check_references(role: &str, fields: &Map, declared: &BTreeMap<Str, Field>) -> Result<(), Failure> {
    for (name, value) in fields {
        let Some(field) = declared.get(name) else { continue };
        match value {
            Value::Map(inner) if field.field_type == FieldType::Map => {
                for (_, entry) in inner {
                    if let Value::Map(entry) = entry {
                        check_references(role, entry, &field.of)?;
                    }
                }
            }
            Value::Str(text)
                if field.secret && !["env:", "file:", "sealed:"].iter().any(|scheme| text.starts_with(scheme)) =>
            {
                return Err(Failure::usage(format!("`{role}.{name}` is a secret and is not stored as it is")).help(
                    format!("write `{role}.{name}=env:NAME` (an environment variable) or `{role}.{name}=file:PATH`"),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn from_file(file: &Path) -> Result<Environment, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", file.display())))?;
    let parser = Parser::new(&ParserSpec::Yaml).expect("the YAML parser has nothing to configure");
    let value =
        parser.parse(&text).map_err(|error| Failure::usage(format!("`{}` is not YAML: {error}", file.display())))?;
    from_value(&value)
        .map_err(|failure| Failure { message: format!("{}: {}", file.display(), failure.message), ..failure })
}

/// Reads an environment from its data form.
///
/// # Errors
/// The first key that is unknown or has the wrong type.
pub fn from_value(value: &Value) -> Result<Environment, Failure> {
    let map = value.as_map().ok_or_else(|| Failure::usage("an environment is a map"))?;
    let mut environment = Environment::default();
    for (key, value) in map {
        let text = || {
            value
                .as_str()
                .map(Str::from)
                .ok_or_else(|| Failure::usage(format!("`{key}` is text, not {}", value.kind())))
        };
        let texts = || -> Result<Vec<Str>, Failure> {
            let wrong = || Failure::usage(format!("`{key}` is a list of texts"));
            value
                .as_list()
                .ok_or_else(wrong)?
                .iter()
                .map(|item| item.as_str().map(Str::from).ok_or_else(wrong))
                .collect()
        };
        match key.as_ref() {
            "name" => environment.name = text()?,
            "distribution" => environment.distribution = text()?,
            "version" => environment.version = text()?,
            "mechanism_drivers" => environment.mechanism_drivers = texts()?,
            "type_drivers" => environment.type_drivers = texts()?,
            "flags" => environment.flags = texts()?,
            "connections" => environment.connections = connections(value)?,
            other => {
                return Err(Failure::usage(format!("an environment has no `{other}`")).help(
                    "keys are name, distribution, version, mechanism_drivers, type_drivers, flags, connections",
                ));
            }
        }
    }
    Ok(environment)
}

/// `ROLE: {spec: NAME, FIELD: VALUE …}`.
fn connections(value: &Value) -> Result<BTreeMap<Str, ConnectionConfig>, Failure> {
    let map = value.as_map().ok_or_else(|| Failure::usage("`connections` is a map from role to fields"))?;
    let mut found = BTreeMap::new();
    for (role, fields) in map {
        let mut fields = fields
            .as_map()
            .cloned()
            .ok_or_else(|| Failure::usage(format!("`connections.{role}` is a map of fields")))?;
        let spec = match fields.remove("spec") {
            None => Str::from(""),
            Some(Value::Str(name)) => name,
            Some(_) => return Err(Failure::usage(format!("`connections.{role}.spec` is the name of a connection"))),
        };
        found.insert(role.clone(), ConnectionConfig { spec, fields });
    }
    Ok(found)
}

/// The data form, as it is stored in recordings and shown: secret fields as `***` unless they are references.
#[must_use]
pub fn to_value(environment: &Environment, specs: &Specs) -> Value {
    let list = |items: &[Str]| Value::list(items.iter().cloned().map(Value::Str).collect());
    let connections: Map = environment
        .connections
        .iter()
        .map(|(role, config)| {
            let declared = specs.connections.get(&config.spec).map(|connection| form(connection));
            let mut fields = declared.map_or_else(Map::new, |declared| hidden(&config.fields, &declared));
            fields.insert("spec", config.spec.clone());
            (role.clone(), Value::Map(fields))
        })
        .collect();
    let pairs: Map = [
        ("name", Value::Str(environment.name.clone())),
        ("distribution", Value::Str(environment.distribution.clone())),
        ("version", Value::Str(environment.version.clone())),
        ("mechanism_drivers", list(&environment.mechanism_drivers)),
        ("type_drivers", list(&environment.type_drivers)),
        ("flags", list(&environment.flags)),
        ("connections", Value::Map(connections)),
    ]
    .into_iter()
    .collect();
    Value::Map(pairs)
}

/// Unknown fields are hidden, too: nobody says that they are no secrets.
fn hidden(fields: &Map, declared: &BTreeMap<Str, Field>) -> Map {
    fields
        .iter()
        .map(|(name, value)| {
            let shown = match (declared.get(name), value) {
                (Some(field), Value::Map(inner)) if field.field_type == FieldType::Map => Value::Map(
                    inner
                        .iter()
                        .map(|(key, entry)| {
                            let entry = match entry {
                                Value::Map(entry) => Value::Map(hidden(entry, &field.of)),
                                other => other.clone(),
                            };
                            (key.clone(), entry)
                        })
                        .collect(),
                ),
                (Some(field), value) if !field.secret => value.clone(),
                (Some(_), Value::Str(text)) if text.starts_with("env:") || text.starts_with("file:") => value.clone(),
                _ => Value::text("***"),
            };
            (name.clone(), shown)
        })
        .collect()
}
