//! From text to our own tree: the one file that knows minijinja, which parses.

use std::sync::Arc;

use calipso_model::{Str, Value};
use minijinja::{
    machinery::{Span, ast, parse_expr},
    value::ValueKind,
};

use crate::{
    error::{ExprError, ExprErrorKind, nearest},
    layout::{Names, Slot},
    table,
};

/// A node with its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Const(Value),
    Slot(Slot, Str),
    Attr(Box<Node>, Str),
    Item(Box<Node>, Box<Node>),
    Slice(Box<Node>, [Option<Box<Node>>; 3]),
    Not(Box<Node>),
    Neg(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Math(Math, Box<Node>, Box<Node>),
    Concat(Box<Node>, Box<Node>),
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    If(Box<Node>, Box<Node>, Option<Box<Node>>),
    Filter(&'static table::Filter, Box<Node>, Args),
    Test(&'static table::Test, Box<Node>, Vec<Node>),
    Function(&'static table::Function, Vec<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Arguments of a filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    pub positional: Vec<Node>,
    pub named: Vec<(Str, Node)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Math {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

/// Parses a bare expression.
pub(crate) fn parse(source: &str, names: &dyn Names) -> Result<Node, Vec<ExprError>> {
    if let Some(found) = source.find("{{").filter(|_| parse_expr(source).is_err()) {
        return Err(vec![
            ExprError::new(
                ExprErrorKind::TemplateInExpression,
                found,
                found + 2,
                "this key holds a bare expression; braces have no place in it",
            )
            .help("leave out `{{` and `}}`"),
        ]);
    }
    let tree = parse_expr(source).map_err(|error| {
        let range = error.range().unwrap_or(0..source.len());
        let message = error.detail().map_or_else(|| "this is no expression".to_owned(), ToOwned::to_owned);
        vec![ExprError::new(ExprErrorKind::Syntax, range.start.min(source.len()), range.end.min(source.len()), message)]
    })?;
    let mut reader = Reader { names, errors: Vec::new(), depth: 0 };
    let node = reader.node(&tree);
    if reader.errors.is_empty() { Ok(node) } else { Err(reader.errors) }
}

struct Reader<'n> {
    names: &'n dyn Names,
    errors: Vec<ExprError>,
    depth: usize,
}

impl Reader<'_> {
    fn node(&mut self, tree: &ast::Expr<'_>) -> Node {
        let span = tree.span();
        self.depth += 1;
        let kind = if self.depth > 64 {
            self.error(ExprErrorKind::NotAllowed, span, "this expression is nested too deeply");
            Kind::Const(Value::Null)
        } else {
            self.kind(tree)
        };
        self.depth -= 1;
        Node { kind, start: span.start_offset, end: span.end_offset }
    }

    fn boxed(&mut self, tree: &ast::Expr<'_>) -> Box<Node> {
        Box::new(self.node(tree))
    }

    fn error(&mut self, kind: ExprErrorKind, span: Span, message: impl Into<String>) -> &mut ExprError {
        self.errors.push(ExprError::new(kind, span.start_offset as usize, span.end_offset as usize, message));
        self.errors.last_mut().expect("one was just pushed")
    }

    fn kind(&mut self, tree: &ast::Expr<'_>) -> Kind {
        match tree {
            ast::Expr::Var(var) => match self.names.resolve(var.id) {
                Some(slot) => Kind::Slot(slot, Arc::from(var.id)),
                None => {
                    let known = self.names.known();
                    let near = nearest(var.id, known.iter().map(AsRef::as_ref)).map(ToOwned::to_owned);
                    let listed = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                    let error = self.error(
                        ExprErrorKind::UnknownName,
                        var.span(),
                        format!("nothing is named `{}` here", var.id),
                    );
                    error.help = Some(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("names that are known here: {listed}"),
                    });
                    Kind::Const(Value::Null)
                }
            },
            ast::Expr::Const(constant) => match convert(&constant.value) {
                Some(value) => Kind::Const(value),
                None => {
                    self.error(ExprErrorKind::NotAllowed, constant.span(), "this literal has no place here");
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
                    ast::UnaryOpKind::Neg => Kind::Neg(inner),
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
                    ast::BinOpKind::Concat => Kind::Concat(left, right),
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
            ast::Expr::List(list) => Kind::List(list.items.iter().map(|item| self.node(item)).collect()),
            ast::Expr::Tuple(tuple) => Kind::List(tuple.items.iter().map(|item| self.node(item)).collect()),
            ast::Expr::Map(map) => Kind::Map(
                map.keys.iter().zip(&map.values).map(|(key, value)| (self.node(key), self.node(value))).collect(),
            ),
        }
    }

    fn args(&mut self, given: &[ast::CallArg<'_>], span: Span) -> Args {
        let mut args = Args::default();
        for arg in given {
            match arg {
                ast::CallArg::Pos(value) => args.positional.push(self.node(value)),
                ast::CallArg::Kwarg(name, value) => args.named.push((Arc::from(*name), self.node(value))),
                ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => {
                    self.error(ExprErrorKind::NotAllowed, span, "arguments cannot be spread with `*`");
                }
            }
        }
        args
    }

    fn filter(&mut self, filter: &ast::Filter<'_>, span: Span) -> Kind {
        let Some(inner) = &filter.expr else {
            self.error(ExprErrorKind::NotAllowed, span, "a filter needs a value on its left");
            return Kind::Const(Value::Null);
        };
        let inner = self.boxed(inner);
        let args = self.args(&filter.args, span);
        let Some(entry) = table::filter(filter.name) else {
            let near = nearest(filter.name, table::FILTERS.iter().map(|entry| entry.name)).map(ToOwned::to_owned);
            let error = self.error(ExprErrorKind::UnknownFilter, span, format!("no filter is named `{}`", filter.name));
            error.help = near.map(|near| format!("did you mean `{near}`?"));
            return Kind::Const(Value::Null);
        };
        self.check_args(entry.name, entry.args, entry.named, &args, span);
        if let (true, Some(Kind::Const(Value::Str(name)))) =
            (entry.takes_filter, args.positional.first().map(|n| &n.kind))
            && table::filter(name).is_none()
        {
            let near = nearest(name, table::FILTERS.iter().map(|entry| entry.name)).map(ToOwned::to_owned);
            let message = format!("no filter is named `{name}`");
            self.error(ExprErrorKind::UnknownFilter, span, message).help =
                near.map(|near| format!("did you mean `{near}`?"));
        }
        if let (Some(place), true) = (entry.test_at, true)
            && let Some(Kind::Const(Value::Str(name))) = args.positional.get(place).map(|n| &n.kind)
            && table::test(name).is_none()
        {
            let near = nearest(name, table::TESTS.iter().map(|entry| entry.name)).map(ToOwned::to_owned);
            let message = format!("no test is named `{name}`");
            self.error(ExprErrorKind::UnknownFilter, span, message).help =
                near.map(|near| format!("did you mean `{near}`?"));
        }
        Kind::Filter(entry, inner, args)
    }

    fn check_args(&mut self, name: &str, count: (usize, usize), named: &[&str], args: &Args, span: Span) {
        let n_args = args.positional.len();
        if n_args < count.0 || n_args > count.1 {
            let wanted =
                if count.0 == count.1 { format!("{}", count.0) } else { format!("{} to {}", count.0, count.1) };
            let message = format!("`{name}` takes {wanted} arguments, not {n_args}");
            self.error(ExprErrorKind::WrongArguments, span, message);
        }
        for (given, _) in &args.named {
            if !named.contains(&given.as_ref()) {
                let message = format!("`{name}` has no argument `{given}`");
                self.error(ExprErrorKind::WrongArguments, span, message);
            }
        }
    }

    fn test(&mut self, test: &ast::Test<'_>, span: Span) -> Kind {
        let inner = self.boxed(&test.expr);
        let args = self.args(&test.args, span);
        let Some(entry) = table::test(test.name) else {
            let near = nearest(test.name, table::TESTS.iter().map(|entry| entry.name)).map(ToOwned::to_owned);
            let error = self.error(ExprErrorKind::UnknownFilter, span, format!("no test is named `{}`", test.name));
            error.help = near.map(|near| format!("did you mean `{near}`?"));
            return Kind::Const(Value::Null);
        };
        self.check_args(entry.name, (entry.args, entry.args), &[], &args, span);
        Kind::Test(entry, inner, args.positional)
    }

    fn call(&mut self, call: &ast::Call<'_>, span: Span) -> Kind {
        let ast::Expr::Var(var) = &call.expr else {
            self.error(ExprErrorKind::NotAllowed, span, "values have no methods").help =
                Some("use a filter: `value | filter`".to_owned());
            return Kind::Const(Value::Null);
        };
        let args = self.args(&call.args, span);
        let Some(entry) = table::function(var.id) else {
            let near = nearest(var.id, table::FUNCTIONS.iter().map(|entry| entry.name)).map(ToOwned::to_owned);
            let error = self.error(ExprErrorKind::UnknownFilter, span, format!("no function is named `{}`", var.id));
            error.help = near.map(|near| format!("did you mean `{near}`?"));
            return Kind::Const(Value::Null);
        };
        self.check_args(entry.name, (entry.args, entry.args), &[], &args, span);
        Kind::Function(entry, args.positional)
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
