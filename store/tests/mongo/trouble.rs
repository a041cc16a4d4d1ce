//! Servers that cannot be used, and what is said of them; a primary that steps down.

use std::{error::Error, time::Duration};

use calipso_model::{Delta, Environment, Object, ObjectKey, Secret, Value, chain};
use calipso_store::{Commit, CommitInfo, Expect, Mongo, MongoOptions, Page, Query, Store, StoreError};
use calipso_testbed::{Mongod, mongod};
use mongodb::{
    Client,
    bson::{Document, doc},
};

async fn refused(uri: &str) -> StoreError {
    let mut options = MongoOptions::new(Secret::new(uri), "calipso");
    options.selection_timeout = Duration::from_millis(1_500);
    let error = Mongo::connect(options).await.expect_err("this server cannot be used");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    for shown in [format!("{error:?}"), chain(&error)] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    error
}

/// The place and the sentence, without what the driver says below.
fn sentence(error: &StoreError) -> String {
    format!("{error}: {}", error.source().expect("there is a reason"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_says_what_to_do() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("the server works")
        .local_addr()
        .expect("the server works")
        .port();
    let error = refused(&format!("mongodb://admin:s3cret@127.0.0.1:{nobody}/")).await;
    assert_eq!(
        sentence(&error),
        format!(
            "cannot use the store at `127.0.0.1:{nobody}/calipso`: no primary answered within 1.5 s; is the server running, is \
             the address right, and is it the primary of its replica set?"
        )
    );
    assert!(chain(&error).contains("Connection refused"), "{}", chain(&error));

    let error = refused("mongodb://admin:s3cret/@:@127.0.0.1/").await;
    assert_eq!(
        chain(&error),
        "cannot use the store at `MongoDB`: the address cannot be read; it looks like \
         mongodb://user:password@host:27017/?replicaSet=rs0, with special characters of user and password percent-encoded"
    );

    let alone = Mongod::standalone();
    let error = refused(&alone.uri()).await;
    assert_eq!(
        chain(&error),
        format!(
            "cannot use the store at `127.0.0.1:{}/calipso`: the server stands alone, and revisions need a replica set; start it \
             with `--replSet rs0` and run `rs.initiate()` once in mongosh (one server is enough)",
            alone.port
        )
    );

    let error = refused(&format!("mongodb://127.0.0.1:{}/?directConnection=true&tls=true", mongod().port)).await;
    assert_eq!(
        sentence(&error),
        format!(
            "cannot use the store at `127.0.0.1:{}/calipso`: TLS with the server failed; mind that both sides use it, and that \
             the CA of its certificate is known here (tlsCAFile)",
            mongod().port
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_asked_for_and_never_shown() {
    let server = Mongod::with_login("admin", "s3cret-right");
    let place = format!("127.0.0.1:{}/calipso", server.port);
    let error = refused(&server.uri().replace("s3cret-right", "s3cret-wrong")).await;
    assert_eq!(
        sentence(&error),
        format!(
            "cannot use the store at `{place}`: the server refuses the user or the password; mind both, and the database that \
             knows the user (authSource)"
        )
    );
    let error = refused(&format!("mongodb://127.0.0.1:{}/?directConnection=true", server.port)).await;
    assert_eq!(
        sentence(&error),
        format!(
            "cannot use the store at `{place}`: the user may not do that; give it the role `readWrite` on the database, and log \
             in if the server asks for it"
        )
    );
    let options = MongoOptions::new(Secret::new(server.uri()), "calipso");
    assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");
    let store = Mongo::connect(options).await.expect("the server works");
    assert_eq!(format!("{store:?}"), format!("Mongo(\"{place}\")"));
    store.put_environment(&environment(), Expect::Nothing).await.expect("the server works");
}

fn environment() -> Environment {
    Environment { name: "e".into(), ..Environment::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_are_made_and_others_are_refused() {
    let client = Client::with_uri_str(mongod().uri()).await.expect("the server works");
    let name = mongod().database();
    drop(Mongo::connect(crate::options(&name)).await.expect("the server works"));
    let inventory = client.database(&name).collection::<Document>("inventory");
    inventory.drop_index("by_host").await.expect("the server works");
    drop(Mongo::connect(crate::options(&name)).await.expect("the server works"));
    assert!(
        inventory.list_index_names().await.expect("the server works").contains(&"by_host".to_owned()),
        "what is missing is made"
    );
    inventory.drop_index("by_host").await.expect("the server works");
    let command = doc! { "createIndexes": "inventory", "indexes": [{ "key": { "host": 1 }, "name": "by_host" }] };
    client.database(&name).run_command(command).await.expect("the server works");
    let error = Mongo::connect(crate::options(&name)).await.expect_err("another index is in the way");
    assert_eq!(
        chain(&error),
        format!(
            "cannot use the store at `127.0.0.1:{}/{name}`: collection `inventory` has an index that does not fit (its index \
             `by_host` is another one); drop it with dropIndex in mongosh and start again, it will be made as it is needed",
            mongod().port
        )
    );
    inventory.drop_index("by_host").await.expect("the server works");
    let newer = doc! { "$set": { "value": 99_i64 } };
    client
        .database(&name)
        .collection::<Document>("counters")
        .update_one(doc! { "_id": "format" }, newer)
        .await
        .expect("the server works");
    let error = Mongo::connect(crate::options(&name)).await.expect_err("a newer program was here");
    assert!(matches!(error, StoreError::VersionTooNew { found: 99, known: 2 }), "{error:?}");
}

fn thing(n: usize, turn: i64) -> Object {
    let doc = [("name", Value::text(&format!("thing {n}"))), ("turn", Value::Int(turn))];
    Object { key: ObjectKey::new("thing", format!("{n:05}")), doc: doc.into_iter().collect() }
}

/// The primary steps down at several moments of a commit; the commit is tried again, and is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_steps_down_leaves_no_half_revision() {
    const THINGS: usize = 4_000;
    let server = Mongod::replica_set();
    let mut options = MongoOptions::new(Secret::new(server.uri()), "calipso");
    (options.batch, options.at_once) = (50, 10);
    let store = Mongo::connect(options).await.expect("the server works");
    store.put_environment(&environment(), Expect::Nothing).await.expect("the server works");
    let lease = store.acquire("e", "test", 0, Duration::from_secs(60)).await.expect("the server works");
    for (turn, wait_millis) in [(1, 30), (2, 150), (3, 400)] {
        let before = store.current("e").await.expect("the server works");
        let delta = Delta { objects: (0..THINGS).map(|n| thing(n, turn)).collect(), ..Delta::default() };
        let writer = tokio::spawn({
            let (store, lease) = (store.clone(), lease.clone());
            async move {
                let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
                store.commit(&Commit::new(before, &lease, &delta, &info)).await
            }
        });
        tokio::time::sleep(Duration::from_millis(wait_millis)).await;
        server.step_down(Duration::from_secs(1));
        let answer = writer.await.expect("the server works");
        server.wait_for_primary();
        let current = store.current("e").await.expect("the server works");
        match answer {
            Ok(revision) => assert_eq!((revision, current), (before + 1, before + 1)),
            Err(error) => panic!("the commit was not tried again: {}", chain(&error)),
        }
        let all = store
            .objects("e", None, &Query::default(), &Page::first(usize::MAX))
            .await
            .expect("the server works")
            .items;
        assert_eq!(all.len(), THINGS);
        assert!(all.iter().all(|object| object.doc.get("turn") == Some(&Value::Int(turn))), "half a revision is seen");
    }
}
