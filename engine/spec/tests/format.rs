//! Formatting keeps what a spec means, its comments and its quotes, and formatting again changes nothing.

use std::path::Path;

use calipso_spec::{
    format::{NotFormatted, format},
    load, read_layer,
};
use proptest::prelude::*;

fn formatted(text: &str) -> String {
    let once = format(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert_eq!(format(&once).as_deref(), Ok(once.as_str()), "formatting again changes it");
    once
}

#[test]
fn the_built_in_specs_mean_the_same() {
    let layer = read_layer(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs"))).expect("it can be read");
    let mut other = layer.clone();
    for (path, text) in &mut other.files {
        let once = formatted(text);
        assert_eq!(once.matches('#').count(), text.matches('#').count(), "{path} lost a comment");
        *text = once.into();
    }
    let (before, after) = (load(&[layer]), load(&[other]));
    assert_eq!(before.n_specs, after.n_specs);
    let said = |loaded: &calipso_spec::Loaded| {
        loaded.diagnostics.iter().map(|found| found.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(&before), said(&after));
}

#[test]
fn indentation_spacing_and_first_keys_are_settled() {
    let untidy = "# yaml-language-server: $schema=x\n\nname: disks   \n# what it is of\nsource: lsblk(8)\nschema:   fetcher/v1\n# why\ndescription: 'The disks: all'\nunder: host\nsteps:\n- run:  lsblk   # quick\n  parse: { regex: {match: '^(?<a>\\d+)$'} }\n  as:    x\n-   let: y\n    value: |\n        two spaces  \n          more\n\n\n";
    let wanted = "# yaml-language-server: $schema=x\n\nschema: fetcher/v1\nname: disks\n# why\ndescription: 'The disks: all'\n# what it is of\nsource: lsblk(8)\nunder: host\nsteps:\n  - run: lsblk   # quick\n    parse: {regex: {match: '^(?<a>\\d+)$'}}\n    as: x\n  - let: y\n    value: |\n      two spaces  \n        more\n";
    assert_eq!(formatted(untidy), wanted);
}

#[test]
fn comments_and_quotes_stay() {
    for line in [
        "a: 'it''s'",
        "a: \"\\t\"",
        "a: plain # why",
        "a: '# none'  # why",
        "a: b#c",
        "a: [x, 'y', \"z\"]  # list",
        "# alone",
        "a: \"{{ x ~ '#' }}\"    # aligned",
        "a: {b: 'c', d: \"e\"}",
        "a: \"no\"",
        "a: '2.10'",
        "a: \"ü#\"  # ü",
    ] {
        let text = format!("schema: parser/v1\nz:\n  {line}\n  q: 1\n");
        assert_eq!(formatted(&text), text);
    }
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let refused = format("schema: parser/v1\nname: [a\n");
    assert!(matches!(refused, Err(NotFormatted::NotYaml { line: 2.., .. })), "{refused:?}");
    assert!(format("a: 1\na: 2\n").is_err());
    assert!(format("").is_err());
    assert!(format("a: &x 1\nb: *x\n").is_err());
}

#[test]
fn line_ends_of_other_systems_become_ours() {
    assert_eq!(formatted("schema: a/v1\r\nname: b\r\n"), "schema: a/v1\nname: b\n");
}

proptest! {
    /// Whatever stands in a value: it is formatted and means the same, or refused.
    #[test]
    fn any_text_is_formatted_or_refused(text in "[a-c:#'\"{}\\[\\], \\n|>-]{0,60}") {
        let text = format!("schema: a/v1\nvalue: {text}\n");
        if let Ok(once) = format(&text) {
            prop_assert_eq!(format(&once), Ok(once.clone()));
        }
    }
}
