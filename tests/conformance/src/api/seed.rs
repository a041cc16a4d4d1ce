//! What the store of a case holds: the documents that the case answers with, completed by what its filters ask for, and as
//! many others before them as its page passes over.

use anyhow::{Context, Result};
use calipso_model::{Map, Str, Value};

use super::eval;

/// One thing to put in the store: exactly one key, which says what it is.
pub struct Thing {
    /// `environment`, `object`, `link`, `clique`, `record`, `layer`, `instead_of`, `request`.
    pub kind: Str,
    pub value: Map,
}

/// What every case gets, whatever it says of its store.
const ONCE: &[&str] = &["always", "features", "scanned"];

/// Evaluates `seed` for a case: `always`, `features` and `scanned`, then the entry of each collection that the case speaks of,
/// with each of its documents. Expressions may read `doc`, `n` (the place in the collection), `filler` (one of the others),
/// `n_docs`. `instead_of` names the folder of specs whose place the documents of a collection take.
pub fn read(seed: &Map, names: &[(&str, Value)]) -> Result<Vec<Thing>> {
    let mut things = Vec::new();
    let given = names.iter().rev().find(|(name, _)| *name == "given").and_then(|(_, given)| given.as_map());
    for key in ONCE {
        if let Some(written) = seed.get(key) {
            add(&mut things, &eval(written, names).with_context(|| format!("`seed.{key}`"))?)?;
        }
    }
    let store = given.and_then(|given| given.get("store"));
    for asked in store.and_then(Value::as_list).unwrap_or_default() {
        let asked = asked.as_map().context("`store` is a list of maps")?;
        let collection = asked.text("collection").context("`store` names a collection")?;
        if let Some(folder) =
            seed.get("instead_of").and_then(Value::as_map).and_then(|folders| folders.text(collection))
        {
            let value = [("folder", Value::from(folder.clone()))].into_iter().collect();
            things.push(Thing { kind: "instead_of".into(), value });
        }
        let Some(written) = seed.get(collection) else { continue };
        let docs = documents(asked);
        let n_docs = Value::from(i64::try_from(docs.len())?);
        for (n, (doc, filler)) in docs.into_iter().enumerate() {
            let mut names = names.to_vec();
            names.push(("doc", doc.into()));
            names.push(("n", Value::from(i64::try_from(n)?)));
            names.push(("n_docs", n_docs.clone()));
            names.push(("filler", Value::Bool(filler)));
            let value = eval(written, &names).with_context(|| format!("`seed.{collection}`"))?;
            add(&mut things, &value)?;
        }
    }
    Ok(things)
}

fn add(things: &mut Vec<Thing>, value: &Value) -> Result<()> {
    for thing in value.as_list().context("a seed is a list")? {
        let thing = thing.as_map().context("a seed is a list of maps")?;
        let Some((kind, value)) = thing.iter().next() else { continue };
        let value = value.as_map().with_context(|| format!("`{kind}` of a seed is a map"))?.clone();
        things.push(Thing { kind: kind.clone(), value });
    }
    Ok(())
}

/// The documents of one answer, the others before them first.
fn documents(asked: &Map) -> Vec<(Map, bool)> {
    let filter = asked.get("filter").and_then(Value::as_map).cloned().unwrap_or_default();
    let int = |key: &str| asked.get(key).and_then(Value::as_int).unwrap_or(0);
    let others = usize::try_from(int("page") * int("page_size")).unwrap_or(0);
    let mut docs: Vec<(Map, bool)> = (0..others).map(|_| (complete(&Map::new(), &filter), true)).collect();
    // Some answers have their list under a key.
    let answer: &[Value] = match asked.get("answer") {
        Some(Value::List(items)) => items,
        Some(Value::Map(map)) => map.iter().next().and_then(|(_, items)| items.as_list()).unwrap_or_default(),
        _ => &[],
    };
    docs.extend(answer.iter().filter_map(Value::as_map).map(|doc| (complete(doc, &filter), false)));
    docs
}

/// A document with the values that the filter asks for, where it does not say them itself.
fn complete(doc: &Map, filter: &Map) -> Map {
    let mut doc = doc.clone();
    for (key, wanted) in filter {
        let value = match wanted.as_map() {
            None => wanted.clone(),
            Some(test) => test.iter().next().map(|(_, value)| value.clone()).unwrap_or_default(),
        };
        // The original's tests answer whatever they were written to, even what the filter would not let through.
        if &**key == "environment" || !doc.contains_key(key) {
            doc.insert(key.clone(), value);
        }
    }
    doc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_completed_and_others_stand_before_them() {
        let seed =
            Value::from_json(r#"{"x": [{"record": {"id": "{{ n }}", "doc": "{{ doc }}", "filler": "{{ filler }}"}}]}"#)
                .unwrap();
        let given = r#"{"store": [{"collection": "x", "filter": {"a": 1, "b": {"$all": ["c"]}, "environment": "e"},
            "page": 1, "page_size": 1, "answer": [{"a": 2, "environment": "other"}]}, {"collection": "y", "answer": []}]}"#;
        let names = [("given", Value::from_json(given).unwrap())];
        let things = read(seed.as_map().unwrap(), &names).unwrap();
        let found: Vec<String> = things.iter().map(|thing| Value::from(thing.value.clone()).to_json()).collect();
        assert_eq!(
            found,
            [
                r#"{"doc":{"a":1,"b":["c"],"environment":"e"},"filler":true,"id":0}"#,
                r#"{"doc":{"a":2,"b":["c"],"environment":"e"},"filler":false,"id":1}"#,
            ]
        );
    }
}
