//! Changes of expressions, by their text.

/// What is meant, what stands there, what stands there then, the whole expression.
pub(super) type Changed = (&'static str, String, String, String);

/// A word, sign, number or text of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Token<'e> {
    start: usize,
    text: &'e str,
    depth: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Word,
    Number,
    Text,
    Sign,
}

fn tokens(expr: &str) -> Vec<Token<'_>> {
    let bytes = expr.as_bytes();
    let (mut found, mut offset, mut depth) = (Vec::new(), 0, 0_u32);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    while let Some(byte) = bytes.get(offset).copied() {
        let start = offset;
        let kind = match byte {
            b'\'' | b'"' => {
                offset += 1;
                while bytes.get(offset).is_some_and(|next| *next != byte) {
                    offset += if bytes.get(offset) == Some(&b'\\') { 2 } else { 1 };
                }
                offset += 1;
                Kind::Text
            }
            b'0'..=b'9' => {
                while bytes.get(offset).is_some_and(|next| next.is_ascii_digit() || *next == b'.') {
                    offset += 1;
                }
                Kind::Number
            }
            byte if is_word(byte) => {
                while bytes.get(offset).is_some_and(|next| is_word(*next)) {
                    offset += 1;
                }
                Kind::Word
            }
            byte if byte.is_ascii_whitespace() => {
                offset += 1;
                continue;
            }
            b'=' | b'!' | b'<' | b'>' if bytes.get(offset + 1) == Some(&b'=') => {
                offset += 2;
                Kind::Sign
            }
            _ => {
                offset += 1;
                Kind::Sign
            }
        };
        if matches!(byte, b')' | b']' | b'}') {
            depth = depth.saturating_sub(1);
        }
        let Some(text) = expr.get(start..offset.min(expr.len())) else { break };
        found.push(Token { start, text, depth, kind });
        if matches!(byte, b'(' | b'[' | b'{') {
            depth += 1;
        }
    }
    found
}

fn with(expr: &str, start: usize, end: usize, by: &str) -> String {
    let mut whole = expr.to_owned();
    whole.replace_range(start..end, by);
    whole
}

/// The changes of a bare expression. `is_each`: of generators, in which `in` is no question.
pub(super) fn changed(expr: &str, is_each: bool) -> Vec<Changed> {
    let tokens = tokens(expr);
    let mut found = Vec::new();
    for (number, token) in tokens.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|number| tokens.get(number));
        let next = tokens.get(number + 1);
        let end = token.start + token.text.len();
        let mut replace = |what: &'static str, by: &str| {
            found.push((what, token.text.to_owned(), by.to_owned(), with(expr, token.start, end, by)));
        };
        match (token.kind, token.text) {
            (Kind::Sign, "==") => replace("flip a comparison", "!="),
            (Kind::Sign, "!=") => replace("flip a comparison", "=="),
            (Kind::Sign, "<") => replace("flip a comparison", ">"),
            (Kind::Sign, ">") => replace("flip a comparison", "<"),
            (Kind::Sign, "<=") => replace("flip a comparison", "<"),
            (Kind::Sign, ">=") => replace("flip a comparison", ">"),
            (Kind::Word, "in") if !is_each && before.is_none_or(|before| before.text != "not") => {
                replace("flip a comparison", "not in");
            }
            (Kind::Word, "is") if next.is_some_and(|next| next.text != "not") => replace("flip a comparison", "is not"),
            (Kind::Word, "not") => {
                let behind = next.map_or(end, |next| next.start);
                let text = expr.get(token.start..behind + next.map_or(0, |next| next.text.len())).unwrap_or_default();
                let then = text.trim_start_matches("not").trim_start();
                found.push((
                    "flip a comparison",
                    text.to_owned(),
                    then.to_owned(),
                    with(expr, token.start, behind, ""),
                ));
            }
            (Kind::Text, text) if text.len() > 2 => {
                let quote = &text[..1];
                replace("rename a literal", &format!("{}x{quote}", &text[..text.len() - 1]));
            }
            (Kind::Number, text) => {
                if let Ok(value) = text.parse::<i64>() {
                    replace("change a number", &(value + 1).to_string());
                }
            }
            (Kind::Sign, "|") => {
                if let Some((what, from, to, by)) = filter(expr, &tokens, number) {
                    let gone = expr.get(from..to).unwrap_or_default().to_owned();
                    found.push((what, gone, by.to_owned(), with(expr, from, to, by)));
                }
            }
            _ => {}
        }
    }
    conditions(expr, &tokens, &mut found);
    found
}

/// A filter that can be left out: what it is, where it begins and ends, what takes its place.
fn filter<'e>(expr: &'e str, tokens: &[Token<'e>], bar: usize) -> Option<(&'static str, usize, usize, &'static str)> {
    let (start, name) = (tokens.get(bar)?.start, tokens.get(bar + 1)?);
    let mut end = name.start + name.text.len();
    let mut arguments = "";
    if let Some(open) = tokens.get(bar + 2).filter(|open| open.text == "(" && open.start == end) {
        let close = tokens[bar + 3..].iter().find(|token| token.text == ")" && token.depth == open.depth)?;
        arguments = expr.get(open.start + 1..close.start)?.trim();
        end = close.start + 1;
    }
    match name.text {
        // A default of nothing, or of an empty text, is nothing to most readers; `list` makes of a list a list.
        "default" if ["", "none", "''", "\"\""].contains(&arguments) => None,
        // `as_list` makes the same of nothing as of an empty list.
        "default" if arguments == "[]" && follows(expr, end, "as_list") => None,
        "list" => None,
        // Without it nothing would be there, which a condition takes as `false`.
        "default" if arguments == "false" => Some(("change a default", start, end, "| default(true)")),
        "default" => Some(("change a default", start, end, "| default")),
        _ => Some(("drop a filter", start, end, "")),
    }
}

/// Whether a filter comes next.
fn follows(expr: &str, end: usize, filter: &str) -> bool {
    let next = expr.get(end..).and_then(|rest| rest.trim_start().strip_prefix('|'));
    next.and_then(|rest| rest.trim_start().strip_prefix(filter))
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Leaves out one side of each `and` and `or` that is not inside of brackets.
fn conditions(expr: &str, tokens: &[Token<'_>], found: &mut Vec<Changed>) {
    let outer: Vec<&Token<'_>> = tokens.iter().filter(|token| token.depth == 0 && token.kind == Kind::Word).collect();
    // The condition of a choice is a condition by itself.
    let after_if = outer.iter().find(|token| token.text == "if").map(|token| token.start + 2);
    let before_else = outer.iter().find(|token| token.text == "else").map(|token| token.start);
    let (from, to) = match (after_if, before_else) {
        (Some(from), Some(to)) if from < to => (from, to),
        (None, None) => (0, expr.len()),
        _ => return,
    };
    let inside: Vec<&&Token<'_>> = outer.iter().filter(|token| token.start >= from && token.start < to).collect();
    let word = if inside.iter().any(|token| token.text == "or") { "or" } else { "and" };
    let cuts: Vec<usize> = inside.iter().filter(|token| token.text == word).map(|token| token.start).collect();
    for number in 0..=cuts.len() {
        if cuts.is_empty() {
            return;
        }
        // A side with the word before it; the first one with the word behind it.
        let start = if number == 0 { from } else { cuts[number - 1] };
        let end = match (number, cuts.get(number)) {
            (0, Some(cut)) => cut + word.len(),
            (_, Some(cut)) => *cut,
            (_, None) => to,
        };
        let gone = expr.get(start..end).unwrap_or_default();
        let side = gone.trim().trim_start_matches(word).trim_end_matches(word).trim().to_owned();
        found.push(("drop a condition", side, String::new(), with(expr, start, end, "").trim().to_owned()));
    }
}

/// Whether an expression is a text or number as it stands.
pub(super) fn is_literal(expr: &str) -> bool {
    matches!(tokens(expr).as_slice(), [token] if matches!(token.kind, Kind::Text | Kind::Number))
}

/// The parts of a key, `[a, b]`: nothing where it is something else.
pub(super) fn key_parts(key: &str) -> Vec<String> {
    let key = key.trim();
    if !key.starts_with('[') || !key.ends_with(']') {
        return Vec::new();
    }
    let tokens = tokens(key);
    let last = tokens.last().map_or(0, |token| token.start);
    if tokens.iter().any(|token| token.depth == 0 && token.start > 0 && token.start < last) {
        return Vec::new();
    }
    let mut cuts: Vec<usize> =
        tokens.iter().filter(|token| token.depth == 1 && token.text == ",").map(|token| token.start).collect();
    cuts.push(last);
    let mut start = 1;
    let mut parts = Vec::new();
    for cut in cuts {
        let part = key.get(start..cut).unwrap_or_default().trim();
        if !part.is_empty() {
            parts.push(part.to_owned());
        }
        start = cut + 1;
    }
    parts
}

/// The changes of a template: of every expression in it, and of the text around them.
pub(super) fn changed_template(template: &str, around: bool) -> Vec<Changed> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some((start, end)) = expression(template, offset) {
        let inner = template.get(start..end).unwrap_or_default();
        for (what, before, after, whole) in changed(inner, false) {
            found.push((what, before, after, with(template, start, end, &whole)));
        }
        if around {
            text_around(template, offset, template.get(offset..start - 2).unwrap_or_default(), &mut found);
        }
        offset = end + 2;
    }
    if offset > 0 && around {
        text_around(template, offset, template.get(offset..).unwrap_or_default(), &mut found);
    }
    found
}

/// Where the next `{{ … }}` begins and ends inside.
fn expression(template: &str, from: usize) -> Option<(usize, usize)> {
    let start = template.get(from..)?.find("{{")? + from + 2;
    let end = template.get(start..)?.find("}}")? + start;
    Some((start, end))
}

fn text_around(template: &str, start: usize, around: &str, found: &mut Vec<Changed>) {
    let trimmed = around.trim();
    if trimmed.chars().any(char::is_alphanumeric) {
        let end = start + around.len();
        let changed = with(template, start, end, &format!("{around}x"));
        found.push(("rename a literal", trimmed.to_owned(), format!("{trimmed}x"), changed));
    }
}

#[cfg(test)]
mod tests {
    use super::{changed, changed_template, key_parts};

    fn all(expr: &str) -> Vec<String> {
        changed(expr, false).into_iter().map(|(_, _, _, whole)| whole).collect()
    }

    #[test]
    fn expressions_are_changed_in_every_place() {
        assert_eq!(all("a == 'b' and c"), ["a != 'b' and c", "a == 'bx' and c", "c", "a == 'b'"]);
        assert_eq!(all("not a"), ["a"]);
        assert_eq!(all("a not in b"), ["a in b"]);
        assert_eq!(all("x is startingwith('q')"), ["x is not startingwith('q')", "x is startingwith('qx')"]);
        assert_eq!(all("x | default([]) | list"), ["x | default | list"]);
        assert_eq!(all("x | default"), Vec::<String>::new());
        assert_eq!(all("x | default(false)"), ["x | default(true)"]);
        assert_eq!(all("x | default(true)"), ["x | default"]);
        assert_eq!(all("x | default([]) | as_list"), ["x | default([]) "]);
        assert_eq!(all("x | default([]) | as_lists").len(), 2);
        assert_eq!(all("x[3:] | lower"), ["x[4:] | lower", "x[3:] "]);
        assert_eq!(all("a if b and c else d"), ["a if c else d", "a if b else d"]);
        assert_eq!(changed("a in b | distinct", true).len(), 1);
    }

    #[test]
    fn templates_are_changed_inside_and_around() {
        let found: Vec<String> =
            changed_template("q{{ a ~ 'b' }}-v", true).into_iter().map(|(_, _, _, whole)| whole).collect();
        assert_eq!(found, ["q{{ a ~ 'bx' }}-v", "qx{{ a ~ 'b' }}-v", "q{{ a ~ 'b' }}-vx"]);
        assert_eq!(changed_template("text", true).len(), 0);
    }

    #[test]
    fn keys_have_parts() {
        assert_eq!(key_parts("[from.host, 'a' ~ x[1:], f(a, b)]"), ["from.host", "'a' ~ x[1:]", "f(a, b)"]);
        assert!(key_parts("[a] + [b]").is_empty() && key_parts("a").is_empty());
    }
}
