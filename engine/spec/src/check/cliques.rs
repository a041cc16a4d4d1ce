//! Clique types: paths, constraints, and which one counts where.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::Str;

use super::{Catalogue, attributes::Facts, variances::World};
use crate::{
    checked::{CliqueType, Selector},
    diag::Diagnostic,
    select,
};

pub(super) fn check(catalogue: &Catalogue<'_>, facts: &Facts, world: &World<'_>, found: &mut Vec<Diagnostic>) {
    let names: Vec<Str> = catalogue
        .specs
        .link_types
        .values()
        .flat_map(|link| [link.head.name.clone(), Str::from(format!("{}-{}", link.to, link.from))])
        .collect();
    for clique in catalogue.specs.clique_types.values() {
        path(catalogue, clique, world, &names, found);
        for constraint in &clique.constraints {
            let carried =
                clique.path.iter().filter_map(|step| catalogue.specs.link_types.get(&step.link_type)).any(|link| {
                    link.rules.iter().any(|rule| rule.attributes.iter().any(|(name, _)| name == constraint))
                });
            if facts.has(&clique.focal_point, constraint)
                && !carried
                && !clique.path.is_empty()
                && links_known(catalogue, clique)
            {
                let known: BTreeSet<Str> = clique
                    .path
                    .iter()
                    .filter_map(|step| catalogue.specs.link_types.get(&step.link_type))
                    .flat_map(|link| {
                        link.rules.iter().flat_map(|rule| rule.attributes.iter().map(|(name, _)| name.clone()))
                    })
                    .collect();
                let span = catalogue.element("clique_type", &clique.head.name, "constraints", constraint);
                let Some(span) = span else { continue };
                let mut diagnostic = span.report(
                    "clique/constraint-never-carried",
                    format!("no link of the path carries `{constraint}`, so it constrains nothing"),
                    "on no link",
                );
                diagnostic.help = catalogue.mean(constraint, &known).or_else(|| {
                    Some(format!("give a rule of a link type of the path `link: {{attributes: {{{constraint}: …}}}}`"))
                });
                found.push(diagnostic);
            } else if !facts.has(&clique.focal_point, constraint) {
                let known = facts.names(&clique.focal_point);
                let span = catalogue.element("clique_type", &clique.head.name, "constraints", constraint);
                let Some(span) = span else { continue };
                let mut diagnostic = span.report(
                    "clique/constraint-unknown",
                    format!("objects of the type `{}` have no attribute `{constraint}`", clique.focal_point),
                    "neither emitted nor derived",
                );
                diagnostic.help = catalogue.mean(constraint, &known);
                found.push(diagnostic);
            }
        }
    }
    ambiguous(catalogue, world, found);
}

fn path(catalogue: &Catalogue<'_>, clique: &CliqueType, world: &World<'_>, names: &[Str], found: &mut Vec<Diagnostic>) {
    let links = &catalogue.specs.link_types;
    let here: Vec<_> = world.supported.iter().filter(|one| one.fulfils(&clique.environment)).collect();
    let mut reached: BTreeSet<&str> = BTreeSet::from([clique.focal_point.as_ref()]);
    // An unknown prefix says nothing about the rest of the path.
    let mut lost = !links_known(catalogue, clique);
    for step in &clique.path {
        let Some(span) = catalogue.element("clique_type", &clique.head.name, "path", &step.written) else { return };
        let Some(link) = links.get(&step.link_type) else {
            // A link type whose file could not be read is declared all the same.
            let turned = step.written.split_once('-').map(|(from, to)| format!("{to}-{from}")).unwrap_or_default();
            if !catalogue.declared("link_type", &step.written) && !catalogue.declared("link_type", &turned) {
                let mut diagnostic = span.report(
                    "clique/unknown-link-type",
                    format!("no link type is named `{}`, in either direction", step.written),
                    "not declared under link_types/",
                );
                diagnostic.help = catalogue.mean(&step.written, names);
                found.push(diagnostic);
            }
            lost = true;
            continue;
        };
        let (from, to) = if step.backwards { (&link.to, &link.from) } else { (&link.from, &link.to) };
        if !reached.contains(from.as_ref()) && !lost {
            let listed: Vec<String> = reached.iter().map(|name| format!("`{name}`")).collect();
            found.push(
                span.report(
                    "clique/unreachable-step",
                    format!("the path has not reached `{from}` before this"),
                    "starts where the path has not been",
                )
                .help(format!("reached so far: {}", listed.join(", "))),
            );
        }
        reached.insert(to);
        let linked = here
            .iter()
            .any(|one| one.fulfils(&link.environment) && link.rules.iter().any(|rule| one.fulfils(&rule.environment)));
        if !linked && !here.is_empty() {
            found.push(
                span.report(
                    "clique/never-linked",
                    format!("no rule of `{}` applies where this clique type does", link.head.name),
                    "leads nowhere",
                )
                .help("leave the entry out, or widen the selector of a rule"),
            );
        }
    }
}

/// Whether the focal point is a type, and every link type of the path could be read.
fn links_known(catalogue: &Catalogue<'_>, clique: &CliqueType) -> bool {
    catalogue.specs.object_types.contains_key(&clique.focal_point)
        && clique.path.iter().all(|step| {
            catalogue.specs.link_types.contains_key(&step.link_type)
                && !catalogue.is_broken_spec("link_type", &step.link_type)
        })
}

fn ambiguous(catalogue: &Catalogue<'_>, world: &World<'_>, found: &mut Vec<Diagnostic>) {
    let mut told = BTreeSet::new();
    let selectors: BTreeSet<&Selector> =
        catalogue.specs.clique_types.values().map(|clique| &clique.environment).collect();
    let mut seen = BTreeSet::new();
    for one in &world.supported {
        // Environments for which all selectors say the same have the same clique types.
        let replaced: Vec<Option<&Str>> = one
            .distribution
            .replaces
            .iter()
            .map(|replace| one.distribution.replacement(&replace.kind, &replace.name, &one.environment.version))
            .collect();
        let says: Vec<_> = selectors
            .iter()
            .map(|selector| {
                selector.matches(&one.environment, one.distribution).then(|| selector.specificity(one.distribution))
            })
            .collect();
        if !seen.insert((says, replaced)) {
            continue;
        }
        let chosen = select::clique_types(catalogue.specs, &one.environment, one.distribution);
        let mut best: BTreeMap<&Str, &Str> = BTreeMap::new();
        for clique in &chosen {
            best.entry(&clique.focal_point).or_insert(&clique.head.name);
        }
        for pair in chosen.windows(2) {
            let [first, second] = pair else { continue };
            let same = first.focal_point == second.focal_point
                && first.environment.specificity(one.distribution) == second.environment.specificity(one.distribution);
            // Only the two best of a focal point compete.
            if !same
                || best.get(&first.focal_point).is_none_or(|best| **best != first.head.name)
                || !told.insert((first.head.name.clone(), second.head.name.clone()))
            {
                continue;
            }
            if let (Some(here), Some(there)) =
                (catalogue.spot("clique_type", &second.head.name), catalogue.spot("clique_type", &first.head.name))
            {
                let mut diagnostic = here
                    .value("name")
                    .report(
                        "clique/ambiguous",
                        format!("`{}` and `{}` are equally specific", first.head.name, second.head.name),
                        "this one",
                    )
                    .help(format!("both apply to {}; make one selector more specific", one.describe()));
                diagnostic.others.push(there.value("name").label("or this one"));
                found.push(diagnostic);
            }
        }
    }
}
