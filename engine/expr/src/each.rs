//! Generators: `a in x; b in a.list; k, v in a.map`.

use std::sync::Arc;

use calipso_model::{Map, Value};

use crate::{
    error::{EvalError, EvalErrorKind, ExprError, ExprErrorKind, OpError},
    expr::{Expr, Use},
    fuel::Fuel,
    layout::{BindNames, Frame, Slot},
    scope::{Bound, Columns, Scope},
};

/// One `NAME in EXPRESSION`.
#[derive(Clone, Debug)]
pub struct Generator {
    /// The name of the key, of `k, v in …`.
    pub key: Option<Slot>,
    /// The name of the element or value.
    pub value: Slot,
    /// What is run over.
    pub over: Expr,
    /// Offset of that expression in the text.
    pub offset: usize,
}

/// Generators, each of which sees the names of those before.
#[derive(Clone, Debug)]
pub struct Each {
    /// Outermost first: later ones see the names of earlier ones.
    pub generators: Vec<Generator>,
}

/// What a generator runs over.
enum Source {
    List(Arc<Vec<Value>>),
    Map(Map),
}

impl Generator {
    /// The elements, with keys where it runs over a map.
    ///
    /// # Errors
    /// What it runs over is neither list nor map, or cannot be evaluated.
    pub fn elements(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Vec<(Option<Value>, Value)>, EvalError> {
        match self.source(frame, fuel)? {
            Source::List(items) => Ok(items.iter().map(|item| (None, item.clone())).collect()),
            Source::Map(map) => {
                Ok(map.iter().map(|(key, value)| (Some(Value::Str(key.clone())), value.clone())).collect())
            }
        }
    }

    fn source(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Source, EvalError> {
        let over = self.over.eval(frame, fuel)?;
        self.fits(&over, fuel)?;
        match over {
            Value::Map(map) => Ok(Source::Map(map)),
            Value::List(items) => Ok(Source::List(items)),
            _ => Err(self.not_iterable(&over)),
        }
    }

    /// Whether it can run over a value, and pays for it.
    fn fits(&self, over: &Value, fuel: &mut Fuel) -> Result<(), EvalError> {
        let paid = match over {
            Value::List(items) => fuel.list(items.len()),
            Value::Map(map) => fuel.list(map.len()),
            _ => Ok(()),
        };
        if let Err(OpError::Limit(message)) = paid {
            return Err(EvalError { kind: EvalErrorKind::Limit, ..self.over.fault(message) });
        }
        match (over, self.key) {
            (Value::List(_), None) | (Value::Map(_), Some(_)) => Ok(()),
            _ => Err(self.not_iterable(over)),
        }
    }

    #[cold]
    fn not_iterable(&self, over: &Value) -> EvalError {
        match over {
            Value::Map(_) => self.over.fault("this is a map; write `key, value in …`"),
            Value::List(_) => self.over.fault("this is a list; write `element in …`"),
            other => {
                self.over.fault(format!("{} cannot be run over; use `| default([])` or `| as_list`", other.kind()))
            }
        }
    }

    /// Binds an element.
    pub fn bind(&self, frame: &mut Frame, key: Option<Value>, value: Value) {
        if let (Some(slot), Some(key)) = (self.key, key) {
            frame.set(slot, key);
        }
        frame.set(self.value, value);
    }

    /// Unbinds its names.
    pub fn unbind(&self, frame: &mut Frame) {
        if let Some(slot) = self.key {
            frame.clear(slot);
        }
        frame.clear(self.value);
    }
}

impl Each {
    /// Parses generators and binds their names.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `source`.
    pub fn parse(source: &str, names: &mut dyn BindNames) -> Result<Self, Vec<ExprError>> {
        let mut generators = Vec::new();
        let mut errors = Vec::new();
        for (offset, piece) in pieces(source) {
            let trimmed = piece.trim();
            let start = offset + (piece.len() - piece.trim_start().len());
            let bad = |message: &str| {
                ExprError::new(ExprErrorKind::BadGenerator, start, start + trimmed.len().max(1), message)
                    .help("write `name in list`, or `key, value in map`; several are separated by `;`")
            };
            let Some((left, right)) = around_in(trimmed) else {
                errors.push(bad("this is no generator"));
                continue;
            };
            let bound: Vec<&str> = left.split(',').map(str::trim).collect();
            if bound.len() > 2 || !bound.iter().all(|name| identifier(name)) {
                errors.push(bad("a generator binds one name, or two over a map"));
                continue;
            }
            let right_offset = start + (trimmed.len() - right.len()) + (right.len() - right.trim_start().len());
            let over = match Expr::parse_at(right.trim(), right_offset, &*names) {
                Ok(over) => Some(over),
                Err(mistakes) => {
                    errors.extend(mistakes);
                    None
                }
            };
            let mut slots = Vec::new();
            for name in &bound {
                match names.bind(name) {
                    Ok(slot) => slots.push(slot),
                    Err(mistake) => {
                        let at = start + word(left, name).unwrap_or(0);
                        errors.push(ExprError { start: at, end: at + name.len(), ..mistake });
                    }
                }
            }
            if let (Some(over), Some(value)) = (over, slots.last().copied())
                && slots.len() == bound.len()
            {
                let key = (slots.len() == 2).then(|| slots.first().copied()).flatten();
                generators.push(Generator { key, value, over, offset: right_offset });
            }
        }
        if errors.is_empty() { Ok(Self { generators }) } else { Err(errors) }
    }

    /// Runs over all combinations for which `when` holds, in order.
    ///
    /// # Errors
    /// Of the generators, of `when`, of `f`; the frame is clean afterwards in any case.
    pub fn for_each(
        &self,
        when: Option<&Expr>,
        frame: &mut Frame,
        fuel: &mut Fuel,
        f: &mut dyn FnMut(&mut Frame, &mut Fuel) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        let result = run(&self.generators, when, frame, fuel, f);
        for generator in &self.generators {
            generator.unbind(frame);
        }
        result
    }

    /// Runs over all combinations in order, binding by reference.
    ///
    /// # Errors
    /// Of the generators, of `f`.
    pub fn run_in(
        &self,
        scope: Scope<'_>,
        fuel: &mut Fuel,
        f: &mut dyn FnMut(Scope<'_>, &mut Fuel) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        run_in(&self.generators, scope, fuel, f)
    }

    /// The same generators that read attributes from records, where `columns` says that they are there.
    #[must_use]
    pub fn bind(&self, columns: Columns<'_>) -> Self {
        let generators = self.generators.iter();
        let bound = generators.map(|generator| Generator { over: generator.over.bind(columns), ..generator.clone() });
        Self { generators: bound.collect() }
    }

    /// Every path that its expressions read.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        self.generators.iter().flat_map(|generator| generator.over.uses()).collect()
    }
}

fn run_in(
    generators: &[Generator],
    scope: Scope<'_>,
    fuel: &mut Fuel,
    f: &mut dyn FnMut(Scope<'_>, &mut Fuel) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let Some((generator, rest)) = generators.split_first() else {
        return f(scope, fuel);
    };
    let over = generator.over.value(scope, fuel)?;
    generator.fits(&over, fuel)?;
    let slots = [generator.value];
    match (over.as_ref(), generator.key) {
        (Value::List(items), _) => {
            for item in items.iter() {
                let bound = Bound::new(&slots, std::slice::from_ref(item), scope);
                run_in(rest, scope.with(&bound), fuel, f)?;
            }
        }
        (Value::Map(map), Some(key_slot)) => {
            for (key, value) in map {
                let both = [Value::Str(key.clone()), value.clone()];
                let slots = [key_slot, generator.value];
                let bound = Bound::new(&slots, &both, scope);
                run_in(rest, scope.with(&bound), fuel, f)?;
            }
        }
        (other, _) => return Err(generator.not_iterable(other)),
    }
    Ok(())
}

fn run(
    generators: &[Generator],
    when: Option<&Expr>,
    frame: &mut Frame,
    fuel: &mut Fuel,
    f: &mut dyn FnMut(&mut Frame, &mut Fuel) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let Some((generator, rest)) = generators.split_first() else {
        if let Some(when) = when
            && !when.holds(frame, fuel)?
        {
            return Ok(());
        }
        return f(frame, fuel);
    };
    match generator.source(frame, fuel)? {
        Source::List(items) => {
            for item in items.iter() {
                generator.bind(frame, None, item.clone());
                run(rest, when, frame, fuel, f)?;
            }
        }
        Source::Map(map) => {
            for (key, value) in &map {
                generator.bind(frame, Some(Value::Str(key.clone())), value.clone());
                run(rest, when, frame, fuel, f)?;
            }
        }
    }
    Ok(())
}

/// The texts before and behind the first word `in`.
fn around_in(piece: &str) -> Option<(&str, &str)> {
    let at = piece.match_indices("in").map(|(at, _)| at).find(|at| {
        let blank = |character: Option<char>| character.is_some_and(char::is_whitespace);
        blank(piece.get(..*at).and_then(|left| left.chars().next_back()))
            && blank(piece.get(at + 2..).and_then(|right| right.chars().next()))
    })?;
    Some((piece.get(..at)?, piece.get(at + 2..)?))
}

/// Where a name stands among names separated by commas: the last place, as a name that is bound twice was bound before.
fn word(names: &str, name: &str) -> Option<usize> {
    let mut offset = 0;
    let mut found = None;
    for part in names.split(',') {
        if part.trim() == name {
            found = Some(offset + part.len() - part.trim_start().len());
        }
        offset += part.len() + 1;
    }
    found
}

/// Whether a text can be a name.
fn identifier(name: &str) -> bool {
    const RESERVED: [&str; 12] =
        ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False"];
    name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        && !RESERVED.contains(&name)
        && name != "None"
}

/// The text between semicolons outside of quotes and brackets, with offsets.
fn pieces(source: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut depth, mut quote, mut escaped) = (0, 0usize, None::<char>, false);
    for (at, character) in source.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, character) {
            (Some(_), '\\') => escaped = true,
            (Some(open), character) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ';') if depth == 0 => {
                found.push((start, source.get(start..at).unwrap_or_default()));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push((start, source.get(start..).unwrap_or_default()));
    found
}
