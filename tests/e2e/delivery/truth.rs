//! What was written, and whether the collector says the same. In: lines as they are written. Out: differences.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use pitot_model::Timestamp;
use serde_json::Value;

use super::daemons::Api;

/// Service, method, route, consumer, status.
pub(super) type Key = (String, String, String, String, String);

/// Transactions, and bytes of their responses: as every line has its own, they tell lines from each other.
pub(super) type Sum = (u64, u64);

/// What was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    pub(super) sums: BTreeMap<Key, Sum>,
    pub(super) lines: u64,
}

impl Truth {
    pub(super) fn add(&mut self, [service, method, route, consumer, status]: [&str; 5], bytes: u64) {
        let key = (service.into(), method.into(), route.into(), consumer.into(), status.into());
        let sum = self.sums.entry(key).or_default();
        *sum = (sum.0 + 1, sum.1 + bytes);
        self.lines += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (key, (count, bytes)) in &other.sums {
            let sum = self.sums.entry(key.clone()).or_default();
            *sum = (sum.0 + count, sum.1 + bytes);
        }
        self.lines += other.lines;
    }

    /// What of it the collector tells otherwise: the first differences, or nothing.
    pub(super) fn differences(&self, api: &Api) -> String {
        let names = |part: fn(&Key) -> &String| self.sums.keys().map(part).cloned().collect::<BTreeSet<_>>();
        let (consumers, statuses) = (names(|k| &k.3), names(|k| &k.4));
        let mut told = BTreeMap::new();
        for consumer in &consumers {
            for status in &statuses {
                let table = api.table("route", &format!("consumer:\"{consumer}\" status:{status}"));
                for row in table["rows"].as_array().unwrap() {
                    let name = |field: &str| row["key"][field].as_str().unwrap_or_default().to_owned();
                    let key = (name("service"), name("method"), name("route"), consumer.clone(), status.clone());
                    let number = |field: &str| row["totals"][field].as_u64().unwrap();
                    told.insert(key, (number("count"), number("response_bytes")));
                }
            }
        }
        compare(&self.sums, &told)
    }

    /// What the collector tells otherwise of one service, by route and status and by consumer and status: two questions per
    /// status, where [`Truth::differences`] asks for every consumer.
    pub(super) fn marginal_differences(&self, api: &Api, service: &str) -> String {
        let statuses: BTreeSet<_> = self.sums.keys().map(|k| &k.4).collect();
        let mut text = String::new();
        for by in ["route", "consumer"] {
            let (mut want, mut told) = (BTreeMap::<Key, Sum>::new(), BTreeMap::new());
            for (key, sum) in &self.sums {
                let all = want.entry(marginal(by, [&key.1, &key.2, &key.3, &key.4])).or_default();
                *all = (all.0 + sum.0, all.1 + sum.1);
            }
            for status in &statuses {
                let table = api.table(by, &format!("service:{service} status:{status}"));
                for row in table["rows"].as_array().unwrap() {
                    let name = |field: &str| row["key"][field].as_str().unwrap_or_default();
                    let number = |field: &str| row["totals"][field].as_u64().unwrap();
                    let key = marginal(by, [name("method"), name("route"), name("consumer"), status]);
                    told.insert(key, (number("count"), number("response_bytes")));
                }
            }
            text += &compare(&want, &told);
        }
        text
    }
}

/// A key without what is summed over.
fn marginal(by: &str, [method, route, consumer, status]: [&str; 4]) -> Key {
    let (method, route, consumer) = if by == "route" { (method, route, "") } else { ("", "", consumer) };
    (String::new(), method.into(), route.into(), consumer.into(), status.into())
}

/// The first differences, or nothing.
fn compare(want: &BTreeMap<Key, Sum>, told: &BTreeMap<Key, Sum>) -> String {
    let mut text = String::new();
    let keys: BTreeSet<_> = want.keys().chain(told.keys()).collect();
    let differ: Vec<_> = keys.iter().filter(|key| want.get(**key) != told.get(**key)).collect();
    for key in differ.iter().take(10) {
        let (want, got) = (want.get(**key).unwrap_or(&(0, 0)), told.get(**key).unwrap_or(&(0, 0)));
        let _ = writeln!(text, "  {key:?}: {} transactions of {} bytes, not {} of {}", got.0, got.1, want.0, want.1);
    }
    if differ.is_empty() {
        return text;
    }
    let services: BTreeSet<_> = differ.iter().map(|key| &key.0).collect();
    format!("{} of {} cells differ, of {services:?}\n{text}", differ.len(), keys.len())
}

/// Waits until the collector counts so many transactions; says after how long. Fails when it counts more, or when nothing
/// comes for `patience`.
pub(super) fn settle(api: &Api, lines: u64, patience: Duration) -> Result<Duration, String> {
    let start = std::time::Instant::now();
    let mut news = (0, start);
    loop {
        let got = api.try_table("none", "").and_then(|t| t["totals"]["count"].as_u64()).unwrap_or(news.0);
        if got == lines {
            return Ok(start.elapsed());
        }
        if got > lines {
            return Err(format!("{got} transactions, {} more than the {lines} lines", got - lines));
        }
        if got != news.0 {
            news = (got, std::time::Instant::now());
        }
        if news.1.elapsed() > patience {
            return Err(format!("{got} transactions and no more come, {} less than the {lines} lines", lines - got));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// As [`settle`], where lines may be lost that are counted as such: how many.
pub(super) fn settle_with_loss(api: &Api, lines: u64, patience: Duration) -> Result<u64, String> {
    let mut news = ((0, 0), std::time::Instant::now());
    loop {
        let table = api.table("none", "");
        let count = table["totals"]["count"].as_u64().unwrap();
        let evicted = table["coverage"]["reasons"]["spool_evicted"].as_u64().unwrap_or(0);
        if count + evicted == lines {
            return Ok(evicted);
        }
        if (count, evicted) != news.0 {
            news = ((count, evicted), std::time::Instant::now());
        }
        if count + evicted > lines || news.1.elapsed() > patience {
            return Err(format!("{count} transactions and {evicted} evicted are not {lines} lines"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the coverage of everything says: lines read, transactions, and the count of each reason.
pub(super) fn coverage(api: &Api) -> (u64, u64, BTreeMap<String, u64>) {
    let coverage = api.table("none", "")["coverage"].clone();
    let number = |v: &Value| v.as_u64().unwrap();
    let reasons = coverage["reasons"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), number(v))).collect();
    (number(&coverage["lines_read"]), number(&coverage["transactions"]), reasons)
}

/// Nothing lost: as many lines read as were written, all of them transactions, and no reason but lateness.
pub(super) fn assert_full(api: &Api, lines: u64) {
    let (read, transactions, reasons) = coverage(api);
    let lost: Vec<_> = reasons.iter().filter(|(name, _)| *name != "late").collect();
    assert!(
        (read, transactions) == (lines, lines) && lost.is_empty(),
        "{read} lines read, {transactions} transactions of {lines}; {lost:?}"
    );
}

pub(super) fn now() -> Timestamp {
    let us = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_micros());
    Timestamp::from_micros(us as i64)
}
