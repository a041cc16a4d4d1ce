//! One diagnostic, several renderings: text for people, JSON, SARIF, annotations.

use std::collections::BTreeMap;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::{CODES, Diagnostic, Files, Lines, Severity};

/// As a compiler prints it.
#[must_use]
pub fn text(diagnostics: &[Diagnostic], files: &Files, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(diagnostic.message.as_str())
            .id(diagnostic.code)
            .elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new());
        let mut labels = vec![(AnnotationKind::Primary, &diagnostic.primary)];
        labels.extend(diagnostic.others.iter().map(|label| (AnnotationKind::Context, label)));
        let mut shown: Vec<&str> = Vec::new();
        for (_, label) in &labels {
            if shown.contains(&label.file.as_ref()) {
                continue;
            }
            shown.push(&label.file);
            let source = files.get(&label.file).map_or("", AsRef::as_ref);
            let mut snippet = Snippet::source(source).path(label.file.as_ref());
            for (kind, label) in labels.iter().filter(|(_, other)| other.file == label.file) {
                let start = label.range.start.min(source.len());
                let end = label.range.end.clamp(start, source.len());
                let annotation = kind.span(start..end);
                snippet = snippet.annotation(if label.text.is_empty() {
                    annotation
                } else {
                    annotation.label(label.text.as_str())
                });
            }
            group = group.element(snippet);
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        out.push_str(&renderer.render(&[group]).to_string());
        out.push_str("\n\n");
    }
    out
}

/// The lines of every file in which something was found.
struct FilesByName<'f>(BTreeMap<&'f str, (&'f str, Lines)>);

impl<'f> FilesByName<'f> {
    fn new(diagnostics: &'f [Diagnostic], files: &'f Files) -> Self {
        let mut by_file = BTreeMap::new();
        for label in diagnostics.iter().flat_map(|found| std::iter::once(&found.primary).chain(&found.others)) {
            by_file.entry(label.file.as_ref()).or_insert_with(|| {
                let text = files.get(&label.file).map_or("", AsRef::as_ref);
                (text, Lines::new(text))
            });
        }
        Self(by_file)
    }
}

fn position(label: &super::Label, files: &FilesByName<'_>) -> Value {
    let at = |offset| files.0.get(label.file.as_ref()).map_or((1, 1), |(text, lines)| lines.line_column(text, offset));
    let (line, column) = at(label.range.start);
    let (end_line, end_column) = at(label.range.end);
    json!({
        "file": label.file.as_ref(), "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        "label": label.text,
    })
}

/// One JSON document: `{"diagnostics": [...], "errors": n, "warnings": n}`.
#[must_use]
pub fn json(diagnostics: &[Diagnostic], files: &Files) -> String {
    let files = FilesByName::new(diagnostics, files);
    let list: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let mut entry = position(&diagnostic.primary, &files);
            entry["code"] = json!(diagnostic.code);
            entry["severity"] = json!(diagnostic.severity.as_str());
            entry["message"] = json!(diagnostic.message);
            entry["help"] = json!(diagnostic.help);
            entry["others"] = diagnostic.others.iter().map(|label| position(label, &files)).collect();
            entry
        })
        .collect();
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let document = json!({
        "diagnostics": list, "errors": count(Severity::Error), "warnings": count(Severity::Warning),
    });
    let mut text = serde_json::to_string_pretty(&document).expect("a JSON value can be written");
    text.push('\n');
    text
}

/// All diagnostics as one document of SARIF 2.1.0.
#[must_use]
pub fn sarif(diagnostics: &[Diagnostic], files: &Files) -> String {
    let files = FilesByName::new(diagnostics, files);
    let region = |label: &super::Label| {
        let at = position(label, &files);
        json!({"physicalLocation": {
            "artifactLocation": {"uri": label.file.as_ref()},
            "region": {"startLine": at["line"], "startColumn": at["column"], "endLine": at["end_line"], "endColumn": at["end_column"]},
        }})
    };
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let mut message = diagnostic.message.clone();
            if let Some(help) = &diagnostic.help {
                message.push_str("; ");
                message.push_str(help);
            }
            json!({
                "ruleId": diagnostic.code, "level": diagnostic.severity.as_str(), "message": {"text": message},
                "locations": [region(&diagnostic.primary)],
                "relatedLocations": diagnostic.others.iter().map(region).collect::<Vec<_>>(),
            })
        })
        .collect();
    let rules: Vec<Value> = CODES
        .iter()
        .filter(|code| diagnostics.iter().any(|diagnostic| diagnostic.code == code.code))
        .map(|code| json!({"id": code.code, "shortDescription": {"text": code.title}, "fullDescription": {"text": code.explanation}}))
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "calipso", "version": env!("CARGO_PKG_VERSION"), "rules": rules}}, "results": results}],
    });
    let mut text = serde_json::to_string_pretty(&document).expect("a JSON value can be written");
    text.push('\n');
    text
}

/// Annotations of GitHub Actions, a line each.
#[must_use]
pub fn github(diagnostics: &[Diagnostic], files: &Files) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let files = FilesByName::new(diagnostics, files);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let at = position(&diagnostic.primary, &files);
        let mut message = diagnostic.message.clone();
        if let Some(help) = &diagnostic.help {
            message.push('\n');
            message.push_str(help);
        }
        out.push_str(&format!(
            "::{} file={},line={},col={},endLine={},endColumn={},title={}::{}\n",
            diagnostic.severity.as_str(),
            property(&diagnostic.primary.file),
            at["line"],
            at["column"],
            at["end_line"],
            at["end_column"],
            property(diagnostic.code),
            data(&message)
        ));
    }
    out
}
