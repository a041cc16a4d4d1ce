//! What the tests share: a frame of variables, and a check that compares rows of a table.

use calipso_expr::{BindNames, Expr, ExprError, ExprErrorKind, Frame, Fuel, Layout, Names, Slot};
use calipso_model::{Str, Value};

/// Layout and frame of a JSON map.
pub fn bound(vars: &str) -> (Layout, Frame) {
    let Value::Map(vars) = Value::from_json(vars).expect("the variables are JSON") else {
        panic!("a map of variables")
    };
    let mut layout = Layout::default();
    let mut frame = Frame::default();
    for (name, value) in &vars {
        frame.set(layout.slot(name), value.clone());
    }
    (layout, frame)
}

/// The value as JSON; `! …` when evaluating fails, `? …` when parsing does.
pub fn outcome(source: &str, layout: &Layout, frame: &Frame) -> String {
    match Expr::parse(source, layout) {
        Ok(expr) => match expr.eval(frame, &mut Fuel::default()) {
            Ok(value) => value.to_json(),
            Err(error) => format!("! {error}"),
        },
        Err(errors) => {
            format!("? {}", errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; "))
        }
    }
}

/// Compares every row and shows all that differ. A wanted text that ends with `…` is a beginning.
pub fn check(vars: &str, rows: &[(&str, &str)]) {
    let (layout, frame) = bound(vars);
    let mut wrong = Vec::new();
    for (source, wanted) in rows {
        let got = outcome(source, &layout, &frame);
        let same = match wanted.strip_suffix('…') {
            Some(begin) => got.starts_with(begin),
            None => got == *wanted,
        };
        if !same {
            wrong.push(format!("{source}\n   got {got}\n  want {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Names that can be bound, once each.
pub struct Binding(pub Layout);

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
        match self.0.find(name) {
            Some(_) => Err(ExprError::new(ExprErrorKind::ShadowedName, 0, 0, format!("`{name}` is bound already"))),
            None => Ok(self.0.slot(name)),
        }
    }
}
