//! Changes are made in one place, named by it, and only in what is in force.

use std::sync::Arc;

use calipso_model::Str;

use crate::{Layer, Severity};

use super::{Mutation, changes};

const LINK: &str = "schema: link_type/v1
name: card-port
description: A card is in a port.
source: none
from: card
to: port
cardinality: {from: one}
rules:
  - name: by name
    from: {when: from.up == 'yes', key: \"[from.host, from.port]\"}
    to: {key: \"[to.host, to.number]\"}
    link: {state: \"{{ 'up' if from.up == 'yes' else 'down' }}\"}
";

fn object_type(name: &str) -> (Str, Arc<str>) {
    let text = format!(
        "schema: object_type/v1\nname: {name}\ndescription: x\nsource: x\nforms: [{{form: a, id: \"{{{{ self.id }}}}\", name: \"{{{{ self.id }}}}\", parent: {{type: environment}}}}]\n"
    );
    (format!("object_types/{name}.yaml").into(), text.into())
}

fn layers() -> Vec<Layer> {
    let link = ("link_types/card-port.yaml".into(), LINK.into());
    vec![Layer { name: "mine".into(), files: vec![object_type("card"), object_type("port"), link] }]
}

fn of_link(all: &[Mutation]) -> Vec<&Mutation> {
    all.iter().filter(|change| change.kind == "link_type").collect()
}

#[test]
fn changes_are_named_by_their_place_in_the_spec() {
    let layers = layers();
    let all = changes(&layers, |_| true);
    let ids: Vec<String> = of_link(&all).iter().map(|change| change.name()).collect();
    for wanted in [
        "drop when at rules[by name].from.when",
        "drop cardinality at cardinality",
        "drop a part of both keys at rules[by name] ([from.host, from.port], [to.host, to.number] -> [from.port], [to.number])",
        "drop when at rules[by name].from.when",
        "flip a comparison at rules[by name].from.when (== -> !=)",
        "rename a literal at rules[by name].from.when ('yes' -> 'yesx')",
        "drop state at rules[by name].link.state",
        "flip a comparison at rules[by name].link.state (== -> !=)",
    ] {
        assert!(ids.iter().any(|id| id == wanted), "{wanted}: {ids:#?}");
    }
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "each has a name of its own");
    let end =
        of_link(&all).into_iter().find(|change| change.name() == "drop when at rules[by name].from.when").unwrap();
    assert_eq!((end.at.file.as_ref(), end.at.line), ("mine/link_types/card-port.yaml", 10));
}

#[test]
fn a_change_is_made_in_one_place_and_the_rest_stays_as_it_was() {
    let layers = layers();
    let all = changes(&layers, |_| true);
    let before = crate::load(&layers).specs.link_types["card-port"].clone();
    let of = |id: &str| {
        let change = of_link(&all).into_iter().find(|change| change.name() == id).unwrap();
        let loaded = crate::load(&change.applied(&layers));
        let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
        assert_eq!(errors, 0, "{:?}", loaded.diagnostics);
        loaded.specs.link_types["card-port"].clone()
    };
    let dropped = of("drop when at rules[by name].from.when");
    assert!(before.rules[0].from.when.is_some() && dropped.rules[0].from.when.is_none());
    let both = of(
        "drop a part of both keys at rules[by name] ([from.host, from.port], [to.host, to.number] -> [from.host], [to.host])",
    );
    assert_eq!(both.rules[0].from.key.as_ref().unwrap().source(), "[from.host]");
    assert_eq!(both.rules[0].to.key.as_ref().unwrap().source(), "[to.host]");
    assert!(before.from_one && !of("drop cardinality at cardinality").from_one);
    assert_eq!((&*both.head.description, both.rules[0].name.as_ref()), ("A card is in a port.", "by name"));
}

#[test]
fn only_what_is_in_force_is_changed() {
    let mut layers = layers();
    let again = LINK.replace("from.up == 'yes'", "from.up == 'no'");
    layers.push(Layer { name: "later".into(), files: vec![("link_types/card-port.yaml".into(), again.into())] });
    let all = changes(&layers, |_| true);
    assert!(of_link(&all).iter().all(|change| change.at.file.as_ref() == "later/link_types/card-port.yaml"));
    assert!(changes(&layers, |layer| layer == 0).iter().all(|change| change.kind == "object_type"));
}

#[test]
fn an_environment_that_all_distributions_have_is_not_dropped() {
    let dropped = |platforms: &[&str], environment: &str| {
        let mut layers = layers();
        let link = LINK.replace("from: card\n", &format!("environment: {environment}\nfrom: card\n"));
        layers[0].files[2].1 = link.into();
        for name in platforms {
            let text = format!("schema: distribution/v1\nname: {name}\nplatform: {name}\n");
            layers[0].files.push((format!("distributions/{name}.yaml").into(), text.into()));
        }
        let all = changes(&layers, |_| true);
        of_link(&all).iter().any(|change| change.name() == "drop environment at environment")
    };
    let one = "{platform: {any_of: [one]}}";
    assert!(!dropped(&["one"], one) && dropped(&["one", "two"], one) && dropped(&[], one));
    assert!(dropped(&["one"], "{platform: {any_of: [one]}, mechanism_drivers: {any_of: [x]}}"));
}

#[test]
fn the_same_words_in_both_keys_are_not_dropped() {
    let mut layers = layers();
    let link =
        LINK.replace("[from.host, from.port]", "[from.host, 'x']").replace("[to.host, to.number]", "[to.host, 'x']");
    layers[0].files[2].1 = link.into();
    let all = changes(&layers, |_| true);
    let dropped = |kept: &str| of_link(&all).iter().any(|change| change.name().ends_with(kept));
    assert!(dropped("-> ['x'], ['x'])") && !dropped("-> [from.host], [to.host])"));
}
