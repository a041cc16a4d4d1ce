//! Kinds of mistakes: templates, quotes, brackets, regular expressions, queries, joins.

use super::{
    Mistake,
    kinds::replaced,
    text::{Chance, File, expressions, in_word, key, keyed, paths, words},
};

/// Every place of every file at which one of these mistakes can be made.
pub fn all(files: &[File], chance: &mut Chance) -> Vec<Mistake> {
    let mut found = Vec::new();
    for file in files {
        braces(file, &mut found);
        syntax(file, &mut found);
        groups(file, chance, &mut found);
        queries(file, &mut found);
        joins(file, &mut found);
        words_of(file, files, &mut found);
        looks(file, &mut found);
        early(file, &mut found);
    }
    found
}

fn braces(file: &File, found: &mut Vec<Mistake>) {
    for (number, line) in file.lines().iter().enumerate() {
        if line.trim_start().starts_with('#')
            || key(line).is_some_and(|(name, _)| ["run", "sql", "command"].contains(&name))
        {
            continue;
        }
        if let Some(("when" | "key" | "copy", value)) = key(line) {
            let given = line[value..].split(" #").next().unwrap_or_default().trim();
            let bare = given.trim_matches('"');
            if !given.is_empty() && !given.starts_with('>') && !bare.contains('"') {
                let new = format!("{} \"{{{{ {bare} }}}}\"", &line[..value]);
                found.push(Mistake::line("template where an expression belongs", file, number, &new));
            }
        }
        for (start, expression) in expressions(line) {
            let whole = format!("\"{{{{{expression}}}}}\"");
            let Some(at) = line.find(&whole).filter(|at| at + 3 == start) else { continue };
            let inner = expression.trim();
            // One path and nothing else: that it was meant as an expression can be seen.
            let path =
                paths(inner).first().is_some_and(|(at, ..)| *at == 0) && inner.chars().all(|c| in_word(c) || c == '.');
            if !path || line.trim_start().starts_with("- {") {
                continue;
            }
            found.push(Mistake::line(
                "expression where a template belongs",
                file,
                number,
                &replaced(line, at, whole.len(), inner),
            ));
            let single = format!("\"{{ {inner} }}\"");
            found.push(Mistake::line("single braces", file, number, &replaced(line, at, whole.len(), &single)));
            let unquoted = format!("{{{{ {inner} }}}}");
            found.push(Mistake::line(
                "template without quotes",
                file,
                number,
                &replaced(line, at, whole.len(), &unquoted),
            ));
        }
    }
}

/// Quotes, brackets and colons; a line is taken only where nothing of it is prose.
fn syntax(file: &File, found: &mut Vec<Mistake>) {
    for (number, name, _) in keyed(file) {
        let lines = file.lines();
        let line = lines[number];
        let value = key(line).map_or(line.len(), |(_, value)| value);
        let given = line[value..].trim_end();
        if given.trim_start().starts_with(['"', '\'']) && given.ends_with(['"', '\'']) && given.len() > 3 {
            found.push(Mistake::line("quote not closed", file, number, line[..line.trim_end().len() - 1].trim_end()));
            let open = value + given.find(['"', '\'']).unwrap_or_default();
            let inner = &line[open + 1..];
            // Without its first quote a text may still be one.
            if inner.starts_with("{{") || inner.starts_with(['[', '\'']) {
                found.push(Mistake::line("quote not closed", file, number, &replaced(line, open, 1, "")));
            }
        }
        if given.trim_start().starts_with('[') && given.ends_with(']')
            || given.trim_start().starts_with('{') && given.ends_with('}')
        {
            found.push(Mistake::line("bracket not closed", file, number, &line[..line.trim_end().len() - 1]));
            found.push(Mistake::line("bracket not closed", file, number, &format!("{line}]")));
        }
        let plain = given.trim();
        if !plain.is_empty() && plain.chars().all(|c| in_word(c) || c == ' ' || c == '/') && name != "description" {
            let mut mistake = Mistake::line("colon left out", file, number, &replaced(line, value - 1, 1, ""));
            // Behind a text, the line becomes a part of it.
            mistake = mistake.or_at((number > 0).then_some(number));
            found.push(mistake);
            found.push(
                Mistake::line("colon left out", file, number, &replaced(line, value, 1, ""))
                    .or_at((number > 0).then_some(number)),
            );
        }
        if !line.starts_with(' ') && name != "schema" {
            found.push(Mistake::behind("key twice", file, number, &format!("{name}: x")));
        }
        if number == 0 {
            let kind = plain.trim_end_matches("/v1");
            for new in ["v2", "V1", "v1.0"] {
                found.push(Mistake::line("wrong schema", file, number, &format!("schema: {kind}/{new}")));
            }
        }
        if ["source", "name", "description", "under", "path", "role", "steps", "forms", "emits", "rules"]
            .contains(&name.as_str())
            && !line.starts_with(' ')
            && !plain.is_empty()
        {
            let new = if plain.starts_with('[') { format!("{name}: []") } else { format!("{name}: \"\"") };
            found.push(Mistake::line("empty value", file, number, &new));
        }
    }
}

fn groups(file: &File, chance: &mut Chance, found: &mut Vec<Mistake>) {
    let lines = file.lines();
    for (number, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let named: Vec<(usize, &str)> = line
            .match_indices("(?<")
            .filter_map(|(at, _)| Some((at + 3, &line[at + 3..at + 3 + line[at + 3..].find('>')?])))
            .filter(|(_, name)| name.chars().all(in_word))
            .collect();
        if named.is_empty() {
            continue;
        }
        let mut without = (*line).to_owned();
        for (_, name) in &named {
            without = without.replace(&format!("(?<{name}>"), "(");
        }
        found.push(Mistake::line("regular expression without a group", file, number, &without));
        found.push(Mistake::line("bad regular expression", file, number, &line.replacen("(?<", "(?<<", 1)));
        found.push(Mistake::line("bad regular expression", file, number, &line.replacen("(?<", "(?=x)(?<", 1)));
        found.push(Mistake::line("bad regular expression", file, number, &line.replacen('^', "^[", 1)));
        found.push(Mistake::line("bad regular expression", file, number, &line.replacen('^', "^{{ parent.host }}", 1)));
        for (at, name) in named {
            // Where the group is read is as right as where it is named.
            let readers: Vec<usize> = lines
                .iter()
                .enumerate()
                .filter(|(other, text)| *other != number && words(text).iter().any(|(_, word)| *word == name))
                .map(|(other, _)| other + 1)
                .collect();
            let once = line.matches(&format!("(?<{name}>")).count() == 1;
            if once && (!readers.is_empty() || ["key", "value"].contains(&name)) && file.kind() != "parsers" {
                let new = replaced(line, at, name.len(), &chance.misspell(name));
                found.push(Mistake::line("renamed group", file, number, &new).or_at(readers));
            }
        }
    }
}

fn queries(file: &File, found: &mut Vec<Mistake>) {
    for (number, line) in file.lines().iter().enumerate() {
        let Some(("sql", value)) = key(line) else { continue };
        let (head, query) = (&line[..value], line[value..].trim());
        let table = query.find("FROM ").map(|at| &query[at + 5..]).unwrap_or_default();
        let table = table.split(" WHERE").next().unwrap_or_default();
        let mut wrong = vec![
            query.replace("SELECT", "SELCT"),
            query.replacen("SELECT", "DELETE", 1),
            format!("{query}; SELECT 1"),
            format!("{query} AND"),
        ];
        if !query.contains("WHERE") {
            wrong.push(format!("{query} WHERE"));
        }
        if query.contains("schema.") {
            wrong.push(query.replace("schema.n", "schema.nn"));
            wrong.push(query.replace(table, "{{ env.name }}"));
            wrong.push(query.replace("{{ schema.", "{{ schma."));
        }
        for new in wrong {
            found.push(Mistake::line("wrong query", file, number, &format!("{head} {new}")));
        }
    }
    for (number, line) in file.lines().iter().enumerate() {
        if let Some(("http", value)) = key(line).filter(|_| file.kind() == "fetchers") {
            for verb in ["DELETE", "PUT", "get", "GET https://host"] {
                let new = format!("{} {}", &line[..value], line[value..].trim().replacen("GET", verb, 1));
                found.push(Mistake::line("wrong request", file, number, &new));
            }
            let new = format!("{} {}", &line[..value], line[value..].trim().trim_start_matches("GET "));
            found.push(Mistake::line("wrong request", file, number, &new));
        }
    }
}

/// Keys of joins: no list, or of another length than the other end's.
fn joins(file: &File, found: &mut Vec<Mistake>) {
    let lines = file.lines();
    for (number, line) in lines.iter().enumerate() {
        let Some(at) = line.find("key: \"[").filter(|_| ["object_types", "link_types"].contains(&file.kind())) else {
            continue;
        };
        let inner = &line[at + 7..];
        let Some(end) = inner.find("]\"") else { continue };
        let parts = &inner[..end];
        let neighbours = [number, number + 2];
        if parts.contains(", ") && !parts.contains('(') {
            let first = parts.split(", ").next().unwrap_or_default();
            let new = replaced(line, at + 7, parts.len(), first);
            found.push(Mistake::line("keys of two lengths", file, number, &new).or_at(neighbours));
        } else if !parts.contains(' ') {
            let new = replaced(line, at + 7, parts.len(), &format!("{parts}, {parts}"));
            found.push(Mistake::line("keys of two lengths", file, number, &new).or_at(neighbours));
            let new = replaced(line, at + 5, parts.len() + 4, parts);
            found.push(Mistake::line("key that is no list", file, number, &new));
        }
        for (from, to) in [("from.", "to."), ("to.", "from."), ("self.", "other."), ("other.", "self.")] {
            if parts.starts_with(from) {
                let new = replaced(line, at + 7, from.len(), to);
                found.push(Mistake::line("end that reads the other", file, number, &new));
            }
        }
    }
}

/// Constants that `one_of` of their attribute excludes.
fn words_of(file: &File, files: &[File], found: &mut Vec<Mistake>) {
    let declared: Vec<(&str, Vec<&str>)> = files
        .iter()
        .filter(|file| file.kind() == "object_types")
        .flat_map(|file| file.text.lines())
        .filter_map(|line| {
            // Where others are allowed, another is no mistake.
            let closed = line.contains("one_of: [") && !line.contains("other: allowed");
            let (name, _) = key(line).filter(|_| line.starts_with("  ") && closed)?;
            let list = &line[line.find("one_of: [")? + 9..];
            Some((name, list[..list.find(']')?].split(", ").collect()))
        })
        .collect();
    for (number, line) in file.lines().iter().enumerate() {
        for (name, allowed) in &declared {
            if !words(line).iter().any(|(_, word)| word == name) || line.contains("one_of") {
                continue;
            }
            for word in allowed {
                let other = word.get(1..).unwrap_or_default();
                for (quoted, new) in [
                    (format!("'{word}'"), format!("'{word}s'")),
                    (format!("'{word}'"), format!("'{other}'")),
                    (format!("'{word}'"), format!("'{}'", word.to_uppercase())),
                    (format!(": {word}"), format!(": {word}2")),
                    (format!(": {word}"), format!(": {other}x")),
                ] {
                    if allowed.contains(&new.trim_matches('\'')) {
                        continue;
                    }
                    let bare = quoted.starts_with(':') && key(line).is_none_or(|(key, _)| key != *name);
                    if line.contains(&quoted) && !bare && !line.contains("description:") {
                        let new = line.replacen(&quoted, &new, 1);
                        found.push(Mistake::line("constant that one_of excludes", file, number, &new));
                    }
                }
            }
        }
    }
}

/// Letters of other scripts, and characters that cannot be seen, in names.
fn looks(file: &File, found: &mut Vec<Mistake>) {
    for (number, name, _) in keyed(file) {
        let lines = file.lines();
        let line = lines[number];
        if !["under", "emit", "lookup", "focal_point", "via", "from", "to", "transport", "take"]
            .contains(&name.as_str())
        {
            continue;
        }
        let value = key(line).map_or(line.len(), |(_, value)| value);
        for (latin, other) in [("e", "е"), ("o", "о"), ("a", "а")] {
            if line[value..].contains(latin) {
                let new = format!("{}{}", &line[..value], line[value..].replacen(latin, other, 1));
                found.push(Mistake::line("look-alike letter", file, number, &new));
            }
        }
        found.push(Mistake::line("look-alike letter", file, number, &format!("{}\u{200b}", line.trim_end())));
    }
}

/// A step that is moved before the one whose result it reads.
fn early(file: &File, found: &mut Vec<Mistake>) {
    if file.kind() != "fetchers" {
        return;
    }
    let lines = file.lines();
    let mut starts: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| line.starts_with("  - ")).map(|(number, _)| number).collect();
    starts.push(lines.len());
    for (place, pair) in starts.windows(2).enumerate() {
        let moved = &lines[pair[0]..pair[1]];
        let Some(name) =
            moved.iter().find_map(|line| line.strip_prefix("    as: ").or_else(|| line.strip_prefix("  - let: ")))
        else {
            continue;
        };
        // The first line behind it that reads the name; of folded texts nobody says which line that is.
        let rest = &lines[pair[1]..];
        let reads =
            |line: &&str| expressions(line).iter().any(|(_, text)| words(text).iter().any(|(_, word)| *word == name));
        let Some(reader) = rest.iter().position(reads) else { continue };
        let Some(end) = starts[place + 1..].iter().copied().find(|start| *start > pair[1] + reader) else { continue };
        if lines[pair[0]..end].iter().any(|line| line.contains(">-")) {
            continue;
        }
        let text: Vec<&str> =
            lines[..pair[0]].iter().chain(&lines[pair[1]..end]).chain(moved).chain(&lines[end..]).copied().collect();
        found.push(Mistake {
            kind: "step before its source",
            path: file.path.clone(),
            text: text.join("\n") + "\n",
            lines: vec![pair[0] + reader + 1],
            what: format!("`{name}` is read first"),
        });
    }
}
