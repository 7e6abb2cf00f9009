//! The demo in made-up time: the same calls and answers, windows of one second, the real detectors. It tells in a moment
//! whether a play can succeed, for many seeds.

use std::time::Duration;

use pitot_collector::detect::{DetectConfig, Detector};
use pitot_model::{Consumer, Evidence, Resource, Route, Sketch, Stats, Status, Timestamp, Window};

use super::{
    Incident, Made, Sightings, Truth, consumers::CONSUMERS, incidents::Timeline, judge, random::Random,
    summary::Verdict,
};

const SECOND: Duration = Duration::from_secs(1);
const STARTED: Timestamp = Timestamp::from_secs(1_768_176_000);

#[test]
fn every_incident_is_noticed_in_time_and_nothing_else() {
    for seed in 1..=8 {
        for length_s in [60, 120] {
            let verdict = rehearse(seed, Duration::from_secs(length_s));
            assert!(verdict.is_complete(), "seed {seed}, {length_s} s\n{verdict}");
            assert!(verdict.others.is_empty(), "seed {seed}, {length_s} s\n{verdict}");
            for finding in &verdict.findings {
                let after = finding.noticed.as_ref().map(|(after, _)| *after);
                assert!(after <= Some(Duration::from_secs(6)), "seed {seed}, {length_s} s\n{verdict}");
            }
        }
    }
}

fn rehearse(seed: u64, length: Duration) -> Verdict {
    let timeline = Timeline::new(Some(length)).unwrap();
    let mut windows = calls(seed, length, &timeline);
    windows.sort_by_key(|w| w.start);
    let mut windows = windows.into_iter().peekable();
    let (mut detector, mut sightings) = (Detector::new(DetectConfig::default()), Sightings::default());
    let ended = STARTED + length;
    let mut now = STARTED;
    while now < ended {
        now = now + SECOND;
        while let Some(window) = windows.next_if(|w| w.start + SECOND <= now) {
            detector.push(&window);
        }
        detector.tick(now, now);
        while let Some(anomaly) = detector.poll() {
            sightings.note(now, anomaly);
        }
    }
    let incidents = timeline.finished(length);
    let incidents = incidents.map(|(kind, start, end)| Incident { kind, start: STARTED + start, end: STARTED + end });
    judge(&Truth { started: STARTED, ended, incidents: incidents.collect(), made: Made::default() }, &sightings)
}

/// A window of its own for each call; windows add up.
fn calls(seed: u64, length: Duration, timeline: &Timeline) -> Vec<Window> {
    let mut windows = Vec::new();
    for (stream, consumer) in (1..).zip(CONSUMERS) {
        let mut random = Random::of(seed, stream);
        let mut at = Duration::ZERO;
        loop {
            at += Duration::from_secs_f64(random.exponential(1.0 / consumer.peak_per_s()));
            if at >= length {
                break;
            }
            let incident = timeline.active(at);
            let Some(endpoint) = consumer.next_call(&mut random, incident) else { continue };
            let answer = endpoint.answer(seed, &random.uuid(), incident);
            let resource =
                Resource { service: endpoint.service.into(), version: answer.version.into(), instance: String::new() };
            let mut duration = Sketch::default();
            duration.record(answer.latency.as_micros() as u64);
            let stats = Stats { count: 1, response_bytes: answer.bytes, duration, ..Stats::default() };
            let end = (STARTED + at + answer.latency).floor(SECOND);
            let route = Route::new(endpoint.method, endpoint.template);
            let caller = Consumer::new(consumer.name, Evidence::Name);
            windows.push(single(Window::new(end, SECOND, resource), route, caller, Status::code(answer.status), stats));
        }
    }
    windows
}

fn single(mut window: Window, route: Route, consumer: Consumer, status: Status, stats: Stats) -> Window {
    window.routes.push(route);
    window.consumers.push(consumer);
    window.cells.push(pitot_model::Cell { route: 0, consumer: 0, status, stats });
    window
}
