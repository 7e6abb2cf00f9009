//! Marks in memory, and where those go that find no room, for every engine.
//!
//! In: marks of reports. Out: sums by hour. An hour that is full takes further names as `(other)`, so that its sums stay whole.

use std::collections::BTreeMap;

use pitot_model::{Consumer, Evidence, MARK_WIDTH, Mark, MarkKey, MarkSum, Route, TimeRange, Timestamp};

/// Different marks of one hour; beyond, names count as `(other)`, and beyond five quarters of it services, too.
pub(crate) const HOUR_MARKS: usize = 20_000;

/// Bytes of marks in memory, about; beyond, the oldest hours lose their names.
const BYTES: usize = 24 << 20;

/// The key under which a mark that is new in its hour is summed, where the hour has so many already.
pub(crate) fn room(key: MarkKey, n_marks: usize) -> MarkKey {
    match n_marks {
        n if n < HOUR_MARKS => key,
        n if n < HOUR_MARKS + HOUR_MARKS / 4 => folded(key, false),
        _ => folded(key, true),
    }
}

/// The same without names; what is about all of them stays so.
fn folded(key: MarkKey, has_no_service: bool) -> MarkKey {
    let service = if has_no_service { Consumer::OTHER.to_owned() } else { key.service };
    let route = if key.route == Route::default() { key.route } else { Route::new("", Consumer::OTHER) };
    let is_nobody = key.consumer == Consumer::default();
    let consumer = if is_nobody { key.consumer } else { Consumer::new(Consumer::OTHER, Evidence::None) };
    MarkKey { service, route, consumer, ..key }
}

/// Sums of marks by hour.
#[derive(Debug, Default)]
pub(super) struct Marks {
    hours: BTreeMap<Timestamp, BTreeMap<MarkKey, MarkSum>>,
    /// Of all of them, about.
    bytes: usize,
}

impl Marks {
    /// Adds a mark.
    pub(super) fn add(&mut self, mark: &Mark) {
        let hour = self.hours.entry(mark.key.hour.floor(MARK_WIDTH)).or_default();
        let key = if hour.contains_key(&mark.key) { mark.key.clone() } else { room(mark.key.clone(), hour.len()) };
        self.bytes += put(hour, key, &mark.sum);
        while self.bytes > BYTES && self.shed() {}
    }

    /// Visits what happened in a range that is aligned to hours.
    pub(super) fn visit(&self, range: TimeRange, visit: &mut dyn FnMut(&Mark)) {
        if range.is_empty() {
            return;
        }
        for (key, sum) in self.hours.range(range.from..range.to).flat_map(|(_, hour)| hour) {
            visit(&Mark { key: key.clone(), sum: sum.clone() });
        }
    }

    /// Drops hours that start before a moment; how many marks went.
    pub(super) fn drop_before(&mut self, cutoff: Timestamp) -> u64 {
        let kept = self.hours.split_off(&cutoff);
        let gone = std::mem::replace(&mut self.hours, kept);
        self.bytes -= gone.values().map(size_of_hour).sum::<usize>();
        gone.values().map(|hour| hour.len() as u64).sum()
    }

    /// Takes the names of the oldest hour that has any, or else that hour; the newest stays. Whether there was one.
    fn shed(&mut self) -> bool {
        let Some((newest, _)) = self.hours.last_key_value().map(|(start, hour)| (*start, hour.len())) else {
            return false;
        };
        let has_names = |hour: &BTreeMap<MarkKey, MarkSum>| hour.keys().any(|key| folded(key.clone(), true) != *key);
        let named =
            self.hours.iter().find(|(start, hour)| **start < newest && has_names(hour)).map(|(start, _)| *start);
        if let Some(hour) = named.and_then(|start| self.hours.get_mut(&start)) {
            self.bytes -= size_of_hour(hour);
            for (key, sum) in std::mem::take(hour) {
                put(hour, folded(key, true), &sum);
            }
            self.bytes += size_of_hour(hour);
            return true;
        }
        if self.hours.len() < 2 {
            return false;
        }
        if let Some((_, hour)) = self.hours.pop_first() {
            self.bytes -= size_of_hour(&hour);
        }
        true
    }
}

/// Adds a sum; the bytes by which the hour grew.
fn put(hour: &mut BTreeMap<MarkKey, MarkSum>, key: MarkKey, sum: &MarkSum) -> usize {
    if let Some(all) = hour.get_mut(&key) {
        let before = size_of_sum(all);
        all.merge(sum);
        return size_of_sum(all).saturating_sub(before);
    }
    let bytes = size_of_key(&key) + size_of_sum(sum);
    hour.insert(key, sum.clone());
    bytes
}

fn size_of_hour(hour: &BTreeMap<MarkKey, MarkSum>) -> usize {
    hour.iter().map(|(key, sum)| size_of_key(key) + size_of_sum(sum)).sum()
}

fn size_of_key(key: &MarkKey) -> usize {
    let names = [&key.service, &key.route.method, &key.route.template, &key.consumer.id, &key.consumer.group];
    size_of::<MarkKey>() + names.iter().map(|name| name.len()).sum::<usize>()
}

fn size_of_sum(sum: &MarkSum) -> usize {
    let distinct = if sum.distinct.is_exact() { 8 * sum.distinct.estimate() as usize } else { 1 << 10 };
    size_of::<MarkSum>() + distinct
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{at, mark};

    fn count(marks: &Marks) -> (u64, usize) {
        let (mut n, mut keys) = (0, 0);
        marks.visit(TimeRange::ALL, &mut |mark| (n, keys) = (n + mark.sum.count, keys + 1));
        (n, keys)
    }

    #[test]
    fn memory_is_bounded_and_sums_stay_whole() {
        let mut marks = Marks::default();
        for hour in 0..40 {
            for i in 0..5_000 {
                marks.add(&mark(hour * 3_600, "/a", &format!("consumer {i}"), 1));
            }
        }
        assert!(marks.bytes <= BYTES, "{}", marks.bytes);
        assert_eq!(marks.bytes, marks.hours.values().map(size_of_hour).sum::<usize>());
        assert_eq!(count(&marks).0, 200_000);
        assert_eq!(marks.hours[&at(0)].len(), 1, "the oldest have no names");
        assert_eq!(marks.hours[&at(39 * 3_600)].len(), 5_000, "the newest have");
        marks.drop_before(at(40 * 3_600));
        assert_eq!((marks.bytes, count(&marks).1), (0, 0));
    }
}
