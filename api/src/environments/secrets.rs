//! Secrets that come in: sealed before they are stored, kept only where nothing changes that decides who is sent them.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use calipso_model::{ConnectionConfig, Map, Secret, SecretLocation, Str, Value};
use calipso_spec::{
    Specs,
    checked::{Connection, Field, FieldType},
    environment::{
        self, HIDDEN, Mistake, SecretText, Secrets, below,
        form::{is_absolute, is_led, is_reference, is_sealed, may_refer},
        parts, walk,
    },
};

use crate::environments::references::{Environments, References};

/// Texts that stand for secrets are left as they are; keys are looked at as far as one can.
struct Closed;

impl Secrets for Closed {
    fn take(&mut self, field: &Field, name: &str, _pointer: &str, text: &str) -> Result<SecretText, String> {
        if is_reference(text) || is_sealed(text) {
            return Ok(SecretText::Closed(Value::text(text)));
        }
        let is_pem = text.trim_start().starts_with("-----BEGIN ");
        match field.field_type {
            _ if text.is_empty() => Err(format!("{name} is empty")),
            FieldType::PrivateKey if !is_pem => Err(format!("{name} needs a private key in PEM or OpenSSH form")),
            FieldType::Certificates if !is_pem => Err(format!("{name} needs certificates in PEM form")),
            _ => Ok(SecretText::Open(Value::text(text))),
        }
    }
}

/// Whether a field holds a secret.
fn is_secret(field: &Field) -> bool {
    field.secret || field.field_type == FieldType::PrivateKey
}

/// Connections as they were given, with what they keep of the former ones, and their secrets sealed.
///
/// # Shape
/// Role to connection, as far as nothing is wrong; what serves no role is passed over. Pointers of mistakes begin at the
/// environment.
pub fn settle(
    environments: &Environments,
    specs: &Specs,
    environment: &Str,
    given: &BTreeMap<Str, ConnectionConfig>,
    former: &BTreeMap<Str, ConnectionConfig>,
) -> (BTreeMap<Str, ConnectionConfig>, Vec<Mistake>) {
    let serving = |role: &Str, config: &ConnectionConfig| {
        specs.connections.get(&config.spec).filter(|spec| spec.role == *role).cloned()
    };
    let has_moved = |(role, config): &(&Str, &ConnectionConfig)| {
        serving(role, config).is_none_or(|spec| moves(&spec, &config.fields, former.get(*role)))
    };
    let moved: Vec<&Str> = given.iter().filter(has_moved).map(|(role, _)| role).collect();
    let (mut settled, mut mistakes) = (BTreeMap::new(), Vec::new());
    for (role, config) in given {
        let Some(spec) = serving(role, config) else { continue };
        let place = SecretLocation::role(environment.clone(), role.clone());
        let led_by = moved.iter().copied().find(|moved| *moved != role);
        match settle_one(environments, &place, &spec, &config.fields, former.get(role), led_by) {
            Ok(fields) => {
                settled.insert(role.clone(), ConnectionConfig { spec: config.spec.clone(), fields });
            }
            Err(found) => {
                let at = below("/connections", role);
                mistakes.extend(found.into_iter().map(|one| Mistake { path: format!("{at}{}", one.path), ..one }));
            }
        }
    }
    (settled, mistakes)
}

/// The connection of one role; `led_by` is another one that leads elsewhere than before. Pointers of mistakes begin at the
/// connection.
fn settle_one(
    environments: &Environments,
    place: &SecretLocation,
    spec: &Connection,
    given: &Map,
    former: Option<&ConnectionConfig>,
    led_by: Option<&Str>,
) -> Result<Map, Vec<Mistake>> {
    let former = former_of(spec, former);
    let (candidate, kept) = restored(spec, given, former);
    let same = former.is_some_and(|former| is_same(spec, &candidate, former));
    let led_by = led_by.filter(|_| is_led(spec, &candidate));
    let mut mistakes = Vec::new();
    for pointer in &kept {
        let name = parts(pointer).pop().unwrap_or_default();
        if former.is_none() {
            mistakes.push(Mistake::new(pointer, format!("{name} is hidden here, and no secret is kept for it")));
        } else if !same {
            mistakes.push(
                Mistake::new(pointer, format!("{name} has to be given again, because the connection changes")).help(
                    "a secret is kept only while everything else of its connection stays as it is; null removes it",
                ),
            );
        } else if let Some(role) = led_by {
            mistakes.push(
                Mistake::new(pointer, format!("{name} has to be given again, because the connection {role} changes"))
                    .help(format!("any host key will do here, so that {role} decides which hosts are sent the secret")),
            );
        }
    }
    if !same || led_by.is_some() {
        let given_anew = |mistake: &Mistake| !kept.contains(&mistake.path);
        let found = refused(&environments.references, place, spec, &candidate, same);
        mistakes.extend(found.into_iter().filter(given_anew));
    }
    if let Err(found) = environment::fill(spec, &candidate, &mut Closed) {
        // What is asked for again is not also missing.
        mistakes.extend(found.into_iter().filter(|mistake| !kept.contains(&mistake.path)));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    sealed(environments, place, spec, &candidate)
}

/// The fields of a connection without its secrets.
pub fn without(spec: &Connection, fields: &Map) -> Map {
    walk(&environment::form(spec), fields, &mut |_, field, value| {
        (!field.is_some_and(is_secret)).then(|| value.clone())
    })
}

/// Whether a connection leads elsewhere than before: more of it changes than a secret.
fn moves(spec: &Connection, given: &Map, former: Option<&ConnectionConfig>) -> bool {
    let Some(former) = former_of(spec, former) else { return true };
    let (candidate, _) = restored(spec, given, Some(former));
    let bare = |fields: &Map| {
        walk(&environment::form(spec), fields, &mut |_, field, value| {
            Some(if field.is_some_and(is_secret) { Value::text(ANY_SECRET) } else { value.clone() })
        })
    };
    !is_same(spec, &bare(&candidate), &bare(former))
}

/// Stands for every secret where secrets do not matter.
const ANY_SECRET: &str = "env:ANY";

/// The former fields, if they were of the same spec.
fn former_of<'c>(spec: &Connection, former: Option<&'c ConnectionConfig>) -> Option<&'c Map> {
    former.filter(|former| former.spec == spec.head.name).map(|former| &former.fields)
}

/// What was given, with the former secrets where `***` stands or nothing; and the pointers of those.
fn restored(spec: &Connection, given: &Map, former: Option<&Map>) -> (Map, Vec<String>) {
    let form = environment::form(spec);
    let mut kept = Vec::new();
    // A null stays until the absent ones are found, so that it is told from them.
    let marked = walk(&form, given, &mut |pointer, field, value| {
        let hidden = field.is_some_and(is_secret) && value.as_str() == Some(HIDDEN);
        if !hidden {
            return Some(value.clone());
        }
        kept.push(pointer.to_owned());
        former.and_then(|former| at(former, pointer)).cloned()
    });
    let mut candidate = marked;
    if let Some(former) = former {
        walk(&form, former, &mut |pointer, field, value| {
            if field.is_some_and(is_secret) && at(given, pointer).is_none() {
                let path = parts(pointer);
                // An inner form that is gone has no secret to keep.
                let there = path.len() == 1 || at(given, &up(pointer)).is_some_and(|value| value.as_map().is_some());
                if there {
                    kept.push(pointer.to_owned());
                    put(&mut candidate, &path, value.clone());
                }
            }
            None
        });
    }
    let candidate = walk(&form, &candidate, &mut |_, _, value| (!value.is_null()).then(|| value.clone()));
    (candidate, kept)
}

fn at<'v>(map: &'v Map, pointer: &str) -> Option<&'v Value> {
    let path = parts(pointer);
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(map.get(first)?, |value, part| value.as_map()?.get(part))
}

fn up(pointer: &str) -> String {
    pointer.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default()
}

fn put(map: &mut Map, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => map.insert(last.as_str(), value),
        [first, rest @ ..] => {
            let mut inner = map.get(first).and_then(Value::as_map).cloned().unwrap_or_default();
            put(&mut inner, rest, value);
            map.insert(first.as_str(), inner);
        }
    }
}

/// Whether two fillings of a form mean the same: a default that is written out is no change.
fn is_same(spec: &Connection, one: &Map, other: &Map) -> bool {
    match (environment::fill(spec, one, &mut Closed), environment::fill(spec, other, &mut Closed)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// References and files that this server does not take, sealed texts, and secrets that are no text; in secrets only, or
/// anywhere.
fn refused(
    references: &References,
    place: &SecretLocation,
    spec: &Connection,
    given: &Map,
    secrets_only: bool,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    walk(&environment::form(spec), given, &mut |pointer, field, value| {
        let (Some(field), Value::Str(text)) = (field, value) else { return None };
        if secrets_only && !is_secret(field) {
            return None;
        }
        let name = parts(pointer).pop().unwrap_or_default();
        let sentence = if field.field_type == FieldType::Path {
            refuses_file(references.folder.as_deref(), text)
        } else if may_refer(field) && is_sealed(text) {
            Some("is sealed; give the secret itself, the server seals it".to_owned())
        } else if may_refer(field) {
            refuses(references, &place.environment, text)
        } else {
            None
        };
        if let Some(sentence) = sentence {
            mistakes.push(Mistake::new(pointer, format!("{name} {sentence}")));
        }
        None
    });
    mistakes
}

/// Why a reference is not taken. A secret belongs to one environment: an editor of another one must not be able to have it sent
/// to a server of their own.
fn refuses(references: &References, environment: &str, text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix("env:") {
        if references.env_prefix.is_empty() {
            return Some("is a reference to an environment variable, and this server takes none".to_owned());
        }
        let Some(prefix) = references.variables_of(environment) else {
            return Some(
                "is a reference to an environment variable; only environments whose name is of ASCII have those"
                    .to_owned(),
            );
        };
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return match name.strip_prefix(&prefix) {
            Some(rest) if !rest.is_empty() && is_name => None,
            _ => Some(format!("is a reference to an environment variable, whose name must begin with {prefix}")),
        };
    }
    let path = text.strip_prefix("file:")?;
    let is_folder_name = matches!(Path::new(environment).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
    let folder = references.folder.as_ref().filter(|_| is_folder_name).map(|folder| folder.join(environment));
    refuses_file(folder.as_deref(), path)
}

fn refuses_file(folder: Option<&Path>, path: &str) -> Option<String> {
    let Some(folder) = folder else {
        return Some("is a file, and this server takes none".to_owned());
    };
    let inside = is_absolute(path) && Path::new(path).starts_with(folder) && folder.as_os_str() != path;
    (!inside).then(|| format!("is a file, and must lie inside of {}", folder.display()))
}

/// The same fields, with every secret sealed that is not closed already.
fn sealed(
    environments: &Environments,
    place: &SecretLocation,
    spec: &Connection,
    fields: &Map,
) -> Result<Map, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let sealed = walk(&environment::form(spec), fields, &mut |pointer, field, value| {
        let text = match (field, value) {
            (Some(field), Value::Str(text)) if is_secret(field) && !is_reference(text) && !is_sealed(text) => text,
            _ => return Some(value.clone()),
        };
        let path = parts(pointer).join(".");
        let Some(keys) = &environments.keys else {
            mistakes.push(
                Mistake::new(pointer, format!("{path} cannot be kept: this server has no key to seal secrets with"))
                    .help("give a reference to it (env:NAME, file:PATH), or have a key set"),
            );
            return None;
        };
        match keys.seal(&place.field(path.as_str()), &Secret::new(text.as_ref())) {
            Ok(text) => Some(Value::from(text)),
            Err(error) => {
                tracing::error!(%error, "A secret cannot be sealed.");
                mistakes.push(Mistake::new(pointer, format!("{path} cannot be sealed; the server's log says why")));
                None
            }
        }
    });
    if mistakes.is_empty() { Ok(sealed) } else { Err(mistakes) }
}
