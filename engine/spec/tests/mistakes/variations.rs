//! Ways to write the same specs.

use super::text::{File, in_word, indent, key, keyed};

/// Every variation, made of all files at once.
pub fn all(files: &[File]) -> Vec<(&'static str, Vec<File>)> {
    let each = |change: fn(&File) -> String| -> Vec<File> {
        files.iter().map(|file| File { path: file.path.clone(), text: change(file) }).collect()
    };
    vec![
        ("blank lines", each(|file| file.lines().iter().map(|line| spaced(line)).collect())),
        ("comments on lines of their own", each(|file| file.lines().iter().map(|line| commented(line)).collect())),
        ("comments behind values", each(|file| lines(file, |_, line| behind(line)))),
        (
            "blanks at the ends of lines",
            each(|file| {
                lines(file, |_, line| if line.ends_with("-") { line.to_owned() } else { format!("{line}   ") })
            }),
        ),
        ("keys in another order", each(reordered)),
        ("words in double quotes", each(|file| quoted(file, '"'))),
        ("words in single quotes", each(|file| quoted(file, '\''))),
        ("lists in block style", each(blocks)),
        ("lists with blanks in their brackets", each(|file| lines(file, |_, line| roomy(line)))),
        ("no line break at the end", each(|file| file.text.trim_end().to_owned())),
        ("line breaks of Windows", each(|file| file.text.replace('\n', "\r\n"))),
        ("a document marker", each(|file| format!("---\n{}", file.text))),
        ("lists further to the right", each(indented)),
    ]
}

fn lines(file: &File, change: impl Fn(usize, &str) -> String) -> String {
    let changed: Vec<String> = file.lines().iter().enumerate().map(|(number, line)| change(number, line)).collect();
    changed.join("\n") + "\n"
}

fn spaced(line: &str) -> String {
    if line.starts_with(' ') { format!("{line}\n") } else { format!("\n\n{line}\n") }
}

fn commented(line: &str) -> String {
    // Inside of a folded text it would be text.
    if line.starts_with(' ') { format!("{line}\n") } else { format!("# what follows: \"'[{{\n{line}\n") }
}

fn behind(line: &str) -> String {
    let plain = key(line).is_some_and(|(_, value)| {
        let value = line[value..].trim();
        !value.is_empty() && value.chars().all(|c| in_word(c) || c == '-')
    });
    if plain && !line.contains(">-") { format!("{line}   # as it is") } else { line.to_owned() }
}

/// The parts of a file that begin with a key at its left edge.
fn parts(file: &File) -> Vec<Vec<&str>> {
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    for line in file.lines() {
        let begins = !line.starts_with([' ', '#']) && !line.is_empty();
        if begins && parts.last().is_some_and(|part| part.iter().any(|line| !line.starts_with('#'))) {
            parts.push(Vec::new());
        }
        parts.last_mut().expect("there is one").push(line);
    }
    parts
}

fn reordered(file: &File) -> String {
    let mut parts = parts(file);
    parts.reverse();
    parts.concat().join("\n") + "\n"
}

fn quoted(file: &File, quote: char) -> String {
    let plain: Vec<usize> = keyed(file).into_iter().map(|(number, ..)| number).collect();
    lines(file, |number, line| {
        let Some((name, value)) = key(line).filter(|_| plain.contains(&number)) else { return line.to_owned() };
        let text = line[value..].trim();
        let word = !text.is_empty()
            && text.chars().all(|c| in_word(c) || c == '/')
            && !text.starts_with(|c: char| c.is_ascii_digit());
        let constant = ["true", "false", "null"].contains(&text) || name == "default";
        if word && !constant { format!("{} {quote}{text}{quote}", &line[..value]) } else { line.to_owned() }
    })
}

fn blocks(file: &File) -> String {
    lines(file, |_, line| {
        let Some((_, value)) = key(line).filter(|_| !line.trim_start().starts_with('-')) else {
            return line.to_owned();
        };
        let text = line[value..].trim();
        let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            return line.to_owned();
        };
        if inner.is_empty() || !inner.chars().all(|c| in_word(c) || "-, ".contains(c)) {
            return line.to_owned();
        }
        let blanks = " ".repeat(indent(line) + 2);
        let items: Vec<String> = inner.split(", ").map(|item| format!("\n{blanks}- {item}")).collect();
        format!("{}{}", &line[..value], items.concat())
    })
}

fn roomy(line: &str) -> String {
    match key(line) {
        Some((_, value)) if line[value..].trim().starts_with('[') && line.ends_with(']') => {
            let open = value + line[value..].find('[').unwrap_or_default();
            format!("{}[ {} ]", &line[..open], &line[open + 1..line.len() - 1])
        }
        _ => line.to_owned(),
    }
}

/// What stands below the last key at the left edge, two blanks further to the right.
fn indented(file: &File) -> String {
    let mut parts: Vec<Vec<String>> =
        parts(file).into_iter().map(|part| part.into_iter().map(str::to_owned).collect()).collect();
    if let Some(last) = parts.last_mut() {
        for line in last.iter_mut().filter(|line| line.starts_with(' ')) {
            line.insert_str(0, "  ");
        }
    }
    parts.concat().join("\n") + "\n"
}
