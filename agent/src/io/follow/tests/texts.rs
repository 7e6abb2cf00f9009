//! Formats that are detected, remembered over restarts, and changed; wrapped lines.

use super::*;
use crate::window::Windows;

const COMBINED: &str = "192.0.2.1 - - [20/Nov/2026:10:00:00 +0000] \"GET /a HTTP/1.1\" 200 12 \"-\" \"-\" 0.015\n";

/// Reads one log without a configured format; transactions and malformed lines of each turn.
struct Reader {
    rig: Rig,
    durations: u64,
}

impl Reader {
    fn new(from_start: bool) -> Self {
        let mut rig = Rig::starting(&["a.log"], from_start);
        rig.sources[0].format = None;
        Self { rig, durations: 0 }
    }

    fn read(&mut self) -> (u64, u64) {
        let mut follow = self.rig.follow.take().unwrap_or_else(|| {
            let mut follow = Follow::start(&self.rig.sources, self.rig.cursors.clone(), Arc::new(|| {}));
            (follow.look_every, follow.linger) = (Duration::ZERO, Duration::ZERO);
            follow
        });
        let wanted = Wanted { range: TimeRange::ALL, keep_rejected: false };
        let (mut enricher, mut batch) = (enricher(), Batch::default());
        let mut windows = Windows::new(Duration::from_secs(10), String::new());
        let (mut rows, mut bad) = (0, 0);
        let mut each = |batch: &Batch| {
            rows += batch.len() as u64;
            bad += batch.coverage.reasons.get(&Reason::LineMalformed).copied().unwrap_or(0);
            windows.add(batch);
        };
        while follow.read(wanted, &mut enricher, &mut batch, &mut each) {}
        let timed =
            windows.drain().windows.iter().flat_map(|w| w.cells.clone()).map(|c| c.stats.duration.count()).sum::<u64>();
        self.durations += timed;
        self.rig.cursors = follow.cursors();
        self.rig.follow = Some(follow);
        (rows, bad)
    }
}

#[test]
fn a_restart_in_the_middle_knows_the_format() {
    let mut reader = Reader::new(true);
    reader.rig.write("a.log", COMBINED.repeat(100));
    assert_eq!(reader.read(), (100, 0));
    assert!(reader.rig.cursors[0].sample.len() <= 1_024, "the least that tells it");
    reader.rig.stop();
    // Alone, these lines would tell nothing of a duration.
    reader.rig.write("a.log", COMBINED.replace(" 0.015", " -"));
    reader.rig.write("a.log", COMBINED);
    assert_eq!(reader.read(), (2, 0));
    assert_eq!(reader.durations, 101);
}

#[test]
fn the_beginning_of_a_file_tells_the_format_of_its_end() {
    let mut reader = Reader::new(false);
    reader.rig.write("a.log", COMBINED.repeat(3));
    assert_eq!(reader.read(), (0, 0));
    reader.rig.write("a.log", COMBINED.replace(" 0.015", " -"));
    reader.rig.write("a.log", COMBINED);
    assert_eq!(reader.read(), (2, 0));
    assert_eq!(reader.durations, 1);
}

#[test]
fn directives_hold_over_restarts() {
    let mut reader = Reader::new(true);
    reader.rig.write("a.log", "#Fields: date time cs-method cs-uri-stem sc-status\n2026-11-20 10:00:00 GET /a 200\n");
    assert_eq!(reader.read(), (1, 0));
    reader.rig.write("a.log", "#Fields: date time sc-status cs-method cs-uri-stem\n2026-11-20 10:00:01 404 GET /b\n");
    assert_eq!(reader.read(), (1, 0));
    reader.rig.stop();
    reader.rig.write("a.log", "2026-11-20 10:00:02 500 GET /c\n");
    assert_eq!(reader.read(), (1, 0));
}

#[test]
fn a_writer_that_is_told_another_format_is_understood() {
    let mut reader = Reader::new(true);
    reader.rig.write("a.log", COMBINED.repeat(3));
    assert_eq!(reader.read(), (3, 0));
    let json = "{\"time\":\"2026-11-20T10:00:00Z\",\"method\":\"GET\",\"path\":\"/a\",\"status\":200}\n";
    reader.rig.write("a.log", json.repeat(3));
    assert_eq!(reader.read(), (3, 0));
    reader.rig.stop();
    reader.rig.write("a.log", json);
    assert_eq!(reader.read(), (1, 0));
}

#[test]
fn wrapped_lines_wait_for_their_last_part_over_restarts() {
    let mut reader = Reader::new(true);
    let docker = |log: &str| {
        format!("{}\n", serde_json::json!({"log": log, "stream": "stdout", "time": "2026-11-20T10:00:00Z"}))
    };
    let (first, second) = COMBINED.split_at(60);
    reader.rig.write("a.log", docker(COMBINED).repeat(5));
    reader.rig.write("a.log", docker(first));
    assert_eq!(reader.read(), (5, 0));
    reader.rig.stop();
    assert_eq!(reader.read(), (0, 0));
    reader.rig.write("a.log", docker(second));
    assert_eq!(reader.read(), (1, 0));
    reader.rig.write("a.log", docker(first));
    assert_eq!(reader.read(), (0, 0));
    reader.rig.rename("a.log", "a.log.1");
    reader.rig.write("a.log", docker(COMBINED));
    let (rows, bad) = reader.read();
    assert_eq!((rows, bad), (1, 0), "half a line is none, but it is no malformed one either");
}
