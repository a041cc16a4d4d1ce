//! Environments as users write them: a file, options, or both.

use std::{collections::BTreeMap, path::Path};

use calipso_api::{environment_twin, wrong_environment_name};
use calipso_model::{Environment, Map, Str, Value};
use calipso_parse::{Parser, ParserSpec};
use calipso_spec::{
    checked::{Connection, Field, FieldType, Specs},
    environment::{self, Mistake, choose_specs, form, parts, unhidden},
};
use calipso_store::{Backend, StoreError};

use crate::{args::EnvAddArgs, failure::Failure, session::store_failure};

/// Puts an environment together from a file and options; options win.
///
/// # Errors
/// The first thing that is wrong, with what to write instead.
pub fn from_args(args: &EnvAddArgs, specs: &Specs) -> Result<Environment, Failure> {
    let mut environment = match &args.file {
        Some(file) => from_file(file, specs)?,
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
    for (given, option, known) in [
        (
            &environment.distribution,
            "--distribution",
            specs.distributions.keys().map(|name| &**name).collect::<Vec<&str>>(),
        ),
        (&environment.version, "--release", versions(specs, &environment.distribution)),
    ] {
        if given.is_empty() {
            return Err(
                Failure::usage(format!("an environment needs `{option}`")).help(format!("one of {}", known.join(", ")))
            );
        }
    }
    choose_specs(&mut environment, specs).map_err(mistakes_failure)?;
    if let Some(pointer) = unhidden(&environment, specs).first() {
        let field = dotted(pointer);
        return Err(Failure::usage(format!("`{field}` is a secret and is not stored as it is"))
            .help(format!("write `{field}=env:NAME` (an environment variable) or `{field}=file:PATH`")));
    }
    Ok(environment)
}

fn versions<'s>(specs: &'s Specs, distribution: &str) -> Vec<&'s str> {
    specs
        .distributions
        .get(distribution)
        .map_or(Vec::new(), |known| known.versions.iter().map(|name| &**name).collect())
}

/// Refuses a new environment whose name cannot be seen as it is, or could be taken for another's; one that is there keeps its
/// name.
///
/// # Errors
/// What is wrong with the name; the store cannot be used.
pub async fn may_be_made(store: &dyn Backend, name: &str) -> Result<(), Failure> {
    match store.environment(name).await {
        Ok(_) => return Ok(()),
        Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(store_failure(error)),
    }
    let shown = name.escape_debug();
    if let Some(wrong) = wrong_environment_name(name) {
        return Err(Failure::usage(format!("an environment cannot be named `{shown}`: a name {wrong}")));
    }
    let known: Vec<Str> = store.environments().await.map_err(store_failure)?.into_iter().map(|one| one.name).collect();
    match environment_twin(name, &known) {
        Some(twin) => Err(Failure::usage(format!(
            "there is an environment `{}` already, which `{shown}` could be taken for",
            twin.escape_debug()
        ))
        .help("names of environments differ in more than case, form and looks; choose another")),
        None => Ok(()),
    }
}

/// `/connections/ROLE/FIELD` as options write it.
fn dotted(pointer: &str) -> String {
    parts(pointer).get(1..).unwrap_or_default().join(".")
}

/// Mistakes of an environment as a failure: the first one's help, and a sentence for each.
fn mistakes_failure(mistakes: Vec<Mistake>) -> Failure {
    let help = mistakes.iter().find_map(|mistake| mistake.help.clone());
    let sentences: Vec<String> = mistakes.into_iter().map(|mistake| mistake.sentence).collect();
    let failure = Failure::usage(sentences.join("\n  "));
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

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
            .map_err(|_| Failure::usage(format!("`{path}` must be a whole number, not `{text}`"))),
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

fn from_file(file: &Path, specs: &Specs) -> Result<Environment, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", file.display())))?;
    let parser = Parser::new(&ParserSpec::Yaml).expect("the YAML parser has nothing to configure");
    let value =
        parser.parse(&text).map_err(|error| Failure::usage(format!("`{}` is not YAML: {error}", file.display())))?;
    let (written, mistakes) = environment::from_value(&value, specs);
    if mistakes.is_empty() {
        return Ok(written.environment);
    }
    let failure = mistakes_failure(mistakes);
    Err(Failure { message: format!("{}: {}", file.display(), failure.message), ..failure })
}
