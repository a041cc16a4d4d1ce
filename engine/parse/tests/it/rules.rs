//! One rule per row: spec, text, result (`! …` for an error).

use crate::support::check;

#[test]
fn lines() {
    let rows = [
        ("lines: {}", "a\r\n\n  b \n", r#"["a", "  b "]"#),
        ("lines: {}", "", "[]"),
        ("lines: {}", " \n\t\n", "[]"),
        ("lines: {after: '^-+$'}", "Id\n---\n1\n---\n2", r#"["1", "---", "2"]"#),
        ("lines: {after: '^-+$'}", "nothing of it", "[]"),
        ("lines: {before: '^total'}", "a\nb\ntotal 2\nc", r#"["a", "b"]"#),
        ("lines: {before: '^total'}", "a\nb", r#"["a", "b"]"#),
        ("lines: {after: '^from', before: '^to'}", "to\nfrom\na\nto\nfrom\nb", r#"["a"]"#),
        ("lines: {keep: 'a', skip: 'b'}", "a\nab\nc\nca", r#"["a", "ca"]"#),
        ("lines: {continues: '^\\s'}", "  x\na  \n  b\n\tc\nd", r#"["  x", "a b c", "d"]"#),
        ("lines: {continues: '^ ', skip: 'b'}", "a\n b\nc", r#"["c"]"#),
    ];
    for (spec, text, expected) in rows {
        check(spec, text, expected);
    }
}

#[test]
fn what_may_not_be_taken_for_nothing() {
    let spec = r"regex: {match: '^(?<n>\d+)$', skip: '^Id', each_line: true, others: refused}";
    check(spec, "Id\n\n1\n2\n", r#"[{"n": "1"}, {"n": "2"}]"#);
    check(spec, "", "[]");
    check(spec, "1\nx", "! line 2");
    check("json: {must_be: list_of_maps}", "[]", "[]");
    check("json: {must_be: list_of_maps}", r#"[{"a": 1}, {}]"#, r#"[{"a": 1}, {}]"#);
    check("json: {must_be: list_of_maps}", r#"[[{"a": 1}], 42]"#, "! a JSON list of maps");
    check("json: {must_be: list_of_maps}", r#"{"a": 1}"#, "! a JSON list of maps");
    check("json: {must_be: map}", "[]", "! a JSON map");
    check("json: {must_be: list}", "{}", "! a JSON list");
}

#[test]
fn json_with_numbers_that_are_too_large_for_one() {
    check("json: {}", "[9223372036854775807, 9223372036854775808]", r#"[9223372036854775807, "9223372036854775808"]"#);
}

#[test]
fn regex_each_line() {
    let spec = r"regex: {match: '^(?<n>\d+)(?: (?<word>\w+))?', each_line: true, types: {n: integer}}";
    check(spec, "1 one\nx\n2", r#"[{"n": 1, "word": "one"}, {"n": 2}]"#);
    check(spec, "", "[]");
    check(spec, "x", "[]");
    check(spec, "x\n99999999999999999999 y", "! line 2: expected a whole number as `n`, found `99999999999999999999`");
}

#[test]
fn regex_over_the_whole_text() {
    let spec = r"regex: {match: '^state (?<state>\w+)[\s\S]*^mtu (?<mtu>\d+)$', types: {mtu: number}}";
    check(spec, "x\nstate UP\r\ny\nmtu 1500\r\n", r#"{"state": "UP", "mtu": 1500}"#);
    check(spec, "", "! expected text that matches the regular expression, found empty text");
    check(spec, "no state\nhere", "! found `no state`");
    check("regex: {match: '^0$'}", "0\n", "{}");
    check("regex: {match: '^0$'}", "1000\n", "! `1000`");
    check("regex: {match: '.*'}", " \n", "! empty text");
    check("regex: {match: '\\A(?<all>.*)\\z', skip: '^#', continues: '^ '}", "#x\na\n b", r#"{"all": "a b"}"#);
}

#[test]
fn tables() {
    let named = "table: {columns: [a, b, c], types: {b: integer}}";
    check(named, "x 1 y z\n\n  w\t2\n", r#"[{"a": "x", "b": 1, "c": "y"}, {"a": "w", "b": 2}]"#);
    check(named, "", "[]");
    check(named, "x\ny z", "! line 2: expected a whole number as `b`, found `z`");
    let rest = "table: {columns: [a, b], last: rest_of_line}";
    check(rest, "x  1 y  z \nw", r#"[{"a": "x", "b": "1 y  z"}, {"a": "w"}]"#);
    let header = "table: {header: '^Id '}";
    check(header, "# hello\n Id x\nId  Name\n1 a\n2", r#"[{"Id": "1", "Name": "a"}, {"Id": "2"}]"#);
    check(header, "Id  Name\n", "[]");
    check(header, "\n", "[]");
    check(header, "nothing to list", "! expected a table with its header line, found `nothing to list`");
    check(header, "Id Id\n1 2", "! line 1: expected a header with distinct column names");
}

#[test]
fn key_values() {
    let spec = r"key_values: {pair: '^(?<key>[^:]+):(?<value>.*)$', more: '^ (?<value>[^:]+)$', types: {n: integer}}";
    check(spec, "a : 1 \nn: 2\nb:\n x\n  y\nc:0\n 1", r#"{"a": "1", "n": 2, "b": ["x", "y"], "c": ["0", "1"]}"#);
    check(spec, "", "! expected keys with values, found empty text");
    check(spec, "neither\nnor", "! expected keys with values, found `neither`");
    check(spec, "a:1\nb:2\na:3", "! line 3: expected each key once, `a` is there already, found `a:3`");
    check(spec, " x\na:1", "! line 1: expected a key before the first value");
    check(spec, "n: x", "! line 1: expected a whole number as `n`");
    let repeat = "key_values: {pair: '^(?<key>\\w+)=(?<value>\\w*)$', repeat: list, types: {n: integer}}";
    check(repeat, "a=1\nb=\na=3\nn=1\nn=2", r#"{"a": ["1", "3"], "b": "", "n": [1, 2]}"#);
}

#[test]
fn blocks() {
    let flat = r"
blocks:
  start: '^\[(?<name>\w+)\]( #(?<n>\d+))?$'
  end: '^--'
  fields: '^size (?<size>\d+)|^n (?<n2>\d+)'
  lists: {items: '^item (?<item>\w+)'}
  pairs: '^(?<key>\w+)=(?<value>.*)$'
  lines: raw
  types: {n: integer, size: integer, total: integer}
";
    check(flat, "", "[]");
    check(flat, "no start\nsize 1", "[]");
    check(
        flat,
        "size 9\n[a] #1\nitem x\nsize 2\nsize 3\nname=other\ntotal=7\nitem y\n--\nitem lost\n[b]\nn 4",
        r#"[{"name": "a", "n": 1, "size": 2, "total": 7, "items": [{"item": "x"}, {"item": "y"}],
             "raw": ["item x", "size 2", "size 3", "name=other", "total=7", "item y"]},
            {"name": "b", "n2": "4", "items": [], "raw": ["n 4"]}]"#,
    );
    check(flat, "[a]\nx=1\nx=2", "! line 3: expected each key once, `x` is there already");
    check(flat, "[a]\ntotal=x", "! line 2: expected a whole number as `total`");
}

#[test]
fn nested_blocks() {
    let spec = r"
blocks:
  start: '^bridge (?<name>\w+)'
  fields: '^ *mode (?<mode>\w+)'
  lines: raw
  blocks:
    ports:
      start: '^ port (?<name>\w+)'
      fields: '^ *tag (?<tag>\d+)'
      blocks:
        cards: {start: '^  card (?<name>\w+)', end: '^  \.'}
    queues: {start: '^ queue (?<name>\w+)', fields: '^ *tag (?<tag>\d+)'}
";
    check(
        spec,
        "bridge a\n mode x\n port p\n  tag 1\n  card c\n  card d\n  .\n  tag 2\n port q\nbridge b\n queue r\n tag 3\n mode late",
        r#"[{"name": "a", "mode": "x", "queues": [],
             "raw": [" mode x", " port p", "  tag 1", "  card c", "  card d", "  .", "  tag 2", " port q"],
             "ports": [{"name": "p", "tag": "1", "cards": [{"name": "c"}, {"name": "d"}]}, {"name": "q", "cards": []}]},
            {"name": "b", "ports": [], "queues": [{"name": "r", "tag": "3"}], "raw": [" queue r", " tag 3", " mode late"]}]"#,
    );
    // A sibling of another name does not end a block, only its own start, one around it, or `end` does.
    check(
        spec,
        "bridge a\n port p\n queue r\n  tag 1",
        r#"[{"name": "a", "queues": [], "ports": [{"name": "p", "tag": "1", "cards": []}],
             "raw": [" port p", " queue r", "  tag 1"]}]"#,
    );
}

#[test]
fn json() {
    check("json: {}", r#" {"b": [1, 2.5, -3], "a": null} "#, r#"{"a": null, "b": [1, 2.5, -3]}"#);
    check("json: {}", "\"x\"", "\"x\"");
    check("json: {}", "", "! expected JSON, found empty text");
    check("json: {}", "{\"a\": 1,\n \"a\": 2}", "! line 2: expected JSON (the key `a` is repeated)");
    check("json: {}", "[{\"a\": 1}]\n[]", "! line 2: expected JSON (trailing characters), found `[]`");
    check("json: {}", "{\"a\": NaN}", "! line 1: expected JSON");
    check("json: {}", &"[".repeat(100_000), "! recursion limit");
    let rows = "json: {rows: a.rows}";
    check(rows, r#"{"a": {"rows": [{"x": 1}, {}]}}"#, r#"[{"x": 1}, {}]"#);
    check(rows, r#"{"a": {"rows": [{"x": 1}, 2]}}"#, "! expected a list of maps under `a.rows`");
    check(rows, r#"{"a": []}"#, "! expected a list under `a.rows`");
    check(rows, "", "! empty text");
}

#[test]
fn tagged_json() {
    let spec = "json: {rows: data, columns: headings, tagged: {set: list, map: map, uuid: text}}";
    check(
        spec,
        r#"{"headings": ["id", "refs", "opts", "plain"], "data": [
            [["uuid", "u1"], ["set", [["uuid", "a"], ["uuid", "b"]]], ["map", [[1, "x"], [["uuid", "k"], ["uuid", "v"]]]], ["a", "b"]],
            [["uuid", "u2"], ["set", []], ["map", []], 3]]}"#,
        r#"[{"id": "u1", "refs": ["a", "b"], "opts": {"1": "x", "k": "v"}, "plain": ["a", "b"]},
            {"id": "u2", "refs": [], "opts": {}, "plain": 3}]"#,
    );
    check(spec, r#"{"headings": [], "data": []}"#, "[]");
    check(spec, r#"{"headings": ["a"], "data": [[1, 2]]}"#, "! expected rows with 1 cells under `data`");
    check(spec, r#"{"headings": ["a", "a"], "data": []}"#, "! expected a list of distinct names under `headings`");
    check(spec, r#"{"headings": ["a"], "data": [[["set", 1]]]}"#, "! expected a list behind the tag `set`");
    check(spec, r#"{"headings": ["a"], "data": [[["map", [[[], 1]]]]]}"#, "! pairs of a scalar");
    check(spec, r#"{"headings": ["a"], "data": [[["map", [["x", 1], ["x", 2]]]]]}"#, "! `x` is repeated");
    check(spec, r#"{"headings": ["a"], "data": [[["uuid", {}]]]}"#, "! expected a scalar behind the tag `uuid`");
    check("json: {tagged: {set: list}}", r#"{"a": ["set", ["set", [1]]]}"#, r#"{"a": ["set", [1]]}"#);
}

#[test]
fn yaml() {
    let spec = "yaml: {}";
    check(
        spec,
        "a: 1\nb: [x, 'no', no, ~, true, 1.5, 1e3, 0x1f, 0o17, -7, 1_000, 08, +5]\nc:\n  d: |\n    text\n  e:\n",
        r#"{"a": 1, "b": ["x", "no", "no", null, true, 1.5, 1000.0, 31, 15, -7, "1_000", 8, 5], "c": {"d": "text\n", "e": null}}"#,
    );
    check(spec, "---\n- 1\n...\n", "[1]");
    check(spec, "", "! expected YAML, found empty text");
    check(spec, "# nothing\n", "! expected YAML");
    check(spec, "a: 1\nb: 2\na: 3", "! expected each key once, `a` is repeated");
    check(spec, "a: &x 1\nb: *x", "! line 1: expected YAML without anchors and tags");
    check(spec, "a: !!str 1", "! without anchors and tags");
    check(spec, "a: 1\n---\nb: 2", "! expected one YAML document");
    check(spec, "1: x", "! expected keys that are text");
    check(spec, "[a]: x", "! expected keys that are text");
    check(spec, "- .inf", "! a number that JSON has");
    check(spec, "a: b: c", "! line 1: expected YAML (");
    check(spec, &"[".repeat(100_000), "! expected YAML");
    check(spec, &"- ".repeat(1000), "! nests at most 128 deep");
}

#[test]
fn xml() {
    let spec = "xml: {}";
    check(
        spec,
        "<?xml version='1.0'?>\n<!-- x --><a n='1 &lt; 2' p:m=\"&#65;\">\n<p:b/><c>x &amp; <![CDATA[<y>]]></c><c k='v'>z</c><d> </d></a>\n",
        r##"{"a": {"@n": "1 < 2", "@p:m": "A", "p:b": null, "c": ["x & <y>", {"@k": "v", "#text": "z"}], "d": null}}"##,
    );
    check(spec, "<a>x<b/> y </a>", r##"{"a": {"#text": "x y", "b": null}}"##);
    check(spec, "<a/>", r#"{"a": null}"#);
    check(spec, "", "! expected XML, found empty text");
    check(spec, "hello", "! expected no text outside the root element, found `hello`");
    check(spec, "<a><b></a>", "! expected XML (");
    check(spec, "<a>\n<b>", "! line 2: expected the end of `b`");
    check(spec, "<a/><b/>", "! expected one root element");
    check(spec, "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "! expected XML without a document type");
    check(spec, "<a>&x;</a>", "! no entities but the five");
    check(spec, "<a b='&x;'/>", "! expected XML (");
    check(spec, "<a b='1' b='2'/>", "! each attribute once, `@b` is repeated");
    check(spec, "<1/>", "! names that XML allows");
    check(spec, &"<a>".repeat(100_000), "! nests at most 128 deep");
    check(spec, "<a", "! expected XML");
}

#[test]
fn conversions() {
    let check_type = |name: &str, text: &str, expected: &str| {
        check(&format!("regex: {{match: '^(?<x>.*)$', types: {{x: {name}}}}}"), text, expected);
    };
    for (name, text, expected) in [
        ("integer", "-5", r#"{"x": -5}"#),
        ("integer", " 7 ", r#"{"x": 7}"#),
        ("integer", "1.0", "! a whole number"),
        ("number", "1.50", r#"{"x": 1.5}"#),
        ("number", "12", r#"{"x": 12}"#),
        ("number", "inf", "! a number"),
        ("number", "1e999", "! a number"),
        ("bool", "Yes", r#"{"x": true}"#),
        ("bool", "off", r#"{"x": false}"#),
        ("bool", "maybe", "! yes or no"),
        ("comma_list", "a, b,,c", r#"{"x": ["a", "b", "c"]}"#),
        ("words", " a  b ", r#"{"x": ["a", "b"]}"#),
    ] {
        check_type(name, text, expected);
    }
}

#[test]
fn errors_show_a_short_line_without_control_characters() {
    let long = "y".repeat(500);
    let error = crate::support::parser("json: {}").parse(&format!("{long}\u{7}")).unwrap_err();
    assert!(error.found.chars().count() <= 80, "{error}");
    let error = crate::support::parser("regex: {match: '^0$'}").parse("a\u{1b}[0mb").unwrap_err();
    assert_eq!(error.to_string(), "expected text that matches the regular expression, found `a [0mb`");
}
