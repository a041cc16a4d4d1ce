//! `spec new`: writes an example of a kind, with a test that passes, for an author to begin with.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use calipso_spec::{Loaded, load::KINDS};

use crate::{
    failure::Failure,
    session::{Session, read_layer},
};

/// What an example begins as: kind, spec, test. `NAME` stands for its name, `FROM` and `TO` for the ends of a link type,
/// `KEY-OF-…` for what these are joined by.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("distribution", include_str!("new/distribution.yaml"), include_str!("new/distribution.test.yaml")),
    ("connection", include_str!("new/connection.yaml"), include_str!("new/connection.test.yaml")),
    ("object_type", include_str!("new/object_type.yaml"), include_str!("new/object_type.test.yaml")),
    ("parser", include_str!("new/parser.yaml"), include_str!("new/parser.test.yaml")),
    ("fetcher", include_str!("new/fetcher.yaml"), include_str!("new/fetcher.test.yaml")),
    ("link_type", include_str!("new/link_type.yaml"), include_str!("new/link_type.test.yaml")),
    ("clique_type", include_str!("new/clique_type.yaml"), include_str!("new/clique_type.test.yaml")),
];

/// `spec new`.
///
/// # Errors
/// The kind, the name or the folder cannot be used, or something is there already.
pub fn new(session: &Session, kind: &str, name: &str, dir: Option<&Path>) -> Result<(), Failure> {
    let kinds: Vec<&str> = KINDS.iter().map(|(_, kind)| *kind).collect();
    let example = EXAMPLES.iter().find(|(existing_file, ..)| *existing_file == kind);
    let folder = KINDS.iter().find(|(_, existing_file)| *existing_file == kind).map(|(folder, _)| *folder);
    let (Some((_, spec, test)), Some(folder)) = (example, folder) else {
        return Err(
            Failure::usage(format!("there is no kind `{kind}`")).help(format!("kinds are {}", kinds.join(", ")))
        );
    };
    may_be_named(name)?;
    let layer = match (dir, session.settings.list("specs").last()) {
        (Some(dir), _) => dir.to_path_buf(),
        (None, Some(dir)) => PathBuf::from(dir),
        (None, None) => {
            return Err(Failure::usage("say into which folder of specs")
                .help("for example `--in my-specs`; it is made if it is not there"));
        }
    };
    let loaded = loaded_with(session, &layer)?;
    if let Some(file) = existing_file(&loaded, kind, name) {
        return Err(Failure::usage(format!("there is a {kind} `{name}` already, in {file}")).help(
            "choose another name; or write a spec of this name with `extends: true` (it adds) or `overrides: true` (it replaces)",
        ));
    }
    let ends = if kind == "link_type" { ends(&loaded, name)? } else { Ends::default() };
    let filled = |text: &str| {
        // The ends of the keys first: they have the shorter words in them.
        text.replace("KEY-OF-FROM", &ends.key.replace("END", "from"))
            .replace("KEY-OF-TO", &ends.key.replace("END", "to"))
            // Where the host is a part of the key, the same name on another host is another one.
            .replace("SECOND", if ends.key.contains("host") { "one" } else { "second" })
            .replace("FROM", &ends.from)
            .replace("TO", &ends.to)
            .replace("NAME", name)
    };
    let (spec, test) = (filled(spec), filled(test));
    let index = layer.join(folder);
    fs::create_dir_all(&index).map_err(|error| cannot_write(&index, &error))?;
    let (spec_file, test_file) = (index.join(format!("{name}.yaml")), index.join(format!("{name}.test.yaml")));
    for file in [&spec_file, &test_file] {
        if fs::symlink_metadata(file).is_ok() {
            return Err(there_already(file));
        }
    }
    write(&spec_file, &with_modeline(&layer, kind, spec))?;
    write(&test_file, &with_modeline(&layer, "test", test))?;
    let layer = layer.display();
    println!("{}", spec_file.display());
    println!("{}", test_file.display());
    println!("change what the comments tell, then");
    println!("  calipso check {layer}");
    println!("  calipso test --specs {layer} {name}");
    if kind == "fetcher" {
        println!("  calipso try {name} --specs {layer} --at HOST --replay RECORDING");
    }
    Ok(())
}

/// The built-in specs with the layers over them, the one that is written into among them.
fn loaded_with(session: &Session, layer: &Path) -> Result<Loaded, Failure> {
    let mut layers = session.layers()?;
    let is_same = |dir: &String| {
        dir.as_str() == layer.to_string_lossy() || {
            let whole = Path::new(dir).canonicalize();
            whole.is_ok() && whole.ok() == layer.canonicalize().ok()
        }
    };
    if layer.is_dir() && !session.settings.list("specs").iter().any(is_same) {
        layers.push(read_layer(layer)?);
    }
    Ok(calipso_spec::load(&layers))
}

/// A name is that of a file and of what others write in their specs.
fn may_be_named(name: &str) -> Result<(), Failure> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    // In YAML these are no text.
    let is_word = ["null", "true", "false"].iter().any(|word| name.eq_ignore_ascii_case(word));
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if begins && name.chars().all(fits) && !is_word && !name.ends_with(".yaml") && name.len() <= 100 {
        return Ok(());
    }
    Err(Failure::usage(format!("`{name}` cannot be the name of a spec"))
        .help("a name begins with a letter, and has letters, digits, `_`, `-` and `.`; `.yaml` is added to it"))
}

/// The file of a spec that is there already, in whatever layer.
fn existing_file(loaded: &Loaded, kind: &str, name: &str) -> Option<String> {
    let specs = &loaded.specs;
    let at = match kind {
        "distribution" => specs.distributions.get(name).map(|spec| &spec.head.at),
        "connection" => specs.connections.get(name).map(|spec| &spec.head.at),
        "object_type" => specs.object_types.get(name).map(|spec| &spec.head.at),
        "fetcher" => specs.fetchers.get(name).map(|spec| &spec.head.at),
        "link_type" => specs.link_types.get(name).map(|spec| &spec.head.at),
        "clique_type" => specs.clique_types.get(name).map(|spec| &spec.head.at),
        _ => return loaded.parsers.contains_key(name).then(|| format!("parsers/{name}.yaml")),
    };
    at.map(|at| at.file.to_string())
}

/// What a link type connects, and by what.
#[derive(Default)]
struct Ends {
    from: String,
    to: String,
    key: &'static str,
}

/// The two types that a link type is named by, which both have to be there.
fn ends(loaded: &Loaded, name: &str) -> Result<Ends, Failure> {
    let types = &loaded.specs.object_types;
    let cuts = name.match_indices('-').map(|(index, _)| (&name[..index], &name[index + 1..]));
    let Some((from, to)) = cuts.into_iter().find(|(from, to)| types.contains_key(*from) && types.contains_key(*to))
    else {
        return Err(Failure::usage(format!("`{name}` is not FROM-TO with two object types that are there")).help(
            "write for example `instance-host`; a type of your own comes first: `calipso spec new object_type NAME`",
        ));
    };
    let has_host =
        |name: &str| types.get(name).is_some_and(|existing_file| existing_file.attributes.contains_key("host"));
    // Names repeat on other hosts.
    let key = if has_host(from) && has_host(to) { "END.host, END.name" } else { "END.name" };
    Ok(Ends { from: from.to_owned(), to: to.to_owned(), key })
}

/// With the line by which an editor finds the schema, where `calipso schema --out` wrote it into the layer or beside it.
fn with_modeline(layer: &Path, kind: &str, text: String) -> String {
    let file = format!("{kind}.schema.json");
    let places = [("schemas", "../schemas"), ("../schemas", "../../schemas")];
    match places.iter().find(|(index, _)| layer.join(index).join(&file).is_file()) {
        Some((_, way)) => format!("# yaml-language-server: $schema={way}/{file}\n{text}"),
        None => text,
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let mut new = File::create_new(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => there_already(file),
        _ => cannot_write(file, &error),
    })?;
    new.write_all(text.as_bytes()).map_err(|error| cannot_write(file, &error))
}

fn there_already(file: &Path) -> Failure {
    Failure::usage(format!("`{}` is there already, and is left as it is", file.display())).help("choose another name")
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`: {error}", path.display()))
}
