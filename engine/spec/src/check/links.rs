//! Joins: link types and rules of derived attributes.

use calipso_expr::shape::{self, Shape};

use super::{Catalogue, attributes::Facts, variances::World};
use crate::{
    checked::{JoinEnd, Selector},
    diag::Diagnostic,
};

pub(super) fn check(catalogue: &Catalogue<'_>, facts: &Facts, world: &World<'_>, found: &mut Vec<Diagnostic>) {
    let supported = &world.supported;
    let applies = |selectors: &[&Selector]| world.applies(selectors);
    let specs = catalogue.specs;
    for link_type in specs.link_types.values() {
        let Some(spot) = catalogue.spot("link_type", &link_type.head.name) else { continue };
        let turned = format!("{}-{}", link_type.to, link_type.from);
        if turned != link_type.head.name.as_ref()
            && turned.as_str() < link_type.head.name.as_ref()
            && let Some(other) = catalogue.spot("link_type", &turned)
        {
            let mut diagnostic = spot
                .value("name")
                .report("link/both-directions", format!("`{turned}` is the same link the other way"), "declared here")
                .help("keep one of them; a clique path may name it either way");
            diagnostic.others.push(other.value("name").label("and here"));
            found.push(diagnostic);
        }
        if !applies(&[&link_type.environment]) {
            found.push(never(spot.value("environment")));
        }
        for rule in &link_type.rules {
            if !applies(&[&link_type.environment, &rule.environment]) && applies(&[&link_type.environment]) {
                found.push(never(catalogue.span(&rule.at, "environment")));
            }
            let at = |slot| match link_type.layout.name(slot).map(AsRef::as_ref) {
                Some("from") => facts.with_derived(&link_type.from),
                Some("to") => facts.with_derived(&link_type.to),
                _ => Shape::Any,
            };
            keys(catalogue, &rule.from, &rule.to, &at, found);
        }
    }
    for object_type in specs.object_types.values() {
        for rule in object_type.derive.iter().filter(|rule| rule.from.is_some()) {
            let at = |slot| match object_type.layout.name(slot).map(AsRef::as_ref) {
                Some("self") => facts.with_derived(&object_type.head.name),
                Some("other") => rule.from.as_ref().map_or(Shape::Any, |from| facts.with_derived(from)),
                _ => Shape::Any,
            };
            keys(catalogue, &rule.own, &rule.other, &at, found);
        }
    }
    let others = specs
        .fetchers
        .values()
        .map(|fetcher| ("fetcher", &fetcher.head.name, &fetcher.environment))
        .chain(specs.clique_types.values().map(|clique| ("clique_type", &clique.head.name, &clique.environment)));
    for (kind, name, selector) in others {
        if !applies(&[selector])
            && let Some(spot) = catalogue.spot(kind, name)
        {
            found.push(never(spot.value("environment")));
        }
    }
    for distribution in specs.distributions.values() {
        for rule in &distribution.commands {
            let here = supported.iter().filter(|one| one.distribution.head.name == distribution.head.name);
            if !supported.is_empty() && !here.clone().any(|one| one.fulfils(&rule.environment)) && here.count() > 0 {
                found.push(never(catalogue.span(&rule.at, "environment")));
            }
        }
    }
}

fn never(span: super::Span) -> Diagnostic {
    span.report("link/never-applies", "no supported environment fulfils this selector", "asks for what no variance has")
        .help("the distributions list under `variances` what is supported")
}

/// `1 part`, `2 parts`.
fn parts(n_parts: usize) -> String {
    if n_parts == 1 { "1 part".to_owned() } else { format!("{n_parts} parts") }
}

/// Sizes and types of the two keys.
fn keys(
    catalogue: &Catalogue<'_>,
    first: &JoinEnd,
    second: &JoinEnd,
    at: &dyn Fn(usize) -> Shape,
    found: &mut Vec<Diagnostic>,
) {
    let (Some(a), Some(b)) = (&first.key, &second.key) else { return };
    let (Some(here), Some(there)) = (catalogue.expr(b, 0, b.source().len()), catalogue.expr(a, 0, a.source().len()))
    else {
        return;
    };
    if let (Some(x), Some(y)) = (a.key_size(), b.key_size())
        && x != y
    {
        let mut diagnostic = here
            .report("link/key-sizes-differ", format!("a key of {} never meets one of {}", parts(x), parts(y)), parts(y))
            .help("parts are compared one by one: write as many on either side");
        diagnostic.others.push(there.label(parts(x)));
        found.push(diagnostic);
        return;
    }
    let (x, y) = (shape::infer(a, at).0, shape::infer(b, at).0);
    let pairs: Vec<_> = shape::infer_parts(a, at).into_iter().zip(shape::infer_parts(b, at)).collect();
    let differs = pairs.iter().position(|(x, y)| !x.may_equal(y)).filter(|_| pairs.len() > 1);
    if let Some((number, (x, y))) = differs.and_then(|number| Some((number, pairs.get(number)?))) {
        let mut diagnostic = here.report(
            "link/key-types-differ",
            format!("part {} of a key is {} here, which never equals {}", number + 1, y.kind(), x.kind()),
            "never met",
        );
        diagnostic.others.push(there.label(format!("part {} is {} here", number + 1, x.kind())));
        found.push(diagnostic.help("bring both to one type, with `| string` or `| int`"));
        return;
    }
    // A key that is no list was reported as such.
    if a.is_list() && b.is_list() && !x.may_equal(&y) {
        let of = |shape: &Shape| match shape {
            Shape::List(of) => of.kind(),
            other => other.kind(),
        };
        let mut diagnostic = here
            .report(
                "link/key-types-differ",
                format!("a key of {} never equals a key of {}", of(&x), of(&y)),
                format!("parts are {}", of(&y)),
            )
            .help("convert one of them: `| string`, `| int`");
        diagnostic.others.push(there.label(format!("parts are {}", of(&x))));
        found.push(diagnostic);
    }
}
