//! Fetchers: what they emit, read and wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calipso_expr::Expr;
use calipso_model::Str;

use super::{Catalogue, attributes::Facts, exprs, mean, variances, walk};
use crate::{
    checked::{Fetcher, Step, Verb},
    diag::Diagnostic,
    schedule, select,
};

pub(super) fn check(catalogue: &Catalogue<'_>, facts: &Facts, found: &mut Vec<Diagnostic>) {
    for fetcher in catalogue.specs.fetchers.values() {
        let mut steps = Vec::new();
        walk(&fetcher.steps, &mut steps);
        emitted(catalogue, fetcher, &steps, found);
        lookups(catalogue, facts, &steps, found);
        narrowings(catalogue, facts, fetcher, found);
        derived(catalogue, facts, fetcher, &steps, found);
    }
    let supported = variances::supported(catalogue);
    let chosen: Vec<Vec<Arc<Fetcher>>> =
        supported.iter().map(|one| select::fetchers(catalogue.specs, &one.environment, one.distribution)).collect();
    let mut seen = BTreeSet::new();
    let mut told = BTreeSet::new();
    for fetchers in &chosen {
        let key: Vec<Str> = fetchers.iter().map(|fetcher| fetcher.head.name.clone()).collect();
        if seen.insert(key) {
            circle(catalogue, fetchers, &mut told, found);
            together(catalogue, facts, fetchers, &mut told, found);
        }
    }
    if !supported.is_empty() {
        reach(catalogue, &chosen, found);
    }
}

fn emitted(catalogue: &Catalogue<'_>, fetcher: &Fetcher, steps: &[&Step], found: &mut Vec<Diagnostic>) {
    let Some(spot) = catalogue.spot("fetcher", &fetcher.head.name) else { return };
    let listed: Vec<Str> = fetcher.emits.iter().chain(&fetcher.extends).cloned().collect();
    let mut emitted = BTreeSet::new();
    for step in steps {
        let Verb::Emit(emit) = &step.verb else { continue };
        emitted.insert(&emit.object_type);
        if !listed.contains(&emit.object_type) && catalogue.spot("object_type", &emit.object_type).is_some() {
            let mut diagnostic = catalogue.place(&step.at, "emit").says(
                "fetcher/undeclared-emit",
                format!("`{}` is emitted, but not listed", emit.object_type),
                "neither under `emits` nor under `extends`",
            );
            diagnostic.help = Some(format!(
                "add it: `emits: [{}]`",
                fetcher.emits.iter().chain([&emit.object_type]).map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
            ));
            found.push(diagnostic);
        }
    }
    for (key, types) in [("emits", &fetcher.emits), ("extends", &fetcher.extends)] {
        for name in types.iter().filter(|name| !emitted.contains(name)) {
            if catalogue.spot("object_type", name).is_some() {
                found.push(
                    spot.element(key, name)
                        .says(
                            "fetcher/undeclared-emit",
                            format!("`{name}` is listed, but never emitted"),
                            "no step emits it",
                        )
                        .help("take it out of the list, or emit it"),
                );
            }
        }
    }
}

fn lookups(catalogue: &Catalogue<'_>, facts: &Facts, steps: &[&Step], found: &mut Vec<Diagnostic>) {
    for step in steps {
        let (object_type, keys): (&Str, Vec<&Str>) = match &step.verb {
            Verb::Lookup(lookup) => (&lookup.object_type, lookup.filter.iter().map(|(key, _)| key).collect()),
            Verb::Fetch(fetch) => (&fetch.object_type, fetch.filter.iter().map(|(key, _)| key).collect()),
            _ => continue,
        };
        for key in keys.into_iter().filter(|key| !facts.has(object_type, key)) {
            let Some(inside) = catalogue.at(&step.at).and_then(|spot| spot.inside("where")) else { continue };
            let mut diagnostic = inside.key(key).says(
                "lookup/unknown-attribute",
                format!("objects of the type `{object_type}` have no attribute `{key}`"),
                "neither emitted nor derived",
            );
            diagnostic.help = mean(key, &facts.known(object_type));
            found.push(diagnostic);
        }
    }
}

fn narrowings(catalogue: &Catalogue<'_>, facts: &Facts, fetcher: &Fetcher, found: &mut Vec<Diagnostic>) {
    let Some(inside) = catalogue.spot("fetcher", &fetcher.head.name).and_then(|spot| spot.inside("narrow_by")) else {
        return;
    };
    for (object_type, attributes) in &fetcher.narrow_by {
        for attribute in attributes.iter().filter(|attribute| !facts.has(object_type, attribute)) {
            let mut diagnostic = inside.element(object_type, attribute).says(
                "lookup/unknown-attribute",
                format!("objects of the type `{object_type}` have no attribute `{attribute}`"),
                "neither emitted nor derived",
            );
            diagnostic.help = mean(attribute, &facts.known(object_type));
            found.push(diagnostic);
        }
    }
}

/// Derived attributes of the parent or of what was looked up.
fn derived(catalogue: &Catalogue<'_>, facts: &Facts, fetcher: &Fetcher, steps: &[&Step], found: &mut Vec<Diagnostic>) {
    // Names that hold one object of a type, and names that hold several.
    let mut one: BTreeMap<usize, Str> = BTreeMap::new();
    let mut many: BTreeMap<usize, Str> = BTreeMap::new();
    if let Some(slot) = fetcher.layout.find("parent") {
        one.insert(slot, fetcher.under.clone());
    }
    for step in steps {
        if let (Verb::Lookup(lookup), Some(slot)) = (&step.verb, step.bind) {
            let single =
                step.key.is_none() && !matches!(step.take, crate::checked::Take::All | crate::checked::Take::Distinct);
            if single { &mut one } else { &mut many }.insert(slot, lookup.object_type.clone());
        }
        for generator in step.each.iter().flat_map(|each| &each.generators) {
            if let [used] = generator.over.uses().as_slice()
                && used.path.is_empty()
                && let Some(object_type) = many.get(&used.slot)
            {
                one.insert(generator.value, object_type.clone());
            }
        }
    }
    let mut all: Vec<&Expr> = fetcher.when.iter().collect();
    fetcher.steps.iter().for_each(|step| exprs::of_step(step, &mut all));
    for expr in all {
        for used in expr.uses() {
            let (Some(object_type), Some(name)) = (one.get(&used.slot), used.path.first()) else { continue };
            let Some(known) = facts.types.get(object_type) else { continue };
            if !known.derived.contains_key(name) || known.fetched.contains_key(name) {
                continue;
            }
            if let Some(place) = catalogue.expr(expr, used.start, used.end) {
                found.push(
                    place
                        .says(
                            "fetcher/reads-derived",
                            format!("`{name}` of `{object_type}` is derived, and not known while fetching"),
                            "derived after fetching",
                        )
                        .help("derive what depends on it, too, or compute it here from what is fetched"),
                );
            }
        }
    }
}

fn circle(
    catalogue: &Catalogue<'_>,
    fetchers: &[Arc<Fetcher>],
    told: &mut BTreeSet<(Str, Str)>,
    found: &mut Vec<Diagnostic>,
) {
    let Err(schedule::Circle(path)) = schedule::schedule(fetchers) else { return };
    let (Some(first), Some(second)) = (path.first(), path.get(1).or(path.first())) else { return };
    if !told.insert((first.clone(), second.clone())) {
        return;
    }
    let after = schedule::after(fetchers);
    let reason = after.get(first).and_then(|before| before.get(second));
    let Some(spot) = catalogue.spot("fetcher", first) else { return };
    let mut shown: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    shown.push(first);
    let label = match reason {
        Some(schedule::Because::Parent(name)) => format!("needs `{name}`, which `{second}` emits"),
        Some(schedule::Because::Attribute(name)) => format!("reads `parent.{name}`, which `{second}` writes"),
        Some(schedule::Because::Lookup(name)) => format!("looks up `{name}`, which `{second}` emits"),
        None => "in the circle".to_owned(),
    };
    found.push(
        spot.value("name")
            .says("fetcher/circle", "fetchers wait for each other", label)
            .help(format!("the circle is {}; derive what one of them needs of the other", shown.join(" → "))),
    );
}

/// Two fetchers of one environment that write the same things.
fn together(
    catalogue: &Catalogue<'_>,
    facts: &Facts,
    fetchers: &[Arc<Fetcher>],
    told: &mut BTreeSet<(Str, Str)>,
    found: &mut Vec<Diagnostic>,
) {
    let keys = |fetcher: &Fetcher, object_type: &Str| -> Option<BTreeSet<Str>> {
        let mut keys = BTreeSet::new();
        for emit in
            facts.emits.iter().filter(|emit| emit.fetcher == fetcher.head.name && emit.object_type == *object_type)
        {
            if emit.open {
                return None;
            }
            keys.extend(emit.keys.iter().cloned());
        }
        Some(keys)
    };
    for (number, first) in fetchers.iter().enumerate() {
        for second in fetchers.iter().skip(number + 1) {
            for object_type in first.emits.iter().filter(|name| second.emits.contains(name)) {
                // Fetchers that write different attributes find different objects of the type.
                let (a, b) = (keys(first, object_type), keys(second, object_type));
                if first.under != second.under
                    || a.is_none()
                    || a != b
                    || !told.insert((first.head.name.clone(), second.head.name.clone()))
                {
                    continue;
                }
                if let (Some(here), Some(there)) =
                    (catalogue.spot("fetcher", &second.head.name), catalogue.spot("fetcher", &first.head.name))
                {
                    let mut diagnostic = here
                        .element("emits", object_type)
                        .says(
                            "fetcher/two-owners",
                            format!(
                                "`{}` and `{}` both emit `{object_type}` under `{}`",
                                first.head.name, second.head.name, first.under
                            ),
                            "emitted here",
                        )
                        .help("let one of them `extends` the type, or give them different environments");
                    diagnostic.others.push(there.element("emits", object_type).label("and here"));
                    found.push(diagnostic);
                }
            }
            for (emitter, extender) in [(first, second), (second, first)] {
                for object_type in extender.extends.iter().filter(|name| emitter.emits.contains(name)) {
                    twice(catalogue, facts, emitter, extender, object_type, told, found);
                }
            }
        }
    }
}

fn twice(
    catalogue: &Catalogue<'_>,
    facts: &Facts,
    emitter: &Fetcher,
    extender: &Fetcher,
    object_type: &Str,
    told: &mut BTreeSet<(Str, Str)>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(declared) = catalogue.specs.object_types.get(object_type) else { return };
    let Some(slot) = declared.layout.find("self") else { return };
    let identity: BTreeSet<Str> = declared
        .forms
        .iter()
        .flat_map(|form| {
            form.when.iter().chain(form.id.exprs()).chain(form.parent_id.iter().flat_map(|tree| tree.exprs()))
        })
        .flat_map(Expr::uses)
        .filter(|used| used.slot == slot)
        .filter_map(|used| used.path.first().cloned())
        .collect();
    let of = |fetcher: &Fetcher| {
        facts
            .emits
            .iter()
            .filter(|emit| emit.fetcher == fetcher.head.name && emit.object_type == *object_type)
            .flat_map(|emit| emit.keys.iter().map(move |key| (key.clone(), emit)))
            .collect::<Vec<_>>()
    };
    let written: BTreeSet<Str> = of(emitter).into_iter().map(|(key, _)| key).collect();
    for (key, emit) in of(extender) {
        let united = declared.attributes.get(&key).is_some_and(|attribute| attribute.merge_union);
        if !written.contains(&key)
            || identity.contains(&key)
            || united
            || !told.insert((extender.head.name.clone(), key.clone()))
        {
            continue;
        }
        let place = catalogue
            .at(&emit.at)
            .and_then(|spot| spot.inside("set"))
            .map_or_else(|| catalogue.place(&emit.at, "emit"), |set| set.key(&key));
        found.push(
            place
                .says(
                    "fetcher/attribute-twice",
                    format!("`{key}` of `{object_type}` is written by `{}` as well", emitter.head.name),
                    "the later fetcher wins",
                )
                .help("leave it out of one of them, or declare the attribute with `merge: union`"),
        );
    }
}

/// Fetchers under a type that nothing emits where they apply, and stand-ins that no distribution puts in place.
fn reach(catalogue: &Catalogue<'_>, chosen: &[Vec<Arc<Fetcher>>], found: &mut Vec<Diagnostic>) {
    for fetcher in catalogue.specs.fetchers.values() {
        let Some(spot) = catalogue.spot("fetcher", &fetcher.head.name) else { continue };
        let applying: Vec<&Vec<Arc<Fetcher>>> = chosen
            .iter()
            .filter(|fetchers| fetchers.iter().any(|known| known.head.name == fetcher.head.name))
            .collect();
        if applying.is_empty()
            || fetcher.under.as_ref() == "environment"
            || catalogue.spot("object_type", &fetcher.under).is_none()
        {
            continue;
        }
        if !applying.iter().any(|fetchers| fetchers.iter().any(|known| known.emits.contains(&fetcher.under))) {
            found.push(
                spot.value("under")
                    .says(
                        "fetcher/never-under",
                        format!("nothing emits `{}` where this fetcher applies, so it never runs", fetcher.under),
                        "never there",
                    )
                    .help("correct `under`, or add a fetcher that emits the type"),
            );
        }
    }
}
