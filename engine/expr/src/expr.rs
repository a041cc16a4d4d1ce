//! Bare expressions, and what they read.

use std::{borrow::Cow, sync::Arc};

use calipso_model::{Str, Value};

use crate::{
    error::{EvalError, ExprError},
    eval::{Out, Run},
    failed::{self, Ends},
    fuel::Fuel,
    layout::{Frame, Names, Slot},
    ops::{Math, text_of, truth},
    scope::{Columns, Scope},
    signature,
    syntax::{self, Kind, Node},
};

/// A parsed expression. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Expr(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Str,
    offset: usize,
    root: Node,
}

/// One path that an expression reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// Where it begins.
    pub slot: Slot,
    /// The keys, as far as they are constant.
    pub path: Vec<Str>,
    /// First byte in the text of the expression.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Whether it may break off: it stands below `default`, `is defined`, `is undefined` or `is none`.
    pub guarded: bool,
}

/// A part of a key.
#[derive(Clone, Copy, Debug)]
pub enum KeyPart<'a> {
    /// A value as a whole.
    Value(&'a Value),
    /// A piece of a text.
    Text(&'a str),
}

impl KeyPart<'_> {
    /// The part as a value of its own.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Text(text) => Value::text(text),
        }
    }
}

impl Expr {
    /// Parses a bare expression; every name, filter and test is checked.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `source`.
    pub fn parse(source: &str, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        Self::parse_at(source, 0, names)
    }

    pub(crate) fn parse_at(source: &str, offset: usize, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        match syntax::parse(source, names) {
            Ok(root) => Ok(Self(Arc::new(Inner { source: Arc::from(source), offset, root }))),
            Err(mistakes) => Err(mistakes.into_iter().map(|mistake| mistake.shifted(offset)).collect()),
        }
    }

    /// Where its text begins in the text that it was part of: a template, a command, a list of generators.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The text that was parsed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub(crate) fn root(&self) -> &Node {
        &self.0.root
    }

    fn run<'a, 'f>(&'a self, scope: impl Into<Scope<'a>>, fuel: &'f mut Fuel) -> Run<'a, 'f> {
        Run { scope: scope.into(), fuel, source: &self.0.source }
    }

    /// The same expression that reads attributes from records, where `columns` says that they are there.
    #[must_use]
    pub fn bind(&self, columns: Columns<'_>) -> Self {
        let Inner { source, offset, root } = self.0.as_ref();
        let mut root = root.clone();
        root.bind(columns);
        Self(Arc::new(Inner { source: source.clone(), offset: *offset, root }))
    }

    /// A fault of the whole expression.
    pub(crate) fn fault(&self, message: impl Into<String>) -> EvalError {
        EvalError { end: self.0.source.len(), source_text: Some(self.0.source.clone()), ..EvalError::new(message) }
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
        match self.run(frame, fuel).value(&self.0.root) {
            Ok(value) => Ok(value.into_owned()),
            Err(error) => Err(*error),
        }
    }

    /// Evaluates, without a copy where a path ends at a value.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn value<'a>(&'a self, scope: Scope<'a>, fuel: &mut Fuel) -> Result<Cow<'a, Value>, EvalError> {
        self.run(scope, fuel).value(&self.0.root).map_err(|error| *error)
    }

    /// Evaluates; nothing when the outermost path breaks off.
    ///
    /// # Errors
    /// As [`Expr::eval`], but for that.
    pub fn eval_opt(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Option<Value>, EvalError> {
        match self.run(frame, fuel).open(&self.0.root) {
            Ok(Out::Is(value)) => Ok(Some(value.into_owned())),
            Ok(Out::Missing(..)) => Ok(None),
            Err(error) => Err(*error),
        }
    }

    /// How the text begins and ends that it would give, where something within is not known.
    #[must_use]
    pub fn known_ends(&self, frame: &Frame, fuel: &mut Fuel) -> Ends {
        let Kind::Concat(parts) = &self.0.root.kind else { return Ends::default() };
        let mut run = self.run(frame, fuel);
        let mut known = |node| run.value(node).ok().and_then(|value| text_of(&value));
        let begin: Vec<Str> = parts.iter().map_while(&mut known).collect();
        if begin.len() == parts.len() {
            return Ends::default();
        }
        let mut end: Vec<Str> = parts.iter().rev().map_while(known).collect();
        end.reverse();
        Ends { begin: begin.concat(), end: end.concat() }
    }

    /// Whether the value counts as true.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn holds(&self, frame: &Frame, fuel: &mut Fuel) -> Result<bool, EvalError> {
        match self.run(frame, fuel).value(&self.0.root) {
            Ok(value) => Ok(truth(&value)),
            Err(error) => Err(*error),
        }
    }

    /// As [`Expr::holds`].
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn holds_in(&self, scope: Scope<'_>, fuel: &mut Fuel) -> Result<bool, EvalError> {
        self.run(scope, fuel).holds(&self.0.root).map_err(|error| *error)
    }

    /// The parts of a key: a list's elements, or the one value. Nothing when a part is null, undefined or empty text.
    ///
    /// # Errors
    /// As [`Expr::eval`], but for undefined parts.
    pub fn eval_key(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Option<Vec<Value>>, EvalError> {
        let mut parts = Vec::with_capacity(self.key_size().unwrap_or(1));
        Ok(self.eval_key_into(frame, fuel, &mut parts)?.then_some(parts))
    }

    /// As [`Expr::eval_key`], into a list that is used again and again; it is emptied first. False when there is no key.
    ///
    /// # Errors
    /// As [`Expr::eval_key`].
    pub fn eval_key_into(&self, frame: &Frame, fuel: &mut Fuel, parts: &mut Vec<Value>) -> Result<bool, EvalError> {
        parts.clear();
        self.key_of_run(self.run(frame, fuel), parts)
    }

    fn key_of_run<'a>(&'a self, mut run: Run<'a, '_>, parts: &mut Vec<Value>) -> Result<bool, EvalError> {
        let root = &self.0.root;
        if let Kind::List(nodes) = &root.kind {
            for node in nodes {
                match run.open(node) {
                    Ok(Out::Is(value)) if !blank(&value) => parts.push(value.into_owned()),
                    Ok(_) => return Ok(false),
                    Err(error) => return Err(*error),
                }
            }
            return Ok(true);
        }
        match run.open(root) {
            Err(error) => Err(*error),
            Ok(Out::Missing(..)) => Ok(false),
            Ok(Out::Is(value)) => match value.as_ref() {
                Value::List(items) => {
                    if items.iter().any(failed::is_marker) {
                        return Err(EvalError::failed());
                    }
                    parts.extend(items.iter().cloned());
                    Ok(!items.iter().any(blank))
                }
                one => {
                    parts.push(one.clone());
                    Ok(!blank(one))
                }
            },
        }
    }

    /// As [`Expr::eval_key`]: hands each part on without a copy. False when there is no key; then what was handed on
    /// means nothing.
    ///
    /// # Errors
    /// As [`Expr::eval_key`].
    pub fn key_in(
        &self,
        scope: Scope<'_>,
        fuel: &mut Fuel,
        take: &mut impl FnMut(KeyPart<'_>),
    ) -> Result<bool, EvalError> {
        let mut run = self.run(scope, fuel);
        let root = &self.0.root;
        let Kind::List(nodes) = &root.kind else {
            let mut parts = Vec::new();
            let there = self.key_of_run(run, &mut parts)?;
            parts.iter().for_each(|part| take(KeyPart::Value(part)));
            return Ok(there);
        };
        for node in nodes {
            if let Some(text) = run.text_slice(node) {
                if text.is_empty() {
                    return Ok(false);
                }
                take(KeyPart::Text(text));
                continue;
            }
            if let Some(value) = run.direct(node) {
                if blank(value) {
                    return Ok(false);
                }
                take(KeyPart::Value(value));
                continue;
            }
            match run.open(node) {
                Ok(Out::Is(value)) if !blank(&value) => take(KeyPart::Value(&value)),
                Ok(_) => return Ok(false),
                Err(error) => return Err(*error),
            }
        }
        Ok(true)
    }

    /// The constant texts that it can come to, by its branches, defaults and list elements, with their bytes.
    #[must_use]
    pub fn outcomes(&self) -> Vec<(Str, usize, usize)> {
        let mut found = Vec::new();
        outcomes(&self.0.root, &mut found);
        found
    }

    /// Whether it is written as a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(&self.0.root.kind, Kind::List(_) | Kind::Const(Value::List(_)))
    }

    /// How many parts its key has, if the text tells.
    #[must_use]
    pub fn key_size(&self) -> Option<usize> {
        match &self.0.root.kind {
            Kind::List(parts) => Some(parts.len()),
            Kind::Const(Value::List(parts)) => Some(parts.len()),
            Kind::Const(_) | Kind::Concat(_) => Some(1),
            _ => None,
        }
    }

    /// A text that is equal where two expressions do the same; `name` says what the name of a slot stands for.
    #[must_use]
    pub fn signature(&self, name: &dyn Fn(Slot) -> String) -> String {
        let mut text = String::new();
        signature::write(&self.0.root, name, &mut text);
        text
    }

    /// Every path that it reads.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        let mut found = Vec::new();
        walk(&self.0.root, false, &mut found);
        found
    }
}

fn blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Str(text) => text.is_empty(),
        _ => false,
    }
}

fn outcomes(node: &Node, found: &mut Vec<(Str, usize, usize)>) {
    let mut add = |value: &Value| {
        if let Value::Str(text) = value {
            found.push((text.clone(), node.start as usize, node.end as usize));
        }
    };
    match &node.kind {
        Kind::Const(Value::List(items)) => items.iter().for_each(&mut add),
        Kind::Const(value) => add(value),
        Kind::If(_, then, other) => {
            outcomes(then, found);
            other.iter().for_each(|other| outcomes(other, found));
        }
        Kind::Default(inner, other) => {
            outcomes(inner, found);
            other.iter().for_each(|other| outcomes(other, found));
        }
        Kind::Math(Math::Add, left, right) => {
            outcomes(left, found);
            outcomes(right, found);
        }
        Kind::List(items) => items.iter().for_each(|item| outcomes(item, found)),
        _ => {}
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
        Kind::Slot(_) | Kind::Field(..) | Kind::Attr(..) => {
            let mut path = Vec::new();
            let mut here = node;
            while let Kind::Attr(inner, name) = &here.kind {
                path.push(name.clone());
                here = inner;
            }
            let slot = match &here.kind {
                Kind::Slot(slot) => Some(slot),
                Kind::Field(slot, name, _) => {
                    path.push(name.clone());
                    Some(slot)
                }
                _ => None,
            };
            path.reverse();
            if let Some(slot) = slot {
                found.push(Use { slot: *slot, path, start: here.start as usize, end: node.end as usize, guarded });
            } else {
                walk(here, guarded, found);
            }
        }
        Kind::Item(inner, index) => {
            walk(inner, guarded, found);
            walk(index, guarded, found);
        }
        Kind::Slice(inner, parts) => {
            walk(inner, guarded, found);
            each(&mut parts.iter().flatten().map(AsRef::as_ref), found);
        }
        Kind::Not(inner) | Kind::Neg(inner) => walk(inner, false, found),
        Kind::And(left, right) | Kind::Or(left, right) | Kind::Math(_, left, right) => {
            each(&mut [left.as_ref(), right.as_ref()].into_iter(), found);
        }
        Kind::Concat(parts) => each(&mut parts.iter(), found),
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
        Kind::Default(inner, other) => {
            walk(inner, true, found);
            if let Some(other) = other {
                walk(other, guarded, found);
            }
        }
        Kind::Filter(entry, inner, args) => {
            walk(inner, false, found);
            for (number, arg) in args.positional.iter().enumerate() {
                walk(arg, entry.open_arg && number == 0, found);
            }
            each(&mut args.named.iter().map(|(_, arg)| arg), found);
        }
        Kind::Test(entry, inner, arg) => {
            walk(inner, entry.open, found);
            each(&mut arg.iter().map(AsRef::as_ref), found);
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
