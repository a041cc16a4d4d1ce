//! How the server finds what is asked: always by an index, and without looking at much more than it gives.

use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Object, ObjectKey, Str, Value};
use calipso_store::{
    CliqueQuery, Collection, Commit, CommitInfo, Expect, FieldTest, Keep, LinkQuery, Member, Mongo, Page, Query,
    RecordQuery, Records, RowWrite, ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate, Store,
};
use calipso_testbed::mongod;
use futures::TryStreamExt;
use mongodb::{
    Client,
    bson::{Document, doc},
};

const THINGS: usize = 6_000;

fn key(n: usize) -> ObjectKey {
    ObjectKey::new(["disk", "guest", "port"][n % 3], format!("id-{:05}", n % THINGS))
}

fn object(n: usize, turn: i64) -> Object {
    let doc = [
        ("name", Value::text(&format!("{}-{:08x}", key(n).object_type, n.wrapping_mul(0x9e37_79b1) & 0xffff_ffff))),
        ("parent_type", Value::text("folder")),
        ("parent_id", Value::text(&format!("f{}", n / 10))),
        ("host", Value::text(&format!("h{}", n / 20))),
        ("turn", Value::Int(turn)),
    ];
    Object { key: key(n), doc: doc.into_iter().collect() }
}

fn link(n: usize) -> Link {
    Link {
        link_type: "next".into(),
        source: key(n),
        target: key(n + 1),
        name: "".into(),
        state: LinkState::Up,
        host: Some(format!("h{}", n / 20).into()),
        switch: None,
        attributes: calipso_model::Map::new(),
        implicit: false,
        rule: "rule".into(),
    }
}

fn reference(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}

fn clique(n: usize) -> Clique {
    let mut nodes = vec![key(n), key(n + 1)];
    nodes.sort();
    Clique {
        focal_point: key(n),
        clique_type: "round".into(),
        constraints: calipso_model::Map::new(),
        nodes,
        links: vec![reference(&link(n))],
    }
}

/// A scope below a thing, with some things as members.
fn scope(fetcher: &str, parent: usize, members: std::ops::Range<usize>) -> ScopeRecord {
    let member = |n: usize| Member {
        key: key(n),
        contribution: calipso_model::Map::new(),
        asserts: true,
        order: 0,
        at: "".into(),
    };
    ScopeRecord {
        key: ScopeKey {
            fetcher: fetcher.into(),
            object_type: "disk".into(),
            parent: key(parent),
            narrowing: Value::Null,
        },
        complete: true,
        scanned_at: Str::from(""),
        tried_at: Str::from(""),
        stale_since: None,
        problem: None,
        members: members.map(member).collect(),
    }
}

/// Sixty revisions of everything that changes, so that history is in the way where it can be.
async fn fill(store: &Mongo) {
    store
        .put_environment(&Environment { name: "e".into(), ..Environment::default() }, Expect::Anything)
        .await
        .expect("the server works");
    let lease = store.acquire("e", "test", 0, std::time::Duration::from_secs(60)).await.expect("the server works");
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    let delta = Delta {
        objects: (0..THINGS).map(|n| object(n, 0)).collect(),
        links: (0..THINGS).map(link).collect(),
        cliques: (0..THINGS / 4).map(|n| clique(n * 4)).collect(),
        ..Delta::default()
    };
    let scopes = ScopeChanges { put: (0..200).map(|n| scope("f", n, n..n + 1)).collect(), ..ScopeChanges::default() };
    store.commit(&Commit { scopes: &scopes, ..Commit::new(0, &lease, &delta, &info) }).await.expect("the server works");
    for turn in 1..20_u64 {
        let delta = Delta { objects: (0..50).map(|n| object(n, turn as i64)).collect(), ..Delta::default() };
        store.commit(&Commit::new(turn, &lease, &delta, &info)).await.expect("the server works");
    }
    for n in 0..2_000_i64 {
        let doc = [("level", Value::Int(n % 3)), ("timestamp", Value::Int(n))].into_iter().collect();
        store.insert(Collection::Messages, &format!("{n:05}"), &doc).await.expect("the server works");
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_is_answered_by_an_index() {
    let name = mongod().database();
    let store = Mongo::connect(crate::options(&name)).await.expect("the server works");
    fill(&store).await;
    let client = Client::with_uri_str(mongod().uri()).await.expect("the server works");
    let database = client.database(&name);
    database.run_command(doc! { "profile": 2 }).await.expect("the server works");

    // What is asked, and how many documents or index entries may be looked at for it at most.
    let mut asked: Vec<(&str, i64)> = Vec::new();
    let mut since = 0_usize;
    let page = Page::first(20);
    let mid = key(3_000);
    let text = object(3_000, 0).name().to_owned();
    let part = text[text.len() - 6..].to_owned();
    macro_rules! ask {
        ($what:expr, $most:expr, $call:expr) => {{
            $call.await.expect("the server works");
            asked.push(($what, $most));
            let seen = look(&database, &mut since).await;
            for (plan, looked) in &seen {
                assert!(!plan.contains("COLLSCAN"), "{}: {plan}", $what);
                assert!(*looked <= $most, "{}: {looked} looked at by {plan}", $what);
            }
            assert!(!seen.is_empty(), "{}: the server was asked nothing", $what);
        }};
    }
    let objects = async |query: Query| store.objects("e", None, &query, &page).await;
    let query = Query::default;
    ask!("one object", 10, store.object("e", None, &mid));
    ask!("one object of an earlier revision", 60, store.object("e", Some(3), &key(7)));
    ask!("objects by key", 60, store.objects_by_key("e", None, &(0..20).map(|n| key(n + 500)).collect::<Vec<_>>()));
    ask!("an object whole", 10, store.whole_objects("e", None, &mid.id, Some(&*mid.object_type)));
    ask!("an object whole, of any type", 30, store.whole_objects("e", None, &mid.id, None));
    ask!("a page of all", 60, objects(query()));
    ask!("a page of a type", 60, objects(Query { types: vec!["port".into()], ..query() }));
    ask!("a page of two types", 60, objects(Query { types: vec!["port".into(), "disk".into()], ..query() }));
    ask!("a page of no type", 10, objects(Query { types: vec!["none".into()], ..query() }));
    ask!("a page of a host", 60, objects(Query { host: Some("h150".into()), ..query() }));
    ask!("a page of a parent", 60, objects(Query { parent: Some(ObjectKey::new("folder", "f300")), ..query() }));
    ask!("a page by text", 600, objects(Query { text: Some(part.as_str().into()), ..query() }));
    let first = store.objects("e", None, &query(), &page).await.expect("the server works");
    let far = Page::after(first.next.expect("the server works"), 20);
    look(&database, &mut since).await;
    ask!("the page after a cursor", 60, store.objects("e", None, &query(), &far));
    ask!("children", 60, store.children("e", None, &ObjectKey::new("folder", "f300")));
    ask!("search for part of a name", 1_500, store.search("e", None, &part, 20));
    ask!("search for the beginning of an id", 1_500, store.search("e", None, "id-0300", 20));
    ask!("one link", 10, store.link("e", None, &reference(&link(3_000))));
    let some: Vec<LinkRef> = (0..20).map(|n| reference(&link(n + 500))).collect();
    ask!("links by key", 120, store.links_by_key("e", None, &some));
    let links = async |query: LinkQuery| store.links("e", None, &query, &page).await;
    ask!("links of an end", 20, links(LinkQuery::touching(mid.clone())));
    ask!("links from", 20, links(LinkQuery { source: Some(mid.clone()), ..LinkQuery::default() }));
    ask!("links to", 20, links(LinkQuery { target: Some(mid.clone()), ..LinkQuery::default() }));
    ask!("links of a host", 60, links(LinkQuery { host: Some("h150".into()), ..LinkQuery::default() }));
    ask!("links of a type", 60, links(LinkQuery { types: vec!["next".into()], ..LinkQuery::default() }));
    ask!("all links", 60, links(LinkQuery::default()));
    ask!("one clique", 10, store.clique("e", None, &mid));
    ask!("one clique, whole", 10, store.whole_clique("e", None, &mid));
    ask!(
        "a brief page of cliques",
        60,
        store.cliques("e", None, &CliqueQuery { brief: true, ..CliqueQuery::default() }, &page)
    );
    let cliques = async |query: CliqueQuery| store.cliques("e", None, &query, &page).await;
    ask!(
        "cliques with an object",
        20,
        cliques(CliqueQuery { containing: Some(mid.clone()), ..CliqueQuery::default() })
    );
    let held = Some(reference(&link(3_000)));
    ask!("cliques with a link", 20, cliques(CliqueQuery { containing_link: held, ..CliqueQuery::default() }));
    ask!("cliques of a type", 60, cliques(CliqueQuery { types: vec!["port".into()], ..CliqueQuery::default() }));
    ask!("a difference", 2_500, store.diff("e", 3, 5));
    ask!("counts", 20_000, store.counts("e", None));
    ask!("revisions", 60, store.revisions("e"));
    ask!("scopes of an object", 20, store.scopes_of("e", &key(7)));
    ask!("last scans", 60, store.last_scanned("e", &(0..20).map(key).collect::<Vec<_>>()));
    ask!("all scopes", 500, store.scopes("e"));
    ask!("environments", 10, store.environments());
    let messages = async |query: RecordQuery| store.records(Collection::Messages, &query, &page).await;
    ask!("documents", 60, messages(RecordQuery::all()));
    ask!("newest documents", 60, messages(RecordQuery::all().newest_first("timestamp")));
    ask!("documents since", 60, messages(RecordQuery::all().and("timestamp", FieldTest::AtLeast(1_990.into()))));
    ask!("count of documents", 5_000, store.count(Collection::Messages, &RecordQuery::all().equals("level", 1)));
    // Of a scope only what an update names is looked at, and what a commit of before left.
    let lease = store.acquire("e", "test", 60_000, std::time::Duration::from_secs(60)).await.expect("the server works");
    let (base, nothing) = (store.current("e").await.expect("the server works"), Delta::default());
    let info = CommitInfo { at: "2026-01-02T00:00:00Z".into(), note: "".into() };
    let save = async |scopes: ScopeChanges, rows: &[RowWrite]| {
        store.commit(&Commit { scopes: &scopes, rows, ..Commit::new(base, &lease, &nothing, &info) }).await
    };
    let wide = scope("wide", 0, 0..THINGS);
    save(ScopeChanges { put: vec![wide], ..ScopeChanges::default() }, &[]).await.expect("the server works");
    look(&database, &mut since).await;
    let update = |record: ScopeRecord, remove: Vec<ObjectKey>| ScopeChanges {
        update: vec![ScopeUpdate { record, remove }],
        ..ScopeChanges::default()
    };
    ask!("the head of a scope", 10, save(update(scope("wide", 0, 0..0), vec![]), &[]));
    ask!("members of a scope", 30, save(update(scope("wide", 0, 7..8), vec![key(8), key(9)]), &[]));
    let heads = || (0..200).map(|n| ScopeUpdate { record: scope("f", n, 0..0), remove: vec![] }).collect();
    ask!("many heads", 1_000, save(ScopeChanges { update: heads(), ..ScopeChanges::default() }, &[]));
    let doc = calipso_model::Map::new();
    let rows: Vec<RowWrite> = (0..20)
        .map(|n| RowWrite::put(Collection::Messages, format!("{n:05}"), Expect::Anything, doc.clone()))
        .collect();
    ask!("rows", 60, save(ScopeChanges::default(), &rows));
    ask!("retention", 3_000, store.prune("e", &Keep::Last(5)));
    println!("{} questions", asked.len());
}

/// What the server did since the last look: its plan, and how much it looked at.
async fn look(database: &mongodb::Database, since: &mut usize) -> Vec<(String, i64)> {
    let found: Vec<Document> = database
        .collection::<Document>("system.profile")
        .find(doc! { "ns": { "$not": { "$regex": "system\\.profile$" } } })
        .sort(doc! { "$natural": 1 })
        .await
        .expect("the server works")
        .try_collect()
        .await
        .expect("the server works");
    let number = |doc: &Document, field: &str| {
        doc.get(field).and_then(|n| n.as_i64().or_else(|| n.as_i32().map(i64::from))).unwrap_or(0)
    };
    let new = found
        .iter()
        .skip(*since)
        .filter(|doc| doc.contains_key("planSummary"))
        .map(|doc| {
            let plan = format!("{} on {}", doc.get_str("planSummary").unwrap_or(""), doc.get_str("ns").unwrap_or(""));
            (plan, number(doc, "keysExamined").max(number(doc, "docsExamined")))
        })
        .collect();
    *since = found.len();
    new
}
