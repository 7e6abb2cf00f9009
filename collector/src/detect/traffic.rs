//! Made-up traffic for the tests of detection: seeded, about 150 requests per second, 12 routes, 8 consumers, two
//! versions. In: a seed, a window length, an incident. Out: windows.

use std::{f64::consts::TAU, time::Duration};

use pitot_model::{Cell, Consumer, Evidence, Resource, Route, Stats, Status, Timestamp, Window};

/// What goes wrong while it lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Incident {
    Nothing,
    /// One route, by index, becomes so many times slower.
    Slow(usize, f64),
    /// Version 2 answers this share with 500.
    Errors(f64),
    /// The consumer with this index makes so many requests per second on `POST /v1/reports`.
    Flood(usize, f64),
    /// No traffic at all.
    Silence,
}

pub(super) const SERVICE: &str = "shop";
pub(super) const VERSIONS: [&str; 2] = ["1.8.2", "1.9.0"];
pub(super) const CONSUMERS: [&str; 8] = ["acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka"];
/// Method, template, weight, median duration in milliseconds. The last is the one that is flooded.
pub(super) const ROUTES: [(&str, &str, f64, f64); 12] = [
    ("GET", "/v1/products", 24.0, 8.0),
    ("GET", "/v1/products/{int}", 22.0, 4.0),
    ("GET", "/v1/search", 16.0, 35.0),
    ("GET", "/v1/cart", 12.0, 6.0),
    ("POST", "/v1/cart/items", 8.0, 12.0),
    ("POST", "/v1/orders", 5.0, 45.0),
    ("GET", "/v1/orders/{int}", 6.0, 9.0),
    ("GET", "/v1/users/{int}", 3.0, 5.0),
    ("PUT", "/v1/users/{int}", 1.0, 14.0),
    ("POST", "/v1/login", 2.0, 60.0),
    ("GET", "/healthz", 1.0, 1.0),
    ("POST", "/v1/reports", 0.0, 80.0),
];

/// A shop under traffic.
pub(super) struct Shop {
    rng: Rng,
    pub(super) width: Duration,
    pub(super) requests_per_s: f64,
    /// Relative to the mean, over a period of windows.
    pub(super) swing: Option<(f64, f64)>,
    /// Deviation of the logarithm by which rate and durations of a whole window vary together, beyond chance.
    pub(super) weather: f64,
    /// Of this window.
    slower: f64,
    n: i64,
}

pub(super) fn route(index: usize) -> Route {
    Route::new(ROUTES[index].0, ROUTES[index].1)
}

impl Shop {
    pub(super) fn new(seed: u64, width: Duration) -> Self {
        Self {
            rng: Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            width,
            requests_per_s: 150.0,
            swing: None,
            weather: 0.0,
            slower: 1.0,
            n: 0,
        }
    }

    /// The start of the window that comes next.
    pub(super) fn at(&self) -> Timestamp {
        Timestamp::from_secs(1_768_176_000) + self.width * self.n as u32
    }

    /// The next window of every version.
    pub(super) fn windows(&mut self, incident: Incident) -> Vec<Window> {
        let start = self.at();
        let mut windows: Vec<_> = VERSIONS
            .iter()
            .map(|v| {
                let resource = Resource { service: SERVICE.into(), version: (*v).into(), instance: String::new() };
                let mut w = Window::new(start, self.width, resource);
                w.routes = (0..ROUTES.len()).map(route).collect();
                w.consumers = CONSUMERS.iter().map(|c| Consumer::new(*c, Evidence::Key)).collect();
                w
            })
            .collect();
        let seconds = self.width.as_secs_f64();
        let swing = self.swing.map_or(1.0, |(depth, period)| 1.0 + depth * (TAU * self.n as f64 / period).sin());
        let swing = swing * (self.weather * self.rng.normal()).exp();
        self.slower = (self.weather * self.rng.normal()).exp();
        self.n += 1;
        if incident == Incident::Silence {
            windows.iter_mut().for_each(|w| w.routes.clear());
            windows.iter_mut().for_each(|w| w.consumers.clear());
            return windows;
        }
        for _ in 0..self.rng.poisson(self.requests_per_s * seconds * swing) {
            let (route, consumer) = (self.route(), self.consumer());
            self.request(&mut windows, route, consumer, incident);
        }
        // One consumer asks for a report once per window.
        for _ in 0..self.rng.poisson(1.0) {
            self.request(&mut windows, 11, 6, incident);
        }
        if let Incident::Flood(consumer, per_s) = incident {
            for _ in 0..self.rng.poisson(per_s * seconds) {
                self.request(&mut windows, 11, consumer, incident);
            }
        }
        windows
    }

    fn request(&mut self, windows: &mut [Window], route: usize, consumer: usize, incident: Incident) {
        let version = usize::from(self.rng.unit() < 0.5);
        let mut ms = ROUTES[route].3 * self.slower * (0.5 * self.rng.normal()).exp();
        let mut failed = self.rng.unit() < 0.002;
        match incident {
            Incident::Slow(r, times) if r == route => ms *= times,
            Incident::Errors(share) if version == 1 => failed = failed || self.rng.unit() < share,
            _ => {}
        }
        let status = Status::code(if failed { 500 } else { 200 });
        let w = &mut windows[version];
        let (route, consumer) = (route as u32, consumer as u32);
        let found = w.cells.iter().position(|c| (c.route, c.consumer, c.status) == (route, consumer, status));
        let at = found.unwrap_or_else(|| {
            w.cells.push(Cell { route, consumer, status, stats: Stats::default() });
            w.cells.len() - 1
        });
        w.cells[at].stats.count += 1;
        w.cells[at].stats.duration.record((ms * 1000.0) as u64);
    }

    fn route(&mut self) -> usize {
        let mut x = self.rng.unit() * 100.0;
        ROUTES.iter().position(|r| (x -= r.2, x < 0.0).1).unwrap_or(0)
    }

    fn consumer(&mut self) -> usize {
        // The first is the greatest, as in real life.
        (self.rng.unit().powi(2) * CONSUMERS.len() as f64) as usize
    }
}

/// Source: xorshift64*, Marsaglia and Vigna.
struct Rng(u64);

impl Rng {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().max(1e-12).ln()).sqrt() * (TAU * self.unit()).cos()
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (limit, mut product, mut n) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            n += 1;
        }
        n
    }
}
