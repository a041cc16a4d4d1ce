//! Reads the literal text of a query: just enough to know that it is one SELECT and where lists may stand.

use crate::error::{ExprError, ExprErrorKind};

/// Whether a value stands where a list may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InList {
    No,
    /// The only thing between the brackets of `IN ( )`.
    Alone,
    /// With other elements between them.
    BesideOthers,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Sign(char),
    Quoted,
    Identifier,
    Value(usize),
}

/// Words behind which a query goes on.
const WAITING: &[&str] = &[
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "BY", "JOIN", "ON", "AS", "BETWEEN", "HAVING",
    "LIMIT", "SET", "IS", "GROUP", "ORDER", "LEFT", "INNER", "DISTINCT", "UNION",
];
/// Words behind which a condition stands.
const CONDITIONS: &[&str] = &["WHERE", "AND", "OR", "HAVING", "ON"];

/// State between the parts of a query.
#[derive(Default)]
pub(super) struct Scanner {
    tokens: Vec<(Token, usize, usize)>,
    quote: Option<(char, usize)>,
    errors: Vec<ExprError>,
}

fn in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$' || character == '@'
}

impl Scanner {
    fn refuse(&mut self, start: usize, end: usize, message: &str) {
        self.errors.push(ExprError::new(ExprErrorKind::NotASelect, start, end, message));
    }

    /// A piece of the text itself.
    pub fn literal(&mut self, literal: &str, offset: usize) {
        let mut characters = literal.char_indices().peekable();
        while let Some((index, character)) = characters.next() {
            let (here, len) = (offset + index, character.len_utf8());
            let next = characters.peek().map(|(_, next)| *next);
            if let Some((open, start)) = self.quote {
                match character {
                    '\\' => {
                        self.refuse(here, here + 1, "a backslash in a quoted text means something else to each server")
                    }
                    '\0' => self.refuse(here, here + 1, "a query has no NUL character"),
                    close if close == open => {
                        self.quote = None;
                        self.tokens.push((Token::Quoted, start, here + 1));
                    }
                    _ => {}
                }
                continue;
            }
            match (character, next) {
                ('\'' | '"' | '`', _) => self.quote = Some((character, here)),
                (';', _) => self.refuse(here, here + 1, "a query is one statement, without `;`"),
                ('?', _) => self.refuse(here, here + 1, "write `{{ value }}` in place of `?`"),
                ('#', _) => self.refuse(here, here + 1, "a query has no comments"),
                ('-', Some('-')) | ('/', Some('*')) => self.refuse(here, here + 2, "a query has no comments"),
                (':', Some('=')) => self.refuse(here, here + 2, "a query sets no variables"),
                (blank, _) if blank.is_whitespace() => {}
                (part, _) if in_word(part) => {
                    if index == 0 && self.tokens.last().is_some_and(|(token, ..)| glues(token)) {
                        self.refuse(here, here + len, "a value is a word of its own");
                    }
                    match self.tokens.last_mut() {
                        Some((Token::Word(word), _, end)) if *end == here => {
                            word.extend(part.to_uppercase());
                            *end = here + len;
                        }
                        _ => self.tokens.push((Token::Word(part.to_uppercase().collect()), here, here + len)),
                    }
                }
                (sign, _) => self.tokens.push((Token::Sign(sign), here, here + len)),
            }
        }
    }

    /// A value at these bytes of the text, braces not counted; `piece` is the caller's number of it, `braces` the first
    /// byte of its braces.
    pub fn value(&mut self, (braces, start, end): (usize, usize, usize), piece: usize) {
        self.between(Token::Value(piece), (braces, start, end), "a value stands inside quotes");
    }

    /// `{{ schema.NAME }}`.
    pub fn identifier(&mut self, index: (usize, usize, usize)) {
        self.between(Token::Identifier, index, "an identifier stands inside quotes");
    }

    fn between(&mut self, token: Token, (braces, start, end): (usize, usize, usize), quoted: &str) {
        if matches!(self.tokens.last(), Some((Token::Word(_), _, last)) if *last == braces) {
            self.refuse(start, end, "a value is a word of its own");
        }
        if self.quote.is_some() {
            self.errors.push(
                ExprError::new(ExprErrorKind::NotASelect, start, end, quoted)
                    .help("leave out the quotes: values are bound, not pasted"),
            );
        }
        self.tokens.push((token, start, end));
    }

    /// Judges the whole: where lists may stand, and all mistakes.
    pub fn finish(mut self, len: usize) -> (Vec<(usize, InList)>, Vec<ExprError>) {
        if let Some((quote, start)) = self.quote {
            self.refuse(start, start + 1, &format!("the quote `{quote}` is not closed"));
        }
        let tokens = std::mem::take(&mut self.tokens);
        let word = |index: Option<usize>| match index.and_then(|index| tokens.get(index)) {
            Some((Token::Word(word), ..)) => word.as_str(),
            _ => "",
        };
        if word(Some(0)) != "SELECT" {
            let (start, end) = tokens.first().map_or((0, len), |(_, start, end)| (*start, *end));
            self.refuse(start, end, "a query is one SELECT");
        }
        if let Some((Token::Word(last), start, end)) = tokens.last()
            && WAITING.contains(&last.as_str())
            && tokens.len() > 1
        {
            self.refuse(*start, *end, &format!("the query ends behind `{last}`"));
        }
        if let Some((Token::Sign(last @ ('=' | '<' | '>' | ',' | '.' | '+')), start, end)) = tokens.last() {
            self.refuse(*start, *end, &format!("the query ends behind `{last}`"));
        }
        for pair in tokens.windows(2) {
            if let [(Token::Word(before), from, _), (Token::Word(after), _, to)] = pair
                && CONDITIONS.contains(&before.as_str())
                && (CONDITIONS.contains(&after.as_str()) || ["GROUP", "ORDER", "LIMIT"].contains(&after.as_str()))
            {
                self.refuse(*from, *to, &format!("there is no condition behind `{before}`"));
            }
        }
        let mut brackets: Vec<(bool, usize)> = Vec::new();
        let mut lists = Vec::new();
        let sign = |index: Option<usize>| match index.and_then(|index| tokens.get(index)) {
            Some((Token::Sign(sign), ..)) => *sign,
            _ => ' ',
        };
        for (index, (token, start, end)) in tokens.iter().enumerate() {
            match token {
                Token::Sign('(') => brackets.push((word(index.checked_sub(1)) == "IN", *start)),
                Token::Sign(')') if brackets.pop().is_none() => {
                    self.refuse(*start, *end, "there is no `(` for this");
                }
                Token::Word(text) => match (text.as_str(), word(Some(index + 1))) {
                    ("INTO", _) => self.refuse(*start, *end, "a query only reads"),
                    ("FOR", "UPDATE" | "SHARE") | ("LOCK", "IN") => self.refuse(*start, *end, "a query locks nothing"),
                    _ => {}
                },
                Token::Value(_)
                    if ["FROM", "JOIN"].contains(&word(index.checked_sub(1)))
                        || sign(index.checked_sub(1)) == '.'
                        || sign(Some(index + 1)) == '.' =>
                {
                    self.errors.push(
                        ExprError::new(ExprErrorKind::NotASelect, *start, *end, "a value cannot name a table or column")
                            .help("values are bound; the connection's `identifiers` name what is not fixed: `{{ schema.NAME }}`"),
                    );
                }
                Token::Value(piece) if brackets.last().is_some_and(|(is_in, _)| *is_in) => {
                    match (sign(index.checked_sub(1)), sign(Some(index + 1))) {
                        ('(', ')') => lists.push((*piece, InList::Alone)),
                        ('(' | ',', ')' | ',') => lists.push((*piece, InList::BesideOthers)),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        if let Some((_, start)) = brackets.last() {
            self.refuse(*start, *start + 1, "there is no `)` for this");
        }
        (lists, self.errors)
    }
}

fn glues(token: &Token) -> bool {
    matches!(token, Token::Value(_) | Token::Identifier)
}
