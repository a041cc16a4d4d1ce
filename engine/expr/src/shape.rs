//! What can be known of a value before anything runs.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use crate::{
    error::nearest,
    expr::Expr,
    layout::Slot,
    syntax::{Args, Kind, Math, Node},
};

/// The shape of a value, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Nothing is known.
    Any,
    /// Null.
    Null,
    /// true or false.
    Bool,
    /// A whole number.
    Int,
    /// Any number.
    Num,
    /// Text.
    Text,
    /// A list of these.
    List(Box<Shape>),
    /// A map with known keys; whether each is optional; whether there may be others.
    Map {
        /// Known keys.
        known: BTreeMap<Str, (Shape, bool)>,
        /// Whether there may be others.
        open: bool,
    },
    /// A map with any keys and values of one shape.
    Dict(Box<Shape>),
}

impl Shape {
    /// A list.
    #[must_use]
    pub fn list(of: Shape) -> Self {
        Self::List(Box::new(of))
    }

    /// A closed map without optional keys.
    pub fn closed<K: Into<Str>>(known: impl IntoIterator<Item = (K, Shape)>) -> Self {
        Self::Map { known: known.into_iter().map(|(key, shape)| (key.into(), (shape, false))).collect(), open: false }
    }

    /// In the words of messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int | Self::Num => "a number",
            Self::Text => "text",
            Self::List(_) => "a list",
            Self::Map { .. } | Self::Dict(_) => "a map",
        }
    }

    /// The shape of both.
    #[must_use]
    pub fn or(self, other: Shape) -> Shape {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Int | Self::Num, Self::Int | Self::Num) => Self::Num,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(*b))),
            (Self::Map { known: mut a, open: x }, Self::Map { known: b, open: y }) => {
                for (_, optional) in a.iter_mut().filter(|(key, _)| !b.contains_key(*key)).map(|(_, entry)| entry) {
                    *optional = true;
                }
                for (key, (shape, optional)) in b {
                    match a.remove(&key) {
                        Some((mine, also)) => a.insert(key, (mine.or(shape), also || optional)),
                        None => a.insert(key, (shape, true)),
                    };
                }
                Self::Map { known: a, open: x || y }
            }
            _ => Self::Any,
        }
    }

    /// Whether a value of this shape can ever equal one of the other.
    #[must_use]
    pub fn may_equal(&self, other: &Shape) -> bool {
        use Shape::{Any, Bool, Dict, Int, List, Map, Null, Num, Text};
        match (self, other) {
            (Any, _) | (_, Any) => true,
            (Int | Num, Int | Num) | (Text, Text) | (Bool, Bool) | (Null, Null) => true,
            (List(a), List(b)) => a.may_equal(b),
            (Map { .. } | Dict(_), Map { .. } | Dict(_)) => true,
            _ => false,
        }
    }
}

/// Something that is known to be wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeIssue {
    /// First byte in the text.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What.
    pub kind: ShapeIssueKind,
    /// In words: lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// The kinds of issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeIssueKind {
    /// A key that the map cannot have.
    UnknownAttribute,
    /// An operation on a value of the wrong type.
    WrongType,
    /// An optional key read without `default`.
    MaybeUndefined,
}

/// The shape of an expression's value, and what is wrong with it. `at` says the shape of each root name.
pub fn infer(expr: &Expr, at: &dyn Fn(Slot) -> Shape) -> (Shape, Vec<ShapeIssue>) {
    let mut judge = Judge { at, issues: Vec::new() };
    let shape = judge.node(expr.root(), false);
    (shape, judge.issues)
}

struct Judge<'a> {
    at: &'a dyn Fn(Slot) -> Shape,
    issues: Vec<ShapeIssue>,
}

impl Judge<'_> {
    fn issue(&mut self, node: &Node, kind: ShapeIssueKind, message: String, help: Option<String>) {
        self.issues.push(ShapeIssue { start: node.start as usize, end: node.end as usize, kind, message, help });
    }

    fn node(&mut self, node: &Node, guarded: bool) -> Shape {
        match &node.kind {
            Kind::Const(value) => of(value),
            Kind::Slot(slot, _) => (self.at)(*slot),
            Kind::Attr(inner, name) => {
                let holder = self.node(inner, guarded);
                self.attribute(node, &holder, name, guarded)
            }
            Kind::Item(inner, index) => {
                let holder = self.node(inner, guarded);
                self.node(index, false);
                match holder {
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
            Kind::And(left, right) | Kind::Or(left, right) => {
                let left = self.node(left, false);
                left.or(self.node(right, false))
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
            Kind::Concat(left, right) => {
                for side in [left, right] {
                    let shape = self.node(side, false);
                    if matches!(shape, Shape::List(_) | Shape::Map { .. } | Shape::Dict(_) | Shape::Null) {
                        self.issue(
                            side,
                            ShapeIssueKind::WrongType,
                            format!("{} cannot be joined into text", shape.kind()),
                            None,
                        );
                    }
                }
                Shape::Text
            }
            Kind::Compare(left, ops) => {
                self.node(left, false);
                for (_, right) in ops {
                    self.node(right, false);
                }
                Shape::Bool
            }
            Kind::If(test, then, other) => {
                self.node(test, false);
                let then = self.node(then, guarded);
                match other {
                    Some(other) => then.or(self.node(other, guarded)),
                    None => Shape::Any,
                }
            }
            Kind::Filter(entry, inner, args) => self.filter(node, entry.name, inner, args, entry.yields),
            Kind::Test(entry, inner, args) => {
                self.node(inner, entry.open);
                for arg in args {
                    self.node(arg, false);
                }
                Shape::Bool
            }
            Kind::Function(_, args) => {
                for arg in args {
                    self.node(arg, true);
                }
                Shape::Bool
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
                None if *open => Shape::Any,
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

    fn filter(&mut self, node: &Node, name: &str, inner: &Node, args: &Args, yields: &str) -> Shape {
        let input = self.node(inner, name == "default");
        let mut given: Vec<Shape> = args.positional.iter().map(|arg| self.node(arg, name == "with_host")).collect();
        let named: Vec<(&str, &Node)> = args.named.iter().map(|(name, arg)| (name.as_ref(), arg)).collect();
        for (_, arg) in &named {
            self.node(arg, false);
        }
        let takes_text = [
            "lower",
            "upper",
            "trim",
            "replace",
            "split",
            "lines",
            "strip_prefix",
            "strip_suffix",
            "key_values",
            "from_json",
        ];
        if takes_text.contains(&name) && !matches!(input, Shape::Any | Shape::Text | Shape::Null) {
            self.issue(node, ShapeIssueKind::WrongType, format!("`{name}` takes a text, not {}", input.kind()), None);
        }
        let takes_list = [
            "first",
            "last",
            "map",
            "select",
            "reject",
            "selectattr",
            "rejectattr",
            "sort",
            "distinct",
            "unique",
            "flatten",
            "merged",
            "sum",
            "min",
            "max",
            "join",
            "reverse",
        ];
        if takes_list.contains(&name) && matches!(input, Shape::Int | Shape::Num | Shape::Bool) {
            self.issue(node, ShapeIssueKind::WrongType, format!("`{name}` takes a list, not {}", input.kind()), None);
        }
        let element = match &input {
            Shape::List(of) => (**of).clone(),
            Shape::Text => Shape::Text,
            _ => Shape::Any,
        };
        match name {
            "default" => match given.pop() {
                Some(other) => input.or(other),
                None => Shape::Any,
            },
            "as_list" => match input {
                Shape::List(_) => input,
                Shape::Any | Shape::Null => Shape::list(Shape::Any),
                scalar => Shape::list(scalar),
            },
            "first" | "last" | "min" | "max" => element,
            "select" | "reject" | "selectattr" | "rejectattr" | "sort" | "distinct" | "unique" | "reverse" | "list" => {
                Shape::list(element)
            }
            "map" => match named.iter().find(|(name, _)| *name == "attribute") {
                Some((_, Node { kind: Kind::Const(Value::Str(path)), .. })) => {
                    let optional = named.iter().any(|(name, _)| *name == "default");
                    let mut shape = element;
                    for part in path.split('.') {
                        shape = self.attribute(node, &shape, part, optional);
                    }
                    Shape::list(if optional { Shape::Any } else { shape })
                }
                _ => Shape::list(Shape::Any),
            },
            "flatten" => match element {
                Shape::List(_) => element,
                _ => Shape::list(Shape::Any),
            },
            _ => match yields {
                "text" => Shape::Text,
                "integer" => Shape::Int,
                "number" => Shape::Num,
                "bool" => Shape::Bool,
                "list" => Shape::list(Shape::Any),
                "map" => Shape::Map { known: BTreeMap::new(), open: true },
                "same" => input,
                _ => Shape::Any,
            },
        }
    }
}

/// The shape of a value that is there.
#[must_use]
pub fn of(value: &Value) -> Shape {
    match value {
        Value::Null => Shape::Null,
        Value::Bool(_) => Shape::Bool,
        Value::Int(_) => Shape::Int,
        Value::Float(_) => Shape::Num,
        Value::Str(_) => Shape::Text,
        Value::List(items) => Shape::list(items.iter().map(of).reduce(Shape::or).unwrap_or(Shape::Any)),
        Value::Map(map) => Shape::Map {
            known: map.iter().map(|(key, value)| (key.clone(), (of(value), false))).collect(),
            open: false,
        },
    }
}
