//! Clique types. Which way a path entry is walked is resolved when all link types are known.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Str;

use crate::{
    checked::{CliqueType, PathStep, Specs},
    decode::{Cx, Fields, names},
    lower::{head, report_changed, report_repeated, selector::selector, whole_only},
    yaml::Node,
};

pub(crate) fn clique_type(cx: &mut Cx<'_>, node: &Node) -> Option<CliqueType> {
    let mut fields = Fields::open(cx, node, "a clique type")?;
    let head = head(cx, &mut fields);
    fields.bool(cx, "extends");
    let focal_point = fields.need_text(cx, "focal_point");
    let environment = selector(cx, fields.take("environment"));
    let path = match fields.need(cx, "path") {
        Some(node) => crate::decode::texts(cx, node, "path").unwrap_or_default(),
        None => Vec::new(),
    };
    let constraints = names(fields.texts(cx, "constraints"));
    let implicit_links = fields.bool(cx, "implicit_links").unwrap_or(false);
    fields.finish(cx);
    Some(CliqueType {
        head: head?,
        focal_point: focal_point?,
        environment,
        path: path.into_iter().map(|(written, _)| entry(written)).collect(),
        constraints,
        implicit_links,
    })
}

fn entry(written: Str) -> PathStep {
    PathStep { link_type: written.clone(), written, backwards: false }
}

/// A clique type with what a later layer adds: entries at the end of the path, and constraints.
pub(crate) fn extension(cx: &mut Cx<'_>, node: &Node, base: &CliqueType) -> Option<CliqueType> {
    let mut fields = Fields::open(cx, node, "a clique type")?;
    head(cx, &mut fields)?;
    fields.bool(cx, "extends");
    let mut merged = base.clone();
    if fields.text(cx, "focal_point").is_some_and(|given| given != base.focal_point) {
        report_changed(cx, node, "focal_point", &base.focal_point, &base.head.at);
    }
    whole_only(cx, &mut fields, "environment", "the environments are those of the clique type that is extended");
    if fields.bool(cx, "implicit_links").is_some_and(|given| given != base.implicit_links) {
        report_changed(cx, node, "implicit_links", &base.implicit_links.to_string(), &base.head.at);
    }
    merged.path.extend(fields.texts(cx, "path").unwrap_or_default().into_iter().map(|(written, _)| entry(written)));
    for (constraint, range) in fields.texts(cx, "constraints").unwrap_or_default() {
        if merged.constraints.contains(&constraint) {
            let what = format!("the constraint `{constraint}`");
            report_repeated(cx, &range, &what, &base.head.at, "leave it out: it holds for the whole path");
        } else {
            merged.constraints.push(constraint);
        }
    }
    fields.finish(cx);
    Some(merged)
}

/// Finds the declared link type of each path entry, and whether the entry walks it backwards. Needs all link types.
pub(crate) fn resolve_paths(specs: &mut Specs) {
    let reversed: BTreeMap<String, Str> =
        specs.link_types.values().map(|link| (format!("{}-{}", link.to, link.from), link.head.name.clone())).collect();
    for clique in specs.clique_types.values_mut() {
        let mut resolved = (**clique).clone();
        for step in &mut resolved.path {
            if specs.link_types.contains_key(&step.written) {
                continue;
            }
            if let Some(name) = reversed.get(step.written.as_ref()) {
                step.link_type = name.clone();
                step.backwards = true;
            }
        }
        *clique = Arc::new(resolved);
    }
}
