//! Which number is below which: lists of numbers that lie in the numbers themselves.

use crate::{compact::make_room, identity::places::NONE};

/// For every number those below it, in any order.
#[derive(Debug, Default)]
pub(super) struct Forest(Vec<Place>);

#[derive(Clone, Copy, Debug)]
struct Place {
    /// The first one below.
    first: u32,
    /// Those beside it, below the same.
    next: u32,
    previous: u32,
}

const ALONE: Place = Place { first: NONE, next: NONE, previous: NONE };

impl Forest {
    fn at(&self, number: u32) -> Place {
        self.0.get(number as usize).copied().unwrap_or(ALONE)
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut Place)) {
        make_room(&mut self.0, number, ALONE);
        if let Some(place) = self.0.get_mut(number as usize) {
            change(place);
        }
    }

    /// Puts one that is nowhere below another.
    pub(super) fn add(&mut self, above: u32, number: u32) {
        let next = self.at(above).first;
        self.change(above, |place| place.first = number);
        self.change(number, |place| (place.next, place.previous) = (next, NONE));
        if next != NONE {
            self.change(next, |place| place.previous = number);
        }
    }

    /// Takes one away that is below another.
    pub(super) fn remove(&mut self, above: u32, number: u32) {
        let Place { next, previous, .. } = self.at(number);
        if previous == NONE {
            self.change(above, |place| place.first = next);
        } else {
            self.change(previous, |place| place.next = next);
        }
        if next != NONE {
            self.change(next, |place| place.previous = previous);
        }
        self.change(number, |place| (place.next, place.previous) = (NONE, NONE));
    }

    /// Those right below.
    pub(super) fn of(&self, above: u32) -> impl Iterator<Item = u32> {
        let one = |number: u32| (number != NONE).then_some(number);
        std::iter::successors(one(self.at(above).first), move |number| one(self.at(*number).next))
    }
}
