//! The cube and its marginals. In: a window as shipped. Out: the same numbers with routes or consumers summed away.

use std::collections::HashMap;

use pitot_model::{Cell, Consumer, Route, Status, Window};

/// Which sums are kept. The marginals make ordinary questions cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cube {
    /// Cells by (resource, route, consumer, status), as shipped.
    Full,
    /// Cells by (resource, route, status): consumers are summed away.
    Routes,
    /// Cells by (resource, consumer, status): routes are summed away.
    Consumers,
}

impl Cube {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::Routes, Self::Consumers];

    /// Its number in stored keys; never reused.
    pub const fn number(self) -> u8 {
        match self {
            Self::Full => 0,
            Self::Routes => 1,
            Self::Consumers => 2,
        }
    }

    /// The window as this cube keeps it: what is summed away has one empty name.
    pub fn fold(self, window: &Window) -> Window {
        let mut out = Window::new(window.start, window.width, window.resource.clone());
        out.routes = if self == Self::Consumers { vec![Route::default()] } else { window.routes.clone() };
        out.consumers = if self == Self::Routes { vec![Consumer::default()] } else { window.consumers.clone() };
        if self == Self::Full {
            out.cells.clone_from(&window.cells);
            return out;
        }
        let mut at: HashMap<(u32, u32, Status), usize> = HashMap::new();
        for cell in &window.cells {
            let route = if self == Self::Consumers { 0 } else { cell.route };
            let consumer = if self == Self::Routes { 0 } else { cell.consumer };
            let i = *at.entry((route, consumer, cell.status)).or_insert_with(|| {
                out.cells.push(Cell { route, consumer, status: cell.status, ..Cell::default() });
                out.cells.len() - 1
            });
            out.cells[i].stats.merge(&cell.stats);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pitot_model::{Evidence, Resource, Stats, Timestamp};

    use super::*;

    #[test]
    fn marginals_keep_the_totals() {
        let mut w = Window::new(Timestamp::EPOCH, Duration::from_secs(10), Resource::default());
        w.routes = vec![Route::new("GET", "/a"), Route::new("GET", "/b")];
        w.consumers = vec![Consumer::new("x", Evidence::Key), Consumer::new("y", Evidence::Key)];
        for (route, consumer, status) in [(0, 0, 200), (0, 1, 200), (1, 0, 200), (1, 1, 500)] {
            let mut stats = Stats { count: 2, ..Stats::default() };
            stats.duration.record_n(1_000, 2);
            w.cells.push(Cell { route, consumer, status: Status::code(status), stats });
        }
        for (cube, cells) in [(Cube::Full, 4), (Cube::Routes, 3), (Cube::Consumers, 3)] {
            let folded = cube.fold(&w);
            assert_eq!((folded.count(), folded.cells.len()), (8, cells), "{cube:?}");
        }
    }
}
