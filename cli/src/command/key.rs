//! `key`: the keys that seal secrets at rest.

use std::collections::BTreeMap;

use calipso_model::{Map, SecretLocation, Value};
use calipso_store::{Backend, Expect, StoreError};
use calipso_vault::{Keys, key_of};

use crate::{
    args::{KeyCommand, OutputFormat},
    failure::{Exit, Failure},
    output::table,
    secrets::SecretReferences,
    session::{Session, store_failure},
    show,
};

/// `key`.
///
/// # Errors
/// The keys or the store cannot be used.
pub async fn run(session: &Session, what: &KeyCommand) -> Result<(), Failure> {
    let backend = session.store().await?;
    let keys = SecretReferences::new(&session.settings).keys(false)?;
    match what {
        KeyCommand::Rotate => {
            let id = keys.rotate().map_err(|error| Failure::usage(error.to_string()))?;
            let n_sealed = seal_again(backend.as_ref(), &keys).await?;
            println!("key {id} seals from now on; {n_sealed} secrets were sealed again with it");
            println!("processes that run open them too, and seal with the new key after their next start");
            println!("keep the old keys: old backups of the store still need them");
            Ok(())
        }
        KeyCommand::List(out) => {
            let counts = counts(backend.as_ref()).await?;
            let newest = keys.sealing_id();
            let mut ids = keys.ids();
            ids.extend(counts.keys().filter(|id| !keys.ids().contains(id)).cloned());
            let state = |id: &String| {
                if *id == newest {
                    "seals"
                } else if keys.ids().contains(id) {
                    "opens"
                } else {
                    "MISSING"
                }
            };
            let sealed = |id: &String| counts.get(id).copied().unwrap_or(0);
            match out.output {
                OutputFormat::Table | OutputFormat::Tree => {
                    let rows: Vec<Vec<String>> =
                        ids.iter().map(|id| vec![id.clone(), state(id).to_owned(), sealed(id).to_string()]).collect();
                    print!("{}", table(&["KEY", "STATE", "SECRETS"], &rows));
                }
                shape => {
                    let all: Map = ids
                        .iter()
                        .map(|id| {
                            let entry: Map = [("state", Value::text(state(id))), ("secrets", Value::Int(sealed(id)))]
                                .into_iter()
                                .collect();
                            (id.as_str(), Value::Map(entry))
                        })
                        .collect();
                    print!("{}", show::value(shape, &Value::Map(all)));
                }
            }
            Ok(())
        }
    }
}

/// Seals every secret of every environment again that an older key sealed. Returns how many.
async fn seal_again(backend: &dyn Backend, keys: &Keys) -> Result<u64, Failure> {
    let mut n_sealed = 0;
    for environment in backend.environments().await.map_err(store_failure)? {
        loop {
            let (mut known, version) = backend.versioned_environment(&environment.name).await.map_err(store_failure)?;
            let mut changed = 0;
            for (role, connection) in &mut known.connections {
                let location = SecretLocation::role(known.name.clone(), role.clone());
                connection.fields = seal_fields_again(&connection.fields, &location, "", keys, &mut changed)?;
            }
            if changed == 0 {
                break;
            }
            match backend.put_environment(&known, Expect::Version(version)).await {
                Ok(_) => {
                    n_sealed += changed;
                    break;
                }
                // Somebody changed it in between: what is there now is sealed again instead.
                Err(StoreError::Changed { .. }) => {}
                Err(error) => return Err(store_failure(error)),
            }
        }
    }
    Ok(n_sealed)
}

/// The fields below a prefix (`NAME.` for each map that they stand in), sealed again.
fn seal_fields_again(
    fields: &Map,
    location: &SecretLocation,
    prefix: &str,
    keys: &Keys,
    changed: &mut u64,
) -> Result<Map, Failure> {
    let mut sealed = Vec::new();
    for (name, value) in fields {
        let path = format!("{prefix}{name}");
        let value = match value {
            Value::Map(inner) => Value::Map(seal_fields_again(inner, location, &format!("{path}."), keys, changed)?),
            Value::Str(text) if key_of(text).is_some() => {
                let fresh = keys
                    .seal_again(&location.field(path.as_str()), text)
                    .map_err(|error| Failure::new(Exit::Findings, format!("{path}: {error}")))?;
                match fresh {
                    Some(fresh) => {
                        *changed += 1;
                        Value::from(fresh)
                    }
                    None => value.clone(),
                }
            }
            other => other.clone(),
        };
        sealed.push((name.clone(), value));
    }
    Ok(Map::from_pairs(sealed))
}

/// How many secrets each key seals.
async fn counts(backend: &dyn Backend) -> Result<BTreeMap<String, i64>, Failure> {
    fn count(fields: &Map, counts: &mut BTreeMap<String, i64>) {
        for (_, value) in fields {
            match value {
                Value::Map(inner) => count(inner, counts),
                Value::Str(text) => {
                    if let Some(id) = key_of(text) {
                        *counts.entry(id.to_owned()).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
    }
    let mut found = BTreeMap::new();
    for environment in backend.environments().await.map_err(store_failure)? {
        for connection in environment.connections.values() {
            count(&connection.fields, &mut found);
        }
    }
    Ok(found)
}
