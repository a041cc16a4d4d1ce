//! From the files that count to checked specs.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Str;
use calipso_parse::{Parser, ParserSpec};

use super::{
    KINDS, Loaded,
    gather::{Gathered, Parsed},
    name_range,
};
use crate::{
    decode::{Cx, Fields, Site, help},
    diag::Diagnostic,
    lower::{self, parser::Named},
};

/// Lowers every spec that is in force, and lays what later layers add over it; returns where expressions stand.
pub(super) fn lower_all(loaded: &mut Loaded, gathered: &Gathered) -> Vec<Site> {
    let Gathered { chosen, unread, .. } = gathered;
    let (mut diagnostics, mut sites) = (Vec::new(), Vec::new());
    loaded.parsers = parsers(chosen, &mut diagnostics);
    // A parser that could not be read stands in for itself, so that only its own mistake is reported.
    let mut named = loaded.parsers.clone();
    let stand_in = Parser::new(&ParserSpec::Yaml).ok().map(Arc::new);
    let parser_kind = KINDS.iter().position(|(_, kind)| *kind == "parser");
    for (_, name) in chosen.keys().chain(unread).filter(|(kind, _)| Some(*kind) == parser_kind) {
        if let Some(stand_in) = &stand_in {
            named.entry(name.clone()).or_insert_with(|| Arc::clone(stand_in));
        }
    }
    let named = &named;
    for parsed in chosen.values() {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        let cx = &mut cx;
        let node = &parsed.node;
        match parsed.kind {
            "distribution" => {
                if let Some(distribution) = lower::distribution::distribution(cx, node) {
                    loaded.specs.distributions.insert(distribution.head.name.clone(), Arc::new(distribution));
                }
            }
            "connection" => {
                if let Some(connection) = lower::connection::connection(cx, node, named) {
                    loaded.specs.connections.insert(connection.head.name.clone(), Arc::new(connection));
                }
            }
            "object_type" => {
                if let Some(object_type) = lower::object_type::object_type(cx, node) {
                    loaded.specs.object_types.insert(object_type.head.name.clone(), Arc::new(object_type));
                }
            }
            "fetcher" => {
                if let Some(fetcher) = lower::fetcher::fetcher(cx, node, named) {
                    loaded.specs.fetchers.insert(fetcher.head.name.clone(), Arc::new(fetcher));
                }
            }
            "link_type" => {
                if let Some(link_type) = lower::link_type::link_type(cx, node) {
                    loaded.specs.link_types.insert(link_type.head.name.clone(), Arc::new(link_type));
                }
            }
            "clique_type" => {
                if let Some(clique_type) = lower::clique_type::clique_type(cx, node) {
                    loaded.specs.clique_types.insert(clique_type.head.name.clone(), Arc::new(clique_type));
                }
            }
            _ => {}
        }
        diagnostics.append(&mut cx.diagnostics);
        sites.append(&mut cx.sites);
    }
    for parsed in &gathered.extensions {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        extend(&mut cx, loaded, gathered, parsed);
        diagnostics.append(&mut cx.diagnostics);
        sites.append(&mut cx.sites);
    }
    loaded.diagnostics.append(&mut diagnostics);
    sites
}

/// Adds an extension of a later layer to the spec of its name.
fn extend(cx: &mut Cx<'_>, loaded: &mut Loaded, gathered: &Gathered, parsed: &Parsed) {
    let (node, name, specs) = (&parsed.node, &parsed.name, &mut loaded.specs);
    macro_rules! extended {
        ($all:ident, $module:ident) => {
            match specs.$all.get(name) {
                Some(base) => {
                    if let Some(extended) = lower::$module::extension(cx, node, base) {
                        specs.$all.insert(name.clone(), Arc::new(extended));
                    }
                    true
                }
                None => false,
            }
        };
    }
    let found = match parsed.kind {
        "distribution" => extended!(distributions, distribution),
        "object_type" => extended!(object_types, object_type),
        "link_type" => extended!(link_types, link_type),
        _ => extended!(clique_types, clique_type),
    };
    let is_written = |(kind_idx, written): &(usize, Str)| KINDS[*kind_idx].1 == parsed.kind && written == name;
    // A spec that could not be read is there all the same.
    if found || gathered.chosen.keys().chain(&gathered.unread).any(is_written) {
        return;
    }
    let is_distribution = parsed.kind == "distribution";
    let code = if is_distribution { "distribution/extends-nothing" } else { "spec/extends-nothing" };
    let kind = parsed.kind.replace('_', " ");
    help(
        cx.report(code, &name_range(node), format!("there is no {kind} `{name}` to extend"), "no earlier layer has it"),
        format!("correct the name, or leave out `extends: true` and write the whole {kind}"),
    );
}

/// Parser specs; those that name another are resolved, circles reported.
fn parsers(chosen: &BTreeMap<(usize, Str), Parsed>, diagnostics: &mut Vec<Diagnostic>) -> Named {
    enum Entry<'p> {
        Ready(Arc<Parser>),
        Alias(Str, std::ops::Range<usize>, &'p Parsed),
    }
    let mut known: BTreeMap<Str, Entry<'_>> = BTreeMap::new();
    for parsed in chosen.values().filter(|parsed| parsed.kind == "parser") {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        if let Some(mut fields) = Fields::open(&mut cx, &parsed.node, "a parser") {
            lower::head(&mut cx, &mut fields);
            if let Some(node) = fields.need(&mut cx, "parse") {
                match lower::parser::choose(&mut cx, node) {
                    Some(lower::parser::Chosen::Named(name, range)) => {
                        known.insert(parsed.name.clone(), Entry::Alias(name, range, parsed));
                    }
                    Some(lower::parser::Chosen::Spec(spec)) => {
                        if let Some(parser) = lower::parser::compile(&mut cx, node, &spec) {
                            lower::parser::named_groups(&mut cx, node, &parser);
                            known.insert(parsed.name.clone(), Entry::Ready(parser));
                        }
                    }
                    None => {}
                }
            }
            fields.finish(&mut cx);
        }
        diagnostics.append(&mut cx.diagnostics);
    }
    let mut named = Named::new();
    for (name, entry) in &known {
        let (mut here, mut seen) = (entry, vec![name.clone()]);
        loop {
            match here {
                Entry::Ready(parser) => {
                    named.insert(name.clone(), Arc::clone(parser));
                    break;
                }
                Entry::Alias(target, range, parsed) => {
                    let mut cx = Cx::new(&parsed.shown, &parsed.text);
                    if seen.contains(target) {
                        // The circle is reported once, at the first of its parsers.
                        if seen.iter().min() != Some(name) {
                            break;
                        }
                        let listed: Vec<String> = seen.iter().map(|name| format!("`{name}`")).collect();
                        help(
                            cx.report(
                                "parse/named-circle",
                                range,
                                format!("the parsers {} name each other", listed.join(", ")),
                                "goes round in a circle",
                            ),
                            "one of them needs a parser of its own",
                        );
                    } else if let Some(next) = known.get(target) {
                        seen.push(target.clone());
                        here = next;
                        continue;
                    } else {
                        lower::parser::unknown(&mut cx, target, range, known.keys());
                    }
                    diagnostics.append(&mut cx.diagnostics);
                    break;
                }
            }
        }
    }
    named
}
