//! Walks the elements of a step's generators, each with its own outcome.

use calipso_expr::{Each, EvalError, Frame, Generator, failed};
use calipso_model::Value;
use calipso_spec::checked::Step;

use crate::step::Machine;
use crate::step::{fault, spoiled};

/// What is done with one element: its names are bound, or it is not known what it would be.
pub(crate) type Visit<'v> = dyn FnMut(&mut Frame, Result<(), EvalError>) + 'v;

/// How many elements one step may have.
const MAX_ELEMENTS: usize = 1_000_000;

impl Machine<'_> {
    /// Visits the elements of a step in the generators' order.
    ///
    /// # Errors
    /// The first generator has no value: nothing is known of any element.
    pub(crate) fn walk(
        &self,
        step: &Step,
        each: &Each,
        frame: &mut Frame,
        visit: &mut Visit<'_>,
    ) -> Result<(), EvalError> {
        let mut walk = Walk { machine: self, step, generators: &each.generators, n_elements: 0 };
        walk.level(0, frame, visit)
    }
}

struct Walk<'a, 'm> {
    machine: &'a Machine<'m>,
    step: &'a Step,
    generators: &'a [Generator],
    n_elements: usize,
}

impl Walk<'_, '_> {
    fn level(&mut self, depth: usize, frame: &mut Frame, visit: &mut Visit<'_>) -> Result<(), EvalError> {
        let Some(generator) = self.generators.get(depth) else { return self.element(frame, visit) };
        let over = self.machine.effort.eval(|fuel| generator.over.eval(frame, fuel))?;
        let walked = self.elements(generator, &over, depth, frame, visit);
        generator.unbind(frame);
        walked
    }

    fn elements(
        &mut self,
        generator: &Generator,
        over: &Value,
        depth: usize,
        frame: &mut Frame,
        visit: &mut Visit<'_>,
    ) -> Result<(), EvalError> {
        match (over, generator.key) {
            (value, _) if failed::is_marker(value) => Err(spoiled()),
            (Value::List(items), None) => {
                for item in items.iter() {
                    frame.set(generator.value, item.clone());
                    self.inner(depth, frame, visit)?;
                }
                Ok(())
            }
            (Value::Map(map), Some(key)) => {
                let open = failed::note(map);
                for entry @ (name, value) in map {
                    if open.is_some_and(|open| std::ptr::eq(open, entry)) {
                        // Further entries, nobody knows which.
                        self.unknown(depth, frame);
                        visit(frame, Err(spoiled()));
                        continue;
                    }
                    frame.set(key, Value::Str(name.clone()));
                    frame.set(generator.value, value.clone());
                    self.inner(depth, frame, visit)?;
                }
                Ok(())
            }
            (Value::List(_), Some(_)) => Err(fault("two names need a map, found list".to_owned())),
            (Value::Map(_), None) => Err(fault("one name needs a list, found map".to_owned())),
            (other, _) => Err(fault(format!("a generator needs a list or a map, found {}", other.kind()))),
        }
    }

    /// Marks the names of a generator and of those after it as not known.
    fn unknown(&self, depth: usize, frame: &mut Frame) {
        for generator in self.generators.get(depth..).unwrap_or_default() {
            generator.bind(frame, Some(failed::marker()), failed::marker());
        }
    }

    /// The next generator; what goes wrong there concerns only the element around it, of which it is then not known what it
    /// would have gone through.
    fn inner(&mut self, depth: usize, frame: &mut Frame, visit: &mut Visit<'_>) -> Result<(), EvalError> {
        if self.n_elements > MAX_ELEMENTS {
            return Err(fault(format!("more than {MAX_ELEMENTS} elements")));
        }
        // What was too much stays so: the elements that are left would only say it again.
        self.machine.effort.check()?;
        if let Err(error) = self.level(depth + 1, frame, visit) {
            if self.n_elements > MAX_ELEMENTS || self.machine.effort.check().is_err() {
                return Err(error);
            }
            self.unknown(depth + 1, frame);
            visit(frame, Err(error));
            for generator in self.generators.get(depth + 1..).unwrap_or_default() {
                generator.unbind(frame);
            }
        }
        Ok(())
    }

    fn element(&mut self, frame: &mut Frame, visit: &mut Visit<'_>) -> Result<(), EvalError> {
        self.n_elements += 1;
        if let Some(when) = &self.step.when {
            match self.machine.effort.eval(|fuel| when.holds(frame, fuel)) {
                Ok(true) => self.machine.cover(&self.step.at, "when true"),
                Ok(false) => {
                    self.machine.cover(&self.step.at, "when false");
                    return Ok(());
                }
                Err(error) => {
                    visit(frame, Err(error));
                    return Ok(());
                }
            }
        }
        self.machine.cover(&self.step.at, "step");
        visit(frame, Ok(()));
        Ok(())
    }
}
