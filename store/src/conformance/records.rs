//! Documents beside the inventory.

use std::{collections::BTreeSet, sync::Arc};

use calipso_model::{Map, Value};

use super::Make;
use crate::{
    error::StoreError,
    query::{Cursor, Page},
    records::{Backend, Collection, FieldTest, RecordQuery},
};

const MESSAGES: Collection = Collection::Messages;

/// All cases of this file.
pub(super) async fn run(make: Make<'_>) {
    changes(make).await;
    versions_never_come_back(make).await;
    questions(make).await;
    pages(make).await;
    races(make).await;
}

fn doc(fields: &[(&str, Value)]) -> Map {
    fields.iter().cloned().collect()
}

async fn changes(make: Make<'_>) {
    let store = make().await;
    for collection in Collection::ALL {
        assert_eq!(store.record(*collection, "a").await.expect("reading works"), None, "a new store has no document");
        assert_eq!(store.count(*collection, &RecordQuery::all()).await.expect("counting works"), 0);
    }
    let odd = doc(&[
        ("environment", "home".into()),
        ("$set", 1.into()),
        ("a.b", Value::Map(doc(&[("$c.d", 1.5.into())]))),
        ("big", i64::MAX.into()),
        ("list", Value::list(vec![Value::Null, 1.0.into()])),
    ]);
    let made = store.insert(MESSAGES, "a", &odd).await.expect("inserting works");
    assert_eq!((&*made.id, &made.doc), ("a", &odd), "what was made is told");
    let again = store.insert(MESSAGES, "a", &Map::new()).await;
    assert!(matches!(again, Err(StoreError::Exists { what: "messages", .. })), "an id is taken once: {again:?}");
    store.insert(Collection::Scans, "a", &Map::new()).await.expect("ids are per collection");
    let read = store.record(MESSAGES, "a").await.expect("reading works").expect("it is there");
    let (found, wanted) = (Value::Map(read.doc.clone()).to_json(), Value::Map(odd).to_json());
    assert_eq!((read.version, found), (made.version, wanted), "exactly");

    let next = doc(&[("level", "info".into())]);
    let changed = store.replace(MESSAGES, "a", made.version, &next).await.expect("replacing works");
    assert_eq!(&changed.doc, &next, "documents are replaced whole");
    assert!(changed.version > made.version, "versions grow");
    assert_eq!(store.record(MESSAGES, "a").await.expect("reading works").as_ref(), Some(&changed));
    for (id, version) in [("a", made.version), ("a", changed.version + 1), ("b", made.version)] {
        let stale = store.replace(MESSAGES, id, version, &next).await;
        assert!(matches!(stale, Err(StoreError::Changed { what: "messages", .. })), "{id} at {version}: {stale:?}");
    }
    let stale = store.remove(MESSAGES, "a", Some(made.version)).await;
    assert!(matches!(stale, Err(StoreError::Changed { .. })), "it is there in another version: {stale:?}");
    assert!(!store.remove(MESSAGES, "b", Some(made.version)).await.expect("removing works"), "it was not there");
    assert!(store.remove(MESSAGES, "a", Some(changed.version)).await.expect("removing works"));
    assert!(!store.remove(MESSAGES, "a", None).await.expect("removing works"), "once only");
}

/// In every collection and by every way of removing: what is made again has no version that anything under its id had.
async fn versions_never_come_back(make: Make<'_>) {
    let store = make().await;
    for collection in Collection::ALL {
        let mut seen = BTreeSet::new();
        for way in ["by version", "whatever its version", "by a question", "by version"] {
            let mut record = store.insert(*collection, "a", &Map::new()).await.expect("inserting works");
            assert!(seen.insert(record.version), "{} {} again, {way}", collection.name(), record.version);
            for n in 0..3 {
                for version in &seen {
                    if *version != record.version {
                        let stale = store.replace(*collection, "a", *version, &Map::new()).await;
                        assert!(matches!(stale, Err(StoreError::Changed { .. })), "{version}: {stale:?}");
                    }
                }
                let fields = doc(&[("n", Value::Int(n))]);
                record = store.replace(*collection, "a", record.version, &fields).await.expect("replacing works");
                assert!(seen.insert(record.version), "{} {} again, {way}", collection.name(), record.version);
            }
            let removed = match way {
                "by version" => store.remove(*collection, "a", Some(record.version)).await.expect("removing works"),
                "by a question" => {
                    store.remove_all(*collection, &RecordQuery::all()).await.expect("removing works") == 1
                }
                _ => store.remove(*collection, "a", None).await.expect("removing works"),
            };
            assert!(removed, "{} {way}", collection.name());
        }
    }
}

async fn questions(make: Make<'_>) {
    let store = make().await;
    for (id, fields) in [
        ("1", doc(&[("level", "info".into()), ("timestamp", "2026-01-01T00:00:00.000Z".into())])),
        ("2", doc(&[("level", "warning".into()), ("timestamp", "2026-01-02T00:00:00.000Z".into())])),
        ("3", doc(&[("level", "error".into()), ("timestamp", 5.into())])),
        ("4", doc(&[("level", Value::Null), ("timestamp", 7.5.into())])),
        ("5", doc(&[("origin_id", true.into())])),
        ("6", doc(&[("level", Value::list(vec!["info".into()]))])),
    ] {
        store.insert(MESSAGES, id, &fields).await.expect("inserting works");
    }
    let all = RecordQuery::all;
    let tests: Vec<(&str, RecordQuery, &[&str])> = vec![
        ("all", all(), &["1", "2", "3", "4", "5", "6"]),
        ("equal", all().equals("level", "info"), &["1"]),
        ("equal to null, or not there", all().equals("level", Value::Null), &["4", "5"]),
        ("equal to truth", all().equals("origin_id", true), &["5"]),
        ("numbers are equal as numbers", all().equals("timestamp", 5.0), &["3"]),
        ("any", all().and("level", FieldTest::AnyOf(vec!["info".into(), "error".into(), "never".into()])), &["1", "3"]),
        ("any with null", all().and("level", FieldTest::AnyOf(vec!["info".into(), Value::Null])), &["1", "4", "5"]),
        ("any of none", all().and("level", FieldTest::AnyOf(Vec::new())), &[]),
        ("texts from", all().and("timestamp", FieldTest::AtLeast("2026-01-02T00:00:00.000Z".into())), &["2"]),
        ("texts below", all().and("timestamp", FieldTest::Below("2026-01-02T00:00:00.000Z".into())), &["1"]),
        ("numbers from", all().and("timestamp", FieldTest::AtLeast(5.into())), &["3", "4"]),
        ("numbers below", all().and("timestamp", FieldTest::Below(7.5.into())), &["3"]),
        ("both", all().equals("level", "warning").and("timestamp", FieldTest::AtLeast("2026".into())), &["2"]),
        (
            "a range",
            all()
                .and("timestamp", FieldTest::AtLeast("2026-01-01".into()))
                .and("timestamp", FieldTest::Below("2026-01-02".into())),
            &["1"],
        ),
        ("what looks like an operator", all().equals("level", "$ne' OR 1=1"), &[]),
    ];
    for (what, query, expected) in &tests {
        let page = store.records(MESSAGES, query, &Page::first(100)).await.expect("reading works");
        let ids: Vec<&str> = page.items.iter().map(|record| &*record.id).collect();
        assert_eq!(ids, *expected, "{what}");
        assert_eq!(page.next, None, "{what} is on one page");
        let count = store.count(MESSAGES, query).await.expect("counting works");
        assert_eq!(count, expected.len() as u64, "{what} is counted");
    }
    let unknown = all().equals("message", "x");
    assert!(matches!(store.count(MESSAGES, &unknown).await, Err(StoreError::Invalid { .. })), "no indexed field");
    assert!(matches!(store.remove_all(MESSAGES, &unknown).await, Err(StoreError::Invalid { .. })));
    let unknown = all().ordered("message");
    let page = store.records(MESSAGES, &unknown, &Page::first(1)).await;
    assert!(matches!(page, Err(StoreError::Invalid { .. })), "nor one to order by: {page:?}");
    let list = all().equals("level", Value::list(vec!["info".into()]));
    assert!(matches!(store.count(MESSAGES, &list).await, Err(StoreError::Invalid { .. })), "lists are not compared");

    assert_eq!(store.remove_all(MESSAGES, &all().equals("level", "info")).await.expect("removing works"), 1);
    assert_eq!(store.remove_all(MESSAGES, &all().equals("level", "info")).await.expect("removing works"), 0);
    assert_eq!(store.count(MESSAGES, &all()).await.expect("counting works"), 5, "the others are still there");
    assert_eq!(store.remove_all(MESSAGES, &all()).await.expect("removing works"), 5);
}

async fn pages(make: Make<'_>) {
    let store = make().await;
    // Half of the documents have a time, and several have the same.
    for n in 0..20_i64 {
        let mut fields = doc(&[("level", if n % 2 == 0 { "info" } else { "error" }.into())]);
        match n % 4 {
            0 => fields.insert("timestamp", format!("2026-01-{:02}T00:00:00.000Z", n / 8 + 1)),
            1 => fields.insert("timestamp", Value::Null),
            2 => fields.insert("timestamp", n),
            _ => {}
        }
        store.insert(MESSAGES, &format!("{:02}", n * 7 % 20), &fields).await.expect("inserting works");
    }
    let by_time = RecordQuery::all().ordered("timestamp");
    let newest = RecordQuery::all().newest_first("timestamp");
    let errors = RecordQuery::all().equals("level", "error").newest_first("timestamp");
    let downwards = RecordQuery { descending: true, ..RecordQuery::all() };
    for (what, query) in [
        ("by id", RecordQuery::all()),
        ("down", downwards),
        ("by time", by_time),
        ("newest", newest),
        ("errors", errors),
    ] {
        let whole = store.records(MESSAGES, &query, &Page::first(100)).await.expect("reading works");
        let ids: Vec<_> = whole.items.iter().map(|record| record.id.clone()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), if what == "errors" { 10 } else { 20 }, "{what}");
        let mut expected: Vec<(u8, Value, _)> = whole
            .items
            .iter()
            .map(|record| {
                let value = query.order_by.and_then(|field| record.doc.get(field)).cloned().unwrap_or_default();
                let kind = match value {
                    Value::Null => 0,
                    Value::Str(_) => 2,
                    _ => 1,
                };
                (kind, value, record.id.clone())
            })
            .collect();
        expected.sort_by(|a, b| (a.0.cmp(&b.0)).then_with(|| a.1.total_cmp(&b.1)).then_with(|| a.2.cmp(&b.2)));
        if query.descending {
            expected.reverse();
        }
        assert_eq!(ids, expected.into_iter().map(|(_, _, id)| id).collect::<Vec<_>>(), "{what}: the order");
        for limit in [1, 3, 20] {
            let mut found = Vec::new();
            let mut page = Page::first(limit);
            loop {
                let answer = store.records(MESSAGES, &query, &page).await.expect("reading works");
                found.extend(answer.items.into_iter().map(|record| record.id));
                match answer.next {
                    Some(next) => page = Page::after(next, limit),
                    None => break,
                }
            }
            assert_eq!(found, ids, "{what}, {limit} at a time");
        }
        let page = Page { skip: 4, ..Page::first(3) };
        let skipped = store.records(MESSAGES, &query, &page).await.expect("reading works");
        let skipped: Vec<_> = skipped.items.into_iter().map(|record| record.id).collect();
        assert_eq!(skipped, ids[4..7], "{what}: passed over");
    }
    for odd in ["", "[1]", "[[1],\"x\"]", "{}"] {
        let answer = store.records(MESSAGES, &RecordQuery::all(), &Page::after(Cursor::new(odd), 9)).await;
        assert!(matches!(answer, Err(StoreError::Invalid { .. })), "`{odd}` is no cursor: {answer:?}");
    }
}

/// Many writers change one document at once: exactly one of them writes each version.
async fn races(make: Make<'_>) {
    let store: Arc<dyn Backend> = make().await;
    let mut version = store.insert(Collection::Scans, "race", &Map::new()).await.expect("inserting works").version;
    for round in 1..=10_u64 {
        let writers: Vec<_> = (0..8_i64)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    store.replace(Collection::Scans, "race", version, &doc(&[("status", n.into())])).await
                })
            })
            .collect();
        let mut won = Vec::new();
        for writer in writers {
            match writer.await.expect("a writer does not panic") {
                Ok(record) => won.push(record),
                Err(StoreError::Changed { .. }) => {}
                Err(other) => panic!("a racing writer got {other:?}"),
            }
        }
        assert_eq!(won.len(), 1, "one wins in round {round}");
        assert_eq!(
            store.record(Collection::Scans, "race").await.expect("reading works").as_ref(),
            won.first(),
            "the one"
        );
        version = won[0].version;
    }
    let inserts = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.insert(Collection::Scans, "new", &Map::new()).await.is_ok() })
    });
    let mut made = 0;
    for insert in inserts.collect::<Vec<_>>() {
        made += u32::from(insert.await.expect("a writer does not panic"));
    }
    assert_eq!(made, 1, "one id is taken once");
}
