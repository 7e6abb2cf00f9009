//! Agents that ship what they have, in order, each report until it is acknowledged. In: reports. Out: how long that took.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pitot_client::{Client, Verdict};

use crate::traffic::{self, Stock};

/// When an agent ships its next report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A second after the one before, as agents do; sooner while one waits.
    EverySecond,
    /// Once the one before is acknowledged.
    Fastest,
}

impl Pace {
    /// Reports that an agent needs for so many seconds.
    pub(crate) fn reports(self, seconds: u64) -> u64 {
        match self {
            Self::EverySecond => seconds,
            Self::Fastest => 8 * seconds,
        }
    }
}

pub(crate) struct Fleet {
    pub(crate) url: String,
    pub(crate) pace: Pace,
    /// How long reports are sent.
    pub(crate) length: Duration,
}

/// What was acknowledged.
#[derive(Default)]
pub(crate) struct Shipped {
    /// Milliseconds from the moment when a report was first sent to its acknowledgement.
    pub(crate) waits_ms: Vec<f64>,
    pub(crate) cells: u64,
    /// Times that a report was to be sent again.
    pub(crate) again: u64,
    /// From the first report to the last acknowledgement.
    pub(crate) took: Duration,
}

impl Fleet {
    pub(crate) async fn run(&self, stock: Arc<Stock>) -> Shipped {
        let start = Instant::now();
        let n_agents = stock.agents.len() as u32;
        let tasks: Vec<_> = (0..n_agents)
            .map(|i| {
                // Agents start at any moment of a second.
                let first = start + Duration::from_secs(1) * i / n_agents;
                let (client, stock) = (Client::connect(&self.url).unwrap(), stock.clone());
                let (pace, until) = (self.pace, start + self.length);
                tokio::spawn(async move { ship(&client, &stock.agents[i as usize], pace, first, until).await })
            })
            .collect();
        let mut all = Shipped::default();
        for task in tasks {
            let one = task.await.unwrap();
            all.waits_ms.extend(one.waits_ms);
            all.cells += one.cells;
            all.again += one.again;
        }
        all.took = start.elapsed();
        all
    }
}

async fn ship(client: &Client, reports: &[(Bytes, u64)], pace: Pace, first: Instant, until: Instant) -> Shipped {
    let mut shipped = Shipped::default();
    for (report, i) in reports.iter().zip(0..) {
        let due = if pace == Pace::EverySecond { first + Duration::from_secs(i) } else { first };
        tokio::time::sleep_until(due.into()).await;
        let start = Instant::now();
        if start > until {
            break;
        }
        while let Err(error) = client.report(report.0.clone(), traffic::now(), "").await {
            assert!(error.verdict() == Verdict::Again, "{error}");
            shipped.again += 1;
            tokio::time::sleep(error.retry_after().unwrap_or(Duration::from_millis(200))).await;
        }
        shipped.waits_ms.push(start.elapsed().as_secs_f64() * 1e3);
        shipped.cells += report.1;
    }
    shipped
}
