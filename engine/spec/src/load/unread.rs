//! Files of a layer that are not read: a spec in the wrong folder must not pass unnoticed.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use calipso_expr::nearest;
use calipso_model::Str;

use super::{KINDS, Layer, Loaded, gather::Parsed};
use crate::{
    diag::{Diagnostic, Label},
    yaml::Node,
};

/// A folder that a later version of the language will read.
const RESERVED: &str = "events";

/// What a file is by its path; with the number of its kind.
pub(super) enum Role {
    Spec(usize),
    Test(usize),
    Other,
}

/// Specs and tests lie in a folder that is named after their kind, and end with `.yaml`.
pub(super) fn role(path: &str) -> Role {
    let kind_idx = path.rsplit('/').nth(1).and_then(|parent| KINDS.iter().position(|(folder, _)| *folder == parent));
    match kind_idx {
        Some(kind_idx) if path.ends_with(".test.yaml") => Role::Test(kind_idx),
        Some(kind_idx) if path.ends_with(".yaml") => Role::Spec(kind_idx),
        _ => Role::Other,
    }
}

/// Reports the files of a layer that are neither specs nor tests nor used by a test.
pub(super) fn report(
    layer: &Layer,
    prefix: &str,
    number: usize,
    tests: &BTreeMap<(usize, Str), Parsed>,
    loaded: &mut Loaded,
) {
    let mut others: Vec<&(Str, Arc<str>)> =
        layer.files.iter().filter(|(path, _)| matches!(role(path), Role::Other) && !is_fine(path)).collect();
    if others.is_empty() {
        return;
    }
    let mut used = Vec::new();
    for test in tests.values().filter(|test| test.layer == number) {
        let folder = test.shown.rsplit_once('/').map_or("", |(folder, _)| folder);
        gather(&test.node, folder, &mut used);
    }
    others.retain(|(path, _)| {
        let shown = joined("", &format!("{prefix}{path}"));
        !used.iter().any(|used| shown == *used || shown.strip_prefix(used).is_some_and(|rest| rest.starts_with('/')))
    });
    for (path, text) in others {
        let shown: Arc<str> = Arc::from(format!("{prefix}{path}"));
        let (code, message, help) = match reason_unread(path, text) {
            Some(reason_unread) => reason_unread,
            None => continue,
        };
        // The text of what is not YAML is not shown.
        let shown_text: Arc<str> = if is_yaml(path) { Arc::clone(text) } else { Arc::from("") };
        let label = Label { file: Arc::clone(&shown), range: first_line(&shown_text), text: "never read".to_owned() };
        loaded.files.insert(shown, shown_text);
        loaded.diagnostics.push(Diagnostic::new(code, label, message).help(help));
    }
}

/// Files that every folder may have.
fn is_fine(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    ["README", "LICENSE", "CHANGELOG", "."].iter().any(|begin| file.starts_with(begin))
        || file.ends_with(".md")
        || file.ends_with(".schema.json")
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// The line with the schema, or the first line.
fn first_line(text: &str) -> Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("schema:") {
            return start..start + line.trim_end().len();
        }
        start += line.len();
    }
    0..text.lines().next().unwrap_or_default().len()
}

/// The kind in the text's `schema`.
fn schema_of(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix("schema:"))?;
    line.split('#').next()?.trim().trim_matches(['"', '\'']).split('/').next()
}

/// Code, message and advice for a file that is not read.
fn reason_unread(path: &str, text: &str) -> Option<(&'static str, String, String)> {
    let folders: Vec<&str> = path.split('/').rev().skip(1).collect();
    let file = path.rsplit('/').next().unwrap_or_default();
    let schema = schema_of(text).filter(|_| is_yaml(path));
    let kind_folder = folders.iter().find(|folder| KINDS.iter().any(|(known, _)| known == *folder));
    let listed = || KINDS.iter().map(|(folder, _)| format!("{folder}/")).collect::<Vec<_>>().join(", ");
    if !is_yaml(path) {
        let folder = kind_folder?;
        let message = format!("`{file}` is neither a spec nor used by a test");
        let help =
            format!("only files that end with `.yaml` are read in {folder}/; name it in a test, move or remove it");
        return Some(("spec/stray-file", message, help));
    }
    if let Some(folder) = kind_folder {
        let message;
        let help;
        let stem = file.trim_end_matches(".yaml").trim_end_matches(".yml");
        if folders.first() == Some(folder) {
            message = format!("`{file}` is not read: specs end with `.yaml`");
            help = format!("rename it to `{stem}.yaml`");
        } else {
            message = format!("`{path}` is not read: specs lie in {folder}/ itself, not in a folder in it");
            help = format!("move it to {folder}/{stem}.yaml; data of a test is named by the test");
        }
        return Some(("spec/never-read", message, help));
    }
    if folders.contains(&RESERVED) || schema.is_some_and(|kind| kind == "event" || kind == "event_source") {
        let message = format!("`{file}` is not read: events are not part of the language yet");
        return Some(("spec/never-read", message, format!("remove it; what is read lies in {}", listed())));
    }
    let near = folders.first().and_then(|folder| nearest(folder, KINDS.iter().map(|(known, _)| *known)));
    let belongs = schema.and_then(|kind| KINDS.iter().find(|(_, known)| *known == kind));
    let place = match folders.first() {
        Some(folder) => format!("`{folder}/` is the folder of no kind of spec"),
        None => "it lies in no folder of a kind".to_owned(),
    };
    let message = format!("`{file}` is not read: {place}");
    let (code, help) = match (near, belongs, schema) {
        (Some(near), ..) => ("spec/never-read", format!("did you mean `{near}/`?")),
        (None, Some((folder, kind)), _) => {
            ("spec/never-read", format!("a {} belongs into {folder}/", kind.replace('_', " ")))
        }
        (None, None, Some("test")) => {
            ("spec/never-read", "a test lies beside the spec that it tests, in the folder of its kind".to_owned())
        }
        (None, None, Some(_)) => ("spec/never-read", format!("specs lie in {}", listed())),
        (None, None, None) => ("spec/stray-file", format!("specs lie in {}", listed())),
    };
    Some((code, message, help))
}

/// The files and folders that a test names, as shown paths.
fn gather(node: &Node, folder: &str, used: &mut Vec<String>) {
    for (key, value) in node.entries() {
        let names = key.name.as_ref() == "answers_dir" || key.name.ends_with("_file");
        match value.as_text().filter(|_| names) {
            Some(name) => used.push(joined(folder, name)),
            None => gather(value, folder, used),
        }
    }
    node.items().iter().for_each(|item| gather(item, folder, used));
}

/// A path below a folder, without `.` and `..`.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn paths_are_joined() {
        for (folder, path, wanted) in [
            ("mine/fetchers", "rec", "mine/fetchers/rec"),
            ("mine/fetchers", "../data/./a.txt", "mine/data/a.txt"),
            ("../mine/fetchers", "rec/", "../mine/fetchers/rec"),
            ("", "./mine/x", "mine/x"),
        ] {
            assert_eq!(joined(folder, path), wanted, "{folder} {path}");
        }
    }
}
