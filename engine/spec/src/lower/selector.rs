//! Selectors of environments and versions.

use calipso_model::Str;

use crate::{
    checked::{ListCondition, Selector, VersionCondition},
    decode::{Cx, Fields, help, names},
    yaml::{Node, NodeKind},
};

/// Reads `environment:`, the selector of a spec.
pub(crate) fn selector(cx: &mut Cx<'_>, node: Option<&Node>) -> Selector {
    let mut selector = Selector::default();
    let Some(node) = node else { return selector };
    let Some(mut fields) = Fields::open(cx, node, "`environment`") else { return selector };
    for (key, target) in [
        ("name", &mut selector.name),
        ("platform", &mut selector.platform),
        ("distribution", &mut selector.distribution),
        ("mechanism_drivers", &mut selector.mechanism_drivers),
        ("type_drivers", &mut selector.type_drivers),
        ("flags", &mut selector.flags),
    ] {
        if let Some(node) = fields.take(key) {
            *target = list(cx, node, key);
        }
    }
    if let Some(node) = fields.take("version") {
        selector.version = version(cx, Some(node));
        let one = selector
            .distribution
            .as_ref()
            .and_then(|condition| condition.any_of.as_ref())
            .is_some_and(|names| names.len() == 1);
        if !one {
            help(
                cx.report(
                    "environment/version-without-distribution",
                    &node.range,
                    "a version selector needs exactly one distribution",
                    "versions of what?",
                ),
                "add `distribution: {any_of: [NAME]}`",
            );
        }
    }
    fields.finish(cx);
    selector
}

/// Whether a condition is written as one: a map. A mere value or list of values is the usual mistake.
fn is_condition(cx: &mut Cx<'_>, node: &Node, what: &str) -> bool {
    let written = cx.text.get(node.range.clone()).unwrap_or_default();
    let meant = match node.kind {
        NodeKind::Map(_) | NodeKind::Null => return true,
        NodeKind::List(_) => format!("{{any_of: {written}}}"),
        _ => format!("{{any_of: [{written}]}}"),
    };
    let message = format!("{what} must be a map, not {}", node.kind_name());
    help(
        cx.report("spec/wrong-type", &node.range, message, "expected a map"),
        format!("write `{meant}`; `none_of` and others are in the reference"),
    );
    false
}

fn list(cx: &mut Cx<'_>, node: &Node, key: &str) -> Option<ListCondition> {
    if !is_condition(cx, node, &format!("`{key}`")) {
        return None;
    }
    let mut fields = Fields::open(cx, node, &format!("`{key}`"))?;
    let mut take = |name| fields.texts(cx, name).map(|found| names(Some(found)));
    let condition = ListCondition { any_of: take("any_of"), all_of: take("all_of"), none_of: take("none_of") };
    fields.finish(cx);
    Some(condition)
}

/// `versions:` and `version:`.
pub(crate) fn version(cx: &mut Cx<'_>, node: Option<&Node>) -> Option<VersionCondition> {
    let node = node?;
    if !is_condition(cx, node, "a version condition") {
        return None;
    }
    let mut fields = Fields::open(cx, node, "a version condition")?;
    let mut take = |name| -> Option<Vec<Str>> { fields.texts(cx, name).map(|found| names(Some(found))) };
    let (any_of, none_of) = (take("any_of"), take("none_of"));
    let condition =
        VersionCondition { any_of, none_of, at_least: fields.text(cx, "at_least"), below: fields.text(cx, "below") };
    fields.finish(cx);
    Some(condition)
}
