//! Specs that are kept as documents instead of files: the layer that one environment lays over all others.

use std::sync::Arc;

use calipso_model::Str;

use crate::load::{KINDS, Layer};

/// A spec that is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecText {
    /// `fetcher`, `link_type`, …
    pub kind: Str,
    /// What its file would be called without `.yaml`; `NAME.test` is the test of `NAME`.
    pub name: Str,
    /// The whole YAML text.
    pub text: Arc<str>,
}

/// Why a document cannot be a spec, whatever its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misnamed {
    /// There is no such kind.
    #[error("there is no kind of spec `{kind}`; there are {}", KINDS.iter().map(|(_, kind)| *kind).collect::<Vec<_>>().join(", "))]
    Kind {
        /// What it says.
        kind: Str,
    },
    /// A file could not be called so.
    #[error("`{name}` is no name for a spec: write letters, digits, `_`, `-` and `.`")]
    Name {
        /// What it says.
        name: Str,
    },
}

/// A layer of specs that are no files; load it after those that it changes.
///
/// # Shape
/// Diagnostics name a spec `LAYER/FOLDER/NAME.yaml`, as if the layer were a folder.
/// # Errors
/// Every document that cannot be a spec.
pub fn layer_of(name: &str, specs: &[SpecText]) -> Result<Layer, Vec<Misnamed>> {
    let mut layer = Layer { name: name.into(), files: Vec::new() };
    let mut problems = Vec::new();
    for spec in specs {
        let folder = KINDS.iter().find(|(_, kind)| *kind == spec.kind.as_ref()).map(|(folder, _)| *folder);
        let usable = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        if folder.is_none() {
            problems.push(Misnamed::Kind { kind: spec.kind.clone() });
        }
        if spec.name.is_empty() || spec.name.starts_with('.') || !spec.name.chars().all(usable) {
            problems.push(Misnamed::Name { name: spec.name.clone() });
        } else if let Some(folder) = folder {
            layer.files.push((format!("{folder}/{}.yaml", spec.name).into(), Arc::clone(&spec.text)));
        }
    }
    if problems.is_empty() { Ok(layer) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: &str, name: &str, text: &str) -> SpecText {
        SpecText { kind: kind.into(), name: name.into(), text: text.into() }
    }

    #[test]
    fn documents_become_files_of_a_layer() {
        let text = "schema: object_type/v1\nname: room\ncolour: red\n";
        let layer = layer_of("specs of shop", &[spec("object_type", "room", text)]).unwrap();
        let loaded = crate::load(&[layer]);
        let found = loaded.diagnostics.iter().find(|found| found.message.contains("colour")).unwrap();
        assert_eq!(found.primary.file.as_ref(), "specs of shop/object_types/room.yaml");
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        let refused = layer_of(
            "x",
            &[spec("thing", "a", ""), spec("fetcher", "../a", ""), spec("fetcher", "", ""), spec("fetcher", ".a", "")],
        );
        let sentences: Vec<String> = refused.unwrap_err().iter().map(ToString::to_string).collect();
        assert!(sentences[0].starts_with("there is no kind of spec `thing`; there are distribution, connection"));
        assert!(sentences[1].starts_with("`../a` is no name"));
        assert_eq!(sentences.len(), 4);
    }
}
