//! Queries: every value is a bound parameter, every identifier comes from the connection.

mod scan;

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use crate::{
    error::{EvalError, ExprError, ExprErrorKind},
    expr::{Expr, Use},
    failed,
    fuel::Fuel,
    layout::{Frame, Names},
    template::{Part, placed_parts},
};
use scan::{InList, Scanner};

/// A query: one SELECT with named parts.
#[derive(Clone, Debug)]
pub struct SqlText(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Literal(Str),
    Param(Expr, InList),
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

/// An empty list that works with `IN` and `NOT IN` alike.
const NO_ROWS: &str = "SELECT NULL FROM (SELECT 1 AS one) AS nothing WHERE 1 = 0";

impl SqlText {
    /// Parses a query.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `source`: not one SELECT, a comment, a value inside quotes or inside a word.
    pub fn parse(source: &str, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        let mut scanner = Scanner::default();
        let mut errors = Vec::new();
        let mut pieces = Vec::new();
        for (offset, part) in placed_parts(source, names_with_schema(&WithSchema(names)))? {
            match part {
                Part::Literal(literal) => {
                    scanner.literal(&literal, offset);
                    pieces.push(Piece::Literal(literal));
                }
                Part::Expr(expr, at) => {
                    let end = at + expr.source().len();
                    let uses = expr.uses();
                    match uses.iter().find(|used| used.slot == SCHEMA_SLOT) {
                        None => {
                            scanner.value((offset, at, end), pieces.len());
                            pieces.push(Piece::Param(expr, InList::No));
                        }
                        Some(used) => {
                            scanner.identifier((offset, at, end));
                            match used.path.as_slice() {
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
                            }
                        }
                    }
                }
            }
        }
        let (lists, mistakes) = scanner.finish(source.len());
        errors.extend(mistakes);
        for (index, list) in lists {
            if let Some(Piece::Param(_, known)) = pieces.get_mut(index) {
                *known = list;
            }
        }
        if errors.is_empty() { Ok(Self(pieces)) } else { Err(errors) }
    }

    /// The statement with `?` for each value, and the values.
    ///
    /// # Shape
    /// A list inside `IN ( )` gives one `?` per element. An empty one alone in its brackets gives a selection without
    /// rows: `IN` is then never true, `NOT IN` always.
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
                        start: *start,
                        end: *end,
                        ..EvalError::new(format!("the connection has no identifier `{name}`"))
                    })?;
                    if known.is_empty() || known.contains('\0') {
                        return Err(EvalError::new(format!("the connection's `{name}` is no identifier")));
                    }
                    statement.push('`');
                    statement.push_str(&known.replace('`', "``"));
                    statement.push('`');
                }
                Piece::Param(expr, list) => match expr.eval(frame, fuel)? {
                    Value::List(items) => {
                        elements(expr, *list, &items, &mut statement)?;
                        params.extend(items.iter().cloned());
                    }
                    Value::Map(_) => return Err(expr.fault("a map cannot be a value of a query")),
                    value => {
                        statement.push('?');
                        params.push(value);
                    }
                },
            }
        }
        Ok((statement, params))
    }

    /// The text for people, with expressions in their braces.
    #[must_use]
    pub fn shown(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => text.to_string(),
            Piece::Param(expr, _) => format!("{{{{ {} }}}}", expr.source().trim()),
            Piece::Identifier(name, ..) => format!("{{{{ schema.{name} }}}}"),
        };
        self.0.iter().map(piece).collect()
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
                Piece::Param(expr, _) => Some(expr),
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

fn names_with_schema<'n>(names: &'n WithSchema<'_>) -> &'n dyn Names {
    names
}

fn elements(expr: &Expr, list: InList, items: &[Value], statement: &mut String) -> Result<(), EvalError> {
    if items.iter().any(failed::is_marker) {
        return Err(EvalError::failed());
    }
    if items.iter().any(|item| matches!(item, Value::List(_) | Value::Map(_))) {
        return Err(expr.fault("the elements of a list in a query are scalars"));
    }
    match list {
        InList::No => Err(expr.fault("a list is only a value inside `IN ( )`")),
        InList::BesideOthers if items.is_empty() => {
            Err(expr.fault("an empty list cannot stand beside other elements of `IN ( )`"))
        }
        InList::Alone if items.is_empty() => {
            statement.push_str(NO_ROWS);
            Ok(())
        }
        InList::Alone | InList::BesideOthers => {
            statement.push_str(&vec!["?"; items.len()].join(", "));
            Ok(())
        }
    }
}
