//! Captures of the generator, whose truth is known: every transaction that the capture holds whole is found once, with
//! exact sizes and times; every other one is found and marked, or counted.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::support::{generator, json, run, stderr};

const SMALL: &str = "--requests 20000 --resp-body lognormal:350:0.8 --close 0 --seed 1";
const LARGE: &str = "--requests 300 --resp-body lognormal:200k:0.8 --req-body lognormal:2k:0.8 --seed 2";
/// Swapped, repeated and overlapping segments, IPv6, VLANs, pipelining, 100 Continue, other protocols.
const HARD: &str = "--requests 10000 --resp-body lognormal:3k:1.0 --ooo 0.02 --retransmit 0.01 --ipv6 0.3 --vlan 0.3 \
                    --pipeline 0.02 --expect 0.05 --noise 0.1 --seed 3";
/// Like a capture on the loopback interface.
const LO: &str = "--requests 10000 --mss 32768 --link ethernet --rtt-us 20";
const FEW: &str = "--requests 2000 --resp-body lognormal:350:0.8 --ooo 0.02 --retransmit 0.01 --seed 4";

#[test]
fn every_transaction_is_found_exactly() {
    check(&[
        ("small", SMALL, ""),
        ("large", LARGE, ""),
        ("hard", HARD, ""),
        ("lo", LO, ""),
        ("nanoseconds", FEW, "--format pcap-ns"),
        ("pcapng", FEW, "--format pcapng --ipv6 0.5"),
        ("raw IP", FEW, "--link raw --ipv6 0.5"),
        ("cooked", FEW, "--link sll --format pcapng"),
        ("null", FEW, "--link null --ipv6 0.5"),
        ("a connection each", FEW, "--per-conn 1 --connections 1000"),
        ("pipelined", FEW, "--pipeline 0.5 --per-conn 100"),
        ("joined late", FEW, "--midstream 0.5"),
    ]);
}

#[test]
fn lost_segments_cost_only_the_transactions_they_belong_to() {
    check(&[
        ("hard, 0.1 % lost", HARD, "--loss 0.001"),
        ("hard, 1 % lost", HARD, "--loss 0.01"),
        ("large, 0.1 % lost", LARGE, "--loss 0.001"),
        ("joined late, 1 % lost", FEW, "--midstream 0.5 --loss 0.01"),
    ]);
}

/// What lost segments and a small snap length leave. `wrong` are those that differ from the truth and are not marked.
#[test]
fn what_remains_exact_where_bytes_are_missing() {
    let Some(generator) = generator("make_http_pcap") else { return };
    let mut table = format!(
        "{:20} {:>7} {:>7} | {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}  coverage\n",
        "", "sent", "damaged", "found", "status", "sizes", "ttfb", "total", "marked", "wrong"
    );
    for (name, options, more) in [
        ("small, 1 % lost", SMALL, "--loss 0.01"),
        ("hard, 1 % lost", HARD, "--loss 0.01"),
        ("hard, 10 % lost", HARD, "--loss 0.1"),
        ("small, 1024 kept", SMALL, "--snaplen 1024"),
        ("small, 256 kept", SMALL, "--snaplen 256"),
        ("hard, 256 kept", HARD, "--snaplen 256"),
        ("large, 256 kept", LARGE, "--snaplen 256"),
        ("large, 128 kept", LARGE, "--snaplen 128"),
    ] {
        let case = Case::make(&generator, name, options, more);
        let report = json(&run(&["report", "--json", "--raw", &case.capture()]));
        let n = |is: fn(&Row, &Row) -> bool| case.pairs().filter(|(want, got)| is(want, got)).count();
        let reasons = report["coverage"]["reasons"].as_object().unwrap();
        let reasons: Vec<String> = reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
        writeln!(
            table,
            "{name:20} {:7} {:7} | {:7} {:7} {:7} {:7} {:7} {:7} {:7}  {}",
            case.truth.len(),
            case.truth.iter().filter(|t| t.is_damaged).count(),
            n(|_, _| true),
            n(|want, got| want.status == got.status),
            n(|want, got| (want.request_bytes, want.response_bytes) == (got.request_bytes, got.response_bytes)),
            n(|want, got| want.ttfb_us == got.ttfb_us),
            n(|want, got| want.total_us == got.total_us),
            n(|_, got| got.is_damaged),
            n(|want, got| !got.is_damaged && want.differs(got)),
            reasons.join(", "),
        )
        .unwrap();
        assert!(case.extra.is_empty(), "{name}: not in the truth: {:?}", case.extra.first());
    }
    insta::assert_snapshot!(table);
}

fn check(cases: &[(&str, &str, &str)]) {
    let Some(generator) = generator("make_http_pcap") else { return };
    for (name, options, more) in cases {
        let case = Case::make(&generator, name, options, more);
        case.assert_transactions();
        case.assert_report();
    }
}

/// A capture, its truth, and what was found in it.
struct Case {
    name: String,
    dir: tempfile::TempDir,
    truth: Vec<Row>,
    /// For each row of the truth what was found of it.
    found: Vec<Option<Row>>,
    /// What was found and stands for nothing.
    extra: Vec<Row>,
}

impl Case {
    fn make(generator: &Path, name: &str, options: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let capture = dir.path().join("capture");
        let truth = dir.path().join("truth.csv");
        let mut command = Command::new(generator);
        // What is said twice counts once, the last time.
        let options: BTreeMap<&str, &str> = pairs(options).chain(pairs(more)).collect();
        command.args(options.iter().flat_map(|(k, v)| [k, v])).arg("--out").arg(&capture).arg("--txns").arg(&truth);
        assert!(command.output().expect("the generator runs").status.success(), "{name}");
        let output = run(&["replay", "--json", "--raw", capture.to_str().unwrap()]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let truth: Vec<Row> = fs::read_to_string(&truth).unwrap().lines().skip(1).map(Row::from_truth).collect();
        let lines = String::from_utf8(output.stdout).unwrap();
        let (found, extra) = find(&truth, lines.lines().map(Row::from_replay).collect());
        Self { name: name.to_owned(), dir, truth, found, extra }
    }

    fn capture(&self) -> String {
        self.dir.path().join("capture").to_str().unwrap().to_owned()
    }

    /// What was found beside what it was.
    fn pairs(&self) -> impl Iterator<Item = (&Row, &Row)> {
        self.truth.iter().zip(&self.found).filter_map(|(want, got)| Some((want, got.as_ref()?)))
    }

    fn assert_transactions(&self) {
        let name = &self.name;
        let whole = || self.truth.iter().zip(&self.found).filter(|(want, _)| !want.is_damaged);
        let missing: Vec<_> = whole().filter(|(_, got)| got.is_none()).map(|(want, _)| want).collect();
        assert!(missing.is_empty(), "{name}: {} are missing, first {:?}", missing.len(), missing[0]);
        let wrong: Vec<_> = self.pairs().filter(|(want, got)| !got.is_damaged && want.differs(got)).collect();
        assert!(wrong.is_empty(), "{name}: {} are wrong, first {:#?}", wrong.len(), wrong[0]);
        let marked = self.pairs().filter(|(want, got)| got.is_damaged && !want.is_damaged).collect::<Vec<_>>();
        assert!(marked.is_empty(), "{name}: {} are whole, but marked, first {:#?}", marked.len(), marked[0]);
        assert!(self.extra.is_empty(), "{name}: {} too many, first {:?}", self.extra.len(), self.extra[0]);
    }

    fn assert_report(&self) {
        let name = &self.name;
        let report = json(&run(&["report", "--json", "--raw", "--threads", "1", &self.capture()]));
        let truth = fs::read(self.dir.path().join("capture.truth.json")).expect("the generator wrote its truth");
        let truth: Value = serde_json::from_slice(&truth).expect("the truth is JSON");
        let is_whole = truth["damaged"] == 0;
        // What was found of the damaged is counted as well.
        let mut routes: BTreeMap<&str, u64> = BTreeMap::new();
        let mut consumers: BTreeMap<&str, u64> = BTreeMap::new();
        for (want, _) in self.pairs() {
            *routes.entry(&want.route).or_default() += 1;
            *consumers.entry(&want.consumer).or_default() += 1;
        }
        assert_eq!(report["totals"]["count"], self.pairs().count(), "{name}");
        if is_whole {
            compare(name, &report["totals"], &truth["all"]);
        }
        let route = |row: &Value| format!("{} {}", row["method"].as_str().unwrap(), row["route"].as_str().unwrap());
        let consumer = |row: &Value| row["consumer"].as_str().unwrap().to_owned();
        let has_key = |row: &&Value| row["evidence"] == "key";
        let rows = |part: &str| report[part].as_array().expect("rows").clone();
        let keyed: Vec<Value> = rows("consumers").iter().filter(has_key).cloned().collect();
        consumers.remove("-");
        for (rows, name_of, counts, by) in [
            (rows("routes"), &route as &dyn Fn(&Value) -> String, &routes, "by_route"),
            (keyed, &consumer, &consumers, "by_consumer"),
        ] {
            assert_eq!(rows.len(), counts.len(), "{name}: {by}");
            for row in &rows {
                let key = name_of(row);
                let case = format!("{name}: {key}");
                assert_eq!(row["count"].as_u64(), counts.get(key.as_str()).copied(), "{case}");
                if is_whole {
                    compare(&case, row, &truth[by][&key]);
                }
            }
        }
        // What is not found is accounted for.
        let coverage = &report["coverage"];
        let lost = self.found.iter().filter(|got| got.is_none()).count() as u64;
        let counted: u64 = LOSSES.iter().filter_map(|reason| coverage["reasons"][*reason].as_u64()).sum();
        assert!(counted >= lost, "{name}: {lost} not found, and {coverage}");
        assert_eq!(coverage["packets_read"], truth["wire"]["packets"], "{name}");
        assert_eq!(coverage["transactions"], report["totals"]["count"], "{name}");
    }
}

/// Reasons that stand for transactions.
const LOSSES: [&str; 5] = ["head_lost", "head_malformed", "response_unmatched", "framing_lost", "request_ambiguous"];

fn compare(name: &str, row: &Value, truth: &Value) {
    assert_eq!((&row["count"], &row["response_bytes"]), (&truth["count"], &truth["bytes"]), "{name}");
    assert_eq!(row["status"].as_object(), truth["status"].as_object(), "{name}");
    for (field, exact) in [("duration_us", "total_us"), ("ttfb_us", "ttfb_us")] {
        let (got, exact) = (&row[field], &truth[exact]);
        for bound in ["n", "min", "max"] {
            assert_eq!(got[bound], exact[bound], "{name}: {field} {bound}");
        }
        for q in ["p50", "p75", "p90", "p95", "p99", "p999"] {
            let (got, exact) = (got[q].as_u64().unwrap(), exact[q].as_u64().unwrap());
            assert!(got.abs_diff(exact) * 1000 <= exact, "{name}: {field} {q} is {got}, not {exact}");
        }
    }
}

/// A transaction, as it was or as it was found.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    client: String,
    server: String,
    /// First byte of the request, microseconds since the epoch.
    at_us: i64,
    method: String,
    target: String,
    route: String,
    status: Option<u64>,
    consumer: String,
    request_bytes: u64,
    response_bytes: u64,
    ttfb_us: Option<u64>,
    total_us: Option<u64>,
    is_damaged: bool,
}

impl Row {
    /// request_ns,client,cport,server,sport,method,target,route,status,consumer,req_body,resp_body,ttfb_us,total_us,damaged
    fn from_truth(line: &str) -> Self {
        let field: Vec<&str> = line.split(',').collect();
        let number = |i: usize| field[i].parse::<u64>().unwrap();
        let endpoint = |i: usize| {
            let ip: std::net::IpAddr = field[i].parse().unwrap();
            std::net::SocketAddr::new(ip, field[i + 1].parse().unwrap()).to_string()
        };
        Self {
            client: endpoint(1),
            server: endpoint(3),
            at_us: (number(0) / 1000).cast_signed(),
            method: field[5].to_owned(),
            target: field[6].to_owned(),
            route: field[7].to_owned(),
            status: Some(number(8)),
            consumer: field[9].to_owned(),
            request_bytes: number(10),
            response_bytes: number(11),
            ttfb_us: Some(number(12)),
            total_us: Some(number(13)),
            is_damaged: field[14] == "1",
        }
    }

    fn from_replay(line: &str) -> Self {
        let row: Value = serde_json::from_str(line).expect("a line of replay is JSON");
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let us = |field: &str| row[field].as_f64().map(|ms| (ms * 1e3).round() as u64);
        let has_key = row["evidence"] == "key";
        Self {
            client: text("client"),
            server: text("server"),
            at_us: text("ts_request").parse::<pitot_model::Timestamp>().expect("a time").as_micros(),
            method: text("method"),
            target: text("path"),
            route: format!("{} {}", text("method"), text("route")),
            status: row["status"].as_u64(),
            consumer: if has_key { text("consumer") } else { "-".to_owned() },
            request_bytes: row["request_bytes"].as_u64().unwrap_or(0),
            response_bytes: row["response_bytes"].as_u64().unwrap_or(0),
            ttfb_us: us("ttfb_ms"),
            total_us: us("duration_ms"),
            is_damaged: row["damaged"] == true,
        }
    }

    /// Whether anything is other than it was. Routes are learned from all of them, so that reports tell those.
    fn differs(&self, found: &Self) -> bool {
        let found = Self { route: self.route.clone(), is_damaged: self.is_damaged, ..found.clone() };
        *self != found
    }
}

/// For each row of the truth the one that was found of it, and what is left: first those that begin at the same moment,
/// then, where bytes are missing and times may be others, any of the same connection and target, or of what was kept of it.
fn find(truth: &[Row], found: Vec<Row>) -> (Vec<Option<Row>>, Vec<Row>) {
    let key = |row: &Row| (row.client.clone(), row.server.clone());
    let mut open: HashMap<_, Vec<Row>> = HashMap::new();
    for row in found {
        open.entry(key(&row)).or_default().push(row);
    }
    let is_same: [fn(&Row, &Row) -> bool; 3] = [
        |want, got| want.target == got.target && want.at_us == got.at_us,
        |want, got| want.target == got.target,
        |want, got| got.is_damaged && want.target.starts_with(&got.target),
    ];
    let mut pairs = vec![None; truth.len()];
    for is_same in is_same {
        for (want, pair) in truth.iter().zip(&mut pairs).filter(|(_, pair)| pair.is_none()) {
            let Some(rows) = open.get_mut(&key(want)) else { continue };
            *pair = rows.iter().position(|got| is_same(want, got)).map(|i| rows.remove(i));
        }
    }
    (pairs, open.into_values().flatten().collect())
}

fn pairs(options: &str) -> impl Iterator<Item = (&str, &str)> {
    let words: Vec<&str> = options.split_whitespace().collect();
    (0..words.len() / 2).map(move |i| (words[2 * i], words[2 * i + 1]))
}
