//! The collections and their indexes: made where they are missing, refused where others are in the way.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use mongodb::{
    IndexModel,
    bson::{Bson, Document, doc},
    options::IndexOptions,
};

use crate::{
    error::StoreError,
    mongo::{
        db::Db,
        fault::{Doing, Reason, code},
        number,
    },
    records::Collection,
};

/// Versions of objects.
pub(super) const INVENTORY: &str = "inventory";
/// Versions of links.
pub(super) const LINKS: &str = "links";
/// Versions of cliques.
pub(super) const CLIQUES: &str = "cliques";
/// Environments: configuration, lease, current revision.
pub(super) const ENVIRONMENTS: &str = "environments_config";
/// Information about each revision.
pub(super) const REVISIONS: &str = "revisions";
/// What fetchers asked.
pub(super) const SCOPES: &str = "scopes";
/// What they brought.
pub(super) const MEMBERS: &str = "scope_members";
/// Reports of scans.
pub(super) const REPORTS: &str = "reports";
/// Numbers that only grow.
pub(super) const COUNTERS: &str = "counters";
/// What batches of a commit pass through.
pub(super) const GATES: &str = "commit_gates";

/// Everything that belongs to one environment by its number.
pub(super) const OWNED: &[&str] = &[INVENTORY, LINKS, CLIQUES, REVISIONS, SCOPES, MEMBERS, REPORTS];

/// The format of the collections.
const FORMAT: i64 = 2;

struct Index {
    collection: &'static str,
    name: &'static str,
    fields: &'static [&'static str],
    /// Only documents that have the last of these fields; or, for `…_to`, only versions that have ended.
    only: Option<&'static str>,
    unique: bool,
}

const fn index(collection: &'static str, name: &'static str, fields: &'static [&'static str]) -> Index {
    Index { collection, name, fields, only: None, unique: false }
}

const fn partial(
    collection: &'static str,
    name: &'static str,
    only: &'static str,
    fields: &'static [&'static str],
) -> Index {
    Index { collection, name, fields, only: Some(only), unique: false }
}

/// All indexes of the inventory and what is beside it. `env` is the number of the environment, so that one whose name is
/// used again begins empty.
const INDEXES: &[Index] = &[
    index(INVENTORY, "by_key", &["env", "type", "id", "rev_to", "rev_from"]),
    partial(INVENTORY, "by_parent", "parent_id", &["env", "parent_id", "parent_type", "type", "id", "rev_to"]),
    partial(INVENTORY, "by_host", "host", &["env", "host", "type", "id", "rev_to"]),
    index(INVENTORY, "by_letters", &["env", "letters"]),
    index(INVENTORY, "by_beginning", &["env", "rev_from"]),
    partial(INVENTORY, "by_end", "rev_to", &["env", "rev_to"]),
    index(
        LINKS,
        "by_source",
        &["env", "source_type", "source_id", "link_type", "target_type", "target_id", "rev_to", "rev_from"],
    ),
    index(LINKS, "by_target", &["env", "target_id", "target_type", "rev_to"]),
    partial(LINKS, "by_host", "host", &["env", "host", "rev_to"]),
    index(LINKS, "by_beginning", &["env", "rev_from"]),
    partial(LINKS, "by_end", "rev_to", &["env", "rev_to"]),
    index(CLIQUES, "by_key", &["env", "focal_point_type", "focal_point_id", "rev_to", "rev_from", "clique_type"]),
    index(CLIQUES, "by_content", &["env", "holds"]),
    index(CLIQUES, "by_beginning", &["env", "rev_from"]),
    partial(CLIQUES, "by_end", "rev_to", &["env", "rev_to"]),
    index(SCOPES, "by_parent", &["env", "parent_id", "parent_type", "seq_to"]),
    index(SCOPES, "by_scope", &["env", "scope"]),
    index(SCOPES, "by_beginning", &["env", "seq_from"]),
    partial(SCOPES, "by_end", "seq_to", &["env", "seq_to"]),
    index(MEMBERS, "by_scope", &["env", "scope"]),
    index(MEMBERS, "by_object", &["env", "type", "id"]),
    index(MEMBERS, "by_beginning", &["env", "seq_from"]),
    partial(MEMBERS, "by_end", "seq_to", &["env", "seq_to"]),
    Index { collection: REVISIONS, name: "by_number", fields: &["env", "revision"], only: None, unique: true },
    index(REVISIONS, "by_time", &["env", "at_millis"]),
    Index { collection: REPORTS, name: "by_number", fields: &["env", "id"], only: None, unique: true },
];

impl Index {
    fn model(&self) -> IndexModel {
        let mut keys = Document::new();
        for field in self.fields {
            keys.insert(*field, 1_i32);
        }
        let only = self.only.map(|field| {
            if field.ends_with("_to") {
                doc! { field: { "$lt": f64::INFINITY } }
            } else {
                doc! { field: { "$exists": true } }
            }
        });
        let mut options = IndexOptions::builder().name(self.name.to_owned()).build();
        options.partial_filter_expression = only;
        options.unique = self.unique.then_some(true);
        IndexModel::builder().keys(keys).options(options).build()
    }
}

/// What is compared of an index: its fields in order, its condition, whether it is unique.
fn shape(model: &IndexModel) -> (Vec<String>, Option<Document>, bool) {
    let fields = model
        .keys
        .iter()
        .map(|(field, direction)| {
            // A shell writes 1.0 where a program writes 1.
            let up = matches!(direction, Bson::Int32(1) | Bson::Int64(1)) || *direction == Bson::Double(1.0);
            if up { field.clone() } else { format!("{field}: {direction}") }
        })
        .collect();
    let options = model.options.as_ref();
    (
        fields,
        options.and_then(|options| options.partial_filter_expression.clone()),
        options.and_then(|options| options.unique).unwrap_or(false),
    )
}

/// Makes what is missing, and refuses what is in the way.
pub(super) async fn ensure(db: &Db) -> Result<(), StoreError> {
    db.within(format(db)).await?;
    let mut wanted: BTreeMap<&str, Vec<IndexModel>> = BTreeMap::new();
    for index in INDEXES {
        wanted.entry(index.collection).or_default().push(index.model());
    }
    for collection in Collection::ALL {
        let models = wanted.entry(collection.name()).or_default();
        for field in collection.fields() {
            let options = IndexOptions::builder().name(format!("by_{field}")).build();
            let keys = doc! { record_field(field): 1_i32, "_id": 1_i32 };
            models.push(IndexModel::builder().keys(keys).options(options).build());
        }
    }
    for collection in [ENVIRONMENTS, COUNTERS, GATES] {
        wanted.entry(collection).or_default();
    }
    let there = db.within(async { db.database.list_collection_names().await.doing(db, "list collections") }).await?;
    // A transaction cannot make its collection on every server, so all are made beforehand.
    for (collection, models) in &wanted {
        if !there.iter().any(|name| name == collection) {
            match db.database.create_collection(*collection).await {
                // Another process makes them too.
                Err(error) if code(&error) == Some(48) => {}
                made => made.doing(db, "make a collection")?,
            }
        }
        let missing_indexes = missing_indexes(db, collection, models).await?;
        if missing_indexes.is_empty() {
            continue;
        }
        // Making an index of many documents may take long, so nothing limits it.
        match db.at(collection).create_indexes(missing_indexes).await {
            Err(error) if matches!(code(&error), Some(85 | 86)) => {
                return Err(in_the_way(db, collection, &db.scrub(&error.kind.to_string())));
            }
            made => drop(made.doing(db, "make an index")?),
        }
    }
    Ok(())
}

/// The indexes that are not there yet.
async fn missing_indexes(db: &Db, collection: &str, wanted: &[IndexModel]) -> Result<Vec<IndexModel>, StoreError> {
    let found: Vec<IndexModel> = db
        .within(async {
            let list = db.at(collection).list_indexes().await.doing(db, "list indexes")?;
            list.try_collect().await.doing(db, "list indexes")
        })
        .await?;
    let name = |model: &IndexModel| model.options.as_ref().and_then(|options| options.name.clone()).unwrap_or_default();
    let mut missing_indexes = Vec::new();
    for model in wanted {
        match found.iter().find(|other| name(other) == name(model)) {
            Some(other) if shape(other) == shape(model) => {}
            Some(_) => return Err(in_the_way(db, collection, &format!("its index `{}` is another one", name(model)))),
            None => missing_indexes.push(model.clone()),
        }
    }
    Ok(missing_indexes)
}

fn in_the_way(db: &Db, collection: &str, what: &str) -> StoreError {
    let source = Reason::new(format!(
        "collection `{collection}` has an index that does not fit ({what}); drop it with dropIndex in mongosh and start again, \
         it will be made as it is needed"
    ));
    StoreError::Unavailable { place: db.place.clone(), source: source.into() }
}

/// Notes the format in a new store, and refuses one that is newer than this program.
async fn format(db: &Db) -> Result<(), StoreError> {
    let counters = db.database.collection::<Document>(COUNTERS);
    let found = counters.find_one(doc! { "_id": "format" }).await.doing(db, "read the format")?;
    match found.map(|found| found.get_i64("value")) {
        Some(Ok(found)) if found > FORMAT => Err(StoreError::VersionTooNew { found, known: FORMAT }),
        Some(Ok(FORMAT)) => Ok(()),
        Some(_) => {
            // Format 1 had no counter of versions.
            number::begin(db).await?;
            let noted = counters.update_one(doc! { "_id": "format" }, doc! { "$max": { "value": FORMAT } }).await;
            noted.doing(db, "note the format").map(drop)
        }
        None => match counters.insert_one(doc! { "_id": "format", "value": FORMAT }).await {
            Err(error) if code(&error) == Some(11_000) => Ok(()),
            noted => noted.doing(db, "note the format").map(drop),
        },
    }
}

/// Path of a field of a document beside the inventory.
pub(super) fn record_field(field: &str) -> String {
    format!("doc.{field}")
}
