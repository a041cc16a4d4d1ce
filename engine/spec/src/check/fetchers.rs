//! Fetchers: what they emit, read and wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calipso_expr::Expr;
use calipso_model::Str;

use super::{
    Catalogue,
    attributes::{Emit, Facts},
    exprs,
    variances::World,
    walk,
};
use crate::{
    checked::{Fetcher, Step, Verb},
    diag::Diagnostic,
    schedule,
};

pub(super) fn check(catalogue: &Catalogue<'_>, facts: &Facts, world: &World<'_>, found: &mut Vec<Diagnostic>) {
    for fetcher in catalogue.specs.fetchers.values() {
        let mut steps = Vec::new();
        walk(&fetcher.steps, &mut steps);
        emitted(catalogue, fetcher, &steps, found);
        lookups(catalogue, facts, &steps, found);
        narrowings(catalogue, facts, fetcher, found);
        defaults(catalogue, fetcher, found);
    }
    let chosen: Vec<&Vec<Arc<Fetcher>>> = world.alike.iter().map(|alike| &alike.fetchers).collect();
    let written = Written::new(facts);
    let mut seen = BTreeSet::new();
    let mut told = BTreeSet::new();
    for fetchers in &chosen {
        let key: Vec<&Str> = fetchers.iter().map(|fetcher| &fetcher.head.name).collect();
        if seen.insert(key) {
            circle(catalogue, fetchers, &mut told, found);
            together(catalogue, &written, fetchers, &mut told, found);
        }
    }
    if !world.supported.is_empty() {
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
            let mut diagnostic = catalogue.span(&step.at, "emit").report(
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
    for (number, name) in
        listed.iter().enumerate().filter(|(number, name)| listed.iter().take(*number).any(|other| other == *name))
    {
        let emits_it = fetcher.emits.contains(name);
        let (key, message) = match number < fetcher.emits.len() || !emits_it {
            true => (if emits_it { "emits" } else { "extends" }, format!("`{name}` is listed twice")),
            false => ("extends", format!("`{name}` is listed under `emits` as well")),
        };
        let help = "who emits a type says which of its objects there are; who extends it only adds to them";
        found.push(spot.element(key, name).report("fetcher/undeclared-emit", message, "once is enough").help(help));
    }
    for (key, types) in [("emits", &fetcher.emits), ("extends", &fetcher.extends)] {
        for name in types.iter().filter(|name| !emitted.contains(name)) {
            if catalogue.spot("object_type", name).is_some() {
                found.push(
                    spot.element(key, name)
                        .report(
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
        for key in keys {
            let Some(inside) = catalogue.at(&step.at).and_then(|spot| spot.inside("where")) else { continue };
            if facts.is_derived(object_type, key) {
                found.push(
                    inside
                        .key(key)
                        .report(
                            "fetcher/reads-derived",
                            format!("`{key}` is derived, and not known while fetching"),
                            "derived after fetching",
                        )
                        .help("look up by what is fetched, or derive what depends on it, too"),
                );
                continue;
            }
            if facts.has(object_type, key) {
                if let Some(near) = facts.likely_meant(object_type, key) {
                    found.push(misspelt_attribute(inside.key(key), object_type, key, near));
                }
                continue;
            }
            let mut diagnostic = inside.key(key).report(
                "lookup/unknown-attribute",
                format!("objects of the type `{object_type}` have no attribute `{key}`"),
                "neither emitted nor derived",
            );
            diagnostic.help = catalogue.mean(key, &facts.names(object_type));
            found.push(diagnostic);
        }
    }
}

/// Settings whose default has another type.
fn defaults(catalogue: &Catalogue<'_>, fetcher: &Fetcher, found: &mut Vec<Diagnostic>) {
    let Some(inside) = catalogue.spot("fetcher", &fetcher.head.name).and_then(|spot| spot.inside("settings")) else {
        return;
    };
    for (name, setting) in &fetcher.settings {
        let Some(spot) = inside.inside(name) else { continue };
        let Some(node) =
            spot.node.get("default").filter(|node| !super::distributions::fits(setting.setting_type, node))
        else {
            continue;
        };
        found.push(
            spot.at(node)
                .report(
                    "spec/wrong-type",
                    format!("the default of `{name}` has another type, {}", node.kind_name()),
                    "",
                )
                .help("write a value of the type of the setting, or correct `type`"),
        );
    }
}

/// An attribute that objects may have, but that nothing is known to give them.
pub(super) fn misspelt_attribute(span: super::Span, object_type: &str, attribute: &str, near: String) -> Diagnostic {
    span.report(
        "expr/misspelt-attribute",
        format!("nothing is known to give objects of the type `{object_type}` a `{attribute}`"),
        "neither declared nor emitted nor derived",
    )
    .help(near)
}

fn narrowings(catalogue: &Catalogue<'_>, facts: &Facts, fetcher: &Fetcher, found: &mut Vec<Diagnostic>) {
    let Some(inside) = catalogue.spot("fetcher", &fetcher.head.name).and_then(|spot| spot.inside("narrow_by")) else {
        return;
    };
    for (object_type, attributes) in &fetcher.narrow_by {
        for attribute in attributes {
            if facts.has(object_type, attribute) {
                if let Some(near) = facts.likely_meant(object_type, attribute) {
                    found.push(misspelt_attribute(
                        inside.element(object_type, attribute),
                        object_type,
                        attribute,
                        near,
                    ));
                }
                continue;
            }
            let mut diagnostic = inside.element(object_type, attribute).report(
                "lookup/unknown-attribute",
                format!("objects of the type `{object_type}` have no attribute `{attribute}`"),
                "neither emitted nor derived",
            );
            diagnostic.help = catalogue.mean(attribute, &facts.names(object_type));
            found.push(diagnostic);
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
    let fetcher = catalogue.specs.fetchers.get(first);
    let waits_at = match (reason, fetcher) {
        (Some(schedule::Because::Parent(_)), _) => Some(spot.value("under")),
        (Some(schedule::Because::Lookup(name)), Some(fetcher)) => {
            let mut steps = Vec::new();
            walk(&fetcher.steps, &mut steps);
            let step = steps
                .into_iter()
                .find(|step| matches!(&step.verb, Verb::Lookup(lookup) if lookup.object_type == *name));
            step.map(|step| catalogue.span(&step.at, "lookup"))
        }
        (Some(schedule::Because::Attribute(name)), Some(fetcher)) => read_of_parent(catalogue, fetcher, name),
        _ => None,
    };
    found.push(
        waits_at
            .unwrap_or_else(|| spot.value("name"))
            .report("fetcher/circle", "fetchers wait for each other", label)
            .help(format!("the circle is {}; derive what one of them needs of the other", shown.join(" → "))),
    );
}

/// Where a fetcher first reads an attribute of its parent.
fn read_of_parent(catalogue: &Catalogue<'_>, fetcher: &Fetcher, attribute: &Str) -> Option<super::Span> {
    let slot = fetcher.layout.find("parent")?;
    let mut all: Vec<&Expr> = fetcher.when.iter().collect();
    fetcher.steps.iter().for_each(|step| exprs::of_step(step, &mut all));
    all.into_iter().find_map(|expr| {
        let used = expr.uses().into_iter().find(|used| used.slot == slot && used.path.first() == Some(attribute))?;
        catalogue.expr(expr, used.start, used.end)
    })
}

/// What each fetcher writes to each type.
struct Written<'f>(BTreeMap<Str, BTreeMap<Str, Vec<&'f Emit>>>);

impl<'f> Written<'f> {
    fn new(facts: &'f Facts) -> Self {
        let mut written: BTreeMap<Str, BTreeMap<Str, Vec<&Emit>>> = BTreeMap::new();
        for emit in &facts.emits {
            let of = written.entry(emit.fetcher.clone()).or_default();
            of.entry(emit.object_type.clone()).or_default().push(emit);
        }
        Self(written)
    }

    fn of(&self, fetcher: &Fetcher, object_type: &Str) -> &[&'f Emit] {
        let written = self.0.get(&fetcher.head.name).and_then(|types| types.get(object_type));
        written.map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the objects of two fetchers can be told apart: each emit of the one says a word of some attribute where each
    /// of the other says another.
    fn apart(&self, first: &Fetcher, second: &Fetcher, object_type: &Str) -> bool {
        let others = self.of(second, object_type);
        self.of(first, object_type).iter().all(|one| {
            others.iter().all(|other| {
                one.constants.iter().any(|(key, word)| other.constants.get(key).is_some_and(|said| said != word))
            })
        })
    }
}

/// How many fetchers of one type under one type are compared with each.
const MOST_OWNERS: usize = 50;

/// Two fetchers of one environment that write the same things.
fn together(
    catalogue: &Catalogue<'_>,
    written: &Written<'_>,
    fetchers: &[Arc<Fetcher>],
    told: &mut BTreeSet<(Str, Str)>,
    found: &mut Vec<Diagnostic>,
) {
    let mut owners: BTreeMap<(&Str, &Str), Vec<&Fetcher>> = BTreeMap::new();
    let mut emitters: BTreeMap<&Str, Vec<&Fetcher>> = BTreeMap::new();
    for second in fetchers {
        for object_type in &second.emits {
            emitters.entry(object_type).or_default().push(second);
            let before = owners.entry((object_type, &second.under)).or_default();
            let first = before
                .iter()
                .take(MOST_OWNERS)
                .find(|first| first.head.name != second.head.name && !written.apart(first, second, object_type))
                .copied();
            before.push(second);
            if let Some(first) = first
                && told.insert((first.head.name.clone(), second.head.name.clone()))
                && let (Some(here), Some(there)) =
                    (catalogue.spot("fetcher", &second.head.name), catalogue.spot("fetcher", &first.head.name))
            {
                let mut diagnostic = here
                    .element("emits", object_type)
                    .report(
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
    }
    for extender in fetchers {
        for object_type in &extender.extends {
            for emitter in emitters.get(object_type).into_iter().flatten() {
                // An extender that looks up its objects runs after the others, and knows their attributes.
                if emitter.head.name != extender.head.name && !extender.reads.contains(object_type) {
                    two_writers(catalogue, written, emitter, extender, object_type, told, found);
                }
            }
        }
    }
}

fn two_writers(
    catalogue: &Catalogue<'_>,
    written: &Written<'_>,
    emitter: &Fetcher,
    extender: &Fetcher,
    object_type: &Str,
    told: &mut BTreeSet<(Str, Str)>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(declared) = catalogue.specs.object_types.get(object_type) else { return };
    let Some(slot) = declared.layout.find("self") else { return };
    let emitted = written.of(emitter, object_type);
    let mut both = Vec::new();
    for emit in written.of(extender, object_type) {
        both.extend(
            emit.keys.iter().filter(|key| emitted.iter().any(|one| one.keys.contains(*key))).map(|key| (key, *emit)),
        );
    }
    if both.is_empty() {
        return;
    }
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
    for (key, emit) in both {
        let united = declared.attributes.get(key).is_some_and(|attribute| attribute.merge_union);
        if identity.contains(key) || united || !told.insert((extender.head.name.clone(), key.clone())) {
            continue;
        }
        let span = catalogue
            .at(&emit.at)
            .and_then(|spot| spot.inside("set"))
            .map_or_else(|| catalogue.span(&emit.at, "emit"), |set| set.key(key));
        found.push(
            span.report(
                "fetcher/attribute-twice",
                format!("`{key}` of `{object_type}` is written by `{}` as well", emitter.head.name),
                "the later fetcher wins",
            )
            .help("leave it out of one of them, or declare the attribute with `merge: union`"),
        );
    }
}

/// Fetchers under a type that nothing emits where they apply, and stand-ins that no distribution puts in place.
fn reach(catalogue: &Catalogue<'_>, chosen: &[&Vec<Arc<Fetcher>>], found: &mut Vec<Diagnostic>) {
    let mut applying: BTreeSet<&Str> = BTreeSet::new();
    let mut running: BTreeSet<&Str> = BTreeSet::new();
    for fetchers in chosen {
        let emitted: BTreeSet<&Str> = fetchers.iter().flat_map(|fetcher| &fetcher.emits).collect();
        for fetcher in *fetchers {
            applying.insert(&fetcher.head.name);
            if emitted.contains(&fetcher.under) {
                running.insert(&fetcher.head.name);
            }
        }
    }
    for fetcher in catalogue.specs.fetchers.values() {
        let Some(spot) = catalogue.spot("fetcher", &fetcher.head.name) else { continue };
        if !applying.contains(&fetcher.head.name)
            || running.contains(&fetcher.head.name)
            || fetcher.under.as_ref() == "environment"
            || catalogue.spot("object_type", &fetcher.under).is_none()
        {
            continue;
        }
        found.push(
            spot.value("under")
                .report(
                    "fetcher/never-under",
                    format!("nothing emits `{}` where this fetcher applies, so it never runs", fetcher.under),
                    "never there",
                )
                .help("correct `under`, or add a fetcher that emits the type"),
        );
    }
}
