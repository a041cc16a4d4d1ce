//! Specs as lines: where keys, words and expressions stand, and chance that comes out the same each time.

/// A spec file of the catalogue.
#[derive(Clone)]
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn lines(&self) -> Vec<&str> {
        self.text.lines().collect()
    }

    pub fn kind(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }
}

/// Numbers that are the same in each run (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or_default()
    }

    /// The word with one slip of the finger: a letter lost, doubled, or swapped with its neighbour.
    pub fn misspell(&mut self, word: &str) -> String {
        let letters: Vec<char> = word.chars().collect();
        for _ in 0..20 {
            let at = self.below(letters.len());
            let mut changed = letters.clone();
            match self.below(3) {
                0 if letters.len() > 3 => {
                    changed.remove(at);
                }
                1 => changed.insert(at, letters[at]),
                _ if at + 1 < letters.len() => changed.swap(at, at + 1),
                _ => continue,
            }
            let text: String = changed.into_iter().collect();
            if text != word && !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                return text;
            }
        }
        format!("{word}x")
    }
}

pub fn in_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The words of a text with their places.
pub fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (place, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, in_word(character)) {
            (None, true) => start = Some(place),
            (Some(from), false) => {
                found.push((from, &text[from..place]));
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// Blanks before the text of a line.
pub fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The key with which a line begins, and where its value begins.
pub fn key(line: &str) -> Option<(&str, usize)> {
    let start = indent(line);
    let start = if line[start..].starts_with("- ") { start + 2 } else { start };
    let name = &line[start..start + line[start..].find(|c| !in_word(c))?];
    let behind = start + name.len();
    (!name.is_empty() && (line[behind..].starts_with(": ") || &line[behind..] == ":")).then_some((name, behind + 1))
}

/// The lines that begin with a key of the language, not with a name that the author chose, and are no prose: with the keys
/// around each.
pub fn keyed(file: &File) -> Vec<(usize, String, Vec<String>)> {
    let lines = file.lines();
    let mut found = Vec::new();
    let mut around: Vec<(usize, String)> = Vec::new();
    let mut block: Option<usize> = None;
    for (number, line) in lines.iter().enumerate() {
        let (at, body) = (indent(line), line.trim_start());
        if block.is_some_and(|block| body.is_empty() || at > block) {
            continue;
        }
        block = None;
        if body.starts_with('#') {
            continue;
        }
        let Some((name, value)) = key(line) else { continue };
        let at = if body.starts_with("- ") { at + 2 } else { at };
        around.retain(|(other, _)| *other < at);
        found.push((number, name.to_owned(), around.iter().map(|(_, name)| name.clone()).collect()));
        around.push((at, name.to_owned()));
        let value = line[value..].trim();
        if value.starts_with('>') || value.starts_with('|') {
            block = Some(at);
        }
    }
    found
}

/// Keys below which the author chooses the names.
pub const OWN_NAMES: &[&str] = &[
    "set",
    "value",
    "query",
    "headers",
    "body",
    "where",
    "attributes",
    "fields",
    "settings",
    "narrow_by",
    "values",
    "target",
    "connect",
    "identifiers",
    "session",
    "lists",
    "types",
    "features",
    "auth",
    "of",
    "aliases",
];

/// The expressions of a line: what stands between `{{` and `}}`, and the values of keys that hold bare ones.
pub fn expressions(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = line[from..].find("{{").map(|place| from + place + 2) {
        let Some(close) = line[open..].find("}}").map(|place| open + place) else { break };
        found.push((open, &line[open..close]));
        from = close;
    }
    if found.is_empty()
        && let Some((name, value)) = key(line)
        && ["when", "each", "key", "copy", "none_if"].contains(&name)
    {
        let rest = &line[value..];
        let rest = &rest[..rest.find(" #").unwrap_or(rest.len())];
        if !rest.trim().is_empty() && rest.trim() != ">-" {
            found.push((value, rest));
        }
    }
    found
}

/// The paths `root.attribute` of an expression, outside of its quoted texts: place of the root, root, place, attribute.
pub fn paths(expression: &str) -> Vec<(usize, &str, usize, &str)> {
    let mut plain = String::new();
    let mut quote = None;
    for character in expression.chars() {
        match quote {
            Some(open) => {
                if open == character {
                    quote = None;
                }
                plain.extend(std::iter::repeat_n('\'', character.len_utf8()));
            }
            None if character == '\'' || character == '"' => {
                quote = Some(character);
                plain.push('\'');
            }
            None => plain.push(character),
        }
    }
    let found = words(&plain);
    found
        .windows(2)
        .filter(|pair| {
            let (root, name) = (pair[0], pair[1]);
            root.0 + root.1.len() + 1 == name.0
                && plain[..name.0].ends_with('.')
                && !plain[..root.0].ends_with(['.', ']'])
        })
        .map(|pair| {
            let (root, name) = (pair[0], pair[1]);
            (root.0, &expression[root.0..root.0 + root.1.len()], name.0, &expression[name.0..name.0 + name.1.len()])
        })
        .collect()
}
