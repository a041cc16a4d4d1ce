//! Expressions outside of fetchers: object types, link types, connections, command rules.

use std::collections::{BTreeMap, BTreeSet};

use calipso_expr::shape::Shape;
use calipso_model::Str;

use super::{
    super::{Catalogue, attributes::Facts},
    answer, common_roots, fields,
    walk::Walk,
};
use crate::{
    checked::{Connection, DeriveRule, JoinEnd, LinkRule, LinkType, ObjectType, Step, Verb},
    diag::Diagnostic,
};

pub(super) fn check(catalogue: &Catalogue<'_>, facts: &Facts, found: &mut Vec<Diagnostic>) {
    for object_type in catalogue.specs.object_types.values() {
        of_object_type(catalogue, facts, object_type, found);
    }
    for link_type in catalogue.specs.link_types.values() {
        for rule in &link_type.rules {
            of_link_rule(catalogue, facts, link_type, rule, found);
        }
    }
    for connection in catalogue.specs.connections.values() {
        of_connection(catalogue, facts, connection, found);
    }
    for rule in catalogue.specs.distributions.values().flat_map(|distribution| &distribution.commands) {
        let mut walk = Walk::new(catalogue, Some(facts), &rule.layout);
        common_roots(&mut walk, &rule.layout);
        walk.set(&rule.layout, "command", Shape::list(Shape::Text));
        for run in &rule.run {
            run.command.exprs().into_iter().for_each(|expr| {
                walk.expr(expr);
            });
            if let Some(none_if) = &run.none_if {
                walk.expr(none_if);
            }
        }
        found.append(&mut walk.found);
    }
}

fn of_object_type(catalogue: &Catalogue<'_>, facts: &Facts, object_type: &ObjectType, found: &mut Vec<Diagnostic>) {
    let (name, layout) = (&object_type.head.name, &object_type.layout);
    let mut walk = Walk::new(catalogue, Some(facts), layout);
    common_roots(&mut walk, layout);
    // What identity may read of derived attributes is a matter of its own.
    walk.set(layout, "self", facts.with_derived(name));
    if let Some(newest_by) = &object_type.newest_by {
        walk.expr(newest_by);
    }
    for form in &object_type.forms {
        walk.guarded(form.when.as_ref(), |walk| {
            walk.tree(&form.id);
            walk.tree(&form.display_name);
            if let Some(tree) = &form.object_name {
                walk.tree(tree);
            }
            if let Some(tree) = &form.parent_id {
                walk.tree(tree);
            }
            let parent = if form.parent_type.as_ref() == "environment" {
                Shape::Any
            } else {
                facts.with_derived(&form.parent_type)
            };
            walk.set(layout, "parent", parent);
            for folder in &form.folders {
                walk.tree(&folder.id);
            }
        });
    }
    for rule in &object_type.derive {
        of_derive(&mut walk, facts, object_type, rule);
    }
    found.append(&mut walk.found);
}

fn of_derive(walk: &mut Walk<'_>, facts: &Facts, object_type: &ObjectType, rule: &DeriveRule) {
    if let Some(from) = &rule.from {
        walk.set(&object_type.layout, "other", facts.with_derived(from));
    }
    ends(walk, &rule.own, &rule.other, |walk| {
        walk.guarded(rule.when.as_ref(), |walk| {
            walk.tree(&rule.value);
        });
    });
}

/// Both ends, then what sees them both.
fn ends(walk: &mut Walk<'_>, first: &JoinEnd, second: &JoinEnd, run: impl FnOnce(&mut Walk<'_>)) {
    for end in [first, second] {
        if let Some(each) = &end.each {
            walk.each(each);
        }
        walk.guarded(end.when.as_ref(), |walk| {
            if let Some(key) = &end.key {
                walk.expr(key);
            }
        });
    }
    walk.guarded(first.when.as_ref(), |walk| walk.guarded(second.when.as_ref(), run));
}

fn of_link_rule(
    catalogue: &Catalogue<'_>,
    facts: &Facts,
    link_type: &LinkType,
    rule: &LinkRule,
    found: &mut Vec<Diagnostic>,
) {
    let mut walk = Walk::new(catalogue, Some(facts), &link_type.layout);
    common_roots(&mut walk, &link_type.layout);
    walk.set(&link_type.layout, "from", facts.with_derived(&link_type.from));
    walk.set(&link_type.layout, "to", facts.with_derived(&link_type.to));
    ends(&mut walk, &rule.from, &rule.to, |walk| {
        walk.guarded(rule.when.as_ref(), |walk| {
            for tree in [&rule.link_name, &rule.state, &rule.host, &rule.switch].into_iter().flatten() {
                walk.tree(tree);
            }
            walk.trees(&rule.attributes);
        });
    });
    // Conditions were judged once when their end was read.
    crate::diag::sort(&mut walk.found);
    found.append(&mut walk.found);
}

/// What is known of the objects at which commands run.
fn hosts(catalogue: &Catalogue<'_>, facts: &Facts) -> Shape {
    let runs = |steps: &[Step]| {
        let mut all = Vec::new();
        super::super::walk(steps, &mut all);
        all.iter().any(|step| matches!(step.verb, Verb::Run(_)))
    };
    let types: BTreeSet<&Str> = catalogue
        .specs
        .fetchers
        .values()
        .filter(|fetcher| runs(&fetcher.steps))
        .map(|fetcher| &fetcher.under)
        .filter(|name| catalogue.specs.object_types.contains_key(*name))
        .collect();
    let mut known = BTreeMap::new();
    for name in types {
        if let Shape::Map { known: more, .. } = facts.with_derived(name) {
            known.extend(more.into_keys().map(|key| (key, (Shape::Any, false))));
        }
    }
    Shape::Map { known, open: true }
}

fn of_connection(catalogue: &Catalogue<'_>, facts: &Facts, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let layout = &connection.layout;
    let mut walk = Walk::new(catalogue, Some(facts), layout);
    common_roots(&mut walk, layout);
    walk.set(layout, "config", fields(&connection.fields));
    let target: BTreeMap<_, _> = connection.target.keys().map(|name| (name.clone(), (Shape::Any, false))).collect();
    // Over ssh the target is a host, with whatever is known of it.
    let target = if target.is_empty() { hosts(catalogue, facts) } else { Shape::Map { known: target, open: false } };
    walk.set(layout, "target", target);
    walk.set(layout, "answer", answer());
    walk.set(layout, "items", Shape::list(Shape::Any));
    walk.set(layout, "list", Shape::Text);
    walk.set(layout, "page_number", Shape::Int);
    walk.set(layout, "command", Shape::list(Shape::Text));
    for tree in connection.target.values().filter_map(|field| field.default.as_ref()) {
        walk.tree(tree);
    }
    walk.steps(&connection.login);
    let mut session = BTreeMap::new();
    for value in &connection.session {
        session.insert(value.name.clone(), (walk.tree(&value.value), false));
    }
    if let Some(expires_at) = &connection.expires_at {
        walk.expr(expires_at);
    }
    // What is read of `session` but not set has a code of its own.
    walk.set(layout, "session", Shape::Map { known: session, open: true });
    walk.steps(&connection.refresh);
    for expr in [&connection.login_again_if, &connection.base].into_iter().flatten() {
        walk.expr(expr);
    }
    walk.trees(&connection.send_headers);
    if let Some(basic) = &connection.send_basic {
        walk.tree(&basic.user);
        walk.tree(&basic.password);
    }
    for page in &connection.pages {
        walk.guarded(page.when.as_ref(), |walk| {
            walk.trees(&page.query);
            walk.expr(&page.next);
        });
    }
    if let Some(own) = &connection.own {
        let shape = walk.expr(own);
        walk.set(layout, "own", shape);
    }
    walk.trees(&connection.connect);
    if let Some(jump) = &connection.jump {
        walk.guarded(jump.when.as_ref(), |walk| walk.trees(&jump.connect));
    }
    for wrap in &connection.wrap {
        walk.guarded(wrap.when.as_ref(), |walk| {
            wrap.command.exprs().into_iter().for_each(|expr| {
                walk.expr(expr);
            });
        });
    }
    walk.trees(&connection.identifiers);
    walk.steps(&connection.test);
    found.append(&mut walk.found);
}
