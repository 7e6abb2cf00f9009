//! Notifications over real sockets: a receiver that fails at first, and Debian's Alertmanager where it is installed.

use std::{
    process::{Child, Command, Stdio},
    sync::mpsc as std_mpsc,
};

use axum::{Json, extract::State as Ext, routing};
use pitot_model::{
    Timestamp,
    api::{AnomalyKind, Severity, State, Subject},
};
use serde_json::Value;
use tokio::net::TcpSocket;

use super::*;
use crate::{alert::AlertConfig, io::clock};

fn anomaly(state: State) -> Anomaly {
    let start = Timestamp::from_secs(clock::system()().as_secs() - 60);
    Anomaly {
        id: "cafe".into(),
        kind: AnomalyKind::Latency,
        severity: Severity::Critical,
        state,
        subject: Subject {
            service: Some("shop".into()),
            method: Some("GET".into()),
            route: Some("/v1/search".into()),
            ..Subject::default()
        },
        start,
        end: (state == State::Resolved).then(|| start + Duration::from_secs(30)),
        updated: start + Duration::from_secs(30),
        expected: 310e3,
        observed: 2.31e6,
        unit: "us".into(),
        score: 12.0,
        affected: 99,
        title: "GET /v1/search is slow: p99 2.31s, expected 310ms".into(),
        explanation: None,
    }
}

fn notifier(kind: &str, url: &str) -> Notifier {
    let text = format!(
        r#"{{"external_url": "http://pitot:8080", "receivers": [{{"name": "it", "kind": "{kind}", "url": "{url}"}}]}}"#
    );
    let config: AlertConfig = serde_json::from_str(&text).expect("valid");
    Notifier::start(Router::new(&config, 1).expect("valid"), clock::system()).expect("a thread")
}

/// A port of the system's choice where nobody listens yet, and the address of the receiver to be there.
fn port() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().expect("loopback");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = socket.local_addr().expect("bound");
    (socket, format!("http://{address}"))
}

/// A receiver that answers with these codes in turn and then with 200; what it got comes out.
fn receiver(codes: &'static [u16], socket: TcpSocket) -> std_mpsc::Receiver<Value> {
    let (got, out) = std_mpsc::channel();
    let (listening, is_listening) = std_mpsc::channel();
    let state = (Arc::new(AtomicU64::new(0)), got);
    let serve = async move {
        let take = async move |Ext((n, got)): Ext<(Arc<AtomicU64>, std_mpsc::Sender<Value>)>,
                               Json(body): Json<Value>| {
            let code = codes.get(n.fetch_add(1, Ordering::Relaxed) as usize).copied().unwrap_or(200);
            let _ = got.send(body);
            StatusCode::from_u16(code).expect("a code")
        };
        let app = axum::Router::new().route("/hook", routing::post(take)).with_state(state);
        let listener = socket.listen(16).expect("loopback");
        let _ = listening.send(());
        axum::serve(listener, app).await
    };
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let _ = runtime.block_on(serve);
    });
    is_listening.recv().expect("it listens");
    out
}

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_failing_receiver_is_tried_again_and_told_the_end() {
    let (socket, url) = port();
    let got = receiver(&[500, 429], socket);
    let notifier = notifier("webhook", &format!("{url}/hook"));
    notifier.push(&anomaly(State::Open));
    for attempt in 1..=3 {
        let body = got.recv_timeout(PATIENCE).expect("an attempt");
        assert_eq!(body["status"], "firing", "attempt {attempt}");
        assert_eq!(body["anomaly"]["title"], anomaly(State::Open).title);
    }
    notifier.push(&anomaly(State::Resolved));
    assert_eq!(got.recv_timeout(PATIENCE).expect("the end")["status"], "resolved");
    let stats = notifier.close();
    assert_eq!((stats.sent, stats.retried, stats.dropped), (2, 2, 0));
}

#[test]
fn an_absent_receiver_is_found_when_it_comes() {
    let (socket, url) = port();
    let notifier = notifier("webhook", &format!("{url}/hook"));
    notifier.push(&anomaly(State::Open));
    while notifier.stats().retried == 0 {
        thread::yield_now();
    }
    let got = receiver(&[], socket);
    assert_eq!(got.recv_timeout(PATIENCE).expect("another attempt")["status"], "firing");
    assert_eq!(notifier.close().sent, 1);
}

#[test]
fn refusals_are_not_tried_again() {
    let (socket, url) = port();
    let _got = receiver(&[], socket);
    let notifier = notifier("webhook", &format!("{url}/elsewhere"));
    notifier.push(&anomaly(State::Open));
    let stats = notifier.close();
    assert_eq!((stats.sent, stats.refused, stats.retried), (0, 1, 0), "404 is final");
}

/// A process that ends with the test.
struct Alertmanager {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's Alertmanager on a port of the system's choice; `None` where it is not installed, which CI does not forgive.
fn alertmanager() -> Option<(Alertmanager, String)> {
    let (socket, url) = port();
    let address = url.trim_start_matches("http://").to_owned();
    let dir = tempfile::tempdir().expect("tmp");
    let config = dir.path().join("alertmanager.yml");
    std::fs::write(&config, "route: {receiver: none}\nreceivers: [{name: none}]\n").expect("room");
    drop(socket);
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(child) => Some((Alertmanager { child, _dir: dir }, url)),
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("prometheus-alertmanager must run in CI: {error}")
        }
        Err(error) => {
            eprintln!(
                "SKIPPED: prometheus-alertmanager is not installed ({error}); apt-get install it to run this test"
            );
            None
        }
    }
}

/// The alerts it has, with those that are over.
async fn alerts(base: &str) -> Option<Vec<Value>> {
    let client: Post = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let request = Request::get(format!("{base}/api/v2/alerts")).body(Full::default()).expect("valid");
    let response = client.request(request).await.ok()?;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

/// Asks until the answer satisfies, for a while.
async fn until(base: &str, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let asking = async {
        loop {
            match alerts(base).await {
                Some(alerts) if holds(&alerts) => return alerts,
                _ => time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("Alertmanager never had {what}"))
}

#[test]
fn alertmanager_takes_alerts_and_their_end() {
    let Some((_process, base)) = alertmanager() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(until(&base, "started", <[Value]>::is_empty));
    let notifier = notifier("alertmanager", &base);
    notifier.push(&anomaly(State::Open));
    let alerts = runtime.block_on(until(&base, "the alert", |alerts| !alerts.is_empty()));
    for (pointer, want) in [
        ("/labels/alertname", "PitotLatency"),
        ("/labels/severity", "critical"),
        ("/labels/service", "shop"),
        ("/labels/route", "/v1/search"),
        ("/annotations/summary", "GET /v1/search is slow: p99 2.31s, expected 310ms"),
        ("/generatorURL", "http://pitot:8080/#/anomalies/cafe"),
        ("/status/state", "active"),
    ] {
        assert_eq!(alerts[0].pointer(pointer).and_then(Value::as_str), Some(want), "{pointer}");
    }
    notifier.push(&anomaly(State::Resolved));
    // It answers with alerts that go on; one that is over leaves.
    runtime.block_on(until(&base, "the end", <[Value]>::is_empty));
    let stats = notifier.close();
    assert_eq!((stats.sent, stats.refused), (2, 0));
}
