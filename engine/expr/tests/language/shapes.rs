//! What is found before anything runs.

use calipso_expr::{
    Each, Expr, Layout, Slot, Tree,
    shape::{Shape, ShapeIssueKind, infer, infer_each, infer_knowing, infer_tree, proven},
};
use calipso_model::Value;

use crate::common::Binding;

fn shapes() -> (Layout, Vec<Shape>) {
    let mut layout = Layout::default();
    let mut shapes = Vec::new();
    let mut bind = |name: &str, shape: Shape| {
        layout.slot(name);
        shapes.push(shape);
    };
    let row = Shape::Map {
        known: [
            ("name".into(), (Shape::Text, false)),
            ("tag".into(), (Shape::Int, true)),
            ("inner".into(), (Shape::Map { known: [("deep".into(), (Shape::Text, true))].into(), open: false }, true)),
            ("ips".into(), (Shape::list(Shape::Text), false)),
        ]
        .into(),
        open: false,
    };
    bind("row", row.clone());
    bind("rows", Shape::list(row));
    bind("by", Shape::Dict(Box::new(Shape::Text)));
    bind("open", Shape::Map { known: [("x".into(), (Shape::Int, false))].into(), open: true });
    bind("text", Shape::Text);
    bind("number", Shape::Int);
    bind("any", Shape::Any);
    bind("null", Shape::Null);
    (layout, shapes)
}

/// Kinds and marked texts of the issues, and the shape.
fn judged(source: &str) -> (Shape, Vec<(ShapeIssueKind, String)>) {
    let (layout, shapes) = shapes();
    let expr = Expr::parse(source, &layout).expect(source);
    let (shape, issues) = infer(&expr, &|slot: Slot| shapes[slot].clone());
    (shape, issues.into_iter().map(|issue| (issue.kind, source[issue.start..issue.end].to_owned())).collect())
}

#[test]
fn issues() {
    use ShapeIssueKind::{MaybeUndefined, UnknownAttribute, WrongType};
    let rows: &[(&str, &[(ShapeIssueKind, &str)])] = &[
        ("row.name ~ row.ips[0]", &[]),
        ("row.nam", &[(UnknownAttribute, "row.nam")]),
        ("row.name.x", &[(UnknownAttribute, "row.name.x")]),
        ("rows.name", &[(UnknownAttribute, "rows.name")]),
        ("rows[0].nam", &[(UnknownAttribute, "rows[0].nam")]),
        ("(rows | first).nam", &[(UnknownAttribute, "(rows | first).nam")]),
        (
            "(rows | selectattr('name', 'eq', 'x') | last).nam",
            &[(UnknownAttribute, "(rows | selectattr('name', 'eq', 'x') | last).nam")],
        ),
        ("open.whatever + any.other", &[]),
        ("by[text].x", &[(UnknownAttribute, "by[text].x")]),
        ("row.nam | default(1)", &[(UnknownAttribute, "row.nam")]),
        ("row.tag", &[(MaybeUndefined, "row.tag")]),
        ("row.tag | default(0)", &[]),
        ("row.tag is defined", &[]),
        ("row.inner.deep", &[(MaybeUndefined, "row.inner"), (MaybeUndefined, "row.inner.deep")]),
        ("row.inner.deep | default", &[]),
        ("row.tag is defined and row.tag > 1", &[]),
        ("row.tag is not none and row.tag > 1", &[]),
        ("row.tag is none or row.tag > 1", &[]),
        ("row.tag is defined or row.tag > 1", &[(MaybeUndefined, "row.tag")]),
        ("row.inner.deep is defined and row.inner.deep == row.inner.deep", &[]),
        ("{'t': row.tag} if row.tag | default(0) != 0", &[]),
        ("{'t': row.tag} if row.tag | default(0) == 0", &[(MaybeUndefined, "row.tag")]),
        ("row.tag if row.tag | default", &[]),
        ("0 if row.tag | default in [none, 0] else row.tag", &[]),
        ("0 if row.tag is undefined else row.tag", &[]),
        ("row.tag if not (row.tag is undefined or number) else 0", &[]),
        ("text + 1", &[(WrongType, "text")]),
        ("-text", &[(WrongType, "text")]),
        ("rows + rows | length", &[]),
        ("rows ~ ''", &[(WrongType, "rows")]),
        ("'x' ~ row ~ null", &[(WrongType, "row"), (WrongType, "null")]),
        ("number[1:]", &[(WrongType, "number[1:]")]),
        ("number[1]", &[(WrongType, "number[1]")]),
        ("number | first", &[(WrongType, "number")]),
        ("number | lower", &[(WrongType, "number")]),
        ("null | from_json", &[]),
        ("null | lower", &[(WrongType, "null")]),
        ("rows | lower", &[(WrongType, "rows")]),
        ("text | merged", &[(WrongType, "text")]),
        ("row.ips | merged", &[(WrongType, "row.ips")]),
        ("text | pick(['x'])", &[(WrongType, "text")]),
        ("text | abs", &[(WrongType, "text")]),
        ("rows | map(attribute='nam')", &[(UnknownAttribute, "rows | map(attribute='nam')")]),
        ("rows | map(attribute='tag')", &[(MaybeUndefined, "rows | map(attribute='tag')")]),
        ("rows | map(attribute='tag', default=0) | list", &[]),
        ("rows | selectattr('tag') | list", &[]),
        ("rows | selectattr('tga') | list", &[(UnknownAttribute, "rows | selectattr('tga')")]),
        ("rows | sort(attribute='nam')", &[(UnknownAttribute, "rows | sort(attribute='nam')")]),
        (
            "(rows | map(attribute='ips') | flatten | first).x",
            &[(UnknownAttribute, "(rows | map(attribute='ips') | flatten | first).x")],
        ),
        ("(row.ips | map('upper') | first) + 1", &[(WrongType, "row.ips | map('upper') | first")]),
        ("text | timestamp | plus_secs(5) + 1", &[]),
        ("{'p': row}['p'].nam", &[(UnknownAttribute, "{'p': row}['p'].nam")]),
        ("overlap(row.tag, row.ips)", &[]),
        ("text | with_host(row.inner.deep)", &[]),
    ];
    let mut wrong = Vec::new();
    for (source, wanted) in rows {
        let found = judged(source).1;
        if !found.iter().map(|(kind, marked)| (*kind, marked.as_str())).eq(wanted.iter().copied()) {
            wrong.push(format!("{source}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_help() {
    let (layout, shapes) = shapes();
    let expr = Expr::parse("row.nmae", &layout).expect("it parses");
    let (_, issues) = infer(&expr, &|slot: Slot| shapes[slot].clone());
    assert_eq!(issues[0].message, "there is never a `nmae` here");
    assert_eq!(issues[0].help.as_deref(), Some("did you mean `name`?"));
}

#[test]
fn results() {
    for (source, wanted) in [
        ("row.name", Shape::Text),
        ("number + 1", Shape::Num),
        ("text ~ 1", Shape::Text),
        ("text == 1", Shape::Bool),
        ("rows | length", Shape::Int),
        ("row.ips | first", Shape::Text),
        ("row.ips | sort | distinct", Shape::list(Shape::Text)),
        ("rows | map(attribute='name')", Shape::list(Shape::Text)),
        ("text | as_list", Shape::list(Shape::Text)),
        ("text | split(',')", Shape::list(Shape::Text)),
        ("text if any else number", Shape::Any),
        ("1 if any else 2.5", Shape::Num),
        ("text[1:]", Shape::Text),
        ("[1, 2]", Shape::list(Shape::Int)),
        ("[[text], row.ips] | flatten", Shape::list(Shape::Text)),
        ("overlap(any, any)", Shape::Bool),
        ("{'k': text}", Shape::closed([("k", Shape::Text)])),
        ("text | snake_keys", Shape::Text),
        ("-3 | abs", Shape::Int),
    ] {
        assert_eq!(judged(source).0, wanted, "{source}");
    }
    assert!(
        !Shape::Text.may_equal(&Shape::Int) && Shape::Num.may_equal(&Shape::Int) && Shape::Any.may_equal(&Shape::Null)
    );
    assert!(!Shape::list(Shape::Text).may_equal(&Shape::list(Shape::Int)));
}

#[test]
fn generators_give_their_names_shapes() {
    let (layout, mut known) = shapes();
    let mut names = Binding(layout);
    let source = "r in rows; ip in r.ips; k, v in by; kk, vv in row; x in number; a, b in rows; y in row; z in any";
    let each = Each::parse(source, &mut names).expect("it parses");
    let mut found = Vec::new();
    for generator in &each.generators {
        let (key, value, issues) = infer_each(generator, &|slot: Slot| known[slot].clone(), &[]);
        known.extend(key.clone());
        known.push(value.clone());
        found.push((key, value));
        for issue in issues {
            assert_eq!(issue.kind, ShapeIssueKind::BadGenerator);
            assert!(["number", "rows", "row"].contains(&&source[issue.start..issue.end]), "{issue:?}");
        }
    }
    assert_eq!(found[1], (None, Shape::Text));
    assert_eq!(found[2], (Some(Shape::Text), Shape::Text));
    assert_eq!(found[3], (Some(Shape::Text), Shape::Any));
    assert_eq!(found[7], (None, Shape::Any));
}

#[test]
fn written_trees_and_what_a_condition_proves() {
    let (layout, shapes) = shapes();
    let at = |slot: Slot| shapes[slot].clone();
    let leaf = |text: &str| Tree::parse_text(text, &layout).expect(text);
    let tree = Tree::Map(vec![
        ("name".into(), leaf("{{ row.name }}")),
        ("tag".into(), leaf("{{ row.tag | default }}")),
        ("text".into(), leaf("a{{ number }}")),
        ("list".into(), Tree::List(vec![leaf("{{ number }}"), Tree::Const(Value::Int(1))])),
    ]);
    let (shape, issues) = infer_tree(&tree, &at, &[]);
    assert_eq!(issues, []);
    let Shape::Map { known, open: false } = shape else { panic!("a closed map") };
    let show: Vec<_> = known.iter().map(|(key, (shape, optional))| (key.as_ref(), shape.clone(), *optional)).collect();
    assert_eq!(
        show,
        [
            ("list", Shape::list(Shape::Int), false),
            ("name", Shape::Text, false),
            ("tag", Shape::Any, true),
            ("text", Shape::Text, false)
        ]
    );
    let text = "é {{ rows }} {{  row.tag }}";
    let (_, issues) = infer_tree(&leaf(text), &at, &[]);
    let marked: Vec<_> = issues.iter().map(|issue| (issue.kind, &text[issue.start..issue.end])).collect();
    assert_eq!(marked, [(ShapeIssueKind::WrongType, "rows"), (ShapeIssueKind::MaybeUndefined, "row.tag")]);

    let when = Expr::parse("row.inner.deep is defined and text", &layout).expect("it parses");
    let known = proven(&when, true);
    let reads = Expr::parse("row.inner ~ row.inner.deep ~ row.tag", &layout).expect("it parses");
    let (_, issues) = infer_knowing(&reads, &at, &known);
    let kinds: Vec<_> = issues.iter().map(|issue| issue.kind).collect();
    assert_eq!(kinds, [ShapeIssueKind::WrongType, ShapeIssueKind::MaybeUndefined]);
    assert_eq!(proven(&when, false), []);
}
