//! Checks tests beside specs: every name in them must exist.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Map, Str, Value};

use super::{Catalogue, Span, attributes::COMMON};
use crate::{
    diag::Diagnostic,
    spec_test::{TestCase, TestOf},
};

/// Fields of placed objects that only they have.
const PLACED: &[&str] = &["parent_text", "text"];

pub(super) fn check(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let names = Names::new(catalogue);
    for test in catalogue.tests {
        for case in &test.cases {
            let at = Case { catalogue, case };
            environment(&at, &names, found);
            types(&at, &names, found);
            match &test.of {
                TestOf::Fetcher(name) => {
                    settings(&at, name, found);
                    narrowing(&at, &names, name, found);
                }
                TestOf::Distribution(_) => fetchers(&at, found),
                _ => {}
            }
            roles(&at, &names, found);
        }
    }
}

/// What can be named.
struct Names {
    /// Types with the attributes that they can have; none: any.
    types: BTreeMap<Str, Option<BTreeSet<Str>>>,
    drivers: BTreeMap<&'static str, BTreeSet<Str>>,
    roles: BTreeSet<Str>,
}

impl Names {
    fn new(catalogue: &Catalogue<'_>) -> Self {
        let mut types = BTreeMap::from([(Str::from("environment"), None)]);
        for (name, object_type) in &catalogue.specs.object_types {
            let closed = !object_type.other_attributes && !catalogue.is_broken_spec("object_type", name);
            let known = closed.then(|| {
                let declared = object_type.attributes.keys().cloned();
                let derived = object_type.derive.iter().map(|rule| rule.attribute.clone());
                declared.chain(derived).chain(COMMON.iter().chain(PLACED).map(|name| Str::from(*name))).collect()
            });
            types.insert(name.clone(), known);
            for folder in object_type.forms.iter().flat_map(|form| &form.folders) {
                types.entry(folder.folder_type.clone()).or_insert(None);
            }
        }
        let variances = || catalogue.specs.distributions.values().flat_map(|distribution| &distribution.variances);
        let drivers = BTreeMap::from([
            ("mechanism_drivers", variances().flat_map(|variance| variance.mechanism_drivers.clone()).collect()),
            ("type_drivers", variances().flat_map(|variance| variance.type_drivers.clone()).collect()),
        ]);
        let roles = catalogue.specs.connections.values().map(|connection| connection.role.clone()).collect();
        Self { types, drivers, roles }
    }
}

struct Case<'c, 'a> {
    catalogue: &'a Catalogue<'c>,
    case: &'a TestCase,
}

impl Case<'_, '_> {
    /// The place of what stands there, as long as it is.
    fn span(&self, path: &[&str], text: &str) -> Span {
        let at = self.case.place(path);
        let start = self.catalogue.offset(&at).unwrap_or(0);
        let line = self.catalogue.texts.get(at.file.as_ref()).and_then(|whole| whole.get(start..)).unwrap_or_default();
        let line = line.lines().next().unwrap_or_default();
        let (from, length) = match line.find(text) {
            Some(from) if !text.is_empty() => (from, text.len()),
            _ => (0, 1),
        };
        Span { file: at.file.as_ref().into(), range: start + from..start + from + length }
    }

    fn unknown(&self, path: &[&str], name: &str, message: String) -> Diagnostic {
        self.span(path, name).report("test/unknown-name", message, "there is none")
    }
}

fn environment(at: &Case<'_, '_>, names: &Names, found: &mut Vec<Diagnostic>) {
    let environment = &at.case.environment;
    let specs = at.catalogue.specs;
    let unknown = |path: &[&str], name: &Str, message: String| {
        at.span(path, name).report("environment/unknown-value", message, "declared nowhere")
    };
    if !environment.distribution.is_empty() && !at.catalogue.declared("distribution", &environment.distribution) {
        let message = format!("there is no distribution `{}`", environment.distribution);
        let mut diagnostic = unknown(&["environment", "distribution"], &environment.distribution, message);
        diagnostic.help = at.catalogue.mean(&environment.distribution, specs.distributions.keys());
        found.push(diagnostic);
    }
    match specs.distributions.get(&environment.distribution) {
        Some(known) if !environment.version.is_empty() && !known.versions.contains(&environment.version) => {
            let message = format!("the distribution `{}` has no version `{}`", known.head.name, environment.version);
            let mut diagnostic = unknown(&["environment", "version"], &environment.version, message);
            diagnostic.help = at.catalogue.mean(&environment.version, &known.versions);
            found.push(diagnostic);
        }
        None if !environment.version.is_empty() && environment.distribution.is_empty() => {
            let message = format!("the version `{}` is one of no distribution", environment.version);
            found.push(unknown(&["environment", "version"], &environment.version, message).help("add `distribution`"));
        }
        _ => {}
    }
    for (key, given) in
        [("mechanism_drivers", &environment.mechanism_drivers), ("type_drivers", &environment.type_drivers)]
    {
        let Some(known) = names.drivers.get(key).filter(|known| !known.is_empty()) else { continue };
        for (number, driver) in given.iter().enumerate().filter(|(_, driver)| !known.contains(*driver)) {
            let message =
                format!("no distribution declares the {} `{driver}`", key.trim_end_matches('s').replace('_', " "));
            let mut diagnostic = unknown(&["environment", key, &number.to_string()], driver, message);
            diagnostic.help = at.catalogue.mean(driver, known);
            found.push(diagnostic);
        }
    }
}

fn types(at: &Case<'_, '_>, names: &Names, found: &mut Vec<Diagnostic>) {
    let case = at.case;
    if let Some(parent) = &case.parent {
        document(at, names, &["parent"], parent, found);
    }
    for (number, given) in case.objects.iter().enumerate() {
        document(at, names, &["objects", &number.to_string()], given, found);
    }
    for list in ["objects", "objects_exact", "absent"] {
        for (number, wanted) in maps(&case.expect, list) {
            document(at, names, &["expect", list, &number.to_string()], wanted, found);
        }
    }
    for list in ["links", "links_exact"] {
        for (number, wanted) in maps(&case.expect, list) {
            link_type(at, &["expect", list, &number.to_string(), "type"], wanted, found);
        }
    }
    for (number, wanted) in maps(&case.expect, "cliques") {
        let number = number.to_string();
        if let Some(focal_point) = wanted.get("focal_point").and_then(Value::as_map) {
            document(at, names, &["expect", "cliques", &number, "focal_point"], focal_point, found);
        }
        for list in ["nodes", "nodes_include", "nodes_exclude"] {
            for (inner, node) in maps(wanted, list) {
                document(at, names, &["expect", "cliques", &number, list, &inner.to_string()], node, found);
            }
        }
        for (inner, link) in maps(wanted, "links") {
            link_type(at, &["expect", "cliques", &number, "links", &inner.to_string(), "type"], link, found);
        }
    }
}

fn maps<'m>(map: &'m Map, list: &str) -> impl Iterator<Item = (usize, &'m Map)> {
    let items = map.get(list).and_then(Value::as_list).unwrap_or_default();
    items.iter().enumerate().filter_map(|(number, item)| Some((number, item.as_map()?)))
}

/// A document's type, and of a type that allows no others its attributes.
fn document(at: &Case<'_, '_>, names: &Names, path: &[&str], document: &Map, found: &mut Vec<Diagnostic>) {
    let Some(name) = document.text("type") else { return };
    let inside = |key: &str| path.iter().copied().chain([key]).map(str::to_owned).collect::<Vec<_>>();
    let Some(known) = names.types.get(name) else {
        if at.catalogue.declared("object_type", name) {
            return;
        }
        let path = inside("type");
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut diagnostic = at.unknown(&path, name, format!("no object type or folder is named `{name}`"));
        diagnostic.help = at.catalogue.mean(name, names.types.keys());
        found.push(diagnostic);
        return;
    };
    let Some(known) = known else { return };
    for (key, _) in document.iter().filter(|(key, _)| !known.contains(key)) {
        let path = inside(key);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let message = format!("a `{name}` has no attribute `{key}`, and allows no others");
        let mut diagnostic = at.unknown(&path, key, message);
        diagnostic.help = at.catalogue.mean(key, known);
        found.push(diagnostic);
    }
}

fn link_type(at: &Case<'_, '_>, path: &[&str], wanted: &Map, found: &mut Vec<Diagnostic>) {
    let Some(name) = wanted.text("type") else { return };
    if at.catalogue.declared("link_type", name) {
        return;
    }
    let mut diagnostic = at.unknown(path, name, format!("no link type is named `{name}`"));
    diagnostic.help = at.catalogue.mean(name, at.catalogue.specs.link_types.keys());
    found.push(diagnostic);
}

fn settings(at: &Case<'_, '_>, fetcher: &Str, found: &mut Vec<Diagnostic>) {
    let Some(fetcher) = at.catalogue.specs.fetchers.get(fetcher) else { return };
    for (name, _) in at.case.settings.iter().filter(|(name, _)| !fetcher.settings.contains_key(name)) {
        let message = format!("the fetcher `{}` has no setting `{name}`", fetcher.head.name);
        let mut diagnostic = at.unknown(&["settings", name], name, message);
        diagnostic.help = at.catalogue.mean(name, fetcher.settings.keys());
        found.push(diagnostic);
    }
}

/// Attributes that a run is narrowed by: those that the fetcher asks for, or that its types have.
fn narrowing(at: &Case<'_, '_>, names: &Names, fetcher: &Str, found: &mut Vec<Diagnostic>) {
    let Some(fetcher) = at.catalogue.specs.fetchers.get(fetcher) else { return };
    let asked: BTreeSet<&Str> = fetcher.narrow_by.values().flatten().collect();
    let types: Vec<_> = fetcher.emits.iter().chain(&fetcher.extends).map(|name| names.types.get(name)).collect();
    let has = |name: &Str| types.iter().any(|known| !matches!(known, Some(Some(known)) if !known.contains(name)));
    for (name, _) in at.case.narrow.iter().filter(|(name, _)| !asked.contains(name) && !has(name)) {
        let message = format!("no type of the fetcher `{}` has an attribute `{name}`", fetcher.head.name);
        let mut diagnostic = at.unknown(&["narrow", name], name, message);
        diagnostic.help = at.catalogue.mean(name, asked.iter().copied());
        found.push(diagnostic);
    }
}

/// Fetchers and their settings that a distribution's test expects values of.
fn fetchers(at: &Case<'_, '_>, found: &mut Vec<Diagnostic>) {
    let Some(expected) = at.case.expect.get("settings").and_then(Value::as_map) else { return };
    for (name, settings) in expected {
        let Some(fetcher) = at.catalogue.specs.fetchers.get(name) else {
            if !at.catalogue.declared("fetcher", name) {
                let path = ["expect", "settings", name];
                let mut diagnostic = at.unknown(&path, name, format!("there is no fetcher `{name}`"));
                diagnostic.help = at.catalogue.mean(name, at.catalogue.specs.fetchers.keys());
                found.push(diagnostic);
            }
            continue;
        };
        let settings = settings.as_map().into_iter().flatten();
        for (setting, _) in settings.filter(|(setting, _)| !fetcher.settings.contains_key(setting)) {
            let message = format!("the fetcher `{name}` has no setting `{setting}`");
            let mut diagnostic = at.unknown(&["expect", "settings", name, setting], setting, message);
            diagnostic.help = at.catalogue.mean(setting, fetcher.settings.keys());
            found.push(diagnostic);
        }
    }
}

/// Roles that answers are for.
fn roles(at: &Case<'_, '_>, names: &Names, found: &mut Vec<Diagnostic>) {
    let Some(answers) = at.case.answers.as_map() else { return };
    for list in ["commands", "http", "sql"] {
        for (number, answer) in maps(answers, list) {
            let Some(role) = answer.text("via").filter(|role| !names.roles.contains(*role)) else { continue };
            let path = ["answers", list, &number.to_string(), "via"];
            let mut diagnostic = at.unknown(&path, role, format!("no connection has the role `{role}`"));
            diagnostic.help = at.catalogue.mean(role, &names.roles);
            found.push(diagnostic);
        }
    }
}
