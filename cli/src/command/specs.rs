//! `check`, `explain CODE`, `schema`, `reference`: about specs only; no store, no network.

use std::{fs, path::Path};

use calipso_spec::{Severity, diag, load};

use crate::{
    args::{self, Report},
    failure::{Exit, Failure},
    output::table,
    session::{Session, read_layer},
};

/// `check`.
///
/// # Errors
/// There are errors (or warnings, with `--strict`).
pub fn check(session: &Session, args: &args::Check) -> Result<(), Failure> {
    let loaded = if args.dirs.is_empty() {
        session.load()?
    } else {
        let layers = args.dirs.iter().map(|dir| read_layer(dir)).collect::<Result<Vec<_>, _>>()?;
        load(&layers)
    };
    let text = match args.format {
        Report::Text => diag::text(&loaded.diagnostics, &loaded.files, session.colour),
        Report::Json => diag::json(&loaded.diagnostics, &loaded.files),
        Report::Sarif => diag::sarif(&loaded.diagnostics, &loaded.files),
        Report::Github => diag::github(&loaded.diagnostics, &loaded.files),
    };
    print!("{text}");
    let count = |severity| loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (n_errors, n_warnings) = (count(Severity::Error), count(Severity::Warning));
    if args.format == Report::Text {
        println!("{} specs checked: {n_errors} errors, {n_warnings} warnings", loaded.n_specs);
    }
    if n_errors > 0 || (args.strict && n_warnings > 0) {
        return Err(Failure::new(Exit::Findings, "the specs are not as they should be")
            .help("`calipso explain CODE` explains a code"));
    }
    if loaded.n_specs == 0 {
        return Err(Failure::usage("there is no spec in these folders")
            .help("specs lie in folders named after their kind: fetchers/, object_types/, …"));
    }
    Ok(())
}

/// `explain CODE`.
///
/// # Errors
/// There is no such code.
pub fn explain_code(code: &str) -> Result<(), Failure> {
    if code == "codes" {
        let rows: Vec<Vec<String>> = diag::CODES
            .iter()
            .map(|code| vec![code.code.to_owned(), code.severity.as_str().to_owned(), code.title.to_owned()])
            .collect();
        print!("{}", table(&["CODE", "SEVERITY", "WHAT IT FINDS"], &rows));
        return Ok(());
    }
    match diag::explain(code) {
        Some(text) => {
            print!("{text}");
            Ok(())
        }
        None => {
            let near = calipso_expr::nearest(code, diag::CODES.iter().map(|known| known.code));
            let failure = Failure::usage(format!("no diagnostic has the code `{code}`"));
            Err(match near {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help("`calipso explain codes` lists all of them"),
            })
        }
    }
}

/// `schema`.
///
/// # Errors
/// Unknown kind, or the folder cannot be written.
pub fn schema(args: &args::Schema) -> Result<(), Failure> {
    let schemas = calipso_spec::schema::schemas();
    let kinds: Vec<&str> = schemas.iter().map(|(kind, _)| *kind).collect();
    match (&args.kind, &args.out) {
        (Some(kind), None) => match schemas.iter().find(|(known, _)| known == kind) {
            Some((_, text)) => print!("{text}"),
            None => {
                return Err(Failure::usage(format!("there is no kind `{kind}`"))
                    .help(format!("kinds are {}", kinds.join(", "))));
            }
        },
        (None, Some(dir)) => {
            fs::create_dir_all(dir).map_err(|error| cannot_write(dir, &error))?;
            for (kind, text) in &schemas {
                let file = dir.join(format!("{kind}.schema.json"));
                fs::write(&file, text).map_err(|error| cannot_write(&file, &error))?;
            }
            println!("{} schemas written to {}", schemas.len(), dir.display());
            println!("an editor finds them by this first line of a spec:");
            println!("# yaml-language-server: $schema={}/fetcher.schema.json", dir.display());
        }
        _ => {
            return Err(Failure::usage("say which kind, or `--out DIR` for all of them")
                .help(format!("kinds are {}", kinds.join(", "))));
        }
    }
    Ok(())
}

/// `reference`.
///
/// # Errors
/// A page differs (with `--check`), or cannot be written.
pub fn reference(args: &args::Reference) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for (name, text) in calipso_spec::reference::pages() {
        let file = args.dir.join(name);
        if args.check {
            if fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
                wrong.push(file.display().to_string());
            }
            continue;
        }
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(|error| cannot_write(parent, &error))?;
        }
        fs::write(&file, text).map_err(|error| cannot_write(&file, &error))?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Findings, format!("these pages are not up to date: {}", wrong.join(", ")))
        .help("write them again: `just reference`"))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`: {error}", path.display()))
}
