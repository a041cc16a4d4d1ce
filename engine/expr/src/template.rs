//! Texts with `{{ … }}`, and trees of them.

use std::{borrow::Cow, sync::Arc};

use calipso_model::{Map, Str, Value};

use crate::{
    error::{EvalError, EvalErrorKind, ExprError, ExprErrorKind, OpError},
    expr::{Expr, Use},
    failed,
    fuel::Fuel,
    layout::{Frame, Names},
    ops::join_text,
    scope::{Columns, Scope},
};

/// A part of a text.
#[derive(Clone, Debug)]
pub enum Part {
    /// As it is.
    Literal(Str),
    /// `{{ … }}`, with the offset of its expression in the text.
    Expr(Expr, usize),
}

/// Cuts a text into literals and expressions.
///
/// # Errors
/// All mistakes, with byte ranges in `text`.
pub(crate) fn parts(text: &str, names: &dyn Names) -> Result<Vec<Part>, Vec<ExprError>> {
    Ok(placed_parts(text, names)?.into_iter().map(|(_, part)| part).collect())
}

/// As [`parts`], with the offset at which each part begins (the braces of an expression belong to it).
pub(crate) fn placed_parts(text: &str, names: &dyn Names) -> Result<Vec<(usize, Part)>, Vec<ExprError>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    let literal = |found: &mut Vec<(usize, Part)>, errors: &mut Vec<ExprError>, from: usize, to: usize| {
        let Some(piece) = text.get(from..to).filter(|piece| !piece.is_empty()) else { return };
        for (index, _) in piece.match_indices("{%") {
            let index = from + index;
            errors.push(ExprError::new(
                ExprErrorKind::NotAllowed,
                index,
                index + 2,
                "the language has no `{% %}` blocks",
            ));
        }
        found.push((from, Part::Literal(Arc::from(piece))));
    };
    let mut rest = 0;
    while let Some(open) = text.get(rest..).and_then(|tail| tail.find("{{")).map(|index| rest + index) {
        literal(&mut found, &mut errors, rest, open);
        let Some(close) = closing(text, open + 2) else {
            errors.push(
                ExprError::new(ExprErrorKind::Syntax, open, text.len(), "`{{` is not closed")
                    .help("write `}}` behind the expression"),
            );
            return Err(errors);
        };
        let inner = text.get(open + 2..close).unwrap_or_default();
        let trimmed = inner.trim();
        let offset = open + 2 + (inner.len() - inner.trim_start().len());
        if trimmed.is_empty() {
            let message = "there is no expression between the braces";
            errors.push(ExprError::new(ExprErrorKind::Syntax, open, close + 2, message));
        } else {
            match Expr::parse_at(trimmed, offset, names) {
                Ok(expr) => found.push((open, Part::Expr(expr, offset))),
                Err(mistakes) => errors.extend(mistakes),
            }
        }
        rest = close + 2;
    }
    literal(&mut found, &mut errors, rest, text.len());
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The `}}` that closes an expression: outside of quotes and of the expression's own braces.
fn closing(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut index, mut depth, mut quote) = (from, 0usize, None::<u8>);
    while let Some(byte) = bytes.get(index) {
        match (quote, byte) {
            (Some(_), b'\\') => index += 1,
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(index + 1) == Some(&b'}') => return Some(index),
            _ => {}
        }
        index += 1;
    }
    None
}

/// A YAML tree whose texts may hold expressions.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A value without any expression in it.
    Const(Value),
    /// Exactly one `{{ … }}`: keeps the type of its value.
    Expr(Expr),
    /// Parts joined as text.
    Text(Vec<Part>),
    /// A list with at least one expression in it.
    List(Vec<Tree>),
    /// A map in file order.
    Map(Vec<(Str, Tree)>),
}

impl Tree {
    /// Parses one text of a tree.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `text`.
    pub fn parse_text(text: &str, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(Self::Const(Value::text(text)));
        }
        let mut found = parts(text, names)?;
        if found.len() == 1
            && let Some(Part::Expr(..)) = found.first()
            && let Some(Part::Expr(expr, _)) = found.pop()
        {
            return Ok(Self::Expr(expr));
        }
        Ok(Self::Text(found))
    }

    /// Evaluates leaf by leaf; entries of written maps that come out null are left out, at any depth. A leaf of a list or map
    /// that depends on a step that failed is not known, and costs the others nothing.
    ///
    /// # Errors
    /// As [`Expr::eval`]; maps, lists and null cannot be joined into text.
    pub fn eval(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Value, EvalError> {
        self.eval_in(frame.into(), fuel)
    }

    /// As [`Tree::eval`].
    ///
    /// # Errors
    /// As [`Tree::eval`].
    pub fn eval_in(&self, scope: Scope<'_>, fuel: &mut Fuel) -> Result<Value, EvalError> {
        self.eval_with(scope, fuel, &mut |error| if error.is_failed() { Ok(failed::marker()) } else { Err(error) })
    }

    /// The value, where a part of a map or a list that has none is marked as not known; why goes into `faults`.
    ///
    /// # Errors
    /// The whole has no value, or took too much.
    pub fn eval_parts(&self, frame: &Frame, fuel: &mut Fuel, faults: &mut Vec<EvalError>) -> Result<Value, EvalError> {
        self.eval_with(frame.into(), fuel, &mut |error| {
            if error.is_limit() {
                return Err(error);
            }
            if !error.is_failed() {
                faults.push(error);
            }
            Ok(failed::marker())
        })
    }

    fn eval_with(
        &self,
        scope: Scope<'_>,
        fuel: &mut Fuel,
        instead: &mut dyn FnMut(EvalError) -> Result<Value, EvalError>,
    ) -> Result<Value, EvalError> {
        match self {
            Self::Const(value) => Ok(value.clone()),
            Self::Expr(expr) => expr.value(scope, fuel).map(Cow::into_owned),
            Self::Text(parts) => text(parts, scope, fuel).map(Value::from),
            Self::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    let value = item.eval_with(scope, fuel, instead);
                    values.push(value.or_else(&mut *instead)?);
                }
                Ok(Value::list(values))
            }
            Self::Map(entries) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (key, tree) in entries {
                    let value = tree.eval_with(scope, fuel, instead);
                    let value = value.or_else(&mut *instead)?;
                    if !value.is_null() {
                        pairs.push((key.clone(), value));
                    }
                }
                Ok(Value::Map(Map::from_pairs(pairs)))
            }
        }
    }

    /// The same tree that reads attributes from records, where `columns` says that they are there.
    #[must_use]
    pub fn bind(&self, columns: Columns<'_>) -> Self {
        match self {
            Self::Const(value) => Self::Const(value.clone()),
            Self::Expr(expr) => Self::Expr(expr.bind(columns)),
            Self::Text(parts) => Self::Text(
                parts
                    .iter()
                    .map(|part| match part {
                        Part::Literal(text) => Part::Literal(text.clone()),
                        Part::Expr(expr, offset) => Part::Expr(expr.bind(columns), *offset),
                    })
                    .collect(),
            ),
            Self::List(items) => Self::List(items.iter().map(|item| item.bind(columns)).collect()),
            Self::Map(entries) => {
                Self::Map(entries.iter().map(|(key, tree)| (key.clone(), tree.bind(columns))).collect())
            }
        }
    }

    /// Whether it holds no expression.
    #[must_use]
    pub fn is_const(&self) -> bool {
        match self {
            Self::Const(_) => true,
            Self::Expr(_) | Self::Text(_) => false,
            Self::List(items) => items.iter().all(Self::is_const),
            Self::Map(entries) => entries.iter().all(|(_, tree)| tree.is_const()),
        }
    }

    /// The expression that it is, if it is exactly one.
    #[must_use]
    pub fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Expr(expr) => Some(expr),
            _ => None,
        }
    }

    /// Every expression in it.
    #[must_use]
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Const(_) => Vec::new(),
            Self::Expr(expr) => vec![expr],
            Self::Text(parts) => parts.iter().filter_map(Part::expr).collect(),
            Self::List(items) => items.iter().flat_map(Self::exprs).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(_, tree)| tree.exprs()).collect(),
        }
    }

    /// Every path that it reads.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        self.exprs().into_iter().flat_map(Expr::uses).collect()
    }
}

impl Part {
    /// The expression, if it is one.
    #[must_use]
    pub fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Literal(_) => None,
            Self::Expr(expr, _) => Some(expr),
        }
    }
}

/// Most texts are not longer.
const SHORT: usize = 64;

/// Joins the parts of a text.
pub(crate) fn text(parts: &[Part], scope: Scope<'_>, fuel: &mut Fuel) -> Result<String, EvalError> {
    let mut text = String::with_capacity(SHORT);
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Expr(expr, _) => {
                let value = expr.value(scope, fuel)?;
                join_text(&mut text, &value, fuel).map_err(|trouble| match trouble {
                    OpError::Message(message) => expr.fault(message),
                    OpError::Limit(message) => EvalError { kind: EvalErrorKind::Limit, ..expr.fault(message) },
                    OpError::Failed => EvalError::failed(),
                })?;
            }
        }
    }
    Ok(text)
}
