//! Bare expressions, and what they read.

use std::sync::Arc;

use calipso_model::{Str, Value};

use crate::{
    error::{EvalError, ExprError},
    eval::{self, Fuel, Out, truth},
    layout::{Frame, Names, Slot},
    syntax::{self, Kind, Node},
};

/// A parsed expression. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Expr(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Str,
    root: Node,
}

/// One path that an expression reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// Where it begins.
    pub slot: Slot,
    /// The keys, as far as they are constant.
    pub path: Vec<Str>,
    /// First byte in the text.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Whether it may break off: it stands below `default`, `is defined`, `is undefined` or `is none`.
    pub guarded: bool,
}

impl Expr {
    /// Parses a bare expression; every name, filter and test is checked.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `source`.
    pub fn parse(source: &str, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        let root = syntax::parse(source, names)?;
        Ok(Self(Arc::new(Inner { source: Arc::from(source), root })))
    }

    /// The text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub(crate) fn root(&self) -> &Node {
        &self.0.root
    }

    /// The constant that it is, if it reads nothing.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match &self.0.root.kind {
            Kind::Const(value) => Some(value),
            _ => None,
        }
    }

    /// Evaluates.
    ///
    /// # Errors
    /// Something is undefined or of the wrong type, or the fuel is used up.
    pub fn eval(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Value, EvalError> {
        Ok(eval::value(&self.0.root, frame, fuel)?.into_owned())
    }

    /// Evaluates; nothing when the outermost path breaks off.
    ///
    /// # Errors
    /// As [`Expr::eval`], but for that.
    pub fn eval_opt(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Option<Value>, EvalError> {
        Ok(match eval::open(&self.0.root, frame, fuel)? {
            Out::Is(value) => Some(value.into_owned()),
            Out::Missing(_) => None,
        })
    }

    /// Whether the value counts as true.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn holds(&self, frame: &Frame, fuel: &mut Fuel) -> Result<bool, EvalError> {
        Ok(truth(&*eval::value(&self.0.root, frame, fuel)?))
    }

    /// The parts of a key: a list's elements, or the one value. Nothing when a part is null, undefined or empty text.
    ///
    /// # Errors
    /// As [`Expr::eval`], but for undefined parts.
    pub fn eval_key(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Option<Vec<Value>>, EvalError> {
        let blank = |value: &Value| match value {
            Value::Null => true,
            Value::Str(text) => text.is_empty(),
            _ => false,
        };
        if let Kind::List(parts) = &self.0.root.kind {
            let mut key = Vec::with_capacity(parts.len());
            for part in parts {
                match eval::open(part, frame, fuel)? {
                    Out::Is(value) if !blank(&value) => key.push(value.into_owned()),
                    _ => return Ok(None),
                }
            }
            return Ok(Some(key));
        }
        Ok(match eval::open(&self.0.root, frame, fuel)? {
            Out::Missing(_) => None,
            Out::Is(value) => match value.into_owned() {
                Value::List(parts) => (!parts.iter().any(blank)).then(|| parts.to_vec()),
                other => (!blank(&other)).then(|| vec![other]),
            },
        })
    }

    /// How many parts its key has, if the text tells.
    #[must_use]
    pub fn key_size(&self) -> Option<usize> {
        match &self.0.root.kind {
            Kind::List(parts) => Some(parts.len()),
            Kind::Const(Value::List(parts)) => Some(parts.len()),
            Kind::Const(_) | Kind::Concat(..) => Some(1),
            _ => None,
        }
    }

    /// Every path that it reads.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        let mut found = Vec::new();
        walk(&self.0.root, false, &mut found);
        found
    }
}

pub(crate) fn walk(node: &Node, guarded: bool, found: &mut Vec<Use>) {
    let each = |nodes: &mut dyn Iterator<Item = &Node>, found: &mut Vec<Use>| {
        for node in nodes {
            walk(node, false, found);
        }
    };
    match &node.kind {
        Kind::Const(_) => {}
        Kind::Slot(..) | Kind::Attr(..) => {
            let mut path = Vec::new();
            let mut here = node;
            while let Kind::Attr(inner, name) = &here.kind {
                path.push(name.clone());
                here = inner;
            }
            path.reverse();
            if let Kind::Slot(slot, _) = &here.kind {
                found.push(Use { slot: *slot, path, start: here.start as usize, end: node.end as usize, guarded });
            } else {
                walk(here, guarded, found);
            }
        }
        Kind::Item(inner, index) => {
            walk(inner, guarded, found);
            walk(index, false, found);
        }
        Kind::Slice(inner, parts) => {
            walk(inner, guarded, found);
            each(&mut parts.iter().flatten().map(AsRef::as_ref), found);
        }
        Kind::Not(inner) | Kind::Neg(inner) => walk(inner, false, found),
        Kind::And(left, right) | Kind::Or(left, right) | Kind::Math(_, left, right) | Kind::Concat(left, right) => {
            each(&mut [left.as_ref(), right.as_ref()].into_iter(), found);
        }
        Kind::Compare(left, ops) => {
            walk(left, false, found);
            each(&mut ops.iter().map(|(_, right)| right), found);
        }
        Kind::If(test, then, other) => {
            walk(test, false, found);
            walk(then, guarded, found);
            if let Some(other) = other {
                walk(other, guarded, found);
            }
        }
        Kind::Filter(entry, inner, args) => {
            walk(inner, entry.name == "default", found);
            for (number, arg) in args.positional.iter().enumerate() {
                walk(arg, entry.open_args && number == 0, found);
            }
            each(&mut args.named.iter().map(|(_, arg)| arg), found);
        }
        Kind::Test(entry, inner, args) => {
            walk(inner, entry.open, found);
            each(&mut args.iter(), found);
        }
        Kind::Function(_, args) => {
            for arg in args {
                walk(arg, true, found);
            }
        }
        Kind::List(items) => each(&mut items.iter(), found),
        Kind::Map(entries) => each(&mut entries.iter().flat_map(|(key, value)| [key, value]), found),
    }
}
