//! Paths of requests: every value is one percent-encoded part.

use calipso_model::Value;

use crate::{
    error::{EvalError, ExprError, ExprErrorKind},
    expr::{Expr, Use},
    fuel::Fuel,
    layout::{Frame, Names},
    ops::text_of,
    template::{Part, parts},
};

/// A path below the base of a connection.
#[derive(Clone, Debug)]
pub struct UrlPath(Vec<Part>);

impl UrlPath {
    /// Parses a path.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `source`: no leading `/`, a query or fragment, dots as a part.
    pub fn parse(source: &str, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        let found = parts(source, names)?;
        let mut errors = Vec::new();
        let mut bad = |message: &str, help: &str| {
            errors.push(ExprError::new(ExprErrorKind::BadPath, 0, source.len(), message).help(help));
        };
        if source.contains("://") {
            bad("a request names a path, not a URL", "the connection knows the server; write `/path`");
        } else if !source.starts_with('/') {
            bad("a path begins with `/`", "write `/path`");
        }
        let literal: String = found
            .iter()
            .filter_map(|part| match part {
                Part::Literal(text) => Some(text.as_ref()),
                Part::Expr(..) => None,
            })
            .collect();
        if literal.contains(['?', '#']) {
            bad("a path has no query", "use the key `query`");
        }
        if literal.chars().any(|character| character.is_whitespace() || character.is_control() || character == '\\') {
            bad("a path has no blanks", "write them percent-encoded, or as a value");
        }
        let joined: String = found
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.as_ref(),
                Part::Expr(..) => "x",
            })
            .collect();
        // A server may read `%2e` as a dot.
        let plain = joined.replace("%2e", ".").replace("%2E", ".");
        if plain.split('/').any(|part| part == "." || part == "..") {
            bad("a path has no `.` or `..`", "write the whole path");
        }
        let mut escapes = literal.split('%').skip(1).map(|rest| rest.get(..2).unwrap_or_default());
        if !escapes.all(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            bad("`%` in a path begins a percent-encoded byte", "write `%25` for a percent sign");
        }
        if errors.is_empty() { Ok(Self(found)) } else { Err(errors) }
    }

    /// The path, values percent-encoded.
    ///
    /// # Errors
    /// As [`Expr::eval`]; a value that is empty, dots only, null, a list or a map.
    pub fn eval(&self, frame: &Frame, fuel: &mut Fuel) -> Result<String, EvalError> {
        let mut path = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => path.push_str(literal),
                Part::Expr(expr, _) => {
                    let value: Value = expr.eval(frame, fuel)?;
                    let text = text_of(&value)
                        .ok_or_else(|| expr.fault(format!("{} cannot be a part of a path", value.kind())))?;
                    if text.is_empty() {
                        return Err(expr.fault("an empty text cannot be a part of a path"));
                    }
                    if text.chars().all(|character| character == '.') {
                        return Err(expr.fault(format!("`{text}` cannot be a part of a path")));
                    }
                    path.push_str(&percent_encode(&text));
                }
            }
        }
        Ok(path)
    }

    /// Every expression in it.
    #[must_use]
    pub fn exprs(&self) -> Vec<&Expr> {
        self.0.iter().filter_map(Part::expr).collect()
    }

    /// Every path that it reads.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        self.exprs().into_iter().flat_map(Expr::uses).collect()
    }
}

/// Percent-encodes everything but letters, digits, `-`, `_`, `.`, `~`.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
