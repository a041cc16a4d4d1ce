//! Infers shapes through an expression, and finds what is wrong on the way.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use super::{
    DefinedPath, Shape, ShapeIssue, ShapeIssueKind, of,
    proof::{path_of, prove},
};
use crate::{
    each::Generator,
    error::{misspelt, nearest},
    expr::Expr,
    layout::Slot,
    ops::{Comparison, Math},
    syntax::{Args, Kind, Node},
    table::{self, Filter, Takes, Yields},
    template::{Part, Tree},
};

/// Most words that a help lists.
const MAX_LISTED: usize = 20;

/// The shape of an expression's value, and the issues found. `at` gives the shape of each root name.
pub fn infer(expr: &Expr, at: &dyn Fn(Slot) -> Shape) -> (Shape, Vec<ShapeIssue>) {
    infer_knowing(expr, at, &[])
}

/// As [`infer`], where these paths are known to be defined (see [`proven`](super::proven)).
pub fn infer_knowing(expr: &Expr, at: &dyn Fn(Slot) -> Shape, known: &[DefinedPath]) -> (Shape, Vec<ShapeIssue>) {
    let mut judge = Judge { at, known: known.to_vec(), issues: Vec::new() };
    let shape = judge.node(expr.root(), false);
    (shape, judge.issues)
}

/// The shapes of the parts of an expression that is written as a list.
pub fn infer_parts(expr: &Expr, at: &dyn Fn(Slot) -> Shape) -> Vec<Shape> {
    let mut judge = Judge { at, known: Vec::new(), issues: Vec::new() };
    match &expr.root().kind {
        Kind::List(items) => items.iter().map(|item| judge.node(item, false)).collect(),
        _ => Vec::new(),
    }
}

/// The shapes of a generator's key (of two names) and value. The ranges of issues are those of the text of all generators.
pub fn infer_each(
    generator: &Generator,
    at: &dyn Fn(Slot) -> Shape,
    known: &[DefinedPath],
) -> (Option<Shape>, Shape, Vec<ShapeIssue>) {
    let (over, issues) = infer_knowing(&generator.over, at, known);
    let mut issues = shifted(issues, generator.over.offset());
    let two = generator.key.is_some();
    let value = match (over, two) {
        (Shape::List(of), false) => *of,
        (Shape::Dict(of), true) => *of,
        (Shape::Map { known, open }, true) => {
            let shapes = known.into_values().map(|(shape, _)| shape).reduce(Shape::or);
            if open { Shape::Any } else { shapes.unwrap_or(Shape::Any) }
        }
        (Shape::Any, _) => Shape::Any,
        (other, _) => {
            let (message, help) = match other {
                Shape::List(_) => ("two names run over a map; this is a list".to_owned(), "write `element in …`"),
                Shape::Map { .. } | Shape::Dict(_) => {
                    ("one name runs over a list; this is a map".to_owned(), "write `key, value in …`")
                }
                other => (format!("{} cannot be run over", other.kind()), "use `| default([])` or `| as_list`"),
            };
            let start = generator.over.offset();
            let end = start + generator.over.source().len();
            let kind = ShapeIssueKind::BadGenerator;
            issues.push(ShapeIssue { start, end, kind, message, help: Some(help.to_owned()) });
            Shape::Any
        }
    };
    (two.then_some(Shape::Text), value, issues)
}

/// The shape of a tree's value. The ranges of issues are those of the text of the leaf in which they are.
///
/// # Shape
/// A key of a written map whose value may come to null is optional: null leaves it out.
pub fn infer_tree(tree: &Tree, at: &dyn Fn(Slot) -> Shape, known: &[DefinedPath]) -> (Shape, Vec<ShapeIssue>) {
    let mut issues = Vec::new();
    let shape = match tree {
        Tree::Const(value) => of(value),
        Tree::Expr(expr) => {
            let (shape, found) = infer_knowing(expr, at, known);
            issues.extend(shifted(found, expr.offset()));
            shape
        }
        Tree::Text(parts) => {
            for expr in parts.iter().filter_map(Part::expr) {
                let mut judge = Judge { at, known: known.to_vec(), issues: Vec::new() };
                let shape = judge.node(expr.root(), false);
                judge.joined(expr.root(), &shape);
                issues.extend(shifted(judge.issues, expr.offset()));
            }
            Shape::Text
        }
        Tree::List(items) => {
            let mut element: Option<Shape> = None;
            for item in items {
                let (shape, found) = infer_tree(item, at, known);
                issues.extend(found);
                element = Some(match element {
                    Some(known) => known.or(shape),
                    None => shape,
                });
            }
            Shape::list(element.unwrap_or(Shape::Any))
        }
        Tree::Map(entries) => {
            let mut keys = BTreeMap::new();
            for (key, tree) in entries {
                let (shape, found) = infer_tree(tree, at, known);
                issues.extend(found);
                let optional = match tree {
                    Tree::Expr(expr) => may_be_null(expr.root()),
                    Tree::Const(value) => value.is_null(),
                    _ => false,
                };
                keys.insert(key.clone(), (shape, optional));
            }
            Shape::Map { known: keys, open: false }
        }
    };
    (shape, issues)
}

fn shifted(issues: Vec<ShapeIssue>, offset: usize) -> Vec<ShapeIssue> {
    let shift = |issue: ShapeIssue| ShapeIssue { start: issue.start + offset, end: issue.end + offset, ..issue };
    issues.into_iter().map(shift).collect()
}

/// Whether an expression can be null, judging by its form.
fn may_be_null(node: &Node) -> bool {
    match &node.kind {
        Kind::Const(value) => value.is_null(),
        Kind::Default(inner, other) => may_be_null(inner) || other.as_deref().is_none_or(may_be_null),
        Kind::If(_, then, other) => may_be_null(then) || other.as_deref().is_none_or(may_be_null),
        Kind::Filter(entry, inner, _) => match entry.name {
            "lookup_in" | "regex_get" | "from_json" => true,
            "int" | "float" | "string" => may_be_null(inner),
            _ => entry.yields == Yields::Element,
        },
        _ => false,
    }
}

struct Judge<'a> {
    at: &'a dyn Fn(Slot) -> Shape,
    known: Vec<DefinedPath>,
    issues: Vec<ShapeIssue>,
}

impl Judge<'_> {
    fn issue(&mut self, node: &Node, kind: ShapeIssueKind, message: String, help: Option<String>) {
        self.issues.push(ShapeIssue { start: node.start as usize, end: node.end as usize, kind, message, help });
    }

    fn node(&mut self, node: &Node, guarded: bool) -> Shape {
        self.exactly(node, guarded).plain()
    }

    /// As `node`, with what is known of single values.
    fn exactly(&mut self, node: &Node, guarded: bool) -> Shape {
        match &node.kind {
            Kind::Const(value) => of(value),
            Kind::Slot(slot) => (self.at)(*slot),
            Kind::Attr(inner, name) => {
                let holder = self.node(inner, guarded);
                self.attribute(node, &holder, name, guarded || self.is_known(node))
            }
            Kind::Field(slot, name, _) => {
                let holder = (self.at)(*slot);
                self.attribute(node, &holder, name, guarded || self.is_known(node))
            }
            Kind::Item(inner, index) => {
                let holder = self.node(inner, guarded);
                self.node(index, guarded);
                match holder {
                    Shape::Text => Shape::Text,
                    Shape::List(of) | Shape::Dict(of) => *of,
                    Shape::Int | Shape::Num | Shape::Bool => {
                        self.issue(node, ShapeIssueKind::WrongType, format!("{} has no elements", holder.kind()), None);
                        Shape::Any
                    }
                    _ => Shape::Any,
                }
            }
            Kind::Slice(inner, parts) => {
                let holder = self.node(inner, guarded);
                for part in parts.iter().flatten() {
                    self.node(part, false);
                }
                match holder {
                    Shape::List(_) | Shape::Text | Shape::Any => holder,
                    other => {
                        self.issue(node, ShapeIssueKind::WrongType, format!("{} cannot be sliced", other.kind()), None);
                        Shape::Any
                    }
                }
            }
            Kind::Not(inner) => {
                self.node(inner, false);
                Shape::Bool
            }
            Kind::Neg(inner) => self.number(inner),
            Kind::And(left, right) => {
                let shape = self.node(left, false);
                shape.or(self.knowing(left, true, |judge| judge.node(right, false)))
            }
            Kind::Or(left, right) => {
                let shape = self.node(left, false);
                shape.or(self.knowing(left, false, |judge| judge.node(right, false)))
            }
            Kind::Math(op, left, right) => {
                let (a, b) = (self.node(left, false), self.node(right, false));
                if let (Math::Add, Shape::List(x), Shape::List(y)) = (op, &a, &b) {
                    return Shape::List(Box::new((**x).clone().or((**y).clone())));
                }
                for (shape, side) in [(&a, left), (&b, right)] {
                    let list = *op == Math::Add && matches!(shape, Shape::List(_));
                    if !matches!(shape, Shape::Any | Shape::Int | Shape::Num) && !list {
                        let help = matches!(shape, Shape::Text).then(|| "texts are joined with `~`".to_owned());
                        self.issue(
                            side,
                            ShapeIssueKind::WrongType,
                            format!("arithmetic needs numbers; this is {}", shape.kind()),
                            help,
                        );
                    }
                }
                if *op == Math::Add && (matches!(a, Shape::Any) || matches!(b, Shape::Any)) {
                    Shape::Any
                } else {
                    Shape::Num
                }
            }
            Kind::Concat(parts) => {
                for part in parts {
                    let shape = self.node(part, false);
                    self.joined(part, &shape);
                }
                Shape::Text
            }
            Kind::Compare(left, ops) => {
                let (mut known, mut before) = (self.exactly(left, false), left.as_ref());
                for (op, right) in ops {
                    let shape = self.exactly(right, false);
                    self.compared(*op, (before, &known), (right, &shape));
                    (known, before) = (shape, right);
                }
                Shape::Bool
            }
            Kind::If(test, then, other) => {
                self.node(test, false);
                let then = self.knowing(test, true, |judge| judge.node(then, guarded));
                match other {
                    Some(other) => then.or(self.knowing(test, false, |judge| judge.node(other, guarded))),
                    None => Shape::Any,
                }
            }
            Kind::Default(inner, other) => {
                let shape = self.exactly(inner, true);
                match other.as_deref() {
                    Some(Node { kind: Kind::Const(Value::Str(text)), .. }) => match shape {
                        // Still one of the words, or what stands for none.
                        Shape::Words(words) => Shape::Words(words.iter().chain([text]).cloned().collect()),
                        other => other.plain().or(Shape::Text),
                    },
                    Some(other) => shape.plain().or(self.node(other, guarded)),
                    None => Shape::Any,
                }
            }
            Kind::Filter(entry, inner, args) => self.filter(node, entry, inner, args),
            Kind::Test(entry, inner, args) => {
                self.node(inner, entry.open);
                if let Some(arg) = args {
                    self.node(arg, false);
                }
                Shape::Bool
            }
            Kind::Function(entry, args) => {
                let shapes: Vec<Shape> = args.iter().map(|arg| self.exactly(arg, true)).collect();
                if let ([left, right], [a, b]) = (args.as_slice(), shapes.as_slice()) {
                    self.excluded(a, right);
                    self.excluded(b, left);
                }
                yielded(entry.yields, Shape::Any, Shape::Any)
            }
            Kind::List(items) => {
                let shapes: Vec<Shape> = items.iter().map(|item| self.node(item, false)).collect();
                Shape::list(shapes.into_iter().reduce(Shape::or).unwrap_or(Shape::Any))
            }
            Kind::Map(entries) => {
                let mut known = BTreeMap::new();
                let mut open = false;
                for (key, value) in entries {
                    let value = self.node(value, false);
                    match &key.kind {
                        Kind::Const(Value::Str(name)) => {
                            known.insert(name.clone(), (value, false));
                        }
                        _ => open = true,
                    }
                }
                Shape::Map { known, open }
            }
        }
    }

    /// Judges with what a condition proves.
    fn knowing(&mut self, condition: &Node, outcome: bool, judge: impl FnOnce(&mut Self) -> Shape) -> Shape {
        let before = self.known.len();
        prove(condition, outcome, &mut self.known);
        let shape = judge(self);
        self.known.truncate(before);
        shape
    }

    /// Reports constants that the other side of a comparison can never be.
    fn compared(&mut self, op: Comparison, (left, a): (&Node, &Shape), (right, b): (&Node, &Shape)) {
        match op {
            Comparison::Eq | Comparison::Ne => {
                self.excluded(a, right);
                self.excluded(b, left);
            }
            Comparison::In | Comparison::NotIn => {
                self.excluded(a, right);
                if let Shape::List(of) = b {
                    self.excluded(of, left);
                }
            }
            _ => {}
        }
    }

    /// Reports constants of a node that are not among the words.
    fn excluded(&mut self, words: &Shape, node: &Node) {
        let words = match words {
            Shape::Words(words) => words,
            Shape::List(of) => match of.as_ref() {
                Shape::Words(words) => words,
                _ => return,
            },
            _ => return,
        };
        let wrong = |value: &Value| match value {
            Value::Str(text) if !text.is_empty() && !words.contains(text) => Some(text.clone()),
            _ => None,
        };
        let found: Vec<(&Node, Str)> = match &node.kind {
            Kind::Const(Value::List(items)) => items.iter().filter_map(wrong).map(|text| (node, text)).collect(),
            Kind::Const(value) => wrong(value).map(|text| (node, text)).into_iter().collect(),
            Kind::List(items) => items
                .iter()
                .filter_map(|item| match &item.kind {
                    Kind::Const(value) => wrong(value).map(|text| (item, text)),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        for (index, text) in found {
            let near = nearest(&text, words.iter().map(AsRef::as_ref)).map(|near| format!("did you mean `{near}`?"));
            let listed = || (words.len() <= MAX_LISTED).then(|| format!("it can be {}", words.join(", ")));
            self.issue(index, ShapeIssueKind::NeverEqual, format!("this is never `{text}`"), near.or_else(listed));
        }
    }

    fn is_known(&self, node: &Node) -> bool {
        !self.known.is_empty()
            && path_of(node).is_some_and(|(slot, path)| {
                self.known.iter().any(|(at, known)| *at == slot && known.starts_with(&path))
            })
    }

    fn joined(&mut self, node: &Node, shape: &Shape) {
        if matches!(shape, Shape::List(_) | Shape::Map { .. } | Shape::Dict(_) | Shape::Null) {
            let message = format!("{} cannot be joined into text", shape.kind());
            self.issue(node, ShapeIssueKind::WrongType, message, None);
        }
    }

    fn number(&mut self, node: &Node) -> Shape {
        let shape = self.node(node, false);
        if !matches!(shape, Shape::Any | Shape::Int | Shape::Num) {
            self.issue(node, ShapeIssueKind::WrongType, format!("this needs a number, not {}", shape.kind()), None);
        }
        shape
    }

    fn attribute(&mut self, node: &Node, holder: &Shape, name: &str, guarded: bool) -> Shape {
        match holder {
            Shape::Map { known, open } => match known.get(name) {
                Some((Shape::Late, _)) => {
                    let message = format!("`{name}` is only known later");
                    self.issue(node, ShapeIssueKind::ReadsLate, message, None);
                    Shape::Any
                }
                Some((shape, optional)) => {
                    if *optional && !guarded {
                        self.issue(
                            node,
                            ShapeIssueKind::MaybeUndefined,
                            format!("`{name}` may be undefined"),
                            Some("write `| default(…)`, or ask `is defined` first".to_owned()),
                        );
                    }
                    shape.clone()
                }
                None if *open => {
                    if let Some(near) = misspelt(name, known.keys().map(AsRef::as_ref)) {
                        let message = format!("nothing is known to put a `{name}` here");
                        let help = format!("did you mean `{near}`?");
                        self.issue(node, ShapeIssueKind::Misspelt, message, Some(help));
                    }
                    Shape::Any
                }
                None => {
                    let near =
                        nearest(name, known.keys().map(AsRef::as_ref)).map(|near| format!("did you mean `{near}`?"));
                    let listed = known.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                    let help = near.or_else(|| (!known.is_empty()).then(|| format!("it can have {listed}")));
                    self.issue(node, ShapeIssueKind::UnknownAttribute, format!("there is never a `{name}` here"), help);
                    Shape::Any
                }
            },
            Shape::Dict(of) => (**of).clone(),
            Shape::Any => Shape::Any,
            Shape::Null if guarded => Shape::Any,
            other => {
                let hint =
                    matches!(other, Shape::List(_)).then(|| "use `each`, `| first` or `| map(attribute=…)`".to_owned());
                self.issue(
                    node,
                    ShapeIssueKind::UnknownAttribute,
                    format!("{} has no attribute `{name}`", other.kind()),
                    hint,
                );
                Shape::Any
            }
        }
    }

    fn filter(&mut self, node: &Node, entry: &Filter, inner: &Node, args: &Args) -> Shape {
        let input = self.node(inner, false);
        for (number, arg) in args.positional.iter().enumerate() {
            self.node(arg, entry.open_arg && number == 0);
        }
        for (_, arg) in &args.named {
            self.node(arg, false);
        }
        if !accepts(entry.takes, &input) {
            let message = format!("`{}` takes {}, not {}", entry.name, entry.takes.words(), input.kind());
            let help = (entry.takes == Takes::List && input == Shape::Null).then(|| "use `| as_list`".to_owned());
            self.issue(inner, ShapeIssueKind::WrongType, message, help);
        }
        let element = element(&input);
        let constant = |node: &Node| match &node.kind {
            Kind::Const(Value::Str(text)) => Some(text.clone()),
            _ => None,
        };
        let attribute = if entry.test_at == Some(1) {
            args.positional.first().and_then(constant)
        } else {
            args.named.iter().find(|(name, _)| name.as_ref() == "attribute").and_then(|(_, arg)| constant(arg))
        };
        // `selectattr` and `sort` do without the attribute, but one that can never be there is a mistake.
        let optional = entry.name != "map" || args.named.iter().any(|(name, _)| name.as_ref() == "default");
        let reached = attribute.map(|attribute| {
            let mut shape = element.clone();
            for part in attribute.split('.') {
                shape = self.attribute(node, &shape, part, optional);
            }
            shape
        });
        if entry.yields != Yields::Mapped {
            return yielded(entry.yields, input, element);
        }
        Shape::list(match (reached, args.positional.first().and_then(constant)) {
            (Some(shape), _) if !optional => shape,
            (None, Some(name)) => match table::filter(&name) {
                Some(inner) => {
                    let inside = self::element(&element);
                    yielded(inner.yields, element, inside)
                }
                None => Shape::Any,
            },
            _ => Shape::Any,
        })
    }
}

/// Whether a filter can take a value of this shape.
fn accepts(takes: Takes, shape: &Shape) -> bool {
    use Shape::{Any, Bool, Dict, Int, List, Map, Null, Num, Text};
    match takes {
        Takes::Any => true,
        Takes::Text => matches!(shape, Any | Text),
        Takes::TextOrNull => matches!(shape, Any | Text | Null),
        Takes::List => matches!(shape, Any | List(_) | Map { .. } | Dict(_) | Text),
        Takes::Maps => match shape {
            List(element) => matches!(**element, Any | Null | Map { .. } | Dict(_)),
            other => matches!(other, Any),
        },
        Takes::Map => matches!(shape, Any | Map { .. } | Dict(_)),
        Takes::Number => matches!(shape, Any | Int | Num),
        Takes::Scalar => matches!(shape, Any | Text | Int | Num | Bool | Null),
        Takes::Address => matches!(shape, Any | Text | Map { .. } | Dict(_)),
        Takes::Prefix => matches!(shape, Any | Text | Int | Map { .. } | Dict(_)),
        Takes::Time => matches!(shape, Any | Text | Int | Num),
    }
}

/// The elements that a list filter sees.
fn element(shape: &Shape) -> Shape {
    match shape {
        Shape::List(of) => (**of).clone(),
        Shape::Text | Shape::Map { .. } | Shape::Dict(_) => Shape::Text,
        _ => Shape::Any,
    }
}

fn yielded(yields: Yields, input: Shape, element: Shape) -> Shape {
    match yields {
        Yields::Any | Yields::Default => Shape::Any,
        Yields::Text => Shape::Text,
        Yields::Int => Shape::Int,
        Yields::Number => Shape::Num,
        Yields::Bool => Shape::Bool,
        Yields::List | Yields::Mapped => Shape::list(Shape::Any),
        Yields::Texts => Shape::list(Shape::Text),
        Yields::Map => Shape::Map { known: BTreeMap::new(), open: true },
        // Keys change below `snake_keys`.
        Yields::Same if matches!(input, Shape::Map { .. } | Shape::List(_)) => Shape::Any,
        Yields::Same => input,
        Yields::Element => element,
        Yields::Elements => Shape::list(element),
        Yields::AsList => match input {
            Shape::List(_) => input,
            Shape::Any | Shape::Null => Shape::list(Shape::Any),
            one => Shape::list(one),
        },
        Yields::Flattened => match element {
            Shape::List(_) => element,
            Shape::Any => Shape::list(Shape::Any),
            one => Shape::list(one),
        },
    }
}
