//! Queries: every value is a bound parameter, every identifier comes from the connection.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use crate::{
    error::{EvalError, ExprError, ExprErrorKind},
    eval::Fuel,
    expr::{Expr, Use},
    layout::{Frame, Names},
    template::{Part, parts, whole},
};

/// One SELECT.
#[derive(Clone, Debug)]
pub struct SqlText(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Literal(Str),
    Param(Expr),
    Identifier(Str, usize, usize),
}

struct WithSchema<'n>(&'n dyn Names);

const SCHEMA_SLOT: usize = usize::MAX;

impl Names for WithSchema<'_> {
    fn resolve(&self, name: &str) -> Option<usize> {
        if name == "schema" { Some(SCHEMA_SLOT) } else { self.0.resolve(name) }
    }
    fn known(&self) -> Vec<Str> {
        let mut known = self.0.known();
        known.push("schema".into());
        known
    }
}

impl SqlText {
    /// Parses a query.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `source`: not one SELECT, a comment, a value inside quotes.
    pub fn parse(source: &str, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        let found = parts(source, &WithSchema(names))?;
        let mut errors = Vec::new();
        let mut pieces = Vec::new();
        let (mut offset, mut quote) = (0usize, None::<char>);
        for part in found {
            match part {
                Part::Literal(literal) => {
                    scan(&literal, offset, &mut quote, &mut errors);
                    offset += literal.len();
                    pieces.push(Piece::Literal(literal));
                }
                Part::Expr(expr, at) => {
                    let end = at + expr.source().len();
                    if quote.is_some() {
                        errors.push(
                            ExprError::new(ExprErrorKind::NotASelect, at, end, "a value stands inside quotes")
                                .help("leave out the quotes: values are bound, not pasted"),
                        );
                    }
                    offset = end + source.get(end..).and_then(|tail| tail.find("}}")).map_or(0, |close| close + 2);
                    let uses = expr.uses();
                    match uses.iter().find(|used| used.slot == SCHEMA_SLOT) {
                        None => pieces.push(Piece::Param(expr)),
                        Some(used) => match used.path.as_slice() {
                            [name] if expr.source().split('.').map(str::trim).eq(["schema", name]) => {
                                pieces.push(Piece::Identifier(name.clone(), at, end));
                            }
                            _ => errors.push(
                                ExprError::new(
                                    ExprErrorKind::UnknownIdentifier,
                                    at,
                                    end,
                                    "`schema` is only used as `schema.NAME`",
                                )
                                .help("the connection declares the names under `identifiers`"),
                            ),
                        },
                    }
                }
            }
        }
        let first = source.split_whitespace().next().unwrap_or_default();
        if !first.eq_ignore_ascii_case("select") {
            errors.push(ExprError::new(ExprErrorKind::NotASelect, 0, first.len(), "a query is one SELECT"));
        }
        if errors.is_empty() { Ok(Self(pieces)) } else { Err(errors) }
    }

    /// The statement with `?` for each value, and the values. A list inside `IN ( )` gives one `?` per element; an empty
    /// one `NULL`, which matches nothing.
    ///
    /// # Errors
    /// As [`Expr::eval`]; a map as a value, a list outside `IN ( )`, an identifier that the connection does not have.
    pub fn eval(
        &self,
        frame: &Frame,
        fuel: &mut Fuel,
        identifiers: &BTreeMap<Str, Str>,
    ) -> Result<(String, Vec<Value>), EvalError> {
        let mut statement = String::new();
        let mut params = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => statement.push_str(literal),
                Piece::Identifier(name, start, end) => {
                    let known = identifiers.get(name).ok_or_else(|| EvalError {
                        message: format!("the connection has no identifier `{name}`"),
                        start: *start,
                        end: *end,
                        failed: false,
                    })?;
                    statement.push('`');
                    statement.push_str(&known.replace('`', "``"));
                    statement.push('`');
                }
                Piece::Param(expr) => match expr.eval(frame, fuel)? {
                    Value::List(items) => {
                        let inside = statement.trim_end().ends_with('(')
                            && statement
                                .trim_end()
                                .trim_end_matches('(')
                                .trim_end()
                                .to_ascii_uppercase()
                                .ends_with(" IN");
                        if !inside {
                            return Err(whole(expr, "a list is only a value inside `IN ( )`"));
                        }
                        if items.iter().any(|item| matches!(item, Value::List(_) | Value::Map(_))) {
                            return Err(whole(expr, "the elements of the list are scalars"));
                        }
                        statement.push_str(&if items.is_empty() {
                            "NULL".to_owned()
                        } else {
                            vec!["?"; items.len()].join(", ")
                        });
                        params.extend(items.iter().cloned());
                    }
                    Value::Map(_) => return Err(whole(expr, "a map cannot be a value of a query")),
                    value => {
                        statement.push('?');
                        params.push(value);
                    }
                },
            }
        }
        Ok((statement, params))
    }

    /// Names after `schema.`, with byte ranges in the source.
    #[must_use]
    pub fn identifiers(&self) -> Vec<(Str, usize, usize)> {
        self.0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Identifier(name, start, end) => Some((name.clone(), *start, *end)),
                _ => None,
            })
            .collect()
    }

    /// Every expression that is a value.
    #[must_use]
    pub fn exprs(&self) -> Vec<&Expr> {
        self.0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Param(expr) => Some(expr),
                _ => None,
            })
            .collect()
    }

    /// Every path that it reads.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        self.exprs().into_iter().flat_map(Expr::uses).collect()
    }
}

fn scan(literal: &str, offset: usize, quote: &mut Option<char>, errors: &mut Vec<ExprError>) {
    let mut characters = literal.char_indices().peekable();
    while let Some((place, character)) = characters.next() {
        let here = offset + place;
        let mut refuse = |len: usize, message: &str| {
            errors.push(ExprError::new(ExprErrorKind::NotASelect, here, here + len, message));
        };
        let next = characters.peek().map(|(_, next)| *next);
        match (*quote, character) {
            (Some(_), '\\') => refuse(1, "a backslash in a quoted text means something else to each server"),
            (Some(open), character) if open == character => *quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => *quote = Some(character),
            (None, ';') => refuse(1, "a query is one statement, without `;`"),
            (None, '?') => refuse(1, "write `{{ value }}` in place of `?`"),
            (None, '#') => refuse(1, "a query has no comments"),
            (None, '-') if next == Some('-') => refuse(2, "a query has no comments"),
            (None, '/') if next == Some('*') => refuse(2, "a query has no comments"),
            _ => {}
        }
    }
    if literal.to_ascii_lowercase().contains("into outfile") {
        errors.push(ExprError::new(
            ExprErrorKind::NotASelect,
            offset,
            offset + literal.len(),
            "a query writes no file",
        ));
    }
}
