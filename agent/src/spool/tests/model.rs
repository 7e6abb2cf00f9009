//! Random actions, crashes, torn writes and failing disks against a simple truth: every line of a log is counted by the
//! collector once, or told as lost once.
//!
//! The log is an endless row of numbered lines. The agent reads some, pushes them with the cursor behind them, and after a crash
//! goes on from the cursor that the spool gives. The collector takes what is new by incarnation and sequence.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{Reason, Report, Route, Timestamp, budget, wire};
use proptest::prelude::*;

use super::{
    Spool, now, report,
    sim::{Chance, Sim, Trouble},
};
use crate::{
    Cursor,
    spool::{Front, Limits, WhenFull, pack::pack_with},
};

/// Some five reports.
const LIMIT_BYTES: u64 = 2_500;
const MAX_AGE: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone, Copy)]
enum Action {
    /// Read so many lines and push them, or push what could not be pushed before.
    Push(u64),
    /// Ship the oldest report, if the collector can be reached.
    Ship(Answer),
    /// So much time passes.
    Wait(u64),
    /// The agent stops and starts.
    Restart,
    /// The machine stops within one of the next operations on the disk.
    Crash(u64),
    /// The disk fails now and then, or is full, for the next actions.
    Trouble(Trouble),
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    /// It takes the report.
    Takes,
    /// It takes the report, but the answer is lost.
    TakesSilently,
    /// It refuses the report for good.
    Refuses,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..5u64).prop_map(Action::Push),
        3 => Just(Action::Ship(Answer::Takes)),
        1 => Just(Action::Ship(Answer::TakesSilently)),
        1 => Just(Action::Ship(Answer::Refuses)),
        1 => (0..2_000u64).prop_map(Action::Wait),
        1 => Just(Action::Restart),
        2 => (1..16u64).prop_map(Action::Crash),
        1 => Just(Action::Trouble(Trouble::None)),
        1 => (2..6u64).prop_map(|n| Action::Trouble(Trouble::OneIn(n))),
        1 => Just(Action::Trouble(Trouble::Full)),
    ]
}

/// What the collector holds.
#[derive(Debug, Default)]
struct Collector {
    /// Last sequence by incarnation.
    sequences: BTreeMap<u64, u64>,
    /// Bytes of everything that was ever shipped, taken or not.
    shipped: BTreeMap<(u64, u64), Vec<u8>>,
    /// Lines, each of which comes once.
    lines: Vec<u64>,
    /// Lines that reports tell as lost, by reason.
    lost: BTreeMap<Reason, u64>,
    /// Lines that reports tell as read.
    lines_read: u64,
}

impl Collector {
    fn receive(&mut self, front: &Front, takes: bool) {
        let id = (front.incarnation, front.sequence);
        let before = self.shipped.entry(id).or_insert_with(|| front.bytes.to_vec());
        assert_eq!(*before, front.bytes, "sequence {id:?} was shipped with other content");
        let last = self.sequences.entry(front.incarnation).or_default();
        if !takes || front.sequence <= *last {
            return;
        }
        *last = front.sequence;
        let plain = zstd::bulk::decompress(&front.bytes, budget::REPORT_PLAIN_BYTES / 64).expect("is zstd");
        let report = wire::decode_report(&plain).expect("is a report");
        assert_eq!((report.agent.incarnation, report.sequence), id);
        assert_eq!((report.count(), front.transactions), (report.coverage.transactions, report.count()));
        self.lines.extend(report.windows.iter().flat_map(lines));
        self.lines_read += report.coverage.lines_read;
        for (&reason, &n) in &report.coverage.reasons {
            *self.lost.entry(reason).or_default() += n;
        }
    }
}

/// Lines that a window holds, which the template of its route says: `/from/to`.
fn lines(window: &pitot_model::Window) -> Vec<u64> {
    let template = &window.routes[0].template;
    let mut ends = template.split('/').skip(1).map(|n| n.parse::<u64>().expect("is a number"));
    let (from, to) = (ends.next().expect("has a start"), ends.next().expect("has an end"));
    (from..to).collect()
}

/// Sometimes another one, sometimes none, and the same again later.
fn sample(offset: u64) -> String {
    ["", "combined", "json"][offset as usize / 7 % 3].to_owned()
}

struct World {
    sim: Sim,
    chance: Chance,
    spool: Option<Spool>,
    when_full: WhenFull,
    /// First line that was not read yet, by the agent that runs.
    next_line: u64,
    /// What could not be pushed, and the cursors it came with.
    waiting: Option<(Report, Cursor)>,
    /// The cursor of the last push that worked.
    kept: u64,
    now: Timestamp,
    starts: u64,
    /// Reports refused, in all.
    collector: Collector,
}

impl World {
    fn new(seed: u64, when_full: WhenFull) -> Self {
        let sim = Sim::new(seed);
        let mut world = Self {
            sim,
            chance: Chance(!seed),
            spool: None,
            when_full,
            next_line: 0,
            waiting: None,
            kept: 0,
            now: now(),
            starts: 0,
            collector: Collector::default(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.starts += 1;
        let limits = Limits { bytes: LIMIT_BYTES, age: MAX_AGE, when_full: self.when_full, reports: None };
        let (spool, cursors) =
            Spool::open_on(Box::new(self.sim.clone()), limits, "a", self.starts).expect("a whole disk opens");
        let offset = cursors.first().map_or(0, |c| c.offset);
        assert!(offset >= self.kept, "a report that was kept is gone: {offset} of {}", self.kept);
        assert!(offset <= self.next_line, "cursors from nowhere");
        assert!(cursors.iter().all(|c| c.sample == sample(c.offset)), "a sample is lost");
        (self.kept, self.next_line, self.waiting, self.spool) = (offset, offset, None, Some(spool));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Push(n) => self.push(n),
            Action::Ship(answer) => self.ship(answer),
            Action::Wait(s) => self.now = self.now + Duration::from_secs(s),
            Action::Restart => {
                self.sim.set(Trouble::None);
                self.spool = None;
                self.start();
            }
            Action::Crash(n) => self.sim.set(Trouble::CrashAfter(n)),
            Action::Trouble(trouble) => self.sim.set(trouble),
        }
        if self.sim.has_crashed() {
            self.spool = None;
            self.sim.crash();
            self.start_or_crash_again();
        }
    }

    /// A machine that crashed may crash while it starts.
    fn start_or_crash_again(&mut self) {
        while self.chance.one_in(2) {
            self.sim.set(Trouble::CrashAfter(1 + self.chance.below(20)));
            let limits = Limits { bytes: LIMIT_BYTES, age: MAX_AGE, when_full: self.when_full, reports: None };
            drop(Spool::open_on(Box::new(self.sim.clone()), limits, "a", self.starts));
            self.sim.crash();
        }
        self.start();
    }

    fn push(&mut self, n: u64) {
        let Some(spool) = &mut self.spool else { return };
        if spool.is_full() {
            return;
        }
        let (mut report, cursor) = self.waiting.take().unwrap_or_else(|| {
            let from = self.next_line;
            self.next_line += n;
            let mut report = report(n);
            report.made = self.now;
            report.windows = (0..1 + self.chance.below(3)).map(|_| report.windows[0].clone()).collect();
            let mut at = from;
            for i in 0..report.windows.len() {
                let rest = self.next_line - at;
                let n = if i + 1 == report.windows.len() { rest } else { self.chance.below(rest + 1) };
                let window = &mut report.windows[i];
                window.cells[0].stats.count = n;
                window.routes[0] = Route::new("GET", format!("/{at}/{}", at + n));
                at += n;
            }
            let offset = self.next_line;
            (report, Cursor { offset, sample: sample(offset), ..Cursor::default() })
        });
        let in_pieces = self.chance.one_in(3);
        let packing = |r: &Report| {
            pack_with(r, &|r| {
                if in_pieces && r.windows.len() > 1 {
                    Err("too large".to_owned())
                } else {
                    pitot_client::pack(r).map_err(|e| e.to_string())
                }
            })
        };
        let own = report.coverage.clone();
        match spool.push_by(&mut report, std::slice::from_ref(&cursor), self.now, &packing) {
            Ok(()) => {
                self.kept = cursor.offset;
                let backlog = spool.backlog();
                assert!(backlog.spool_bytes <= LIMIT_BYTES + 1_500, "{} bytes", backlog.spool_bytes);
            }
            Err(_) => {
                assert_eq!(report.coverage, own, "an error changes nothing");
                self.waiting = Some((report, cursor));
            }
        }
    }

    fn ship(&mut self, answer: Answer) {
        let Some(spool) = &mut self.spool else { return };
        let Ok(Some(front)) = spool.front() else { return };
        self.collector.receive(&front, !matches!(answer, Answer::Refuses));
        let is_stored = self.collector.sequences[&front.incarnation] >= front.sequence;
        // Errors may pass: what was acknowledged is offered again at most, and known then.
        let _ = match answer {
            Answer::TakesSilently => Ok(()),
            _ if is_stored => spool.acknowledge(front.number),
            _ => spool.refuse(front.number),
        };
    }

    /// The disk is well and the collector takes everything: what is still on the way arrives.
    fn settle(&mut self) {
        self.act(Action::Trouble(Trouble::None));
        self.act(Action::Restart);
        for _ in 0..10_000 {
            let spool = self.spool.as_mut().expect("runs");
            if spool.has_carry() && !spool.is_full() {
                self.push(0);
            }
            let spool = self.spool.as_mut().expect("runs");
            if spool.front().expect("the disk is well").is_none() && !spool.has_carry() {
                return;
            }
            self.ship(Answer::Takes);
        }
        panic!("the spool never gets empty");
    }

    fn check(&self) {
        let mut lines = self.collector.lines.clone();
        lines.sort_unstable();
        let counted = lines.len() as u64;
        lines.dedup();
        assert_eq!(lines.len() as u64, counted, "lines that were counted twice");
        let lost: u64 = self.collector.lost.values().sum();
        assert_eq!(counted + lost, self.kept, "counted {counted}, told as lost {:?}", self.collector.lost);
        assert_eq!(self.collector.lines_read, self.kept, "lines that reports tell as read");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 1_000 } else { 20_000 }))]

    #[test]
    fn every_line_is_counted_once_or_told_as_lost_once(
        actions in proptest::collection::vec(action(), 1..80),
        seed in any::<u64>(),
        drops in any::<bool>(),
    ) {
        let when_full = if drops { WhenFull::DropOldest } else { WhenFull::Block };
        let mut world = World::new(seed, when_full);
        for action in actions {
            world.act(action);
        }
        world.settle();
        world.check();
        if when_full == WhenFull::Block {
            prop_assert_eq!(world.collector.lost.get(&Reason::SpoolEvicted), None, "nothing is dropped");
        }
    }
}
