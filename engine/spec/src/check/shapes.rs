//! What values can be: attributes that are never there, types that clash, optional things read without a default.

mod outside;
mod walk;

use std::collections::BTreeMap;

use calipso_expr::{
    Layout,
    shape::{Shape, ShapeIssueKind},
};
use calipso_model::Str;
use calipso_parse as parse;

use super::{
    Catalogue,
    attributes::{Emit, Facts, of_type},
};
use crate::{
    checked::{Fetcher, Field, FieldType, Verb},
    diag::Diagnostic,
};
use walk::Walk;

/// The diagnostic of an issue.
fn code(kind: ShapeIssueKind) -> &'static str {
    match kind {
        ShapeIssueKind::UnknownAttribute => "expr/unknown-attribute",
        ShapeIssueKind::WrongType => "expr/wrong-type",
        ShapeIssueKind::MaybeUndefined => "expr/maybe-undefined",
        ShapeIssueKind::BadGenerator => "each/bad-generator",
        ShapeIssueKind::ReadsLate => "fetcher/reads-derived",
        ShapeIssueKind::Misspelt => "expr/misspelt-attribute",
        ShapeIssueKind::NeverEqual => "expr/never-equal",
    }
}

/// Judges every expression of the catalogue.
pub(super) fn check(catalogue: &Catalogue<'_>, facts: &Facts, found: &mut Vec<Diagnostic>) {
    for fetcher in catalogue.specs.fetchers.values() {
        let mut walk = Walk::new(catalogue, Some(facts), &fetcher.layout);
        walk.fetcher = fetcher.head.name.clone();
        fetcher_roots(&mut walk, fetcher, facts.while_fetching(&fetcher.under));
        if let Some(when) = &fetcher.when {
            walk.expr(when);
        }
        walk.steps(&fetcher.steps);
        found.append(&mut walk.found);
    }
    outside::check(catalogue, facts, found);
}

/// Every emit of every fetcher, as far as it is known without knowing the types.
pub(super) fn emits(catalogue: &Catalogue<'_>) -> Vec<Emit> {
    let mut emits = Vec::new();
    for fetcher in catalogue.specs.fetchers.values() {
        let mut walk = Walk::new(catalogue, None, &fetcher.layout);
        walk.fetcher = fetcher.head.name.clone();
        fetcher_roots(&mut walk, fetcher, Shape::Any);
        walk.steps(&fetcher.steps);
        emits.append(&mut walk.emits);
    }
    emits
}

fn fetcher_roots(walk: &mut Walk<'_>, fetcher: &Fetcher, parent: Shape) {
    common_roots(walk, &fetcher.layout);
    walk.set(&fetcher.layout, "parent", parent);
    let narrow = fetcher.narrow_by.values().flatten().map(|name| (name.clone(), (Shape::Any, true))).collect();
    walk.set(&fetcher.layout, "narrow", Shape::Map { known: narrow, open: false });
    let settings =
        fetcher.settings.iter().map(|(name, setting)| (name.clone(), (of_type(setting.setting_type), false))).collect();
    walk.set(&fetcher.layout, "settings", Shape::Map { known: settings, open: false });
}

/// `env`, `dist`, `answer`.
fn common_roots(walk: &mut Walk<'_>, layout: &Layout) {
    // What an environment can say is what the distributions declare.
    let said = walk.environment_values();
    let word = |key: &str| said.get(key).map_or(Shape::Text, |words| Shape::Words(words.clone()));
    walk.set(
        layout,
        "env",
        Shape::closed([
            ("name", Shape::Text),
            ("platform", word("platform")),
            ("distribution", word("distribution")),
            ("version", word("version")),
            ("mechanism_drivers", Shape::list(word("mechanism_drivers"))),
            ("type_drivers", Shape::list(word("type_drivers"))),
            ("flags", Shape::list(Shape::Text)),
        ]),
    );
    walk.set(layout, "dist", Shape::closed([("values", Shape::Map { known: BTreeMap::new(), open: true })]));
    walk.set(layout, "answer", answer());
}

/// What is known of an answer.
fn answer() -> Shape {
    answer_without(&[])
}

/// What is known of the value that one verb yields.
fn answer_to(verb: &Verb) -> Shape {
    answer_without(match verb {
        Verb::Run(_) => &["status", "headers"],
        Verb::Http(_) => &["exit_code", "stderr"],
        Verb::Sql(_) => &["exit_code", "stderr", "status", "headers"],
        _ => &[],
    })
}

fn answer_without(missing: &[&str]) -> Shape {
    let all = [
        ("negative", Shape::Bool),
        ("error", Shape::Text),
        ("exit_code", Shape::Int),
        ("stdout", Shape::Text),
        ("stderr", Shape::Text),
        ("status", Shape::Int),
        ("headers", Shape::Dict(Box::new(Shape::Text))),
        ("body", Shape::Any),
        ("received_at", Shape::Text),
    ];
    let there = all.into_iter().filter(|(name, _)| !missing.contains(name));
    Shape::Map { known: there.map(|(name, shape)| (Str::from(name), (shape, false))).collect(), open: false }
}

/// The shape of a connection's fields.
fn fields(form: &BTreeMap<Str, Field>) -> Shape {
    let known = form
        .iter()
        .map(|(name, field)| {
            let shape = match field.field_type {
                FieldType::Port | FieldType::Integer => Shape::Int,
                FieldType::Bool => Shape::Bool,
                FieldType::Map => Shape::Dict(Box::new(fields(&field.of))),
                _ => Shape::Text,
            };
            (name.clone(), (shape, field.optional && field.default.is_none()))
        })
        .collect();
    Shape::Map { known, open: false }
}

/// What a parser yields.
fn parsed(shape: parse::ParsedShape) -> Shape {
    match shape {
        parse::ParsedShape::Any => Shape::Any,
        parse::ParsedShape::Text => Shape::Text,
        parse::ParsedShape::Int => Shape::Int,
        parse::ParsedShape::Number => Shape::Num,
        parse::ParsedShape::Bool => Shape::Bool,
        parse::ParsedShape::List(of) => Shape::list(parsed(*of)),
        parse::ParsedShape::OneOf(shapes) => shapes.into_iter().map(parsed).reduce(Shape::or).unwrap_or(Shape::Any),
        parse::ParsedShape::Map { known, others } => match others {
            Some(others) if known.is_empty() => Shape::Dict(Box::new(parsed(*others))),
            others => Shape::Map {
                known: known.into_iter().map(|(name, field)| (name, (parsed(field.shape), field.optional))).collect(),
                open: others.is_some(),
            },
        },
    }
}
