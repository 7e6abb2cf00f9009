//! Names with numbers, in bounded memory: when there are more names than room, the heavy ones keep theirs.
//!
//! In: names, and how often each came. Out: a number for each, or none: then it counts under `(other)`.
//!
//! As long as there is room, every name gets a number at once. From then on the table is *crowded*: a name without a number
//! has to show first that it is heavier than one of those that have one, which it does in a table of newcomers; and only so
//! many are awarded a number at a time, the heaviest first ([`Table::settle`]). So somebody who makes up names gets those
//! that were free and hardly any more, and can not take one away from a name that is used. Weights are halved as time goes
//! on, and with them the claims of names that nobody uses any more.
//!
//! What was counted under `(other)` stays there: a name that is awarded a number is exact from then on. Newcomers are counted
//! as in Misra and Gries, "Finding repeated elements" (1982), cut at the median instead of by one: a weight is never too
//! great, and what comes again and again outlasts what does not. It depends on what came in which order, and on nothing else.

use std::{cmp::Reverse, hash::BuildHasher};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::batch::Row;

/// What a transaction weighs that the server took for a good one. What it refused or did not find weighs one: names that are
/// tried out are light.
const ANSWERED: u32 = 8;

/// What a name must weigh to be awarded a number: it was answered twice, or tried many times.
const ENOUGH: u32 = 2 * ANSWERED;

/// Transactions after which all weights are halved.
const HALVED_AFTER: u64 = 1 << 20;

/// Names without a number whose weight is known, some 3 MiB; when there are more, the lighter half is forgotten.
const NEWCOMERS: usize = 1 << 16;

/// How many names are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Names with a number.
    pub(super) names: usize,
    /// Bytes of them.
    pub(super) bytes: usize,
    /// Names that are awarded a number at a time, once the table is crowded.
    pub(super) awards: usize,
    /// Whether names that are not used any more go, once hardly any new ones come.
    pub(super) forgets: bool,
}

/// How often a name came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Came {
    /// Transactions.
    pub(super) count: u64,
    /// Those that the server took for good ones: it answered, and not that the client was wrong.
    pub(super) answered: u64,
}

impl Came {
    /// One more transaction.
    #[inline]
    pub(super) fn add(&mut self, row: &Row) {
        self.count += 1;
        self.answered += u64::from(!matches!(row.status.class(), 0 | 4));
    }

    fn weight(self) -> u32 {
        let weight = self.count.saturating_add(self.answered.saturating_mul(u64::from(ANSWERED) - 1));
        u32::try_from(weight).unwrap_or(u32::MAX)
    }
}

/// Names with numbers.
#[derive(Debug)]
pub(super) struct Table {
    room: Room,
    slots: Vec<Slot>,
    /// Numbers that no name has.
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: usize,
    is_crowded: bool,
    newcomers: Newcomers,
    /// Transactions since weights were halved.
    age: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// Empty while it is free.
    name: Box<[u8]>,
    weight: u32,
    /// Grows with every name that gets a number: of two light ones the older stays.
    since: u64,
    /// Whether the name came since weights were halved.
    is_used: bool,
    /// Whether it is never taken away.
    is_pinned: bool,
}

#[derive(Debug, Default)]
struct Newcomers {
    /// By hash of the name.
    known: HashMap<u64, Newcomer>,
    /// Names that came in since weights were halved; some more than once.
    n_came: u64,
    /// Grows with every one of them.
    clock: u64,
}

#[derive(Debug)]
struct Newcomer {
    weight: u32,
    since: u64,
    /// Whether a number waits for it.
    is_awarded: bool,
}

impl Table {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            bytes: 0,
            is_crowded: false,
            newcomers: Newcomers::default(),
            age: 0,
        }
    }

    /// Names that have a number.
    pub(super) fn n_names(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether names were turned away, or soon will be.
    pub(super) fn is_full(&self) -> bool {
        self.is_crowded || self.n_names() >= self.room.names || self.bytes >= self.room.bytes
    }

    /// The number of a name that came again.
    #[inline]
    pub(super) fn find(&mut self, name: &[u8], came: Came) -> Option<u32> {
        let (slots, hash) = (&self.slots, self.hasher.hash_one(name));
        let number = *self.index.find(hash, |&number| *slots[number as usize].name == *name)?;
        self.weigh(number, came);
        Some(number)
    }

    /// The name behind a number came again.
    #[inline]
    pub(super) fn weigh(&mut self, number: u32, came: Came) {
        let slot = &mut self.slots[number as usize];
        slot.weight = slot.weight.saturating_add(came.weight());
        slot.is_used = true;
    }

    /// A number for a name that has none; `None` where there is no room for it, or not yet.
    pub(super) fn admit(&mut self, name: &[u8], came: Came) -> Option<u32> {
        let fits = self.n_names() < self.room.names && self.bytes + name.len() <= self.room.bytes;
        self.is_crowded |= !fits;
        let hash = self.hasher.hash_one(name);
        if self.is_crowded && !(fits && self.newcomers.claim(hash)) {
            self.newcomers.add(hash, came.weight());
            return None;
        }
        Some(self.insert(name, came.weight()))
    }

    /// A number for a name that keeps it, whether there is room or not.
    pub(super) fn pin(&mut self, name: &[u8]) -> u32 {
        let number = self.find(name, Came::default()).unwrap_or_else(|| self.insert(name, 0));
        self.slots[number as usize].is_pinned = true;
        number
    }

    /// What came since the last time is over: so many transactions. Gives the names that have no number any more, and those
    /// numbers, which other names may get from now on.
    pub(super) fn settle(&mut self, n_transactions: u64) -> Vec<(u32, Box<[u8]>)> {
        self.age += n_transactions;
        let mut freed = Vec::new();
        if self.age >= HALVED_AFTER {
            self.age = 0;
            freed = self.forget();
            self.halve();
        }
        if self.is_crowded {
            freed.extend(self.award());
        }
        freed
    }

    /// The same names under other ones, which several may share, and with other numbers, which `each` is told in the order of
    /// the old ones. There is room for all of them.
    pub(super) fn rename(&mut self, name: impl Fn(u32) -> Vec<u8>, mut each: impl FnMut(u32, u32)) {
        let old = std::mem::replace(self, Self { age: self.age, ..Self::new(self.room) });
        for (number, slot) in numbered(&old.slots).filter(|(_, slot)| !slot.name.is_empty()) {
            let name = name(number);
            let new = self.find(&name, Came::default()).unwrap_or_else(|| self.insert(&name, 0));
            let renamed = &mut self.slots[new as usize];
            renamed.weight = renamed.weight.saturating_add(slot.weight);
            renamed.is_pinned |= slot.is_pinned;
            each(number, new);
        }
    }

    fn insert(&mut self, name: &[u8], weight: u32) -> u32 {
        self.newcomers.clock += 1;
        let slot = Slot { name: name.into(), weight, since: self.newcomers.clock, is_used: true, is_pinned: false };
        self.bytes += name.len();
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash = hasher.hash_one(name);
        self.index.insert_unique(hash, number, |&number| hasher.hash_one(&*slots[number as usize].name));
        number
    }

    fn remove(&mut self, number: u32) -> (u32, Box<[u8]>) {
        let slot = std::mem::take(&mut self.slots[number as usize]);
        self.bytes -= slot.name.len();
        if let Ok(entry) = self.index.find_entry(self.hasher.hash_one(&*slot.name), |&n| n == number) {
            entry.remove();
        }
        self.free.push(number);
        (number, slot.name)
    }

    /// Once hardly any new names come, those that are not used any more go, and there is room for everybody again.
    fn forget(&mut self) -> Vec<(u32, Box<[u8]>)> {
        let came = std::mem::take(&mut self.newcomers.n_came);
        let is_dead = |slot: &Slot| !slot.is_used && slot.weight <= 1 && !slot.is_pinned && !slot.name.is_empty();
        let dead: Vec<u32> = numbered(&self.slots).filter(|(_, slot)| is_dead(slot)).map(|(n, _)| n).collect();
        let n_expected = usize::try_from(came).unwrap_or(usize::MAX).saturating_add(self.n_names() - dead.len());
        if !(self.is_crowded && self.room.forgets) || n_expected > self.room.names / 2 {
            return Vec::new();
        }
        self.is_crowded = false;
        self.newcomers = Newcomers { clock: self.newcomers.clock, ..Newcomers::default() };
        dead.into_iter().map(|number| self.remove(number)).collect()
    }

    fn halve(&mut self) {
        for slot in &mut self.slots {
            slot.weight /= 2;
            slot.is_used = false;
        }
        self.newcomers.known.retain(|_, newcomer| {
            newcomer.weight /= 2;
            newcomer.weight > 0
        });
    }

    /// The heaviest newcomers, one by one against the lightest names.
    fn award(&mut self) -> Vec<(u32, Box<[u8]>)> {
        let mut newcomers = self.newcomers.heaviest(self.room.awards);
        let n_lacking = newcomers.len().saturating_sub(self.free.len());
        let mut lightest = self.lightest(n_lacking);
        // Those for whom a number is free need not take one away.
        let n_free = newcomers.len() - lightest.len();
        let is_lighter = |i: &usize| lightest[*i].0 < newcomers[n_free + *i].0;
        let n_taken = (0..lightest.len()).take_while(is_lighter).count();
        newcomers.truncate(n_free + n_taken);
        lightest.truncate(n_taken);
        newcomers.iter().for_each(|&(_, hash)| self.newcomers.award(hash));
        lightest.into_iter().map(|(_, number)| self.remove(number)).collect()
    }

    /// The lightest names, of those the younger, by weight; at most `n`.
    fn lightest(&self, n: usize) -> Vec<(u32, u32)> {
        if n == 0 {
            return Vec::new();
        }
        let named = numbered(&self.slots).filter(|(_, slot)| !slot.is_pinned && !slot.name.is_empty());
        let mut all: Vec<_> = named.map(|(number, slot)| (slot.weight, Reverse(slot.since), number)).collect();
        if n < all.len() {
            all.select_nth_unstable(n);
            all.truncate(n);
        }
        all.sort_unstable();
        all.into_iter().map(|(weight, _, number)| (weight, number)).collect()
    }
}

fn numbered(slots: &[Slot]) -> impl Iterator<Item = (u32, &Slot)> {
    slots.iter().enumerate().map(|(number, slot)| (number as u32, slot))
}

impl Newcomers {
    fn add(&mut self, hash: u64, weight: u32) {
        if let Some(known) = self.known.get_mut(&hash) {
            known.weight = known.weight.saturating_add(weight);
            return;
        }
        if self.known.len() >= NEWCOMERS {
            self.cut();
        }
        self.n_came += 1;
        self.clock += 1;
        self.known.insert(hash, Newcomer { weight, since: self.clock, is_awarded: false });
    }

    /// Forgets the lighter half.
    fn cut(&mut self) {
        let mut weights: Vec<u32> = self.known.values().map(|newcomer| newcomer.weight).collect();
        let at = weights.len() / 2;
        let median = *weights.select_nth_unstable(at).1;
        self.known.retain(|_, newcomer| {
            newcomer.weight = newcomer.weight.saturating_sub(median);
            newcomer.weight > 0
        });
    }

    /// Takes the number that waits for a name.
    fn claim(&mut self, hash: u64) -> bool {
        let is_awarded = self.known.get(&hash).is_some_and(|newcomer| newcomer.is_awarded);
        if is_awarded {
            self.known.remove(&hash);
        }
        is_awarded
    }

    fn award(&mut self, hash: u64) {
        if let Some(newcomer) = self.known.get_mut(&hash) {
            newcomer.is_awarded = true;
        }
    }

    /// The heaviest by weight, the older first; at most `n`. What was awarded before and not claimed is awarded anew.
    fn heaviest(&mut self, n: usize) -> Vec<(u32, u64)> {
        let mut all = Vec::new();
        for (&hash, newcomer) in &mut self.known {
            newcomer.is_awarded = false;
            if newcomer.weight >= ENOUGH {
                all.push((Reverse(newcomer.weight), newcomer.since, hash));
            }
        }
        if n < all.len() {
            all.select_nth_unstable(n);
            all.truncate(n);
        }
        all.sort_unstable();
        all.into_iter().map(|(Reverse(weight), _, hash)| (weight, hash)).collect()
    }
}

#[cfg(test)]
mod tests;
