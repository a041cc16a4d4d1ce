//! Search for names and ids, by the groups of three letters that names hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use calipso_model::{Object, ObjectKey, Str};
use futures::future::try_join_all;
use mongodb::bson::{Document, doc};

use crate::{
    error::StoreError,
    form,
    mongo::{
        codec,
        db::Db,
        fault::Doing,
        index::INVENTORY,
        read::{
            Ask, View,
            object::{self, ORDER},
        },
    },
};

/// Maximum number of hits on names that are ranked. A text with more hits has to be typed further.
const RANKED: usize = 2_000;

/// Maximum number of trigrams of a text whose frequencies are compared.
const WEIGHED: usize = 16;

/// Nobody counts further to find out which letters are rarest.
const RARE: i64 = 20_000;

/// How long a counted frequency is used.
const FRESH: Duration = Duration::from_secs(60);

/// Maximum number of frequencies that are kept.
const REMEMBERED: usize = 20_000;

/// Numbers of the distinct trigrams of a text. Different trigrams may share a number.
pub(in crate::mongo) fn letters(text: &str) -> Vec<i32> {
    let all: Vec<char> = text.chars().collect();
    let groups: BTreeSet<i32> = all
        .windows(3)
        .map(|group| {
            let mixed = group.iter().fold(0_u32, |mixed, letter| {
                mixed.wrapping_mul(1_000_003).wrapping_add(u32::from(*letter)) & 0x7fff_ffff
            });
            i32::try_from(mixed).unwrap_or(0)
        })
        .collect();
    groups.into_iter().collect()
}

/// The condition that names hold a text. The text is a literal, whatever stands in it.
pub(super) fn holds(needle: &str) -> Document {
    doc! { "$gte": [{ "$indexOfBytes": ["$names", { "$literal": needle }] }, 0_i32] }
}

/// The condition that a name, and not another value, holds a text.
pub(super) fn names_hold(needle: &str) -> Document {
    let end = form::BEYOND_NAMES.to_string();
    let names_end = doc! { "$indexOfBytes": [{ "$concat": ["$names", &end] }, &end] };
    let place = doc! { "$indexOfBytes": ["$names", { "$literal": needle }] };
    doc! { "$and": [{ "$gte": [place.clone(), 0_i32] }, { "$lt": [place, names_end] }] }
}

/// How many names hold some letters, and when they were counted.
pub(in crate::mongo) type Counts = BTreeMap<(i64, i32), (u64, Instant)>;

fn counts(db: &Db) -> MutexGuard<'_, Counts> {
    db.letters.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rarest trigrams of a text among names, and their frequency as far as it was counted.
pub(super) async fn rarest(view: &View<'_>, needle: &str) -> Result<(i32, u64), StoreError> {
    let all = letters(needle);
    let counted = all.iter().take(WEIGHED).map(async |group| -> Result<(u64, i32), StoreError> {
        let place = (view.env, *group);
        let remembered = counts(view.db).get(&place).filter(|(_, at)| at.elapsed() < FRESH).map(|(number, _)| *number);
        if let Some(number) = remembered {
            return Ok((number, *group));
        }
        let command = doc! {
            "count": INVENTORY, "query": { "env": view.env, "letters": *group }, "limit": RARE, "hint": "by_letters",
        };
        let reply = view.db.database.run_command(command).await.doing(view.db, "search names")?;
        let number = reply.get_i32("n").map(i64::from).or_else(|_| reply.get_i64("n")).unwrap_or(RARE);
        let number = u64::try_from(number).unwrap_or(0);
        let mut counts = counts(view.db);
        if counts.len() >= REMEMBERED {
            counts.clear();
        }
        counts.insert(place, (number, Instant::now()));
        Ok((number, *group))
    });
    let best = try_join_all(counted).await?.into_iter().min();
    Ok(best.map_or((0, u64::MAX), |(number, group)| (group, number)))
}

/// What a person means who types a text.
pub(in crate::mongo) async fn search(view: &mut View<'_>, text: &str, limit: usize) -> Result<Vec<Object>, StoreError> {
    if text.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let types = view.types().await?;
    let mut hits: Vec<ObjectKey> = Vec::new();
    let mut seen: BTreeSet<ObjectKey> = BTreeSet::new();
    let mut add = |found: Vec<ObjectKey>| {
        hits.extend(found.into_iter().filter(|key| seen.insert(key.clone())));
        hits.len() >= limit
    };
    let beginning = doc! { "$gte": text, "$lt": form::after_all(text) };
    let full = add(by_id(view, &types, doc! { "$eq": text }, limit).await?)
        || add(named(view, &form::exact_pattern(text)).await?)
        || add(by_id(view, &types, beginning, limit).await?);
    if !full && let Some(needle) = form::infix_pattern(text) {
        add(named(view, &needle).await?);
    }
    hits.truncate(limit);
    object::by_key(view, &hits.iter().collect()).await?.in_order(&hits)
}

fn key_of(doc: &mongodb::bson::RawDocument) -> Result<ObjectKey, StoreError> {
    Ok(ObjectKey::new(codec::text(doc, "type")?, codec::text(doc, "id")?))
}

/// Keys whose id fits, by type and id.
async fn by_id(view: &mut View<'_>, types: &[Str], id: Document, limit: usize) -> Result<Vec<ObjectKey>, StoreError> {
    let mut filter = view.visible();
    filter.insert("type", doc! { "$in": types.iter().map(|name| &**name).collect::<Vec<_>>() });
    filter.insert("id", id);
    let ask = Ask {
        collection: INVENTORY,
        filter,
        hint: Some("by_key"),
        order: ORDER,
        in_order: true,
        projection: doc! { "_id": 0, "type": 1, "id": 1 },
    };
    let mut found = Vec::new();
    view.each(&ask, Some(limit), 0, &mut |doc| {
        found.push(key_of(doc)?);
        Ok(true)
    })
    .await?;
    Ok(found)
}

/// Keys of objects whose names hold a text, by type and id.
async fn named(view: &mut View<'_>, needle: &str) -> Result<Vec<ObjectKey>, StoreError> {
    let (letters, _) = rarest(view, needle).await?;
    let mut filter = view.visible();
    filter.insert("letters", letters);
    filter.insert("$expr", holds(needle));
    let ask = Ask {
        collection: INVENTORY,
        filter,
        hint: Some("by_letters"),
        order: &[],
        in_order: true,
        projection: doc! { "_id": 0, "type": 1, "id": 1 },
    };
    let mut found = Vec::new();
    view.each(&ask, Some(RANKED), 0, &mut |doc| {
        found.push(key_of(doc)?);
        Ok(true)
    })
    .await?;
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn letters_of_a_part_are_letters_of_the_whole() {
        let whole = letters("\u{2}\u{2}ärger-0042\u{3}");
        for part in ["ärg", "ger-0", "0042\u{3}", "\u{2}\u{2}ä"] {
            assert!(letters(part).iter().all(|group| whole.contains(group)), "{part}");
        }
        assert!(letters("ab").is_empty());
    }
}
