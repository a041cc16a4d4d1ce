//! Distributions.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Map, Str};

use crate::{
    checked::{CommandRule, CommandRun, Distribution, Replace, Variance},
    decode::{Cx, Fields, list, map, names},
    lower::{
        head, report_changed,
        selector::{selector, version},
    },
    scope::{Scope, constant, expr, words},
    yaml::{Node, NodeKind},
};

/// What a variance may support.
const FEATURES: &[&str] = &["scanning", "listening", "monitoring"];

/// A whole distribution.
pub(crate) fn distribution(cx: &mut Cx<'_>, node: &Node) -> Option<Distribution> {
    read(cx, node, false)
}

/// A distribution with what a later layer adds: its command rules come before, everything else behind.
pub(crate) fn extension(cx: &mut Cx<'_>, node: &Node, base: &Distribution) -> Option<Distribution> {
    let more = read(cx, node, true)?;
    if !more.platform.is_empty() && more.platform != base.platform {
        report_changed(cx, node, "platform", &base.platform, &base.head.at);
    }
    let mut merged = base.clone();
    merged.versions.extend(more.versions.into_iter().filter(|version| !base.versions.contains(version)));
    merged.variances.extend(more.variances);
    merged.values.extend(more.values);
    merged.commands = more.commands.into_iter().chain(merged.commands).collect();
    merged.settings.extend(more.settings);
    merged.replaces.extend(more.replaces);
    Some(merged)
}

fn read(cx: &mut Cx<'_>, node: &Node, extends: bool) -> Option<Distribution> {
    let mut fields = Fields::open(cx, node, "a distribution")?;
    let head = head(cx, &mut fields);
    fields.bool(cx, "extends");
    let (platform, versions) = if extends {
        (fields.text(cx, "platform"), Some(names(fields.texts(cx, "versions"))))
    } else {
        (
            fields.need_text(cx, "platform"),
            fields.need(cx, "versions").map(|node| names(crate::decode::texts(cx, node, "versions"))),
        )
    };
    let variances = items(cx, &mut fields, "variances").iter().filter_map(|node| variance(cx, node)).collect();
    let values = items(cx, &mut fields, "values")
        .iter()
        .filter_map(|node| {
            let mut inner = Fields::open(cx, node, "values")?;
            let versions = version(cx, inner.take("versions"));
            let set = inner.need(cx, "set").map(|node| constant(cx, node))?;
            inner.finish(cx);
            Some((versions, set.as_map().cloned().unwrap_or_else(Map::new)))
        })
        .collect();
    let commands = items(cx, &mut fields, "commands").iter().filter_map(|node| command(cx, node)).collect();
    let mut settings = Vec::new();
    for node in items(cx, &mut fields, "settings") {
        let NodeKind::Map(entries) = &node.kind else {
            cx.wrong_type(node, "settings", "a list of maps");
            continue;
        };
        let versions =
            version(cx, entries.iter().find(|(key, _)| key.name.as_ref() == "versions").map(|(_, node)| node));
        for (fetcher, node) in entries.iter().filter(|(key, _)| key.name.as_ref() != "versions") {
            for (setting, value) in map(cx, node, "settings").unwrap_or_default() {
                settings.push((versions.clone(), fetcher.name.clone(), setting.name.clone(), constant(cx, value)));
            }
        }
    }
    let replaces = items(cx, &mut fields, "replaces")
        .iter()
        .filter_map(|node| {
            let mut inner = Fields::open(cx, node, "a replacement")?;
            let at = cx.at(&node.range);
            let kind = inner.word(cx, "kind", &["fetcher", "link_type", "clique_type"]);
            let (name, with) = (inner.need_text(cx, "name"), inner.need_text(cx, "with"));
            let versions = version(cx, inner.take("versions"));
            inner.finish(cx);
            Some(Replace { at, kind: kind?, name: name?, with: with?, versions })
        })
        .collect();
    fields.finish(cx);
    Some(Distribution {
        head: head?,
        platform: platform.unwrap_or_else(|| Str::from("")),
        versions: versions.unwrap_or_default(),
        variances,
        values,
        commands,
        settings,
        replaces,
    })
}

fn items<'n>(cx: &mut Cx<'_>, fields: &mut Fields<'n>, key: &'static str) -> &'n [Node] {
    fields.take(key).and_then(|node| list(cx, node, key)).unwrap_or_default()
}

fn variance(cx: &mut Cx<'_>, node: &Node) -> Option<Variance> {
    let mut fields = Fields::open(cx, node, "a variance")?;
    let versions = version(cx, fields.take("versions"));
    let mechanism_drivers = names(fields.texts(cx, "mechanism_drivers"));
    let type_drivers = names(fields.texts(cx, "type_drivers"));
    let features = fields
        .take("features")
        .and_then(|node| map(cx, node, "features"))
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, node)| match node.kind {
            _ if !FEATURES.contains(&key.name.as_ref()) => {
                let near = calipso_expr::nearest(&key.name, FEATURES.iter().copied());
                cx.report(
                    "spec/unknown-key",
                    &key.range,
                    format!("there is no feature `{}`", key.name),
                    "unknown key",
                )
                .help = near.map_or_else(
                    || Some("features are `scanning`, `listening` and `monitoring`".to_owned()),
                    |near| Some(format!("did you mean `{near}`?")),
                );
                None
            }
            NodeKind::Bool(flag) => Some((key.name.clone(), flag)),
            _ => {
                cx.wrong_type(node, &key.name, "`true` or `false`");
                None
            }
        })
        .collect::<BTreeMap<_, _>>();
    fields.finish(cx);
    Some(Variance { versions, mechanism_drivers, type_drivers, features })
}

fn command(cx: &mut Cx<'_>, node: &Node) -> Option<CommandRule> {
    let mut fields = Fields::open(cx, node, "a command rule")?;
    let at = cx.at(&node.range);
    let name = fields.need_text(cx, "name");
    let versions = version(cx, fields.take("versions"));
    let environment = selector(cx, fields.take("environment"));
    let match_any = fields.need(cx, "match_any").map(|node| {
        names(crate::decode::texts(cx, node, "match_any"))
            .iter()
            .map(|pattern| pattern.split_whitespace().map(Str::from).collect())
            .collect()
    });
    let mut scope = Scope::new(&["env", "dist", "command", "answer"]);
    scope.show(&["env", "dist"]);
    let run_nodes = fields.need(cx, "run").and_then(|node| list(cx, node, "run")).unwrap_or_default();
    let run = run_nodes
        .iter()
        .filter_map(|node| {
            let mut inner = Fields::open(cx, node, "`run`")?;
            let command_node = inner.need(cx, "command");
            let none_if_node = inner.take("none_if");
            inner.finish(cx);
            let command =
                scope.within(&["command"], |scope| command_node.and_then(|node| words(cx, node, "command", scope)));
            let none_if =
                scope.within(&["answer"], |scope| none_if_node.and_then(|node| expr(cx, node, "none_if", scope)));
            Some(CommandRun { command: command?, none_if })
        })
        .collect();
    fields.finish(cx);
    Some(CommandRule {
        at,
        name: name?,
        versions,
        environment,
        match_any: match_any?,
        run,
        layout: Arc::new(scope.layout),
    })
}
