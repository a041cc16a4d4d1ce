//! Expected objects.

use calipso_model::{Map, Object, Value};
use calipso_spec::spec_test::Mend;
use calipso_store::is_found;

use super::{Found, differences, path, told};
use crate::spec_test::Observed;

/// The objects without folders.
pub(super) fn inventory(observed: &Observed) -> impl Iterator<Item = &Object> {
    observed.objects.iter().filter(|object| !observed.folder_types.contains(&object.key.object_type))
}

/// `search`: what is found by each of the texts.
pub(super) fn found(observed: &Observed, value: &Value) -> Value {
    let texts = value.as_map().into_iter().flatten().map(|(text, _)| text);
    let found = texts.map(|text| {
        let objects = inventory(observed).filter(|object| is_found(object, &observed.searched, text));
        (text.clone(), Value::list(objects.map(|object| Value::Str(object.key.id.clone())).collect()))
    });
    Value::Map(found.collect())
}

/// `objects` and `objects_exact`.
pub(super) fn compare(observed: &Observed, key: &str, value: &Value, found: &mut Found<'_>) {
    let wanted: Vec<&Map> = value.as_list().unwrap_or_default().iter().filter_map(Value::as_map).collect();
    let mut met = Vec::new();
    for (number, wanted) in wanted.iter().enumerate() {
        let here = path(&[key, &number.to_string()]);
        match nearest(observed, wanted) {
            Some(object) => {
                met.push(&object.key);
                compare_one(object, wanted, &here, found);
            }
            None => {
                let known: Vec<String> = observed.objects.iter().map(|object| object.key.to_string()).collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                let name = wanted.text("type").map_or("", |text| text);
                let id = wanted.get("id").map(|id| format!(" {}", id.to_json())).unwrap_or_default();
                let failures = told(&observed.failures);
                let text = format!("expected the {name}{id}, found {known}; failures: {failures}");
                found.mendable(&here, text, &Mend::Remove);
            }
        }
    }
    if key != "objects_exact" {
        return;
    }
    let n_found = inventory(observed).count();
    let mut is_other = false;
    for other in inventory(observed).filter(|object| !met.contains(&&object.key)) {
        is_other = true;
        let text = format!("expected {} objects, found {n_found}; not expected: {}", wanted.len(), other.key);
        found.mendable(&path(&[key]), text, &Mend::Append(Value::Map(plain(other))));
    }
    if !is_other && n_found < wanted.len() && met.len() == wanted.len() {
        let text = format!("expected {} objects, found {n_found}: two of the expected are the same one", wanted.len());
        found.add(&path(&[key]), text);
    }
}

/// An object without what every object has from its place in the tree.
pub(in crate::spec_test) fn plain(object: &Object) -> Map {
    const COMMON: &[&str] = &[
        "environment",
        "object_name",
        "parent_type",
        "parent_id",
        "parent_text",
        "id_path",
        "name_path",
        "show_in_tree",
    ];
    let kept = object.doc.iter().filter(|(name, value)| !COMMON.contains(&name.as_ref()) && !value.is_null());
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn compare_one(object: &Object, wanted: &Map, here: &[String], found: &mut Found<'_>) {
    for (name, value) in wanted {
        let there: Vec<String> = here.iter().cloned().chain([name.to_string()]).collect();
        let known = object.doc.get(name).filter(|known| !(known.is_null() && value.is_null()));
        found.differ(&there, &format!("{}: {name} ", object.key), value, known, false);
    }
}

pub(super) fn absent(observed: &Observed, value: &Value, found: &mut Found<'_>) {
    for (number, unwanted) in value.as_list().unwrap_or_default().iter().enumerate() {
        let Some(unwanted) = unwanted.as_map() else { continue };
        for object in observed.objects.iter().filter(|object| n_wrong(object, unwanted) == 0) {
            found.add(&path(&["absent", &number.to_string()]), format!("{} should not be there", object.key));
        }
    }
}

/// How many of the wanted fields an object does not have as they are wanted.
fn n_wrong(object: &Object, wanted: &Map) -> usize {
    wanted.iter().filter(|(name, value)| !differences(value, object.doc.get(name), false).is_empty()).count()
}

/// The object that is meant: of that type and id, where they are said, the one that comes closest.
fn nearest<'o>(observed: &'o Observed, wanted: &Map) -> Option<&'o Object> {
    let same = |object: &Object, name: &str| wanted.get(name).is_none_or(|value| object.doc.get(name) == Some(value));
    observed
        .objects
        .iter()
        .filter(|object| same(object, "type") && same(object, "id"))
        .min_by_key(|object| n_wrong(object, wanted))
}
