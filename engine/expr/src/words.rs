//! Commands as words: there is no shell in the language, so no value can become syntax.

use calipso_model::Value;

use crate::{
    error::{EvalError, ExprError, ExprErrorKind},
    expr::{Expr, Use},
    failed,
    fuel::Fuel,
    layout::{Frame, Names},
    ops::text_of,
    template::{Part, placed_parts, text},
};

/// A command, split into words when it was parsed.
#[derive(Clone, Debug)]
pub struct Words(Vec<Vec<Part>>);

impl Words {
    /// Splits a command at blanks outside of quotes and expressions; quotes are honoured, operators refused.
    ///
    /// # Errors
    /// All mistakes, with byte ranges in `source`.
    pub fn parse(source: &str, names: &dyn Names) -> Result<Self, Vec<ExprError>> {
        let mut words: Vec<Vec<Part>> = Vec::new();
        let mut errors = Vec::new();
        let mut word: Option<Vec<Part>> = None;
        let mut quote: Option<(char, usize)> = None;
        for (offset, part) in placed_parts(source, names)? {
            match part {
                Part::Expr(expr, at) => word.get_or_insert_default().push(Part::Expr(expr, at)),
                Part::Literal(literal) => {
                    let mut characters = literal.char_indices().peekable();
                    while let Some((index, character)) = characters.next() {
                        let here = offset + index;
                        match (quote, character) {
                            (Some((open, _)), character) if open == character => quote = None,
                            (Some(('"', _)), '\\') if characters.peek().is_some_and(|(_, next)| "\"\\$`".contains(*next)) => {
                                if let Some((_, next)) = characters.next() {
                                    push(&mut word, next);
                                }
                            }
                            (Some(_), character) => push(&mut word, character),
                            (None, '\'' | '"') => {
                                quote = Some((character, here));
                                // An empty text, so that a quoted list is part of a word and no list of words.
                                let parts = word.get_or_insert_default();
                                if !matches!(parts.last(), Some(Part::Literal(_))) {
                                    parts.push(Part::Literal("".into()));
                                }
                            }
                            (None, '\\') => match characters.next() {
                                Some((_, next)) => push(&mut word, next),
                                None => errors.push(ExprError::new(
                                    ExprErrorKind::NotWords,
                                    here,
                                    here + 1,
                                    "the command ends with a backslash",
                                )),
                            },
                            (None, ';' | '&' | '|' | '<' | '>' | '$' | '(' | ')' | '`') => errors.push(
                                ExprError::new(
                                    ExprErrorKind::ShellOperator,
                                    here,
                                    here + character.len_utf8(),
                                    format!("a command is words without a shell; `{character}` has no meaning in it"),
                                )
                                .help("use several steps, a parser instead of a filter program, or quote it if it is meant literally"),
                            ),
                            (None, character) if character.is_whitespace() => words.extend(word.take()),
                            (None, character) => push(&mut word, character),
                        }
                    }
                }
            }
        }
        words.extend(word.take());
        if let Some((open, index)) = quote {
            errors.push(ExprError::new(
                ExprErrorKind::NotWords,
                index,
                index + 1,
                format!("the quote `{open}` is not closed"),
            ));
        }
        if words.is_empty() && errors.is_empty() {
            errors.push(ExprError::new(ExprErrorKind::NotWords, 0, source.len(), "the command is empty"));
        }
        if errors.is_empty() { Ok(Self(words)) } else { Err(errors) }
    }

    /// The words: a list value becomes one word per element, any other scalar one word.
    ///
    /// # Errors
    /// As [`Expr::eval`]; a map as a word, a list as a part of a word, or a NUL character in one.
    pub fn eval(&self, frame: &Frame, fuel: &mut Fuel) -> Result<Vec<String>, EvalError> {
        let mut words = Vec::with_capacity(self.0.len());
        for parts in &self.0 {
            if let [Part::Expr(expr, _)] = parts.as_slice() {
                match expr.eval(frame, fuel)? {
                    Value::List(items) => {
                        for item in items.iter() {
                            words.push(scalar(expr, item)?);
                        }
                    }
                    value => words.push(scalar(expr, &value)?),
                }
            } else {
                words.push(text(parts, frame.into(), fuel)?);
            }
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(EvalError::new("a word of a command holds a NUL character"));
        }
        Ok(words)
    }

    /// The words as far as they are constant; nothing in place of those that are not.
    #[must_use]
    pub fn leading_words(&self) -> Vec<Option<&str>> {
        self.0
            .iter()
            .map(|parts| match parts.as_slice() {
                [Part::Literal(literal)] => Some(literal.as_ref()),
                _ => None,
            })
            .collect()
    }

    /// Every expression in it.
    #[must_use]
    pub fn exprs(&self) -> Vec<&Expr> {
        self.0.iter().flatten().filter_map(Part::expr).collect()
    }

    /// Every path that it reads.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        self.exprs().into_iter().flat_map(Expr::uses).collect()
    }
}

fn push(word: &mut Option<Vec<Part>>, character: char) {
    let parts = word.get_or_insert_default();
    let mut grown = match parts.last() {
        Some(Part::Literal(literal)) => {
            let grown = literal.to_string();
            parts.pop();
            grown
        }
        _ => String::new(),
    };
    grown.push(character);
    parts.push(Part::Literal(grown.into()));
}

fn scalar(expr: &Expr, value: &Value) -> Result<String, EvalError> {
    if failed::is_marker(value) {
        return Err(EvalError::failed());
    }
    text_of(value)
        .map(|text| text.to_string())
        .ok_or_else(|| expr.fault(format!("{} cannot be a word of a command", value.kind())))
}

/// One word, quoted for a POSIX shell, so that the shell reads exactly this word again.
#[must_use]
pub fn quote_word(word: &str) -> String {
    let plain = !word.is_empty()
        && word.chars().all(|character| character.is_ascii_alphanumeric() || "-_./:=,@%+".contains(character))
        && !word.starts_with('=');
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
