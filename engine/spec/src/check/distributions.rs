//! Distributions and selectors: values that are declared, commands, settings, replacements.

use std::collections::{BTreeMap, BTreeSet};

use calipso_expr::Expr;
use calipso_model::{Environment, Str};

use super::{Catalogue, Spot, exprs, variances::World, walk};
use crate::{
    checked::{AttributeType, CommandRule, Distribution, Fetcher, Verb},
    diag::Diagnostic,
    select,
};

pub(super) fn check(catalogue: &Catalogue<'_>, world: &World<'_>, found: &mut Vec<Diagnostic>) {
    selectors(catalogue, found);
    for distribution in catalogue.specs.distributions.values() {
        versions(catalogue, distribution, found);
        hidden(catalogue, distribution, found);
        settings(catalogue, distribution, found);
        replacements(catalogue, distribution, found);
        unused(catalogue, distribution, world, found);
    }
    values(catalogue, world, found);
}

/// What the distributions declare, by selector key.
pub(super) fn declared(catalogue: &Catalogue<'_>) -> BTreeMap<&'static str, BTreeSet<Str>> {
    let mut known: BTreeMap<&'static str, BTreeSet<Str>> = BTreeMap::new();
    for distribution in catalogue.specs.distributions.values() {
        known.entry("platform").or_default().insert(distribution.platform.clone());
        known.entry("distribution").or_default().insert(distribution.head.name.clone());
        for variance in &distribution.variances {
            known.entry("mechanism_drivers").or_default().extend(variance.mechanism_drivers.iter().cloned());
            known.entry("type_drivers").or_default().extend(variance.type_drivers.iter().cloned());
        }
    }
    known
}

fn selectors(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let known = declared(catalogue);
    if known.is_empty() {
        return;
    }
    for parsed in catalogue.read.files.values().chain(catalogue.read.extensions) {
        let root = Spot { file: &parsed.shown, node: &parsed.node };
        let mut spots: Vec<Spot<'_>> = root.inside("environment").into_iter().collect();
        for key in ["rules", "commands"] {
            spots.extend(root.each(key).filter_map(|rule| rule.inside("environment")));
        }
        for spot in spots {
            for (key, names) in &known {
                let Some(condition) = spot.inside(key) else { continue };
                unknown(catalogue, condition, key, names, found);
            }
            let distribution = spot
                .inside("distribution")
                .and_then(|condition| condition.node.get("any_of").map(crate::yaml::Node::items))
                .and_then(|names| names.first())
                .and_then(|name| name.as_text())
                .and_then(|name| catalogue.specs.distributions.get(name));
            if let (Some(version), Some(distribution)) = (spot.inside("version"), distribution) {
                known_versions(catalogue, version, distribution, found);
            }
        }
    }
}

fn unknown(
    catalogue: &Catalogue<'_>,
    condition: Spot<'_>,
    key: &str,
    names: &BTreeSet<Str>,
    found: &mut Vec<Diagnostic>,
) {
    for part in ["any_of", "all_of", "none_of"] {
        for item in condition.node.get(part).map(crate::yaml::Node::items).unwrap_or_default() {
            let Some(text) = item.as_text().filter(|text| !names.contains(*text)) else { continue };
            let mut diagnostic = condition.at(item).report(
                "environment/unknown-value",
                format!("no distribution declares the {} `{text}`", key.trim_end_matches('s').replace('_', " ")),
                "declared nowhere",
            );
            diagnostic.help = catalogue.mean(text, names);
            found.push(diagnostic);
        }
    }
}

fn known_versions(
    catalogue: &Catalogue<'_>,
    condition: Spot<'_>,
    distribution: &Distribution,
    found: &mut Vec<Diagnostic>,
) {
    let mut items: Vec<&crate::yaml::Node> = Vec::new();
    for part in ["any_of", "none_of"] {
        items.extend(condition.node.get(part).map(crate::yaml::Node::items).unwrap_or_default());
    }
    items.extend(["at_least", "below"].into_iter().filter_map(|part| condition.node.get(part)));
    for item in items {
        let Some(text) =
            item.as_text().filter(|text| !distribution.versions.iter().any(|known| known.as_ref() == *text))
        else {
            continue;
        };
        let mut diagnostic = condition.at(item).report(
            "environment/unknown-value",
            format!("the distribution `{}` has no version `{text}`", distribution.head.name),
            "not under `versions`",
        );
        diagnostic.help = catalogue.mean(text, &distribution.versions);
        found.push(diagnostic);
    }
}

/// Version conditions of the distribution itself.
fn versions(catalogue: &Catalogue<'_>, distribution: &Distribution, found: &mut Vec<Diagnostic>) {
    for spot in catalogue.spots("distribution", &distribution.head.name) {
        for key in ["variances", "values", "commands", "settings", "replaces"] {
            for entry in spot.each(key) {
                if let Some(condition) = entry.inside("versions") {
                    known_versions(catalogue, condition, distribution, found);
                }
            }
        }
    }
}

/// How many earlier rules of one beginning a rule is compared with.
const MOST_COMPARED: usize = 200;

/// Whether every command that the second pattern matches is matched by the first.
fn wider(first: &[Str], second: &[Str]) -> bool {
    first.len() <= second.len()
        && first.iter().zip(second).all(|(a, b)| a == b || a.as_ref() == "*" || !b.contains('*') && select::glob(a, b))
}

fn hidden(catalogue: &Catalogue<'_>, distribution: &Distribution, found: &mut Vec<Diagnostic>) {
    // Many rules are compared by what they begin with only; how far the search goes back is bounded as well.
    let mut earlier: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, rule) in distribution.commands.iter().enumerate() {
        let first = rule.match_any.first().and_then(|pattern| pattern.first()).map_or("", AsRef::as_ref);
        let none = Vec::new();
        let (exact, globs) = (earlier.get(first).unwrap_or(&none), earlier.get("*").unwrap_or(&none));
        let mut before: Vec<&CommandRule> = exact
            .iter()
            .rev()
            .take(MOST_COMPARED)
            .chain(globs.iter().rev().take(MOST_COMPARED))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter_map(|index| distribution.commands.get(*index))
            .collect();
        before.retain(|earlier| {
            (earlier.environment == Default::default() || earlier.environment == rule.environment)
                && (earlier.versions.is_none() || earlier.versions == rule.versions)
                && rule.match_any.iter().all(|pattern| earlier.match_any.iter().any(|other| wider(other, pattern)))
        });
        let before = before.first().copied();
        let firsts: BTreeSet<&str> = rule
            .match_any
            .iter()
            .map(|pattern| pattern.first().map_or("", AsRef::as_ref))
            .map(|word| if word.contains('*') { "*" } else { word })
            .collect();
        for word in firsts {
            earlier.entry(word).or_default().push(number);
        }
        if let Some(before) = before {
            let mut diagnostic = catalogue
                .span(&rule.at, "match_any")
                .report(
                    "distribution/rule-hidden",
                    format!("the command rule `{}` never applies", rule.name),
                    "all of these match an earlier rule",
                )
                .help("put the narrower rule first");
            diagnostic.others.push(catalogue.span(&before.at, "match_any").label("the earlier rule"));
            found.push(diagnostic);
        }
    }
}

fn settings(catalogue: &Catalogue<'_>, distribution: &Distribution, found: &mut Vec<Diagnostic>) {
    let spots = catalogue.spots("distribution", &distribution.head.name);
    for entry in spots.flat_map(|spot| spot.each("settings").collect::<Vec<_>>()) {
        for (fetcher, node) in entry.node.entries().iter().filter(|(key, _)| key.name.as_ref() != "versions") {
            let Some(known) = catalogue.specs.fetchers.get(&fetcher.name) else {
                if !catalogue.declared("fetcher", &fetcher.name) {
                    let mut diagnostic = entry.key(&fetcher.name).report(
                        "distribution/unknown-setting",
                        format!("there is no fetcher `{}`", fetcher.name),
                        "not declared under fetchers/",
                    );
                    diagnostic.help = catalogue.mean(&fetcher.name, catalogue.specs.fetchers.keys());
                    found.push(diagnostic);
                }
                continue;
            };
            let inner = Spot { node, ..entry };
            for (name, value) in node.entries() {
                match known.settings.get(&name.name) {
                    None => {
                        let mut diagnostic = inner.key(&name.name).report(
                            "distribution/unknown-setting",
                            format!("the fetcher `{}` has no setting `{}`", fetcher.name, name.name),
                            "not under its `settings`",
                        );
                        diagnostic.help = catalogue.mean(&name.name, known.settings.keys());
                        found.push(diagnostic);
                    }
                    Some(setting) if !fits(setting.setting_type, value) => found.push(
                        inner
                            .at(value)
                            .report(
                                "distribution/unknown-setting",
                                format!("the setting `{}` has another type than {}", name.name, value.kind_name()),
                                "of another type",
                            )
                            .help(format!("fetchers/{}.yaml declares its type", fetcher.name)),
                    ),
                    Some(_) => {}
                }
            }
        }
    }
}

pub(super) fn fits(setting: AttributeType, value: &crate::yaml::Node) -> bool {
    match setting {
        AttributeType::Any => true,
        AttributeType::Integer => value.kind_name() == "a whole number",
        AttributeType::Number => ["a whole number", "a number"].contains(&value.kind_name()),
        AttributeType::Bool => value.kind_name() == "a bool",
        AttributeType::List => value.kind_name() == "a list",
        AttributeType::Map => value.kind_name() == "a map",
        _ => value.kind_name() == "text",
    }
}

fn replacements(catalogue: &Catalogue<'_>, distribution: &Distribution, found: &mut Vec<Diagnostic>) {
    for replace in &distribution.replaces {
        for (key, name) in [("name", &replace.name), ("with", &replace.with)] {
            if catalogue.declared(&replace.kind, name) {
                continue;
            }
            let specs = catalogue.specs;
            let names: Vec<Str> = match replace.kind.as_ref() {
                "fetcher" => specs.fetchers.keys().cloned().collect(),
                "link_type" => specs.link_types.keys().cloned().collect(),
                _ => specs.clique_types.keys().cloned().collect(),
            };
            let mut diagnostic = catalogue.span(&replace.at, key).report(
                "distribution/unknown-replacement",
                format!("there is no {} named `{name}`", replace.kind),
                "not declared",
            );
            diagnostic.help = catalogue.mean(name, &names);
            found.push(diagnostic);
        }
    }
}

/// The commands that fetchers of a distribution run: their static first words.
fn commands(fetcher: &Fetcher) -> Vec<Vec<Option<String>>> {
    let mut steps = Vec::new();
    walk(&fetcher.steps, &mut steps);
    steps
        .iter()
        .filter_map(|step| match &step.verb {
            Verb::Run(run) => Some(run.words.leading_words().into_iter().map(|word| word.map(str::to_owned)).collect()),
            _ => None,
        })
        .collect()
}

/// Whether a pattern may match a command of which some words are not known.
fn may_match(pattern: &[Str], command: &[Option<String>]) -> bool {
    pattern.iter().enumerate().all(|(index, wanted)| match command.get(index) {
        Some(Some(word)) => select::glob(wanted, word),
        Some(None) => true,
        None => false,
    })
}

fn unused(catalogue: &Catalogue<'_>, distribution: &Distribution, world: &World<'_>, found: &mut Vec<Diagnostic>) {
    if distribution.commands.is_empty() || catalogue.specs.fetchers.is_empty() {
        return;
    }
    // Which patterns of which rule some fetcher needs.
    let mut used: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for alike in &world.alike {
        let here: Vec<_> = alike
            .members
            .iter()
            .filter_map(|number| world.supported.get(*number))
            .filter(|one| one.distribution.head.name == distribution.head.name)
            .collect();
        if here.is_empty() {
            continue;
        }
        let all: BTreeSet<Vec<Option<String>>> = alike.fetchers.iter().flat_map(|fetcher| commands(fetcher)).collect();
        for (number, rule) in distribution.commands.iter().enumerate() {
            if here.iter().any(|one| one.meets(rule)) {
                used.entry(number).or_default().extend(needed(rule, &all));
            }
        }
    }
    for (number, rule) in distribution.commands.iter().enumerate() {
        let patterns = used.get(&number).map(BTreeSet::len).unwrap_or_default();
        if patterns > 0 {
            dead_patterns(catalogue, rule, used.get(&number), found);
        } else {
            found.push(
                catalogue
                    .span(&rule.at, "match_any")
                    .report(
                        "distribution/rule-unused",
                        format!("no fetcher runs a command for the rule `{}`", rule.name),
                        "matches nothing that is run",
                    )
                    .help("remove the rule, or correct its pattern"),
            );
        }
    }
}

/// The patterns of a rule that match one of the commands, by their places.
fn needed(rule: &CommandRule, commands: &BTreeSet<Vec<Option<String>>>) -> Vec<usize> {
    let matches = |pattern: &[Str]| commands.iter().any(|command| may_match(pattern, command));
    rule.match_any.iter().enumerate().filter(|(_, pattern)| matches(pattern)).map(|(index, _)| index).collect()
}

/// Patterns of a rule that is needed, but not for them.
fn dead_patterns(
    catalogue: &Catalogue<'_>,
    rule: &CommandRule,
    used: Option<&BTreeSet<usize>>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(spot) = catalogue.at(&rule.at) else { return };
    let nodes = spot.node.get("match_any").map(crate::yaml::Node::items).unwrap_or_default();
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| used.is_none_or(|used| !used.contains(index))) {
        let Some(pattern) = rule.match_any.get(index) else { continue };
        found.push(
            spot.at(node)
                .report(
                    "distribution/rule-unused",
                    format!("no fetcher runs a command for the pattern `{}`", pattern.join(" ")),
                    "matches nothing that is run",
                )
                .help("remove the pattern, or correct it"),
        );
    }
}

/// The `dist.values` that expressions read without default, with their places.
fn read_values<'e>(layout: &calipso_expr::Layout, exprs: Vec<&'e Expr>) -> Vec<(&'e Expr, Str, usize, usize)> {
    let Some(slot) = layout.find("dist") else { return Vec::new() };
    exprs
        .into_iter()
        .flat_map(|expr| expr.uses().into_iter().map(move |used| (expr, used)))
        .filter(|(_, used)| {
            used.slot == slot && !used.guarded && used.path.first().is_some_and(|first| first.as_ref() == "values")
        })
        .filter_map(|(expr, used)| used.path.get(1).map(|name| (expr, name.clone(), used.start, used.end)))
        .collect()
}

fn values(catalogue: &Catalogue<'_>, world: &World<'_>, found: &mut Vec<Diagnostic>) {
    let mut told = BTreeSet::new();
    let mut report = |expr: &Expr,
                      name: &Str,
                      start,
                      end,
                      environment: &Environment,
                      distribution: &Distribution,
                      found: &mut Vec<Diagnostic>| {
        if distribution.values_for(&environment.version).contains_key(name) {
            return;
        }
        let Some(span) = catalogue.expr(expr, start, end) else { return };
        if !told.insert((span.file.clone(), span.range.start)) {
            return;
        }
        let known: BTreeSet<Str> = distribution.values.iter().flat_map(|(_, set)| set.keys().cloned()).collect();
        let mut diagnostic = span.report(
            "distribution/value-not-set",
            format!("`dist.values.{name}` is not set for {} {}", environment.distribution, environment.version),
            "read here",
        );
        diagnostic.help = catalogue.mean(name, &known).filter(|_| !known.contains(name)).or_else(|| {
            Some(format!(
                "set it under `values` of the distribution `{}`, or write `| default(…)`",
                environment.distribution
            ))
        });
        found.push(diagnostic);
    };
    for alike in &world.alike {
        for fetcher in &alike.fetchers {
            let mut all: Vec<&Expr> = fetcher.when.iter().collect();
            fetcher.steps.iter().for_each(|step| exprs::of_step(step, &mut all));
            for (expr, name, start, end) in read_values(&fetcher.layout, all) {
                for one in alike.members.iter().filter_map(|number| world.supported.get(*number)) {
                    report(expr, &name, start, end, &one.environment, one.distribution, found);
                }
            }
        }
    }
    for one in &world.supported {
        for rule in one.distribution.commands.iter().filter(|rule| one.meets(rule)) {
            let all = rule.run.iter().flat_map(|run| run.command.exprs().into_iter().chain(&run.none_if)).collect();
            for (expr, name, start, end) in read_values(&rule.layout, all) {
                report(expr, &name, start, end, &one.environment, one.distribution, found);
            }
        }
    }
}
