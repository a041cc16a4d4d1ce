//! From text to our own tree: the one module that knows minijinja, which parses.

mod calls;
mod stray;

use std::sync::Arc;

use calipso_model::{Map, Str, Value};
use minijinja::{
    machinery::{Span, ast, parse_expr},
    value::ValueKind,
};
use regex::Regex;

use crate::{
    error::{ExprError, ExprErrorKind, nearest},
    layout::{Names, Slot},
    ops::{Comparison, Math},
    scope::{Column, Columns},
    table::{Filter, Function, Test},
};

/// A node with its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

impl Node {
    /// Reads attributes of names from records, where `columns` says that they are there.
    pub(crate) fn bind(&mut self, columns: Columns<'_>) {
        if let Kind::Attr(inner, name) = &self.kind
            && let Kind::Slot(slot) = &inner.kind
            && let Some(column) = columns(*slot, name)
        {
            self.kind = Kind::Field(*slot, name.clone(), column);
            return;
        }
        for child in self.children() {
            child.bind(columns);
        }
    }

    fn children(&mut self) -> Vec<&mut Node> {
        match &mut self.kind {
            Kind::Const(_) | Kind::Slot(_) | Kind::Field(..) => Vec::new(),
            Kind::Attr(inner, _) | Kind::Not(inner) | Kind::Neg(inner) => vec![inner],
            Kind::Item(left, right) | Kind::And(left, right) | Kind::Or(left, right) | Kind::Math(_, left, right) => {
                vec![left, right]
            }
            Kind::Slice(inner, parts) => {
                [&mut **inner].into_iter().chain(parts.iter_mut().flatten().map(AsMut::as_mut)).collect()
            }
            Kind::Concat(parts) | Kind::List(parts) | Kind::Function(_, parts) => parts.iter_mut().collect(),
            Kind::Compare(left, ops) => {
                [&mut **left].into_iter().chain(ops.iter_mut().map(|(_, right)| right)).collect()
            }
            Kind::If(test, then, other) => {
                [&mut **test, &mut **then].into_iter().chain(other.iter_mut().map(AsMut::as_mut)).collect()
            }
            Kind::Default(inner, other) | Kind::Test(_, inner, other) => {
                [&mut **inner].into_iter().chain(other.iter_mut().map(AsMut::as_mut)).collect()
            }
            Kind::Filter(_, inner, args) => [&mut **inner]
                .into_iter()
                .chain(&mut args.positional)
                .chain(args.named.iter_mut().map(|(_, arg)| arg))
                .collect(),
            Kind::Map(entries) => entries.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
        }
    }
}

/// Start, stop and step of a slice.
pub(crate) type Bounds = [Option<Box<Node>>; 3];

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Const(Value),
    Slot(Slot),
    Attr(Box<Node>, Str),
    /// An attribute of a name that stands in a record; never made by the parser.
    Field(Slot, Str, Column),
    Item(Box<Node>, Box<Node>),
    Slice(Box<Node>, Bounds),
    Not(Box<Node>),
    Neg(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Math(Math, Box<Node>, Box<Node>),
    Concat(Vec<Node>),
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    If(Box<Node>, Box<Node>, Option<Box<Node>>),
    Default(Box<Node>, Option<Box<Node>>),
    Filter(&'static Filter, Box<Node>, Args),
    Test(&'static Test, Box<Node>, Option<Box<Node>>),
    Function(&'static Function, Vec<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Arguments of a filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    pub positional: Vec<Node>,
    pub named: Vec<(Str, Node)>,
    /// The regular expression among them, when it is constant.
    pub pattern: Option<Arc<Regex>>,
}

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 64;

/// Longest expression, in bytes. What the parser makes of a longer one could be so deep that taking it apart again, one call
/// for each level, would overflow the stack.
const MAX_BYTES: usize = 4_096;

/// Parses a bare expression.
pub(crate) fn parse(source: &str, names: &dyn Names) -> Result<Node, Vec<ExprError>> {
    if source.len() > MAX_BYTES {
        let message = format!("this expression has {} bytes; {MAX_BYTES} are the most", source.len());
        let error = ExprError::new(ExprErrorKind::NotAllowed, 0, source.len(), message);
        return Err(vec![error.help("derive a part of it as an attribute of its own")]);
    }
    if let Some(offset) = too_many_signs(source) {
        let message = "this expression is nested too deeply";
        return Err(vec![ExprError::new(ExprErrorKind::NotAllowed, offset, offset + 1, message)]);
    }
    // Braces have a message of their own.
    if let Some(error) = stray::find(source).filter(|_| !source.contains("{{")) {
        return Err(vec![error]);
    }
    let tree = parse_expr(source).map_err(|error| vec![unparsed(source, &error)])?;
    let mut reader = Reader { source, names, errors: Vec::new(), depth: 0 };
    let node = reader.node(&tree);
    if reader.errors.is_empty() { Ok(node) } else { Err(reader.errors) }
}

/// Where more `-` and `not` follow one another than may nest: the parser would call itself for each.
fn too_many_signs(source: &str) -> Option<usize> {
    let (mut signs, mut quote) = (0, None);
    let mut rest = source.char_indices();
    while let Some((offset, char)) = rest.next() {
        match (quote, char) {
            (Some(_), '\\') => drop(rest.next()),
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => {
                quote = Some(char);
                signs = 0;
            }
            (None, '-') => signs += 1,
            (None, 'n') if source[offset..].starts_with("not") => {
                signs += 1;
                rest.nth(1);
            }
            (None, char) if char.is_whitespace() => {}
            (None, _) => signs = 0,
        }
        if signs > MAX_DEPTH {
            return Some(offset);
        }
    }
    None
}

fn unparsed(source: &str, error: &minijinja::Error) -> ExprError {
    if let Some(found) = source.find("{{") {
        return ExprError::new(
            ExprErrorKind::TemplateInExpression,
            found,
            found + 2,
            "this key holds a bare expression; braces have no place in it",
        )
        .help("leave out `{{` and `}}`");
    }
    if source.trim().is_empty() {
        return ExprError::new(ExprErrorKind::Syntax, 0, source.len(), "there is no expression");
    }
    let range = error.range().unwrap_or(0..source.len());
    let boundary =
        |offset: usize| (0..=offset.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
    let message = error.detail().map_or_else(|| "this is no expression".to_owned(), ToOwned::to_owned);
    let found = ExprError::new(ExprErrorKind::Syntax, boundary(range.start), boundary(range.end), message);
    let assigns = {
        let rest = source.get(boundary(range.start)..).unwrap_or_default().trim_start();
        rest.starts_with('=') && !rest.starts_with("==")
    };
    if assigns { found.help("write `==` to compare") } else { found }
}

struct Reader<'n> {
    source: &'n str,
    names: &'n dyn Names,
    errors: Vec<ExprError>,
    depth: usize,
}

fn whole_span(span: Span) -> (usize, usize) {
    (span.start_offset as usize, span.end_offset as usize)
}

fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}

/// What other languages call something that is here.
fn equivalent(name: &str) -> Option<String> {
    let here = match name {
        "len" | "count" | "size" => "length",
        "str" | "to_string" | "tostring" | "to_text" => "string",
        "to_int" | "toint" | "integer" | "number" | "parse_int" => "int",
        "to_lower" | "lowercase" | "downcase" => "lower",
        "to_upper" | "uppercase" | "upcase" => "upper",
        "to_json" | "json" | "dumps" => "tojson",
        "fromjson" | "parse_json" | "loads" => "from_json",
        "uniq" | "unique" => "distinct",
        "strip" => "trim",
        _ => return None,
    };
    Some(format!("write `value | {here}`"))
}

impl Reader<'_> {
    fn node(&mut self, tree: &ast::Expr<'_>) -> Node {
        let span = tree.span();
        self.depth += 1;
        let kind = if self.depth > MAX_DEPTH {
            self.error(ExprErrorKind::NotAllowed, whole_span(span), "this expression is nested too deeply");
            Kind::Const(Value::Null)
        } else {
            self.kind(tree)
        };
        self.depth -= 1;
        Node { start: self.start(&kind, span), end: span.end_offset, kind }
    }

    /// Where a node begins. The parser's spans of attributes, filters and tests begin behind their value, those of
    /// operators with the token before: a bracket around them, perhaps.
    fn start(&self, kind: &Kind, span: Span) -> u32 {
        let first = match kind {
            Kind::Attr(inner, _)
            | Kind::Item(inner, _)
            | Kind::Slice(inner, _)
            | Kind::Default(inner, _)
            | Kind::Filter(_, inner, _)
            | Kind::Test(_, inner, _)
            | Kind::Compare(inner, _)
            | Kind::And(inner, _)
            | Kind::Or(inner, _)
            | Kind::If(_, inner, _)
            | Kind::Math(_, inner, _) => inner.start,
            Kind::Concat(parts) => parts.first().map_or(span.start_offset, |part| part.start),
            _ => return span.start_offset,
        };
        let wide = first.min(span.start_offset);
        let text = self.source.get(wide as usize..span.end_offset as usize).unwrap_or_default();
        if text.matches('(').count() == text.matches(')').count() { wide } else { first }
    }

    fn boxed(&mut self, tree: &ast::Expr<'_>) -> Box<Node> {
        Box::new(self.node(tree))
    }

    fn error(
        &mut self,
        kind: ExprErrorKind,
        (start, end): (usize, usize),
        message: impl Into<String>,
    ) -> &mut ExprError {
        self.errors.push(ExprError::new(kind, start, end, message));
        self.errors.last_mut().expect("one was just pushed")
    }

    fn unknown(
        &mut self,
        what: &str,
        name: &str,
        offset: (usize, usize),
        known: impl IntoIterator<Item = &'static str>,
    ) -> Kind {
        let help = equivalent(name).or_else(|| did_you_mean(name, known));
        let help = help.unwrap_or_else(|| format!("docs/reference/expressions.md lists every {what}"));
        self.error(ExprErrorKind::UnknownFilter, offset, format!("no {what} is named `{name}`")).help = Some(help);
        Kind::Const(Value::Null)
    }

    fn name(&mut self, name: &str, span: Span) -> Kind {
        if let Some(slot) = self.names.resolve(name) {
            return Kind::Slot(slot);
        }
        let known = self.names.known();
        let near = did_you_mean(name, known.iter().map(AsRef::as_ref));
        let listed = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let help = near.or_else(|| (!known.is_empty()).then(|| format!("names that are known here: {listed}")));
        let message = format!("nothing is named `{name}` here");
        let error = self.error(ExprErrorKind::UnknownName, whole_span(span), message);
        error.help = help;
        error.unknown_name = Some(name.into());
        Kind::Const(Value::Null)
    }

    fn kind(&mut self, tree: &ast::Expr<'_>) -> Kind {
        match tree {
            ast::Expr::Var(var) => self.name(var.id, var.span()),
            ast::Expr::Const(constant) => match convert(&constant.value) {
                Some(value) => Kind::Const(value),
                None => {
                    self.error(
                        ExprErrorKind::NotAllowed,
                        whole_span(constant.span()),
                        "this literal has no place here",
                    );
                    Kind::Const(Value::Null)
                }
            },
            ast::Expr::Slice(slice) => Kind::Slice(
                self.boxed(&slice.expr),
                [&slice.start, &slice.stop, &slice.step].map(|part| part.as_ref().map(|part| self.boxed(part))),
            ),
            ast::Expr::UnaryOp(op) => {
                let inner = self.boxed(&op.expr);
                match op.op {
                    ast::UnaryOpKind::Not => Kind::Not(inner),
                    ast::UnaryOpKind::Neg => match inner.kind {
                        Kind::Const(Value::Int(number)) if number != i64::MIN => Kind::Const(Value::Int(-number)),
                        _ => Kind::Neg(inner),
                    },
                }
            }
            ast::Expr::BinOp(op) => {
                let (left, right) = (self.boxed(&op.left), self.boxed(&op.right));
                let compare = |op, left: Box<Node>, right: Box<Node>| Kind::Compare(left, vec![(op, *right)]);
                match op.op {
                    ast::BinOpKind::Eq => compare(Comparison::Eq, left, right),
                    ast::BinOpKind::Ne => compare(Comparison::Ne, left, right),
                    ast::BinOpKind::Lt => compare(Comparison::Lt, left, right),
                    ast::BinOpKind::Lte => compare(Comparison::Le, left, right),
                    ast::BinOpKind::Gt => compare(Comparison::Gt, left, right),
                    ast::BinOpKind::Gte => compare(Comparison::Ge, left, right),
                    ast::BinOpKind::In => compare(Comparison::In, left, right),
                    ast::BinOpKind::ScAnd => Kind::And(left, right),
                    ast::BinOpKind::ScOr => Kind::Or(left, right),
                    ast::BinOpKind::Add => Kind::Math(Math::Add, left, right),
                    ast::BinOpKind::Sub => Kind::Math(Math::Sub, left, right),
                    ast::BinOpKind::Mul => Kind::Math(Math::Mul, left, right),
                    ast::BinOpKind::Div => Kind::Math(Math::Div, left, right),
                    ast::BinOpKind::FloorDiv => Kind::Math(Math::FloorDiv, left, right),
                    ast::BinOpKind::Rem => Kind::Math(Math::Rem, left, right),
                    ast::BinOpKind::Pow => Kind::Math(Math::Pow, left, right),
                    ast::BinOpKind::Concat => {
                        let mut parts = match left.kind {
                            Kind::Concat(parts) => parts,
                            _ => vec![*left],
                        };
                        parts.push(*right);
                        Kind::Concat(parts)
                    }
                }
            }
            ast::Expr::Compare(compare) => Kind::Compare(
                self.boxed(&compare.expr),
                compare
                    .ops
                    .iter()
                    .map(|op| {
                        let kind = match op.op {
                            ast::CompareOpKind::Eq => Comparison::Eq,
                            ast::CompareOpKind::Ne => Comparison::Ne,
                            ast::CompareOpKind::Lt => Comparison::Lt,
                            ast::CompareOpKind::Lte => Comparison::Le,
                            ast::CompareOpKind::Gt => Comparison::Gt,
                            ast::CompareOpKind::Gte => Comparison::Ge,
                            ast::CompareOpKind::In => Comparison::In,
                            ast::CompareOpKind::NotIn => Comparison::NotIn,
                        };
                        (kind, self.node(&op.expr))
                    })
                    .collect(),
            ),
            ast::Expr::IfExpr(choice) => Kind::If(
                self.boxed(&choice.test_expr),
                self.boxed(&choice.true_expr),
                choice.false_expr.as_ref().map(|other| self.boxed(other)),
            ),
            ast::Expr::Filter(filter) => self.filter(filter, filter.span()),
            ast::Expr::Test(test) => self.test(test, test.span()),
            ast::Expr::GetAttr(attr) => Kind::Attr(self.boxed(&attr.expr), Arc::from(attr.name)),
            ast::Expr::GetItem(item) => {
                let inner = self.boxed(&item.expr);
                let index = self.boxed(&item.subscript_expr);
                match &index.kind {
                    Kind::Const(Value::Str(name)) => Kind::Attr(inner, name.clone()),
                    _ => Kind::Item(inner, index),
                }
            }
            ast::Expr::Call(call) => self.call(call, call.span()),
            ast::Expr::List(list) => folded_list(list.items.iter().map(|item| self.node(item)).collect()),
            ast::Expr::Tuple(tuple) => folded_list(tuple.items.iter().map(|item| self.node(item)).collect()),
            ast::Expr::Map(map) => folded_map(
                map.keys.iter().zip(&map.values).map(|(key, value)| (self.node(key), self.node(value))).collect(),
            ),
        }
    }
}

/// A list that is the same in every evaluation is made once.
fn folded_list(items: Vec<Node>) -> Kind {
    let constant = |node: &Node| match &node.kind {
        Kind::Const(value) => Some(value.clone()),
        _ => None,
    };
    match items.iter().map(constant).collect::<Option<Vec<_>>>() {
        Some(values) => Kind::Const(Value::list(values)),
        None => Kind::List(items),
    }
}

/// Likewise a map.
fn folded_map(entries: Vec<(Node, Node)>) -> Kind {
    let constant = |(key, value): &(Node, Node)| match (&key.kind, &value.kind) {
        (Kind::Const(Value::Str(key)), Kind::Const(value)) => Some((key.clone(), value.clone())),
        _ => None,
    };
    match entries.iter().map(constant).collect::<Option<Vec<_>>>() {
        Some(pairs) => Kind::Const(Value::Map(Map::from_pairs(pairs))),
        None => Kind::Map(entries),
    }
}

/// A literal as our value.
fn convert(value: &minijinja::Value) -> Option<Value> {
    Some(match value.kind() {
        ValueKind::None | ValueKind::Undefined => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(number) if value.is_integer() => Value::Int(number),
            _ => Value::Float(f64::try_from(value.clone()).ok()?),
        },
        ValueKind::String => Value::text(value.as_str()?),
        ValueKind::Seq => Value::list(value.try_iter().ok()?.map(|item| convert(&item)).collect::<Option<Vec<_>>>()?),
        ValueKind::Map => Value::Map(
            value
                .try_iter()
                .ok()?
                .map(|key| {
                    let item = value.get_item(&key).ok()?;
                    Some((Str::from(key.as_str()?), convert(&item)?))
                })
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .collect(),
        ),
        _ => return None,
    })
}
