//! Reports as agents would make them. In: how many. Out: their bytes, ready to be shipped.
//!
//! Agents differ: each has 10 to 50 routes, calls by 100 consumers of which some call much more than others, and 50 to
//! 600 transactions a second. What is told between a second's transactions of one route, consumer and status is a cell.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use pitot_model::{
    AgentId, Cell, Consumer, Coverage, Evidence, Report, Resource, Route, Stats, Status, Timestamp, Window,
};

const WINDOW: Duration = Duration::from_secs(10);
const CONSUMERS: u64 = 100;
const STATUSES: [u16; 16] = [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 201, 201, 404, 429, 503];

/// The reports of all agents, packed before anything is measured.
pub(crate) struct Stock {
    /// By agent: bytes, and cells in them.
    pub(crate) agents: Vec<Vec<(Bytes, u64)>>,
}

impl Stock {
    pub(crate) fn new(n_agents: usize, n_reports: u64) -> Self {
        let began = now();
        let reports = |agent: usize| {
            let api = Api::new(agent as u64);
            (1..=n_reports).map(|sequence| pack(&api.report(sequence, began))).collect()
        };
        Self { agents: (0..n_agents).map(reports).collect() }
    }
}

fn pack(report: &Report) -> (Bytes, u64) {
    let cells = report.windows.iter().map(|w| w.cells.len() as u64).sum();
    (pitot_client::pack(report).unwrap(), cells)
}

/// What one agent stands beside.
pub(crate) struct Api {
    agent: u64,
    n_routes: u64,
    per_second: u64,
}

impl Api {
    pub(crate) fn new(agent: u64) -> Self {
        Self { agent, n_routes: 10 + agent * 7 % 41, per_second: 50 + agent * 131 % 551 }
    }

    /// The transactions of one second, in its place behind `began`; what agents that ship as fast as they can have in
    /// store reaches no further ahead than a collector allows.
    pub(crate) fn report(&self, sequence: u64, began: Timestamp) -> Report {
        let at = began + Duration::from_secs(sequence % 300);
        let service = format!("service-{}", self.agent % 20);
        let mut window = Window::new(at.floor(WINDOW), WINDOW, Resource { service, ..Resource::default() });
        window.routes = (0..self.n_routes).map(|r| Route::new("GET", format!("/v1/part-{r}/items/{{int}}"))).collect();
        window.consumers = (0..CONSUMERS).map(|c| Consumer::new(format!("key:{c:016x}"), Evidence::Key)).collect();
        let mut random = Random(self.agent << 32 | sequence);
        let mut cells = HashMap::<_, Stats>::new();
        for _ in 0..self.per_second {
            let (route, consumer) = (random.skewed(self.n_routes), random.skewed(CONSUMERS));
            let status = Status::code(STATUSES[random.below(16) as usize]);
            let stats = cells.entry((route as u32, consumer as u32, status)).or_default();
            let magnitude = random.below(20);
            let us = 800 + random.skewed(1 << magnitude);
            stats.count += 1;
            stats.request_bytes += 200;
            stats.response_bytes += 100 + random.below(5_000);
            stats.duration.record(us);
            stats.ttfb.record(us / 2);
        }
        let cell = |((route, consumer, status), stats)| Cell { route, consumer, status, stats };
        window.cells = cells.into_iter().map(cell).collect();
        let count = window.count();
        Report {
            agent: AgentId { name: format!("agent-{}", self.agent), incarnation: 1 },
            sequence,
            made: at,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            watermark: at,
            windows: vec![window],
            coverage: Coverage {
                lines_read: count,
                bytes_read: count * 120,
                transactions: count,
                ..Coverage::default()
            },
            ..Report::default()
        }
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64)
}

/// Source: splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// Below `n`, small numbers more often.
    fn skewed(&mut self, n: u64) -> u64 {
        self.below(n).min(self.below(n))
    }
}
