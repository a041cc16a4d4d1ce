//! `test --update`: what failing cases expect becomes what was found.

use std::{collections::BTreeMap, fs, path::Path};

use calipso_model::Str;
use calipso_pipeline::TestReport;
use calipso_spec::{
    Loaded,
    spec_test::{Edit, edited},
};

use super::write;
use crate::failure::{Exit, Failure};

/// # Errors
/// A file cannot be written, or something failed that no expectation can mend.
pub(super) fn update(loaded: &Loaded, report: &TestReport) -> Result<(), Failure> {
    let mut files: BTreeMap<&Str, Vec<Edit>> = BTreeMap::new();
    let mut left = 0;
    for problem in report.cases.iter().flat_map(|case| &case.problems) {
        match &problem.mend {
            Some(edit) => files.entry(&problem.at.file).or_default().push(edit.clone()),
            None => {
                left += 1;
                println!("{}: {}", problem.at, problem.text);
            }
        }
    }
    let n_edits: usize = files.values().map(Vec::len).sum();
    for (file, edits) in &files {
        let path = Path::new(file.as_ref());
        let text = loaded.files.get(file.as_ref()).map_or("", |text| text.as_ref());
        // The built-in tests are part of the program, and a file that has changed meanwhile is not ours to overwrite.
        if fs::read_to_string(path).ok().as_deref() != Some(text) {
            return Err(Failure::usage(format!("`{file}` is no file that could be rewritten"))
                .help("tests of the built-in specs are rewritten with `--specs specs` in a clone of the project"));
        }
        write(path, &edited(text, edits))?;
        println!("{file}: {} expectations rewritten", edits.len());
    }
    if left > 0 {
        return Err(Failure::new(Exit::Findings, format!("{left} failures cannot be mended by what a test expects")));
    }
    if n_edits == 0 {
        println!("nothing to rewrite: every test passes");
    } else {
        println!("run the tests again, and read the difference before you keep it");
    }
    Ok(())
}
