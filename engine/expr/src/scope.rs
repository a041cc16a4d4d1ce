//! What an evaluation reads: names, and records whose attributes have numbers.

use std::fmt;

use calipso_model::{Str, Value};

use crate::layout::{Frame, Slot};

/// The attributes of some objects, which have numbers.
pub trait AttributeRows: Sync {
    /// An attribute of an object; nothing where it has no such attribute.
    fn attribute(&self, object: u32, number: usize) -> Option<&Value>;
}

/// The attributes of one object by their numbers.
#[derive(Clone, Copy)]
pub struct AttributeRow<'a> {
    records: &'a dyn AttributeRows,
    object: u32,
}

impl<'a> AttributeRow<'a> {
    /// One of some objects.
    #[must_use]
    #[inline]
    pub fn new(records: &'a dyn AttributeRows, object: u32) -> Self {
        Self { records, object }
    }

    /// No object: it has no attribute.
    #[must_use]
    #[inline]
    pub fn none() -> Self {
        Self { records: &NoAttributes, object: 0 }
    }

    /// The attribute of a number; nothing where the object has none.
    #[must_use]
    #[inline]
    pub fn get(self, number: usize) -> Option<&'a Value> {
        self.records.attribute(self.object, number)
    }
}

impl fmt::Debug for AttributeRow<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AttributeRow").field("object", &self.object).finish_non_exhaustive()
    }
}

struct NoAttributes;

impl AttributeRows for NoAttributes {
    fn attribute(&self, _: u32, _: usize) -> Option<&Value> {
        None
    }
}

/// Where an attribute of a name stands: the record, and the number of the attribute in it.
pub type Column = (usize, usize);

/// Says where an attribute of a name stands, if it is in a record.
pub type Columns<'a> = &'a mut dyn FnMut(Slot, &Str) -> Option<Column>;

/// What names mean during one evaluation, by reference: nothing is copied into it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    frame: &'a Frame,
    records: &'a [AttributeRow<'a>],
    bound: Option<&'a Bound<'a>>,
}

/// Names that are bound in addition to those of the frame.
#[derive(Debug)]
pub struct Bound<'a> {
    slots: &'a [Slot],
    values: &'a [Value],
    before: Option<&'a Bound<'a>>,
}

impl<'a> Bound<'a> {
    /// Names in the order of their values, and all that a scope knows already.
    #[must_use]
    #[inline]
    pub fn new(slots: &'a [Slot], values: &'a [Value], scope: Scope<'a>) -> Self {
        Self { slots, values, before: scope.bound }
    }
}

impl<'a> Scope<'a> {
    /// The names of a frame, and records.
    #[must_use]
    #[inline]
    pub fn new(frame: &'a Frame, records: &'a [AttributeRow<'a>]) -> Self {
        Self { frame, records, bound: None }
    }

    /// With more names.
    #[must_use]
    #[inline]
    pub fn with(self, bound: &'a Bound<'a>) -> Self {
        Self { bound: Some(bound), ..self }
    }

    /// The value of a name.
    #[must_use]
    #[inline]
    pub fn get(self, slot: Slot) -> Option<&'a Value> {
        let mut next = self.bound;
        while let Some(bound) = next {
            if let Some(index) = bound.slots.iter().position(|known| *known == slot) {
                return bound.values.get(index);
            }
            next = bound.before;
        }
        self.frame.get(slot)
    }

    /// An attribute of a record.
    #[inline]
    pub(crate) fn field(self, (record, number): Column) -> Option<&'a Value> {
        self.records.get(record)?.get(number)
    }
}

impl<'a> From<&'a Frame> for Scope<'a> {
    fn from(frame: &'a Frame) -> Self {
        Self::new(frame, &[])
    }
}
