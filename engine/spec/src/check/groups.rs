//! Groups of regular expressions that nothing reads, where something of nearly the same name is read: one of two
//! alternatives has another name for what both find.

use std::collections::BTreeSet;

use calipso_expr::Expr;
use calipso_model::Str;

use super::{Catalogue, Spot, exprs};
use crate::{
    checked::Fetcher,
    diag::Diagnostic,
    yaml::{Node, NodeKind},
};

pub(super) fn check(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    for fetcher in catalogue.specs.fetchers.values() {
        let Some(spot) = catalogue.spot("fetcher", &fetcher.head.name) else { continue };
        let mut parsers = Vec::new();
        below_parse(spot.node, &mut parsers);
        if parsers.is_empty() {
            continue;
        }
        let words = read(fetcher);
        report_unread(spot, &parsers, &words, found);
    }
}

/// What stands under every `parse` of a spec.
fn below_parse<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    for (key, value) in node.entries() {
        if key.name.as_ref() == "parse" {
            found.push(value);
        } else {
            below_parse(value, found);
        }
    }
    node.items().iter().for_each(|item| below_parse(item, found));
}

/// The texts below a node that name groups, with the names.
fn groups<'n>(node: &'n Node, found: &mut Vec<(&'n Node, &'n str)>) {
    if let NodeKind::Text { text, .. } = &node.kind {
        for piece in text.split("(?<").skip(1).chain(text.split("(?P<").skip(1)) {
            if let Some((name, _)) = piece.split_once('>')
                && !name.is_empty()
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            {
                found.push((node, name));
            }
        }
    }
    node.entries().iter().for_each(|(_, value)| groups(value, found));
    node.items().iter().for_each(|item| groups(item, found));
}

/// Every word of every expression of a fetcher.
fn read(fetcher: &Fetcher) -> BTreeSet<Str> {
    let mut all: Vec<&Expr> = fetcher.when.iter().collect();
    fetcher.steps.iter().for_each(|step| exprs::of_step(step, &mut all));
    all.iter()
        .flat_map(|expr| expr.source().split(|c: char| !(c.is_alphanumeric() || c == '_')))
        .filter(|word| word.len() > 1)
        .map(Str::from)
        .collect()
}

fn report_unread(spot: Spot<'_>, parsers: &[&Node], words: &BTreeSet<Str>, found: &mut Vec<Diagnostic>) {
    let mut named = Vec::new();
    parsers.iter().for_each(|node| groups(node, &mut named));
    for (node, name) in named.iter().filter(|(_, name)| !words.contains(*name) && !["key", "value"].contains(name)) {
        let near = calipso_expr::misspelt(name, words.iter().map(AsRef::as_ref));
        if let Some(near) = near {
            found.push(
                spot.at(node)
                    .report("parse/unused-group", format!("nothing reads the group `{name}`"), "read by nobody")
                    .help(format!("did you mean `{near}`?")),
            );
        }
    }
}
