//! What an acknowledgement promises, and where late windows are found. In: reports. Out: answers.

use std::{pin::pin, sync::atomic::Ordering};

use futures_util::{future::join_all, poll};
use pitot_model::api::{CoverageAnswer, SeriesAnswer, Table};

use super::*;
use crate::io::service::core::{Watch, passed_over, watch};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn reports_that_wait_share_one_write_to_the_disk() {
    let bench = Bench::new(None);
    let seen = Watch::default();
    let told = seen.clone();
    bench.collector.ask(move |core, _| watch(core, told)).await.expect("is done");
    let (go, wait) = mpsc::channel::<()>();
    let mut busy = pin!(bench.collector.ask(move |_, _| wait.recv().is_ok()));
    assert!(poll!(&mut busy).is_pending());
    let mut reports: Vec<_> = (1..=40).map(|i| Box::pin(bench.collector.ingest(shifted(i, &[(-20, 1)])))).collect();
    for report in &mut reports {
        assert!(poll!(report).is_pending());
    }
    go.send(()).expect("the owner waits");
    for (accepted, sequence) in join_all(reports).await.into_iter().zip(1..) {
        assert_eq!(accepted.expect("is stored").sequence, sequence);
    }
    let persists = seen.persists.load(Ordering::SeqCst);
    assert!((1..20).contains(&persists), "{persists} for 40 reports");
    let again = bench.collector.ingest(shifted(1, &[(-20, 1)])).await.expect("is known");
    assert!(again.duplicate);
    bench.collector.ask(|core, _| core.ready()).await.expect("is done").expect("is ready");
    assert_eq!(seen.persists.load(Ordering::SeqCst), persists, "nothing was stored since");
}

#[tokio::test]
async fn a_report_that_may_not_last_is_not_acknowledged() {
    let bench = Bench::new(None);
    let seen = Watch::default();
    let told = seen.clone();
    bench.collector.ask(move |core, _| watch(core, told)).await.expect("is done");
    seen.is_failing.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let refused = bench.ship(&shifted(1, &[(-20, 1)])).await;
        assert_eq!(refused.status, 503, "also when it is a repeat: {}", refused.text());
    }
    assert_eq!(bench.get("/readyz").await.status, 503);
    seen.is_failing.store(false, Ordering::SeqCst);
    let again = bench.ship(&shifted(1, &[(-20, 1)])).await;
    assert!(again.text().starts_with(r#"{"sequence":1,"duplicate":true,"#), "{}", again.text());
}

#[tokio::test]
async fn late_windows_are_in_the_answers_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(Some(dir.path().join("data")));
    bench.ship(&shifted(1, &[(-20, 1), (-HOUR, 2)])).await;
    bench.collector.ask(Core::tick).await.expect("is done").expect("goes on");
    let ages = [2 * HOUR, 8 * HOUR, 5 * DAY, 100 * DAY, 300 * DAY];
    let (mut n_all, mut sequence) = (3, 1);
    for round in 0..3 {
        for (age, n) in ages.into_iter().zip(10..) {
            sequence += 1;
            let stored = bench.ship(&shifted(sequence, &[(-age, n)])).await;
            assert_eq!(stored.status, 200, "{}", stored.text());
            n_all += n;
            let (from, to) = (NOON - age - HOUR, NOON - age + HOUR);
            let table: Table = bench.get(&format!("/api/v1/table?from={from}&to={to}")).await.json();
            assert_eq!(table.totals.count, n * (round + 1), "{age} seconds ago, round {round}");
            let coverage: CoverageAnswer =
                bench.get(&format!("/api/v1/coverage?from={from}&to={to}&agent=web")).await.json();
            assert_eq!(coverage.total.transactions, table.totals.count, "{age} seconds ago");
        }
        let path = format!("/api/v1/series?from={}&to={NOON}&step_ms=86400000", NOON - 365 * DAY);
        let series: SeriesAnswer = bench.get(&path).await.json();
        let total: u64 = series.lines.iter().flat_map(|line| &line.points).map(|p| p.count).sum();
        assert_eq!(total, n_all, "round {round}");
    }
    let n_late = bench.collector.ask(|core, _| passed_over(core)).await.expect("is done");
    assert!(n_late >= 3 * 4, "{n_late}: what is older than the finest level is history, and no news for detectors");
}
