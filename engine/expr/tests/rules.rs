//! What expressions mean, as a table.

use calipso_expr::{
    BindNames, Each, Expr, ExprError, Frame, Fuel, Layout, Names, Slot, SqlText, Tree, UrlPath, Words, failed,
    quote_word,
};
use calipso_model::{Str, Value};

const VARS: &str = r#"{"a": 5, "t": "qvo12", "n": null, "l": [3, 1, 2, 3], "m": {"x": {"y": "deep"}, "b c": 1, "list": [{"k": "v", "n": 1}, {"k": "w", "n": 2}]},
 "url": "http://1.2.3.4:5000/v3", "words": ["ip", "-j", "link"], "net": {"local": "10.1.2.3", "prefixlen": 24}}"#;

fn setup() -> (Layout, Frame) {
    let Value::Map(vars) = Value::from_json(VARS).expect("this is JSON") else { panic!("a map") };
    let mut layout = Layout::default();
    let mut frame = Frame::default();
    for (name, value) in &vars {
        let slot = layout.slot(name);
        frame.set(slot, value.clone());
    }
    (layout, frame)
}

/// An expression and its value as JSON, or what its error says.
fn check(source: &str, wanted: &str) {
    let (layout, frame) = setup();
    let got = match Expr::parse(source, &layout) {
        Ok(expr) => {
            expr.eval(&frame, &mut Fuel::default()).map_or_else(|error| format!("! {error}"), |value| value.to_json())
        }
        Err(errors) => format!("? {}", errors[0].message),
    };
    assert!(
        got == wanted || (wanted.ends_with('…') && got.starts_with(wanted.trim_end_matches('…'))),
        "{source}\n got {got}\nwant {wanted}"
    );
}

#[test]
fn expressions() {
    for (source, wanted) in [
        ("a + 1", "6"),
        ("a / 2", "2.5"),
        ("a // 2", "2"),
        ("-a", "-5"),
        ("2 ** 10", "1024"),
        ("a % 3", "2"),
        ("a == '5'", "false"),
        ("a != '5'", "true"),
        ("a < 'x'", "false"),
        ("1 == 1.0", "true"),
        ("1 < a <= 5", "true"),
        ("t[3:]", "\"12\""),
        ("t[:3] == 'qvo'", "true"),
        ("t[-1]", "\"2\""),
        ("l[1:3]", "[1,2]"),
        ("l[0]", "3"),
        ("t ~ '-' ~ a", "\"qvo12-5\""),
        ("t ~ n", "! null cannot be joined…"),
        ("t ~ l", "! list cannot…"),
        ("m.x.y", "\"deep\""),
        ("m['b c']", "1"),
        ("m.q", "! `q` is undefined"),
        ("m.q.r.s | default('d')", "\"d\""),
        ("m.q | default", "null"),
        ("m.q is defined", "false"),
        ("m.q.r is none", "true"),
        ("n is none", "true"),
        ("n | default(1)", "null"),
        ("m.q == 1", "! `q` is undefined"),
        ("not m.q", "! `q` is undefined"),
        ("n.x", "! `x` is undefined: what should hold it is null"),
        ("'x' if a > 3", "\"x\""),
        ("'x' if a > 7", "null"),
        ("'x' if a > 7 else 'y'", "\"y\""),
        ("m.q if a > 7 else 1", "1"),
        ("{'marker': (m.list | last).k} if l", r#"{"marker":"w"}"#),
        ("[a, t]", "[5,\"qvo12\"]"),
        ("3 in l", "true"),
        ("'x' in m", "true"),
        ("'vo' in t", "true"),
        ("9 not in l", "true"),
        ("1 in n", "! `in` needs a list…"),
        ("t is startingwith('qvo')", "true"),
        ("t is startingwith(t[:1] ~ 'x')", "false"),
        ("a is startingwith('5')", "false"),
        ("l | sort | distinct", "[1,2,3]"),
        ("l | first", "3"),
        ("[] | first", "null"),
        ("l | length", "4"),
        ("n | as_list", "[]"),
        ("a | as_list", "[5]"),
        ("m.list | map(attribute='k') | list", r#"["v","w"]"#),
        ("m.list | map(attribute='z')", "! `map`: an element has no `z`…"),
        ("m.list | selectattr('n', 'gt', 1) | map(attribute='k') | first", "\"w\""),
        ("m.list | rejectattr('k', 'startingwith', 'v') | length", "1"),
        ("m.list | sort(attribute='n', reverse=true) | map(attribute='n')", "[2,1]"),
        ("[[1], [2, 3], 4] | flatten", "[1,2,3,4]"),
        ("[{'a': 1}, {'a': 2, 'b': 3}] | merged", r#"{"a":2,"b":3}"#),
        ("m | pick(['x'])", r#"{"x":{"y":"deep"}}"#),
        ("m | without(['x', 'list'])", r#"{"b c":1}"#),
        ("'x' | lookup_in(m)", r#"{"y":"deep"}"#),
        ("'zz' | lookup_in(m)", "null"),
        ("'[1, 2]' | from_json", "[1,2]"),
        ("'{' | from_json", "! `from_json`: this is no JSON…"),
        ("'a=1, b=\"x y\"' | key_values(',', '=')", r#"{"a":"1","b":"x y"}"#),
        ("{'fooBar': {'HTTPPort': 1}} | snake_keys", r#"{"foo_bar":{"http_port":1}}"#),
        ("t | strip_prefix('qvo')", "\"12\""),
        ("t | regex_get('^(?<p>[a-z]+)', 'p')", "\"qvo\""),
        ("t | regex_get('zz', 0)", "null"),
        ("net | cidr_of", "\"10.1.2.0/24\""),
        ("'10.9.8.7/0' | cidr_of", "\"0.0.0.0/0\""),
        ("20 | netmask", "\"255.255.240.0\""),
        ("'fe80::1/64' | cidr_of", "\"fe80::/64\""),
        ("'10.1.2.9' | ip_in('10.1.2.0/24')", "true"),
        ("url | with_host('h.example')", "\"http://h.example:5000/v3\""),
        ("url | with_host(m.nothing)", "\"http://1.2.3.4:5000/v3\""),
        ("'1970-01-02T00:00:00Z' | timestamp", "86400"),
        ("'2026-11-22T16:51:09.000000Z' | timestamp", "1795366269"),
        ("'1970-01-01T01:00:00+01:00' | plus_secs(5)", "5"),
        ("overlap(l, [2])", "true"),
        ("overlap(m.q, [2])", "false"),
        ("{'a': 1} is subset_of({'a': 1, 'b': 2})", "true"),
        ("{'a': 1} is subset_of({'a': 2})", "false"),
        ("a +", "? …"),
        ("bb", "? nothing is named `bb` here"),
        ("a | defualt(1)", "? no filter is named `defualt`"),
        ("a is difined", "? no test is named `difined`"),
        ("t.upper()", "? values have no methods"),
        ("{{ a }}", "? this key holds a bare expression…"),
        ("l | map('cidr')", "? no filter is named `cidr`"),
        ("a | replace('x')", "? `replace` takes 2 arguments, not 1"),
        ("range(10)", "? no function is named `range`"),
        ("9223372036854775807 + 1", "! the number is too large"),
        ("1 / 0", "! division by zero"),
    ] {
        check(source, wanted);
    }
}

#[test]
fn what_a_failed_step_left_masks_nothing() {
    let (layout, mut frame) = setup();
    frame.set(layout.find("a").expect("it is there"), failed::marker());
    frame.set(layout.find("l").expect("it is there"), Value::list(vec![Value::Int(1), failed::marker()]));
    for source in
        ["a", "a | default(1)", "a is defined", "[a]", "l | last", "l | map('string')", "l[1]", "'x' if a else 'y'"]
    {
        let error =
            Expr::parse(source, &layout).expect("it parses").eval(&frame, &mut Fuel::default()).expect_err(source);
        assert!(error.is_failed(), "{source}");
    }
    assert!(
        Expr::parse("l | reject('none') | length", &layout)
            .expect("it parses")
            .eval(&frame, &mut Fuel::default())
            .is_ok()
    );
    assert!(!failed::is_marker(&Value::text("(not known)")));
}

#[test]
fn templates_keep_types_and_leave_nulls_out() {
    let (layout, frame) = setup();
    let tree = |text: &str| {
        Tree::parse_text(text, &layout)
            .expect("it parses")
            .eval(&frame, &mut Fuel::default())
            .expect("it evaluates")
            .to_json()
    };
    assert_eq!(tree("{{ l }}"), "[3,1,2,3]");
    assert_eq!(tree("x{{ a }}y{{ '}}' }}"), "\"x5y}}\"");
    assert_eq!(tree("{{ {'a': {'b': 1}} }}"), r#"{"a":{"b":1}}"#);
    let map = Tree::Map(vec![
        ("k".into(), Tree::parse_text("{{ n }}", &layout).expect("it parses")),
        ("z".into(), Tree::Const(Value::Int(1))),
    ]);
    assert_eq!(map.eval(&frame, &mut Fuel::default()).expect("it evaluates").to_json(), r#"{"z":1}"#);
    assert_eq!(Tree::parse_text("ab {{ zz }}", &layout).expect_err("zz is unknown")[0].start, 6);
}

#[test]
fn keys_with_a_missing_part_join_nothing() {
    let (layout, frame) = setup();
    let key = |source: &str| {
        Expr::parse(source, &layout)
            .expect("it parses")
            .eval_key(&frame, &mut Fuel::default())
            .expect("it evaluates")
            .map(|parts| parts.len())
    };
    assert_eq!(key("[a, t]"), Some(2));
    assert_eq!(key("[a, n]"), None);
    assert_eq!(key("[a, m.q.r]"), None);
    assert_eq!(key("[a, '']"), None);
    assert_eq!(key("m.q"), None);
}

struct Binding(Layout);
impl Names for Binding {
    fn resolve(&self, name: &str) -> Option<Slot> {
        self.0.find(name)
    }
    fn known(&self) -> Vec<Str> {
        self.0.known()
    }
}
impl BindNames for Binding {
    fn bind(&mut self, name: &str) -> Result<Slot, ExprError> {
        Ok(self.0.slot(name))
    }
}

#[test]
fn generators_run_in_order() {
    let (layout, mut frame) = setup();
    let mut names = Binding(layout);
    let each = Each::parse("item in m.list; k, v in item", &mut names).expect("it parses");
    let when = Expr::parse("k == 'k'", &names).expect("it parses");
    let value = Expr::parse("k ~ v ~ item.n", &names).expect("it parses");
    let mut found = Vec::new();
    each.for_each(Some(&when), &mut frame, &mut Fuel::default(), &mut |frame, fuel| {
        found.push(value.eval(frame, fuel)?.to_json());
        Ok(())
    })
    .expect("it runs");
    assert_eq!(found, ["\"kv1\"", "\"kw2\""]);
    assert!(Each::parse("x of y", &mut names).is_err());
    let null = Each::parse("x in n", &mut names).expect("it parses");
    assert!(null.for_each(None, &mut frame, &mut Fuel::default(), &mut |_, _| Ok(())).is_err());
}

#[test]
fn commands_queries_and_paths() {
    let (layout, frame) = setup();
    let fuel = &mut Fuel::default();
    let words = Words::parse("sudo -n {{ words }} 'a b' x{{ a }} \"q\\\"\"", &layout).expect("it parses");
    assert_eq!(words.eval(&frame, fuel).expect("it evaluates"), ["sudo", "-n", "ip", "-j", "link", "a b", "x5", "q\""]);
    assert_eq!(Words::parse("ls | wc {{ a }}", &layout).expect_err("a pipe")[0].start, 3);
    assert!(Words::parse("ls 'x", &layout).is_err());
    assert!(Words::parse("ls {{ m }}", &layout).expect("it parses").eval(&frame, fuel).is_err());
    let sql = SqlText::parse("SELECT * FROM {{ schema.db }}.t WHERE a = {{ t }} AND b IN ({{ l }})", &layout)
        .expect("it parses");
    let identifiers = [(Str::from("db"), Str::from("ne`w"))].into();
    let (text, params) = sql.eval(&frame, fuel, &identifiers).expect("it evaluates");
    assert_eq!(text, "SELECT * FROM `ne``w`.t WHERE a = ? AND b IN (?, ?, ?, ?)");
    assert_eq!(params.len(), 5);
    for bad in
        ["DELETE FROM t", "SELECT 1; SELECT 2", "SELECT 1 -- x", "SELECT '{{ t }}'", "SELECT {{ schema.a ~ 'x' }}"]
    {
        assert!(SqlText::parse(bad, &layout).is_err(), "{bad}");
    }
    let path = UrlPath::parse("/v2/{{ t ~ '/../?#' }}/x", &layout).expect("it parses");
    assert_eq!(path.eval(&frame, fuel).expect("it evaluates"), "/v2/qvo12%2F..%2F%3F%23/x");
    assert!(UrlPath::parse("http://x/y", &layout).is_err());
    assert_eq!(quote_word("it's"), "'it'\\''s'");
}
