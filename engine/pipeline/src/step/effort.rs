//! How much the expressions of one run of a step list may do and make, so that no spec takes the machine for itself.

use std::sync::atomic::{AtomicU64, Ordering};

use calipso_expr::{EvalError, Fuel};

use crate::{step::fault, world::World};

/// Units of fuel of one run: a list of a million elements, gone through a thousand times.
const MAX_UNITS: u64 = 1_000_000_000;
/// Bytes of text that one run may make; what is copied from answers costs nothing.
const MAX_TEXT: u64 = 256 << 20;
/// Bytes of text that all runs of a scan may make together.
const MAX_TEXT_OF_SCAN: u64 = 2 << 30;

/// What was done so far.
pub(crate) struct Effort<'a> {
    units: AtomicU64,
    text: AtomicU64,
    /// Text that all runs of the scan made.
    of_scan: Option<&'a AtomicU64>,
}

impl<'a> Effort<'a> {
    /// None so far, in the scan of a world.
    pub(crate) fn new(world: &'a dyn World) -> Self {
        Self { units: AtomicU64::new(0), text: AtomicU64::new(0), of_scan: world.made() }
    }

    /// Evaluates with fuel, and counts what it took.
    ///
    /// # Errors
    /// Of the evaluation, or the run has done too much.
    pub(crate) fn eval<T>(&self, work: impl FnOnce(&mut Fuel) -> Result<T, EvalError>) -> Result<T, EvalError> {
        self.check()?;
        let mut fuel = Fuel::default();
        let whole = fuel.left();
        let done = work(&mut fuel);
        self.units.fetch_add(whole - fuel.left(), Ordering::Relaxed);
        if fuel.made() > 0 {
            self.text.fetch_add(fuel.made(), Ordering::Relaxed);
            self.of_scan.map(|made| made.fetch_add(fuel.made(), Ordering::Relaxed));
        }
        self.check()?;
        done
    }

    /// Whether the run may go on.
    ///
    /// # Errors
    /// It has done too much.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        let of_scan = self.of_scan.map_or(0, |made| made.load(Ordering::Relaxed));
        let what = if self.units.load(Ordering::Relaxed) > MAX_UNITS {
            format!(
                "the steps do too much: their expressions took more than {MAX_UNITS} units of work under one parent"
            )
        } else if self.text.load(Ordering::Relaxed) > MAX_TEXT {
            format!(
                "the steps make too much: their expressions made more than {MAX_TEXT} bytes of text under one parent"
            )
        } else if of_scan > MAX_TEXT_OF_SCAN {
            format!("the specs make too much: expressions made more than {MAX_TEXT_OF_SCAN} bytes of text in one scan")
        } else {
            return Ok(());
        };
        Err(fault(what))
    }
}
