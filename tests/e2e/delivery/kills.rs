//! Agent and collector are killed again and again while logs are written and rotated: in the end every line was counted,
//! once.
//!
//! `PITOT_SEED` repeats the choices of a run; not its timing, which is the machine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    daemons::{Api, Daemon, Place},
    forwarder::Forwarder,
    logs::{Log, WAYS},
    random::Random,
    truth::{self, Truth},
};
use crate::daemons::PATIENCE;

/// Lines that each log gets per [`BEAT`], on average.
const LINES: u64 = 6;
const BEAT: Duration = Duration::from_millis(10);

/// Generations of each log in one run, about.
const GENERATIONS: u32 = 50;

#[test]
fn every_line_counts_once_through_two_hundred_kills() {
    run(&Run { spool: "", until: Until::Kills(204), ..Run::default() });
}

/// `make soak` runs it.
#[test]
#[ignore = "takes half an hour"]
fn soak_every_line_counts_once_through_kills() {
    run(&Run { until: Until::Time(minutes(60)), ..Run::default() });
}

/// `make soak` runs it.
#[test]
#[ignore = "takes ten minutes"]
fn soak_every_line_counts_once_where_reading_waits_for_a_tiny_spool() {
    let spool = "[spool]\nbytes = \"64KiB\"\nwhen_full = \"block\"\n";
    run(&Run { until: Until::Time(minutes(25)), spool, away_percent: 10 });
}

/// `make soak` runs it.
#[test]
#[ignore = "takes five minutes"]
fn soak_every_line_counts_once_or_is_counted_as_evicted() {
    let spool = "[spool]\nbytes = \"64KiB\"\nwhen_full = \"drop_oldest\"\n";
    run(&Run { until: Until::Time(minutes(15)), spool, away_percent: 10 });
}

/// A share of the time that a soak takes; `PITOT_SOAK_MINUTES` says how long that is.
fn minutes(percent: u32) -> Duration {
    let all = std::env::var("PITOT_SOAK_MINUTES").ok().and_then(|m| m.parse().ok()).unwrap_or(30.0);
    Duration::from_secs_f64(all * 60.0) * percent / 100
}

enum Until {
    Kills(u64),
    Time(Duration),
}

struct Run {
    until: Until,
    /// The section of the configuration.
    spool: &'static str,
    /// After how many percent of its kills the collector stays away for seconds.
    away_percent: u64,
}

impl Default for Run {
    fn default() -> Self {
        Self { until: Until::Kills(0), spool: "", away_percent: 1 }
    }
}

impl Run {
    /// How long it will take, about.
    fn length(&self) -> Duration {
        match self.until {
            Until::Kills(n) => Duration::from_millis(350) * n as u32,
            Until::Time(time) => time,
        }
    }

    fn is_over(&self, since: Instant, kills: u64) -> bool {
        match self.until {
            Until::Kills(n) => kills >= n,
            Until::Time(time) => since.elapsed() >= time,
        }
    }

    fn drops(&self) -> bool {
        self.spool.contains("drop_oldest")
    }
}

fn run(run: &Run) {
    let seed = Random::seed();
    eprintln!("PITOT_SEED={seed}");
    let mut random = Random::new(seed);
    let place = Place::new();
    let (mut collector, api) = Daemon::collector(&place.dir("collector"), &place.path().join("data"));
    let forwarder = Forwarder::start(api.target.clone(), random.fork());
    forwarder.lose_answers(10);
    let dir = place.dir("logs");
    let mut logs = WAYS.map(|way| Log::create(&dir, way));
    let sources = logs.each_ref().map(|log| log.path.display().to_string());
    let mut agent = Daemon::agent(&place.dir("agent"), &config(&place, &forwarder, &sources, run.spool));
    collector.start();
    agent.start();
    // An agent reads what is there when it looks for the first time; what was rotated before is not its business.
    for log in &mut logs {
        log.write(10, &mut random);
    }
    truth::settle(&api, logs.iter().map(Log::whole_lines).sum(), PATIENCE).unwrap();
    let writer = Writer::start(logs, run.length() / GENERATIONS, random.fork());

    let start = Instant::now();
    while !run.is_over(start, agent.kills + collector.kills) {
        kill_some(run, &mut agent, &mut collector, &mut random);
    }
    let took = start.elapsed();
    let (truth, generations) = writer.stop();
    forwarder.lose_answers(0);
    eprintln!(
        "{} kills of the agent and {} of the collector, {} answers lost, in {:.1} s; {} lines in {generations} generations",
        agent.kills,
        collector.kills,
        forwarder.lost(),
        took.as_secs_f64(),
        truth.lines,
    );
    agent.assert_runs();
    collector.assert_runs();
    if run.drops() {
        assert_accounted(&api, &mut agent, truth.lines);
    } else {
        assert_exact(&api, &mut agent, &truth, seed);
    }
    collector.assert_runs();
    agent.assert_never_panicked();
    collector.assert_never_panicked();
}

/// Kills one of them, or both, after a while or while it starts, and starts it again.
fn kill_some(run: &Run, agent: &mut Daemon, collector: &mut Daemon, random: &mut Random) {
    let wait = if random.chance(35) { random.between(1, 120) } else { random.between(120, 600) };
    thread::sleep(Duration::from_millis(wait));
    let (kills_agent, kills_collector) = match random.between(0, 10) {
        0..4 => (true, false),
        4..7 => (false, true),
        _ => (true, true),
    };
    if kills_agent {
        agent.kill();
    }
    if kills_collector {
        collector.kill();
    }
    if random.chance(25) {
        thread::sleep(Duration::from_millis(random.between(1, 300)));
    }
    if kills_agent {
        agent.start();
    }
    if kills_collector {
        if random.chance(run.away_percent) {
            thread::sleep(Duration::from_millis(random.between(500, 5_000)));
        }
        collector.start();
    }
}

/// The totals are the truth, also after the agent stopped in good order and had its last say.
fn assert_exact(api: &Api, agent: &mut Daemon, truth: &Truth, seed: u64) {
    let settled = truth::settle(api, truth.lines, PATIENCE);
    if let Err(why) = &settled {
        panic!("PITOT_SEED={seed}: {why}\n{}coverage: {:?}", truth.differences(api), truth::coverage(api));
    }
    agent.stop();
    let differences = truth.differences(api);
    assert!(differences.is_empty(), "PITOT_SEED={seed}: {differences}coverage: {:?}", truth::coverage(api));
    truth::assert_full(api, truth.lines);
    eprintln!(
        "all {} lines counted once, {:.1} s after the last",
        truth.lines,
        settled.unwrap_or_default().as_secs_f64()
    );
}

/// What is not in the totals is counted as evicted from the spool, line by line.
fn assert_accounted(api: &Api, agent: &mut Daemon, lines: u64) {
    let evicted = truth::settle_with_loss(api, lines, PATIENCE).unwrap_or_else(|why| panic!("{why}"));
    agent.stop();
    assert_eq!(truth::settle_with_loss(api, lines, PATIENCE), Ok(evicted));
    eprintln!("{} of {lines} lines counted once, {evicted} counted as evicted", lines - evicted);
}

fn config(place: &Place, forwarder: &Forwarder, sources: &[String], spool: &str) -> String {
    let (url, state) = (forwarder.url(), place.path().join("state"));
    let head = format!(
        "name = \"web-1\"\ncollector = \"{url}\"\nstate = \"{}\"\nship_every = \"100ms\"\n{spool}",
        state.display()
    );
    let formats = ["log_format = \"vcombined\"\n", "", "", ""];
    let source =
        |(path, format): (&String, &str)| format!("[[source]]\npath = \"{path}\"\nfrom_start = true\n{format}");
    head + &sources.iter().zip(formats).map(source).collect::<String>()
}

/// Writes and rotates the logs until it is stopped.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Truth, u32)>,
}

impl Writer {
    fn start(mut logs: [Log; 4], rotate_every: Duration, mut random: Random) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = thread::spawn(move || {
            let rotates_in = (rotate_every.as_millis() / BEAT.as_millis()).max(2) as u64;
            while !stopping.load(Ordering::Relaxed) {
                for log in &mut logs {
                    beat(log, rotates_in, &mut random);
                }
                thread::sleep(BEAT);
            }
            let generations = logs.iter().map(|l| l.generations).sum();
            let mut truth = Truth::default();
            for log in logs {
                truth.merge(&log.finish());
            }
            (truth, generations)
        });
        Self { stop, thread }
    }

    /// What was written, in how many generations.
    fn stop(self) -> (Truth, u32) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn beat(log: &mut Log, rotates_in: u64, random: &mut Random) {
    match random.between(0, 200) {
        // A quiet moment, and a burst.
        0..20 => {}
        20 => log.write(random.between(500, 1_500), random),
        _ => log.write(random.between(1, 2 * LINES), random),
    }
    if random.between(0, rotates_in) == 0 {
        log.rotate(random);
        // Somebody rotates twice in a row.
        if random.chance(10) {
            log.write(random.between(1, 4), random);
            log.rotate(random);
        }
    }
}
