//! Link types.

use std::sync::Arc;

use crate::{
    checked::{LinkRule, LinkType, TakeRules},
    decode::{Cx, Fields, help, list},
    lower::{
        head,
        object_type::{end, other_end},
        report_changed, report_repeated,
        selector::selector,
        whole_only,
    },
    scope::{Scope, expr, tree, trees},
    yaml::Node,
};

const ROOTS: &[&str] = &["env", "dist", "from", "to"];

pub(crate) fn link_type(cx: &mut Cx<'_>, node: &Node) -> Option<LinkType> {
    let mut fields = Fields::open(cx, node, "a link type")?;
    let head = head(cx, &mut fields);
    fields.bool(cx, "extends");
    let from = fields.need_text(cx, "from");
    let to = fields.need_text(cx, "to");
    let environment = selector(cx, fields.take("environment"));
    let take = take(cx, &mut fields).unwrap_or(TakeRules::All);
    let [from_one, to_one] = cardinality(cx, &mut fields).map(|one| one.unwrap_or(false));
    let mut scope = Scope::new(ROOTS);
    scope.show(&["env", "dist"]);
    let rules = fields
        .need(cx, "rules")
        .and_then(|node| list(cx, node, "rules"))
        .unwrap_or_default()
        .iter()
        .filter_map(|node| rule(cx, node, &mut scope))
        .collect();
    let name_node = fields.take("name");
    fields.finish(cx);
    let (head, from, to) = (head?, from?, to?);
    if head.name.as_ref() != format!("{from}-{to}")
        && let Some(node) = name_node
    {
        help(
            cx.report(
                "link/bad-name",
                &node.range,
                format!("a link type from `{from}` to `{to}` is not named `{}`", head.name),
                "FROM-TO",
            ),
            format!("name it `{from}-{to}`"),
        );
    }
    Some(LinkType { head, from, to, environment, take, from_one, to_one, rules, layout: Arc::new(scope.layout) })
}

fn take(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> Option<TakeRules> {
    let word = fields.word(cx, "take", &["all_rules", "first_rule"])?;
    Some(if word.as_ref() == "first_rule" { TakeRules::First } else { TakeRules::All })
}

/// Whether there is at most one link per source, and per target, if stated.
fn cardinality(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> [Option<bool>; 2] {
    let inner = fields.take("cardinality").and_then(|node| Fields::open(cx, node, "`cardinality`"));
    let Some(mut inner) = inner else { return [None, None] };
    let found = ["from", "to"].map(|end| inner.word(cx, end, &["one", "many"]).map(|word| word.as_ref() == "one"));
    inner.finish(cx);
    found
}

/// A link type with what a later layer adds: rules behind those that are there.
pub(crate) fn extension(cx: &mut Cx<'_>, node: &Node, base: &LinkType) -> Option<LinkType> {
    let mut fields = Fields::open(cx, node, "a link type")?;
    head(cx, &mut fields)?;
    fields.bool(cx, "extends");
    let at = &base.head.at;
    for (key, has) in [("from", &base.from), ("to", &base.to)] {
        if fields.text(cx, key).is_some_and(|given| given != *has) {
            report_changed(cx, node, key, has, at);
        }
    }
    whole_only(cx, &mut fields, "environment", "give each of the new rules its own `environment`");
    if take(cx, &mut fields).is_some_and(|given| given != base.take) {
        let has = if base.take == TakeRules::First { "first_rule" } else { "all_rules" };
        report_changed(cx, node, "take", has, at);
    }
    let given = cardinality(cx, &mut fields);
    if given.iter().zip([base.from_one, base.to_one]).any(|(given, has)| given.is_some_and(|given| given != has)) {
        let word = |one: bool| if one { "one" } else { "many" };
        let has = format!("{{from: {}, to: {}}}", word(base.from_one), word(base.to_one));
        report_changed(cx, node, "cardinality", &has, at);
    }
    let mut scope = Scope::over(&base.layout, ROOTS.len());
    scope.show(&["env", "dist"]);
    let mut merged = base.clone();
    for node in fields.take("rules").and_then(|node| list(cx, node, "rules")).unwrap_or_default() {
        let Some(rule) = rule(cx, node, &mut scope) else { continue };
        if let Some(first) = merged.rules.iter().find(|known| known.name == rule.name) {
            let range = node.get("name").map_or_else(|| node.range.clone(), |name| name.range.clone());
            report_repeated(cx, &range, &format!("the rule `{}`", rule.name), &first.at, "give it another name");
        }
        merged.rules.push(rule);
    }
    fields.finish(cx);
    merged.layout = Arc::new(scope.layout);
    Some(merged)
}

fn rule(cx: &mut Cx<'_>, node: &Node, scope: &mut Scope) -> Option<LinkRule> {
    let mut fields = Fields::open(cx, node, "a rule")?;
    let at = cx.at(&node.range);
    let name = fields.need_text(cx, "name");
    let environment = selector(cx, fields.take("environment"));
    let (from_node, to_node) = (fields.need(cx, "from"), fields.need(cx, "to"));
    let (when_node, link_node) = (fields.take("when"), fields.take("link"));
    fields.finish(cx);
    scope.within(&["from"], |scope| {
        let from = scope.end_of(&["from", "to"], |scope| end(cx, from_node, "`from`", scope));
        let to = other_end(cx, to_node, scope, "from", "to");
        let when = when_node.and_then(|node| expr(cx, node, "when", scope));
        let mut rule = LinkRule {
            at,
            name: name?,
            environment,
            from,
            to,
            when,
            link_name: None,
            state: None,
            host: None,
            switch: None,
            attributes: Vec::new(),
        };
        if let Some(mut link) = link_node.and_then(|node| Fields::open(cx, node, "`link`")) {
            rule.link_name = link.take("name").and_then(|node| tree(cx, node, scope));
            let state_node = link.take("state");
            rule.state = state_node.and_then(|node| tree(cx, node, scope));
            if let (Some(node), Some(calipso_expr::Tree::Const(calipso_model::Value::Str(state)))) =
                (state_node, &rule.state)
                && !["up", "down"].contains(&state.as_ref())
            {
                cx.wrong_type(node, "state", "`up` or `down`");
            }
            rule.host = link.take("host").and_then(|node| tree(cx, node, scope));
            rule.switch = link.take("switch").and_then(|node| tree(cx, node, scope));
            rule.attributes = trees(cx, link.take("attributes"), "attributes", scope);
            link.finish(cx);
        }
        Some(rule)
    })
}
