//! One walk over the steps of a spec, with the shape of every name on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_expr::{
    Each, Expr, Layout, Part, Tree,
    shape::{self, DefinedPath, Shape, ShapeIssue, ShapeIssueKind, proven},
};
use calipso_model::{Str, Value};

use super::{
    super::{
        Catalogue, Span,
        attributes::{COMMON, Emit, Facts, of_attribute},
    },
    answer, answer_to, code, parsed,
};
use crate::{
    checked::{Block, Condition, EmitStep, ObjectType, Step, Take, Verb},
    decode::MOST_ENTRIES,
    diag::Diagnostic,
};

/// The state of a walk.
pub(super) struct Walk<'c> {
    catalogue: &'c Catalogue<'c>,
    facts: Option<&'c Facts>,
    shapes: Vec<Shape>,
    /// Paths that a `when` around proves to be there.
    guards: Vec<DefinedPath>,
    result: Option<usize>,
    row: Option<usize>,
    answer: Option<usize>,
    pub fetcher: Str,
    pub found: Vec<Diagnostic>,
    pub emits: Vec<Emit>,
}

impl<'c> Walk<'c> {
    pub fn new(catalogue: &'c Catalogue<'c>, facts: Option<&'c Facts>, layout: &Layout) -> Self {
        Self {
            catalogue,
            facts,
            shapes: vec![Shape::Any; layout.len()],
            guards: Vec::new(),
            result: layout.find("result"),
            row: layout.find("row"),
            answer: layout.find("answer"),
            fetcher: Str::from(""),
            found: Vec::new(),
            emits: Vec::new(),
        }
    }

    /// What environments can say, by key of a selector.
    pub fn environment_values(&self) -> &'c BTreeMap<&'static str, Arc<[Str]>> {
        self.catalogue.environment_values()
    }

    /// Says what a name of the layout is.
    pub fn set(&mut self, layout: &Layout, name: &str, shape: Shape) {
        if let Some(slot) = layout.find(name) {
            self.bind(slot, shape);
        }
    }

    pub fn bind(&mut self, slot: usize, shape: Shape) {
        if let Some(span) = self.shapes.get_mut(slot) {
            *span = shape;
        }
    }

    /// Runs with what a condition asks for taken as given.
    pub fn guarded<T>(&mut self, when: Option<&Expr>, run: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.guards.len();
        if let Some(when) = when {
            self.expr(when);
            self.guards.extend(proven(when, true));
        }
        let result = run(self);
        self.guards.truncate(mark);
        result
    }

    /// Judges an expression.
    pub fn expr(&mut self, expr: &Expr) -> Shape {
        let shapes = &self.shapes;
        let (shape, issues) =
            shape::infer_knowing(expr, &|slot| shapes.get(slot).cloned().unwrap_or(Shape::Any), &self.guards);
        self.report(expr, 0, issues);
        shape
    }

    fn report(&mut self, expr: &Expr, offset: usize, issues: Vec<ShapeIssue>) {
        if self.facts.is_none() {
            return;
        }
        for issue in issues {
            let (start, end) = (issue.start.saturating_sub(offset), issue.end.saturating_sub(offset));
            let Some(span) = self.catalogue.expr(expr, start, end) else { continue };
            let label = match issue.kind {
                ShapeIssueKind::UnknownAttribute => "nothing puts it there",
                ShapeIssueKind::WrongType => "",
                ShapeIssueKind::MaybeUndefined => "may be absent",
                ShapeIssueKind::BadGenerator => "",
                ShapeIssueKind::ReadsLate => "derived after fetching",
                ShapeIssueKind::Misspelt => "neither declared nor emitted nor derived",
                ShapeIssueKind::NeverEqual => "not among `one_of`",
            };
            let late = issue.kind == ShapeIssueKind::ReadsLate;
            let message = if late {
                let name = issue.message.split('`').nth(1).unwrap_or_default();
                format!("`{name}` is derived, and not known while fetching")
            } else {
                issue.message
            };
            let mut diagnostic = span.report(code(issue.kind), message, label);
            diagnostic.help = issue.help;
            if late {
                diagnostic.help =
                    Some("derive what depends on it, too, or compute it here from what is fetched".to_owned());
            }
            self.found.push(diagnostic);
        }
    }

    /// Judges a tree.
    pub fn tree(&mut self, tree: &Tree) -> Shape {
        match tree {
            Tree::Const(value) => shape::of(value),
            Tree::Expr(expr) => self.expr(expr),
            Tree::Text(parts) => {
                for part in parts {
                    if let Part::Expr(expr, _) = part {
                        let shape = self.expr(expr);
                        if matches!(shape, Shape::List(_) | Shape::Map { .. } | Shape::Dict(_)) {
                            self.joined(expr, &shape);
                        }
                    }
                }
                Shape::Text
            }
            Tree::List(items) => {
                let shapes: Vec<Shape> = items.iter().map(|item| self.tree(item)).collect();
                Shape::list(shapes.into_iter().reduce(Shape::or).unwrap_or(Shape::Any))
            }
            Tree::Map(entries) if entries.len() > MOST_ENTRIES => {
                self.trees(entries);
                Shape::Map { known: BTreeMap::new(), open: true }
            }
            Tree::Map(entries) => {
                let known = entries.iter().map(|(key, value)| (key.clone(), self.entry(key, value))).collect();
                Shape::Map { known, open: false }
            }
        }
    }

    /// The shape of an entry of a written map, and whether it may be left out because it is null.
    fn entry(&mut self, key: &Str, tree: &Tree) -> (Shape, bool) {
        let shape = self.tree(tree);
        let shapes = &self.shapes;
        let alone = Tree::Map(vec![(key.clone(), tree.clone())]);
        let at = |slot: usize| shapes.get(slot).cloned().unwrap_or(Shape::Any);
        match shape::infer_tree(&alone, &at, &self.guards).0 {
            Shape::Map { known, .. } => known.into_values().next().map_or((Shape::Any, false), |entry| entry),
            _ => (shape, false),
        }
    }

    fn joined(&mut self, expr: &Expr, shape: &Shape) {
        if self.facts.is_none() {
            return;
        }
        if let Some(span) = self.catalogue.expr(expr, 0, expr.source().len()) {
            self.found.push(
                span.report("expr/wrong-type", format!("{} cannot be joined into text", shape.kind()), "")
                    .help("write it alone, as the whole value, or choose an element of it"),
            );
        }
    }

    pub fn trees(&mut self, trees: &[(Str, Tree)]) {
        for (_, tree) in trees {
            self.tree(tree);
        }
    }

    /// Binds the names of generators.
    pub fn each(&mut self, each: &Each) {
        for generator in &each.generators {
            let shapes = &self.shapes;
            let at = |slot: usize| shapes.get(slot).cloned().unwrap_or(Shape::Any);
            let (key, value, issues) = shape::infer_each(generator, &at, &self.guards);
            self.report(&generator.over, generator.over.offset(), issues);
            if let Some(slot) = generator.key {
                self.bind(slot, key.unwrap_or(Shape::Any));
            }
            self.bind(generator.value, value);
        }
    }

    pub fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        if let Some(each) = &step.each {
            self.each(each);
        }
        self.guarded(step.when.as_ref(), |walk| walk.inner(step));
    }

    fn inner(&mut self, step: &Step) {
        let none_if = step.none_if.clone();
        if let Some(none_if) = &none_if {
            self.expr_with(none_if, self.answer, &answer_to(&step.verb));
            if let Some(slot) = self.answer {
                self.bind(slot, answer());
            }
        }
        let mut result = self.verb(step);
        if let Some(until) = step.retry.as_ref().and_then(|retry| retry.until.as_ref()) {
            self.expr_with(until, self.result, &result);
        }
        if step.each.is_some() {
            if let Some(key) = &step.key {
                self.expr(key);
            }
            result = gathered(result, step);
        } else if let Shape::List(of) = &result {
            let of = (**of).clone();
            let listed = matches!(step.verb, Verb::Lookup(_) | Verb::Sql(_) | Verb::Fetch(_) | Verb::Http(_))
                || step.key.is_some();
            if let Some(key) = &step.key {
                self.expr_with(key, self.row, &of);
            }
            if listed {
                result = gathered(of, step);
            }
        } else if let Some(key) = &step.key {
            self.expr_with(key, self.row, &Shape::Any);
            result = gathered(Shape::Any, step);
        }
        if let Some(slot) = step.bind {
            self.bind(slot, result);
        }
    }

    /// Judges an expression while `result` or `row` has a shape.
    fn expr_with(&mut self, expr: &Expr, slot: Option<usize>, shape: &Shape) {
        if let Some(slot) = slot {
            self.bind(slot, shape.clone());
        }
        self.expr(expr);
    }

    fn block(&mut self, block: &Block) -> Shape {
        self.guarded(block.when.as_ref(), |walk| {
            walk.steps(&block.steps);
            block.value.as_ref().map_or(Shape::Null, |value| walk.tree(value))
        })
    }

    fn verb(&mut self, step: &Step) -> Shape {
        match &step.verb {
            Verb::Run(run) => {
                for expr in run.words.exprs() {
                    if matches!(self.expr(expr), Shape::Map { .. } | Shape::Dict(_))
                        && self.facts.is_some()
                        && let Some(span) = self.catalogue.expr(expr, 0, expr.source().len())
                    {
                        self.found.push(
                            span.report("run/not-words", "a map is no word of a command", "")
                                .help("choose a value of it"),
                        );
                    }
                }
                if let Some(at) = &run.at {
                    self.expr(at);
                }
                // The value of a parser that could not be read is unknown.
                let unknown = || {
                    let written = self.catalogue.at(&step.at).is_some_and(|spot| spot.node.get("parse").is_some());
                    if written { Shape::Any } else { Shape::Text }
                };
                run.parse.as_ref().map_or_else(unknown, |parser| parsed(parser.shape()))
            }
            Verb::Http(http) => {
                http.path.exprs().into_iter().for_each(|expr| {
                    self.expr(expr);
                });
                self.trees(&http.target);
                self.trees(&http.query);
                self.trees(&http.headers);
                self.trees(&http.form);
                if let Some(basic) = &http.basic {
                    self.tree(&basic.user);
                    self.tree(&basic.password);
                }
                if let Some(body) = &http.body {
                    self.tree(body);
                }
                if let Some(base) = &http.base {
                    self.expr(base);
                }
                if let Some(slot) = http.answer_as {
                    self.bind(slot, answer());
                }
                match (&http.items, &http.parse) {
                    (Some(_), _) => Shape::list(Shape::Any),
                    (None, Some(parser)) => parsed(parser.shape()),
                    (None, None) => Shape::Any,
                }
            }
            Verb::Sql(sql) => {
                for expr in sql.text.exprs() {
                    self.expr(expr);
                }
                Shape::list(Shape::Map { known: BTreeMap::new(), open: true })
            }
            Verb::Lookup(lookup) => {
                for (_, condition) in &lookup.filter {
                    let (Condition::Is(tree) | Condition::Has(tree) | Condition::AnyOf(tree)) = condition;
                    self.tree(tree);
                }
                if let Some(because) = lookup.missing.as_ref().and_then(|stop| stop.because.as_ref()) {
                    self.tree(because);
                }
                Shape::list(self.facts.map_or(Shape::Any, |facts| facts.while_fetching(&lookup.object_type)))
            }
            Verb::Fetch(fetch) => {
                self.expr(&fetch.inside);
                self.trees(&fetch.filter);
                Shape::list(self.facts.map_or(Shape::Any, |facts| facts.with_derived(&fetch.object_type)))
            }
            Verb::Let(tree) => self.tree(tree),
            Verb::Emit(emit) => {
                self.emit(step, emit);
                Shape::Null
            }
            Verb::Patch(patch) => {
                self.expr(&patch.object);
                if let Some(copy) = &patch.copy {
                    self.expr(copy);
                }
                self.trees(&patch.set);
                self.trees(&patch.put);
                self.trees(&patch.remove);
                Shape::Null
            }
            Verb::Delete(object) => {
                self.expr(object);
                Shape::Null
            }
            Verb::Stop(stop) => {
                if let Some(because) = &stop.because {
                    self.tree(because);
                }
                Shape::Null
            }
            Verb::Do(block) => self.block(block),
            Verb::FirstOf(blocks) => self.first_of(step, blocks),
        }
    }

    fn first_of(&mut self, step: &Step, blocks: &[Block]) -> Shape {
        let shapes: Vec<Shape> = blocks.iter().map(|block| self.block(block)).collect();
        if step.bind.is_some() && self.facts.is_some() {
            let keys: Vec<(usize, BTreeSet<Str>)> =
                shapes.iter().enumerate().filter_map(|(number, shape)| Some((number, keys(shape)?))).collect();
            if let Some(((first, reference), rest)) = keys.split_first()
                && let Some((other, differing)) = rest.iter().find(|(_, keys)| keys != reference)
                && let Some(spot) = self.catalogue.at(&step.at)
            {
                let blocks: Vec<_> = spot.each("first_of").collect();
                if let (Some(here), Some(there)) = (blocks.get(*other), blocks.get(*first)) {
                    let missing: Vec<String> =
                        reference.symmetric_difference(differing).map(|key| format!("`{key}`")).collect();
                    let message = format!("the alternatives differ in the keys {}", missing.join(", "));
                    let mut diagnostic = here
                        .value("value")
                        .report("first_of/shapes-differ", message, "has other keys")
                        .help("let every alternative yield the same keys; null stands for what one cannot know");
                    diagnostic.others.push(there.value("value").label("than this one"));
                    self.found.push(diagnostic);
                }
            }
        }
        shapes.into_iter().reduce(Shape::or).unwrap_or(Shape::Any)
    }

    fn emit(&mut self, step: &Step, emit: &EmitStep) {
        let mut fact = Emit {
            fetcher: self.fetcher.clone(),
            at: step.at.clone(),
            object_type: emit.object_type.clone(),
            keys: BTreeSet::new(),
            open: false,
            constants: BTreeMap::new(),
        };
        if let Some(copy) = &emit.copy {
            match self.expr(copy) {
                Shape::Map { known, open } => {
                    fact.open |= open;
                    fact.keys.extend(known.into_keys());
                }
                _ => fact.open = true,
            }
        }
        for key in &emit.without {
            fact.keys.remove(key);
        }
        for (key, tree) in &emit.set {
            let n_found = self.found.len();
            let shape = self.tree(tree);
            let judged = self.found.len() == n_found;
            if let Tree::Const(Value::Str(text)) = tree {
                fact.constants.insert(key.clone(), text.clone());
            }
            fact.keys.insert(key.clone());
            self.among(step, emit, key, tree);
            if judged {
                self.check_written(step, emit, key, &shape);
            }
        }
        self.emits.push(fact);
    }

    /// Warns of an attribute that nothing declares, where one with nearly the same name is declared and not set here.
    fn near_declared(&mut self, emit: &EmitStep, object_type: &ObjectType, key: &Str, span: Option<Span>) {
        let known = object_type
            .attributes
            .keys()
            .chain(object_type.derive.iter().map(|rule| &rule.attribute))
            .map(AsRef::as_ref)
            .chain(COMMON.iter().copied());
        let set = |name: &str| emit.set.iter().any(|(other, _)| other.as_ref() == name);
        if COMMON.contains(&key.as_ref()) {
            return;
        }
        if let (Some(near), Some(span)) = (calipso_expr::misspelt(key, known.filter(|name| !set(name))), span) {
            self.found.push(
                span.report(
                    "expr/misspelt-attribute",
                    format!("objects of the type `{}` declare no `{key}`", emit.object_type),
                    "neither declared nor derived",
                )
                .help(format!("did you mean `{near}`? If not, declare it in object_types/{}.yaml", emit.object_type)),
            );
        }
    }

    /// Whether a constant is among the values that the attribute can have.
    fn among(&mut self, step: &Step, emit: &EmitStep, key: &Str, tree: &Tree) {
        let attribute = self
            .facts
            .and(self.catalogue.specs.object_types.get(&emit.object_type))
            .and_then(|object_type| object_type.attributes.get(key));
        let Some(attribute) = attribute.filter(|known| !known.one_of.is_empty() && !known.other_values) else { return };
        let span = || self.catalogue.at(&step.at).and_then(|spot| spot.inside("set")).map(|set| (set, set.value(key)));
        // Constants as they are written, in lists, and where an expression can come to them.
        let mut wrong: Vec<(Str, Option<Span>)> = Vec::new();
        let items = match tree {
            Tree::List(items) => items.iter().collect(),
            one => vec![one],
        };
        for item in items {
            match item {
                Tree::Const(Value::Str(text)) => {
                    let span = span().map(|(set, whole)| match tree {
                        Tree::List(_) => set.element(key, text),
                        _ => whole,
                    });
                    wrong.push((text.clone(), span));
                }
                Tree::Expr(expr) => {
                    let outcomes = expr.outcomes().into_iter();
                    wrong.extend(outcomes.map(|(text, start, end)| (text, self.catalogue.expr(expr, start, end))));
                }
                _ => {}
            }
        }
        for (text, span) in wrong.into_iter().filter(|(text, _)| !text.is_empty() && !attribute.one_of.contains(text)) {
            let Some(span) = span else { continue };
            let mut diagnostic = span.report(
                "expr/wrong-type",
                format!("`{key}` of `{}` is never `{text}`", emit.object_type),
                "not among `one_of`",
            );
            diagnostic.help = self
                .catalogue
                .mean(&text, &attribute.one_of)
                .or_else(|| Some(format!("it can be {}", attribute.one_of.join(", "))));
            self.found.push(diagnostic);
        }
    }

    /// Whether the type can take what is written to an attribute.
    fn check_written(&mut self, step: &Step, emit: &EmitStep, key: &Str, shape: &Shape) {
        let Some(object_type) = self.facts.and(self.catalogue.specs.object_types.get(&emit.object_type)) else {
            return;
        };
        let span = || {
            self.catalogue.at(&step.at).and_then(|spot| spot.inside("set")).map(|set| (set.key(key), set.value(key)))
        };
        match object_type.attributes.get(key) {
            None if self.catalogue.is_broken_spec("object_type", &emit.object_type) => {}
            None if object_type.other_attributes => {
                self.near_declared(emit, object_type, key, span().map(|(key, _)| key))
            }
            None if !object_type.other_attributes && !COMMON.contains(&key.as_ref()) => {
                if let Some((span, _)) = span() {
                    let mut diagnostic = span.report(
                        "expr/unknown-attribute",
                        format!("objects of the type `{}` have no attribute `{key}`", emit.object_type),
                        "not declared, and `other_attributes` is `rejected`",
                    );
                    diagnostic.help = self
                        .catalogue
                        .mean(key, object_type.attributes.keys())
                        .or_else(|| Some(format!("declare it in object_types/{}.yaml", emit.object_type)));
                    self.found.push(diagnostic);
                }
            }
            Some(attribute) if *shape != Shape::Null && !of_attribute(attribute).may_equal(shape) => {
                if let Some((_, span)) = span() {
                    let wanted = of_attribute(attribute);
                    let (is, found) = (wanted.words(), shape.words());
                    self.found.push(
                        span.report(
                            "expr/wrong-type",
                            format!("`{key}` of `{}` is {is}, not {found}", emit.object_type),
                            format!("this is {found}"),
                        )
                        .help(match wanted {
                            Shape::Int | Shape::Num => "convert it: `| int`",
                            Shape::Text => "convert it: `| string`",
                            Shape::List(_) => "make a list of it: `| as_list`",
                            _ => "write a value of the declared type, or declare another type",
                        }),
                    );
                }
            }
            _ => {}
        }
    }
}

/// What several results of one shape become.
fn gathered(one: Shape, step: &Step) -> Shape {
    let one = match (&step.key, step.take) {
        (Some(_), Take::All | Take::Distinct) => Shape::list(one),
        _ => one,
    };
    match (&step.key, step.take) {
        (Some(_), _) => Shape::Dict(Box::new(one)),
        (None, Take::All | Take::Distinct) => Shape::list(one),
        (None, _) => one,
    }
}

/// The keys of a map, or of the maps of a list, where they are all known.
fn keys(shape: &Shape) -> Option<BTreeSet<Str>> {
    match shape {
        Shape::Map { known, open: false } => Some(known.keys().cloned().collect()),
        Shape::List(of) => keys(of),
        _ => None,
    }
}
