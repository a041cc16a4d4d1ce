//! Bytes of the file change behind the program's back: what is read is what was written, or an error; and `check` finds it.

use std::{path::Path, time::Duration};

use calipso_model::{Delta, Environment, Map, Object, ObjectKey, Value};
use calipso_store::{
    Collection, Commit, CommitInfo, Embedded, Expect, Options, Page, Query, RecordQuery, Records, Store, StoreError,
    StoreHealth,
};

/// So many damaged copies are looked at.
const COPIES: u64 = 60;

fn open(path: &Path) -> Result<Embedded, StoreError> {
    Embedded::open(path, Options { busy_timeout: Duration::from_millis(50), ..Options::default() })
}

async fn filled(path: &Path) {
    let store = open(path).expect("the store works");
    store
        .put_environment(&Environment { name: "e".into(), ..Environment::default() }, Expect::Nothing)
        .await
        .expect("the store works");
    let lease = store.acquire("e", "x", 0, Duration::from_secs(1)).await.expect("the store works");
    let object = |n: u32| {
        let text = format!("thing {n} with a text that takes some room in a page of the file, as documents do");
        let doc: Map = [("name", Value::text(&text)), ("n", Value::Int(i64::from(n)))].into_iter().collect();
        Object { key: ObjectKey::new("thing", format!("{n:04}")), doc }
    };
    let delta = Delta { objects: (0..400).map(object).collect(), ..Delta::default() };
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    store.commit(&Commit::new(0, &lease, &delta, &info)).await.expect("the store works");
    for n in 0..100 {
        let doc: Map = [("name", Value::text(&format!("user {n}")))].into_iter().collect();
        store.insert(Collection::Users, &format!("user{n:03}"), &doc).await.expect("the store works");
    }
    drop(store);
    let file = rusqlite::Connection::open(path).expect("the store works");
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("the store works");
}

/// Everything that is read of it.
async fn read(store: &Embedded) -> Result<(Vec<Environment>, Vec<Object>, Vec<Map>), StoreError> {
    let objects = store.objects("e", None, &Query::default(), &Page::first(1_000)).await?.items;
    let users = store.records(Collection::Users, &RecordQuery::all(), &Page::first(1_000)).await?.items;
    Ok((store.environments().await?, objects, users.into_iter().map(|user| user.doc).collect()))
}

#[tokio::test]
async fn a_sound_store_is_found_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.store");
    filled(&path).await;
    let store = open(&path).unwrap();
    let checked = store.check().await.unwrap();
    assert_eq!((checked.wrong, checked.n_left_out), (Vec::new(), 0));
    assert_eq!(checked.n_read, 501, "the environment, its objects, the users");
    assert_eq!(store.health().await, StoreHealth::Fine);
}

#[tokio::test]
async fn damaged_copies_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.store");
    filled(&path).await;
    let whole = read(&open(&path).unwrap()).await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut noticed, mut unharmed) = (0, 0);
    for copy in 0..COPIES {
        let mut damaged = bytes.clone();
        // Not in the room that is free.
        let place = loop {
            let place = random(damaged.len() - 64);
            if damaged[place] != 0 {
                break place;
            }
        };
        for byte in &mut damaged[place..place + 1 + random(48)] {
            *byte ^= 1 << random(8);
        }
        let path = folder.path().join(format!("{copy}.store"));
        std::fs::write(&path, &damaged).unwrap();
        let Ok(store) = open(&path) else {
            noticed += 1;
            continue;
        };
        match read(&store).await {
            Err(StoreError::Corrupt { .. }) => {
                noticed += 1;
                assert_eq!(store.health().await, StoreHealth::Damaged, "copy {copy}, at byte {place}");
                assert_ne!(store.check().await.unwrap().wrong, Vec::<String>::new(), "copy {copy}, at byte {place}");
            }
            // Free room, an index that was not needed; or a key, which only its index tells.
            Ok(found) if found == whole => unharmed += 1,
            Ok(_) | Err(_) => {
                noticed += 1;
                assert_ne!(store.check().await.unwrap().wrong, Vec::<String>::new(), "copy {copy}, at byte {place}");
            }
        }
    }
    assert!(noticed > 10 && noticed + unharmed == COPIES, "{noticed} noticed, {unharmed} unharmed");
}

#[tokio::test]
async fn a_changed_letter_in_a_document_is_an_error_and_has_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.store");
    filled(&path).await;
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("UPDATE record SET doc = replace(doc, 'user 7', 'user 8') WHERE id = 'user007'", []).unwrap();
    file.execute("UPDATE record SET doc = CAST(x'7b226e616d65223a22ff227d' AS TEXT) WHERE id = 'user009'", []).unwrap();
    drop(file);
    let store = open(&path).unwrap();
    assert_eq!(store.health().await, StoreHealth::Fine, "nobody has looked yet");
    for user in ["user007", "user009"] {
        let found = store.record(Collection::Users, user).await;
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{user}: {found:?}");
        assert!(!found.unwrap_err().to_string().contains("index"), "it is said in words");
    }
    assert_eq!(store.health().await, StoreHealth::Damaged);
    assert!(store.record(Collection::Users, "user008").await.unwrap().is_some(), "its neighbours can be read");
    let checked = store.check().await.unwrap();
    let told = checked.wrong.join("\n");
    assert!(told.contains("`users/user007`: a document is not what was written"), "{told}");
    assert!(told.contains("`users/user009`: it is no text"), "{told}");
    assert_eq!(checked.wrong.len(), 2, "{told}");
}
