//! Every refusal that a report can get, provoked through the router. In: bad input. Out: the table in `docs/refusals.md`,
//! row by row; the reactions in it are compared with the client's by a test of the whole program.

use std::collections::BTreeSet;

use super::*;
use crate::{
    access::{Scope, TokenConfig, token_hash},
    io::service::core::{crowd, poison},
    metrics::REFUSALS,
};

const TABLE: &str = include_str!("../../../../../docs/refusals.md");

/// What is sent, and what comes back.
struct Row {
    sent: &'static str,
    reply: Reply,
}

impl Row {
    /// As the table has it.
    fn text(&self) -> String {
        let problem: Problem = self.reply.json();
        assert_eq!(problem.status, self.reply.status, "{}", self.sent);
        assert_eq!(self.reply.kind, "application/problem+json", "{}", self.sent);
        let retry = problem.retry_after_s.map_or(String::new(), |s| format!(", `Retry-After: {s}`"));
        assert_eq!(self.reply.retry_after, problem.retry_after_s.map(|s| s.to_string()), "{}", self.sent);
        let kind = problem.kind.strip_prefix("/problems/").unwrap_or(&problem.kind);
        let detail = problem.detail.replace('|', "\\|");
        let reaction = reaction(problem.status, kind);
        format!("| {} | {}{retry} | `{kind}` | {detail} | {reaction} |", self.sent, problem.status)
    }
}

/// What an agent does; the words of the table.
fn reaction(status: u16, kind: &str) -> &'static str {
    match (status, kind) {
        (_, "newer-report") | (401 | 403 | 405 | 421, _) => "keeps",
        (408 | 429 | 500.., _) => "again",
        _ => "drops",
    }
}

#[tokio::test]
async fn every_refusal_stands_in_the_table() {
    let mut rows = bodies().await;
    rows.extend(reports().await);
    rows.extend(crowds().await);
    rows.extend(failures().await);
    rows.extend(doors().await);
    let section = TABLE.split("\n## ").find(|section| section.starts_with("Reports")).expect("is there");
    let listed: BTreeSet<&str> = section.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    let provoked: Vec<String> = rows.iter().map(Row::text).collect();
    let table = provoked.join("\n");
    let provoked: BTreeSet<&str> = provoked.iter().map(String::as_str).collect();
    let (missing, idle) = (provoked.difference(&listed), listed.difference(&provoked));
    let (missing, idle): (Vec<_>, Vec<_>) = (missing.collect(), idle.collect());
    assert!(missing.is_empty(), "docs/refusals.md lacks {missing:#?}\nof\n{table}");
    assert!(idle.is_empty(), "nothing provokes these rows of docs/refusals.md: {idle:#?}");
    let kinds: Vec<String> = rows.iter().map(|row| row.reply.json::<Problem>().kind).collect();
    for reason in REFUSALS.iter().filter(|reason| **reason != "other") {
        assert!(kinds.iter().any(|kind| kind.ends_with(reason)), "nothing provokes `{reason}`");
    }
}

async fn bodies() -> Vec<Row> {
    let bench = Bench::new(None);
    let row = |sent, reply| Row { sent, reply };
    let bomb = zstd::encode_all(&vec![0; budget::REPORT_PLAIN_BYTES + 1][..], 3).expect("packs");
    let windows = [b"PIT1".as_slice(), &[0x42, 0].repeat(budget::REPORT_WINDOWS + 1)].concat();
    let whole = wire::encode_report(&shifted(1, &[(-20, 1)]));
    let mut newer = whole.clone();
    newer[5] = 2;
    let mut nameless = shifted(1, &[(-20, 1)]);
    nameless.agent.name.clear();
    let asked = bench.get("/api/v1/reports").await;
    let rows = vec![
        row("GET instead of POST", asked),
        row("Content-Encoding other than zstd or identity", bench.post("noise", "gzip").await),
        row("body of more than 16 MiB", bench.post(vec![0; budget::REPORT_BYTES + 1], "").await),
        row("more than 64 MiB when decompressed", bench.post(bomb, "zstd").await),
        row("more windows, cells or names than a report may have", bench.post(windows, "").await),
        row("body that is no zstd, or cut", bench.post("noise", "zstd").await),
        row("bytes that are no report", bench.post("noise", "").await),
        row("report that is cut or broken", bench.post(whole[..whole.len() - 1].to_vec(), "").await),
        row("report without agent or sequence", bench.ship(&nameless).await),
        row("report of a newer version", bench.post(newer, "").await),
        row("body that breaks off", bench.send(broken_off()).await),
    ];
    // GET is no report.
    refused(&bench, rows.len() - 1).await;
    rows
}

fn broken_off() -> Request<Body> {
    let chunks = [Ok("PIT1"), Err(std::io::Error::other("the connection was reset"))];
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    Request::post("/api/v1/reports").body(body).expect("a request")
}

async fn reports() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(Some(dir.path().join("data")));
    let row = |sent, reply| Row { sent, reply };
    let mut wide = shifted(1, &[(-60, 1)]);
    wide.windows[0].width = Duration::from_secs(60);
    let mut rows = vec![
        row("window more than 10 minutes in the future", bench.ship(&shifted(1, &[(3_600, 1)])).await),
        row("window older than what is kept", bench.ship(&shifted(1, &[(-500 * 86_400, 1)])).await),
        row("window that fits no slot of the collector", bench.ship(&wide).await),
    ];
    let report_of = |incarnation| {
        let mut report = shifted(1, &[(-20, 1)]);
        report.agent.incarnation = incarnation;
        report
    };
    for incarnation in 10..20 {
        assert_eq!(bench.ship(&report_of(incarnation)).await.status, 200);
    }
    let mut another = report_of(19);
    another.made = another.made + Duration::from_secs(1);
    rows.push(row("another report with a sequence that is stored", bench.ship(&another).await));
    rows.push(row("report of a start of the agent of long ago", bench.ship(&report_of(10)).await));
    let elsewhere = Request::post("/api/v1/reports").header("pitot-store", "2a");
    let mut elsewhere = bench.send(elsewhere.body(Body::empty()).expect("a request")).await;
    let id = bench.collector.store_id().to_owned();
    elsewhere.body = elsewhere.text().replace(&id, "17").into_bytes();
    rows.push(row("report that is meant for another store", elsewhere));
    let here = Request::post("/api/v1/reports").header("pitot-store", id);
    let body = Body::from(wire::encode_report(&report_of(20)));
    assert_eq!(bench.send(here.body(body).expect("a request")).await.status, 200);
    refused(&bench, rows.len()).await;
    let agents: Agents = bench.get("/api/v1/agents").await.json();
    let agent = &agents.agents[0];
    assert_eq!(agent.refused_reports, rows.len() as u64 - 1, "the agent's row tells of all but the last, too");
    assert!(agent.refusal.contains("drop it"), "{}", agent.refusal);
    bench.collector.close().await;
    rows
}

async fn crowds() -> Vec<Row> {
    let bench = Bench::new(None);
    let row = |sent, reply| Row { sent, reply };
    let room = bench.collector.room(BODIES);
    let full = bench.post(vec![0; 1 << 20], "").await;
    drop(room);
    let mut rows = vec![row("too many or too large bodies at once", full)];

    let (go, wait) = mpsc::channel::<()>();
    let busy = bench.collector.clone();
    let busy = tokio::spawn(async move { busy.ask(move |_, _| wait.recv().is_ok()).await });
    while bench.collector.shared.turns.available_permits() == JOBS {
        tokio::task::yield_now().await;
    }
    let body = || wire::encode_report(&shifted(1, &[(-20, 1)]));
    let post = |body: Vec<u8>| {
        let request = Request::post("/api/v1/reports").body(Body::from(body)).expect("a request");
        tokio::spawn(bench.router.clone().oneshot(request))
    };
    let taken = [post(body()), post(body())];
    while bench.collector.shared.decoded.available_permits() + taken.len() > DECODED {
        tokio::task::yield_now().await;
    }
    rows.push(row("more than two reports of one agent at once", bench.post(body(), "").await));
    let mut other = shifted(1, &[(-20, 1)]);
    other.agent.name = "another".into();
    let other = post(wire::encode_report(&other));
    go.send(()).expect("the owner waits");
    assert!(busy.await.expect("runs").expect("answers"));
    for task in taken.into_iter().chain([other]) {
        assert_eq!(task.await.expect("runs").expect("answers").status(), 200, "others are not hurt");
    }

    bench.collector.ask(crowd).await.expect("is done");
    let mut report = shifted(1, &[(-20, 1)]);
    report.agent.name = "one-more".into();
    rows.push(row("report of an agent beyond 10,000", bench.ship(&report).await));
    refused(&bench, rows.len()).await;
    rows
}

async fn doors() -> Vec<Row> {
    let token = TokenConfig { name: "look".into(), sha256: token_hash("look"), scopes: vec![Scope::Read] };
    let bench = Bench::with(Config { tokens: vec![token], ..Config::default() });
    let mut rows = Vec::new();
    for (sent, token) in [
        ("no token where one is needed", None),
        ("token that nobody has", Some("Bearer guess")),
        ("token without the scope `ingest`", Some("Bearer look")),
    ] {
        let request = Request::post("/api/v1/reports");
        let request = token.into_iter().fold(request, |r, token| r.header(header::AUTHORIZATION, token));
        rows.push(Row { sent, reply: bench.send(request.body(Body::empty()).expect("a request")).await });
    }
    rows
}

async fn failures() -> Vec<Row> {
    let row = |sent, reply| Row { sent, reply };
    let report = shifted(1, &[(-20, 1)]);
    let dir = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(None);
    let data = dir.path().join("data");
    bench.collector.ask(move |core, _| poison(core, &data)).await.expect("is done");
    let mut rows = vec![
        row("report while the disk is full or broken", bench.ship(&report).await),
        row("report that meets a bug", bench.ship(&shifted(u64::MAX, &[(-20, 1)])).await),
    ];
    refused(&bench, rows.len()).await;
    bench.collector.clone().close().await;
    rows.push(row("report while the collector stops", bench.ship(&report).await));

    let bench = Bench::new(None);
    tokio::time::pause();
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let slow = bench.send(Request::post("/api/v1/reports").body(never).expect("a request")).await;
    tokio::time::resume();
    rows.push(row("body that comes too slowly", slow));
    refused(&bench, 1).await;
    rows
}

/// So many were counted.
async fn refused(bench: &Bench, n: usize) {
    let metrics = bench.get("/metrics").await.text();
    let want = format!("pitot_reports_total{{result=\"refused\"}} {n}");
    assert!(metrics.contains(&want), "{want} in {metrics}");
}
