//! The house rules that a machine can check: who depends on whom, what no Rust file may say, how every file begins.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// Who may depend on whom; ARCHITECTURE.md shows the same table. A new edge wants an ADR.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("expr", &["model"]),
    ("parse", &["model"]),
    ("spec", &["model", "expr", "parse"]),
    ("transport", &["model"]),
    ("store", &["model"]),
    ("derive", &["model", "expr", "spec"]),
    ("pipeline", &["model", "expr", "parse", "spec", "transport", "derive", "store"]),
    ("vault", &["model"]),
    ("picture", &["model"]),
    ("api", &["model", "spec", "store", "vault", "picture"]),
    ("testbed", &[]),
    ("cli", &["model", "expr", "parse", "spec", "transport", "derive", "pipeline", "store", "vault", "picture", "api"]),
];

/// Words of platforms. None of them may stand in the Rust of the engine, the store, the API or the command line.
const PLATFORM_WORDS: &[&str] = &[
    "aci",
    "apex",
    "apic",
    "brctl",
    "calico",
    "ceph",
    "cinder",
    "cisco",
    "devstack",
    "docker",
    "dpctl",
    "etcd",
    "flannel",
    "glance",
    "horizon",
    "ironic",
    "keystone",
    "kolla",
    "kube",
    "kubelet",
    "kubernetes",
    "libvirt",
    "linuxbridge",
    "lxb",
    "mercury",
    "mirantis",
    "netns",
    "neutron",
    "nova",
    "openstack",
    "openvswitch",
    "otep",
    "ovs",
    "ovsdb",
    "packstack",
    "pnic",
    "qdhcp",
    "qemu",
    "qrouter",
    "rdo",
    "sriov",
    "stratoscale",
    "vconnector",
    "vedge",
    "virsh",
    "vnic",
    "vpp",
    "vppctl",
    "vservice",
    "vswitch",
];

/// Folders whose Rust knows no platform.
const NEUTRAL: &[&str] = &["engine", "model", "store", "api", "cli"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

/// Whether the file is test code as a whole.
fn is_test_code(path: &Path) -> bool {
    path.components().any(|part| ["tests", "benches", "examples"].iter().any(|name| part.as_os_str() == *name))
        || path.file_stem().is_some_and(|stem| stem == "tests")
}

/// The file without its `#[cfg(test)] mod … { … }` blocks, line numbers kept.
fn without_test_modules(text: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(|(_, next)| next.trim_start().contains("mod ")) {
            let indent = line.len() - line.trim_start().len();
            let (_, first) = lines.next().expect("it was peeked at");
            if first.trim_end().ends_with(';') {
                continue;
            }
            for (_, inner) in lines.by_ref() {
                if inner.len() - inner.trim_start().len() == indent && inner.trim() == "}" {
                    break;
                }
            }
            continue;
        }
        kept.push((number + 1, line));
    }
    kept
}

#[test]
fn crates_depend_only_on_what_the_table_allows() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let table: BTreeMap<&str, BTreeSet<&str>> =
        MAY_DEPEND_ON.iter().map(|(name, on)| (*name, on.iter().copied().collect())).collect();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages are a list") {
        let name = package["name"].as_str().expect("a package has a name").trim_start_matches("calipso-");
        if ["it", "conformance", "bench"].contains(&name) {
            continue;
        }
        seen.insert(name.to_owned());
        let Some(allowed) = table.get(name) else {
            wrong.push(format!("crate `{name}` is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies are a list") {
            let on = dependency["name"].as_str().expect("a dependency has a name");
            let normal = dependency["kind"].is_null();
            if let (true, Some(on)) = (normal, on.strip_prefix("calipso-"))
                && !allowed.contains(on)
            {
                wrong.push(format!("`{name}` may not depend on `{on}`"));
            }
        }
    }
    for (name, _) in MAY_DEPEND_ON {
        if !seen.contains(*name) {
            wrong.push(format!("the table names `{name}`, which is no crate"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn architecture_shows_the_same_table() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    for (name, on) in MAY_DEPEND_ON {
        let cell = if on.is_empty() { "nothing of ours".to_owned() } else { on.join(", ") };
        let row = format!("| `{name}` | {cell} |");
        assert!(page.contains(&row), "ARCHITECTURE.md lacks the row `{row} …`");
    }
}

#[test]
fn no_platform_word_stands_in_rust() {
    let mut wrong = Vec::new();
    for folder in NEUTRAL {
        let mut files = Vec::new();
        rust_files(&root().join(folder), &mut files);
        for path in files.iter().filter(|path| !is_test_code(path)) {
            let text = std::fs::read_to_string(path).expect("a source file can be read");
            for (number, line) in without_test_modules(&text) {
                for word in words(line) {
                    if PLATFORM_WORDS.contains(&word.as_str()) {
                        let shown = path.strip_prefix(root()).unwrap_or(path);
                        wrong.push(format!("{}:{number}: `{word}`: {}", shown.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "platform words in Rust:\n{}", wrong.join("\n"));
}

/// The words of a line: identifiers cut at `_`, at case changes and at digits' ends, in lower case, and plurals cut.
fn words(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut last_was_lower = false;
    for character in line.chars().chain(std::iter::once(' ')) {
        let boundary = !character.is_ascii_alphabetic() || (last_was_lower && character.is_ascii_uppercase());
        if boundary && !word.is_empty() {
            let lower = word.to_ascii_lowercase();
            found.push(lower.strip_suffix('s').filter(|cut| PLATFORM_WORDS.contains(cut)).unwrap_or(&lower).to_owned());
            word.clear();
        }
        if character.is_ascii_alphabetic() {
            word.push(character);
        }
        last_was_lower = character.is_ascii_lowercase();
    }
    found
}

#[test]
fn the_word_test_sees_words() {
    assert_eq!(
        words("let source_bridge = vnics.get(\"OvsPort\");"),
        ["let", "source", "bridge", "vnic", "get", "ovs", "port"]
    );
    assert_eq!(without_test_modules("a\n#[cfg(test)]\nmod tests {\n    vnic\n}\nb"), [(1, "a"), (6, "b")]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for folder in ["model", "engine", "store", "api", "cli", "tests"] {
        let mut files = Vec::new();
        rust_files(&root().join(folder), &mut files);
        for path in files {
            let text = std::fs::read_to_string(&path).expect("a source file can be read");
            if !text.starts_with("//! ") {
                wrong.push(path.strip_prefix(root()).unwrap_or(&path).display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "these files do not begin with a `//!` sentence:\n{}", wrong.join("\n"));
}

#[test]
fn no_module_is_named_after_nothing() {
    let mut files = Vec::new();
    for folder in NEUTRAL {
        rust_files(&root().join(folder), &mut files);
    }
    for path in files.iter().filter(|path| !is_test_code(path)) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        for bad in ["mod", "util", "utils", "helper", "helpers", "common", "misc", "base", "manager"] {
            assert_ne!(stem, bad, "{}", path.display());
        }
    }
}

/// Crates of the product and their sources.
const PRODUCT: &[(&str, &str)] = &[
    ("model", "model/src"),
    ("expr", "engine/expr/src"),
    ("parse", "engine/parse/src"),
    ("spec", "engine/spec/src"),
    ("transport", "engine/transport/src"),
    ("derive", "engine/derive/src"),
    ("picture", "engine/picture/src"),
    ("pipeline", "engine/pipeline/src"),
    ("vault", "engine/vault/src"),
    ("store", "store/src"),
    ("api", "api/src"),
    ("cli", "cli/src"),
];

/// Crates in which a short doc comment is a text for users: the interface's document shows it as a description.
const SHORT_DOCS_ALLOWED: &[&str] = &["api"];

/// Every line of product code of a crate with its file, test modules left out.
fn product_lines(sources: &str, mut take: impl FnMut(&Path, usize, &[(usize, &str)], usize)) {
    let mut files = Vec::new();
    rust_files(&root().join(sources), &mut files);
    for path in files.iter().filter(|path| !is_test_code(path)) {
        let text = std::fs::read_to_string(path).expect("a source file can be read");
        let lines = without_test_modules(&text);
        for (index, (number, _)) in lines.iter().enumerate() {
            take(path.strip_prefix(root()).unwrap_or(path), *number, &lines, index);
        }
    }
}

/// The name of the public type that a line declares.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|keyword| rest.strip_prefix(keyword))?;
    rest.split(|character: char| !character.is_alphanumeric() && character != '_')
        .next()
        .filter(|name| !name.is_empty())
}

#[test]
fn no_two_public_types_have_one_name() {
    let mut found: BTreeMap<String, Vec<(&str, String)>> = BTreeMap::new();
    for (name, sources) in PRODUCT {
        product_lines(sources, |path, number, lines, index| {
            if let Some(declared) = public_type(lines[index].1) {
                found.entry(declared.to_owned()).or_default().push((name, format!("{}:{number}", path.display())));
            }
        });
    }
    assert!(found.len() > 300, "the test sees types: {}", found.len());
    let mut wrong = Vec::new();
    found.retain(|_, places| places.len() > 1);
    for (name, places) in &found {
        let listed: Vec<&str> = places.iter().map(|(_, place)| place.as_str()).collect();
        wrong.push(format!("`{name}` is declared {} times: {}", places.len(), listed.join(", ")));
    }
    assert!(wrong.is_empty(), "one word, one meaning:\n{}", wrong.join("\n"));
}

#[test]
fn no_doc_comment_only_repeats_a_name() {
    let mut wrong = Vec::new();
    for (name, sources) in PRODUCT {
        let mut short = Vec::new();
        product_lines(sources, |path, number, lines, index| {
            let doc = |index: usize| lines.get(index).and_then(|(_, line)| line.trim_start().strip_prefix("///"));
            // The help of the command line is text for users, where `Environment.` is enough.
            let is_help = path.starts_with("cli/src/args") || path == Path::new("cli/src/args.rs");
            if let (Some(text), None) = (doc(index), index.checked_sub(1).and_then(doc))
                && doc(index + 1).is_none()
                && text.split_whitespace().count() <= 2
                && !is_help
            {
                short.push(format!("{}:{number}:{text}", path.display()));
            }
        });
        if !SHORT_DOCS_ALLOWED.contains(name) {
            wrong.append(&mut short);
        }
    }
    assert!(
        wrong.is_empty(),
        "doc comments of one or two words say nothing that a name does not; say unit, shape or reason, or delete them:\n{}",
        wrong.join("\n")
    );
}
