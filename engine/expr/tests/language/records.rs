//! Expressions that are bound to records say what they say of whole documents, and signatures tell them apart.

use calipso_expr::{AttributeRow, AttributeRows, Bound, Each, Expr, Frame, Fuel, KeyPart, Layout, Scope, Slot, Tree};
use calipso_model::{Str, Value};

use crate::common::Binding;

const DOC: &str = r#"{
    "host": "h1", "device": "tap12345", "empty": "", "null": null, "zero": 0, "tag": 7, "accented": "é-123",
    "names": ["qvb1", "tap1", "vxl1"], "port": {"name": "qvo9", "id": 3}, "map": {"a": 1, "b": "x"}, "list": []
}"#;

/// The attributes that have a place in the record, one that the document lacks among them.
const NUMBERED: [&str; 13] =
    ["host", "device", "empty", "null", "zero", "tag", "accented", "names", "port", "map", "list", "absent", "unread"];

fn number(slot: Slot, name: &Str) -> Option<(usize, usize)> {
    NUMBERED.iter().position(|known| **known == **name).filter(|_| slot == 0).map(|place| (1, place))
}

/// One object.
struct Only(Vec<Option<Value>>);

impl AttributeRows for Only {
    fn attribute(&self, _: u32, number: usize) -> Option<&Value> {
        self.0.get(number)?.as_ref()
    }
}

fn record() -> Only {
    let doc = Value::from_json(DOC).expect("the document is JSON");
    Only(NUMBERED.iter().map(|name| doc.as_map().and_then(|doc| doc.get(name)).cloned()).collect())
}

fn whole() -> (Layout, Frame) {
    let layout = Layout::new(&["self", "env"]);
    let mut frame = Frame::new(layout.len());
    frame.set(0, Value::from_json(DOC).expect("the document is JSON"));
    frame.set(1, Value::from_json(r#"{"flag": true}"#).expect("it is JSON"));
    (layout, frame)
}

const SOURCES: [&str; 32] = [
    "self.host",
    "self.absent",
    "self.absent | default('x')",
    "self.absent | default",
    "self.null",
    "self.null.deeper",
    "self.null.deeper | default('x')",
    "self.host.deeper",
    "self.tag.deeper | default('x')",
    "self.port.name",
    "self['port']['id']",
    "self.port.absent | default(self.tag)",
    "self.absent is defined or self.port.name is startingwith('qvo')",
    "self.device[3:] in ['12345', 'x']",
    "self.device[:3] not in ['tap', 'qvb']",
    "self.device[9:] in ['']",
    "self.accented[:1] in ['é']",
    "self.tag[:3] in ['tap']",
    "self.absent[:3] in ['tap']",
    "'tap' ~ self.device[3:]",
    "self.device[3:] ~ self.null[:2]",
    "not (self.zero or self.empty)",
    "self.zero and self.absent",
    "self.zero or self.list or self.tag",
    "self.tag if self.device is endingwith('5') else self.absent",
    "self.names | map('upper') | list",
    "self.map.a + self.tag",
    "env.flag and self.tag == 7.0",
    "self.tag > 'x'",
    "[self.host, self.device[3:]]",
    "[self.host, self.empty]",
    "[self.host, self.device[3:], self.absent]",
];

#[test]
fn a_record_says_what_the_document_says() {
    let (layout, frame) = whole();
    let mut without = frame.clone();
    without.clear(0);
    let record = record();
    let records = [AttributeRow::none(), AttributeRow::new(&record, 0)];
    let scope = Scope::new(&without, &records);
    for source in SOURCES {
        let expr = Expr::parse(source, &layout).expect(source);
        let bound = expr.bind(&mut number);
        let text = |result: Result<Value, calipso_expr::EvalError>| match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("! {error}"),
        };
        let wanted = text(expr.eval(&frame, &mut Fuel::default()));
        assert_eq!(text(bound.value(scope, &mut Fuel::default()).map(|value| value.into_owned())), wanted, "{source}");
        assert_eq!(text(Tree::Expr(bound.clone()).eval_in(scope, &mut Fuel::default())), wanted, "{source}");
        let holds = |result: Result<bool, calipso_expr::EvalError>| result.map_err(|error| error.to_string());
        assert_eq!(
            holds(bound.holds_in(scope, &mut Fuel::default())),
            holds(expr.holds(&frame, &mut Fuel::default())),
            "{source}"
        );
        let mut parts = Vec::new();
        let key = bound.key_in(scope, &mut Fuel::default(), &mut |part: KeyPart<'_>| parts.push(part.to_value()));
        let key = key.map(|there| there.then_some(parts)).map_err(|error| error.to_string());
        assert_eq!(key, expr.eval_key(&frame, &mut Fuel::default()).map_err(|error| error.to_string()), "{source}");
        assert_eq!(bound.uses(), expr.uses(), "{source}");
        let name = |slot: Slot| slot.to_string();
        assert_eq!(bound.signature(&name), expr.signature(&name), "{source}");
    }
}

#[test]
fn generators_bind_by_reference() {
    let mut names = Binding(Layout::new(&["self"]));
    let each = Each::parse("name in self.names; key, value in self.map", &mut names).expect("it parses");
    let expr = Expr::parse("[name[3:], key, value]", &names.0).expect("it parses");
    let frame = Frame::new(names.0.len());
    let record = record();
    let records = [AttributeRow::none(), AttributeRow::new(&record, 0)];
    let mut found = Vec::new();
    let run = each.bind(&mut number).run_in(Scope::new(&frame, &records), &mut Fuel::default(), &mut |scope, fuel| {
        found.push(expr.value(scope, fuel)?.to_json());
        Ok(())
    });
    run.expect("there are a list and a map");
    assert_eq!(found.len(), 6);
    assert_eq!((&*found[0], &*found[5]), (r#"["1","a",1]"#, r#"["1","b","x"]"#));
    let wrong = Each::parse("card in self.tag", &mut names).expect("it parses").bind(&mut number);
    let error = wrong.run_in(Scope::new(&frame, &records), &mut Fuel::default(), &mut |_, _| Ok(()));
    assert!(error.expect_err("a number").to_string().contains("cannot be run over"));
}

#[test]
fn the_nearest_binding_counts() {
    let frame = Frame::new(1);
    let (outer, inner) = ([Value::Int(1)], [Value::Int(2)]);
    let scope = Scope::new(&frame, &[]);
    let first = Bound::new(&[0], &outer, scope);
    let scope = scope.with(&first);
    let second = Bound::new(&[0], &inner, scope);
    assert_eq!(scope.get(0), Some(&Value::Int(1)));
    assert_eq!(scope.with(&second).get(0), Some(&Value::Int(2)));
}

#[test]
fn signatures_tell_expressions_apart() {
    let layout = Layout::new(&["self"]);
    let name = |_: Slot| "object".to_owned();
    let of = |source: &str| Expr::parse(source, &layout).expect(source).signature(&name);
    let mut all: Vec<String> =
        SOURCES.iter().filter(|source| !source.contains("env")).map(|source| of(source)).collect();
    all.extend(
        ["self.tag == 7", "self.tag == 7.0", "self.tag[1:]", "self.tag[:1]", "'7' ~ self.tag", "7 ~ self.tag"].map(of),
    );
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    let other = Layout::new(&["x", "other"]);
    let same = Expr::parse("[ other['host'], (other.device[3:]) ]", &other).expect("it parses");
    assert_eq!(same.signature(&name), of("[self.host, self.device[3:]]"));
}
