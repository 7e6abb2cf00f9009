//! Numbered places for connections, each in one of four queues ordered by its latest news.
//!
//! In: values. Out: their numbers, and the one of a queue without news for the longest. Places are reused.

/// Which connections a slot is queued among. In the order in which they are forgotten when the table is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// Closed; remembered so that late copies of its segments begin nothing.
    Over,
    /// No payload seen yet.
    New,
    /// Payload was seen.
    Busy,
    /// Likewise, and much is held for it.
    Laden,
}

impl Queue {
    /// All of them, as they are forgotten.
    pub(super) const ALL: [Self; 4] = [Self::Over, Self::New, Self::Busy, Self::Laden];
}

/// A slab with intrusive queues.
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// First of the free ones, linked by `next`.
    free: u32,
    queues: [Ends; 4],
}

struct Slot<T> {
    value: T,
    previous: u32,
    next: u32,
    /// `None` when free.
    queue: Option<Queue>,
}

/// Oldest and newest.
#[derive(Clone, Copy)]
struct Ends {
    first: u32,
    last: u32,
    len: u32,
}

const NONE: u32 = u32::MAX;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NONE, queues: [Ends { first: NONE, last: NONE, len: 0 }; 4] }
    }
}

impl<T> Slots<T> {
    /// Bytes that one takes.
    #[cfg(test)]
    pub(super) const SLOT_BYTES: usize = size_of::<Slot<T>>();

    /// Stores a value as the newest of a queue.
    pub(super) fn insert(&mut self, value: T, queue: Queue) -> u32 {
        let idx = if self.free == NONE {
            self.slots.push(Slot { value, previous: NONE, next: NONE, queue: None });
            (self.slots.len() - 1) as u32
        } else {
            let idx = self.free;
            let slot = &mut self.slots[idx as usize];
            self.free = slot.next;
            slot.value = value;
            idx
        };
        self.append(idx, queue);
        idx
    }

    /// Frees a place; its value stays until the place is reused, and must be cheap by then.
    pub(super) fn remove(&mut self, idx: u32) {
        self.unlink(idx);
        self.slots[idx as usize].next = self.free;
        self.free = idx;
    }

    /// Has had news: is the newest of `queue` from now on.
    #[inline]
    pub(super) fn touch(&mut self, idx: u32, queue: Queue) {
        if self.queues[queue as usize].last != idx {
            self.unlink(idx);
            self.append(idx, queue);
        }
    }

    /// The one without news for the longest.
    pub(super) fn oldest(&self, queue: Queue) -> Option<u32> {
        Some(self.queues[queue as usize].first).filter(|&i| i != NONE)
    }

    /// How many are in a queue.
    pub(super) fn len(&self, queue: Queue) -> usize {
        self.queues[queue as usize].len as usize
    }

    /// Numbers below this one may be in use.
    pub(super) fn bound(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Which queue it is in; `None` when free.
    pub(super) fn queue(&self, idx: u32) -> Option<Queue> {
        self.slots[idx as usize].queue
    }

    fn append(&mut self, idx: u32, queue: Queue) {
        let ends = &mut self.queues[queue as usize];
        let last = ends.last;
        ends.last = idx;
        ends.len += 1;
        match last {
            NONE => ends.first = idx,
            _ => self.slots[last as usize].next = idx,
        }
        let slot = &mut self.slots[idx as usize];
        (slot.previous, slot.next, slot.queue) = (last, NONE, Some(queue));
    }

    fn unlink(&mut self, idx: u32) {
        let slot = &mut self.slots[idx as usize];
        let (previous, next) = (slot.previous, slot.next);
        let Some(queue) = slot.queue.take() else { return };
        let ends = &mut self.queues[queue as usize];
        ends.len -= 1;
        if previous == NONE {
            ends.first = next;
        }
        if next == NONE {
            ends.last = previous;
        }
        if previous != NONE {
            self.slots[previous as usize].next = next;
        }
        if next != NONE {
            self.slots[next as usize].previous = previous;
        }
    }
}

impl<T> std::ops::Index<u32> for Slots<T> {
    type Output = T;

    fn index(&self, idx: u32) -> &T {
        &self.slots[idx as usize].value
    }
}

impl<T> std::ops::IndexMut<u32> for Slots<T> {
    fn index_mut(&mut self, idx: u32) -> &mut T {
        &mut self.slots[idx as usize].value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(s: &Slots<char>, queue: Queue) -> String {
        let mut text = String::new();
        let mut idx = s.queues[queue as usize].first;
        while idx != NONE {
            text.push(s[idx]);
            idx = s.slots[idx as usize].next;
        }
        assert_eq!(text.len(), s.len(queue));
        text
    }

    #[test]
    fn news_reorder_queues_and_places_are_reused() {
        let mut s = Slots::default();
        let [a, b, c, d] = ['a', 'b', 'c', 'd'].map(|x| s.insert(x, Queue::New));
        for (action, new, busy) in [
            (None, "abcd", ""),
            (Some((a, Queue::New)), "bcda", ""),
            (Some((a, Queue::New)), "bcda", ""),
            (Some((c, Queue::Busy)), "bda", "c"),
            (Some((b, Queue::Busy)), "da", "cb"),
            (Some((c, Queue::Busy)), "da", "bc"),
        ] {
            if let Some((idx, queue)) = action {
                s.touch(idx, queue);
            }
            assert_eq!((queued(&s, Queue::New).as_str(), queued(&s, Queue::Busy).as_str()), (new, busy), "{action:?}");
        }
        s.remove(d);
        s.remove(b);
        assert_eq!((s.insert('e', Queue::Busy), s.insert('f', Queue::Busy), s.bound()), (b, d, 4));
        assert_eq!((queued(&s, Queue::New).as_str(), queued(&s, Queue::Busy).as_str()), ("a", "cef"));
        assert_eq!(s.oldest(Queue::Over), None);
    }
}
