//! `check`: every mistake in specs, of a whole catalogue, of layers, or of single files.

use std::path::{Path, PathBuf};

use calipso_spec::{Diagnostic, Layer, Loaded, Severity, diag, load};

use crate::{
    args::{self, DiagnosticsFormat},
    embedded,
    failure::{Exit, Failure},
    session::{Session, read_layer},
    show,
};

/// What is to be checked.
#[derive(Debug, Default)]
struct Asked {
    /// Folders of layers, in order.
    roots: Vec<PathBuf>,
    /// Files of which the findings are wanted, as they are shown; none: all findings.
    files: Vec<String>,
    /// Whether a whole folder was asked for.
    has_folder: bool,
}

/// `check`.
///
/// # Errors
/// There are errors (or warnings, with `--strict`).
pub fn check(session: &Session, args: &args::CheckArgs) -> Result<(), Failure> {
    let asked = Asked::of(&args.paths, session.settings.list("specs"))?;
    if args.alone && asked.roots.is_empty() {
        return Err(
            Failure::usage("`--alone` checks folders by themselves; say which").help("`calipso check --alone DIR`")
        );
    }
    let catalogue = Catalogue::of(session, &asked, args.alone)?;
    let loaded = load(&catalogue.layers);
    let wanted = |found: &&Diagnostic| {
        asked.files.is_empty() || asked.has_folder || asked.files.iter().any(|file| *file == *found.primary.file)
    };
    let found: Vec<Diagnostic> = loaded.diagnostics.iter().filter(wanted).cloned().collect();
    let text = match args.format {
        DiagnosticsFormat::Text => diag::text(&found, &loaded.files, session.colour),
        DiagnosticsFormat::Json => diag::json(&found, &loaded.files),
        DiagnosticsFormat::Sarif => diag::sarif(&found, &loaded.files),
        DiagnosticsFormat::Github => diag::github(&found, &loaded.files),
    };
    print!("{text}");
    let (n_errors, n_warnings) = (count(&found, Severity::Error), count(&found, Severity::Warning));
    if args.format == DiagnosticsFormat::Text {
        let errors = show::count(n_errors, "error", "errors");
        let warnings = show::count(n_warnings, "warning", "warnings");
        println!("{}: {errors}, {warnings}", catalogue.summary(&asked, &loaded));
        let elsewhere = count(&loaded.diagnostics, Severity::Error) - n_errors;
        if elsewhere > 0 {
            let errors = show::count(elsewhere, "error", "errors");
            println!("other files have {errors}; `calipso check FOLDER` shows them");
        }
    }
    if n_errors > 0 || (args.strict && n_warnings > 0) {
        let mut advice = "`calipso explain CODE` explains a code".to_owned();
        if args.alone && n_errors > 0 {
            let over = load(&Catalogue::of(session, &asked, false)?.layers);
            let gone = n_errors.saturating_sub(count(&over.diagnostics, Severity::Error));
            if gone > 0 {
                advice = format!(
                    "{gone} of the errors are not there over the built-in specs: leave out `--alone` to check them as a layer"
                );
            }
        }
        return Err(Failure::new(Exit::Findings, "the specs are not as they should be").help(advice));
    }
    if asked.files.is_empty() && catalogue.n_own(&asked, &loaded) == 0 {
        return Err(Failure::usage("there is no spec in these folders")
            .help("specs lie in folders named after their kind: fetchers/, object_types/, …"));
    }
    Ok(())
}

fn count(found: &[Diagnostic], severity: Severity) -> usize {
    found.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

impl Asked {
    fn of(paths: &[PathBuf], specs: &[String]) -> Result<Self, Failure> {
        let mut asked = Self::default();
        for path in paths {
            if path.is_dir() {
                asked.has_folder = true;
                asked.add(path.clone());
            } else if path.is_file() {
                let (root, below) = layer_around(path, specs)?;
                asked.files.push(format!("{}/{below}", root.to_string_lossy().trim_end_matches('/')));
                asked.add(root);
            } else {
                return Err(Failure::usage(format!("there is no `{}`", path.display()))
                    .help("`calipso check` takes folders of specs and single files"));
            }
        }
        Ok(asked)
    }

    fn add(&mut self, root: PathBuf) {
        if !self.roots.iter().any(|known| is_same(known, &root)) {
            self.roots.push(root);
        }
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The layer that a file belongs to, and the file's path in it: a layer that is named anyway, or the folder around the
/// folder of a kind.
fn layer_around(file: &Path, specs: &[String]) -> Result<(PathBuf, String), Failure> {
    let cannot = |error: &std::io::Error| Failure::usage(format!("cannot read `{}`: {error}", file.display()));
    let whole = std::path::absolute(file).map_err(|error| cannot(&error))?;
    let real = file.canonicalize().map_err(|error| cannot(&error))?;
    for layer in specs {
        let layer = Path::new(layer);
        if let Ok(below) = layer
            .canonicalize()
            .and_then(|root| real.strip_prefix(root).map(Path::to_path_buf).map_err(std::io::Error::other))
        {
            return Ok((layer.to_path_buf(), below.to_string_lossy().into_owned()));
        }
    }
    let is_kind = |folder: &Path| {
        let name = folder.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| calipso_spec::load::KINDS.iter().any(|(known, _)| *known == name))
    };
    let folders = || whole.ancestors().skip(1);
    let around = folders().find(|folder| is_kind(folder)).and_then(Path::parent).or_else(|| folders().next());
    let Some(around) = around else { return Err(Failure::usage(format!("`{}` lies in no folder", file.display()))) };
    let below = whole.strip_prefix(around).unwrap_or(&whole).to_string_lossy().into_owned();
    // As the user wrote it, if that is unambiguous.
    let depth = below.matches('/').count() + 1;
    let written =
        file.ancestors().nth(depth).map(|root| if root.as_os_str().is_empty() { Path::new(".") } else { root });
    let root = written.filter(|root| is_same(root, around)).unwrap_or(around);
    Ok((root.to_path_buf(), below))
}

/// The layers that are checked together.
struct Catalogue {
    layers: Vec<Layer>,
    /// Whether the built-in specs are below what was asked for.
    is_over: bool,
}

impl Catalogue {
    fn of(session: &Session, asked: &Asked, alone: bool) -> Result<Self, Failure> {
        if asked.roots.is_empty() {
            return Ok(Self { layers: session.layers()?, is_over: false });
        }
        let mut roots: Vec<PathBuf> = Vec::new();
        if !alone {
            roots.extend(session.settings.list("specs").iter().map(PathBuf::from));
            roots.retain(|root| !asked.roots.iter().any(|other| is_same(root, other)));
        }
        roots.extend(asked.roots.iter().cloned());
        let mut layers = roots.iter().map(|root| read_layer(root)).collect::<Result<Vec<_>, _>>()?;
        let built_in = embedded::specs();
        // The folder that the built-in specs come from stands for them; over themselves, each would replace itself.
        let source = if alone { None } else { layers.iter().position(|layer| is_source_of(layer, &built_in)) };
        let first = match source {
            Some(index) => Some(layers.remove(index)),
            None if alone => None,
            None => Some(built_in),
        };
        let is_over = source.is_none() && !alone;
        let layers = first.into_iter().chain(layers).collect();
        Ok(Self { layers, is_over })
    }

    /// How many spec files of what was asked for were read.
    fn n_own(&self, asked: &Asked, loaded: &Loaded) -> usize {
        if asked.roots.is_empty() {
            return loaded.n_specs;
        }
        let of_it = |layer: &&Layer| asked.roots.iter().any(|root| *root.to_string_lossy() == *layer.name);
        self.layers
            .iter()
            .filter(of_it)
            .flat_map(|layer| &layer.files)
            .filter(|(path, _)| calipso_spec::load::is_spec(path))
            .count()
    }

    fn summary(&self, asked: &Asked, loaded: &Loaded) -> String {
        let over = if self.is_over { " over the built-in ones" } else { "" };
        if asked.has_folder || asked.files.is_empty() {
            format!("{} checked{over}", show::count(self.n_own(asked, loaded), "spec", "specs"))
        } else {
            match asked.files.len() {
                1 => format!("1 file checked{over}"),
                n_files => format!("{n_files} files checked{over}"),
            }
        }
    }
}

/// Whether a folder holds the built-in specs themselves: more than half of them.
fn is_source_of(layer: &Layer, built_in: &Layer) -> bool {
    let known: std::collections::BTreeSet<&str> = layer.files.iter().map(|(path, _)| path.as_ref()).collect();
    let specs = || built_in.files.iter().filter(|(path, _)| calipso_spec::load::is_spec(path));
    2 * specs().filter(|(path, _)| known.contains(path.as_ref())).count() > specs().count()
}
