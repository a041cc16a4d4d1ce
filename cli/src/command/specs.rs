//! `explain CODE`, `schema`, `reference`: about specs only; no store, no network.

use std::{fs, path::Path};

use calipso_spec::diag;

use crate::{
    args,
    failure::{Exit, Failure},
    output::fitted,
    session::Session,
};

/// `explain CODE`.
///
/// # Errors
/// There is no such code.
pub fn explain_code(code: &str, width: usize) -> Result<(), Failure> {
    if code == "codes" {
        let rows: Vec<Vec<String>> = diag::CODES
            .iter()
            .map(|code| vec![code.code.to_owned(), code.severity.as_str().to_owned(), code.title.to_owned()])
            .collect();
        print!("{}", fitted(&["CODE", "SEVERITY", "WHAT IT FINDS"], &rows, width));
        return Ok(());
    }
    match diag::explain(code) {
        Some(text) => {
            print!("{text}");
            Ok(())
        }
        None => {
            // Without its first half, or misspelt.
            let ending =
                || diag::CODES.iter().map(|known| known.code).find(|known| known.ends_with(&format!("/{code}")));
            let near = calipso_expr::nearest(code, diag::CODES.iter().map(|known| known.code)).or_else(ending);
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
pub fn schema(session: &Session, args: &args::SchemaArgs) -> Result<(), Failure> {
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
            let (place, way) = way_to(dir, session.settings.list("specs"));
            println!(
                "an editor finds the schema by the first line of a spec; `spec new` writes it, and in {place} it is"
            );
            println!("# yaml-language-server: $schema={way}/fetcher.schema.json");
        }
        _ => {
            return Err(Failure::usage("say which kind, or `--out DIR` for all of them")
                .help(format!("kinds are {}", kinds.join(", "))));
        }
    }
    Ok(())
}

/// From the folder of a kind to the folder of the schemas: an editor looks from the file in which the line stands.
fn way_to(schemas: &Path, layers: &[String]) -> (String, String) {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let schemas = whole(schemas);
    let around = schemas.parent().unwrap_or(Path::new("/"));
    let holds_kinds = |folder: &Path| calipso_spec::load::KINDS.iter().any(|(kind, _)| folder.join(kind).is_dir());
    let (shown, layer) = match layers.first() {
        Some(layer) => (layer.clone(), whole(Path::new(layer))),
        // Within a layer or next to one.
        None if holds_kinds(around) => (around.to_string_lossy().into_owned(), around.to_path_buf()),
        None => ("a folder of specs beside it, FOLDER".to_owned(), around.join("FOLDER")),
    };
    let common = layer.components().zip(schemas.components()).take_while(|(a, b)| a == b).count();
    // One step more out of the folder of the kind.
    let mut way = vec![".."; layer.components().count() - common + 1];
    let rest: Vec<String> =
        schemas.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    way.extend(rest.iter().map(String::as_str));
    (format!("{}/fetchers/", shown.trim_end_matches('/')), way.join("/"))
}

/// `reference`.
///
/// # Errors
/// A page differs (with `--check`), or cannot be written.
pub fn reference(args: &args::ReferenceArgs) -> Result<(), Failure> {
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
