//! Written values of the map: YAML trees with `{{ … }}`, comprehensions (`each`, `when`, `key`, `value`), and `raw`, which
//! is kept as it is written.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use calipso_expr::{BindNames, Each, Expr, ExprError, Frame, Fuel, Layout, Names, Slot, Tree};
use calipso_model::{Map, Str, Value};

/// A compiled written value.
pub enum Node {
    Leaf(Tree),
    List(Vec<Node>),
    Map(Vec<(Str, Node)>),
    Each { each: Each, when: Option<Expr>, key: Option<Expr>, value: Box<Node> },
}

/// The names of one rule; siblings may bind the same name again.
struct Scope(Layout);

impl Names for Scope {
    fn resolve(&self, name: &str) -> Option<Slot> {
        self.0.find(name)
    }
    fn known(&self) -> Vec<Str> {
        (0..self.0.len()).filter_map(|slot| self.0.name(slot).cloned()).collect()
    }
}

impl BindNames for Scope {
    fn bind(&mut self, name: &str) -> Result<Slot, ExprError> {
        Ok(self.0.slot(name))
    }
}

/// Evaluates a written value with these names.
pub fn eval(written: &Value, names: &[(&str, Value)]) -> Result<Value> {
    let bound: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let mut scope = Scope(Layout::new(&bound));
    let node = compile(written, &mut scope)?;
    let mut frame = Frame::new(scope.0.len());
    for (name, value) in names {
        if let Some(slot) = scope.0.find(name) {
            frame.set(slot, value.clone());
        }
    }
    node.eval(&mut frame, &mut Fuel::default())
}

/// The first mistake of an expression, with its text.
fn mistake<T>(parsed: Result<T, Vec<ExprError>>, text: &str) -> Result<T> {
    parsed.map_err(|errors| match errors.first() {
        Some(error) => anyhow!("{}: `{text}`", error.message),
        None => anyhow!("not an expression: `{text}`"),
    })
}

fn compile(written: &Value, scope: &mut Scope) -> Result<Node> {
    Ok(match written {
        Value::Str(text) => Node::Leaf(mistake(Tree::parse_text(text, scope), text)?),
        Value::List(items) => Node::List(items.iter().map(|item| compile(item, scope)).collect::<Result<_>>()?),
        Value::Map(map) if map.len() == 1 && map.contains_key("raw") => {
            Node::Leaf(Tree::Const(map.get("raw").cloned().unwrap_or_default()))
        }
        Value::Map(map) if map.contains_key("each") && map.contains_key("value") => {
            let text = |key: &str| map.text(key).map(AsRef::<str>::as_ref);
            let each = text("each").context("`each` is text")?;
            let each = mistake(Each::parse(each, scope), each)?;
            let optional = |key| text(key).map(|text| mistake(Expr::parse(text, scope), text)).transpose();
            let (when, key) = (optional("when")?, optional("key")?);
            let value = map.get("value").context("`each` needs `value`")?;
            Node::Each { each, when, key, value: Box::new(compile(value, scope)?) }
        }
        Value::Map(map) => {
            Node::Map(map.iter().map(|(key, value)| Ok((key.clone(), compile(value, scope)?))).collect::<Result<_>>()?)
        }
        other => Node::Leaf(Tree::Const(other.clone())),
    })
}

impl Node {
    fn eval(&self, frame: &mut Frame, fuel: &mut Fuel) -> Result<Value> {
        match self {
            Self::Leaf(tree) => Ok(tree.eval(frame, fuel)?),
            Self::List(items) => {
                items.iter().map(|item| item.eval(frame, fuel)).collect::<Result<Vec<_>>>().map(Value::list)
            }
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    let value = node.eval(frame, fuel)?;
                    if !value.is_null() {
                        map.insert(Arc::clone(key), value);
                    }
                }
                Ok(map.into())
            }
            Self::Each { each, when, key, value } => {
                let mut found: Vec<(Option<Str>, Value)> = Vec::new();
                let mut inner: Option<anyhow::Error> = None;
                each.for_each(when.as_ref(), frame, fuel, &mut |frame, fuel| {
                    let key = match key.as_ref().map(|key| key.eval(frame, fuel)).transpose()? {
                        Some(Value::Str(text)) => Some(text),
                        Some(other) => Some(other.to_json().into()),
                        None => None,
                    };
                    match value.eval(frame, fuel) {
                        Ok(value) => found.push((key, value)),
                        Err(error) => inner = inner.take().or(Some(error)),
                    }
                    Ok(())
                })?;
                match (inner, key) {
                    (Some(error), _) => Err(error),
                    (None, None) => Ok(found.into_iter().map(|(_, value)| value).collect::<Vec<_>>().into()),
                    (None, Some(_)) => {
                        let pairs = found.into_iter().filter_map(|(key, value)| Some((key?, value)));
                        Ok(Value::Map(pairs.collect()))
                    }
                }
            }
        }
    }
}
