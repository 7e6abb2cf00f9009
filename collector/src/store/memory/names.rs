//! Names of resources, routes and consumers, numbered, so that packed cells hold numbers. In: names. Out: numbers that
//! stay the same until the name is swept away.

use std::hash::Hash;

use pitot_model::{Consumer, Resource, Route};
use rustc_hash::FxHashMap;

/// Number of the empty route and the empty consumer, which stand for what is summed away. It is never swept.
pub(super) const SUMMED: u32 = 0;

/// All names.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) resources: Table<Resource>,
    pub(super) routes: Table<Route>,
    pub(super) consumers: Table<Consumer>,
    /// How many there were after the last sweep.
    swept: usize,
}

/// Names that are in use; by number.
pub(super) struct Used {
    pub(super) resources: Vec<bool>,
    pub(super) routes: Vec<bool>,
    pub(super) consumers: Vec<bool>,
}

/// Names of one kind.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// `None` where a number is free.
    names: Vec<Option<T>>,
    numbers: FxHashMap<T, u32>,
    free: Vec<u32>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names =
            Self { resources: Table::default(), routes: Table::default(), consumers: Table::default(), swept: 0 };
        names.routes.number(&Route::default());
        names.consumers.number(&Consumer::default());
        names
    }
}

impl Names {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.resources.numbers.len() + self.routes.numbers.len() + self.consumers.numbers.len()
    }

    /// Whether there are so many more than after the last sweep that another one may pay.
    pub(super) fn has_grown(&self) -> bool {
        self.len() > 2 * self.swept + 1024
    }

    /// Nothing in use, for [`Names::sweep`] to learn what is.
    pub(super) fn used(&self) -> Used {
        let none = |n| vec![false; n];
        let mut used = Used {
            resources: none(self.resources.names.len()),
            routes: none(self.routes.names.len()),
            consumers: none(self.consumers.names.len()),
        };
        used.routes[SUMMED as usize] = true;
        used.consumers[SUMMED as usize] = true;
        used
    }

    /// Frees the numbers that are not in use.
    pub(super) fn sweep(&mut self, used: &Used) {
        self.resources.sweep(&used.resources);
        self.routes.sweep(&used.routes);
        self.consumers.sweep(&used.consumers);
        self.swept = self.len();
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { names: Vec::new(), numbers: FxHashMap::default(), free: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash + Default> Table<T> {
    /// The number of a name, a new one where it has none.
    pub(super) fn number(&mut self, name: &T) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.free.pop().unwrap_or(self.names.len() as u32);
        match self.names.get_mut(number as usize) {
            Some(place) => *place = Some(name.clone()),
            None => self.names.push(Some(name.clone())),
        }
        self.numbers.insert(name.clone(), number);
        number
    }

    /// The name of a number that is in use.
    pub(super) fn name(&self, number: u32) -> T {
        self.names.get(number as usize).cloned().flatten().unwrap_or_default()
    }

    /// Numbers given so far are below this.
    pub(super) fn bound(&self) -> usize {
        self.names.len()
    }

    fn sweep(&mut self, used: &[bool]) {
        for (number, place) in self.names.iter_mut().enumerate() {
            if !used[number]
                && let Some(name) = place.take()
            {
                self.numbers.remove(&name);
                self.free.push(number as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swept_numbers_are_given_again() {
        let mut names = Names::default();
        let route = |i: u32| Route::new("GET", format!("/{i}"));
        let numbers: Vec<u32> = (0..3).map(|i| names.routes.number(&route(i))).collect();
        let mut used = names.used();
        used.routes[numbers[1] as usize] = true;
        names.sweep(&used);
        assert_eq!((names.len(), names.routes.name(numbers[1])), (3, route(1)), "and the two that stand for sums");
        assert_eq!(names.routes.number(&route(1)), numbers[1]);
        let again = [names.routes.number(&route(7)), names.routes.number(&route(8))];
        assert!(again.iter().all(|n| [numbers[0], numbers[2]].contains(n)), "{again:?}");
        assert_eq!(names.routes.number(&Route::default()), SUMMED);
    }
}
