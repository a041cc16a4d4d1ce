//! On what both languages have in common, minijinja evaluates to the same.

use calipso_expr::{Expr, Fuel};
use calipso_model::Value;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use proptest::prelude::*;

use crate::common::bound;

const VARS: &str = r#"{"i": 7, "j": -3, "z": 0, "s": "abcab", "e": "", "p": "Ax", "yes": true, "no": false,
  "nums": [3, 1, 2, 1], "texts": ["b", "a", "c"], "maps": [{"k": 2, "t": "x"}, {"k": 1, "t": "y"}], "m": {"k": 5, "t": "abc"}}"#;

fn number(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        (-20i64..20).prop_map(|number| if number < 0 { format!("({number})") } else { number.to_string() }),
        prop_oneof![Just("i"), Just("j"), Just("z"), Just("m.k"), Just("m['k']"), Just("maps[0].k"), Just("nums[-1]")]
            .prop_map(str::to_owned),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        leaf,
        (number(depth - 1), prop_oneof![Just("+"), Just("-"), Just("*"), Just("//"), Just("%")], number(depth - 1))
            .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        text(depth - 1).prop_map(|text| format!("({text} | length)")),
        list(depth - 1).prop_map(|list| format!("({list} | length)")),
        (number(depth - 1), truth(depth - 1), number(depth - 1))
            .prop_map(|(a, test, b)| format!("({a} if {test} else {b})")),
        number(depth - 1).prop_map(|number| format!("({number} | abs)")),
        number(depth - 1).prop_map(|number| format!("(-{number})")),
        number(depth - 1).prop_map(|number| format!("(m.nothing | default({number}))")),
        Just("(nums | sum)".to_owned()),
        Just("(nums | max)".to_owned()),
    ]
    .boxed()
}

fn text(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![Just("s"), Just("e"), Just("p"), Just("m.t"), Just("'q'"), Just("texts[0]")]
        .prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        leaf,
        (text(depth - 1), text(depth - 1)).prop_map(|(a, b)| format!("({a} ~ {b})")),
        (text(depth - 1), number(depth - 1)).prop_map(|(a, b)| format!("({a} ~ {b})")),
        (text(depth - 1), -4i64..4, -4i64..6).prop_map(|(text, from, to)| format!("({text})[{from}:{to}]")),
        (
            text(depth - 1),
            prop_oneof![Just("upper"), Just("lower"), Just("trim"), Just("replace('a', 'zz')"), Just("string")]
        )
            .prop_map(|(text, filter)| format!("({text} | {filter})")),
        list(depth - 1).prop_map(|list| format!("({list} | join('-'))")),
        (text(depth - 1), truth(depth - 1), text(depth - 1))
            .prop_map(|(a, test, b)| format!("({a} if {test} else {b})")),
    ]
    .boxed()
}

fn list(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("nums"),
        Just("texts"),
        Just("[]"),
        Just("(maps | map(attribute='t') | list)"),
        Just("(maps | map(attribute='k') | list)")
    ]
    .prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        leaf,
        (number(depth - 1), number(depth - 1)).prop_map(|(a, b)| format!("[{a}, {b}]")),
        (list(depth - 1), -3i64..4, -3i64..4).prop_map(|(list, from, to)| format!("({list})[{from}:{to}]")),
        (
            list(depth - 1),
            prop_oneof![Just("reverse | list"), Just("unique | list"), Just("list"), Just("select | list")]
        )
            .prop_map(|(list, filter)| format!("({list} | {filter})")),
        Just("(nums | sort)".to_owned()),
        Just("(nums | sort(reverse=true))".to_owned()),
        Just("(maps | sort(attribute='k') | map(attribute='t') | list)".to_owned()),
        number(depth - 1).prop_map(|number| format!("(nums | select('gt', {number}) | list)")),
        number(depth - 1)
            .prop_map(|number| format!("(maps | rejectattr('k', 'eq', {number}) | map(attribute='t') | list)")),
        text(depth - 1).prop_map(|text| format!("({text} | split('b'))")),
        (list(depth - 1), list(depth - 1)).prop_map(|(a, b)| format!("({a} + {b})")),
    ]
    .boxed()
}

fn truth(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("yes"),
        Just("no"),
        Just("(m.x is defined)"),
        Just("(m.k is defined)"),
        Just("(m.k is number)")
    ]
    .prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    let order = prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    prop_oneof![
        leaf,
        (number(depth - 1), order.clone(), number(depth - 1)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (text(depth - 1), order, text(depth - 1)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (truth(depth - 1), prop_oneof![Just("and"), Just("or")], truth(depth - 1))
            .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        truth(depth - 1).prop_map(|test| format!("(not {test})")),
        (number(depth - 1), list(depth - 1)).prop_map(|(a, b)| format!("({a} in {b})")),
        (text(depth - 1), text(depth - 1)).prop_map(|(a, b)| format!("({a} not in {b})")),
        (text(depth - 1), text(depth - 1)).prop_map(|(a, b)| format!("({a} is startingwith({b}))")),
        (list(depth - 1), list(depth - 1)).prop_map(|(a, b)| format!("({a} == {b})")),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn both_say_the_same(source in prop_oneof![number(3), text(3), list(3), truth(3)]) {
        let (layout, frame) = bound(VARS);
        let mine = Expr::parse(&source, &layout).expect("it parses").eval(&frame, &mut Fuel::default());
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let vars = minijinja::Value::from(Serde(Value::from_json(VARS).expect("it is JSON")));
        let theirs = environment.compile_expression(&source).expect("it compiles").eval(vars);
        match (mine, theirs) {
            // They count with 128 bits.
            (Err(mine), _) if mine.message.contains("too large") => {}
            (Ok(mine), Ok(theirs)) => {
                prop_assert_eq!(mine, ours(&theirs), "{}", source);
            }
            (Err(_), Err(_)) => {}
            (mine, theirs) => prop_assert!(false, "{}: {:?} and {:?}", source, mine, theirs),
        }
    }
}

fn ours(value: &minijinja::Value) -> Value {
    use minijinja::value::ValueKind;
    match value.kind() {
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Float(f64::try_from(value.clone()).expect("a number")),
        },
        ValueKind::String => Value::text(value.as_str().expect("text")),
        ValueKind::Seq | ValueKind::Iterable => {
            Value::list(value.try_iter().expect("a list").map(|item| ours(&item)).collect())
        }
        ValueKind::None => Value::Null,
        other => panic!("no expression here makes {other}"),
    }
}
