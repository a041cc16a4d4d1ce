//! Names, slots and frames: where an evaluation finds the values of names.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use crate::error::ExprError;

/// Place of a name in a frame.
pub type Slot = usize;

/// The names of one spec, in the order in which they were first bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    names: Vec<Str>,
    slots: BTreeMap<Str, Slot>,
}

impl Layout {
    /// A layout with these names first.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        let mut layout = Self::default();
        for name in names {
            layout.add(name);
        }
        layout
    }

    /// The slot of a name; a new one is added at the end.
    pub fn slot(&mut self, name: &str) -> Slot {
        self.find(name).unwrap_or_else(|| self.add(name))
    }

    fn add(&mut self, name: &str) -> Slot {
        let (name, slot) = (Str::from(name), self.names.len());
        self.slots.entry(name.clone()).or_insert(slot);
        self.names.push(name);
        slot
    }

    /// The slot of a name, if it has one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    /// The name of a slot.
    #[must_use]
    pub fn name(&self, slot: Slot) -> Option<&Str> {
        self.names.get(slot)
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Every name of a layout is visible.
impl Names for Layout {
    fn resolve(&self, name: &str) -> Option<Slot> {
        self.find(name)
    }
    fn known(&self) -> Vec<Str> {
        self.names.clone()
    }
}

/// The values of names during one evaluation.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    slots: Vec<Option<Value>>,
}

impl Frame {
    /// A frame for a layout of this length, nothing bound.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { slots: vec![None; len] }
    }

    /// Binds a name.
    pub fn set(&mut self, slot: Slot, value: impl Into<Value>) {
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, None);
        }
        if let Some(entry) = self.slots.get_mut(slot) {
            *entry = Some(value.into());
        }
    }

    /// Binds a name where the layout has it: what no expression reads needs no value.
    pub fn bind(&mut self, layout: &Layout, name: &str, value: impl Into<Value>) {
        if let Some(slot) = layout.find(name) {
            self.set(slot, value);
        }
    }

    /// Unbinds a name.
    pub fn clear(&mut self, slot: Slot) {
        if let Some(entry) = self.slots.get_mut(slot) {
            *entry = None;
        }
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Value> {
        self.slots.get(slot).and_then(Option::as_ref)
    }
}

/// What names are visible at one place of a spec.
pub trait Names {
    /// The slot of a visible name.
    fn resolve(&self, name: &str) -> Option<Slot>;
    /// Every visible name, for suggestions.
    fn known(&self) -> Vec<Str>;
}

/// A scope in which names can also be bound.
pub trait BindNames: Names {
    /// Binds a name from here on.
    ///
    /// # Errors
    /// The name is bound already (`ShadowedName`); offsets are those of the name and are corrected by the caller.
    fn bind(&mut self, name: &str) -> Result<Slot, ExprError>;
}
