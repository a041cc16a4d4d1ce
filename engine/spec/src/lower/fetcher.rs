//! Fetchers.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Str;

use crate::{
    checked::{AttributeType, Block, Fetcher, FetcherSetting, Step, Verb},
    decode::{Cx, Fields, MOST_ENTRIES, map, names, not_endless, text, texts},
    lower::{
        head,
        parser::Named,
        selector::selector,
        step::{self, StepListKind, steps},
    },
    scope::{Scope, constant, expr},
    yaml::Node,
};

/// Names that every fetcher's layout begins with.
pub(crate) const ROOTS: &[&str] = &["env", "dist", "parent", "narrow", "settings", "answer", "result", "row"];

pub(crate) fn fetcher(cx: &mut Cx<'_>, node: &Node, parsers: &Named) -> Option<Fetcher> {
    let mut fields = Fields::open(cx, node, "a fetcher")?;
    let head = head(cx, &mut fields);
    let environment = selector(cx, fields.take("environment"));
    let under = fields.need_text(cx, "under");
    let emits = names(fields.texts(cx, "emits"));
    let extends = names(fields.texts(cx, "extends"));
    let mut scope = Scope::new(ROOTS);
    scope.show(&["env", "dist", "parent", "narrow", "settings"]);
    let when = fields.take("when").and_then(|node| expr(cx, node, "when", &scope));
    let narrow_by = fields
        .take("narrow_by")
        .and_then(|node| map(cx, node, "narrow_by"))
        .unwrap_or_default()
        .iter()
        .map(|(key, node)| (key.name.clone(), names(texts(cx, node, "narrow_by"))))
        .collect();
    let settings = fields
        .take("settings")
        .and_then(|node| {
            not_endless(cx, node, "settings");
            map(cx, node, "settings")
        })
        .unwrap_or_default()
        .iter()
        .take(MOST_ENTRIES)
        .filter_map(|(key, node)| Some((key.name.clone(), setting(cx, node)?)))
        .collect::<BTreeMap<_, _>>();
    let defaults = step::StepContext {
        kind: StepListKind::Fetcher,
        parsers,
        at: fields.take("at"),
        via: fields.text(cx, "via"),
        target: fields.take("target"),
    };
    let steps = match fields.need(cx, "steps") {
        Some(node) => steps(cx, node, "steps", &mut scope, &defaults),
        None => Vec::new(),
    };
    fields.finish(cx);
    let mut reads = Vec::new();
    looked_up(&steps, &mut reads);
    Some(Fetcher {
        head: head?,
        environment,
        under: under?,
        emits,
        extends,
        when,
        narrow_by,
        settings,
        steps,
        reads,
        layout: Arc::new(scope.layout),
    })
}

fn setting(cx: &mut Cx<'_>, node: &Node) -> Option<FetcherSetting> {
    let mut fields = Fields::open(cx, node, "a setting")?;
    let type_node = fields.need(cx, "type");
    let setting_type = type_node.and_then(|node| attribute_type(cx, node));
    let default = fields.need(cx, "default").map(|node| constant(cx, node));
    let description = fields.text(cx, "description").unwrap_or_else(|| Str::from(""));
    fields.finish(cx);
    Some(FetcherSetting { setting_type: setting_type?, default: default?, description })
}

/// The type of an attribute.
pub(crate) fn attribute_type(cx: &mut Cx<'_>, node: &Node) -> Option<AttributeType> {
    Some(match text(cx, node, "type")?.as_ref() {
        "text" => AttributeType::Text,
        "integer" => AttributeType::Integer,
        "number" => AttributeType::Number,
        "bool" => AttributeType::Bool,
        "ip" => AttributeType::Ip,
        "mac" => AttributeType::Mac,
        "timestamp" => AttributeType::Timestamp,
        "list" => AttributeType::List,
        "map" => AttributeType::Map,
        "any" => AttributeType::Any,
        other => {
            let words = ["text", "integer", "number", "bool", "ip", "mac", "timestamp", "list", "map", "any"];
            let near = calipso_expr::nearest(other, words).map(|near| format!("did you mean `{near}`?"));
            cx.report(
                "spec/wrong-type",
                &node.range,
                format!("there is no type `{other}`"),
                format!("one of {}", words.join(", ")),
            )
            .help = near;
            return None;
        }
    })
}

/// The types that steps look up, at any depth, each once.
fn looked_up(steps: &[Step], found: &mut Vec<Str>) {
    let block = |block: &Block, found: &mut Vec<Str>| looked_up(&block.steps, found);
    for step in steps {
        match &step.verb {
            Verb::Lookup(lookup) if !found.contains(&lookup.object_type) => found.push(lookup.object_type.clone()),
            Verb::Do(inner) => block(inner, found),
            Verb::FirstOf(blocks) => blocks.iter().for_each(|inner| block(inner, found)),
            _ => {}
        }
    }
}
