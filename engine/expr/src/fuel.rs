//! How much work an evaluation may do, and how long its lists may become.

use calipso_model::Value;

use crate::error::{EvalError, EvalErrorKind, OpError};

/// Longest list that an evaluation may make.
pub const MAX_LIST: usize = 1_000_000;

/// How much work an evaluation may do.
///
/// # Units
/// One per node, one per element of a list that is made or read, one per 16 bytes of a text that is made. As every
/// element and every byte is paid for before it is made, fuel bounds memory, too.
#[derive(Clone, Debug)]
pub struct Fuel {
    left: u64,
    made: u64,
}

impl Fuel {
    /// Fuel of this many units.
    #[must_use]
    pub fn new(units: u64) -> Self {
        Self { left: units, made: 0 }
    }

    /// Units that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Bytes of text that were made, texts of a few bytes left out.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Pays for work that an expression causes elsewhere.
    ///
    /// # Errors
    /// Not enough fuel is left.
    pub fn pay(&mut self, units: u64) -> Result<(), EvalError> {
        self.burn(units).map_err(|_| EvalError {
            kind: EvalErrorKind::Limit,
            ..EvalError::new("the evaluation takes too long: it is out of fuel")
        })
    }

    #[inline]
    pub(crate) fn burn(&mut self, units: u64) -> Result<(), OpError> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(OpError::Limit("the evaluation takes too long: it is out of fuel"))
            }
        }
    }

    /// Pays for a text that is about to be made.
    #[inline]
    pub(crate) fn text(&mut self, bytes: usize) -> Result<(), OpError> {
        if bytes < 16 {
            return Ok(());
        }
        self.made = self.made.saturating_add(bytes as u64);
        self.burn(bytes as u64 / 16)
    }

    /// Pays for a list that is about to be made.
    pub(crate) fn list(&mut self, n_elements: usize) -> Result<(), OpError> {
        if n_elements > MAX_LIST {
            return Err(OpError::Limit("the list would have more than 1,000,000 elements"));
        }
        self.burn(n_elements as u64)
    }

    /// Pays for walking all of a value, shared parts as often as they are reached.
    pub(crate) fn walk(&mut self, value: &Value) -> Result<(), OpError> {
        self.burn(1)?;
        match value {
            Value::Str(text) => self.text(text.len()),
            Value::List(items) => items.iter().try_for_each(|item| self.walk(item)),
            Value::Map(map) => map.iter().try_for_each(|(key, value)| {
                self.text(key.len())?;
                self.walk(value)
            }),
            _ => Ok(()),
        }
    }
}

/// Ten million units.
impl Default for Fuel {
    fn default() -> Self {
        Self::new(10_000_000)
    }
}
