//! Disks that are full, and writes that were torn: a clear message, no panic, and exact totals in the end.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    daemons::{self, Api, Daemon, Place},
    forwarder::Forwarder,
    logs::{Log, Way},
    random::Random,
    truth,
};
use crate::daemons::PATIENCE;

#[test]
fn an_agent_goes_on_when_its_full_disk_has_room_again() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.dir("disk"), "1m") else { return };
    let mut test =
        Test::start(&place, &place.dir("disk").join("state"), &place.path().join("data"), &disk.starter(), &[]);
    test.write(300);
    test.settle();
    test.collector.kill();
    disk.fill();
    test.write(2_000);
    test.agent.wait_for("free space");
    test.write(2_000);
    // It must also start where there is no room.
    test.agent.kill();
    test.agent.start();
    test.write(500);
    thread::sleep(Duration::from_secs(1));
    test.agent.assert_runs();
    disk.free();
    test.collector.start();
    test.end();
}

#[test]
fn a_collector_goes_on_when_its_full_disk_has_room_again() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.dir("disk"), "160m") else { return };
    let mut test =
        Test::start(&place, &place.path().join("state"), &place.dir("disk").join("data"), &[], &disk.starter());
    test.write(300);
    test.settle();
    disk.fill();
    let deadline = Instant::now() + PATIENCE;
    // Whoever starts collectors starts another one when it gives up.
    while !test.collector.said().contains("space") {
        test.write(500);
        thread::sleep(Duration::from_millis(200));
        test.collector.start_again_if_ended();
        assert!(
            Instant::now() < deadline,
            "the collector does not say that its disk is full:\n{}",
            test.collector.said()
        );
    }
    test.write(500);
    disk.free();
    let deadline = Instant::now() + PATIENCE;
    while test.count() < test.log.whole_lines() && Instant::now() < deadline {
        test.collector.start_again_if_ended();
        thread::sleep(Duration::from_millis(100));
    }
    test.end();
}

#[test]
fn what_a_crash_tore_in_the_spool_is_written_again() {
    let place = Place::new();
    let mut test = Test::start(&place, &place.path().join("state"), &place.path().join("data"), &[], &[]);
    test.write(300);
    test.settle();
    test.collector.kill();
    for i in 0..10 {
        let lines = test.random.between(50, 500);
        test.write(lines);
        test.wait_for_reports(i + 1);
        test.agent.kill();
        tear_spool(&place.path().join("state"), &mut test.random);
        test.agent.start();
    }
    test.collector.start();
    test.end();
}

#[test]
fn what_a_crash_tore_in_the_journal_is_shipped_again() {
    let place = Place::new();
    let mut test = Test::start(&place, &place.path().join("state"), &place.path().join("data"), &[], &[]);
    test.write(300);
    test.settle();
    for _ in 0..10 {
        test.wait_for_acknowledgement();
        // Nothing is acknowledged from here on: whatever the journal gets may be lost with the power.
        test.way.lose_answers(100);
        test.way.cut(true);
        test.way.cut(false);
        let synced = journals(&place.path().join("data"));
        let before = test.count();
        test.write(200);
        let deadline = Instant::now() + PATIENCE;
        while test.count() == before {
            assert!(Instant::now() < deadline, "no report reaches the collector");
            thread::sleep(Duration::from_millis(20));
        }
        test.collector.kill();
        tear_journals(&synced, &mut test.random);
        // An answer that was given before the kill must not come through now.
        test.way.cut(true);
        test.way.cut(false);
        test.way.lose_answers(0);
        test.collector.start();
        test.settle();
    }
    test.end();
}

/// What a write that never ended leaves: a file under the name of unfinished ones, cut anywhere.
fn tear_spool(state: &Path, random: &mut Random) {
    let reports = daemons::reports(state);
    let report = reports.last().expect("a report waits");
    let whole = fs::read(report).unwrap();
    let cut = random.between(0, whole.len() as u64) as usize;
    let mut torn = whole[..cut].to_vec();
    if random.chance(50) {
        torn.resize(whole.len(), 0);
    }
    fs::write(report.with_file_name("unfinished.tmp"), torn).unwrap();
}

/// Cuts what was written since, or leaves zeros behind it, as file systems do where a length reached the disk before its
/// bytes.
fn tear_journals(synced: &[(PathBuf, u64)], random: &mut Random) {
    for (path, before) in synced {
        let len = fs::metadata(path).unwrap().len();
        let file = OpenOptions::new().write(true).open(path).unwrap();
        if len > *before {
            file.set_len(random.between(*before, len)).unwrap();
        }
        if random.chance(30) {
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            let torn = vec![0; random.between(1, 300) as usize];
            file.write_all(&torn).unwrap();
        }
    }
}

fn journals(data: &Path) -> Vec<(PathBuf, u64)> {
    let all = daemons::files(data).into_iter().filter(|p| p.extension().is_some_and(|e| e == "jnl"));
    let all: Vec<_> = all.map(|p| (p.clone(), fs::metadata(&p).unwrap().len())).collect();
    assert!(!all.is_empty(), "the store has no journal");
    all
}

/// An agent that follows one log, and a collector.
struct Test {
    agent: Daemon,
    collector: Daemon,
    api: Api,
    way: Forwarder,
    log: Log,
    state: PathBuf,
    random: Random,
    seed: u64,
}

impl Test {
    fn start(place: &Place, state: &Path, data: &Path, agents: &[String], collectors: &[String]) -> Self {
        let seed = Random::seed();
        eprintln!("PITOT_SEED={seed}");
        let mut random = Random::new(seed);
        let (mut collector, api) = Daemon::collector_in(&place.dir("collector"), data, collectors);
        let way = Forwarder::start(api.target.clone(), random.fork());
        let log = Log::create(&place.dir("logs"), Way::Numbered);
        let config = format!(
            "name = \"web-1\"\ncollector = \"{}\"\nstate = \"{}\"\nship_every = \"100ms\"\n[[source]]\npath = \"{}\"\n\
             from_start = true\n",
            way.url(),
            state.display(),
            log.path.display()
        );
        let mut agent = Daemon::agent_in(&place.dir("agent"), &config, agents);
        collector.start();
        agent.start();
        Self { agent, collector, api, way, log, state: state.to_owned(), random, seed }
    }

    fn write(&mut self, lines: u64) {
        self.log.write(lines, &mut self.random);
    }

    fn count(&self) -> u64 {
        self.api.try_table("none", "").map_or(0, |t| t["totals"]["count"].as_u64().unwrap())
    }

    fn settle(&mut self) {
        let settled = truth::settle(&self.api, self.log.whole_lines(), PATIENCE);
        settled.unwrap_or_else(|why| panic!("PITOT_SEED={}: {why}", self.seed));
    }

    /// Waits until so many reports are in the spool.
    fn wait_for_reports(&mut self, least: usize) {
        let deadline = Instant::now() + PATIENCE;
        while daemons::reports(&self.state).len() < least {
            self.agent.assert_runs();
            assert!(Instant::now() < deadline, "the agent spools nothing");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until no report is on its way.
    fn wait_for_acknowledgement(&self) {
        self.agent.wait_for_acknowledgement(&self.state);
    }

    /// All lines are counted once, and nothing panicked.
    fn end(mut self) {
        self.settle();
        self.agent.stop();
        // It knows where it was, and goes on from there.
        self.write(100);
        let truth = self.log.finish();
        self.agent.start();
        truth::settle(&self.api, truth.lines, PATIENCE).unwrap_or_else(|why| panic!("PITOT_SEED={}: {why}", self.seed));
        self.agent.stop();
        let differences = truth.differences(&self.api);
        assert!(differences.is_empty(), "PITOT_SEED={}: {differences}", self.seed);
        truth::assert_full(&self.api, truth.lines);
        self.agent.assert_never_panicked();
        self.collector.assert_never_panicked();
    }
}

/// A file system of a few MiB, which only those see that are started in it.
struct SmallDisk {
    holder: Child,
    /// As we see it.
    path: PathBuf,
}

impl SmallDisk {
    /// `None`, said loudly, where this machine allows no mounts. CI has them.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let script =
            format!("mount -t tmpfs -o size={size} tmpfs '{}' && echo mounted && exec sleep 3600", at.display());
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).stdout(Stdio::piped());
        let mut holder = command.spawn().ok()?;
        let mut told = String::new();
        let _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut told);
        if told.trim() != "mounted" {
            let _ = holder.wait();
            assert!(std::env::var_os("CI").is_none(), "this machine allows no mounts; allow user namespaces");
            eprintln!("SKIPPED: this machine allows no mounts, so no disk can be filled; allow user namespaces");
            return None;
        }
        let path = PathBuf::from(format!("/proc/{}/root{}", holder.id(), at.display()));
        Some(Self { holder, path })
    }

    /// What starts a program there.
    fn starter(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        ["nsenter", "--user", "--preserve-credentials", "--mount", "--target", &pid, "--"].map(str::to_owned).to_vec()
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut file = fs::File::create(self.path.join("filling")).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path.join("filling")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
