//! `fmt`: formats spec files, and changes nothing of what they mean.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use calipso_spec::format::{NotFormatted, format};

use crate::{
    args,
    failure::{Exit, Failure},
    session::Session,
};

/// `fmt`.
///
/// # Errors
/// A file cannot be read, written or formatted; with `--check`, one is not formatted.
pub fn run(session: &Session, args: &args::FmtArgs) -> Result<(), Failure> {
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        paths.extend(session.settings.list("specs").iter().map(PathBuf::from));
    }
    if paths.is_empty() {
        return Err(Failure::usage("say which files or folders").help("`calipso fmt my-specs`"));
    }
    let mut files = Vec::new();
    for path in &paths {
        gather(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Failure::usage("there is no `.yaml` file in these folders"));
    }
    let (mut n_changed, mut n_wrong) = (0, 0);
    for file in &files {
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", file.display())))?;
        match format(&text) {
            Ok(formatted) if formatted == text => {}
            Ok(formatted) => {
                n_changed += 1;
                println!("{}{}", if args.check { "not formatted: " } else { "formatted " }, file.display());
                if !args.check {
                    replace(file, &formatted)?;
                }
            }
            Err(error) => {
                n_wrong += 1;
                match error {
                    NotFormatted::NotYaml { .. } => eprintln!("error: {}:{error}", file.display()),
                    NotFormatted::Changed => eprintln!("error: {}: {error}", file.display()),
                }
            }
        }
    }
    if n_wrong > 0 {
        return Err(Failure::new(Exit::Findings, format!("{n_wrong} of {} files could not be formatted", files.len()))
            .help("`calipso check FILE` says more"));
    }
    if args.check && n_changed > 0 {
        return Err(Failure::new(Exit::Findings, format!("{n_changed} of {} files are not formatted", files.len()))
            .help("format them: the same command without `--check`"));
    }
    Ok(())
}

/// The spec files at or below a path, sorted.
fn gather(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::usage(format!("cannot read `{}`: {error}", path.display()));
    if !path.is_dir() {
        fs::metadata(path).map_err(cannot)?;
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(cannot)?;
    let mut below: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(cannot)?;
    below.sort();
    for inner in below {
        let hidden = inner.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_link = inner.is_symlink();
        if hidden || is_link {
            continue;
        }
        if inner.is_dir() {
            gather(&inner, files)?;
        } else if inner.extension().is_some_and(|end| end == "yaml") {
            files.push(inner);
        }
    }
    Ok(())
}

/// Replaces a file in one step: an interruption leaves the old text. Its permissions stay.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        // A symbolic link stays one: its target is written.
        let file = file.canonicalize()?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().set_permissions(fs::metadata(&file)?.permissions())?;
        new.persist(&file)?;
        Ok(())
    };
    write().map_err(|error| Failure::usage(format!("cannot write `{}`: {error}", file.display())))
}
