//! What expressions mean: operators, paths, choices, and what their errors say.

use crate::common::{bound, check};
use calipso_expr::{Expr, ExprErrorKind, Frame, Fuel, Layout, failed};
use calipso_model::{Map, Value};

const VARS: &str = r#"{"a": 5, "f": 2.5, "t": "tap12", "empty": "", "n": null, "yes": true, "no": false, "l": [3, 1, 2, 3],
  "m": {"x": {"y": "deep"}, "b c": 1, "7": "seven", "nil": null, "list": [{"k": "v", "n": 1}, {"k": "w", "n": 2}]},
  "u": "größe", "key": "x", "el": [], "em": {}}"#;

#[test]
fn operators() {
    check(
        VARS,
        &[
            ("a + 1", "6"),
            ("a - 7", "-2"),
            ("a * f", "12.5"),
            ("a / 2", "2.5"),
            ("4 / 2", "2.0"),
            ("a // 2", "2"),
            ("-a // 2", "-3"),
            ("-a % 3", "1"),
            ("a % -3", "-1"),
            ("f // 1", "2.0"),
            ("2 ** 10", "1024"),
            ("2 ** -1", "! the number is too large"),
            ("-a", "-5"),
            ("-f", "-2.5"),
            ("-t", "! text cannot be negated"),
            ("a + t", "! arithmetic needs numbers, not integer and text"),
            ("t + t", "! arithmetic needs numbers, not text and text"),
            ("a + n", "! arithmetic needs numbers, not integer and null"),
            ("yes + 1", "! arithmetic needs numbers, not bool and integer"),
            ("9223372036854775807 + 1", "! the number is too large"),
            ("-9223372036854775807 - 2", "! the number is too large"),
            ("1 / 0", "! division by zero"),
            ("1 // 0", "! division by zero"),
            ("1 % 0", "! division by zero"),
            ("1.0 / 0", "! the result is no finite number"),
            ("10.0 ** 400", "! the result is no finite number"),
            ("l + [9]", "[3,1,2,3,9]"),
            ("[] + []", "[]"),
            ("l + 1", "! arithmetic needs numbers, not list and integer"),
            ("l * 2", "! arithmetic needs numbers, not list and integer"),
            ("t ~ '-' ~ a ~ f ~ yes", "\"tap12-52.5true\""),
            ("1.0 ~ ''", "\"1.0\""),
            ("t ~ n", "! null cannot be joined into text; use `| default('')`, or ask `is none`"),
            ("t ~ l", "! list cannot be joined into text"),
            ("t ~ m", "! map cannot be joined into text"),
            ("t ~ (m.q | default(''))", "\"tap12\""),
            ("[a, t, [n]]", "[5,\"tap12\",[null]]"),
            ("(a, t)", "[5,\"tap12\"]"),
            ("{'p': a, t: 1}", r#"{"p":5,"tap12":1}"#),
            ("{'p': {'q': m.x}}", r#"{"p":{"q":{"y":"deep"}}}"#),
            ("{a: 1}", "! the key of a map must be text, not integer"),
            ("{'p': 1, 'p': 2}", r#"{"p":2}"#),
            ("{}", "{}"),
        ],
    );
}

#[test]
fn comparisons_and_logic() {
    check(
        VARS,
        &[
            ("a == 5", "true"),
            ("a == '5'", "false"),
            ("a != '5'", "true"),
            ("1 == 1.0", "true"),
            ("yes == 1", "false"),
            ("n == false", "false"),
            ("n == none", "true"),
            ("l == [3, 1, 2, 3.0]", "true"),
            ("m.x == {'y': 'deep'}", "true"),
            ("a < 'x'", "false"),
            ("a >= 'x'", "false"),
            ("n < 1", "false"),
            ("n >= 1", "false"),
            ("l < [9]", "false"),
            ("a < 5.5", "true"),
            ("'abc' < 'abd'", "true"),
            ("no < yes", "true"),
            ("1 < a <= 5", "true"),
            ("1 < a < 5", "false"),
            ("a > 9 > 'never compared'", "false"),
            ("not a", "false"),
            ("not el", "true"),
            ("not em", "true"),
            ("not empty", "true"),
            ("not n", "true"),
            ("not 0.0", "true"),
            ("a and t", "\"tap12\""),
            ("el and t", "[]"),
            ("el or t", "\"tap12\""),
            ("a or m.q", "5"),
            ("no and m.q", "false"),
            ("el or m.q", "! `m.q` is undefined"),
            ("3 in l", "true"),
            ("9 not in l", "true"),
            ("'3' in l", "false"),
            ("'x' in m", "true"),
            ("'nil' in m", "true"),
            ("1 in m", "false"),
            ("'ap' in t", "true"),
            ("1 in t", "! `in` a text looks for text, not integer"),
            ("1 in n", "! `in` needs a list, map or text, not null; use `| default([])` or `| as_list`"),
            ("1 in a", "! `in` needs a list, map or text, not integer"),
            ("'x' if a > 3", "\"x\""),
            ("'x' if a > 7", "null"),
            ("'x' if a > 7 else 'y'", "\"y\""),
            ("'x' if a > 7 else 'y' if a > 3 else 'z'", "\"y\""),
            ("m.q if a > 7 else 1", "1"),
            ("m.q if a > 3 else 1", "! `m.q` is undefined"),
            ("(m.q if a > 3) | default('d')", "\"d\""),
            ("{'marker': (m.list | last).k} if l", r#"{"marker":"w"}"#),
        ],
    );
}

#[test]
fn paths_may_break_off_only_where_the_text_says_so() {
    check(
        VARS,
        &[
            ("m.x.y", "\"deep\""),
            ("m['b c']", "1"),
            ("m['x']['y']", "\"deep\""),
            ("m[key].y", "\"deep\""),
            ("m[7]", "\"seven\""),
            ("m.nil", "null"),
            ("l[0]", "3"),
            ("l[-1]", "3"),
            ("l[-4]", "3"),
            ("l[-5]", "! `l[-5]` is undefined"),
            ("l[4]", "! `l[4]` is undefined"),
            ("l['x']", "! `l['x']` is undefined: what should hold it is list"),
            ("t[0]", "\"t\""),
            ("t[-1]", "\"2\""),
            ("u[2]", "\"ö\""),
            ("m.list[1].k", "\"w\""),
            ("m.q", "! `m.q` is undefined"),
            ("m.q.r.s", "! `m.q` is undefined"),
            ("n.x", "! `n.x` is undefined: what should hold it is null"),
            ("a.x", "! `a.x` is undefined: what should hold it is integer"),
            ("l.x", "! `l.x` is undefined: what should hold it is list"),
            ("m[t].z", "! `m[t]` is undefined"),
            ("m[m.q]", "! `m[m.q]` is undefined: its index is undefined"),
            ("m.q | default('d')", "\"d\""),
            ("m.q.r.s | default('d')", "\"d\""),
            ("m.q['r'][0].s | default('d')", "\"d\""),
            ("m[m.q].s | default('d')", "\"d\""),
            ("m.q[3:] | default('d')", "\"d\""),
            ("n.x.y | default('d')", "\"d\""),
            ("m.q | default", "null"),
            ("m.q | d(1)", "1"),
            ("n | default(1)", "null"),
            ("m.nil | default(1)", "null"),
            ("m.q | default(m.r) | default('last')", "\"last\""),
            ("m.q | default(m.r)", "! `m.r` is undefined"),
            ("m.q | default(m.x.y)", "\"deep\""),
            ("m.x | default(m.q)", "{\"y\":\"deep\"}"),
            ("m.q is defined", "false"),
            ("m.q.r.s is defined", "false"),
            ("m.nil is defined", "true"),
            ("m.q is not defined", "true"),
            ("m.q is undefined", "true"),
            ("m.x is undefined", "false"),
            ("m.q.r is none", "true"),
            ("n is none", "true"),
            ("a is none", "false"),
            ("a is not none", "true"),
            ("m.q == 1", "! `m.q` is undefined"),
            ("not m.q", "! `m.q` is undefined"),
            ("m.q ~ ''", "! `m.q` is undefined"),
            ("[m.q]", "! `m.q` is undefined"),
            ("m.q is startingwith('x')", "! `m.q` is undefined"),
            ("m.q | as_list", "! `m.q` is undefined"),
            ("m.q | first | default('d')", "! `m.q` is undefined"),
            ("m.q or a", "! `m.q` is undefined"),
            ("(m.q ~ 'x') | default('d')", "! `m.q` is undefined"),
            (
                "m.list | map(attribute='z') | default([])",
                "! `map`: an element has no `z`; give `default=` if that may be",
            ),
        ],
    );
}

#[test]
fn slices() {
    check(
        VARS,
        &[
            ("t[3:]", "\"12\""),
            ("t[:3]", "\"tap\""),
            ("t[:3] == 'tap'", "true"),
            ("t[1:-1]", "\"ap1\""),
            ("t[-2:]", "\"12\""),
            ("t[9:]", "\"\""),
            ("t[::2]", "\"tp2\""),
            ("u[:4]", "\"größ\""),
            ("u[-2:]", "\"ße\""),
            ("l[1:3]", "[1,2]"),
            ("l[2:1]", "[]"),
            ("l[-99:99]", "[3,1,2,3]"),
            ("l[::3]", "[3,3]"),
            ("l[:m.nil]", "[3,1,2,3]"),
            ("l[::0]", "! the step of a slice is a positive number"),
            ("l[::-1]", "! the step of a slice is a positive number"),
            ("l['x':]", "! a slice wants whole numbers, not text"),
            ("n[1:]", "null"),
            ("a[1:]", "! integer cannot be sliced"),
            ("m[1:]", "! map cannot be sliced"),
        ],
    );
}

#[test]
fn mistakes_in_the_text() {
    check(
        VARS,
        &[
            ("a +", "? unexpected end of input, expected expression"),
            ("", "? there is no expression"),
            ("  ", "? there is no expression"),
            ("a b", "? unexpected input after expression"),
            ("{{ a }}", "? this key holds a bare expression; braces have no place in it"),
            ("bb", "? nothing is named `bb` here"),
            ("bb + cc", "? nothing is named `bb` here; nothing is named `cc` here"),
            ("a | defualt(1)", "? no filter is named `defualt`"),
            ("a | map('cidr')", "? no filter is named `cidr`"),
            ("l | select('difined')", "? no test is named `difined`"),
            ("a is difined", "? no test is named `difined`"),
            ("range(10)", "? no function is named `range`"),
            ("t.upper()", "? values have no methods"),
            ("a | replace('x')", "? `replace` takes 2 arguments, not 1"),
            ("a | lower(1)", "? `lower` takes no arguments, not 1"),
            ("a | split(1, 2, 3)", "? `split` takes 0 to 2 arguments, not 3"),
            ("l | sort(attribut='x')", "? `sort` has no argument `attribut`"),
            ("l | map", "? `map` needs the name of a filter, or `attribute=`"),
            ("l | map('int', attribute='x')", "? `map` takes a filter or `attribute=`, not both"),
            ("l | map(t)", "? the name of a filter is written out as a text"),
            ("l | map('replace', 'x')", "? `replace` takes 2 arguments, not 1"),
            ("l | map('map', 'int')", "? `map` cannot be used by name"),
            ("l | select('gt')", "? `gt` takes 1 argument, not 0"),
            ("l | selectattr('x', 'none', 1)", "? `none` takes no arguments, not 1"),
            ("l | select(t)", "? `select` needs the name of a test, written out as a text"),
            ("a is gt", "? `gt` takes 1 argument, not 0"),
            ("a is defined(1)", "? `defined` takes no arguments, not 1"),
            ("overlap(l)", "? `overlap` takes 2 arguments, not 1"),
            ("overlap(l, b=l)", "? `overlap` has no argument `b`; `overlap` takes 2 arguments, not 1"),
            ("t | replace(*l)", "? arguments cannot be spread with `*`; `replace` takes 2 arguments, not 0"),
            ("t | regex_get('(')", "? `(` is no regular expression: unclosed group"),
            ("t | regex_get('(?=x)')", "? `(?=x)` is no regular expression: look-around…"),
            ("t | regex_get('(?<nam>x)', 'name')", "? the regular expression has no group `name`"),
        ],
    );
}

/// Kind, marked text and help of the first mistake.
#[test]
fn mistakes_are_marked_precisely() {
    let (layout, _) = bound(VARS);
    let rows = [
        ("1 + enpty ~ a", ExprErrorKind::UnknownName, "enpty", Some("did you mean `empty`?")),
        ("a + b.c | frist", ExprErrorKind::UnknownName, "b", None),
        ("l |  frist ~ 'x'", ExprErrorKind::UnknownFilter, "frist", Some("did you mean `first`?")),
        ("a is  difined and t", ExprErrorKind::UnknownFilter, "difined", Some("did you mean `defined`?")),
        ("l | map('tirm')", ExprErrorKind::UnknownFilter, "'tirm'", Some("did you mean `trim`?")),
        ("1 + overlop(l, l)", ExprErrorKind::UnknownFilter, "overlop", Some("did you mean `overlap`?")),
        ("a ~ (t | replace('x'))", ExprErrorKind::WrongArguments, "replace('x')", None),
        (
            "l | sort(attribut='x')",
            ExprErrorKind::WrongArguments,
            "sort(attribut='x')",
            Some("did you mean `attribute`?"),
        ),
        ("a ~ {{ t }}", ExprErrorKind::TemplateInExpression, "{{", Some("leave out `{{` and `}}`")),
        ("a b", ExprErrorKind::Syntax, "b", None),
    ];
    for (source, kind, marked, help) in rows {
        let errors = Expr::parse(source, &layout).expect_err(source);
        let error = &errors[0];
        assert_eq!((error.kind, &source[error.start..error.end]), (kind, marked), "{source}");
        if help.is_some() {
            assert_eq!(error.help.as_deref(), help, "{source}");
        }
    }
    let help = Expr::parse("zzzzzz", &layout).expect_err("unknown")[0].help.clone();
    assert!(help.is_some_and(|help| help.starts_with("names that are known here: `a`, ")));
}

#[test]
fn faults_are_marked_precisely() {
    let (layout, frame) = bound(VARS);
    for (source, marked) in [
        ("'x' ~ m.q.r", "m.q"),
        ("a + (l | first | lower)", "l | first | lower"),
        ("t ~ '-' ~ n", "n"),
        ("[a, m[key].zz[0]]", "m[key].zz"),
        ("1 + (2 in a)", "2 in a"),
        ("l[t:]", "t"),
    ] {
        let expr = Expr::parse(source, &layout).expect(source);
        let error = expr.eval(&frame, &mut Fuel::default()).expect_err(source);
        assert_eq!(&source[error.start..error.end], marked, "{source}: {error}");
        assert_eq!(error.source_text.as_deref(), Some(source));
        assert!(!error.is_failed() && !error.is_limit());
    }
}

#[test]
fn deep_nesting_is_refused_and_never_overflows() {
    let layout = Layout::new(&["a"]);
    let deep = format!("{}a{}", "(".repeat(400), ")".repeat(400));
    let lists = format!("{}a{}", "[".repeat(90), "]".repeat(90));
    let nots = format!("{}a", "not ".repeat(90));
    for source in [deep, lists, nots] {
        assert!(Expr::parse(&source, &layout).is_err());
    }
    let long = vec!["a"; 60].join(" ~ ");
    assert!(Expr::parse(&long, &layout).is_ok());
}

#[test]
fn what_a_failed_step_left_is_masked_by_nothing() {
    let (mut layout, mut frame) = bound(VARS);
    frame.set(layout.find("a").expect("bound"), failed::marker());
    let partly = Value::list(vec![Value::Int(1), failed::marker(), Value::Null]);
    frame.set(layout.find("l").expect("bound"), partly);
    frame.set(layout.find("m").expect("bound"), Value::Map([("x", failed::marker())].into_iter().collect()));
    let mut open: Map = [("a1", 1i64)].into_iter().collect();
    failed::open(&mut open, [failed::Ends { begin: "b".to_owned(), end: String::new() }]);
    frame.set(layout.slot("open"), Value::Map(open));
    let eval = |source: &str| Expr::parse(source, &layout).expect(source).eval(&frame, &mut Fuel::default());
    for source in [
        "a",
        "a | default(1)",
        "a is defined",
        "a is none",
        "[a]",
        "'x' if a else 'y'",
        "a and t",
        "no or a",
        "m.x.y | default(1)",
        "m.x is undefined",
        "m['x'] is none",
        "m[key]",
        "l[1]",
        "l[:2] | last",
        "(l | map('string'))[1]",
        "l | sort",
        "l | length",
        "l | join",
        "l | tojson",
        "l == [1]",
        "l != [1, 2, 3]",
        "open.b1",
        "open['b1'] | default(1)",
        "'b1' in open",
        "open | length",
        "open | items | first",
        "open | keys | first",
        "(open | without(['a1'])).b2",
        "'b1' | lookup_in(open)",
        "([open, {'c': 1}] | merged).z",
        "open == {}",
        "{'b': 1} is subset_of(open)",
        "9 in l",
        "overlap(l, [9])",
        "([m] | map(attribute='x'))[0]",
        "([m] | selectattr('x'))[0]",
        "l | max",
        "a ~ ''",
        "[1, 5] is subset_of(l)",
        "'x' | lookup_in(m)",
        "a | as_list",
    ] {
        assert!(eval(source).expect_err(source).is_failed(), "{source}");
    }
    for (source, wanted) in [
        ("l[:1]", "[1]"),
        ("(l | select)[:1]", "[1]"),
        ("(l | reject('eq', 5))[2]", "null"),
        ("(l | distinct)[0]", "1"),
        ("([[1], l] | flatten)[1]", "1"),
        ("([{'x': 1}, m] | map(attribute='x'))[0]", "1"),
        ("([{'x': 1}, m] | selectattr('x'))[0].x", "1"),
        ("open.a1", "1"),
        ("open.z1 | default('none')", "\"none\""),
        ("'z1' in open", "false"),
        ("([open, {'c': 1}] | merged).c", "1"),
        ("l | first", "1"),
        ("1 in l", "true"),
        ("overlap(l, [1])", "true"),
        ("'z' in m", "false"),
        ("t if yes else a", "\"tap12\""),
    ] {
        assert_eq!(eval(source).expect(source).to_json(), wanted, "{source}");
    }
    assert!(!failed::is_marker(&Value::text("(not known)")));
    let key = Expr::parse("[t, a]", &layout).expect("it parses");
    assert!(key.eval_key(&frame, &mut Fuel::default()).expect_err("a part is not known").is_failed());
    let key = Expr::parse("l", &layout).expect("it parses");
    assert!(key.eval_key(&frame, &mut Fuel::default()).expect_err("a part is not known").is_failed());
}

#[test]
fn keys_with_a_blank_part_are_none() {
    let (layout, frame) = bound(VARS);
    let key = |source: &str| {
        let key = Expr::parse(source, &layout).expect(source).eval_key(&frame, &mut Fuel::default());
        key.map(|parts| parts.map(|parts| Value::list(parts).to_json()))
    };
    for (source, wanted) in [
        ("[a, t]", Some(r#"[5,"tap12"]"#)),
        ("[a, t[3:]]", Some(r#"[5,"12"]"#)),
        ("t", Some(r#"["tap12"]"#)),
        ("l", Some("[3,1,2,3]")),
        ("[false, 0]", Some("[false,0]")),
        ("[a, n]", None),
        ("[a, m.q.r]", None),
        ("[a, m.q[3:]]", None),
        ("[a, n[3:]]", None),
        ("[a, '']", None),
        ("[a, t[9:]]", None),
        ("m.q", None),
        ("n", None),
        ("empty", None),
        ("[t, none] if a", None),
    ] {
        assert_eq!(key(source).expect(source).as_deref(), wanted, "{source}");
    }
    assert!(key("[a, t + 1]").is_err());
    let size = |source: &str| Expr::parse(source, &layout).expect(source).key_size();
    assert_eq!((size("[a, t]"), size("['x', 1]"), size("a ~ t"), size("l")), (Some(2), Some(2), Some(1), None));
    let mut parts = vec![Value::Null; 7];
    let expr = Expr::parse("[a]", &layout).expect("it parses");
    assert!(expr.eval_key_into(&frame, &mut Fuel::default(), &mut parts).expect("it evaluates"));
    assert_eq!(parts, [Value::Int(5)]);
}

#[test]
fn what_an_expression_reads() {
    let (layout, frame) = bound(VARS);
    let uses = |source: &str| {
        let expr = Expr::parse(source, &layout).expect(source);
        let show = |used: calipso_expr::Use| {
            let name = layout.name(used.slot).expect("bound").to_string();
            let path =
                std::iter::once(name).chain(used.path.iter().map(ToString::to_string)).collect::<Vec<_>>().join(".");
            format!("{path}{} {}", if used.guarded { "?" } else { "" }, &source[used.start..used.end])
        };
        expr.uses().into_iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(uses("m.x.y ~ t[a:]"), ["m.x.y m.x.y", "t t", "a a"]);
    assert_eq!(uses("m['b c'][key].z"), ["m.b c m['b c']", "key key"]);
    assert_eq!(uses("m.q | default(m.r)"), ["m.q? m.q", "m.r m.r"]);
    assert_eq!(uses("m.q | default(m.r) | default"), ["m.q? m.q", "m.r? m.r"]);
    assert_eq!(uses("m.q is defined and m.q == 1"), ["m.q? m.q", "m.q m.q"]);
    assert_eq!(uses("overlap(m.a, l) or m.b is none"), ["m.a? m.a", "l? l", "m.b? m.b"]);
    assert_eq!(uses("t | with_host(m.h)"), ["t t", "m.h? m.h"]);
    assert_eq!(uses("{t: a} if n else [f]").len(), 4);
    let expr = Expr::parse("m.q", &layout).expect("it parses");
    assert_eq!(expr.eval_opt(&frame, &mut Fuel::default()), Ok(None));
    assert!(Expr::parse("l", &layout).expect("it parses").holds(&frame, &mut Fuel::default()).expect("it holds"));
    assert_eq!(
        Expr::parse("[1, 'x']", &layout).expect("it parses").constant().map(Value::to_json).as_deref(),
        Some("[1,\"x\"]")
    );
}

#[test]
fn everything_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expr>();
    shared::<Frame>();
    shared::<calipso_expr::Tree>();
    shared::<calipso_expr::Each>();
    shared::<calipso_expr::Words>();
    shared::<calipso_expr::SqlText>();
    shared::<calipso_expr::UrlPath>();
}
