//! What spec authors see: for every diagnostic code a change of a small catalogue, and the exact report.
//!
//! `BLESS=1 cargo test -p calipso-spec --test ui` writes the reports anew.

use std::{collections::BTreeMap, fs, path::Path};

use calipso_spec::{Layer, Loaded, diag, load};

type Catalogue = BTreeMap<(usize, String), String>;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui"))
}

/// Applies the sections of a case: `=== PATH`, `=== PATH edit` (old text, a line `>>>`, new text), `=== PATH append`,
/// `=== PATH remove`; a path that begins with `2:` belongs to a second layer.
fn apply(catalogue: &mut Catalogue, case: &str, name: &str) {
    for section in case.split("=== ").filter(|section| !section.trim().is_empty()) {
        let (head, body) = section.split_once('\n').unwrap_or((section, ""));
        let (path, action) = head.trim().split_once(' ').unwrap_or((head.trim(), "write"));
        let (layer, path) = path.strip_prefix("2:").map_or((0, path), |path| (1, path));
        let key = (layer, path.to_owned());
        match action {
            "write" => {
                catalogue.insert(key, body.to_owned());
            }
            "append" => catalogue.get_mut(&key).expect("the file is in the base").push_str(body),
            "remove" => {
                catalogue.remove(&key).expect("the file is in the base");
            }
            "edit" => {
                let (old, new) = body.split_once("\n>>>\n").expect("an edit has `>>>`");
                let new = new.strip_suffix('\n').unwrap_or(new);
                let text = catalogue.get_mut(&key).unwrap_or_else(|| panic!("{name}: {path} is in the base"));
                assert!(text.contains(old), "{name}: {path} holds\n{old}");
                *text = text.replacen(old, new, 1);
            }
            other => panic!("{name}: no action {other}"),
        }
    }
}

fn loaded(catalogue: &Catalogue) -> Loaded {
    let layers: Vec<Layer> = ["built-in", "mine"]
        .iter()
        .enumerate()
        .map(|(number, name)| Layer {
            name: (*name).into(),
            files: catalogue
                .iter()
                .filter(|((layer, _), _)| *layer == number)
                .map(|((_, path), text)| (path.as_str().into(), text.as_str().into()))
                .collect(),
        })
        .collect();
    load(&layers)
}

fn base() -> Catalogue {
    let mut catalogue = Catalogue::new();
    apply(&mut catalogue, &fs::read_to_string(folder().join("base.case")).expect("the base is there"), "base");
    catalogue
}

fn cases() -> Vec<(String, String)> {
    let mut cases: Vec<(String, String)> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| {
            path.extension().is_some_and(|end| end == "case") && path.file_stem().is_some_and(|stem| stem != "base")
        })
        .map(|path| {
            let name = path.file_stem().expect("a case has a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a case can be read"))
        })
        .collect();
    cases.sort();
    cases
}

#[test]
fn the_base_has_no_mistake() {
    let loaded = loaded(&base());
    assert_eq!(diag::text(&loaded.diagnostics, &loaded.files, false), "");
    assert_eq!(loaded.n_specs, 13);
}

#[test]
fn every_case_gives_its_report() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let mut catalogue = base();
        apply(&mut catalogue, &case, &name);
        let loaded = loaded(&catalogue);
        let report = diag::text(&loaded.diagnostics, &loaded.files, false);
        let code = name.split("--").next().expect("a name has a beginning").replacen('-', "/", 1);
        if !loaded.diagnostics.iter().any(|diagnostic| diagnostic.code == code) {
            wrong.push(format!("{name}: does not report {code}:\n{report}"));
            continue;
        }
        let file = folder().join(format!("{name}.err"));
        if bless {
            fs::write(&file, &report).expect("a report can be written");
        } else if fs::read_to_string(&file).unwrap_or_default() != report {
            wrong.push(format!("{name}: the report is now\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_fetcher_that_looks_up_what_it_adds_to_may_write_over_it() {
    let case = fs::read_to_string(folder().join("fetcher-attribute-twice.case")).expect("the case is there");
    let looks = r#"steps:
  - {lookup: disk, where: {host: "{{ parent.host }}"}, key: row.device, as: known}
"#;
    let case = case.replacen("steps:\n", looks, 1).replacen(
        "    each: disk in found\n",
        "    each: disk in found\n    when: disk.device in known\n",
        1,
    );
    assert!(case.contains("lookup: disk") && case.contains("in known"), "{case}");
    let mut catalogue = base();
    apply(&mut catalogue, &case, "looks up");
    let loaded = loaded(&catalogue);
    assert_eq!(diag::text(&loaded.diagnostics, &loaded.files, false), "");
}

#[test]
fn every_code_has_a_case() {
    let names: Vec<String> = cases().into_iter().map(|(name, _)| name).collect();
    let missing: Vec<&str> = diag::CODES
        .iter()
        .map(|code| code.code)
        .filter(|code| !names.iter().any(|name| name.split("--").next() == Some(code.replacen('/', "-", 1).as_str())))
        .collect();
    assert!(missing.is_empty(), "codes without a case under tests/ui: {missing:?}");
}

#[test]
fn every_case_names_a_code() {
    for (name, _) in cases() {
        let code = name.split("--").next().expect("a name has a beginning").replacen('-', "/", 1);
        assert!(diag::explain(&code).is_some(), "no code `{code}`, of the case {name}");
    }
}
