//! Conformance cases as they lie in their folder, one JSON file each.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use calipso_model::{Map, Str, Value};

/// One case.
pub struct Case {
    /// File name without its ending.
    pub id: Str,
    /// What is tested.
    pub subject: Str,
    /// Everything the program may use.
    pub given: Map,
    /// What must come out, and how to compare.
    pub expect: Map,
}

/// Reads every case below a folder, sorted by id.
pub fn read(folder: &Path) -> Result<Vec<Case>> {
    let mut files = Vec::new();
    gather(folder, &mut files)?;
    let mut cases = files.iter().map(|file| one(file)).collect::<Result<Vec<_>>>()?;
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some([twice, _]) = cases.array_windows().find(|[a, b]| a.id == b.id) {
        bail!("two cases are called `{}`", twice.id);
    }
    Ok(cases)
}

fn gather(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
    }
    Ok(())
}

fn one(file: &Path) -> Result<Case> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let value = Value::from_json(&text).with_context(|| format!("`{}` is no JSON", file.display()))?;
    let text_of = |key: &str| value.as_map().and_then(|case| case.text(key)).cloned();
    let map_of = |key: &str| value.as_map().and_then(|case| case.get(key)?.as_map()).cloned();
    let case = || {
        Some(Case {
            id: text_of("id")?,
            subject: text_of("subject")?,
            given: map_of("given")?,
            expect: map_of("expect")?,
        })
    };
    case().with_context(|| format!("`{}` lacks `id`, `subject`, `given` or `expect`", file.display()))
}
