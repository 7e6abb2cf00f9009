//! The collector is away for an hour of traffic. One agent has room for all of it and loses nothing; the other has not,
//! and counts what it loses to the line.
//!
//! The hour is played faster than it was: the log gets what a second had twenty times a second. Agents without a collector make
//! a report per window, or when they hold as many cells as they may; here the latter decides. So there are fewer reports
//! than an hour would leave, but of the same cells, and the spools hold about the same bytes.

use std::{
    fmt::Write as _,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use pitot_model::Timestamp;
use serde_json::Value;

use super::{
    daemons::{self, Api, Daemon, Place},
    forwarder::Forwarder,
    logs::clf,
    random::Random,
    truth::{self, Truth},
};
use crate::daemons::PATIENCE;

const FORMAT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time";
const PARTS: [&str; 10] =
    ["users", "orders", "carts", "prices", "stocks", "labels", "offers", "reviews", "invoices", "payments"];
const VIEWS: [&str; 5] = ["", "/history", "/notes", "/owner", "/state"];
const LINES_PER_SECOND: u64 = 5_000;
const SECOND: Duration = Duration::from_millis(50);

#[test]
fn a_collector_that_is_away_for_minutes_costs_nothing_within_the_budget_and_is_counted_beyond() {
    away(180, "1MiB");
}

/// `make soak` runs it.
#[test]
#[ignore = "takes ten minutes"]
fn soak_a_collector_that_is_away_for_an_hour_costs_nothing_within_the_budget_and_is_counted_beyond() {
    away(3_600, "24MiB");
}

fn away(seconds: u64, too_little: &str) {
    let seed = Random::seed();
    eprintln!("PITOT_SEED={seed}");
    let mut random = Random::new(seed);
    let place = Place::new();
    let (mut collector, api) = Daemon::collector(&place.dir("collector"), &place.path().join("data"));
    let forwarder = Forwarder::start(api.target.clone(), random.fork());
    let mut traffic = Traffic::start(&place.path().join("access.log"), seconds, random);
    let [mut ample, mut tight] = [("ample", ""), ("tight", too_little)].map(|(name, spool)| {
        Daemon::agent(&place.dir(name), &config(name, &place.dir(name), &forwarder, &traffic.path, spool))
    });
    collector.start();
    ample.start();
    tight.start();
    // Both know the collector before it goes.
    traffic.write();
    settle(&api, "ample", traffic.lines).unwrap();
    settle(&api, "tight", traffic.lines).unwrap();

    collector.kill();
    let start = Instant::now();
    for second in 1..=seconds {
        traffic.write();
        thread::sleep((SECOND * second as u32).saturating_sub(start.elapsed()));
    }
    let unread = wait_until_spooled(&mut ample);
    let held = [spool_bytes(&place.dir("ample")), spool_bytes(&place.dir("tight"))];
    let away = start.elapsed();

    let back = Instant::now();
    collector.start();
    settle(&api, "ample", traffic.lines).unwrap_or_else(|why| panic!("PITOT_SEED={seed}: ample: {why}"));
    let caught_up = back.elapsed();
    let evicted = settle(&api, "tight", traffic.lines).unwrap_or_else(|why| panic!("PITOT_SEED={seed}: tight: {why}"));
    let lines = traffic.lines;
    let kib = held.map(|bytes| bytes >> 10);
    eprintln!(
        "{lines} lines, {seconds} s of traffic, in {:.0} s without a collector{unread}; spools held {} and {} KiB, \
         caught up after {:.1} s; {evicted} lines evicted from the small one, none from the other",
        away.as_secs_f64(),
        kib[0],
        kib[1],
        caught_up.as_secs_f64(),
    );
    assert!(evicted > 0, "the small spool had room for everything, so that nothing was shown");
    for agent in [&mut ample, &mut tight] {
        agent.stop();
        agent.assert_never_panicked();
    }
    let differences = traffic.truth.marginal_differences(&api, "ample");
    assert!(differences.is_empty(), "PITOT_SEED={seed}: {differences}");
    assert_eq!(settle(&api, "ample", lines), Ok(0));
    assert_eq!(settle(&api, "tight", lines), Ok(evicted));
}

fn config(name: &str, state: &Path, forwarder: &Forwarder, log: &Path, spool: &str) -> String {
    let (url, state, log) = (forwarder.url(), state.display(), log.display());
    let spool = if spool.is_empty() { String::new() } else { format!("[spool]\nbytes = \"{spool}\"\n") };
    format!(
        "name = \"{name}\"\nservice = \"{name}\"\ncollector = \"{url}\"\nstate = \"{state}\"\nship_every = \"100ms\"\n\
         {spool}[[source]]\npath = \"{log}\"\nlog_format = '{FORMAT}'\nfrom_start = true\n"
    )
}

/// Waits until the transactions of this agent and the lines that it lost are all lines. How many it lost.
fn settle(api: &Api, agent: &str, lines: u64) -> Result<u64, String> {
    let mut news = ((0, 0), Instant::now());
    loop {
        let count = api.table("none", &format!("service:{agent}"))["totals"]["count"].as_u64().unwrap();
        let agents: Value = api.get("/api/v1/agents").and_then(|a| serde_json::from_str(&a).ok()).unwrap_or_default();
        let row = agents["agents"].as_array().and_then(|all| all.iter().find(|a| a["name"] == agent));
        let coverage = row.map(|r| r["coverage"].clone()).unwrap_or_default();
        let evicted = coverage["reasons"]["spool_evicted"].as_u64().unwrap_or(0);
        if count + evicted == lines && coverage["lines_read"] == lines {
            return Ok(evicted);
        }
        if (count, evicted) != news.0 {
            news = ((count, evicted), Instant::now());
        }
        if count + evicted > lines || news.1.elapsed() > PATIENCE {
            return Err(format!(
                "{count} transactions and {evicted} evicted are not {lines} lines; coverage: {coverage}"
            ));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the spool no longer grows, and says how long that took where it was long.
fn wait_until_spooled(agent: &mut Daemon) -> String {
    let (start, mut held) = (Instant::now(), 0);
    loop {
        thread::sleep(SECOND * 40);
        agent.assert_runs();
        let now = spool_bytes(agent.dir());
        if now == held {
            break;
        }
        held = now;
    }
    let late = start.elapsed().saturating_sub(SECOND * 40);
    if late > SECOND * 40 { format!(", read {:.0} s later", late.as_secs_f64()) } else { String::new() }
}

fn spool_bytes(state: &Path) -> u64 {
    daemons::reports(state).iter().filter_map(|path| path.metadata().ok()).map(|m| m.len()).sum()
}

/// A log of an API with 50 routes and 100 consumers, some of which call much more than others.
struct Traffic {
    path: PathBuf,
    file: File,
    at: Timestamp,
    random: Random,
    lines: u64,
    truth: Truth,
}

impl Traffic {
    /// A log that ends now, after so many seconds.
    fn start(path: &Path, seconds: u64, random: Random) -> Self {
        let (path, file) = (path.to_owned(), File::create(path).unwrap());
        let at = truth::now() - Duration::from_secs(seconds + 2);
        Self { path, file, at, random, lines: 0, truth: Truth::default() }
    }

    /// One second of it.
    fn write(&mut self) {
        let at = clf(self.at);
        let mut text = String::new();
        for _ in 0..LINES_PER_SECOND {
            self.lines += 1;
            let skewed = |random: &mut Random, n| random.between(0, n).min(random.between(0, n));
            let (part, consumer) = (skewed(&mut self.random, 10), skewed(&mut self.random, 100));
            let (part, view) = (PARTS[part as usize], VIEWS[skewed(&mut self.random, 5) as usize]);
            let status =
                *self.random.one_of(&["200"; 12].iter().chain(&["201", "404", "429", "503"]).collect::<Vec<_>>());
            let (id, bytes) = (self.lines, self.lines % 100_000);
            let seconds = skewed(&mut self.random, 900) as f64 / 1e3;
            let _ = writeln!(
                text,
                "10.1.0.{consumer} - - [{at}] \"GET /v1/{part}/{id}{view} HTTP/1.1\" {status} {bytes} \"-\" \"app/2\" {seconds:.3}"
            );
            let (route, consumer) = (format!("/v1/{part}/{{int}}{view}"), format!("10.1.0.{consumer}"));
            self.truth.add(["", "GET", &route, &consumer, status], bytes);
        }
        self.file.write_all(text.as_bytes()).unwrap();
        self.at = self.at + Duration::from_secs(1);
    }
}
