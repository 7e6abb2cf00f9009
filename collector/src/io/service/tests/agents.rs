//! Agents as the collector hears them: states, lag and clocks, backlog, refusals, and who falls silent.

use pitot_model::{
    Backlog,
    api::{AgentRow, AgentState},
};

use super::*;

impl Bench {
    async fn agent(&self) -> AgentRow {
        let mut agents: Agents = self.get("/api/v1/agents").await.json();
        agents.agents.pop().unwrap_or_default()
    }

    async fn silent(&self, q: &str) -> Vec<Anomaly> {
        let page: AnomalyPage = self.get(&format!("/api/v1/anomalies?q={q}")).await.json();
        page.anomalies
    }

    /// Lets seconds pass, one after another, as the owner sees them.
    async fn wait(&self, seconds: i64) {
        for _ in 0..seconds {
            self.now.fetch_add(1, Ordering::SeqCst);
            let ticked = self.collector.ask(Core::tick).await;
            assert_eq!(ticked, Ok(Ok(())));
        }
    }

    /// Ships a report that was sent so many milliseconds after noon.
    async fn ship_at(&self, report: &Report, sent_ms: i64) -> Reply {
        let sent = at(NOON).as_micros() + sent_ms * 1_000;
        let request = Request::post("/api/v1/reports").header("pitot-sent", sent);
        self.send(request.body(wire::encode_report(report).into()).expect("a request")).await
    }
}

#[tokio::test]
async fn a_row_tells_how_late_by_what_clock_and_what_waits() {
    let bench = Bench::new(None);
    let backlog = Backlog { spool_reports: 3, spool_bytes: 4_096, spool_limit_bytes: 1 << 20, ..Backlog::default() };
    let report = Report { backlog: Some(backlog), ..shifted(1, &[(-20, 1)]) };
    assert_eq!(bench.ship_at(&report, 7_000).await.status, 200);
    let row = bench.agent().await;
    assert_eq!((row.lag_ms, row.clock_offset_ms, row.backlog), (7_000, 7_000, Some(backlog)));
    assert_eq!((row.state, row.refused_reports, row.refusal.as_str()), (AgentState::Live, 0, ""));
    let metrics = bench.get("/metrics").await.text();
    for line in [
        "pitot_agents_skewed 1",
        "pitot_agent_clock_offset_seconds{agent=\"web\"} 7",
        "pitot_agent_spool_bytes{agent=\"web\"} 4096",
        "pitot_agent_state{agent=\"web\",state=\"live\"} 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in {metrics}");
    }
    for nonsense in ["", "soon", "9999999999999999999999", "-1"] {
        let request = Request::post("/api/v1/reports").header("pitot-sent", nonsense);
        let body = wire::encode_report(&shifted(2, &[(-20, 1)])).into();
        assert_eq!(bench.send(request.body(body).expect("a request")).await.status, 200, "{nonsense}");
    }
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_told_and_so_is_its_return() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let bench = Bench::new(Some(data.clone()));
    assert_eq!(bench.ship(&shifted(1, &[(-20, 1)])).await.status, 200);
    bench.wait(55).await;
    assert_eq!((bench.silent("kind:silent_agent").await.len(), bench.agent().await.state), (0, AgentState::Live));
    bench.wait(10).await;
    let told = bench.silent("kind:silent_agent%20state:open%20web").await;
    assert_eq!(told.len(), 1, "found by kind and by the agent's name");
    assert_eq!(told[0].subject.agent.as_deref(), Some("web"));
    assert!(told[0].title.starts_with("agent web is silent: nothing for 1m0"), "{}", told[0].title);
    assert_eq!(bench.agent().await.state, AgentState::Silent);
    let metrics = bench.get("/metrics").await.text();
    assert!(metrics.contains("pitot_anomalies_open{kind=\"silent_agent\",severity=\"warning\"} 1"), "{metrics}");
    bench.collector.clone().close().await;

    // The collector is away for an hour: the same goes on, nobody else is blamed.
    let later = bench.now.load(Ordering::SeqCst) + 3_600;
    let bench = Bench::at(data, later);
    bench.wait(70).await;
    let open = bench.silent("kind:silent_agent").await;
    assert_eq!((open.len(), &open[0].id), (1, &told[0].id));
    let back = Report { made: at(later), ..shifted(2, &[(3_600, 1)]) };
    assert_eq!(bench.ship(&back).await.status, 200);
    bench.wait(2).await;
    let over = bench.silent("kind:silent_agent").await;
    assert_eq!((over.len(), over[0].end, &over[0].id), (1, Some(at(later + 70)), &told[0].id));
    bench.collector.close().await;
}

#[tokio::test]
async fn who_stops_or_is_heard_by_what_is_refused_or_reads_files_is_not_silent() {
    let dir = tempfile::tempdir().expect("a directory");
    let last = Report { is_last: true, ..shifted(1, &[(-20, 1)]) };
    let refused = shifted(2, &[(9_000, 1)]);
    for (name, data, first, again, state) in [
        ("stops", Some(dir.path().join("a")), &last, None, AgentState::Stopped),
        ("refused", Some(dir.path().join("b")), &shifted(1, &[(-20, 1)]), Some(&refused), AgentState::Live),
        ("memory", None, &shifted(1, &[(-20, 1)]), None, AgentState::Silent),
    ] {
        let bench = Bench::new(data);
        assert_eq!(bench.ship(first).await.status, 200);
        bench.wait(30).await;
        if let Some(report) = again {
            assert_eq!(bench.ship(report).await.status, 422);
        }
        bench.wait(50).await;
        assert_eq!(bench.silent("kind:silent_agent").await.len(), 0, "{name}");
        assert_eq!(bench.agent().await.state, state, "{name}");
        bench.collector.close().await;
    }
}
