//! Evaluation: our tree over our values, with fuel, and with undefined as a fault unless the text says otherwise.
//!
//! Paths are followed by reference: nothing is copied but what an operator or filter makes.

use std::borrow::Cow;

use calipso_model::{Map, Str, Value};

use crate::{
    error::{EvalError, EvalErrorKind, OpError},
    failed,
    fuel::Fuel,
    ops::{Comparison, compare, hides, item, join_text, math, part_of_text, slice, truth},
    scope::Scope,
    syntax::{Args, Bounds, Kind, Node},
    table,
};

/// What a node yields: a value, or the news that a path broke off.
pub(crate) enum Out<'a> {
    Is(Cow<'a, Value>),
    Missing(&'a Node, Reason),
}

/// Why a path broke off.
#[derive(Clone, Copy)]
pub(crate) enum Reason {
    Absent,
    HolderIsNull,
    HolderIs(&'static str),
    IndexUndefined,
}

/// Whether reading an attribute of it is a wrong type, which nothing masks, and no path that breaks off. Text breaks off,
/// since an element of XML is text where it has neither attributes nor children.
fn is_no_holder(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_))
}

impl Out<'_> {
    fn owned(value: impl Into<Value>) -> Self {
        Out::Is(Cow::Owned(value.into()))
    }
}

type Boxed = Box<EvalError>;

pub(crate) struct Run<'a, 'f> {
    pub scope: Scope<'a>,
    pub fuel: &'f mut Fuel,
    pub source: &'a Str,
}

impl<'a> Run<'a, '_> {
    #[cold]
    fn located(&self, node: &Node, error: OpError) -> Boxed {
        let (message, kind) = match error {
            OpError::Message(message) => (message, EvalErrorKind::Definite),
            OpError::Limit(message) => (message.to_owned(), EvalErrorKind::Limit),
            OpError::Failed => return Box::new(self.placed(node, EvalError::failed())),
        };
        Box::new(EvalError { kind, ..self.placed(node, EvalError::new(message)) })
    }

    fn placed(&self, node: &Node, error: EvalError) -> EvalError {
        EvalError {
            start: node.start as usize,
            end: node.end as usize,
            source_text: Some(self.source.clone()),
            ..error
        }
    }

    #[cold]
    pub(crate) fn undefined(&self, node: &Node, reason: Reason) -> Boxed {
        let path = self.source.get(node.start as usize..node.end as usize).unwrap_or_default();
        let why = match reason {
            Reason::Absent => String::new(),
            Reason::HolderIsNull => ": what should hold it is null".to_owned(),
            Reason::HolderIs(kind) => format!(": what should hold it is {kind}"),
            Reason::IndexUndefined => ": its index is undefined".to_owned(),
        };
        let error = EvalError::new(format!("`{path}` is undefined{why}"));
        Box::new(EvalError { kind: EvalErrorKind::Undefined, ..self.placed(node, error) })
    }

    #[inline(always)]
    fn known_value(&self, node: &'a Node, value: Cow<'a, Value>) -> Result<Out<'a>, Boxed> {
        if failed::is_marker(&value) { Err(self.located(node, OpError::Failed)) } else { Ok(Out::Is(value)) }
    }

    /// Evaluates a node; what is undefined is a fault.
    #[inline]
    pub(crate) fn value(&mut self, node: &'a Node) -> Result<Cow<'a, Value>, Boxed> {
        if let Some(value) = self.direct(node) {
            return Ok(Cow::Borrowed(value));
        }
        match self.open(node)? {
            Out::Is(value) => Ok(value),
            Out::Missing(at, reason) => Err(self.undefined(at, reason)),
        }
    }

    /// Evaluates a node; what is undefined is `Missing`.
    pub(crate) fn open(&mut self, node: &'a Node) -> Result<Out<'a>, Boxed> {
        if let Some(value) = self.direct(node) {
            return Ok(Out::Is(Cow::Borrowed(value)));
        }
        self.pay(node)?;
        match &node.kind {
            Kind::Const(value) => Ok(Out::Is(Cow::Borrowed(value))),
            Kind::Slot(slot) => match self.scope.get(*slot) {
                Some(value) => self.known_value(node, Cow::Borrowed(value)),
                None => Ok(Out::Missing(node, Reason::Absent)),
            },
            Kind::Field(_, _, column) => {
                // It stands for two nodes.
                self.pay(node)?;
                match self.scope.field(*column) {
                    Some(value) => self.known_value(node, Cow::Borrowed(value)),
                    None => Ok(Out::Missing(node, Reason::Absent)),
                }
            }
            Kind::Attr(inner, name) => match self.open(inner)? {
                Out::Is(Cow::Borrowed(Value::Map(map))) => match map.get(name) {
                    Some(value) => self.known_value(node, Cow::Borrowed(value)),
                    None if failed::hides(map, name) => Err(self.located(node, OpError::Failed)),
                    None => Ok(Out::Missing(node, Reason::Absent)),
                },
                Out::Is(holder) => match holder.as_ref() {
                    Value::Map(map) => match map.get(name) {
                        Some(value) => self.known_value(node, Cow::Owned(value.clone())),
                        None if failed::hides(map, name) => Err(self.located(node, OpError::Failed)),
                        None => Ok(Out::Missing(node, Reason::Absent)),
                    },
                    Value::Null => Ok(Out::Missing(node, Reason::HolderIsNull)),
                    // Data of another shape than the spec reads must not pass as "there is none".
                    other if is_no_holder(other) => Err(self.undefined(node, Reason::HolderIs(other.kind()))),
                    other => Ok(Out::Missing(node, Reason::HolderIs(other.kind()))),
                },
                missing @ Out::Missing(..) => Ok(missing),
            },
            Kind::Item(inner, index) => self.item(node, inner, index),
            Kind::Slice(inner, parts) => self.slice(node, inner, parts),
            Kind::Default(inner, other) => match self.open(inner)? {
                Out::Missing(..) => match other {
                    Some(other) => self.open(other),
                    None => Ok(Out::owned(Value::Null)),
                },
                there @ Out::Is(_) => Ok(there),
            },
            Kind::If(test, then, other) => {
                if self.holds(test)? {
                    self.open(then)
                } else {
                    match other {
                        Some(other) => self.open(other),
                        None => Ok(Out::owned(Value::Null)),
                    }
                }
            }
            Kind::Not(inner) => Ok(Out::owned(!self.holds(inner)?)),
            Kind::And(left, right) => {
                let left = self.value(left)?;
                Ok(Out::Is(if truth(&left) { self.value(right)? } else { left }))
            }
            Kind::Or(left, right) => {
                let left = self.value(left)?;
                Ok(Out::Is(if truth(&left) { left } else { self.value(right)? }))
            }
            Kind::Compare(first, ops) => self.compare(node, first, ops).map(Out::owned),
            Kind::Test(entry, inner, arg) => self.test(node, entry, inner, arg.as_deref()).map(Out::owned),
            Kind::Filter(entry, inner, args) => self.filter(node, entry, inner, args),
            _ => self.make(node).map(Out::owned),
        }
    }

    fn item(&mut self, node: &'a Node, inner: &'a Node, index: &'a Node) -> Result<Out<'a>, Boxed> {
        let holder = match self.open(inner)? {
            Out::Is(holder) => holder,
            missing @ Out::Missing(..) => return Ok(missing),
        };
        let Out::Is(index) = self.open(index)? else {
            return Ok(Out::Missing(node, Reason::IndexUndefined));
        };
        if matches!(*index, Value::Str(_)) && is_no_holder(&holder) {
            return Err(self.undefined(node, Reason::HolderIs(holder.kind())));
        }
        if hides(&holder, &index) {
            return Err(self.located(node, OpError::Failed));
        }
        let found = match holder {
            Cow::Borrowed(holder) => item(holder, &index),
            Cow::Owned(holder) => item(&holder, &index).map(|found| Cow::Owned(found.into_owned())),
        };
        match found {
            Some(value) => self.known_value(node, value),
            None => Ok(Out::Missing(node, Reason::Absent)),
        }
    }

    fn slice(&mut self, node: &'a Node, inner: &'a Node, parts: &'a Bounds) -> Result<Out<'a>, Boxed> {
        let holder = match self.open(inner)? {
            Out::Is(holder) => holder,
            missing @ Out::Missing(..) => return Ok(missing),
        };
        let mut bounds = [None; 3];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            if let Some(part) = part {
                *bound = match self.value(part)?.as_ref() {
                    Value::Null => None,
                    Value::Int(number) => Some(*number),
                    other => {
                        let message = format!("a slice wants whole numbers, not {}", other.kind());
                        return Err(self.located(part, OpError::Message(message)));
                    }
                };
            }
        }
        match slice(&holder, bounds, self.fuel) {
            Ok(value) => Ok(Out::owned(value)),
            Err(trouble) => Err(self.located(node, trouble)),
        }
    }

    /// Whether a node counts as true, without making the values of tests and comparisons.
    pub(crate) fn holds(&mut self, node: &'a Node) -> Result<bool, Boxed> {
        match &node.kind {
            Kind::Not(inner) => {
                self.pay(node)?;
                self.holds(inner).map(|holds| !holds)
            }
            Kind::And(left, right) => {
                self.pay(node)?;
                Ok(self.holds(left)? && self.holds(right)?)
            }
            Kind::Or(left, right) => {
                self.pay(node)?;
                Ok(self.holds(left)? || self.holds(right)?)
            }
            Kind::Test(entry, inner, arg) => {
                self.pay(node)?;
                self.test(node, entry, inner, arg.as_deref())
            }
            Kind::Compare(first, ops) => {
                self.pay(node)?;
                self.compare(node, first, ops)
            }
            _ => self.value(node).map(|value| truth(&value)),
        }
    }

    #[inline]
    fn pay(&mut self, node: &'a Node) -> Result<(), Boxed> {
        self.fuel.burn(1).map_err(|trouble| self.located(node, trouble))
    }

    /// What a constant or a path of attributes leads to; nothing: see [`Run::open`], which also says why.
    #[inline]
    pub(crate) fn direct(&mut self, node: &'a Node) -> Option<&'a Value> {
        match &node.kind {
            Kind::Const(_) | Kind::Field(..) | Kind::Slot(_) | Kind::Attr(..) => {}
            _ => return None,
        }
        let (value, nodes) = match &node.kind {
            Kind::Field(_, _, column) => (self.scope.field(*column).filter(|value| !failed::is_marker(value))?, 2),
            _ => follow(self.scope, node)?,
        };
        self.fuel.burn(nodes).ok()?;
        Some(value)
    }

    /// A part of a text without a copy of it, where a node is a slice with constant bounds; nothing: see [`Run::open`].
    pub(crate) fn text_slice(&mut self, node: &'a Node) -> Option<&'a str> {
        let Kind::Slice(inner, [start, stop, None]) = &node.kind else { return None };
        let bound = |part: &Option<Box<Node>>| match part.as_deref().map(|part| &part.kind) {
            None => Some(None),
            Some(Kind::Const(Value::Int(number))) => Some(Some(*number)),
            Some(_) => None,
        };
        let (start, stop) = (bound(start)?, bound(stop)?);
        let (Value::Str(text), nodes) = follow(self.scope, inner)? else { return None };
        if !text.is_ascii() || self.fuel.burn(nodes + 3 + text.len() as u64 / 16).is_err() {
            return None;
        }
        Some(part_of_text(text, start, stop))
    }

    fn compare(&mut self, node: &'a Node, first: &'a Node, ops: &'a [(Comparison, Node)]) -> Result<bool, Boxed> {
        // Whether a part of a text is one of some words: neither the part nor the words are copied.
        if let [(op @ (Comparison::In | Comparison::NotIn), right)] = ops
            && let Kind::Const(Value::List(words)) = &right.kind
            && let Some(text) = self.text_slice(first)
        {
            if let Err(trouble) = self.fuel.burn(words.len() as u64) {
                return Err(self.located(node, trouble));
            }
            let found = words.iter().any(|word| word.as_str() == Some(text));
            return Ok(found == (*op == Comparison::In));
        }
        let mut left = self.value(first)?;
        for (op, right) in ops {
            let right = self.value(right)?;
            match compare(*op, &left, &right, self.fuel) {
                Ok(true) => left = right,
                Ok(false) => return Ok(false),
                Err(trouble) => return Err(self.located(node, trouble)),
            }
        }
        Ok(true)
    }

    fn test(
        &mut self,
        node: &'a Node,
        entry: &'static table::Test,
        inner: &'a Node,
        arg: Option<&'a Node>,
    ) -> Result<bool, Boxed> {
        let input = match self.open(inner)? {
            Out::Is(value) => Some(value),
            Out::Missing(..) if entry.open => None,
            Out::Missing(at, reason) => return Err(self.undefined(at, reason)),
        };
        let arg = match arg {
            Some(arg) => Some(self.value(arg)?),
            None => None,
        };
        match (entry.run)(input.as_deref(), arg.as_deref(), self.fuel) {
            Ok(holds) => Ok(holds),
            Err(trouble) => Err(self.located(node, trouble)),
        }
    }

    fn filter(
        &mut self,
        node: &'a Node,
        entry: &'static table::Filter,
        inner: &'a Node,
        args: &'a Args,
    ) -> Result<Out<'a>, Boxed> {
        let input = self.value(inner)?;
        let mut positional = Vec::with_capacity(args.positional.len());
        for (number, arg) in args.positional.iter().enumerate() {
            positional.push(match self.open(arg)? {
                Out::Is(value) => value.into_owned(),
                Out::Missing(..) if entry.open_arg && number == 0 => Value::Null,
                Out::Missing(at, reason) => return Err(self.undefined(at, reason)),
            });
        }
        let mut named = Vec::with_capacity(args.named.len());
        for (name, arg) in &args.named {
            named.push((name.clone(), self.value(arg)?.into_owned()));
        }
        let given = table::Given { positional: &positional, named: &named, pattern: args.pattern.as_deref() };
        match (entry.run)(&input, &given, self.fuel) {
            Ok(value) => self.known_value(node, Cow::Owned(value)),
            Err(OpError::Message(message)) => {
                Err(self.located(node, OpError::Message(format!("`{}`: {message}", entry.name))))
            }
            Err(trouble) => Err(self.located(node, trouble)),
        }
    }

    /// What is neither a path nor a choice: always a new value.
    fn make(&mut self, node: &'a Node) -> Result<Value, Boxed> {
        match &node.kind {
            Kind::Neg(inner) => match self.value(inner)?.as_ref() {
                Value::Int(number) => number
                    .checked_neg()
                    .map(Value::Int)
                    .ok_or_else(|| self.located(node, OpError::new("the number is too large"))),
                Value::Float(number) => Ok(Value::Float(-number)),
                other => Err(self.located(node, OpError::new(format!("{} cannot be negated", other.kind())))),
            },
            Kind::Math(op, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                math(*op, &left, &right, self.fuel).map_err(|trouble| self.located(node, trouble))
            }
            Kind::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    if let Some(piece) = self.text_slice(part) {
                        text.push_str(piece);
                        continue;
                    }
                    let value = self.value(part)?;
                    join_text(&mut text, &value, self.fuel).map_err(|trouble| self.located(part, trouble))?;
                }
                Ok(Value::from(text))
            }
            Kind::Function(entry, args) => {
                let mut given = Vec::with_capacity(args.len());
                for arg in args {
                    given.push(match self.open(arg)? {
                        Out::Is(value) => value,
                        Out::Missing(..) => Cow::Owned(Value::Null),
                    });
                }
                let given: Vec<&Value> = given.iter().map(AsRef::as_ref).collect();
                (entry.run)(&given, self.fuel).map_err(|trouble| self.located(node, trouble))
            }
            Kind::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(self.value(item)?.into_owned());
                }
                Ok(Value::list(list))
            }
            Kind::Map(entries) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (key, item) in entries {
                    let name = match self.value(key)?.as_ref() {
                        Value::Str(text) => text.clone(),
                        other => {
                            let message = format!("the key of a map must be text, not {}", other.kind());
                            return Err(self.located(key, OpError::Message(message)));
                        }
                    };
                    pairs.push((name, self.value(item)?.into_owned()));
                }
                Ok(Value::Map(Map::from_pairs(pairs)))
            }
            // The others are evaluated by `open`, which sends only these here.
            _ => self.value(node).map(Cow::into_owned),
        }
    }
}

/// Where a path of attributes leads to, and how many nodes it has.
fn follow<'a>(scope: Scope<'a>, node: &'a Node) -> Option<(&'a Value, u64)> {
    let (value, nodes) = match &node.kind {
        Kind::Const(value) => return Some((value, 1)),
        Kind::Field(_, _, column) => (scope.field(*column)?, 2),
        Kind::Slot(slot) => (scope.get(*slot)?, 1),
        Kind::Attr(inner, name) => {
            let (Value::Map(map), nodes) = follow(scope, inner)? else { return None };
            (map.get(name)?, nodes + 1)
        }
        _ => return None,
    };
    (!failed::is_marker(value)).then_some((value, nodes))
}
