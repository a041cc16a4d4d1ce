//! Fuel and the bound of lists end what would take too long or too much memory.

use std::time::{Duration, Instant};

use calipso_expr::{Each, Expr, Frame, Fuel, Layout, MAX_LIST};
use calipso_model::Value;

use crate::common::Binding;

fn big() -> (Layout, Frame) {
    let mut layout = Layout::default();
    let mut frame = Frame::default();
    let numbers: Vec<Value> = (0..200_000).map(Value::Int).collect();
    frame.set(layout.slot("l"), numbers.clone());
    let list = Value::list(numbers);
    frame.set(layout.slot("ll"), vec![list; 1000]);
    frame.set(layout.slot("t"), "x".repeat(1 << 20));
    frame.set(layout.slot("tt"), vec![Value::from("y".repeat(1 << 20)); 10_000]);
    // Thirty levels of sharing: a few words of memory, a gigabyte of text.
    let mut shared = Value::Int(1);
    for _ in 0..30 {
        shared = Value::list(vec![shared.clone(), shared]);
    }
    frame.set(layout.slot("shared"), shared);
    (layout, frame)
}

#[test]
fn too_much_is_a_limit_and_soon() {
    let (layout, frame) = big();
    for source in [
        "ll | flatten",
        "ll | map('list') | map('join') | join",
        "ll | map('sort') | map('sort') | map('sort')",
        "l | select('in', l)",
        "l | selectattr('x', 'in', l) | length == 0 and l | map('as_list') | map('flatten') | select('subset_of', l)",
        "l | join(t)",
        "tt | join",
        "tt | map('list')",
        "t | replace('x', t)",
        "l | map('string') | join | replace('1', t)",
        "tt | map('upper') | map('upper') | map('upper') | map('upper') | map('upper') | map('upper')",
        "t | list ~ ''",
        "shared | tojson",
        "shared | string",
        "shared | snake_keys",
        "ll + ll + ll | flatten",
        "tt | map('split', 'y')",
    ] {
        let started = Instant::now();
        let expr = Expr::parse(source, &layout).expect(source);
        let error = expr.eval(&frame, &mut Fuel::default()).expect_err(source);
        assert!(error.is_limit(), "{source}: {error}");
        assert!(started.elapsed() < Duration::from_secs(20), "{source}");
    }
}

#[test]
fn fuel_is_counted() {
    let layout = Layout::new(&["a"]);
    let mut frame = Frame::new(1);
    frame.set(0, 1);
    let expr = Expr::parse("a + a", &layout).expect("it parses");
    assert!(expr.eval(&frame, &mut Fuel::new(3)).is_ok());
    let mut fuel = Fuel::new(2);
    assert!(expr.eval(&frame, &mut fuel).expect_err("two units are too few").is_limit());
    assert_eq!(fuel.left(), 0);
    let mut fuel = Fuel::new(1000);
    frame.set(0, vec![Value::Null; 100]);
    Expr::parse("a | length", &layout).expect("it parses").eval(&frame, &mut fuel).expect("it evaluates");
    assert_eq!(fuel.left(), 998);
    Expr::parse("a | reverse", &layout).expect("it parses").eval(&frame, &mut fuel).expect("it evaluates");
    assert_eq!(fuel.left(), 896);
}

#[test]
fn generators_are_bounded() {
    let layout = Layout::new(&["a", "b"]);
    let mut frame = Frame::new(2);
    frame.set(0, vec![Value::Null; MAX_LIST + 1]);
    frame.set(1, vec![Value::Null; 10_000]);
    let mut names = Binding(layout);
    let too_long = Each::parse("x in a", &mut names).expect("it parses");
    let error = too_long.for_each(None, &mut frame, &mut Fuel::default(), &mut |_, _| Ok(())).expect_err("too long");
    assert!(error.is_limit());
    let product = Each::parse("y in b; z in b", &mut names).expect("it parses");
    let error = product.for_each(None, &mut frame, &mut Fuel::default(), &mut |_, _| Ok(())).expect_err("too many");
    assert!(error.is_limit());
}

/// As many of one sign as fit into a file; on a stack as small as those of threads are.
#[test]
fn no_expression_is_too_deep_for_the_stack() {
    let parse = |source: String| {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let parsed = thread.spawn(move || Expr::parse(&source, &Layout::new(&["a"])).map(drop));
        parsed.expect("a thread starts").join().expect("parsing ends")
    };
    for (sign, operand) in
        [("-", "1"), ("not ", "a"), ("- -\n", "1"), ("not\tnot  ", "a"), ("(", ""), ("[", ""), ("{1:", "")]
    {
        for times in [500, 300_000] {
            parse(format!("{}{operand}", sign.repeat(times))).expect_err(sign);
        }
    }
    for more in [".b", "+1", "|int", "[0]", "~a", " and a", " if a else a", " is none", "**a", "()"] {
        let most = 4_000 / more.len();
        // Some of these are one list of parts, however long they are.
        drop(parse(format!("a{}", more.repeat(most))));
        parse(format!("a{}", more.repeat(300_000))).expect_err(more);
    }
    // Many that do not nest are no harm.
    parse(format!("[{}]", "-1, ".repeat(500))).expect("a list of numbers is an expression");
    parse(format!("'{}' ~ \"{}\" ~ a - -1", "-".repeat(500), "not ".repeat(300))).expect("texts may hold anything");
    let error = parse(format!("a{}", " ".repeat(4_096))).expect_err("it is too long");
    assert!(error[0].message.contains("4096"), "{error:?}");
}
