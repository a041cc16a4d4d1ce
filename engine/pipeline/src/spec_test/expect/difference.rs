//! What differs between two values, field by field.

use calipso_model::Value;
use calipso_spec::spec_test::Mend;

/// One field that is not as expected.
pub(super) struct Difference {
    /// Keys and numbers of elements that lead to it.
    pub(super) path: Vec<String>,
    /// What is expected and what was found.
    pub(super) says: String,
    /// What would make it expected, and whether at the place itself or around it.
    pub(super) mend: (Around, Mend),
}

/// Where something is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// At the place.
    Here,
    /// In the list or map that the place is missing in.
    Outside,
}

impl Difference {
    /// The path as it is said: `ports[2].name`.
    pub(super) fn shown_path(&self) -> String {
        let mut shown = String::new();
        for part in &self.path {
            if part.bytes().all(|byte| byte.is_ascii_digit()) {
                shown += &format!("[{part}]");
            } else {
                shown += &format!("{}{part}", if shown.is_empty() { "" } else { "." });
            }
        }
        shown
    }
}

/// Everything that differs; a null that is expected may be absent. `partly`: maps may hold more than is expected.
pub(super) fn differences(wanted: &Value, found: Option<&Value>, partly: bool) -> Vec<Difference> {
    let mut all = Vec::new();
    gather(wanted, found, partly, &mut Vec::new(), &mut all);
    all
}

fn gather(wanted: &Value, found: Option<&Value>, partly: bool, path: &mut Vec<String>, all: &mut Vec<Difference>) {
    let mut add = |path: &[String], says: String, found: Option<&Value>| {
        let mend = (Around::Here, found.map_or(Mend::Remove, |found| Mend::Replace(found.clone())));
        all.push(Difference { path: path.to_vec(), says, mend });
    };
    match (wanted, found) {
        (Value::Null, None) => {}
        // At the top it is asked for by name, and null says that it is not there.
        (wanted, None) if path.is_empty() => {
            add(path, format!("expected {}, found nothing", shown(wanted)), Some(&Value::Null));
        }
        (wanted, None) => add(path, format!("expected {}, found nothing", shown(wanted)), None),
        (Value::Map(wanted), Some(Value::Map(found))) => {
            for (key, value) in wanted {
                path.push(key.to_string());
                match (found.get(key), value) {
                    // Inside of a value that is compared whole, null is not the same as nothing.
                    (None, Value::Null) if !partly => {
                        let says = "expected null, found nothing".to_owned();
                        all.push(Difference { path: path.clone(), says, mend: (Around::Here, Mend::Remove) });
                    }
                    (inner, value) => gather(value, inner, partly, path, all),
                }
                path.pop();
            }
            for (key, value) in found.iter().filter(|(key, _)| !partly && !wanted.contains_key(key)) {
                let path: Vec<String> = path.iter().cloned().chain([key.to_string()]).collect();
                let mend = (Around::Outside, Mend::Add(key.to_string(), value.clone()));
                all.push(Difference { path, says: format!("not expected, found {}", shown(value)), mend });
            }
        }
        (Value::List(wanted), Some(Value::List(found))) => {
            for (number, value) in wanted.iter().enumerate() {
                path.push(number.to_string());
                match found.get(number) {
                    None => {
                        let says = format!("expected {}, but the list ends before", shown(value));
                        all.push(Difference { path: path.clone(), says, mend: (Around::Here, Mend::Remove) });
                    }
                    Some(inner) => gather(value, Some(inner), partly, path, all),
                }
                path.pop();
            }
            for (number, value) in found.iter().enumerate().skip(wanted.len()) {
                let path: Vec<String> = path.iter().cloned().chain([number.to_string()]).collect();
                let mend = (Around::Outside, Mend::Append(value.clone()));
                all.push(Difference { path, says: format!("not expected, found {}", shown(value)), mend });
            }
        }
        (wanted, Some(found)) if wanted == found => {}
        (Value::Str(text), Some(known @ Value::Str(other))) if text.len().max(other.len()) > LONG => {
            add(path, texts(text, other), Some(known));
        }
        (wanted, Some(found)) => add(path, format!("expected {}, found {}", shown(wanted), shown(found)), Some(found)),
    }
}

/// Longer than this, a value is cut.
const LONG: usize = 120;

/// A value in a message.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_json();
    if text.chars().count() <= LONG {
        return text;
    }
    let cut: String = text.chars().take(LONG).collect();
    format!("{cut}… ({} more characters)", text.chars().count() - LONG)
}

/// Two long texts: the first line that differs.
fn texts(wanted: &str, found: &str) -> String {
    let (mut wanted_lines, mut found_lines) = (wanted.lines(), found.lines());
    let mut number = 1;
    loop {
        match (wanted_lines.next(), found_lines.next()) {
            (Some(one), Some(other)) if one == other => number += 1,
            (None, None) => return "the texts differ in their line breaks".to_owned(),
            (one, other) => {
                let line =
                    |line: Option<&str>| line.map_or("no such line".to_owned(), |line| shown(&Value::text(line)));
                return format!("line {number}: expected {}, found {}", line(one), line(other));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use calipso_model::Value;

    use super::differences;

    fn all(wanted: &str, found: &str, partly: bool) -> Vec<String> {
        let value = |text: &str| Value::from_json(text).unwrap();
        differences(&value(wanted), Some(&value(found)), partly)
            .iter()
            .map(|difference| format!("{} {}", difference.shown_path(), difference.says))
            .collect()
    }

    #[test]
    fn only_what_differs_is_said() {
        let wanted = r#"{"a": 1, "ports": [{"n": "x"}, {"n": "y"}, {"n": "z"}], "none": null}"#;
        let found = r#"{"a": 1, "ports": [{"n": "x"}, {"n": "Y", "tag": 2}], "more": true}"#;
        assert_eq!(
            all(wanted, found, true),
            [r#"ports[1].n expected "y", found "Y""#, r#"ports[2] expected {"n":"z"}, but the list ends before"#]
        );
        assert_eq!(all(wanted, found, false).len(), 5);
        assert!(all("[1, 2]", "[1, 2]", false).is_empty());
    }

    #[test]
    fn long_texts_are_compared_line_by_line() {
        let long = "x".repeat(200);
        let text = |last: &str| Value::text(&format!("{long}\n{last}")).to_json();
        assert_eq!(all(&text("a"), &text("b"), false), [r#" line 2: expected "a", found "b""#]);
        let cut = all("1", &text("a"), false);
        assert!(cut[0].len() < 200 && cut[0].ends_with("more characters)"), "{cut:?}");
    }
}
