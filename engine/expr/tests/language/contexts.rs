//! Templates, commands, queries, paths and generators: a value never becomes syntax.

use std::{collections::BTreeMap, process::Command};

use calipso_expr::{
    Each, Expr, ExprError, ExprErrorKind, Frame, Fuel, Layout, SqlText, Tree, UrlPath, Words, percent_encode,
    quote_word,
};
use calipso_model::{Str, Value};
use proptest::prelude::*;

use crate::common::{Binding, bound};

const VARS: &str = r#"{"a": 5, "t": "tap12", "n": null, "l": [3, 1], "el": [], "m": {"list": [{"k": "v", "n": 1}, {"k": "w", "n": 2}]},
  "words": ["ip", "-j", "link"], "odd": "it's $HOME; `x` \"q\" \\ *"}"#;

fn fuel() -> Fuel {
    Fuel::default()
}

/// Kind and marked text of every mistake.
fn marks<T>(source: &str, parsed: Result<T, Vec<ExprError>>) -> Vec<(ExprErrorKind, &str)> {
    match parsed {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(|error| (error.kind, &source[error.start..error.end])).collect(),
    }
}

#[test]
fn templates_keep_types_and_join_text() {
    let (layout, frame) = bound(VARS);
    let eval = |text: &str| match Tree::parse_text(text, &layout) {
        Ok(tree) => tree.eval(&frame, &mut fuel()).map_or_else(|error| format!("! {error}"), |value| value.to_json()),
        Err(errors) => format!("? {}", errors[0].message),
    };
    for (text, wanted) in [
        ("plain", "\"plain\""),
        ("{{ l }}", "[3,1]"),
        ("{{l}}", "[3,1]"),
        ("{{ n }}", "null"),
        (" {{ a }}", "\" 5\""),
        ("x{{ a }}y{{ '}}' }}", "\"x5y}}\""),
        ("{{ {'a': {'b': 1}} }}", r#"{"a":{"b":1}}"#),
        ("{{ '{{' }}|{{ \"it's }}\" }}", "\"{{|it's }}\""),
        ("{{ a }}{{ t }}", "\"5tap12\""),
        ("} {{ a }} }}", "\"} 5 }}\""),
        ("a{{ l }}", "! list cannot be joined into text"),
        ("a{{ n }}", "! null cannot be joined into text; use `| default('')`, or ask `is none`"),
        ("a {{ t", "? `{{` is not closed"),
        ("a {{ 't }}", "? `{{` is not closed"),
        ("{{ }}", "? there is no expression between the braces"),
        ("x {% if a %}", "? the language has no `{% %}` blocks"),
        ("{{ '{% x %}' }}", "\"{% x %}\""),
    ] {
        assert_eq!(eval(text), wanted, "{text}");
    }
    let source = "ab {{ zz }} {{  a | frist }}";
    assert_eq!(
        marks(source, Tree::parse_text(source, &layout)),
        [(ExprErrorKind::UnknownName, "zz"), (ExprErrorKind::UnknownFilter, "frist")]
    );
    let Tree::Expr(expr) = Tree::parse_text("{{  l }}", &layout).expect("it parses") else { panic!("one expression") };
    assert_eq!((expr.offset(), expr.source()), (4, "l"));
}

#[test]
fn null_leaves_written_entries_out_at_any_depth_but_copied_ones_stay() {
    let (layout, frame) = bound(r#"{"n": null, "doc": {"inner": null}}"#);
    let leaf = |text: &str| Tree::parse_text(text, &layout).expect("it parses");
    let tree = Tree::Map(vec![
        ("gone".into(), leaf("{{ n }}")),
        ("deep".into(), Tree::Map(vec![("gone".into(), leaf("{{ n }}")), ("doc".into(), leaf("{{ doc }}"))])),
        ("list".into(), Tree::List(vec![leaf("{{ n }}"), Tree::Map(vec![("gone".into(), leaf("{{ n }}"))])])),
        ("null".into(), Tree::Const(Value::Null)),
        ("z".into(), Tree::Const(Value::Int(1))),
    ]);
    let value = tree.eval(&frame, &mut fuel()).expect("it evaluates");
    assert_eq!(value.to_json(), r#"{"deep":{"doc":{"inner":null}},"list":[null,{}],"z":1}"#);
    assert!(!tree.is_const() && Tree::List(vec![Tree::Const(Value::Null)]).is_const());
    assert_eq!((tree.uses().len(), tree.exprs().len()), (5, 5));
}

#[test]
fn commands_become_words() {
    let (layout, frame) = bound(VARS);
    let words = |text: &str| match Words::parse(text, &layout) {
        Ok(words) => words.eval(&frame, &mut fuel()).unwrap_or_else(|error| vec![format!("! {error}")]),
        Err(errors) => vec![format!("? {}", errors[0].message)],
    };
    let rows: [(&str, &[&str]); 19] = [
        ("ls -l  /x\t/y", &["ls", "-l", "/x", "/y"]),
        ("sudo -n {{ words }} 'a b'", &["sudo", "-n", "ip", "-j", "link", "a b"]),
        ("x{{ a }}-{{ t }}.y", &["x5-tap12.y"]),
        ("e {{ odd }}", &["e", "it's $HOME; `x` \"q\" \\ *"]),
        ("e \"q\\\"\\$\\x\" a\\ b '\\'", &["e", "q\"$\\x", "a b", "\\"]),
        ("e '' \"\"", &["e", "", ""]),
        ("e 'a;b|c' \"$(x)\"", &["e", "a;b|c", "$(x)"]),
        ("e \"x {{ t }} y\"", &["e", "x tap12 y"]),
        ("e '{{ a }}'{{ t }}", &["e", "5tap12"]),
        ("e {{ el }} f", &["e", "f"]),
        ("e *.x ~ {a,b} #", &["e", "*.x", "~", "{a,b}", "#"]),
        ("e {{ n }}", &["! null cannot be a word of a command"]),
        ("e {{ m }}", &["! map cannot be a word of a command"]),
        ("e {{ [m] }}", &["! map cannot be a word of a command"]),
        ("e x{{ l }}", &["! list cannot be joined into text"]),
        ("e '{{ l }}'", &["! list cannot be joined into text"]),
        ("e {{ 'a\\0b' ~ t }}", &["! a word of a command holds a NUL character"]),
        ("", &["? the command is empty"]),
        ("e x\\", &["? the command ends with a backslash"]),
    ];
    for (text, wanted) in rows {
        assert_eq!(words(text), wanted, "{text}");
    }

    for operator in [";", "&", "|", "<", ">", "$", "(", ")", "`"] {
        let source = format!("ls {{{{ t }}}} x{operator} y");
        assert_eq!(marks(&source, Words::parse(&source, &layout)), [(ExprErrorKind::ShellOperator, operator)]);
    }
    let source = "ls {{ t }} 'x";
    assert_eq!(marks(source, Words::parse(source, &layout)), [(ExprErrorKind::NotWords, "'")]);
    let parsed = Words::parse("ip netns 'exec' {{ t }} x{{ t }} a'b'c", &layout).expect("it parses");
    assert_eq!(parsed.leading_words(), [Some("ip"), Some("netns"), Some("exec"), None, None, Some("abc")]);
    assert_eq!(parsed.uses().len(), 2);
}

#[test]
fn queries_bind_their_values() {
    let (layout, frame) = bound(VARS);
    let identifiers: BTreeMap<Str, Str> = [("db".into(), "ne`w".into()), ("bad".into(), "".into())].into();
    let eval = |text: &str| match SqlText::parse(text, &layout) {
        Ok(sql) => match sql.eval(&frame, &mut fuel(), &identifiers) {
            Ok((text, params)) => format!("{text} <- {}", Value::list(params).to_json()),
            Err(error) => format!("! {error}"),
        },
        Err(errors) => format!("? {}", errors[0].message),
    };
    let none = "SELECT NULL FROM (SELECT 1 AS one) AS nothing WHERE 1 = 0";
    for (text, wanted) in [
        ("SELECT * FROM t WHERE a = {{ t }}", "SELECT * FROM t WHERE a = ? <- [\"tap12\"]"),
        ("select a from {{ schema.db }}.t", "select a from `ne``w`.t <- []"),
        ("SELECT a FROM {{ schema.db }}", "SELECT a FROM `ne``w` <- []"),
        ("SELECT a FROM t WHERE b IN ({{ l }})", "SELECT a FROM t WHERE b IN (?, ?) <- [3,1]"),
        ("SELECT a FROM t WHERE b in\n( {{ l }} )", "SELECT a FROM t WHERE b in\n( ?, ? ) <- [3,1]"),
        ("SELECT a FROM t WHERE b IN ('x', {{ l }})", "SELECT a FROM t WHERE b IN ('x', ?, ?) <- [3,1]"),
        ("SELECT a FROM t WHERE b IN ({{ t }})", "SELECT a FROM t WHERE b IN (?) <- [\"tap12\"]"),
        ("SELECT a, 'it''s; -- # ?' FROM t", "SELECT a, 'it''s; -- # ?' FROM t <- []"),
        ("SELECT a FROM t WHERE b = {{ n }}", "SELECT a FROM t WHERE b = ? <- [null]"),
        (
            "SELECT a FROM t WHERE b IN ('x', {{ el }})",
            "! an empty list cannot stand beside other elements of `IN ( )`",
        ),
        ("SELECT a FROM t WHERE b = {{ l }}", "! a list is only a value inside `IN ( )`"),
        ("SELECT a FROM t WHERE b = f({{ l }})", "! a list is only a value inside `IN ( )`"),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM d WHERE e = {{ l }})", "! a list is only a value inside `IN ( )`"),
        ("SELECT a FROM t WHERE b IN ({{ [l] }})", "! the elements of a list in a query are scalars"),
        ("SELECT a FROM t WHERE b = {{ m }}", "! a map cannot be a value of a query"),
        ("SELECT a FROM {{ schema.other }}.t", "! the connection has no identifier `other`"),
        ("SELECT a FROM {{ schema.bad }}.t", "! the connection's `bad` is no identifier"),
        (
            "SELECT REPLACE(a, 'x', {{ t }}) FROM t UNION SELECT b FROM u",
            "SELECT REPLACE(a, 'x', ?) FROM t UNION SELECT b FROM u <- [\"tap12\"]",
        ),
        ("DELETE FROM t", "? a query is one SELECT"),
        ("{{ t }} SELECT", "? a query is one SELECT"),
        ("", "? a query is one SELECT"),
        ("SELECTED", "? a query is one SELECT"),
        ("SELECT 1; SELECT 2", "? a query is one statement, without `;`"),
        ("SELECT 1 -- x", "? a query has no comments"),
        ("SELECT 1 # x", "? a query has no comments"),
        ("SELECT /* x */ 1", "? a query has no comments"),
        ("SELECT a FROM t WHERE b = ?", "? write `{{ value }}` in place of `?`"),
        ("SELECT '{{ t }}'", "? a value stands inside quotes"),
        ("SELECT `{{ schema.db }}`.x", "? an identifier stands inside quotes"),
        ("SELECT a FROM t{{ a }}", "? a value is a word of its own"),
        ("SELECT a FROM {{ schema.db }}x", "? a value is a word of its own"),
        ("SELECT {{ schema.db ~ 'x' }}", "? `schema` is only used as `schema.NAME`"),
        ("SELECT {{ schema }}", "? `schema` is only used as `schema.NAME`"),
        ("SELECT 'x", "? the quote `'` is not closed"),
        ("SELECT 'x\\' OR 1", "? a backslash in a quoted text means something else to each server"),
        ("SELECT (1", "? there is no `)` for this"),
        ("SELECT 1)", "? there is no `(` for this"),
        ("SELECT a  INTO\n OUTFILE 'x' FROM t", "? a query only reads"),
        ("SELECT a FROM t FOR  UPDATE", "? a query locks nothing"),
        ("SELECT @x := 1", "? a query sets no variables"),
    ] {
        assert_eq!(eval(text), wanted, "{text}");
    }
    assert_eq!(eval("SELECT a FROM t WHERE b IN ({{ el }})"), format!("SELECT a FROM t WHERE b IN ({none}) <- []"));
    assert_eq!(
        eval("SELECT a FROM t WHERE b NOT IN ({{ el }})"),
        format!("SELECT a FROM t WHERE b NOT IN ({none}) <- []")
    );
    let sql = SqlText::parse("SELECT {{ a }} FROM {{ schema.db }}.t", &layout).expect("it parses");
    assert_eq!(sql.identifiers(), [(Str::from("db"), 23, 32)]);
    assert_eq!(sql.uses().len(), 1);
}

#[test]
fn paths_of_requests() {
    let (layout, frame) =
        bound(r#"{"id": "a/b?c#d e", "dots": "..", "dot": ".", "empty": "", "n": null, "i": 7, "l": []}"#);
    let eval = |text: &str| match UrlPath::parse(text, &layout) {
        Ok(path) => path.eval(&frame, &mut fuel()).unwrap_or_else(|error| format!("! {error}")),
        Err(errors) => format!("? {}", errors[0].message),
    };
    for (text, wanted) in [
        ("/v2/ports", "/v2/ports"),
        ("/v2/{{ id }}/x", "/v2/a%2Fb%3Fc%23d%20e/x"),
        ("/v2/{{ i }}.json", "/v2/7.json"),
        ("/", "/"),
        ("/a%20b", "/a%20b"),
        ("/v2/{{ dots }}", "! `..` cannot be a part of a path"),
        ("/v2/.{{ dot }}", "! `.` cannot be a part of a path"),
        ("/v2/{{ empty }}", "! an empty text cannot be a part of a path"),
        ("/v2/{{ n }}", "! null cannot be a part of a path"),
        ("/v2/{{ l }}", "! list cannot be a part of a path"),
        ("v2", "? a path begins with `/`"),
        ("http://x/y", "? a request names a path, not a URL"),
        ("/x?y=1", "? a path has no query"),
        ("/x#y", "? a path has no query"),
        ("/x y", "? a path has no blanks"),
        ("/x\\y", "? a path has no blanks"),
        ("/x/../y", "? a path has no `.` or `..`"),
        ("/x/./y", "? a path has no `.` or `..`"),
        ("/x/%2E%2e/y", "? a path has no `.` or `..`"),
        ("/x/%zz", "? `%` in a path begins a percent-encoded byte"),
        ("/x/%2", "? `%` in a path begins a percent-encoded byte"),
    ] {
        assert_eq!(eval(text), wanted, "{text}");
    }
}

#[test]
fn generators_bind_names_in_order() {
    let (layout, mut frame) = bound(VARS);
    let mut names = Binding(layout);
    let each = Each::parse("item in m.list;\n k , v\tin item ; x in ['in ; x']", &mut names).expect("it parses");
    let when = Expr::parse("k == 'k'", &names).expect("it parses");
    let value = Expr::parse("[k, v, item.n, x]", &names).expect("it parses");
    let mut found = Vec::new();
    each.for_each(Some(&when), &mut frame, &mut fuel(), &mut |frame, fuel| {
        found.push(value.eval(frame, fuel)?.to_json());
        Ok(())
    })
    .expect("it runs");
    assert_eq!(found, [r#"["k","v",1,"in ; x"]"#, r#"["k","w",2,"in ; x"]"#]);
    for generator in &each.generators {
        assert!(frame.get(generator.value).is_none(), "the frame is clean again");
    }
    assert_eq!(each.uses().len(), 2);
    let elements = each.generators[0].elements(&frame, &mut fuel()).expect("a list");
    assert_eq!(elements.len(), 2);

    for (source, wanted) in [
        ("y of l", (ExprErrorKind::BadGenerator, "y of l")),
        ("y in l; ", (ExprErrorKind::BadGenerator, "")),
        ("p, q, r in m", (ExprErrorKind::BadGenerator, "p, q, r in m")),
        ("1y in l", (ExprErrorKind::BadGenerator, "1y in l")),
        ("not in l", (ExprErrorKind::BadGenerator, "not in l")),
        ("y in", (ExprErrorKind::BadGenerator, "y in")),
        ("y in  zz", (ExprErrorKind::UnknownName, "zz")),
        ("y in l;  a in l", (ExprErrorKind::ShadowedName, "a")),
        ("yy in l; q, yy in m", (ExprErrorKind::ShadowedName, "yy")),
        ("s in s", (ExprErrorKind::UnknownName, "s")),
    ] {
        let mut names = Binding(bound(VARS).0);
        let parsed = Each::parse(source, &mut names);
        let marked = match &parsed {
            Ok(_) => panic!("{source} is no generator"),
            Err(errors) => (errors[0].kind, source.get(errors[0].start..errors[0].end).unwrap_or("")),
        };
        assert_eq!(marked, wanted, "{source}");
    }
    for (source, wanted) in [
        ("y in n", "null cannot be run over; use `| default([])` or `| as_list`"),
        ("y in t", "text cannot be run over; use `| default([])` or `| as_list`"),
        ("y in m", "this is a map; write `key, value in …`"),
        ("p, q in l", "this is a list; write `element in …`"),
        ("y in m.zz", "`m.zz` is undefined"),
    ] {
        let (layout, mut frame) = bound(VARS);
        let each = Each::parse(source, &mut Binding(layout)).expect("it parses");
        let error = each.for_each(None, &mut frame, &mut fuel(), &mut |_, _| Ok(())).expect_err(source);
        assert_eq!(error.to_string(), wanted, "{source}");
    }
}

fn one(text: &str) -> (Layout, Frame) {
    let mut layout = Layout::default();
    let mut frame = Frame::default();
    frame.set(layout.slot("x"), text);
    (layout, frame)
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            let digits = String::from_utf8(digits).expect("two digits");
            bytes.push(u8::from_str_radix(&digits, 16).expect("hexadecimal"));
        } else {
            bytes.push(byte);
        }
    }
    bytes
}

/// Texts full of what means something somewhere.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n\t]{0,20}",
        "[;&|<>$()`'\"\\\\{}*?~!#%= a\n]{0,12}",
        "(\\.\\.|/|%2e|%2F|\\?|#|[a-z]){0,6}",
        any::<String>().prop_map(|text| text.replace('\0', "")),
        Just("{{ x }}".to_owned()),
        Just("'; DROP TABLE t; --".to_owned()),
        Just("$(id)".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_shell_reads_back_the_words_that_were_quoted(texts in prop::collection::vec(hostile(), 1..5)) {
        let line = texts.iter().map(|text| quote_word(text)).collect::<Vec<_>>().join(" ");
        let output = Command::new("/bin/sh").arg("-c").arg(format!("printf '%s\\0' {line}")).output().expect("a shell");
        prop_assert!(output.status.success());
        let mut wanted = texts.join("\0").into_bytes();
        wanted.push(0);
        prop_assert_eq!(output.stdout, wanted);
    }

    #[test]
    fn a_value_is_exactly_one_word_or_a_part_of_one(text in hostile()) {
        let (layout, frame) = one(&text);
        let words = Words::parse("a {{ x }} b{{ x }}c \"{{ x }}\" d", &layout).expect("it parses");
        let words = words.eval(&frame, &mut Fuel::default()).expect("it evaluates");
        prop_assert_eq!(words, ["a", text.as_str(), &format!("b{text}c"), &text, "d"]);
    }

    #[test]
    fn a_value_is_exactly_one_part_of_a_path(text in hostile()) {
        let (layout, frame) = one(&text);
        let path = UrlPath::parse("/v2/{{ x }}/end", &layout).expect("it parses").eval(&frame, &mut Fuel::default());
        if text.chars().all(|character| character == '.') {
            prop_assert!(path.is_err());
        } else {
            let path = path.expect("it evaluates");
            let part = path.strip_prefix("/v2/").and_then(|rest| rest.strip_suffix("/end")).expect("the rest stays");
            prop_assert!(!part.contains(['/', '?', '#', '\\', ' ']) && part != ".." && part != ".");
            prop_assert!(part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)));
            prop_assert_eq!(decoded(part), text.as_bytes());
            prop_assert_eq!(part, percent_encode(&text));
        }
    }

    #[test]
    fn a_value_never_stands_in_the_text_of_a_query(text in hostile(), more in prop::collection::vec(hostile(), 0..4)) {
        let (mut layout, mut frame) = one(&text);
        frame.set(layout.slot("l"), more.iter().map(|text| Value::text(text)).collect::<Vec<_>>());
        let sql = SqlText::parse("SELECT a FROM t WHERE b = {{ x }} AND c IN ({{ l }})", &layout).expect("it parses");
        let (statement, params) = sql.eval(&frame, &mut Fuel::default(), &BTreeMap::new()).expect("it evaluates");
        let list = if more.is_empty() {
            "SELECT NULL FROM (SELECT 1 AS one) AS nothing WHERE 1 = 0".to_owned()
        } else {
            vec!["?"; more.len()].join(", ")
        };
        prop_assert_eq!(statement, format!("SELECT a FROM t WHERE b = ? AND c IN ({list})"));
        let wanted: Vec<Value> = std::iter::once(&text).chain(&more).map(|text| Value::text(text)).collect();
        prop_assert_eq!(params, wanted);
    }

    #[test]
    fn an_identifier_cannot_leave_its_quotes(name in hostile()) {
        let layout = Layout::default();
        let sql = SqlText::parse("SELECT a FROM {{ schema.db }}.t", &layout).expect("it parses");
        let identifiers = [(Str::from("db"), Str::from(name.as_str()))].into();
        match sql.eval(&Frame::default(), &mut Fuel::default(), &identifiers) {
            Err(_) => prop_assert!(name.is_empty()),
            Ok((statement, _)) => {
                let inside = statement.strip_prefix("SELECT a FROM `").and_then(|rest| rest.strip_suffix("`.t")).expect("quoted");
                prop_assert_eq!(inside.replace("``", ""), name.replace('`', ""));
                prop_assert_eq!(inside.matches('`').count(), 2 * name.matches('`').count());
            }
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>(), code in "[a-z0-9 .|~+'\"(){}\\[\\]:;,%{}]{0,30}") {
        let (layout, frame) = one("v");
        for text in [&text, &code] {
            if let Ok(tree) = Tree::parse_text(text, &layout) {
                let _ = tree.eval(&frame, &mut Fuel::new(10_000));
            }
            let _ = Words::parse(text, &layout).map(|words| words.eval(&frame, &mut Fuel::new(10_000)));
            let _ = SqlText::parse(text, &layout);
            let _ = UrlPath::parse(text, &layout);
            let _ = Each::parse(text, &mut Binding(layout.clone()));
            if let Err(errors) = Expr::parse(text, &layout) {
                for error in errors {
                    prop_assert!(text.get(error.start..error.end).is_some(), "{}: {:?}", text, error);
                }
            }
        }
    }
}
