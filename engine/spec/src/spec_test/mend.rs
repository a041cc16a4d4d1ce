//! Edits of a test file in place: the rest, comments included, stays as it was written.

use std::ops::Range;

use calipso_model::{Map, Value};

use crate::{
    spec_test::{CaseSource, TestCase},
    yaml::{Node, NodeKind},
};

/// What becomes of something that a case expects.
#[derive(Clone, Debug, PartialEq)]
pub enum Mend {
    /// Another value stands in its place.
    Replace(Value),
    /// It is taken out.
    Remove,
    /// One more element of the list.
    Append(Value),
    /// One more key of the map.
    Add(String, Value),
}

/// Text that takes the place of other text of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the file.
    pub range: Range<usize>,
    /// What stands there then.
    pub by: String,
    /// The list or map that gets more or fewer entries, as it was; of a value that is replaced its own place.
    pub around: Range<usize>,
}

impl Edit {
    /// Whether two edits can be made together: each was computed for the unchanged text.
    fn goes_with(&self, other: &Self) -> bool {
        let apart = |one: &Range<usize>, two: &Range<usize>| one.end <= two.start || two.end <= one.start;
        match (self.range.is_empty(), other.range.is_empty()) {
            // More entries of one list; or of two, unless both go to the same place: one list ends where the other does.
            (true, true) => self.around == other.around || self.range.start != other.range.start,
            (true, false) => self.around != other.around && !touches(&other.range, self.range.start),
            (false, true) => self.around != other.around && !touches(&self.range, other.range.start),
            (false, false) => {
                let both_replace = self.around == self.range && other.around == other.range;
                apart(&self.range, &other.range) && (both_replace || self.around != other.around)
            }
        }
    }
}

fn touches(range: &Range<usize>, offset: usize) -> bool {
    range.start <= offset && offset <= range.end
}

/// The file with those edits made that go together; the others have to be thought of again, for the new text.
#[must_use]
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let mut sorted: Vec<&Edit> = Vec::new();
    for edit in edits {
        if sorted.iter().all(|other| edit.goes_with(other)) {
            sorted.push(edit);
        }
    }
    sorted.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for edit in sorted {
        out.push_str(text.get(done..edit.range.start).unwrap_or_default());
        out.push_str(&edit.by);
        done = edit.range.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

impl TestCase {
    /// The edit that mends what stands at a path of the case; nothing where the path is not there as it is said.
    #[must_use]
    pub fn mend(&self, path: &[&str], mend: &Mend) -> Option<Edit> {
        let CaseSource { node, text } = self.source.as_ref()?;
        let (mut around, mut here, mut key) = (None, node.as_ref(), None);
        for part in path {
            around = Some(here);
            match &here.kind {
                NodeKind::Map(_) => {
                    let (name, value) = here.entry(part)?;
                    (key, here) = (Some(name.range.clone()), value);
                }
                NodeKind::List(items) => (key, here) = (None, items.get(part.parse::<usize>().ok()?)?),
                _ => return None,
            }
        }
        match mend {
            Mend::Replace(value) => {
                // A block scalar begins with its sign, and an empty value has no place of its own.
                let range = here.range.clone();
                let around = range.clone();
                (!range.is_empty()).then(|| Edit { range, by: flow(value), around })
            }
            Mend::Remove => {
                let around = around?;
                let start = key.map_or(here.range.start, |key| key.start);
                Some(remove(text, around, start..here.range.end))
            }
            Mend::Append(value) => {
                let NodeKind::List(items) = &here.kind else { return None };
                let last = items.last().map(|item| &item.range);
                Some(add(text, here, last, "- ", &flow(value)))
            }
            Mend::Add(name, value) => {
                let NodeKind::Map(entries) = &here.kind else { return None };
                let last = entries.last().map(|(key, value)| key.range.start..value.range.end);
                Some(add(text, here, last.as_ref(), "", &format!("{}: {}", plain(name), flow(value))))
            }
        }
    }
}

/// Whether a list or map is written in brackets.
fn is_flow(text: &str, node: &Node) -> bool {
    text.as_bytes().get(node.range.start).is_some_and(|byte| b"[{".contains(byte))
}

fn line_start(text: &str, offset: usize) -> usize {
    text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, offset: usize) -> usize {
    text.get(offset..).and_then(|behind| behind.find('\n')).map_or(text.len(), |newline| offset + newline + 1)
}

fn remove(text: &str, around: &Node, range: Range<usize>) -> Edit {
    let only = match &around.kind {
        NodeKind::Map(entries) => entries.len() == 1,
        NodeKind::List(items) => items.len() == 1,
        _ => true,
    };
    if only {
        let by = if matches!(around.kind, NodeKind::Map(_)) { "{}" } else { "[]" };
        // The dash of a list's only element belongs to the list.
        return Edit { range: around.range.clone(), by: by.to_owned(), around: around.range.clone() };
    }
    let edit = |range, by| Edit { range, by, around: around.range.clone() };
    if is_flow(text, around) {
        let behind = text.get(range.end..).unwrap_or_default();
        let comma = behind.len() - behind.trim_start().trim_start_matches(',').trim_start().len();
        let has_comma = behind.trim_start().starts_with(',');
        if has_comma {
            return edit(range.start..range.end + comma, String::new());
        }
        let before = text.get(..range.start).unwrap_or_default().trim_end().trim_end_matches(',');
        return edit(before.len()..range.end, String::new());
    }
    let start = line_start(text, range.start);
    let before = text.get(start..range.start).unwrap_or_default();
    if before.trim().is_empty() || before.trim() == "-" && matches!(around.kind, NodeKind::List(_)) {
        return edit(start..line_end(text, range.end), String::new());
    }
    // The first key behind a dash: the next key moves up.
    let NodeKind::Map(entries) = &around.kind else { return edit(range, String::new()) };
    let next = entries.get(1).map_or(range.end, |(key, _)| key.range.start);
    edit(range.start..next, String::new())
}

fn add(text: &str, node: &Node, last: Option<&Range<usize>>, dash: &str, what: &str) -> Edit {
    let edit = |range, by| Edit { range, by, around: node.range.clone() };
    let Some(last) = last else {
        // Empty: `[]` or `{}`.
        let by = if dash.is_empty() { format!("{{{what}}}") } else { format!("[{what}]") };
        return edit(node.range.clone(), by);
    };
    if is_flow(text, node) {
        return edit(last.end..last.end, format!(", {what}"));
    }
    let start = line_start(text, last.start);
    let before = text.get(start..last.start).unwrap_or_default();
    // The column of the element, or of its dash.
    let column = if dash.is_empty() { before.chars().count() } else { before.rfind('-').unwrap_or(before.len()) };
    let end = line_end(text, last.end);
    let newline = if text.get(..end).is_some_and(|whole| whole.ends_with('\n')) { "" } else { "\n" };
    edit(end..end, format!("{newline}{}{dash}{what}\n", " ".repeat(column)))
}

/// A value on one line of YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::Str(text) => plain(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => flow_map(map),
        scalar => scalar.to_json(),
    }
}

fn flow_map(map: &Map) -> String {
    let entries: Vec<String> = map.iter().map(|(key, value)| format!("{}: {}", plain(key), flow(value))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// A text as it is where it can stand so, otherwise in quotes.
fn plain(text: &str) -> String {
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let is_safe = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./ ".contains(c)) && text.trim() == text;
    let is_word =
        !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if begins && is_safe && is_word { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use calipso_model::Value;

    use super::{Mend, edited};
    use crate::Layer;

    const TEST: &str = "schema: test/v1
of: {fetcher: x}
cases:
  - name: one   # the only one
    answers: {}
    expect:
      objects_exact:
        # a comment
        - {type: a, id: b, ports: [1, 2]}
        - type: a   # stays
          id: c
          list:
            - x
            - y
";

    fn mended(path: &[&str], mend: &Mend) -> String {
        let files = vec![("fetchers/x.test.yaml".into(), TEST.into())];
        let loaded = crate::load(&[Layer { name: "built-in".into(), files }]);
        let case = &loaded.tests[0].cases[0];
        edited(TEST, &[case.mend(path, mend).expect("the path is there")])
    }

    fn difference(path: &[&str], mend: Mend) -> (Vec<String>, Vec<String>) {
        let after = mended(path, &mend);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (before, after) = (lines(TEST), lines(&after));
        let gone = before.iter().filter(|line| !after.contains(line)).cloned().collect();
        let came = after.iter().filter(|line| !before.contains(line)).cloned().collect();
        (gone, came)
    }

    #[test]
    fn edits_of_one_list_wait_for_each_other() {
        let files = vec![("fetchers/x.test.yaml".into(), TEST.into())];
        let loaded = crate::load(&[Layer { name: "built-in".into(), files }]);
        let case = &loaded.tests[0].cases[0];
        let list = ["expect", "objects_exact"];
        let one = case.mend(&["expect", "objects_exact", "0"], &Mend::Remove).expect("it is there");
        let two = case.mend(&["expect", "objects_exact", "1"], &Mend::Remove).expect("it is there");
        let more = case.mend(&list, &Mend::Append(Value::from_json(r#"{"id": "d"}"#).unwrap())).expect("it is there");
        let outcome = Mend::Add("outcome".into(), Value::text("incomplete"));
        let outcome = case.mend(&["expect"], &outcome).expect("it is there");
        // Both entries of the list at once would leave no list; the new entry and the new key belong to one place.
        assert_eq!(edited(TEST, &[one.clone(), two, more.clone()]), edited(TEST, &[one]));
        assert_eq!(edited(TEST, &[outcome.clone(), more]), edited(TEST, &[outcome]));
    }

    #[test]
    fn only_what_is_mended_changes() {
        let value = |text: &str| Value::from_json(text).unwrap();
        let list = ["expect", "objects_exact"];
        let one = |line: &str| vec![line.to_owned()];
        assert_eq!(
            difference(&["expect", "objects_exact", "0", "ports", "1"], Mend::Replace(value("3"))),
            (one("        - {type: a, id: b, ports: [1, 2]}"), one("        - {type: a, id: b, ports: [1, 3]}"))
        );
        assert_eq!(
            difference(&["expect", "objects_exact", "0", "ports"], Mend::Remove).1,
            one("        - {type: a, id: b}")
        );
        assert_eq!(
            difference(&["expect", "objects_exact", "0", "ports", "0"], Mend::Remove).1,
            one("        - {type: a, id: b, ports: [2]}")
        );
        assert_eq!(difference(&["expect", "objects_exact", "1", "id"], Mend::Remove), (one("          id: c"), vec![]));
        assert_eq!(
            difference(&["expect", "objects_exact", "1", "list"], Mend::Append(value(r#""z: 1""#))),
            (vec![], one(r#"            - "z: 1""#))
        );
        assert_eq!(
            difference(&["expect", "objects_exact", "1"], Mend::Add("n".into(), value("null"))),
            (vec![], one(r#"          "n": null"#))
        );
        assert_eq!(
            difference(&list, Mend::Append(value(r#"{"id": "d", "type": "a"}"#))),
            (vec![], one("        - {id: d, type: a}"))
        );
        assert_eq!(
            difference(&["expect", "objects_exact", "0"], Mend::Remove),
            (one("        - {type: a, id: b, ports: [1, 2]}"), vec![])
        );
        let after = mended(&["expect", "objects_exact", "1", "type"], &Mend::Remove);
        assert!(after.contains("        - id: c\n"), "{after}");
    }
}
