//! Faults of specs, and the shapes they promise.

use calipso_parse::{ParseSpecErrorKind as Kind, ParsedShape};

use crate::support::{compile, parser};

fn check_faults(spec: &str, expected: &[(Kind, &str)]) {
    let found = compile(spec).err().unwrap_or_default();
    let found: Vec<(Kind, String)> = found.into_iter().map(|error| (error.kind, error.key_path.join("."))).collect();
    let expected: Vec<(Kind, String)> = expected.iter().map(|(kind, path)| (*kind, (*path).to_owned())).collect();
    assert_eq!(found, expected, "{spec}");
}

#[test]
fn faults_are_all_found_where_they_are() {
    check_faults(
        "lines: {after: '(', skip: '(?=x)'}",
        &[(Kind::BadRegex, "lines.after"), (Kind::BadRegex, "lines.skip")],
    );
    check_faults("regex: {match: 'x', each_line: true}", &[(Kind::NoNamedGroup, "regex.match")]);
    check_faults("regex: {match: 'x'}", &[]);
    check_faults("regex: {match: '(?<a>x)', types: {b: integer}}", &[(Kind::UnknownGroup, "regex.types.b")]);
    check_faults("regex: {match: '((a{1,999}){1,999}){1,999}'}", &[(Kind::BadRegex, "regex.match")]);
    check_faults("table: {}", &[(Kind::BadKeys, "table")]);
    check_faults("table: {header: 'x', columns: [a]}", &[(Kind::BadKeys, "table")]);
    check_faults("table: {columns: [a, a]}", &[(Kind::BadKeys, "table.columns")]);
    check_faults("table: {columns: [a], types: {b: bool}}", &[(Kind::UnknownGroup, "table.types.b")]);
    check_faults("key_values: {pair: '(?<key>x)'}", &[(Kind::UnknownGroup, "key_values.pair")]);
    check_faults("key_values: {pair: '(?<key>x)(?<value>y)', more: x}", &[(Kind::UnknownGroup, "key_values.more")]);
    check_faults(
        "blocks: {start: x, fields: y, lists: {l: '('}, blocks: {b: {start: '[', types: {q: bool}}}}",
        &[
            (Kind::NoNamedGroup, "blocks.fields"),
            (Kind::BadRegex, "blocks.lists.l"),
            (Kind::BadRegex, "blocks.blocks.b.start"),
        ],
    );
    check_faults("blocks: {start: '(?<a>x)', lines: a}", &[(Kind::BadKeys, "blocks")]);
    check_faults(
        "blocks: {start: x, blocks: {b: {start: '(?<a>x)', types: {q: bool}}}}",
        &[(Kind::UnknownGroup, "blocks.blocks.b.types.q")],
    );
    check_faults("json: {columns: a}", &[(Kind::BadKeys, "json")]);
    check_faults("json: {rows: a..b}", &[(Kind::BadKeys, "json.rows")]);
}

#[test]
fn a_bad_expression_is_explained() {
    let errors = compile("regex: {match: '(?<=x)y'}").unwrap_err();
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["look-around, including look-ahead and look-behind, is not supported"]
    );
}

/// `?` marks keys that can be absent, `*` keys that are not known beforehand.
fn render(shape: &ParsedShape) -> String {
    match shape {
        ParsedShape::Any => "any".into(),
        ParsedShape::Text => "text".into(),
        ParsedShape::Int => "int".into(),
        ParsedShape::Number => "number".into(),
        ParsedShape::Bool => "bool".into(),
        ParsedShape::List(item) => format!("[{}]", render(item)),
        ParsedShape::OneOf(shapes) => shapes.iter().map(render).collect::<Vec<_>>().join("|"),
        ParsedShape::Map { known, others } => {
            let known = known.iter().map(|(name, field)| {
                format!("{name}{}: {}", if field.optional { "?" } else { "" }, render(&field.shape))
            });
            let others = others.iter().map(|others| format!("*: {}", render(others)));
            format!("{{{}}}", known.chain(others).collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn shapes() {
    for (spec, expected) in [
        ("lines: {}", "[text]"),
        (
            "regex: {match: '(?<a>x)(?:(?<b>y)|(?<c>z))(?<d>w)?(?:(?<e>v))+', each_line: true}",
            "[{a: text, b?: text, c?: text, d?: text, e: text}]",
        ),
        ("regex: {match: '(?<a>x)', types: {a: comma_list}}", "{a: [text]}"),
        ("table: {columns: [a, b], types: {b: integer}}", "[{a: text, b?: int}]"),
        ("table: {header: x, types: {b: bool}}", "[{b?: bool, *: text}]"),
        ("key_values: {pair: '(?<key>x)(?<value>y)', types: {n: number}}", "{n?: number, *: text}"),
        ("key_values: {pair: '(?<key>x)(?<value>y)', repeat: list}", "{*: text|[text]}"),
        (
            "blocks: {start: '(?<a>x)', fields: '(?<b>x)', lists: {l: '(?<c>x)'}, lines: raw, blocks: {n: {start: x, pairs: '(?<key>x)(?<value>y)'}}}",
            "[{a: text, b?: text, l: [{c: text}], n: [{*: text}], raw: [text]}]",
        ),
        ("json: {}", "any"),
        ("json: {rows: a}", "[{*: any}]"),
        ("yaml: {}", "any"),
        ("xml: {}", "{*: any}"),
    ] {
        assert_eq!(render(&parser(spec).shape()), expected, "{spec}");
    }
}
