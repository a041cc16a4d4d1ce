//! Files that nobody meant well: reading ends, and every place lies in its file.

use std::sync::Arc;

use calipso_spec::{Layer, Loaded, diag, load};
use proptest::prelude::*;

fn read(path: &str, text: &str) -> Loaded {
    load(&[Layer { name: "built-in".into(), files: vec![(path.into(), Arc::from(text))] }])
}

fn places_lie_in_their_files(loaded: &Loaded) {
    for diagnostic in &loaded.diagnostics {
        for label in std::iter::once(&diagnostic.primary).chain(&diagnostic.others) {
            let text = loaded.files.get(&label.file).expect("the file is known");
            assert!(label.range.start <= label.range.end, "{diagnostic:?}");
            assert!(text.get(label.range.clone()).is_some(), "{diagnostic:?} is not in its file");
        }
        assert!(diag::explain(diagnostic.code).is_some(), "the code {} is not explained", diagnostic.code);
    }
    // Renderings cope with every place.
    let _ = diag::text(&loaded.diagnostics, &loaded.files, false);
    let _ = diag::github(&loaded.diagnostics, &loaded.files);
    let sarif: serde_json::Value =
        serde_json::from_str(&diag::sarif(&loaded.diagnostics, &loaded.files)).expect("SARIF is JSON");
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(loaded.diagnostics.len()));
    let json: serde_json::Value =
        serde_json::from_str(&diag::json(&loaded.diagnostics, &loaded.files)).expect("the report is JSON");
    assert_eq!(json["diagnostics"].as_array().map(Vec::len), Some(loaded.diagnostics.len()));
}

const FETCHER: &str = "schema: fetcher/v1\nname: a\ndescription: Größe – ünd 日本\nsource: c\nunder: host\nemits: [disk]\nat: parent\nwhen: parent.host == 1\nsteps:\n  - run: lsblk {{ parent.host }}\n    parse: {regex: {match: '^(?<name>\\S+)', each_line: true}}\n    as: disks\n  - emit: disk\n    each: disk in disks\n    set: {name: \"{{ disk.naem }}\", size: \"{{ disk['x'] | int }}\"}\n";

#[test]
fn places_are_right_behind_characters_of_several_bytes() {
    let loaded = read("fetchers/a.yaml", FETCHER);
    places_lie_in_their_files(&loaded);
    let found =
        loaded.diagnostics.iter().find(|known| known.code == "expr/unknown-attribute").expect("`naem` is found");
    assert_eq!(&FETCHER[found.primary.range.clone()], "disk.naem");
}

#[test]
fn limits_hold() {
    let start = std::time::Instant::now();
    let deep = "[".repeat(100_000);
    let blocks: String = (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let wide = format!("a: [{}]", "1, ".repeat(200_000));
    let large = format!("a: {}", "x".repeat(2 << 20));
    for (name, text) in [("deep", &deep), ("blocks", &blocks), ("wide", &wide), ("large", &large)] {
        let loaded = read("fetchers/a.yaml", text);
        assert!(loaded.diagnostics.iter().any(|known| known.code == "yaml/syntax"), "{name}: {:?}", loaded.diagnostics);
        assert_eq!(loaded.n_specs, 0, "{name}");
    }
    assert!(start.elapsed().as_secs() < 60, "reading must end soon");
}

#[test]
fn all_mistakes_come_at_once() {
    let text = "schema: fetcher/v1\nname: b\ndescription: 1\nundr: host\nemits: disk\nsteps:\n  - {rnu: x}\n  - run: a | b\n    at: prent\n";
    let codes: Vec<&str> = read("fetchers/a.yaml", text).diagnostics.iter().map(|known| known.code).collect();
    for code in [
        "spec/name-is-not-file-name",
        "spec/wrong-type",
        "spec/unknown-key",
        "spec/missing-key",
        "spec/no-source",
        "step/no-verb",
        "run/shell-operator",
        "expr/unknown-name",
    ] {
        assert!(codes.contains(&code), "{code} is not among {codes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_to_an_end(text in "\\PC{0,200}") {
        places_lie_in_their_files(&read("fetchers/a.yaml", &text));
    }

    #[test]
    fn any_change_of_a_spec_is_read_to_an_end(at in 0usize..600, drop in 0usize..12, new in "[a-z0-9:{}\\[\\]|>&*!'\",#\n -]{0,8}|ß|日") {
        let at = (0..=at.min(FETCHER.len())).rev().find(|place| FETCHER.is_char_boundary(*place)).unwrap_or(0);
        let end = (at + drop..=FETCHER.len()).find(|place| FETCHER.is_char_boundary(*place)).unwrap_or(FETCHER.len());
        let text = format!("{}{new}{}", &FETCHER[..at], &FETCHER[end..]);
        places_lie_in_their_files(&read("fetchers/a.yaml", &text));
    }
}
