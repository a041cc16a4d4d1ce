//! What a rule may cost: one that takes more than its objects allow yields nothing, says so at its line, and leaves the others
//! alone, on one thread and on several.

use std::{sync::Arc, time::Instant};

use calipso_derive::{Changes, Graph, NoDocuments, Rules};
use calipso_model::{Environment, Map, Object, ObjectKey, Value};
use calipso_spec::{Layer, load};

const TYPE: &str = "schema: object_type/v1\nname: NAME\ndescription: A thing.\nsource: made up\nother_attributes: allowed\nforms: [{form: any, id: \"{{ self.id }}\", name: \"{{ self.id }}\", parent: {type: environment}}]\n";
/// What every test has besides: a rule that has to work, whatever becomes of its neighbours.
const GOOD: &str = "schema: link_type/v1\nname: b-b\ndescription: Good.\nsource: made up\nfrom: b\nto: b\nrules: [{name: good, from: {key: '[from.id]'}, to: {key: '[to.id]'}}]\n";

/// The rules of two types `a` and `b`, what is appended to `a`, and a link type from `a` to `b`.
fn rules(of_a: &str, link: &str) -> Arc<Rules> {
    let mut files = vec![
        ("object_types/a.yaml".into(), Arc::from(TYPE.replace("NAME", "a") + of_a)),
        ("object_types/b.yaml".into(), Arc::from(TYPE.replace("NAME", "b"))),
        ("link_types/b-b.yaml".into(), Arc::from(GOOD)),
    ];
    if !link.is_empty() {
        let text = format!(
            "schema: link_type/v1\nname: a-b\ndescription: A link.\nsource: made up\nfrom: a\nto: b\nrules:\n  - name: heavy\n{link}"
        );
        files.push(("link_types/a-b.yaml".into(), Arc::from(text)));
    }
    let loaded = load(&[Layer { name: "test".into(), files }]);
    let mistakes: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == calipso_spec::Severity::Error && !found.code.starts_with("fetcher/"))
        .map(|found| format!("{} {} {}", found.code, found.message, found.primary.text))
        .collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    let environment = Environment { name: "test".into(), ..Environment::default() };
    Arc::new(Rules::new(&loaded.specs, &environment).expect("the rules fit together"))
}

fn objects(count: usize) -> Vec<Object> {
    let of = |object_type: &str, number: usize| {
        let id = format!("{object_type}{number}");
        let doc = [
            ("id", Value::text(&id)),
            ("n", Value::Int(number as i64)),
            ("list", Value::list((0..100).map(Value::Int).collect())),
        ];
        Object { key: ObjectKey::new(object_type, &*id), doc: doc.into_iter().collect::<Map>() }
    };
    (0..count).flat_map(|number| [of("a", number), of("b", number)]).collect()
}

/// Derives with one thread and with four, which have to agree; gives what was given up, and how many links there are.
fn derived(of_a: &str, link: &str, count: usize) -> (Graph, Vec<String>) {
    let rules = rules(of_a, link);
    let start = Instant::now();
    let graphs = [1, 4].map(|threads| {
        let mut graph = Graph::with_threads(rules.clone(), threads);
        graph.apply(Changes { upsert: objects(count), remove: Vec::new() }, &NoDocuments).expect("every object is new");
        graph
    });
    assert!(start.elapsed().as_secs() < 120, "deriving must end soon: {:?}", start.elapsed());
    let told = |graph: &Graph| {
        let exceeded = graph.exceeded();
        exceeded.iter().map(|over| format!("{} {}: {}", over.at, over.rule, over.message)).collect::<Vec<String>>()
    };
    let [one, four] = graphs;
    assert_eq!(told(&one), told(&four));
    assert_eq!(
        one.links().map(|link| link.name).collect::<Vec<_>>(),
        four.links().map(|link| link.name).collect::<Vec<_>>()
    );
    let good = one.links().filter(|link| *link.link_type == *"b-b").count();
    if one.crowded().is_none() {
        assert_eq!(good, count, "the neighbour has to work");
    }
    let told = told(&one);
    (one, told)
}

fn n_heavy(graph: &Graph) -> usize {
    graph.links().filter(|link| *link.link_type == *"a-b").count()
}

/// 2 MB of text out of one word.
const LONG: &str = "'xxxxxxxx' | replace('x', 'yyyyyyyyyyyyyyyy') | replace('y', 'zzzzzzzzzzzzzzzz') | replace('z', 'wwwwwwwwwwwwwwww') | replace('w', 'vvvvvvvvvvvvvvvv') | replace('v', 'uuuu')";

#[test]
fn equal_keys_of_all_objects_are_given_up_and_said_at_the_rules_line() {
    let (graph, told) = derived("", "    from: {key: \"['x']\"}\n    to: {key: \"['x']\"}\n", 1_000);
    assert_eq!(n_heavy(&graph), 0);
    assert!(
        told.len() == 1 && told[0].starts_with("test/link_types/a-b.yaml:8:") && told[0].contains("heavy"),
        "{told:?}"
    );
    // A mesh that fits its objects is no fault.
    let (graph, told) = derived("", "    from: {key: \"['x']\"}\n    to: {key: \"['x']\"}\n", 200);
    assert_eq!((n_heavy(&graph), told.len()), (40_000, 0));
}

#[test]
fn keys_without_end_are_given_up() {
    let each =
        "each: \"i in from.list; j in from.list; k in from.list; l in from.list; m in from.list; o in from.list\"";
    let link = format!("    from: {{{each}, key: \"[from.id, i]\"}}\n    to: {{key: \"[to.id, to.n]\"}}\n");
    let (graph, told) = derived("", &link, 50);
    assert_eq!((n_heavy(&graph), told.len()), (0, 1), "{told:?}");
}

#[test]
fn long_names_and_attributes_leave_nothing_behind() {
    let link = format!(
        "    from: {{key: \"[from.id]\"}}\n    to: {{key: \"[to.n | string | replace('', '')]\"}}\n    link: {{name: \"{{{{ {LONG} }}}}\"}}\n"
    )
    .replace("[to.n | string | replace('', '')]", "['a' ~ to.n]");
    let (graph, told) = derived("", &link, 5);
    // Few of them: the name is refused, the link stays with its own.
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(n_heavy(&graph), 5);
    assert!(graph.links().all(|link| link.name.len() < 100));
    assert!(
        graph.faults().iter().any(|fault| fault.message.contains("name has more than 4096 bytes")),
        "{:?}",
        graph.faults()
    );
    // Many of them: the rule is given up.
    let (graph, told) = derived("", &link, 200);
    assert_eq!((n_heavy(&graph), told.len()), (0, 1), "{told:?}");
}

#[test]
fn derived_attributes_have_bounds_too() {
    let attribute = |value: &str| format!("derive:\n  - {{attribute: big, value: \"{{{{ {value} }}}}\"}}\n");
    let (graph, told) = derived(&attribute(LONG), "", 200);
    assert!(told.len() == 1 && told[0].contains("a.big"), "{told:?}");
    let big = |graph: &Graph, key: &ObjectKey| graph.derived(key, Map::new()).and_then(|doc| doc.get("big").cloned());
    assert!(graph.keys().all(|key| big(&graph, &key).is_none()));
    let (graph, told) = derived(&attribute("self.n + 1"), "", 300);
    assert!(told.is_empty());
    let key = ObjectKey::new("a", "a7");
    assert_eq!(big(&graph, &key), Some(Value::Int(8)));
}

#[test]
fn many_rules_have_no_more_than_few() {
    let mut files: Vec<(calipso_model::Str, Arc<str>)> = vec![("link_types/b-b.yaml".into(), Arc::from(GOOD))];
    for name in ["a", "b"] {
        files.push((format!("object_types/{name}.yaml").into(), Arc::from(TYPE.replace("NAME", name))));
    }
    let heavy: String = (0..300)
        .map(|number| {
            format!("  - {{name: heavy{number}, from: {{key: \"[{number}]\"}}, to: {{key: \"[{number}]\"}}}}\n")
        })
        .collect();
    let text = format!(
        "schema: link_type/v1\nname: a-b\ndescription: A link.\nsource: made up\nfrom: a\nto: b\nrules:\n{heavy}"
    );
    files.push(("link_types/a-b.yaml".into(), Arc::from(text)));
    let loaded = load(&[Layer { name: "test".into(), files }]);
    let environment = Environment { name: "test".into(), ..Environment::default() };
    let mut graph = Graph::with_threads(Arc::new(Rules::new(&loaded.specs, &environment).expect("rules")), 2);
    graph.apply(Changes { upsert: objects(400), remove: Vec::new() }, &NoDocuments).expect("every object is new");
    assert!(!graph.exceeded().is_empty());
    assert_eq!(n_heavy(&graph), 0);
}
