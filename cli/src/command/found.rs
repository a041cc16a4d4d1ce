//! Lists of objects, and the message when nothing fits a name.

use calipso_model::{Object, Revision, Value};
use calipso_store::{Page, Query, Store};

use crate::{
    args::OutputFormat,
    failure::Failure,
    session::store_failure,
    show::{self, StaleSince},
};

/// Says so when nothing is on a host of that name: it is misspelt, and not without anything.
///
/// # Errors
/// Nothing has this host.
pub async fn known_host(
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    host: Option<&str>,
) -> Result<(), Failure> {
    let Some(host) = host else { return Ok(()) };
    let query = Query { host: Some(host.into()), ..Query::default() };
    let found = store.objects(environment, at, &query, &Page::first(1)).await.map_err(store_failure)?;
    if found.items.is_empty() {
        return Err(Failure::usage(format!("nothing in `{environment}` is on a host `{host}`"))
            .help(format!("`calipso search {environment} {host}` finds what has a name like it")));
    }
    Ok(())
}

/// Maximum length of a value that is shown as the reason why an object was found.
const TELLING: usize = 60;

/// Objects as a list: with the time since when one may be out of date where there is any, and with the value by which it was
/// found, when a text was looked for.
#[must_use]
pub fn list(shape: OutputFormat, width: usize, found: &[Object], stale: &StaleSince, text: Option<&str>) -> String {
    let mut header = vec!["TYPE", "NAME", "HOST", "ID"];
    if text.is_some() {
        header.push("FOUND BY");
    }
    let any_stale = found.iter().any(|object| stale.contains_key(&object.key));
    if any_stale {
        header.push("STALE SINCE");
    }
    let row = |object: &Object| {
        let mut cells = vec![
            object.key.object_type.to_string(),
            object.name().to_owned(),
            object.text("host").unwrap_or_default().to_owned(),
            object.key.id.to_string(),
        ];
        if let Some(text) = text {
            cells.push(reason(object, text));
        }
        if any_stale {
            cells.push(stale.get(&object.key).map(|since| show::day(since)).unwrap_or_default());
        }
        cells
    };
    show::list_within(shape, width, found, &header, row, |object| Value::Map(object.doc.clone()))
}

/// What holds a text: the name, the id, or else an attribute.
fn reason(object: &Object, text: &str) -> String {
    let text = text.to_lowercase();
    let holds = |value: &str| value.to_lowercase().contains(&text);
    let name = object.text("object_name").unwrap_or_default();
    if holds(object.name()) || holds(name) {
        return "name".to_owned();
    }
    if holds(&object.key.id) {
        return "id".to_owned();
    }
    let fields = object.doc.iter().filter(|(name, _)| !["id_path", "name_path", "parent_id"].contains(&&**name));
    let mut best: Option<(usize, String)> = None;
    for (name, value) in fields {
        leaves(value, &mut |leaf| {
            // The shortest value is most like what was looked for.
            if holds(leaf) && leaf.len() <= TELLING && best.as_ref().is_none_or(|(length, _)| leaf.len() < *length) {
                best = Some((leaf.len(), format!("{name} {leaf}")));
            }
        });
    }
    best.map(|(_, reason)| reason).unwrap_or_default()
}

fn leaves(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::Str(text) => see(text),
        Value::List(items) => items.iter().for_each(|item| leaves(item, see)),
        Value::Map(map) => map.iter().for_each(|(_, item)| leaves(item, see)),
        Value::Int(_) | Value::Float(_) => see(&value.to_json()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A name that is not known, with those that are like it.
pub fn unknown<'k>(what: &str, name: &str, known: impl Iterator<Item = &'k str>) -> Failure {
    let mut near: Vec<(f64, &str)> = known.map(|known| (strsim::jaro_winkler(name, known), known)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let like: Vec<String> =
        near.iter().take_while(|(score, _)| *score > 0.75).take(3).map(|(_, known)| format!("`{known}`")).collect();
    let failure = Failure::usage(format!("no {what} is named `{name}`"));
    if like.is_empty() {
        let mut all: Vec<&str> =
            near.iter().map(|(_, known)| *known).filter(|known| !known.ends_with("_folder")).collect();
        all.sort_unstable();
        return failure.help(format!("there are {}; what specs of yours declare needs `--specs DIR`", all.join(", ")));
    }
    failure.help(format!("did you mean {}?", like.join(" or ")))
}
