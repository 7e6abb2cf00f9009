//! What detection promises, on made-up traffic: incidents are found soon, named rightly and resolved soon, and nothing is
//! told when nothing happens.

use std::time::Duration;

use pitot_model::{
    Timestamp,
    api::{Anomaly, AnomalyKind, Severity, State, Subject},
};

use super::{
    DetectConfig, Detector,
    traffic::{CONSUMERS, Incident, ROUTES, SERVICE, Shop, VERSIONS},
};

const WIDTHS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// Plays an incident of some windows after a calm start; answers all documents in the order they came.
fn play(shop: &mut Shop, detector: &mut Detector, phases: &[(usize, Incident)]) -> Vec<Anomaly> {
    let mut out = Vec::new();
    for &(windows, incident) in phases {
        for _ in 0..windows {
            shop.windows(incident).iter().for_each(|w| detector.push(w));
            detector.tick(shop.at(), shop.at());
            out.extend(std::iter::from_fn(|| detector.poll()));
        }
    }
    out
}

fn told(documents: &[Anomaly]) -> Vec<&Anomaly> {
    documents.iter().filter(|a| a.severity > Severity::Info).collect()
}

/// Windows from one moment to another.
fn windows(from: Timestamp, to: Timestamp, width: Duration) -> f64 {
    (to.as_micros() - from.as_micros()) as f64 / width.as_micros() as f64
}

#[test]
fn incidents_are_found_named_and_resolved() {
    let subject = Subject { service: Some(SERVICE.into()), ..Subject::default() };
    let on =
        |r: usize| Subject { method: Some(ROUTES[r].0.into()), route: Some(ROUTES[r].1.into()), ..subject.clone() };
    let of = |c: usize, r: usize| Subject {
        consumer: Some(CONSUMERS[c].into()),
        evidence: Some(pitot_model::Evidence::Key),
        ..on(r)
    };
    let version = Subject { version: Some(VERSIONS[1].into()), ..subject.clone() };
    for (incident, kind, subject, within) in [
        (Incident::Slow(2, 6.0), AnomalyKind::Latency, on(2), 5.0),
        (Incident::Slow(5, 6.0), AnomalyKind::Latency, on(5), 5.0),
        // Three requests per second: thin traffic takes longer to prove anything.
        (Incident::Slow(9, 6.0), AnomalyKind::Latency, on(9), 9.0),
        (Incident::Errors(0.4), AnomalyKind::Errors, version.clone(), 5.0),
        (Incident::Flood(6, 60.0), AnomalyKind::Rate, of(6, 11), 5.0),
        (Incident::Flood(1, 60.0), AnomalyKind::Rate, of(1, 11), 5.0),
        (Incident::Silence, AnomalyKind::Rate, subject.clone(), 5.0),
    ] {
        for width in WIDTHS {
            for seed in 1..=3 {
                let name = format!("{incident:?}, windows of {width:?}, seed {seed}");
                let (mut shop, mut detector) = (Shop::new(seed, width), Detector::new(DetectConfig::default()));
                assert_eq!(told(&play(&mut shop, &mut detector, &[(40, Incident::Nothing)])), Vec::<&Anomaly>::new());
                let start = shop.at();
                let during = play(&mut shop, &mut detector, &[(15, incident)]);
                let end = shop.at();
                let after = play(&mut shop, &mut detector, &[(40, Incident::Nothing)]);
                let all: Vec<Anomaly> = during.into_iter().chain(after).collect();
                check(&name, &all, kind, &subject, (start, end, width, within));
            }
        }
    }
}

fn check(
    name: &str,
    all: &[Anomaly],
    kind: AnomalyKind,
    subject: &Subject,
    time: (Timestamp, Timestamp, Duration, f64),
) {
    let (start, end, width, within) = time;
    let mut ids: Vec<&str> = told(all).iter().map(|a| a.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let titles: Vec<_> = told(all).iter().map(|a| a.title.clone()).collect();
    assert_eq!(ids.len(), 1, "{name}: one incident is one anomaly, not {titles:#?}");
    let (first, last) = (told(all)[0], told(all)[told(all).len() - 1]);
    assert_eq!((first.kind, &first.subject), (kind, subject), "{name}: {}", first.title);
    assert!(windows(start, first.updated, width) <= within, "{name}: found at {}", first.updated);
    assert!((-1.0..=within - 3.0).contains(&windows(start, first.start, width)), "{name}: start {}", first.start);
    assert_eq!(last.state, State::Resolved, "{name}");
    assert!(windows(end, last.updated, width) <= 10.0, "{name}: resolved at {}", last.updated);
    let told_end = last.end.expect("resolved");
    assert!((-2.0..=1.0).contains(&windows(end, told_end, width)), "{name}: end {told_end}, not {end}");
    assert!(first.affected > 0 && last.affected >= first.affected, "{name}: affected {}", last.affected);
    assert!(last.explanation.as_ref().is_some_and(|e| e.carriers.iter().all(|c| (0.0..=1.0).contains(&c.share))));
}

/// Warnings that nothing caused, over many windows.
fn false_alarms(swing: Option<(f64, f64)>, width: Duration, seeds: u64, n: usize) -> Vec<String> {
    (1..=seeds)
        .flat_map(|seed| {
            let mut shop = Shop::new(seed, width);
            shop.swing = swing;
            let mut detector = Detector::new(DetectConfig::default());
            let all = play(&mut shop, &mut detector, &[(n, Incident::Nothing)]);
            told(&all).into_iter().map(|a| format!("seed {seed}: {} {}", a.start, a.title)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn nothing_is_told_when_nothing_happens() {
    assert_eq!(false_alarms(None, WIDTHS[0], 5, 2000), Vec::<String>::new());
    assert_eq!(false_alarms(None, WIDTHS[1], 5, 200), Vec::<String>::new());
}

#[test]
fn the_swing_of_a_day_is_not_told() {
    // An hour stands for a day: 24 times as steep.
    assert_eq!(false_alarms(Some((0.5, 3600.0)), WIDTHS[0], 2, 3600), Vec::<String>::new());
    assert_eq!(false_alarms(Some((0.5, 360.0)), WIDTHS[1], 2, 800), Vec::<String>::new());
}
