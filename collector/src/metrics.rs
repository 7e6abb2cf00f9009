//! What `/metrics` shows. In: what was ingested and noticed, since the start of this process. Out: text for Prometheus.
//!
//! Names are OpenTelemetry's in Prometheus form and our own `pitot_*`. The histogram counts the transactions whose
//! duration is known; `pitot_transactions_total` counts all.
//!
//! Source: Prometheus text exposition format 0.0.4.

mod agents;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use pitot_model::{
    Coverage, Report, Sketch, Status, Timestamp, Window,
    api::{AgentRow, AnomalyKind, Severity, StoreStats},
};

/// Upper bounds of the buckets in microseconds. Source: OpenTelemetry's advice for `http.server.request.duration`.
const BOUNDS_US: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
    7_500_000, 10_000_000,
];

/// Series of the histogram; routes of further ones are counted under [`OTHER`]. Twice as many, and services are, too.
const SERIES: usize = 2_000;

/// What is beyond the budget is counted under this name.
const OTHER: &str = "(other)";

/// Why reports are refused: kinds of problems, without their prefix. The last one is for all others.
pub const REFUSALS: [&str; 19] = [
    "bad-body",
    "bad-encoding",
    "bad-report",
    "bad-width",
    "bug",
    "busy",
    "conflict",
    "in-future",
    "newer-report",
    "slow",
    "stale",
    "stopped",
    "store",
    "too-large",
    "too-many-agents",
    "too-many-reports",
    "too-old",
    "wrong-store",
    "other",
];

/// Refused reports by reason, counted by whoever refuses.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; REFUSALS.len()]);

impl Refusals {
    /// Counts one; `kind` is that of the problem.
    pub fn count(&self, kind: &str) {
        let name = kind.strip_prefix("/problems/").unwrap_or(kind);
        let i = REFUSALS.iter().position(|reason| *reason == name).unwrap_or(REFUSALS.len() - 1);
        self.0[i].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts by reason, zeros too.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS.iter().copied().zip(self.0.iter().map(|n| n.load(Ordering::Relaxed)))
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    durations: HashMap<Labels, Histogram>,
    accepted: u64,
    duplicate: u64,
    refusals: Arc<Refusals>,
    panics: u64,
    transactions: u64,
    coverage: Coverage,
    anomalies: BTreeMap<(AnomalyKind, Severity), u64>,
}

/// What is looked up at the moment of asking.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// All agents.
    pub agents: Vec<AgentRow>,
    /// Open anomalies.
    pub open: BTreeMap<(AnomalyKind, Severity), u64>,
    /// The store.
    pub store: StoreStats,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
    /// Live agents so far behind that detection does not wait for them.
    pub lagging: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Labels {
    service: String,
    method: String,
    route: String,
    status: Status,
}

#[derive(Debug, Clone, Default)]
struct Histogram {
    /// Not cumulative; the last one is for all that is greater.
    counts: [u64; BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    fn add(&mut self, sketch: &Sketch) {
        for bucket in sketch.buckets() {
            let count = &mut self.counts[BOUNDS_US.partition_point(|bound| *bound < bucket.low_us)];
            *count = count.saturating_add(bucket.count);
        }
        self.sum_us = self.sum_us.saturating_add(sketch.sum_us());
    }
}

impl Metrics {
    /// A report was stored.
    pub fn accept(&mut self, report: &Report) {
        self.accepted += 1;
        self.coverage.merge(&report.coverage);
        for window in &report.windows {
            self.transactions = self.transactions.saturating_add(window.count());
            self.add(window);
        }
    }

    /// A report had been stored before.
    pub fn duplicate(&mut self) {
        self.duplicate += 1;
    }

    /// Where refused reports are counted.
    pub fn refusals(&self) -> Arc<Refusals> {
        self.refusals.clone()
    }

    /// A question or report panicked: a bug.
    pub fn panicked(&mut self) {
        self.panics += 1;
    }

    /// An anomaly was noticed that was not known before.
    pub fn notice(&mut self, kind: AnomalyKind, severity: Severity) {
        *self.anomalies.entry((kind, severity)).or_default() += 1;
    }

    fn add(&mut self, window: &Window) {
        for cell in &window.cells {
            let route = &window.routes[cell.route as usize];
            let labels = Labels {
                service: window.resource.service.clone(),
                method: route.method.clone(),
                route: route.template.clone(),
                status: cell.status,
            };
            let labels = self.within_budget(labels);
            self.durations.entry(labels).or_default().add(&cell.stats.duration);
        }
    }

    fn within_budget(&self, mut labels: Labels) -> Labels {
        if self.durations.len() >= SERIES && !self.durations.contains_key(&labels) {
            labels.route = OTHER.into();
            if self.durations.len() >= 2 * SERIES && !self.durations.contains_key(&labels) {
                (labels.service, labels.method) = (OTHER.into(), OTHER.into());
            }
        }
        labels
    }

    /// The page.
    pub fn render(&self, gauges: &Gauges) -> String {
        let mut page = Page(String::new());
        self.render_durations(&mut page);
        page.head("pitot_reports_total", "counter", "Reports received.");
        let refused: u64 = self.refusals.counts().map(|(_, n)| n).sum();
        for (result, n) in [("accepted", self.accepted), ("duplicate", self.duplicate), ("refused", refused)] {
            page.line("pitot_reports_total", &[("result", result)], n);
        }
        page.head("pitot_reports_refused_total", "counter", "Reports refused, by reason.");
        for (reason, n) in self.refusals.counts() {
            page.line("pitot_reports_refused_total", &[("reason", reason)], n);
        }
        page.head("pitot_panics_total", "counter", "Requests that failed by a bug; each is in the log.");
        page.line("pitot_panics_total", &[], self.panics);
        page.head("pitot_transactions_total", "counter", "Transactions stored.");
        page.line("pitot_transactions_total", &[], self.transactions);
        page.head("pitot_coverage_total", "counter", "What the agents dropped, skipped or folded, by reason.");
        for (reason, n) in &self.coverage.reasons {
            page.line("pitot_coverage_total", &[("reason", reason.name())], n);
        }
        anomalies(&mut page, "pitot_anomalies_total", "counter", "Anomalies noticed.", &self.anomalies);
        anomalies(&mut page, "pitot_anomalies_open", "gauge", "Anomalies that go on.", &gauges.open);
        agents::render(&mut page, &gauges.agents);
        page.head("pitot_watermark_timestamp_seconds", "gauge", "Numbers after this moment will grow.");
        page.line("pitot_watermark_timestamp_seconds", &[], seconds(gauges.watermark));
        page.head("pitot_agents_lagging", "gauge", "Agents so far behind that detection does not wait for them.");
        page.line("pitot_agents_lagging", &[], gauges.lagging);
        page.head("pitot_store_disk_bytes", "gauge", "Bytes that the store takes on disk.");
        page.line("pitot_store_disk_bytes", &[], gauges.store.disk_bytes);
        page.head("pitot_store_windows", "gauge", "Windows in the store, over all cubes and levels.");
        page.line("pitot_store_windows", &[], gauges.store.windows);
        page.head("pitot_build_info", "gauge", "Version of this program.");
        page.line("pitot_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.0
    }

    fn render_durations(&self, page: &mut Page) {
        const NAME: &str = "http_server_request_duration_seconds";
        page.head(NAME, "histogram", "Duration of HTTP requests, where it is known.");
        let mut all: Vec<_> = self.durations.iter().collect();
        all.sort_by_key(|(labels, _)| *labels);
        for (labels, histogram) in all {
            let status = labels.status.to_string();
            let names = [
                ("service_name", labels.service.as_str()),
                ("http_request_method", &labels.method),
                ("http_route", &labels.route),
                ("http_response_status_code", &status),
            ];
            let mut so_far = 0;
            for (i, n) in histogram.counts.iter().enumerate() {
                so_far = n.saturating_add(so_far);
                let bound = BOUNDS_US.get(i).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
                let [a, b, c, d] = names;
                page.line(&format!("{NAME}_bucket"), &[a, b, c, d, ("le", &bound)], so_far);
            }
            page.line(&format!("{NAME}_sum"), &names, histogram.sum_us as f64 / 1e6);
            page.line(&format!("{NAME}_count"), &names, so_far);
        }
    }
}

fn anomalies(page: &mut Page, name: &str, kind: &str, help: &str, counts: &BTreeMap<(AnomalyKind, Severity), u64>) {
    page.head(name, kind, help);
    for ((kind, severity), n) in counts {
        page.line(name, &[("kind", kind.name()), ("severity", severity.name())], n);
    }
}

fn seconds(t: Timestamp) -> f64 {
    t.as_millis() as f64 / 1e3
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if i == 0 { '{' } else { ',' });
            self.escaped(text);
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str(r"\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str(r"\n"),
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::Reason;

    use super::*;
    use crate::store::contract::{at, report};

    fn gauges() -> Gauges {
        Gauges { agents: vec![], open: BTreeMap::new(), store: StoreStats::default(), watermark: at(10), lagging: 0 }
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_the_count() {
        let mut metrics = Metrics::default();
        metrics.accept(&report(1, &[(0, 12)]));
        let labels = r#"service_name="shop",http_request_method="GET",http_route="/a",http_response_status_code="200""#;
        metrics.refusals().count("/problems/stale");
        metrics.refusals().count("/problems/of tomorrow");
        let page = metrics.render(&gauges());
        for want in [
            "pitot_reports_total{result=\"refused\"} 2".into(),
            "pitot_reports_refused_total{reason=\"stale\"} 1".into(),
            "pitot_reports_refused_total{reason=\"other\"} 1".into(),
            "pitot_reports_refused_total{reason=\"busy\"} 0".into(),
            format!("http_server_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 2"),
            format!("http_server_request_duration_seconds_bucket{{{labels},le=\"0.01\"}} 4"),
            format!("http_server_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 5"),
            format!("http_server_request_duration_seconds_count{{{labels}}} 5"),
            format!("http_server_request_duration_seconds_sum{{{labels}}} 0.031"),
            "pitot_reports_total{result=\"accepted\"} 1".into(),
            "pitot_transactions_total 12".into(),
            format!("pitot_coverage_total{{reason=\"{}\"}} 1", Reason::LineMalformed),
            "pitot_watermark_timestamp_seconds 10".into(),
        ] {
            assert!(page.lines().any(|line| line == want), "{want} in\n{page}");
        }
    }

    #[test]
    fn routes_beyond_the_budget_are_folded_and_counted() {
        let mut metrics = Metrics::default();
        let mut r = report(1, &[(0, 1)]);
        for i in 0..5 * SERIES {
            r.windows[0].routes[0].template = format!("/{i}");
            r.windows[0].resource.service = format!("s{}", i / 2);
            metrics.accept(&r);
        }
        assert!(metrics.durations.len() <= 2 * SERIES + 1, "{}", metrics.durations.len());
        let count: u64 = metrics.durations.values().flat_map(|h| h.counts).sum();
        assert_eq!(count, 5 * SERIES as u64);
    }

    #[test]
    fn label_values_are_escaped() {
        let mut metrics = Metrics::default();
        let mut r = report(1, &[(0, 1)]);
        r.windows[0].resource.service = "a\"b\\c\nd".into();
        metrics.accept(&r);
        let page = metrics.render(&gauges());
        assert!(page.contains(r#"service_name="a\"b\\c\nd""#), "{page}");
    }
}
