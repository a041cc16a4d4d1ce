//! Changes of regular expressions.

/// What a pattern can become: what of it is meant, what stands there, what stands there then, the whole pattern.
pub(super) fn changed(pattern: &str) -> Vec<(&'static str, String, String, String)> {
    let bytes = pattern.as_bytes();
    let mut found = Vec::new();
    let mut in_class = false;
    let mut groups: Vec<usize> = Vec::new();
    let mut bars: Vec<(usize, usize, usize)> = Vec::new();
    let mut offset = 0;
    while let Some(byte) = bytes.get(offset) {
        match byte {
            b'\\' => offset += 1,
            b'[' if !in_class => in_class = true,
            b']' if in_class => in_class = false,
            _ if in_class => {}
            b'(' => groups.push(offset),
            b')' => {
                let start = groups.pop().unwrap_or(0);
                alternatives(pattern, start + 1, offset, &mut bars);
            }
            b'+' if offset > 0 => {
                let what = repeated(pattern, offset);
                // White space in any number, and the rest of a line, are seldom meant one by one.
                if !what.is_empty() && !["\\s", " ", "."].contains(&what) {
                    let shorter = format!("{}{}", &pattern[..offset], &pattern[offset + 1..]);
                    found.push(("shorten a repetition", format!("{what}+"), what.to_owned(), shorter));
                }
            }
            _ => {}
        }
        offset += 1;
    }
    alternatives(pattern, 0, pattern.len(), &mut bars);
    for (start, end, keep_from) in bars {
        let mut shorter = pattern.to_owned();
        shorter.replace_range(start..end, "");
        let gone = pattern[keep_from..end].trim_matches('|').to_owned();
        // A group that may be empty anyhow, and one that names something, are left alone.
        if !gone.is_empty() {
            found.push(("drop an alternative of a pattern", gone, String::new(), shorter));
        }
    }
    found
}

/// What the `+` at a place repeats: an escape, a class, a letter; nothing where it is a group.
fn repeated(pattern: &str, offset: usize) -> &str {
    let before = &pattern[..offset];
    if before.ends_with(']') && !before.ends_with("\\]") {
        return before.rfind('[').map_or("", |start| &before[start..]);
    }
    if before.ends_with(')') && !before.ends_with("\\)") {
        return "";
    }
    let Some(last) = before.char_indices().next_back() else { return "" };
    let escaped = before[..last.0].ends_with('\\') && !before[..last.0].ends_with("\\\\");
    if escaped { &before[last.0 - 1..] } else { &before[last.0..] }
}

/// The alternatives between two places, as ranges that can be cut, with the bar beside them.
fn alternatives(pattern: &str, start: usize, end: usize, found: &mut Vec<(usize, usize, usize)>) {
    let bytes = pattern.as_bytes();
    let (mut depth, mut in_class, mut cuts, mut offset) = (0_u32, false, vec![], start);
    while offset < end {
        match bytes.get(offset) {
            Some(b'\\') => offset += 1,
            Some(b'[') if !in_class => in_class = true,
            Some(b']') if in_class => in_class = false,
            Some(b'(') if !in_class => depth += 1,
            Some(b')') if !in_class => depth = depth.saturating_sub(1),
            Some(b'|') if !in_class && depth == 0 => cuts.push(offset),
            _ => {}
        }
        offset += 1;
    }
    if cuts.is_empty() {
        return;
    }
    // The head of a group, `?:` or `?<name>`, belongs to no alternative.
    let inner = &pattern[start..end];
    let head = if inner.starts_with("?:") {
        2
    } else if inner.starts_with("?<") || inner.starts_with("?P<") {
        inner.find('>').map_or(0, |offset| offset + 1)
    } else {
        0
    };
    let first = start + head;
    if let Some(cut) = cuts.first() {
        found.push((first, cut + 1, first));
    }
    for (number, cut) in cuts.iter().enumerate() {
        found.push((*cut, cuts.get(number + 1).copied().unwrap_or(end), *cut));
    }
}

#[cfg(test)]
mod tests {
    use super::changed;

    fn all(pattern: &str) -> Vec<String> {
        changed(pattern).into_iter().map(|(_, _, _, whole)| whole).collect()
    }

    #[test]
    fn repetitions_are_shortened_and_alternatives_dropped() {
        assert_eq!(all(r"^\s*(?<n>\d+) [a-z]+$"), [r"^\s*(?<n>\d) [a-z]+$", r"^\s*(?<n>\d+) [a-z]$"]);
        assert_eq!(all("(?:a|b)c"), ["(?:b)c", "(?:a)c"]);
        assert_eq!(all("(?<x>a|b|c)"), ["(?<x>b|c)", "(?<x>a|c)", "(?<x>a|b)"]);
        assert_eq!(all(r"^x|y\|$"), [r"y\|$", "^x"]);
        assert_eq!(all(r"\s+ .+ (?:ab)+ [|+]"), Vec::<String>::new());
    }
}
