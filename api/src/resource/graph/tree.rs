//! What is below an object, as a tree.

use std::collections::{BTreeMap, VecDeque};

use calipso_model::{Object, ObjectKey, Revision};
use calipso_store::{Page, Query};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{problem::Problem, service::Service};

/// Maximum number of objects that are shown.
const MOST_NODES: usize = 5_000;

/// An object and what is below it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(no_recursion)]
pub(super) struct Branch {
    #[serde(rename = "type")]
    object_type: String,
    id: String,
    name: String,
    /// Not there when what is below was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<Branch>>,
}

/// The objects within `depth` levels below an object, or below the environment itself; and whether there are more than are shown.
pub(super) async fn below(
    service: &Service,
    environment: &str,
    revision: Revision,
    top: Option<&Object>,
    depth: usize,
) -> Result<(Branch, bool), Problem> {
    let root = top.map_or_else(|| ObjectKey::new("environment", environment), |object| object.key.clone());
    let name = top.map_or(environment, label).to_owned();
    let mut names: BTreeMap<ObjectKey, String> = BTreeMap::from([(root.clone(), name)]);
    let mut children: BTreeMap<ObjectKey, Vec<ObjectKey>> = BTreeMap::new();
    let mut waiting = VecDeque::from([(root.clone(), 0)]);
    let mut truncated = false;
    // Level by level, so that what is near the top is shown first.
    while let Some((key, level)) = waiting.pop_front() {
        let left = MOST_NODES.saturating_sub(names.len());
        if left == 0 {
            truncated = true;
            break;
        }
        let query = Query {
            parent: Some(key.clone()),
            fields: Some(["name", "object_name", "text"].map(Into::into).to_vec()),
            ..Query::default()
        };
        let found = service.backend.objects(environment, Some(revision), &query, &Page::first(left)).await?;
        truncated |= found.next.is_some();
        let mut below = Vec::with_capacity(found.items.len());
        for object in found.items {
            // Whatever stands above itself is shown once.
            if names.contains_key(&object.key) {
                continue;
            }
            names.insert(object.key.clone(), label(&object).to_owned());
            below.push(object.key.clone());
            if level + 1 < depth {
                waiting.push_back((object.key, level + 1));
            }
        }
        children.insert(key, below);
    }
    Ok((branch(&root, &mut names, &mut children), truncated))
}

fn label(object: &Object) -> &str {
    object.text("object_name").or_else(|| object.text("text")).unwrap_or_else(|| object.name())
}

/// Depth is bounded by the question.
fn branch(
    key: &ObjectKey,
    names: &mut BTreeMap<ObjectKey, String>,
    children: &mut BTreeMap<ObjectKey, Vec<ObjectKey>>,
) -> Branch {
    Branch {
        object_type: key.object_type.to_string(),
        id: key.id.to_string(),
        name: names.remove(key).unwrap_or_default(),
        children: children.remove(key).map(|below| below.iter().map(|key| branch(key, names, children)).collect()),
    }
}
