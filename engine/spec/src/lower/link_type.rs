//! Link types.

use std::sync::Arc;

use crate::{
    checked::{LinkRule, LinkType, TakeRules},
    decode::{Cx, Fields, help, list},
    lower::{
        head,
        object_type::{end, other_end},
        selector::selector,
    },
    scope::{Scope, expr, tree, trees},
    yaml::Node,
};

const ROOTS: &[&str] = &["env", "dist", "from", "to"];

pub(crate) fn link_type(cx: &mut Cx<'_>, node: &Node) -> Option<LinkType> {
    let mut fields = Fields::open(cx, node, "a link type")?;
    let head = head(cx, &mut fields);
    let from = fields.need_text(cx, "from");
    let to = fields.need_text(cx, "to");
    let environment = selector(cx, fields.take("environment"));
    let take = match fields.word(cx, "take", &["all_rules", "first_rule"]).as_deref() {
        Some("first_rule") => TakeRules::First,
        _ => TakeRules::All,
    };
    let (mut from_one, mut to_one) = (false, false);
    if let Some(mut inner) = fields.take("cardinality").and_then(|node| Fields::open(cx, node, "`cardinality`")) {
        from_one = inner.word(cx, "from", &["one", "many"]).as_deref() == Some("one");
        to_one = inner.word(cx, "to", &["one", "many"]).as_deref() == Some("one");
        inner.finish(cx);
    }
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
