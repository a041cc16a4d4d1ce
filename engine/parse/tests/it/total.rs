//! Any text gives a value or an error, and what comes out stays in proportion to what went in.

use proptest::prelude::*;

use crate::support::parser;

const SPECS: &[&str] = &[
    "lines: {after: a, before: z, keep: '[a-m]', skip: x, continues: '^ '}",
    "regex: {match: '(?<a>\\w+)[:=]? *(?<b>\\d+)?', each_line: true}",
    "regex: {match: '(?<a>[a-f]+)', skip: x}",
    "table: {header: a}",
    "table: {columns: [a, b, c], last: rest_of_line, continues: '^ ', types: {c: words}}",
    "key_values: {pair: '(?<key>\\w+)[:=](?<value>.*)', more: '^ (?<value>.*)'}",
    "key_values: {pair: '(?<key>\\w+)[:=](?<value>.*)', repeat: list}",
    "blocks: {start: '^(?<a>a)', end: '^b', fields: '(?<f>[c-e])', lists: {l: '(?<x>x)'}, lines: raw, blocks: {n: {start: '^ ', lines: r, blocks: {m: {start: '^[c-k]'}}}}}",
    "blocks: {start: '', pairs: '(?<key>.)(?<value>.*)'}",
    "json: {}",
    "json: {rows: a, columns: b, tagged: {set: list, map: map, uuid: text}}",
    "yaml: {}",
    "xml: {}",
];

fn read_all(text: &str) {
    for spec in SPECS {
        match parser(spec).parse(text) {
            Ok(value) => {
                let produced = value.to_json().len();
                assert!(produced <= 64 + 40 * text.len(), "{spec}: {} bytes of {}", produced, text.len());
            }
            Err(error) => assert!(error.found.chars().count() <= 80, "{spec}: {error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        read_all(&text);
    }

    #[test]
    fn lines_of_few_letters(text in "([a-f:= x\t\r]{0,8}\n){0,20}") {
        read_all(&text);
    }

    #[test]
    fn almost_documents(text in r#"([{}\[\]",:<>/&;!?'a1~*|#%@ \n-]|"a"|set|map|uuid|<a>|</a>|<!\[CDATA\[|\]\]>|&#|: |- |\n {1,4}){0,40}"#) {
        read_all(&text);
    }
}

#[test]
fn every_prefix_of_a_document() {
    for text in [
        "<?xml version='1.0'?><!-- c --><a x='&lt;1'><![CDATA[é]]>&#x41;<b/></a>",
        "a: [1, {b: 'ü'}]\nc: |\n  x\n",
        r#"{"a": [["set", [1]], {"é": "\u00e9"}], "b": ["x"]}"#,
    ] {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            read_all(&text[..end]);
        }
    }
}
