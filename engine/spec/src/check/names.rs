//! Names of specs: types, roles, parsers, tests.

use std::collections::BTreeSet;

use calipso_model::Str;

use super::{Catalogue, Span, walk};
use crate::{
    checked::{Step, TransportName, Verb},
    diag::Diagnostic,
    load::KINDS,
};

pub(super) fn check(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let specs = catalogue.specs;
    for fetcher in specs.fetchers.values() {
        let Some(spot) = catalogue.spot("fetcher", &fetcher.head.name) else { continue };
        known_type(catalogue, &fetcher.under, || spot.value("under"), found);
        for (key, types) in [("emits", &fetcher.emits), ("extends", &fetcher.extends)] {
            for name in types {
                known_type(catalogue, name, || spot.element(key, name), found);
            }
        }
        for name in fetcher.narrow_by.keys() {
            let span = || spot.inside("narrow_by").map_or_else(|| spot.here(), |inside| inside.key(name));
            known_type(catalogue, name, span, found);
        }
        let mut steps = Vec::new();
        walk(&fetcher.steps, &mut steps);
        for step in steps {
            in_step(catalogue, step, found);
        }
    }
    for object_type in specs.object_types.values() {
        for rule in &object_type.derive {
            if let Some(from) = &rule.from {
                known_type(catalogue, from, || catalogue.span(&rule.at, "from"), found);
            }
        }
    }
    for link_type in specs.link_types.values() {
        let Some(spot) = catalogue.spot("link_type", &link_type.head.name) else { continue };
        known_type(catalogue, &link_type.from, || spot.value("from"), found);
        known_type(catalogue, &link_type.to, || spot.value("to"), found);
    }
    for clique_type in specs.clique_types.values() {
        let Some(spot) = catalogue.spot("clique_type", &clique_type.head.name) else { continue };
        known_type(catalogue, &clique_type.focal_point, || spot.value("focal_point"), found);
    }
    tests(catalogue, found);
    unused_parsers(catalogue, found);
    unused_roles(catalogue, found);
    unused_types(catalogue, found);
}

/// Connections whose role no step uses. A broker is used by what listens, not by steps.
fn unused_roles(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for fetcher in catalogue.specs.fetchers.values() {
        let mut steps = Vec::new();
        walk(&fetcher.steps, &mut steps);
        used.extend(steps.iter().filter_map(|step| match &step.verb {
            Verb::Run(run) => Some(run.via.as_ref()),
            Verb::Http(http) => Some(http.via.as_ref()),
            Verb::Sql(sql) => Some(sql.via.as_ref()),
            _ => None,
        }));
    }
    for connection in catalogue.specs.connections.values() {
        if connection.transport != TransportName::Amqp
            && !used.contains(connection.role.as_ref())
            && let Some(spot) = catalogue.spot("connection", &connection.head.name)
        {
            found.push(
                spot.value("role")
                    .report("spec/unreached", format!("no step uses the role `{}`", connection.role), "used by nobody")
                    .help("name it with `via`, or remove the connection"),
            );
        }
    }
}

/// Object types that no fetcher brings into being.
fn unused_types(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let emitted: BTreeSet<&Str> = catalogue.specs.fetchers.values().flat_map(|fetcher| &fetcher.emits).collect();
    for name in catalogue.specs.object_types.keys() {
        if !emitted.contains(name)
            && let Some(spot) = catalogue.spot("object_type", name)
        {
            found.push(
                spot.value("name")
                    .report(
                        "spec/unreached",
                        format!("no fetcher emits objects of the type `{name}`"),
                        "emitted by nobody",
                    )
                    .help("add a fetcher that emits it, or remove the type"),
            );
        }
    }
}

fn in_step(catalogue: &Catalogue<'_>, step: &Step, found: &mut Vec<Diagnostic>) {
    let (key, name) = match &step.verb {
        Verb::Lookup(lookup) => ("lookup", &lookup.object_type),
        Verb::Fetch(fetch) => ("fetch", &fetch.object_type),
        Verb::Emit(emit) => ("emit", &emit.object_type),
        _ => return,
    };
    known_type(catalogue, name, || catalogue.span(&step.at, key), found);
}

/// Reports a name that is no object type. A type whose file could not be read is known all the same.
pub(super) fn known_type(
    catalogue: &Catalogue<'_>,
    name: &Str,
    span: impl FnOnce() -> Span,
    found: &mut Vec<Diagnostic>,
) {
    if name.as_ref() == "environment" || catalogue.declared("object_type", name) {
        return;
    }
    let mut diagnostic = span().report(
        "fetcher/unknown-type",
        format!("no object type is named `{name}`"),
        "not declared under object_types/",
    );
    diagnostic.help = catalogue.mean(name, catalogue.specs.object_types.keys());
    found.push(diagnostic);
}

fn tests(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    for test in catalogue.tests {
        let (kind, name) = test.of.parts();
        if !catalogue.declared(kind, name) {
            let names: Vec<Str> = catalogue
                .read
                .files
                .keys()
                .filter(|(kind_idx, _)| KINDS.get(*kind_idx).is_some_and(|(_, known)| *known == kind))
                .map(|(_, name)| name.clone())
                .collect();
            let mut diagnostic = catalogue.span(&test.at, "of").report(
                "test/unknown-spec",
                format!("there is no {kind} named `{name}`"),
                "tests nothing",
            );
            diagnostic.help = catalogue.mean(name, &names);
            found.push(diagnostic);
        }
    }
}

fn unused_parsers(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let mut named = BTreeSet::new();
    for parsed in catalogue.read.files.values() {
        gather(&parsed.node, &mut named);
    }
    for name in catalogue.parsers.keys().filter(|name| !named.contains(name.as_ref())) {
        if let Some(spot) = catalogue.spot("parser", name) {
            found.push(
                spot.value("name")
                    .report("spec/unreached", format!("no step uses the parser `{name}`"), "named nowhere")
                    .help(format!("name it: `parse: {{named: {name}}}`, or remove it")),
            );
        }
    }
}

fn gather<'n>(node: &'n crate::yaml::Node, named: &mut BTreeSet<&'n str>) {
    for (key, value) in node.entries() {
        if key.name.as_ref() == "named"
            && let Some(name) = value.as_text()
        {
            named.insert(name);
        }
        gather(value, named);
    }
    node.items().iter().for_each(|item| gather(item, named));
}
