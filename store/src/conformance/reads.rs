//! Questions: by key, field, text, end; pages, streams and search.

use std::collections::BTreeSet;

use calipso_model::{Delta, Link, LinkRef, LinkState, Object, Value};

use super::{Case, HOME, Make, clique, key, keys, link, object, objects, reference};
use crate::{
    error::StoreError,
    query::{CliqueQuery, Cursor, LinkQuery, Page, Query},
    store::{Lease, Searched},
};

/// What a question is called, the question, and what it should find.
type Asked<'f, Q, T> = (&'static str, Q, &'f dyn Fn(&T) -> bool);

/// All cases of this file.
pub(super) async fn run(make: Make<'_>) {
    questions(make).await;
    paths(make).await;
    pages(make).await;
    links(make).await;
    cliques(make).await;
    search(make).await;
    searched(make).await;
}

fn child(name: &str, parent: &str, host: &str) -> Object {
    let parent = key(parent);
    object(
        name,
        &[
            ("parent_type", Value::Str(parent.object_type)),
            ("parent_id", Value::Str(parent.id)),
            ("host", Value::text(host)),
            ("name", Value::Str(key(name).id)),
            ("deep", Value::Map([("er", Value::text(host))].into_iter().collect())),
        ],
    )
}

async fn questions(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    case.commit(&objects(&[
        child("vm/web-2", "host/h1", "h1"),
        child("vm/web-1", "host/h1", "h1"),
        child("nic/eth0", "host/h1", "h1"),
        child("vm/db", "host/h2", "h2"),
        object("host/h1", &[("object_name", Value::text("Ärger")), ("up", Value::Bool(true)), ("n", Value::Int(3))]),
        object("host/h2", &[("name", Value::text("zwei")), ("up", Value::Bool(false)), ("n", Value::Float(3.0))]),
    ]))
    .await;
    let ask = async |query: Query| {
        let page = store.objects(HOME, None, &query, &Page::first(100)).await.expect("reading works");
        assert_eq!(page.next, None, "all fits on a page");
        keys(&page.items)
    };
    let none: [&str; 0] = [];
    let query = Query::default;
    let all = ["host/h1", "host/h2", "nic/eth0", "vm/db", "vm/web-1", "vm/web-2"];
    assert_eq!(ask(query()).await, all, "by type, then id");
    assert_eq!(
        ask(Query { types: vec!["vm".into(), "host".into()], ..query() }).await,
        ["host/h1", "host/h2", "vm/db", "vm/web-1", "vm/web-2"]
    );
    assert_eq!(ask(Query { types: vec!["gone".into()], ..query() }).await, none);
    let below = || Query { parent: Some(key("host/h1")), ..query() };
    assert_eq!(ask(below()).await, ["nic/eth0", "vm/web-1", "vm/web-2"]);
    assert_eq!(ask(Query { types: vec!["vm".into()], ..below() }).await, ["vm/web-1", "vm/web-2"]);
    assert_eq!(ask(Query { host: Some("h2".into()), ..below() }).await, none, "every part must hold");
    assert_eq!(ask(Query { text: Some("WEB".into()), ..below() }).await, ["vm/web-1", "vm/web-2"]);
    assert_eq!(ask(Query { parent: Some(key("host/nowhere")), ..query() }).await, none);
    assert_eq!(ask(Query { host: Some("h2".into()), ..query() }).await, ["vm/db"]);
    assert_eq!(ask(Query { host: Some("h3".into()), ..query() }).await, none);
    let equal = |field: &str, value: Value| Query { equals: vec![(field.into(), value)], ..query() };
    assert_eq!(ask(equal("up", Value::Bool(true))).await, ["host/h1"]);
    assert_eq!(ask(equal("n", Value::Int(3))).await, ["host/h1", "host/h2"], "numbers compare as numbers");
    assert_eq!(ask(equal("deep.er", Value::text("h2"))).await, ["vm/db"], "a path leads into a document");
    assert_eq!(ask(equal("name", Value::Null)).await, ["host/h1"], "what is not there is null");
    assert_eq!(ask(Query { equals: vec![("name".into(), Value::text("web-1"))], ..below() }).await, ["vm/web-1"]);
    for (text, found) in [
        ("eb-", vec!["vm/web-1", "vm/web-2"]),
        ("ärg", vec!["host/h1"]),
        ("RGER", vec!["host/h1"]),
        ("z", vec!["host/h2"]),
        ("we", vec!["vm/web-1", "vm/web-2"]),
        ("eb", vec![]),
        ("\"' OR 1 --", vec![]),
        ("%", vec![]),
        ("", all.to_vec()),
    ] {
        assert_eq!(ask(Query { text: Some(text.into()), ..query() }).await, found, "text `{text}`");
    }

    let one_of = |field: &str, values: Vec<Value>| Query { one_of: vec![(field.into(), values)], ..query() };
    assert_eq!(ask(one_of("n", vec![Value::text("3"), Value::Int(3)])).await, ["host/h1", "host/h2"]);
    assert_eq!(ask(one_of("deep.er", vec![Value::text("h2"), Value::text("h9")])).await, ["vm/db"]);
    assert_eq!(ask(one_of("up", vec![Value::Null, Value::Bool(false)])).await.len(), 5, "null is what is not there");
    assert_eq!(ask(one_of("up", Vec::new())).await, none, "no value is none of these");
    let id = |id: &str| Query { id: Some(id.into()), ..query() };
    assert_eq!(ask(id("h1")).await, ["host/h1"]);
    assert_eq!(ask(id("h")).await, none, "an id is whole");
    assert_eq!(ask(Query { types: vec!["vm".into()], ..id("h1") }).await, none);
    assert_eq!(ask(Query { host: Some("h1".into()), ..id("web-1") }).await, ["vm/web-1"]);
    assert_eq!(ask(Query { host: Some("h2".into()), ..id("web-1") }).await, none, "every part must hold");
    assert_eq!(ask(Query { text: Some("EB-1".into()), ..id("web-1") }).await, ["vm/web-1"]);
    assert_eq!(ask(Query { text: Some("we".into()), ..id("web-1") }).await, ["vm/web-1"]);
    assert_eq!(ask(Query { text: Some("eb".into()), ..id("web-1") }).await, none, "two letters begin a name");
    assert_eq!(ask(Query { parent_id: Some("h1".into()), ..id("web-1") }).await, ["vm/web-1"]);
    let parent_id = |id: &str| Query { parent_id: Some(id.into()), ..query() };
    assert_eq!(ask(parent_id("h1")).await, ["nic/eth0", "vm/web-1", "vm/web-2"]);
    assert_eq!(ask(parent_id("h9")).await, none);
    assert_eq!(
        ask(Query { parent: Some(key("host/h1")), ..parent_id("h1") }).await,
        ["nic/eth0", "vm/web-1", "vm/web-2"]
    );
    assert_eq!(ask(Query { parent: Some(key("host/h1")), ..parent_id("h2") }).await, none);
    let some = Query { types: vec!["vm".into()], fields: Some(vec!["name".into(), "gone".into()]), ..query() };
    let page = store.objects(HOME, None, &some, &Page::first(9)).await.expect("reading works");
    assert_eq!(keys(&page.items), ["vm/db", "vm/web-1", "vm/web-2"]);
    for object in &page.items {
        assert_eq!(object.text("name"), Some(&*object.key.id), "a field that was asked for is there");
    }

    let text = r#"{"id":"h1","n":3,"object_name":"Ärger","type":"host","up":true}"#;
    let (revision, found) = store.whole_objects(HOME, None, "h1", Some("host")).await.expect("reading works");
    assert_eq!((revision, found.iter().map(|object| &*object.json).collect::<Vec<_>>()), (1, vec![text]));

    let children = store.children(HOME, None, &key("host/h1")).await.expect("reading works");
    assert_eq!(keys(&children), ["nic/eth0", "vm/web-1", "vm/web-2"]);
    let asked = ["vm/db", "vm/gone", "host/h1"].map(key);
    let some = store.objects_by_key(HOME, None, &asked).await.expect("reading works");
    assert_eq!(keys(&some), ["vm/db", "host/h1"], "in the order asked");
    // A child that moves is below its new parent only, and was below its old one.
    case.commit(&objects(&[child("vm/web-1", "host/h2", "h2")])).await;
    assert_eq!(ask(below()).await, ["nic/eth0", "vm/web-2"]);
    let before = store.children(HOME, Some(1), &key("host/h1")).await.expect("reading works");
    assert_eq!(keys(&before), ["nic/eth0", "vm/web-1", "vm/web-2"]);
    let page = store.objects(HOME, Some(1), &Query { host: Some("h2".into()), ..query() }, &Page::first(9)).await;
    assert_eq!(keys(&page.expect("reading works").items), ["vm/db"]);
}

async fn paths(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let at = |text: &str, path: &str, parent: &str| {
        let parent = key(parent);
        object(
            text,
            &[
                ("id_path", Value::text(path)),
                ("parent_type", Value::Str(parent.object_type)),
                ("parent_id", Value::Str(parent.id)),
                ("name", Value::Str(key(text).id)),
            ],
        )
    };
    case.commit(&objects(&[
        at("region/r", "/home/r", "environment/home"),
        at("region/r2", "/home/r2", "environment/home"),
        at("host/a/b", "/home/r/a/b", "region/r"),
        at("host/c", "/home/r2/c", "region/r2"),
        at("vm/1", "/home/r/a/b/1", "host/a/b"),
        at("vm/%", "/home/r2/c/%", "host/c"),
        at("vm/.", "/home/r2/c/.", "host/c"),
    ]))
    .await;
    let below = async |path: &str, limit| {
        let query = Query { below: Some(path.into()), ..Query::default() };
        let (mut found, mut page) = (Vec::new(), Page::first(limit));
        loop {
            let answer = store.objects(HOME, None, &query, &page).await.expect("reading works");
            found.extend(keys(&answer.items));
            match answer.next {
                Some(next) => page = Page::after(next, limit),
                None => return found,
            }
        }
    };
    for limit in [1, 2, 100] {
        assert_eq!(below("/home", limit).await.len(), 7, "all of it");
        assert_eq!(below("/home/r", limit).await, ["host/a/b", "vm/1"], "not what is below `/home/r2`");
        assert_eq!(below("/home/r/a/b", limit).await, ["vm/1"], "a slash may stand in an id");
        assert_eq!(below("/home/r2/c", limit).await, ["vm/%", "vm/."]);
        for none in ["/home/r/a/b/1", "/home/x", "%", "/home/r2/c/%", "home", "/home/r2/", ".*"] {
            assert_eq!(below(none, limit).await, [""; 0], "nothing is below `{none}`");
        }
    }
    let query = Query { below: Some("/home/r2".into()), types: vec!["vm".into()], ..Query::default() };
    let page = store.objects(HOME, None, &query, &Page::first(9)).await.expect("reading works");
    assert_eq!(keys(&page.items), ["vm/%", "vm/."], "every part must hold");
    let query = Query { parent: Some(key("host/c")), text: Some("%".into()), ..query };
    let page = store.objects(HOME, None, &query, &Page::first(9)).await.expect("reading works");
    assert_eq!(keys(&page.items), ["vm/%"], "every part must hold");
    case.commit(&Delta { removed_objects: vec![key("vm/%")], ..Delta::default() }).await;
    assert_eq!(below("/home/r2/c", 100).await, ["vm/."]);
    let query = Query { below: Some("/home/r2/c".into()), ..Query::default() };
    let page = store.objects(HOME, Some(1), &query, &Page::first(9)).await.expect("reading works");
    assert_eq!(keys(&page.items), ["vm/%", "vm/."], "what was there before is found there");
}

async fn pages(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let name = |n: usize| format!("{}/{:03}", if n.is_multiple_of(3) { "a" } else { "b" }, n);
    let many: Vec<Object> =
        (0..100).map(|n| child(&name(n), "host/h1", if n % 2 == 0 { "h1" } else { "h2" })).collect();
    case.commit(&objects(&many)).await;
    let mut sorted = many.clone();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let queries: [Asked<'_, Query, Object>; 5] = [
        ("all", Query::default(), &|_| true),
        ("a type", Query { types: vec!["b".into()], ..Query::default() }, &|object| &*object.key.object_type == "b"),
        ("a parent", Query { parent: Some(key("host/h1")), ..Query::default() }, &|_| true),
        ("a host", Query { host: Some("h2".into()), ..Query::default() }, &|object| object.text("host") == Some("h2")),
        ("a field", Query { equals: vec![("host".into(), Value::text("h1"))], ..Query::default() }, &|object| {
            object.text("host") == Some("h1")
        }),
    ];
    for (what, query, fits) in queries {
        let expected: Vec<Object> = sorted.iter().filter(|object| fits(object)).cloned().collect();
        for limit in [1, 7, expected.len(), 1000] {
            let mut found = Vec::new();
            let mut page = Page::first(limit);
            loop {
                let answer = store.objects(HOME, None, &query, &page).await.expect("reading works");
                assert_eq!(answer.revision, 1);
                assert!(answer.items.len() <= limit, "{what}: no more than asked");
                found.extend(answer.items);
                match answer.next {
                    Some(next) => page = Page::after(next, limit),
                    None => break,
                }
            }
            assert_eq!(keys(&found), keys(&expected), "{what}, {limit} at a time");
        }
    }
    // Pages fit together although another writer commits in between.
    let first = store.objects(HOME, None, &Query::default(), &Page::first(50)).await.expect("reading works");
    let gone: Vec<_> = many.iter().map(|object| object.key.clone()).collect();
    case.commit(&Delta { removed_objects: gone, ..objects(&[object("b/zz", &[])]) }).await;
    let cursor = first.next.expect("there is more");
    let rest = store.objects(HOME, None, &Query::default(), &Page::after(cursor.clone(), 100)).await;
    let rest = rest.expect("reading works");
    assert_eq!((rest.revision, rest.next), (1, None));
    assert_eq!(keys(&rest.items), keys(&sorted[50..]), "the second page is of the same revision");
    for (at, cursor) in [(Some(2), cursor), (None, Cursor::new("")), (None, Cursor::new("[1,[\"x\"]]"))] {
        let answer = store.objects(HOME, at, &Query::default(), &Page::after(cursor, 9)).await;
        assert!(matches!(answer, Err(StoreError::Invalid { .. })), "a cursor that does not fit: {answer:?}");
    }
    let mut streamed = Vec::new();
    let mut take = |piece: Vec<Object>| {
        streamed.extend(piece);
        Ok(())
    };
    assert_eq!(store.stream_objects(HOME, Some(1), &mut take).await.expect("streaming works"), 1);
    assert_eq!(keys(&streamed), keys(&sorted), "a stream is everything in order");
    let mut stop = |_: Vec<Object>| Err(StoreError::Busy);
    let stopped = store.stream_objects(HOME, Some(1), &mut stop).await;
    assert!(matches!(stopped, Err(StoreError::Busy)), "an error of the sink is handed on");
}

async fn links(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    // The order of creation is not the order of answers.
    let mut all = vec![
        link("up", "nic/2", "port/1", 5),
        link("up", "nic/1", "port/2", 5),
        link("up", "nic/1", "port/1", 5),
        link("also", "nic/1", "port/2", 1),
        link("loop", "port/1", "port/1", 0),
        link("down", "port/1", "nic/1", 5),
    ];
    all[0].host = Some("h2".into());
    all[1].host = None;
    all[1].switch = Some("s1".into());
    case.commit(&Delta { links: all.clone(), ..Delta::default() }).await;
    all.sort_by(|a, b| (&a.source, &a.link_type, &a.target).cmp(&(&b.source, &b.link_type, &b.target)));
    let queries: [Asked<'_, LinkQuery, Link>; 15] = [
        ("all", LinkQuery::default(), &|_| true),
        ("a type", LinkQuery { types: vec!["up".into()], ..LinkQuery::default() }, &|link| &*link.link_type == "up"),
        ("no type", LinkQuery { types: vec!["gone".into()], ..LinkQuery::default() }, &|_| false),
        ("a host", LinkQuery { host: Some("h2".into()), ..LinkQuery::default() }, &|link| {
            link.host.as_deref() == Some("h2")
        }),
        ("a source", LinkQuery { source: Some(key("nic/1")), ..LinkQuery::default() }, &|link| {
            link.source == key("nic/1")
        }),
        ("a target", LinkQuery { target: Some(key("port/1")), ..LinkQuery::default() }, &|link| {
            link.target == key("port/1")
        }),
        ("touching", LinkQuery::touching(key("port/1")), &|link| {
            link.source == key("port/1") || link.target == key("port/1")
        }),
        ("both ends", LinkQuery { source: Some(key("nic/1")), ..LinkQuery::touching(key("port/1")) }, &|link| {
            link.source == key("nic/1") && link.target == key("port/1")
        }),
        ("nothing", LinkQuery::touching(key("nic/9")), &|_| false),
        ("a name", LinkQuery { name: Some("nic/1 to port/2".into()), ..LinkQuery::default() }, &|link| {
            &*link.name == "nic/1 to port/2"
        }),
        ("down", LinkQuery { state: Some(LinkState::Down), ..LinkQuery::default() }, &|link| {
            link.state == LinkState::Down
        }),
        ("up", LinkQuery { state: Some(LinkState::Up), ..LinkQuery::default() }, &|link| link.state == LinkState::Up),
        ("implicit", LinkQuery { implicit: Some(true), ..LinkQuery::default() }, &|link| link.implicit),
        (
            "an attribute",
            LinkQuery {
                one_of: vec![("speed".into(), vec![Value::text("5"), Value::Int(5)])],
                ..LinkQuery::touching(key("nic/1"))
            },
            &|link| {
                let ends = [&link.source, &link.target];
                ends.contains(&&key("nic/1")) && link.attributes.get("speed") == Some(&Value::Int(5))
            },
        ),
        (
            "no such attribute",
            LinkQuery { one_of: vec![("gone".into(), vec![Value::text("5")])], ..LinkQuery::default() },
            &|_| false,
        ),
    ];
    for (what, query, fits) in queries {
        let expected: Vec<Link> = all.iter().filter(|link| fits(link)).cloned().collect();
        for limit in [1, 2, 100] {
            let mut found = Vec::new();
            let mut page = Page::first(limit);
            loop {
                let answer = store.links(HOME, None, &query, &page).await.expect("reading works");
                found.extend(answer.items);
                match answer.next {
                    Some(next) => page = Page::after(next, limit),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{what}, {limit} at a time");
        }
        let listed = |links: &[Link]| -> Vec<_> {
            links.iter().map(|link| (reference(link), link.name.clone(), link.host.clone())).collect()
        };
        let brief = LinkQuery { brief: true, ..query };
        let page = store.links(HOME, None, &brief, &Page::first(9)).await.expect("reading works");
        assert_eq!(listed(&page.items), listed(&expected), "{what}, in brief");
    }
    let mut asked: Vec<_> = all.iter().rev().map(reference).collect();
    asked.insert(1, LinkRef { link_type: "gone".into(), ..asked[0].clone() });
    let found = store.links_by_key(HOME, None, &asked).await.expect("reading works");
    assert_eq!(found, all.iter().rev().cloned().collect::<Vec<_>>(), "in the order asked");
    let mut streamed = Vec::new();
    let mut take = |piece: Vec<Link>| {
        streamed.extend(piece);
        Ok(())
    };
    store.stream_links(HOME, None, &mut take).await.expect("streaming works");
    assert_eq!(streamed, all);
}

async fn cliques(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let (first, second) = (link("up", "nic/1", "port/1", 5), link("on", "port/1", "net/1", 5));
    let mut all = vec![
        clique("vm/2", &["nic/9"], &[]),
        clique("vm/1", &["nic/1", "port/1", "net/1"], &[&second, &first]),
        clique("net/1", &["port/1"], &[&second]),
    ];
    all[0].clique_type = "other".into();
    all[0].constraints = [("network", Value::list(vec![Value::text("n1")]))].into_iter().collect();
    case.commit(&Delta { cliques: all.clone(), ..Delta::default() }).await;
    all.sort_by(|a, b| a.focal_point.cmp(&b.focal_point));
    let queries = [
        ("all", CliqueQuery::default(), vec![0, 1, 2]),
        ("a type", CliqueQuery { types: vec!["vm".into()], ..CliqueQuery::default() }, vec![1, 2]),
        ("a clique type", CliqueQuery { clique_types: vec!["other".into()], ..CliqueQuery::default() }, vec![2]),
        ("no clique type", CliqueQuery { clique_types: vec!["gone".into()], ..CliqueQuery::default() }, vec![]),
        ("a node", CliqueQuery { containing: Some(key("port/1")), ..CliqueQuery::default() }, vec![0, 1]),
        ("its focal point", CliqueQuery { containing: Some(key("vm/2")), ..CliqueQuery::default() }, vec![2]),
        ("a link", CliqueQuery { containing_link: Some(reference(&first)), ..CliqueQuery::default() }, vec![1]),
        ("no node", CliqueQuery { containing: Some(key("port/7")), ..CliqueQuery::default() }, vec![]),
    ];
    for (what, query, expected) in queries {
        let expected: Vec<_> = expected.into_iter().map(|n: usize| all[n].clone()).collect();
        for limit in [1, 100] {
            let mut found = Vec::new();
            let mut page = Page::first(limit);
            loop {
                let answer = store.cliques(HOME, None, &query, &page).await.expect("reading works");
                found.extend(answer.items);
                match answer.next {
                    Some(next) => page = Page::after(next, limit),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{what}, {limit} at a time");
        }
    }
    let things = ["vm/1", "nic/1", "net/1"].map(|name| object(name, &[]));
    case.commit(&Delta { objects: things.to_vec(), links: vec![first, second.clone()], ..Delta::default() }).await;
    for (at, links, nodes) in [(None, 2, "net/1 nic/1 vm/1"), (Some(1), 0, "")] {
        let (revision, found) = store.whole_clique(HOME, at, &key("vm/1")).await.expect("reading works");
        let found = found.expect("the clique is there");
        assert_eq!((revision, &found.clique), (at.unwrap_or(2), &all[1]));
        assert_eq!(found.links.len(), links, "what is not there is left out");
        assert!(links == 0 || found.links[0] == second, "in the order of the clique");
        assert_eq!(keys(&found.objects).join(" "), nodes);
    }
    assert_eq!(store.whole_clique(HOME, None, &key("vm/7")).await.expect("reading works"), (2, None));
    let brief = CliqueQuery { brief: true, ..CliqueQuery::default() };
    let page = store.cliques(HOME, None, &brief, &Page::first(9)).await.expect("reading works");
    let names = |cliques: &[calipso_model::Clique]| -> Vec<_> {
        cliques.iter().map(|clique| (clique.focal_point.clone(), clique.clique_type.clone())).collect()
    };
    assert_eq!(names(&page.items), names(&all), "what is brief names the same");
    let mut streamed = Vec::new();
    let mut take = |piece: Vec<_>| {
        streamed.extend(piece);
        Ok(())
    };
    store.stream_cliques(HOME, None, &mut take).await.expect("streaming works");
    assert_eq!(streamed, all);
}

/// Objects are found by values other than names as soon as the searched fields are declared.
async fn searched(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let card = |text: &str, mac: &str, ips: &[&str]| {
        let ips = ips.iter().map(|ip| Value::Map([("ip", Value::text(ip))].into_iter().collect())).collect();
        object(text, &[("name", Value::text("a card")), ("mac", Value::text(mac)), ("ips", Value::list(ips))])
    };
    let both =
        [card("card/1", "FA:16:3E:01", &["10.0.0.7", "10.0.0.8"]), card("card/2", "fa:16:3e:02", &["10.0.0.70"])];
    let mut first = both.to_vec();
    first.push(object("disk/1", &[("mac", Value::text("fa:16:3e:01"))]));
    case.commit(&objects(&first)).await;
    let find = async |text: &str| keys(&store.search(HOME, None, text, 9).await.expect("searching works"));
    assert_eq!(find("10.0.0.7").await, [""; 0], "nobody said so yet");
    let by = |paths: &[&str]| -> Searched {
        [("card".into(), paths.iter().map(|path| (*path).into()).collect())].into_iter().collect()
    };
    for _ in 0..2 {
        store.search_by(&case.lease, &by(&["mac", "ips.ip"])).await.expect("it can be said");
    }
    assert_eq!(find("10.0.0.7").await, ["card/1", "card/2"], "the value itself first, then what begins with it");
    assert_eq!(find("10.0.0.70").await, ["card/2"]);
    assert_eq!(find("fa:16:3e:01").await, ["card/1"], "in whatever case, and of that type only");
    assert_eq!(find("3E:0").await, ["card/1", "card/2"]);
    assert_eq!(find("a card").await, ["card/1", "card/2"], "names still count");
    // What is committed later is found by the same values; what goes is not.
    let moved = card("card/1", "fa:16:3e:09", &[]);
    case.commit(&Delta { objects: vec![moved], removed_objects: vec![key("card/2")], ..Delta::default() }).await;
    assert_eq!(find("fa:16:3e:09").await, ["card/1"]);
    assert_eq!(find("10.0.0.7").await, [""; 0]);
    let text = async |text: &str| {
        let query = Query { text: Some(text.into()), ..Query::default() };
        keys(&store.objects(HOME, None, &query, &Page::first(9)).await.expect("reading works").items)
    };
    assert_eq!(text("fa:16:3e:09").await, [""; 0], "a filter on names is one on names");
    assert_eq!(text("card").await, ["card/1"]);
    store.search_by(&case.lease, &Searched::new()).await.expect("it can be said");
    assert_eq!(find("fa:16:3e:09").await, [""; 0], "no longer");
    assert_eq!(find("a card").await, ["card/1"]);
    let lost = Lease { fence: case.lease.fence + 1, ..case.lease.clone() };
    let refused = store.search_by(&lost, &by(&["mac"])).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })), "{refused:?}");
}

async fn search(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let named = |text: &str, name: &str| object(text, &[("name", Value::text(name))]);
    case.commit(&objects(&[
        named("vm/web", "front"),
        named("vm/1", "Web"),
        named("net/1", "web"),
        named("vm/web-2", "x"),
        named("net/2", "the cobweb"),
        named("net/3", "unrelated"),
        object("net/4", &[("object_name", Value::text("spider Web site"))]),
    ]))
    .await;
    let find = async |text: &str, limit| keys(&store.search(HOME, None, text, limit).await.expect("searching works"));
    let ranked = ["vm/web", "net/1", "vm/1", "vm/web-2", "net/2", "net/4"];
    assert_eq!(find("web", 100).await, ranked, "ids, names, beginnings of ids, the rest");
    for limit in 0..ranked.len() {
        assert_eq!(find("web", limit).await, ranked[..limit], "the best {limit}");
    }
    assert_eq!(find("un", 9).await, ["net/3"], "two letters begin a name");
    assert_eq!(find("re", 9).await, [""; 0], "and are not looked for inside");
    assert_eq!(find("no such thing", 9).await, [""; 0]);
    assert_eq!(find("", 9).await, [""; 0], "nothing finds nothing");
    let same: BTreeSet<_> = find("WEB", 9).await.into_iter().collect();
    assert!(same.contains("net/2") && same.contains("vm/1"), "case does not matter in names: {same:?}");
    case.commit(&Delta {
        objects: vec![named("vm/1", "renamed")],
        removed_objects: vec![key("net/1")],
        ..Delta::default()
    })
    .await;
    assert_eq!(find("web", 100).await, ["vm/web", "vm/web-2", "net/2", "net/4"], "what changed is found no more");
    let before = store.search(HOME, Some(1), "web", 100).await.expect("searching works");
    assert_eq!(keys(&before), ranked, "but was found then");
}
