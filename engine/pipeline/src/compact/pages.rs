//! A table by number of which a clone shares all pages that nobody changes.

use std::sync::Arc;

/// How many entries a page has.
const SIZE: usize = 256;

/// Entries by number. Cloning is cheap; what one of the two changes afterwards, the other does not see.
#[derive(Clone, Debug)]
pub(crate) struct Pages<T> {
    pages: Vec<Option<Arc<Vec<Option<T>>>>>,
    len: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Pages<T> {
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.pages.get(number / SIZE)?.as_ref()?.get(number % SIZE)?.as_ref()
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts an entry in place of the one of its number, and returns that.
    pub(crate) fn set(&mut self, number: u32, entry: Option<T>) -> Option<T> {
        let place = number as usize;
        if self.pages.len() <= place / SIZE {
            entry.as_ref()?;
            self.pages.resize_with(place / SIZE + 1, || None);
        }
        let page = self.pages.get_mut(place / SIZE)?;
        if page.is_none() && entry.is_none() {
            return None;
        }
        let page = Arc::make_mut(page.get_or_insert_with(|| Arc::new(vec![None; SIZE])));
        let known = page.get_mut(place % SIZE)?;
        self.len = self.len + usize::from(entry.is_some()) - usize::from(known.is_some());
        std::mem::replace(known, entry)
    }

    /// Numbers and entries, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let pages = self.pages.iter().enumerate().filter_map(|(place, page)| Some((place, page.as_ref()?)));
        pages.flat_map(|(place, page)| {
            let entries = page.iter().enumerate().filter_map(|(at, entry)| Some((at, entry.as_ref()?)));
            entries.filter_map(move |(at, entry)| Some((u32::try_from(place * SIZE + at).ok()?, entry)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut pages = Pages::default();
        for number in [3, 700, 90_000] {
            assert_eq!(pages.set(number, Some(number)), None);
        }
        let before = pages.clone();
        assert_eq!(
            (pages.set(700, None), pages.set(3, Some(4)), pages.set(1_000_000, None)),
            (Some(700), Some(3), None)
        );
        assert_eq!(
            pages.iter().map(|(number, entry)| (number, *entry)).collect::<Vec<_>>(),
            [(3, 4), (90_000, 90_000)]
        );
        assert_eq!((pages.len(), before.len(), before.get(700), before.get(3)), (2, 3, Some(&700), Some(&3)));
        assert_eq!((pages.get(700), pages.get(5_000_000)), (None, None));
    }
}
