//! `docs/language.md` says what the program does: its tables and names are held against it.
//!
//! `BLESS=1 cargo test -p calipso-spec --test language` writes the tables of keys and of codes anew.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use calipso_spec::{
    Severity,
    diag::CODES,
    keys::{self, BLOCKS, KINDS, block},
    reference,
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/language.md");
const CODES_BEGIN: &str = "<!-- codes: written by `BLESS=1 cargo test -p calipso-spec --test language` -->\n";
const KEYS_BEGIN: &str = "<!-- keys of ";
const KEYS_END: &str = "<!-- end of keys -->\n";

/// The document with its tables of keys and of codes as the program has them.
fn with_tables(document: &str) -> String {
    let mut parts = document.split(KEYS_BEGIN);
    let mut wanted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (marker, rest) = part.split_once('\n').expect("a marker is a line");
        let block = marker.split(':').next().unwrap_or_default();
        let (_, after) = rest.split_once(KEYS_END).unwrap_or_else(|| panic!("the keys of {block} have an end"));
        wanted.push_str(&format!("{KEYS_BEGIN}{marker}\n{}{KEYS_END}{after}", reference::keys_of_kind(block)));
    }
    let (before, _) = wanted.split_once(CODES_BEGIN).expect("the document has the table of codes");
    let mut table = "| code | finds |\n|---|---|\n".to_owned();
    for code in CODES.iter() {
        let warning = if code.severity == Severity::Warning { " (w)" } else { "" };
        let _ = writeln!(table, "| `{}`{warning} | {} |", code.code, code.title.replace('|', "\\|"));
    }
    format!("{before}{CODES_BEGIN}{table}")
}

#[test]
fn the_tables_of_keys_and_codes_are_those_of_the_program() {
    let document = document();
    let wanted = with_tables(&document);
    if std::env::var_os("BLESS").is_some() {
        fs::write(FILE, &wanted).expect("the document can be written");
    } else {
        assert!(document == wanted, "the tables of keys or codes differ: write them with BLESS=1");
    }
    for block in ["a distribution", "a connection", "an object type", "a fetcher", "a clique type"] {
        assert!(document.contains(&format!("{KEYS_BEGIN}{block}:")), "section 6 has no table of {block}");
    }
}

fn document() -> String {
    fs::read_to_string(FILE).expect("the document can be read")
}

/// What stands in back-quotes, outside of blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_fence && !is_code
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The first cells of the table below a line, as names.
fn column(document: &str, header: &str) -> BTreeSet<String> {
    let (_, table) = document.split_once(header).unwrap_or_else(|| panic!("the document has the table\n{header}"));
    let rows =
        table.lines().skip(1).skip_while(|line| line.starts_with("|---")).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| quoted(row.split('|').nth(1).unwrap_or_default()))
        .flat_map(str::split_whitespace)
        .map(|name| name.trim_matches(',').to_owned())
        .collect()
}

fn set<'n>(names: impl IntoIterator<Item = &'n str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_kinds_are_those_that_are_read() {
    let known = set(calipso_spec::load::KINDS.iter().map(|(_, kind)| *kind));
    assert_eq!(column(&document(), "| kind | folder | one file says |"), known);
    assert_eq!(set(KINDS.iter().map(|(kind, _)| *kind).filter(|kind| *kind != "test")), known);
}

#[test]
fn the_verbs_are_those_that_a_step_may_have() {
    assert_eq!(column(&document(), "| verb | argument and keys | result |"), set(keys::verbs()));
}

#[test]
fn the_parsers_are_those_that_there_are() {
    let parse = block("`parse`").expect("there are parsers");
    let known = set(parse.keys.iter().filter(|key| !key.reserved).map(|key| key.name));
    assert_eq!(column(&document(), "| parser | keys | result |"), known);
}

/// Every key of every kind is in the document, and so is every key of what stands in it; those of tests have their own.
#[test]
fn every_key_is_described() {
    let of_tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/testing.md");
    let document = document() + &fs::read_to_string(of_tests).expect("the document of tests can be read");
    let words: BTreeSet<&str> = quoted(&document)
        .into_iter()
        .chain(document.split("```").skip(1).step_by(2))
        .flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
        .collect();
    // Keys are listed without back-quotes in braces: `{type, of, unit}`.
    let listed: BTreeSet<&str> = document
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .flat_map(|inside| inside.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
        .collect();
    let row: BTreeSet<&str> = document
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| **`"))
        .flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
        .collect();
    let missing: Vec<String> = BLOCKS
        .iter()
        .filter(|block| !["a test", "a case", "`of`"].contains(&block.name) && !block.name.starts_with("`expect"))
        .flat_map(|block| block.keys.iter().filter(|key| !key.reserved).map(move |key| (block.name, key.name)))
        .filter(|(_, key)| ![&words, &listed, &row].iter().any(|known| known.contains(key)))
        .map(|(block, key)| format!("{key} of {block}"))
        .collect();
    assert!(missing.is_empty(), "not in docs/language.md: {}", missing.join(", "));
}

#[test]
fn what_is_reserved_is_only_said_to_be_so() {
    let document = document();
    let (before, after) = document.split_once("**Reserved**").expect("the document says what is reserved");
    let (reserved, after) = after.split_once("\n\n").expect("a paragraph has an end");
    let names = BLOCKS.iter().flat_map(|block| block.keys).filter(|key| key.reserved).map(|key| key.name);
    let shared: BTreeSet<&str> =
        BLOCKS.iter().flat_map(|block| block.keys).filter(|key| !key.reserved).map(|key| key.name).collect();
    for name in names.filter(|name| !shared.contains(name)).chain(["event", "event_source"]) {
        for part in [before, after] {
            assert!(
                !quoted(part).iter().any(|text| text.split_whitespace().any(|word| word == name)),
                "`{name}` is described"
            );
        }
    }
    assert!(reserved.contains("call fetch patch delete"));
}

#[test]
fn filters_tests_and_functions_are_there() {
    let document = document();
    let paragraph = document.lines().find(|line| line.starts_with("**Filters**")).expect("the document lists filters");
    let known: BTreeSet<&str> = calipso_expr::filters::ALL
        .iter()
        .map(|filter| filter.name)
        .chain(calipso_expr::tests::ALL.iter().map(|test| test.name))
        .chain(calipso_expr::functions::ALL.iter().map(|function| function.name))
        .collect();
    for text in quoted(paragraph) {
        // `key_values(sep, eq)`: the arguments are no filters.
        let mut depth = 0;
        let bare: String = text
            .chars()
            .filter(|letter| {
                depth += i32::from(*letter == '(');
                let is_outside = depth == 0;
                depth -= i32::from(*letter == ')');
                is_outside
            })
            .collect();
        for name in bare.split_whitespace().filter(|name| *name != "in") {
            assert!(known.contains(name), "there is no `{name}`");
        }
    }
}

#[test]
fn every_code_that_is_named_exists() {
    let document = document();
    let (before, _) = document.split_once(CODES_BEGIN).expect("the document has the table of codes");
    let areas: BTreeSet<&str> = CODES.iter().filter_map(|code| code.code.split('/').next()).collect();
    for text in quoted(before) {
        let is_code = text.split_once('/').is_some_and(|(area, name)| {
            areas.contains(area)
                && name.contains('-')
                && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
        });
        assert!(!is_code || CODES.iter().any(|code| code.code == text), "there is no code `{text}`");
    }
}
