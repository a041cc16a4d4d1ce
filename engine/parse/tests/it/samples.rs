//! Answers of real programs, their parsers, and what comes out (`BLESS=1` rewrites the goldens).

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::parser;

#[test]
fn samples_give_their_goldens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let names: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().strip_suffix(".txt").map(str::to_owned))
        .collect();
    assert!(names.len() > 8, "the samples are gone");
    for name in names {
        let read = |ending: &str| fs::read_to_string(folder.join(format!("{name}.{ending}")));
        let value = parser(&read("yaml").unwrap())
            .parse(&read("txt").unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = pretty(&value.to_json());
        if std::env::var_os("BLESS").is_some() {
            fs::write(folder.join(format!("{name}.json")), &found).unwrap();
        }
        assert_eq!(found, read("json").unwrap_or_default(), "{name}");
    }
}

fn pretty(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}
