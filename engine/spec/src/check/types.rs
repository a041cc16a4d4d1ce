//! Object types: forms, parents, folders, derived attributes.

use std::collections::{BTreeMap, BTreeSet};

use calipso_expr::{Expr, Frame, Fuel};
use calipso_model::{Map, Str, Value};

use super::{
    Catalogue,
    attributes::{COMMON, Emit, Facts},
};
use crate::{
    checked::{DeriveRule, Form, ObjectType},
    diag::Diagnostic,
};

pub(super) fn check(catalogue: &Catalogue<'_>, facts: &Facts, found: &mut Vec<Diagnostic>) {
    let mut folders: BTreeMap<(Str, String), (Str, super::Span)> = BTreeMap::new();
    for object_type in catalogue.specs.object_types.values() {
        last_form(catalogue, object_type, found);
        identity(catalogue, facts, object_type, found);
        folders_of_parents(catalogue, object_type, found);
        parents(catalogue, object_type, found);
        folder_types(catalogue, object_type, &mut folders, found);
        overwritten(catalogue, facts, object_type, found);
        never_emitted(catalogue, facts, object_type, found);
        searched(catalogue, object_type, found);
    }
    parent_circle(catalogue, found);
    derive_circle(catalogue, found);
    for emit in &facts.emits {
        emitted_identity(catalogue, facts, emit, found);
    }
}

fn last_form(catalogue: &Catalogue<'_>, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    let Some(spot) = catalogue.spot("object_type", &object_type.head.name) else { return };
    let (span, label) = match object_type.forms.last() {
        None if spot.node.get("forms").is_none_or(|forms| !forms.items().is_empty()) => return,
        None => (spot.value("forms"), "no form"),
        Some(form) if form.when.is_some() => (catalogue.span(&form.at, "when"), "an object may fulfil none of them"),
        Some(_) => return,
    };
    found.push(
        span.report(
            "type/no-form",
            format!("not every object of the type `{}` has a form", object_type.head.name),
            label,
        )
        .help("give the last form no `when`"),
    );
}

/// The attributes of `self` that expressions read, with their places.
fn read_of<'e>(object_type: &ObjectType, root: &str, exprs: Vec<&'e Expr>) -> Vec<(&'e Expr, Str, usize, usize, bool)> {
    let Some(slot) = object_type.layout.find(root) else { return Vec::new() };
    exprs
        .into_iter()
        .flat_map(|expr| expr.uses().into_iter().map(move |used| (expr, used)))
        .filter(|(_, used)| used.slot == slot)
        .filter_map(|(expr, used)| {
            used.path.first().map(|name| (expr, name.clone(), used.start, used.end, used.guarded))
        })
        .collect()
}

fn identity_exprs(form: &Form) -> Vec<&Expr> {
    form.when.iter().chain(form.id.exprs()).chain(form.parent_id.iter().flat_map(|tree| tree.exprs())).collect()
}

fn identity(catalogue: &Catalogue<'_>, facts: &Facts, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    let Some(known) = facts.types.get(&object_type.head.name) else { return };
    for form in &object_type.forms {
        for (expr, name, start, end, _) in read_of(object_type, "self", identity_exprs(form)) {
            if !known.derived.contains_key(&name) || known.fetched.contains_key(&name) {
                continue;
            }
            if let Some(span) = catalogue.expr(expr, start, end) {
                found.push(
                    span.report(
                        "type/identity-reads-derived",
                        format!("identity and parent cannot depend on the derived attribute `{name}`"),
                        "derived after objects have an identity",
                    )
                    .help("use what fetchers emit"),
                );
            }
        }
    }
}

/// A folder is one for all objects under a parent: its id cannot depend on one of them.
fn folders_of_parents(catalogue: &Catalogue<'_>, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    let Some(slot) = object_type.layout.find("self") else { return };
    let exprs = object_type.forms.iter().flat_map(|form| &form.folders).flat_map(|folder| folder.id.exprs());
    for expr in exprs {
        for used in expr.uses().into_iter().filter(|used| used.slot == slot) {
            if let Some(span) = catalogue.expr(expr, used.start, used.end) {
                found.push(
                    span
                        .report("expr/unknown-name", "nothing is named `self` in a folder", "not known here")
                        .help("a folder is one for all objects under a parent: make its id of `parent`, as in `{{ parent.id }}-…`"),
                );
            }
        }
    }
}

fn parents(catalogue: &Catalogue<'_>, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    let known = |name: &Str| name.as_ref() == "environment" || catalogue.declared("object_type", name);
    let report = |span: super::Span, name: &Str, found: &mut Vec<Diagnostic>| {
        let mut diagnostic = span.report(
            "type/unknown-parent",
            format!("no object type is named `{name}`"),
            "not declared under object_types/",
        );
        diagnostic.help = catalogue.mean(name, catalogue.specs.object_types.keys());
        found.push(diagnostic);
    };
    for form in object_type.forms.iter().filter(|form| !known(&form.parent_type)) {
        let span = catalogue
            .at(&form.at)
            .and_then(|spot| spot.inside("parent"))
            .map_or_else(|| catalogue.span(&form.at, "parent"), |inside| inside.value("type"));
        report(span, &form.parent_type, found);
    }
    for attribute in object_type.attributes.values() {
        if let Some(name) = attribute.refers_to.as_ref().filter(|name| !known(name)) {
            report(catalogue.span(&attribute.at, "refers_to"), name, found);
        }
    }
}

/// What search looks at has to be declared or derived: a name that is only misspelt would never be missed.
fn searched(catalogue: &Catalogue<'_>, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    let Some(spot) = catalogue.spot("object_type", &object_type.head.name) else { return };
    let derived: BTreeSet<&Str> = object_type.derive.iter().map(|rule| &rule.attribute).collect();
    let known =
        |name: &str| object_type.attributes.contains_key(name) || derived.iter().any(|known| known.as_ref() == name);
    for (path, span) in object_type.search.iter().zip(spot.each("search")) {
        let name = path.split('.').next().unwrap_or(path);
        if known(path) || known(name) {
            continue;
        }
        let mut diagnostic = span.here().report(
            "expr/unknown-attribute",
            format!("`{}` has no attribute `{name}` to be found by", object_type.head.name),
            "neither declared nor derived",
        );
        diagnostic.help = catalogue.mean(name, object_type.attributes.keys().chain(derived.iter().copied()));
        found.push(diagnostic);
    }
}

fn folder_types(
    catalogue: &Catalogue<'_>,
    object_type: &ObjectType,
    folders: &mut BTreeMap<(Str, String), (Str, super::Span)>,
    found: &mut Vec<Diagnostic>,
) {
    for form in &object_type.forms {
        let Some(spot) = catalogue.at(&form.at) else { continue };
        for (folder, span) in form.folders.iter().zip(spot.each("folders")) {
            let Some(pattern) = span.node.get("id").and_then(|node| node.as_text()) else { continue };
            if catalogue.declared("object_type", &folder.folder_type) {
                let message = format!("`{}` is an object type", folder.folder_type);
                let told = span.value("type").report("type/folder-clash", message, "and cannot be a folder, too");
                found.push(told.help("give the type of the folder a name of its own"));
            }
            if !pattern.contains("{{") && form.parent_type.as_ref() != "environment" {
                let message = format!("all folders `{}` have one id", folder.folder_type);
                let told = span.value("id").report("type/folder-clash", message, "the same under every parent");
                found.push(told.help(format!("begin it with the parent's: `{{{{ parent.id }}}}-{pattern}`")));
            }
            let key = (form.parent_type.clone(), pattern.to_owned());
            match folders.get(&key) {
                Some((other, first)) if *other != folder.folder_type => {
                    let mut diagnostic = span
                        .value("type")
                        .report(
                            "type/folder-clash",
                            format!("one folder is both `{other}` and `{}`", folder.folder_type),
                            "another type for the same id",
                        )
                        .help("use one type, or another id");
                    diagnostic.others.push(first.label("the same id here"));
                    found.push(diagnostic);
                }
                Some(_) => {}
                None => {
                    folders.insert(key, (folder.folder_type.clone(), span.value("type")));
                }
            }
        }
    }
}

fn overwritten(catalogue: &Catalogue<'_>, facts: &Facts, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    for rule in &object_type.derive {
        let emit = facts.emits_of(&object_type.head.name).find(|emit| emit.keys.contains(&rule.attribute));
        if let Some(emit) = emit {
            let mut diagnostic = catalogue
                .span(&rule.at, "attribute")
                .report(
                    "derive/overwrites-fetched",
                    format!("`{}` is derived here, and emitted by the fetcher `{}`", rule.attribute, emit.fetcher),
                    "derived",
                )
                .help("give one of them another name");
            let span = catalogue
                .at(&emit.at)
                .and_then(|spot| spot.inside("set"))
                .map_or_else(|| catalogue.span(&emit.at, "emit"), |set| set.key(&rule.attribute));
            diagnostic.others.push(span.label("emitted"));
            found.push(diagnostic);
        }
    }
}

/// Declared attributes that nothing writes, where all that is written is known.
fn never_emitted(catalogue: &Catalogue<'_>, facts: &Facts, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    let name = &object_type.head.name;
    let emits: Vec<&Emit> = facts.emits_of(name).collect();
    if emits.is_empty() || emits.iter().any(|emit| emit.open) {
        return;
    }
    for (attribute, declared) in &object_type.attributes {
        let written = emits.iter().any(|emit| emit.keys.contains(attribute))
            || object_type.derive.iter().any(|rule| rule.attribute == *attribute);
        if !written {
            let span = catalogue
                .spots("object_type", name)
                .filter_map(|spot| spot.inside("attributes"))
                .find(|inside| inside.node.get(attribute).is_some())
                .map_or_else(|| catalogue.span(&declared.at, "type"), |inside| inside.key(attribute));
            found.push(
                span.report(
                    "type/never-emitted",
                    format!("nothing writes the attribute `{attribute}` of `{name}`"),
                    "never there",
                )
                .help("emit or derive it, or leave it out"),
            );
        }
    }
}

fn parent_circle(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    // A type is anchored when one of its forms leads to the environment, or to an anchored or unknown type.
    let types = &catalogue.specs.object_types;
    let mut anchored: BTreeSet<&Str> = BTreeSet::new();
    loop {
        let before = anchored.len();
        for (name, object_type) in types {
            let reaches = object_type
                .forms
                .iter()
                .any(|form| !types.contains_key(&form.parent_type) || anchored.contains(&form.parent_type));
            if reaches || object_type.forms.is_empty() {
                anchored.insert(name);
            }
        }
        if anchored.len() == before {
            break;
        }
    }
    if let Some((name, object_type)) = types.iter().find(|(name, _)| !anchored.contains(name))
        && let Some(form) = object_type.forms.first()
    {
        let others: Vec<String> =
            types.keys().filter(|known| !anchored.contains(known)).map(|known| format!("`{known}`")).collect();
        let span = catalogue
            .at(&form.at)
            .and_then(|spot| spot.inside("parent"))
            .map_or_else(|| catalogue.span(&form.at, "parent"), |inside| inside.value("type"));
        found.push(
            span.report(
                "type/parent-circle",
                format!("no form of `{name}` leads to the environment"),
                "goes round in a circle",
            )
            .help(format!("the types in the circle are {}", others.join(", "))),
        );
    }
}

/// All expressions of a rule.
fn rule_exprs(rule: &DeriveRule) -> Vec<&Expr> {
    let mut exprs = Vec::new();
    for end in [&rule.own, &rule.other] {
        exprs.extend(end.each.iter().flat_map(|each| each.generators.iter().map(|generator| &generator.over)));
        exprs.extend(end.when.iter().chain(&end.key));
    }
    exprs.extend(&rule.when);
    exprs.extend(rule.value.exprs());
    exprs
}

fn derive_circle(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let types = &catalogue.specs.object_types;
    let all: BTreeSet<(&Str, &Str)> = types
        .iter()
        .flat_map(|(name, object_type)| object_type.derive.iter().map(move |rule| (name, &rule.attribute)))
        .collect();
    let derived = |name: &Str, attribute: &Str| all.contains(&(name, attribute));
    let mut waits: BTreeMap<(Str, Str), BTreeSet<(Str, Str)>> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (name, object_type) in types {
        for rule in &object_type.derive {
            let node = (name.clone(), rule.attribute.clone());
            places.entry(node.clone()).or_insert(&rule.at);
            let entry = waits.entry(node).or_default();
            for (root, owner) in [("self", Some(name)), ("other", rule.from.as_ref())] {
                let Some(owner) = owner else { continue };
                for (_, attribute, ..) in read_of(object_type, root, rule_exprs(rule)) {
                    if derived(owner, &attribute) {
                        entry.insert((owner.clone(), attribute));
                    }
                }
            }
        }
    }
    // Take away what waits for nothing, until only circles and what waits for them are left.
    let mut waiting: BTreeMap<(Str, Str), Vec<(Str, Str)>> = BTreeMap::new();
    let mut n_open: BTreeMap<(Str, Str), usize> = BTreeMap::new();
    for (node, on) in &waits {
        n_open.insert(node.clone(), on.len());
        for other in on {
            waiting.entry(other.clone()).or_default().push(node.clone());
        }
    }
    let mut ready: Vec<(Str, Str)> =
        n_open.iter().filter(|(_, n_open)| **n_open == 0).map(|(node, _)| node.clone()).collect();
    while let Some(node) = ready.pop() {
        waits.remove(&node);
        for other in waiting.remove(&node).unwrap_or_default() {
            if let Some(n_open) = n_open.get_mut(&other) {
                *n_open -= 1;
                if *n_open == 0 {
                    ready.push(other);
                }
            }
        }
    }
    let Some(start) = waits.keys().next().cloned() else { return };
    let mut path = vec![start];
    while let Some(next) = path
        .last()
        .and_then(|last| waits.get(last))
        .and_then(|on| on.iter().find(|on| waits.contains_key(*on)))
        .cloned()
    {
        if let Some(first) = path.iter().position(|known| *known == next) {
            path.drain(..first);
            break;
        }
        path.push(next);
    }
    let shown: Vec<String> =
        path.iter().chain(path.first()).map(|(name, attribute)| format!("{name}.{attribute}")).collect();
    if let Some(at) = path.first().and_then(|node| places.get(node)) {
        found.push(
            catalogue
                .span(at, "attribute")
                .report("derive/circle", "derived attributes wait for each other", "in the circle")
                .help(format!("the circle is {}", shown.join(" → "))),
        );
    }
}

/// Whether a form can be that of what an emit writes: `Some` where its constants decide.
fn decided(object_type: &ObjectType, form: &Form, emit: &Emit) -> Option<bool> {
    let Some(when) = &form.when else { return Some(true) };
    let reads = read_of(object_type, "self", vec![when]);
    if when.uses().len() != reads.len()
        || !reads
            .iter()
            .all(|(_, name, ..)| emit.constants.contains_key(name) || (!emit.open && !emit.keys.contains(name)))
    {
        return None;
    }
    let document: Map = emit.constants.iter().map(|(key, text)| (key.clone(), Value::Str(text.clone()))).collect();
    let mut frame = Frame::new(object_type.layout.len());
    frame.set(object_type.layout.find("self")?, document);
    when.holds(&frame, &mut Fuel::default()).ok()
}

fn emitted_identity(catalogue: &Catalogue<'_>, facts: &Facts, emit: &Emit, found: &mut Vec<Diagnostic>) {
    let Some(object_type) = catalogue.specs.object_types.get(&emit.object_type) else { return };
    if emit.open {
        return;
    }
    let extends =
        catalogue.specs.fetchers.get(&emit.fetcher).is_some_and(|fetcher| fetcher.extends.contains(&emit.object_type));
    let mut missing: Option<Vec<Str>> = None;
    for form in &object_type.forms {
        let holds = decided(object_type, form, emit);
        if holds == Some(false) {
            continue;
        }
        // What only extends an object need not say where it stands.
        let parent = form.parent_id.iter().filter(|_| !extends).flat_map(|tree| tree.exprs());
        let exprs = form.id.exprs().into_iter().chain(parent).collect();
        let lacks: Vec<Str> = read_of(object_type, "self", exprs)
            .into_iter()
            .filter(|(_, name, _, _, guarded)| {
                !guarded
                    && !emit.keys.contains(name)
                    && !facts.types.get(&emit.object_type).is_some_and(|known| known.derived.contains_key(name))
                    && (!COMMON.contains(&name.as_ref()) || ["id", "name", "host"].contains(&name.as_ref()))
            })
            .map(|(_, name, ..)| name)
            .collect();
        if lacks.is_empty() {
            return;
        }
        missing.get_or_insert(lacks);
        if holds == Some(true) {
            break;
        }
    }
    let Some(missing) = missing else { return };
    let listed: Vec<String> =
        missing.iter().collect::<BTreeSet<_>>().into_iter().map(|name| format!("`{name}`")).collect();
    found.push(
        catalogue
            .span(&emit.at, "emit")
            .report(
                "type/identity-not-emitted",
                format!("this never sets {}, which the identity of `{}` needs", listed.join(", "), emit.object_type),
                "would have no identity",
            )
            .help(format!("set it, or look at the forms in object_types/{}.yaml", emit.object_type)),
    );
}
