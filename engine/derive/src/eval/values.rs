//! Several values of a rule as one, as `take` says.

use std::cmp::Ordering;

use calipso_model::Value;
use calipso_spec::checked::Take;

/// Maximum number of values, and of characters of each, in a message about too many of them.
const MAX_SHOWN: usize = 5;
const MAX_SHOWN_CHARS: usize = 200;

/// Collects values as `take` says. Nulls count as no value.
pub(super) struct Values<'a> {
    take: Take,
    /// The value of `first` and `last`.
    one: Value,
    list: &'a mut Vec<Value>,
}

impl<'a> Values<'a> {
    /// `list` is room that is used again and again.
    pub(super) fn new(take: Take, list: &'a mut Vec<Value>) -> Self {
        list.clear();
        Self { take, one: Value::Null, list }
    }

    /// Whether further values would change nothing.
    pub(super) fn full(&self) -> bool {
        self.take == Take::First && !self.one.is_null()
    }

    pub(super) fn push(&mut self, value: Value) {
        match self.take {
            _ if value.is_null() => {}
            Take::First if self.one.is_null() => self.one = value,
            Take::First => {}
            Take::Last => self.one = value,
            Take::One | Take::All | Take::Distinct => self.list.push(value),
        }
    }

    /// The value, or what is wrong with several.
    pub(super) fn finish(self) -> Result<Value, String> {
        let order = |a: &Value, b: &Value| a.total_cmp(b).then_with(|| a.kind().cmp(b.kind()));
        let list = self.list;
        match self.take {
            Take::First | Take::Last => Ok(self.one),
            Take::One => {
                list.sort_by(order);
                list.dedup();
                if list.len() > 1 {
                    let shown: Vec<String> = list.iter().take(MAX_SHOWN).map(|value| shown(&value.to_json())).collect();
                    let more = if list.len() > MAX_SHOWN { ", …" } else { "" };
                    return Err(format!("{} values where one is expected: {}{more}", list.len(), shown.join(", ")));
                }
                Ok(list.pop().unwrap_or_default())
            }
            Take::All => Ok(exact(list)),
            Take::Distinct => {
                // Equal numbers of two kinds: the whole one stays.
                list.sort_by(order);
                list.dedup_by(|a, b| a.total_cmp(b) == Ordering::Equal || a == b);
                Ok(exact(list))
            }
        }
    }
}

/// A list without spare room; the room that it was collected in stays.
fn exact(list: &mut Vec<Value>) -> Value {
    let mut items = Vec::with_capacity(list.len());
    items.append(list);
    Value::list(items)
}

/// The begin of a long text.
fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
