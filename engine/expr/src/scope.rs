//! What an evaluation reads: names, and records whose attributes have numbers.

use calipso_model::{Str, Value};

use crate::layout::{Frame, Slot};

/// The attributes of one object by their numbers; nothing where it has no such attribute.
pub type AttributeRow<'a> = &'a [Option<Value>];

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
        self.records.get(record)?.get(number)?.as_ref()
    }
}

impl<'a> From<&'a Frame> for Scope<'a> {
    fn from(frame: &'a Frame) -> Self {
        Self::new(frame, &[])
    }
}
