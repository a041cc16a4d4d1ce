//! Texts with `{{ … }}`, and trees of them.

use std::sync::Arc;

use calipso_model::{Map, Str, Value};

use crate::{
    error::{EvalError, ExprError, ExprErrorKind},
    eval::{Fuel, join_text},
    expr::{Expr, Use},
    layout::{Frame, Names},
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
pub fn parts(text: &str, names: &dyn Names) -> Result<Vec<Part>, Vec<ExprError>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    let mut rest = 0;
    while let Some(open) = text.get(rest..).and_then(|tail| tail.find("{{")).map(|place| rest + place) {
        if open > rest {
            found.push(Part::Literal(Arc::from(&text[rest..open])));
        }
        let Some(close) = closing(text, open + 2) else {
            errors.push(
                ExprError::new(ExprErrorKind::Syntax, open, text.len(), "`{{` is not closed")
                    .help("write `}}` behind the expression"),
            );
            return Err(errors);
        };
        let inner = &text[open + 2..close];
        let trimmed = inner.trim();
        let offset = open + 2 + (inner.len() - inner.trim_start().len());
        if trimmed.is_empty() {
            errors.push(ExprError::new(
                ExprErrorKind::Syntax,
                open,
                close + 2,
                "there is no expression between the braces",
            ));
        } else {
            match Expr::parse(trimmed, names) {
                Ok(expr) => found.push(Part::Expr(expr, offset)),
                Err(mistakes) => errors.extend(mistakes.into_iter().map(|mistake| mistake.shifted(offset))),
            }
        }
        rest = close + 2;
    }
    if rest < text.len() {
        found.push(Part::Literal(Arc::from(&text[rest..])));
    }
    for (place, _) in text.match_indices("{%") {
        errors.push(ExprError::new(ExprErrorKind::NotAllowed, place, place + 2, "the language has no `{% %}` blocks"));
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The `}}` that closes an expression: outside of quotes and of the expression's own braces.
fn closing(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut place, mut depth, mut quote) = (from, 0usize, None::<u8>);
    while let Some(byte) = bytes.get(place) {
        match (quote, byte) {
            (Some(_), b'\\') => place += 1,
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(place + 1) == Some(&b'}') => return Some(place),
            _ => {}
        }
        place += 1;
    }
    None
}

/// A YAML tree whose texts may hold expressions.
#[derive(Clone, Debug)]
pub enum Tree {
    /// Holds none.
    Const(Value),
    /// Exactly one `{{ … }}`: keeps the type of its value. With the offset of the expression in the text.
    Expr(Expr),
    /// Parts joined as text.
    Text(Vec<Part>),
    /// A list.
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

    /// Evaluates leaf by leaf; entries of written maps that come out null are left out, at any depth.
    ///
    /// # Errors
    /// As [`Expr::eval`]; maps, lists and null cannot be joined into text.
    pub fn eval(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Value, EvalError> {
        match self {
            Self::Const(value) => Ok(value.clone()),
            Self::Expr(expr) => expr.eval(frame, fuel),
            Self::Text(parts) => text(parts, frame, fuel).map(Value::from),
            Self::List(items) => {
                items.iter().map(|item| item.eval(frame, fuel)).collect::<Result<Vec<_>, _>>().map(Value::list)
            }
            Self::Map(entries) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (key, tree) in entries {
                    let value = tree.eval(frame, fuel)?;
                    if !value.is_null() {
                        pairs.push((key.clone(), value));
                    }
                }
                Ok(Value::Map(Map::from_pairs(pairs)))
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

pub(crate) fn text(parts: &[Part], frame: &Frame, fuel: &mut Fuel) -> Result<String, EvalError> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Expr(expr, _) => {
                let value = expr.eval(frame, fuel)?;
                join_text(&mut text, &value).map_err(|message| whole(expr, message))?;
            }
        }
    }
    Ok(text)
}

pub(crate) fn whole(expr: &Expr, message: impl Into<String>) -> EvalError {
    EvalError { message: message.into(), start: 0, end: expr.source().len(), failed: false }
}
