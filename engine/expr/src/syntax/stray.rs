//! Signs that expressions do not have: the parser stops at one without a word, and what stands behind it would be lost.

use crate::error::{ExprError, ExprErrorKind};

/// The first sign outside of quoted texts that means nothing here.
pub(super) fn find(source: &str) -> Option<ExprError> {
    let mut quote = None;
    let mut rest = source.char_indices().peekable();
    while let Some((offset, sign)) = rest.next() {
        if let Some(open) = quote {
            match sign {
                '\\' => drop(rest.next()),
                _ if sign == open => quote = None,
                _ => {}
            }
            continue;
        }
        let next = rest.peek().map(|(_, next)| *next);
        let twice = next == Some(sign);
        match sign {
            '\'' | '"' => quote = Some(sign),
            '|' if twice => return Some(stray(source, offset, 2, "write `or`")),
            '&' => return Some(stray(source, offset, if twice { 2 } else { 1 }, "write `and`")),
            '!' if next != Some('=') => return Some(stray(source, offset, 1, "write `not`")),
            '?' => return Some(stray(source, offset, 1, "write `A if CONDITION else B`")),
            '“' | '”' | '„' | '‘' | '’' | '`' | '´' => {
                return Some(stray(source, offset, sign.len_utf8(), "quote texts with ' or \""));
            }
            _ if sign.is_alphanumeric() || sign.is_whitespace() => {}
            '_' | '.' | ',' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '~' | '+' | '-' | '*' | '/' | '%' | '<'
            | '>' | '=' | '!' | ':' => {}
            _ => return Some(stray(source, offset, sign.len_utf8(), "quote it if it is text")),
        }
    }
    None
}

fn stray(source: &str, offset: usize, length: usize, advice: &str) -> ExprError {
    let sign = source.get(offset..offset + length).unwrap_or_default();
    let message = format!("expressions have no `{sign}`");
    ExprError::new(ExprErrorKind::Syntax, offset, offset + length, message).help(advice)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_sign_of_another_language_is_told() {
        for (source, offset, advice) in [
            ("a == 'x' && b", 9, "write `and`"),
            ("a || b", 2, "write `or`"),
            ("!a", 0, "write `not`"),
            ("a ? 1", 2, "write `A if CONDITION else B`"),
            ("a == “x”", 5, "quote texts with ' or \""),
            ("a $ b", 2, "quote it if it is text"),
            ("a; b", 1, "quote it if it is text"),
        ] {
            let error = find(source).unwrap_or_else(|| panic!("{source} is wrong"));
            assert_eq!((error.start, error.help.as_deref()), (offset, Some(advice)), "{source}");
        }
        for source in ["a != 'x && ? y'", r#"a | f("it\"s $ §", b=1)"#, "{'k': [1, -2.5e3][0]} ~ größe", "a <= b % 2"]
        {
            assert_eq!(find(source), None, "{source}");
        }
    }
}
