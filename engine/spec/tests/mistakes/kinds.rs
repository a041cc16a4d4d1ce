//! Kinds of mistakes: names, keys, types, ranges.

use super::{
    Mistake,
    text::{Chance, File, OWN_NAMES, expressions, in_word, key, keyed, paths, words},
};

/// Every place of every file at which one of these mistakes can be made.
pub fn all(files: &[File], chance: &mut Chance) -> Vec<Mistake> {
    let mut found = Vec::new();
    for file in files {
        keys(file, chance, &mut found);
        names(file, chance, &mut found);
        types(file, files, chance, &mut found);
        required(file, &mut found);
        wrong_types(file, &mut found);
        ranges(file, &mut found);
        transports(file, &mut found);
        environments(file, chance, &mut found);
        cliques(file, chance, &mut found);
    }
    found
}

/// A line with the bytes at a place replaced.
pub fn replaced(line: &str, at: usize, len: usize, new: &str) -> String {
    format!("{}{new}{}", &line[..at], &line[at + len..])
}

fn keys(file: &File, chance: &mut Chance, found: &mut Vec<Mistake>) {
    let lines = file.lines();
    for (number, name, around) in keyed(file) {
        let own = around.iter().any(|key| OWN_NAMES.contains(&key.as_str()));
        if own || name.len() < 3 || around.last().is_some_and(|key| key == "blocks") {
            continue;
        }
        let at = lines[number].find(&format!("{name}:")).unwrap_or_default();
        let new = replaced(lines[number], at, name.len(), &chance.misspell(&name));
        let mut mistake = Mistake::line("misspelt key", file, number, &new);
        // Without its verb, a step is reported as one: at its first key.
        if name == "schema" || name == "name" {
            mistake = mistake.or_at([1]);
        }
        found.push(mistake);
    }
    // Keys of attributes and fields, in braces.
    for (number, line) in lines.iter().enumerate() {
        for word in ["type", "description", "refers_to", "one_of", "optional", "default", "secret"] {
            if let Some(at) = line.find(&format!("{word}: ")).filter(|at| line[..*at].ends_with(['{', ' ']))
                && line.contains("{type: ")
                && file.kind() != "fetchers"
                && !line.trim_start().starts_with("- {")
            {
                let new = replaced(line, at, word.len(), &chance.misspell(word));
                found.push(Mistake::line("misspelt key", file, number, &new));
            }
        }
    }
}

fn names(file: &File, chance: &mut Chance, found: &mut Vec<Mistake>) {
    const FILTERS: &[&str] = &[
        "default",
        "as_list",
        "sort",
        "first",
        "last",
        "list",
        "map",
        "selectattr",
        "reject",
        "from_json",
        "without",
        "merged",
        "netmask",
        "cidr_of",
        "int",
        "string",
        "key_values",
        "distinct",
        "strip_prefix",
        "with_host",
    ];
    for (number, line) in file.lines().iter().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        for (start, expression) in expressions(line) {
            for (at, word) in words(expression) {
                if expression[..at].ends_with("| ") && FILTERS.contains(&word) {
                    let new = replaced(line, start + at, word.len(), &chance.misspell(word));
                    found.push(Mistake::line("misspelt filter", file, number, &new));
                }
            }
            for (at, root, name_at, name) in paths(expression) {
                if root.len() >= 3 && !root.starts_with(|c: char| c.is_ascii_digit()) && !["range"].contains(&root) {
                    let new = replaced(line, start + at, root.len(), &chance.misspell(root));
                    found.push(Mistake::line("misspelt name", file, number, &new));
                }
                // Attributes of documents that came from an interface are known to nobody; those of objects are.
                let objects = match file.kind() {
                    "object_types" => ["self", "other"].contains(&root),
                    "link_types" => ["from", "to"].contains(&root),
                    "fetchers" => ["parent", "settings"].contains(&root),
                    "connections" => ["config", "target", "session", "answer"].contains(&root),
                    _ => false,
                };
                if objects && name.len() >= 4 {
                    let new = replaced(line, start + name_at, name.len(), &chance.misspell(name));
                    found.push(Mistake::line("misspelt attribute", file, number, &new));
                }
            }
        }
        // Names of what a parser finds, in the same file.
        let Some(("as", value)) = key(line) else { continue };
        let (name, rest) = (line[value..].trim(), &line[..value]);
        if name.chars().all(in_word) {
            // Whatever reads the old name reads nothing now; the name itself is read by nobody.
            let readers = file
                .lines()
                .iter()
                .enumerate()
                .filter(|(_, other)| words(other).iter().any(|(_, word)| *word == name))
                .map(|(other, _)| other + 1)
                .collect::<Vec<_>>();
            let new = format!("{rest} {}", chance.misspell(name));
            found.push(Mistake::line("misspelt result", file, number, &new).or_at(readers));
        }
    }
}

fn types(file: &File, files: &[File], chance: &mut Chance, found: &mut Vec<Mistake>) {
    let types: Vec<&str> = files
        .iter()
        .filter(|file| file.kind() == "object_types")
        .filter_map(|file| file.path.strip_prefix("object_types/")?.strip_suffix(".yaml"))
        .collect();
    for (number, line) in file.lines().iter().enumerate() {
        for word in ["under", "emits", "extends", "emit", "lookup", "from", "to", "focal_point", "refers_to", "type"] {
            let Some(at) = line.find(&format!("{word}: ")).filter(|at| !line[..*at].ends_with(in_word)) else {
                continue;
            };
            // A parent or a reference; a folder's type is the author's own.
            if word == "type" && !line[..at].ends_with("parent: {") {
                continue;
            }
            let behind = at + word.len() + 2;
            let Some((place, name)) = words(&line[behind..]).into_iter().next().filter(|(place, _)| *place <= 1) else {
                continue;
            };
            if types.contains(&name) {
                let new = replaced(line, behind + place, name.len(), &chance.misspell(name));
                found.push(Mistake::line("misspelt type", file, number, &new));
            }
        }
        if let Some(("via" | "role", value)) = key(line)
            && file.kind() == "fetchers"
        {
            let name = line[value..].trim();
            for _ in 0..3 {
                let new = format!("{} {}", &line[..value], chance.misspell(name));
                found.push(Mistake::line("misspelt role", file, number, &new));
            }
        }
    }
}

/// Required keys of whole files; what is missing is reported where the file begins.
fn required(file: &File, found: &mut Vec<Mistake>) {
    let wanted: &[&str] = match file.kind() {
        "distributions" => &["schema", "name", "description", "source", "platform", "versions"],
        "connections" => &["schema", "name", "description", "source", "role", "transport", "base", "test"],
        "object_types" => &["schema", "name", "description", "source", "forms"],
        "parsers" => &["schema", "name", "description", "source", "parse"],
        "fetchers" => &["schema", "name", "description", "source", "under", "steps"],
        "link_types" => &["schema", "name", "description", "source", "from", "to", "rules"],
        "clique_types" => &["schema", "name", "description", "source", "focal_point", "path"],
        _ => &[],
    };
    let lines = file.lines();
    for (number, line) in lines.iter().enumerate() {
        let Some((name, _)) = key(line).filter(|(name, _)| !line.starts_with(' ') && wanted.contains(name)) else {
            continue;
        };
        let behind = lines[number + 1..]
            .iter()
            .position(|line| !line.starts_with(' ') && !line.starts_with('#'))
            .map_or(lines.len(), |place| number + 1 + place);
        let text: Vec<&str> = lines[..number].iter().chain(&lines[behind..]).copied().collect();
        found.push(Mistake {
            kind: "required key left out",
            path: file.path.clone(),
            text: text.join("\n") + "\n",
            lines: vec![1],
            what: format!("- {name}"),
        });
    }
    for (number, line) in lines.iter().enumerate() {
        for gone in ["type: host, ", "id: \"{{ self.host }}\""] {
            if line.contains("parent: {type: host, id: \"{{ self.host }}\"}") {
                let rest = line.replace(gone, "").replace(", }", "}");
                found.push(Mistake::line("required key left out", file, number, &rest));
            }
        }
    }
}

fn wrong_types(file: &File, found: &mut Vec<Mistake>) {
    for (number, line) in file.lines().iter().enumerate() {
        let Some((name, value)) = key(line) else { continue };
        let (head, given) = (&line[..value], line[value..].trim());
        let new = match name {
            "emits" | "extends" | "constraints" | "path" | "versions" | "match_any" | "without" | "require_any"
                if given.starts_with('[') =>
            {
                let first = given.trim_matches(['[', ']']).split(',').next().unwrap_or_default();
                format!("{head} {first}")
            }
            "under" | "from" | "to" | "focal_point" | "role" | "via" | "emit" | "lookup" | "as" | "let"
                if given.chars().all(in_word) =>
            {
                format!("{head} [{given}]")
            }
            "each_line" | "implicit_links" => format!("{head} \"yes\""),
            "steps" | "forms" | "derive" | "rules" if given.is_empty() => continue,
            "items" => format!("{head} 7"),
            "take" => format!("{head} every"),
            "description" if !line.starts_with(' ') => format!("{head} 12"),
            _ => continue,
        };
        found.push(Mistake::line("value of a wrong type", file, number, &new));
    }
    for (number, line) in file.lines().iter().enumerate() {
        // Defaults of connections and settings.
        let Some(at) = line.find("default: ") else { continue };
        let Some(kind) = line.find("{type: ").map(|place| &line[place + 7..]) else { continue };
        let kind = kind.split(',').next().unwrap_or_default();
        let behind = at + 9;
        let len = line[behind..].find([',', '}']).unwrap_or_default();
        let wrong: &[&str] = match kind {
            "port" => &["ssh", "70000", "0", "\"22\"", "-1", "[22]"],
            "bool" => &["\"yes\"", "1", "on", "[true]"],
            "text" => &["7", "true", "[a]", "1.5"],
            "integer" => &["many", "1.5", "true"],
            _ => &[],
        };
        for new in wrong {
            if line[behind..].starts_with('"') && line[behind..].contains("{{") {
                continue;
            }
            found.push(Mistake::line("default of a wrong type", file, number, &replaced(line, behind, len, new)));
        }
    }
}

fn ranges(file: &File, found: &mut Vec<Mistake>) {
    for (number, line) in file.lines().iter().enumerate() {
        for word in ["concurrent", "per_second", "timeout_secs", "max_bytes", "channels_per_host"] {
            let Some(at) = line.find(&format!("{word}: ")).map(|at| at + word.len() + 2) else { continue };
            let len = line[at..].find([',', '}']).unwrap_or(line.len() - at);
            found.push(Mistake::line("number out of range", file, number, &replaced(line, at, len, "0")));
            found.push(Mistake::line("number out of range", file, number, &replaced(line, at, len, "-1")));
        }
        let Some((name @ ("http" | "run"), value)) = key(line) else { continue };
        if line[value..].trim().is_empty() || file.kind() != "fetchers" {
            continue;
        }
        let blanks = " ".repeat(line.find(name).unwrap_or_default());
        let wrong: &[&str] = match name {
            "http" => &["accept_status: [2010]", "accept_status: []", "timeout_secs: 0", "retry: {times: 0}"],
            _ => &["ok_exit: [-1]", "ok_exit: [0, 999]", "ok_exit: []", "retry: {times: 1000000}", "timeout_secs: 0"],
        };
        for new in wrong {
            found.push(Mistake::behind("number out of range", file, number, &format!("{blanks}{new}")));
        }
    }
}

fn transports(file: &File, found: &mut Vec<Mistake>) {
    let lines = file.lines();
    for (number, line) in lines.iter().enumerate() {
        let Some((name @ ("http" | "run" | "sql"), value)) = key(line) else { continue };
        if line[value..].trim().is_empty() || file.kind() != "fetchers" {
            continue;
        }
        let blanks = " ".repeat(line.find(name).unwrap_or_default());
        if let Some(via) = lines.get(number + 1).filter(|next| next.trim_start().starts_with("via: ")) {
            for role in ["openstack", "hosts", "amqp"] {
                let new = format!("{}via: {role}", &via[..via.find("via").unwrap_or_default()]);
                found.push(Mistake::line("verb over another transport", file, number + 1, &new));
            }
            continue;
        }
        let wrong: &[&str] = match name {
            "http" => &["database", "hosts"],
            "run" => &["openstack", "database"],
            _ => &["openstack", "hosts"],
        };
        for role in wrong {
            let new = format!("{blanks}via: {role}");
            found.push(Mistake::behind("verb over another transport", file, number, &new).or_at([number + 1]));
        }
    }
}

fn environments(file: &File, chance: &mut Chance, found: &mut Vec<Mistake>) {
    for (number, line) in file.lines().iter().enumerate() {
        if line.trim_start().starts_with('#') || !line.contains("any_of: [") {
            continue;
        }
        for (at, word) in words(line) {
            let listed = line[..at].rfind("any_of: [").is_some_and(|open| !line[open..at].contains(']'));
            if listed && line.contains("environment:") && word.len() >= 3 {
                let new = replaced(line, at, word.len(), &chance.misspell(word));
                found.push(Mistake::line("unknown platform or driver", file, number, &new));
            }
        }
    }
}

fn cliques(file: &File, chance: &mut Chance, found: &mut Vec<Mistake>) {
    for (number, line) in file.lines().iter().enumerate() {
        let Some((name @ ("path" | "constraints"), value)) = key(line) else { continue };
        if file.kind() != "clique_types" {
            continue;
        }
        let kind = if name == "path" { "unknown link type in a path" } else { "unknown constraint" };
        for (at, word) in words(&line[value..]) {
            for _ in 0..if name == "path" { 1 } else { 4 } {
                let new = replaced(line, value + at, word.len(), &chance.misspell(word));
                found.push(Mistake::line(kind, file, number, &new));
            }
        }
        if name == "path" {
            // A link that the path has not reached.
            let new = line.replace("path: [", "path: [project-aggregate, ");
            found.push(Mistake::line(kind, file, number, &new));
        }
    }
}
