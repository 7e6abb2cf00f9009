//! The collector under strangers who send too much, ask too much and go away, and under its own bugs.

use super::*;

#[tokio::test]
async fn a_panic_costs_one_answer_and_is_counted() {
    let bench = Bench::new(None);
    let failed = bench.collector.ask(|_, _| assert_eq!(1, 2, "this panic is meant")).await.expect_err("panicked");
    assert_eq!((failed.status, failed.kind.as_str()), (500, "/problems/bug"));
    assert_eq!(bench.ship(&shifted(1, &[(-20, 6)])).await.status, 200);
    assert!(bench.get("/metrics").await.text().contains("pitot_panics_total 1"));
}

#[tokio::test]
async fn a_server_whose_owner_thread_cannot_go_on_ends_with_an_error() {
    let is_broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let breaks = is_broken.clone();
    // The clock is what a test can break from outside.
    let clock: Clock = Arc::new(move || {
        assert!(!breaks.load(Ordering::SeqCst) || thread::current().name() != Some("store"), "this panic is meant");
        at(NOON)
    });
    let collector = open_at(Config::default(), clock).expect("opens");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    is_broken.store(true, Ordering::SeqCst);
    let ended = collector.serve(listener, std::future::pending()).await.expect_err("cannot go on");
    assert!(ended.to_string().contains("panicked"), "{ended}");
}

#[tokio::test]
async fn counters_of_a_stranger_overflow_nothing() {
    let bench = Bench::new(None);
    for sequence in 1..=2 {
        let mut r = shifted(sequence, &[(-20, 6)]);
        (r.coverage.lines_read, r.coverage.transactions) = (u64::MAX, u64::MAX);
        r.coverage.add(pitot_model::Reason::LineCut, u64::MAX);
        assert_eq!(bench.ship(&r).await.status, 200);
    }
    let table: Table = bench.get("/api/v1/table").await.json();
    assert_eq!((table.totals.count, table.coverage.lines_read), (12, u64::MAX));
    assert!(bench.get("/metrics").await.text().contains("pitot_panics_total 0"));
}

#[tokio::test]
async fn slow_large_bodies_keep_out_each_other_and_no_ordinary_report() {
    let bench = Bench::new(None);
    let (mut tasks, mut senders) = (Vec::new(), Vec::new());
    for _ in 0..BODIES / budget::REPORT_BYTES {
        let (sender, chunks) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
        sender.send(Ok(Bytes::from(vec![0; budget::REPORT_BYTES]))).expect("is read");
        let chunks = futures_util::stream::unfold(chunks, async |mut chunks| Some((chunks.recv().await?, chunks)));
        let request = Request::post("/api/v1/reports").body(Body::from_stream(chunks)).expect("a request");
        tasks.push(tokio::spawn(bench.router.clone().oneshot(request)));
        senders.push(sender);
    }
    while bench.collector.room(budget::REPORT_BYTES).is_some() {
        tokio::task::yield_now().await;
    }
    let large = bench.post(vec![0; budget::REPORT_BYTES], "").await;
    assert_eq!((large.status, large.json::<Problem>().kind.as_str()), (503, "/problems/busy"));
    assert_eq!(bench.ship(&shifted(1, &[(-20, 6)])).await.status, 200);
    drop(senders);
    for task in tasks {
        // Whose they are cannot be told, so they have the places of one agent.
        let status = task.await.expect("runs").expect("answers").status().as_u16();
        assert!(matches!(status, 400 | 429), "{status}");
    }
    assert_eq!(bench.collector.room(BODIES).map(|room| room.num_permits()), Some(BODIES), "all is given back");
}

#[tokio::test]
async fn a_question_whose_caller_went_away_is_not_begun() {
    let bench = Bench::new(None);
    let (go, wait) = mpsc::channel::<()>();
    let busy = bench.collector.clone();
    let busy = tokio::spawn(async move { busy.ask(move |_, _| wait.recv().is_ok()).await });
    while bench.collector.shared.turns.available_permits() == JOBS {
        tokio::task::yield_now().await;
    }
    let begun = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let begins = begun.clone();
    let asked = bench.collector.ask(move |_, _| begins.store(true, Ordering::SeqCst));
    let nobody = futures_util::future::poll_fn(|_| std::task::Poll::Ready(()));
    tokio::select! { biased; _ = asked => unreachable!("the owner is busy"), () = nobody => {} }
    go.send(()).expect("the owner waits");
    assert!(busy.await.expect("runs").expect("answers"));
    assert_eq!(bench.get("/api/v1/status").await.status, 200);
    assert!(!begun.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_agent_that_floods_waits_and_others_have_their_turn() {
    let bench = Bench::new(None);
    let (go, wait) = mpsc::channel::<()>();
    let busy = bench.collector.clone();
    let busy = tokio::spawn(async move { busy.ask(move |_, _| wait.recv().is_ok()).await });
    while bench.collector.shared.turns.available_permits() == JOBS {
        tokio::task::yield_now().await;
    }
    let post = |name: &str, sequence| {
        let mut report = shifted(sequence, &[(-20, 1)]);
        report.agent.name = name.into();
        let request =
            Request::post("/api/v1/reports").body(Body::from(wire::encode_report(&report))).expect("a request");
        tokio::spawn(bench.router.clone().oneshot(request))
    };
    let flood: Vec<_> = (1..=200).map(|sequence| post("flood", sequence)).collect();
    let others: Vec<_> = (0..20).map(|i| post(&format!("web-{i}"), 1)).collect();
    let busy_until_all_came = async {
        while bench.collector.shared.decoded.available_permits() > DECODED - 22 {
            tokio::task::yield_now().await;
        }
        go.send(()).expect("the owner waits");
    };
    busy_until_all_came.await;
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for task in flood {
        let reply = task.await.expect("runs").expect("answers");
        assert_eq!(reply.headers().contains_key(header::RETRY_AFTER), reply.status() == 429);
        *statuses.entry(reply.status().as_u16()).or_default() += 1;
    }
    assert_eq!(statuses, [(200, 2), (429, 198)].into());
    for task in others {
        assert_eq!(task.await.expect("runs").expect("answers").status(), 200);
    }
    assert!(busy.await.expect("runs").expect("answers"));
    assert!(bench.get("/metrics").await.text().contains("{reason=\"too-many-reports\"} 198"));
}
