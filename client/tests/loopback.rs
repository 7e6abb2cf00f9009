//! The client against a small server on a loopback port: every method, refusals, limits, and a live stream.

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, RawQuery},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use futures_util::{StreamExt as _, stream};
use pitot_client::{Client, Error, SENT, Verdict};
use pitot_model::{
    AgentId, Coverage, Report, TimeRange, Timestamp, Window,
    api::{Accepted, AnomalyQuery, LiveEvent, Problem, Row, Table, TableQuery, Totals},
    wire,
};

#[tokio::test]
async fn reports_arrive_packed_and_whole() {
    let client = serve(Router::new().route("/api/v1/reports", post(accept))).await;
    let window = Window { width: Duration::from_secs(10), ..Window::default() };
    let report = Report {
        agent: AgentId { name: "web-1".into(), incarnation: 1 },
        sequence: 7,
        made: Timestamp::from_secs(5),
        windows: vec![window],
        ..Report::default()
    };
    let accepted = client.ship(&report).await;
    assert_eq!(
        accepted,
        Ok(Accepted { sequence: 7, duplicate: false, transactions: 1, now: None, store: String::new() })
    );
}

async fn accept(headers: HeaderMap, body: Bytes) -> Json<Accepted> {
    assert_eq!(headers.get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes), Some(&b"zstd"[..]));
    assert_eq!(headers.get(SENT).map(header::HeaderValue::as_bytes), Some(&b"5000000"[..]));
    let plain = zstd::stream::decode_all(&body[..]).expect("zstd");
    let report = wire::decode_report(&plain).expect("a report");
    Json(Accepted {
        sequence: report.sequence,
        duplicate: false,
        transactions: report.windows.len() as u64,
        now: None,
        store: String::new(),
    })
}

#[tokio::test]
async fn queries_arrive_as_they_were_asked() {
    let app = Router::new().route(
        "/api/v1/table",
        get(|Query(query): Query<TableQuery>| async move {
            let key = pitot_model::api::RowKey { service: Some(query.q), ..Default::default() };
            Json(Table {
                range: TimeRange::new(query.from.unwrap_or_default(), Timestamp::EPOCH),
                rows: vec![Row { key, totals: Totals::default() }],
                row_count: query.limit.unwrap_or(0),
                totals: Totals::default(),
                coverage: Coverage::default(),
                watermark: Timestamp::EPOCH,
            })
        }),
    );
    let client = serve(app).await;
    let query = TableQuery {
        q: "route:\"GET /a+b&c=é%20\" status:5xx".into(),
        from: Some(Timestamp::from_secs(5)),
        limit: Some(3),
        ..TableQuery::default()
    };
    let table = client.table(&query).await.expect("an answer");
    assert_eq!(table.rows[0].key.service.as_ref(), Some(&query.q));
    assert_eq!((table.range.from, table.row_count), (Timestamp::from_secs(5), 3));
}

#[tokio::test]
async fn refusals_say_why() {
    let app = Router::new()
        .route(
            "/api/v1/anomalies",
            get(|| async {
                let problem = Problem {
                    kind: "/problems/bad-filter".into(),
                    title: "bad filter".into(),
                    status: 400,
                    detail: "`duration:` cannot be asked of anomalies".into(),
                    at: Some(3),
                    retry_after_s: None,
                };
                (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/problem+json")], Json(problem))
            }),
        )
        .route("/api/v1/anomalies/{id}", get(|Path(id): Path<String>| async move { (StatusCode::NOT_FOUND, id) }))
        .route("/api/v1/agents", get(|| async { "<html>" }));
    let client = serve(app).await;

    let refused = client.anomalies(&AnomalyQuery::default()).await.expect_err("a refusal");
    assert_eq!(refused.to_string(), "`duration:` cannot be asked of anomalies (status 400)");
    assert_eq!(refused.verdict(), Verdict::Never);
    let gone = client.anomaly("a/b?c").await.expect_err("not found");
    assert!(matches!(&gone, Error::Status { path, status: 404, .. } if path.ends_with("a%2Fb%3Fc")));
    assert!(matches!(client.agents().await, Err(Error::Malformed { .. })));
}

#[tokio::test]
async fn pages_of_proxies_are_told_by_their_status() {
    let page = |status: u16| async move {
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [(header::RETRY_AFTER, "7")], Body::from(vec![b'<'; 1 << 20]))
    };
    let app =
        Router::new().route("/api/v1/reports", post(move || page(502))).route("/api/v1/status", get(move || page(413)));
    let client = serve(app).await;
    let away = client.report(Bytes::from_static(b"packed"), Timestamp::EPOCH, "").await.expect_err("away");
    assert_eq!((away.verdict(), away.retry_after()), (Verdict::Again, Some(Duration::from_secs(7))), "{away}");
    assert_eq!(client.status().await.expect_err("too large").verdict(), Verdict::Wait);
}

#[tokio::test]
async fn reports_whose_answer_breaks_off_may_be_stored() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
    });
    let client = Client::connect(&url).expect("a good URL");
    let error = client.report(Bytes::from_static(b"packed"), Timestamp::EPOCH, "").await.expect_err("no answer");
    assert!(matches!(error, Error::Interrupted { .. }) && error.may_have_arrived(), "{error}");
}

#[tokio::test]
async fn endless_answers_are_cut_off() {
    let endless =
        || async { Body::from_stream(stream::repeat_with(|| Ok::<_, Error>(Bytes::from(vec![b' '; 1 << 20])))) };
    let client = serve(Router::new().route("/api/v1/status", get(endless))).await;
    assert!(matches!(client.status().await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn nobody_there_is_told_with_what_to_do() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = Client::connect(&url).expect("a good URL").status().await.expect_err("nobody");
    assert_eq!((error.verdict(), error.may_have_arrived()), (Verdict::Again, false));
    let text = error.to_string();
    assert!(text.contains("onnection refused") && text.contains("pitot collector"), "{text}");
}

#[tokio::test]
async fn live_events_in_awkward_pieces() {
    let app = Router::new().route(
        "/api/v1/live",
        get(|RawQuery(query): RawQuery| async move {
            assert_eq!(query.as_deref(), Some("q=service%3Ashop"));
            let text = ": hello\n\nevent: data\ndata: {\"watermark\":\"2026-01-12T00:00:00Z\",\"transactions\":5}\n\n\
                        event: later\ndata: {}\n\nevent: data\ndata: {\"event\":\"data\",\n\
                        data: \"watermark\":\"2026-01-12T00:00:10Z\",\"transactions\":6}\n\n";
            let pieces: Vec<_> = text.as_bytes().chunks(5).map(|p| Ok::<_, Error>(Bytes::copy_from_slice(p))).collect();
            ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream::iter(pieces))).into_response()
        }),
    );
    let client = serve(app).await;
    let events: Vec<_> = client.live("service:shop").await.expect("a stream").collect().await;
    let counts: Vec<_> = events
        .into_iter()
        .map(|e| match e.expect("an event") {
            LiveEvent::Data { transactions, .. } => transactions,
            LiveEvent::Anomaly { .. } => 0,
        })
        .collect();
    assert_eq!(counts, [5, 6]);
}

async fn serve(app: Router) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Client::connect(&url).expect("a good URL")
}

#[tokio::test]
async fn questions_can_be_asked_from_any_task() {
    let client = Client::connect("http://127.0.0.1:1").expect("a good URL");
    let status = client.clone();
    let status = tokio::spawn(async move { status.status().await });
    let live = tokio::spawn(async move { client.live("").await.is_err() });
    assert!(status.await.expect("no panic").is_err() && live.await.expect("no panic"));
}
