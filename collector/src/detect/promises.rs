//! What detection promises beside finding incidents: deltas add up, restarts and late data do no harm, memory is bounded.

use std::time::Duration;

use pitot_model::{
    Cell, Consumer, Evidence, Resource, Route, Stats, Status, Timestamp, Window,
    api::{Anomaly, AnomalyKind, Severity, State},
};

use super::{
    DetectConfig, Detector,
    traffic::{Incident, Shop},
};

const SECOND: Duration = Duration::from_secs(1);

fn drain(detector: &mut Detector) -> Vec<Anomaly> {
    std::iter::from_fn(|| detector.poll()).collect()
}

fn play(shop: &mut Shop, detector: &mut Detector, windows: usize, incident: Incident) -> Vec<Anomaly> {
    let mut out = Vec::new();
    for _ in 0..windows {
        shop.windows(incident).iter().for_each(|w| detector.push(w));
        detector.tick(shop.at(), shop.at());
        out.extend(drain(detector));
    }
    out
}

/// A window with some requests of each of these consumers.
fn calls(at: Timestamp, consumers: &[&str], each: u64) -> Window {
    let resource = Resource { service: "shop".into(), ..Resource::default() };
    let mut w = Window::new(at, SECOND, resource);
    w.routes = vec![Route::new("GET", "/a")];
    for (i, name) in consumers.iter().enumerate() {
        w.consumers.push(Consumer::new(*name, Evidence::Key));
        let stats = Stats { count: each, ..Stats::default() };
        w.cells.push(Cell { route: 0, consumer: i as u32, status: Status::code(200), stats });
    }
    w
}

#[test]
fn deltas_add_up_in_any_order() {
    let (mut whole, mut parts) = (Detector::default(), Detector::default());
    let (mut a, mut b) = (Shop::new(5, SECOND), Shop::new(5, SECOND));
    let mut told = [Vec::new(), Vec::new()];
    for i in 0..60 {
        let incident = if (40..55).contains(&i) { Incident::Errors(0.4) } else { Incident::Nothing };
        a.windows(incident).iter().for_each(|w| whole.push(w));
        for w in b.windows(incident).into_iter().rev() {
            for cell in w.cells.iter().rev() {
                parts.push(&Window { cells: vec![cell.clone()], ..w.clone() });
            }
        }
        whole.tick(a.at(), a.at());
        parts.tick(b.at(), b.at());
        told[0].extend(drain(&mut whole).into_iter().map(|a| (a.id, a.state, a.title, a.affected)));
        told[1].extend(drain(&mut parts).into_iter().map(|a| (a.id, a.state, a.title, a.affected)));
    }
    assert!(!told[0].is_empty());
    assert_eq!(told[0], told[1]);
}

#[test]
fn an_open_anomaly_goes_on_after_a_restart() {
    for incident in [Incident::Errors(0.4), Incident::Slow(2, 6.0), Incident::Flood(6, 60.0), Incident::Silence] {
        let (mut shop, mut before) = (Shop::new(3, SECOND), Detector::default());
        play(&mut shop, &mut before, 40, Incident::Nothing);
        let opened = play(&mut shop, &mut before, 10, incident);
        let last = opened.last().cloned().unwrap_or_else(|| panic!("{incident:?} was not found"));
        let mut after = Detector::default();
        after.restore(vec![last.clone()]);
        let mut docs = play(&mut shop, &mut after, 30, incident);
        let end = shop.at();
        docs.extend(play(&mut shop, &mut after, 30, Incident::Nothing));
        assert!(docs.iter().all(|a| a.id == last.id), "{incident:?}: {docs:#?}");
        let resolved = docs.last().unwrap_or_else(|| panic!("{incident:?} was forgotten"));
        assert_eq!(resolved.state, State::Resolved, "{incident:?}");
        let told_end = resolved.end.expect("resolved");
        assert!(end.since(told_end).max(told_end.since(end)) <= SECOND * 2, "{incident:?}: {told_end}, not {end}");
    }
}

#[test]
fn what_lasts_becomes_normal() {
    let config = DetectConfig { adopt_windows: 60, ..DetectConfig::default() };
    let (mut shop, mut detector) = (Shop::new(4, SECOND), Detector::new(config));
    play(&mut shop, &mut detector, 40, Incident::Nothing);
    let docs = play(&mut shop, &mut detector, 400, Incident::Slow(2, 6.0));
    let mut ids: Vec<_> = docs.iter().map(|a| &a.id).collect();
    ids.dedup();
    assert_eq!((ids.len(), docs.last().map(|a| a.state)), (1, Some(State::Resolved)));
}

#[test]
fn late_and_strange_windows_are_counted_and_harm_nothing() {
    let t = |s: i64| Timestamp::from_secs(1_768_176_000 + s);
    let mut d = Detector::default();
    d.push(&calls(t(0), &["acme"], 5));
    d.tick(t(10), t(10));
    d.push(&calls(t(3), &["acme"], 5));
    d.push(&Window { width: Duration::from_secs(7200), ..calls(t(20), &["acme"], 5) });
    let mut wrong = calls(t(11), &["acme"], 5);
    wrong.cells[0].route = 7;
    d.push(&wrong);
    // A watermark far ahead, and one that goes back.
    d.tick(t(0), Timestamp::MAX);
    d.tick(t(1), t(0));
    let stats = d.stats();
    assert_eq!((stats.late, stats.too_long, stats.ignored_cells), (1, 1, 1));
    assert!(stats.judged < 1000, "a gap is jumped over: {}", stats.judged);
    assert_eq!(drain(&mut d), vec![]);
}

/// A call every other window, in clusters or alone, and a pause: nothing that a person should hear of.
#[test]
fn what_is_hardly_ever_called_is_never_told_as_silent() {
    let t = |s: i64| Timestamp::from_secs(1_768_176_000 + s);
    for (one_in, pause) in [(2, 60), (2, 700), (5, 300), (20, 2_000)] {
        for seed in 1..5_u64 {
            let (mut d, mut state, mut told) = (Detector::default(), seed, Vec::new());
            for s in 0..600 + pause {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let is_pause = (400..400 + pause).contains(&s);
                if !is_pause && (state >> 33).is_multiple_of(one_in) {
                    d.push(&calls(t(s), &["acme"], 1));
                }
                d.tick(t(s + 1), t(s + 1));
                told.extend(drain(&mut d).into_iter().filter(|a| a.severity > Severity::Info).map(|a| a.title));
            }
            assert!(told.is_empty(), "one in {one_in}, seed {seed}: {told:?}");
        }
    }
}

#[test]
fn windows_wait_for_the_watermark() {
    let t = |s: i64| Timestamp::from_secs(1_768_176_000 + s);
    let mut d = Detector::new(DetectConfig { grace_ms: 2000, ..DetectConfig::default() });
    assert_eq!(d.deadline(), None);
    d.push(&calls(t(0), &["acme"], 5));
    assert_eq!(d.deadline(), Some(t(3)));
    for (watermark, judged) in [(0, 0), (2, 0), (3, 1), (6, 4)] {
        d.tick(t(watermark), t(watermark));
        assert_eq!(d.stats().judged, judged, "watermark {watermark}");
    }
}

#[test]
fn strangers_cannot_grow_it() {
    let config = DetectConfig { max_series: 100, max_cells: 50, ..DetectConfig::default() };
    let mut d = Detector::new(config);
    let names: Vec<String> = (0..200).map(|i| format!("c{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for i in 0..5 {
        d.push(&calls(Timestamp::from_secs(i), &names, 1));
        d.tick(Timestamp::from_secs(i + 1), Timestamp::from_secs(i + 1));
    }
    let stats = d.stats();
    assert_eq!(stats.ignored_cells, 5 * 150);
    assert!(stats.ignored_series > 0 || d.table.len() <= 100, "{stats:?}");
    assert!(d.table.len() <= 100, "{}", d.table.len());
}

#[test]
fn new_consumers_are_told_where_novelty_is_rare() {
    let t = |s: i64| Timestamp::from_secs(1_768_176_000 + s);
    let mut d = Detector::default();
    let mut seconds = 0;
    let mut run = |d: &mut Detector, consumers: &[&str], n: i64| {
        let mut out = Vec::new();
        for _ in 0..n {
            d.push(&calls(t(seconds), consumers, 1));
            seconds += 1;
            d.tick(t(seconds), t(seconds));
            out.extend(drain(d));
        }
        out
    };
    assert_eq!(run(&mut d, &["acme", "globex"], 20), vec![], "everybody is new at first");
    let told = run(&mut d, &["acme", "initech"], 20);
    let shown: Vec<_> = told.iter().map(|a| (a.kind, a.severity, a.state, a.title.as_str())).collect();
    let what = (AnomalyKind::NewConsumer, Severity::Info, State::Open, "new consumer initech of shop");
    assert_eq!(shown, [what, (what.0, what.1, State::Resolved, what.3)]);
    assert_eq!(told[0].id, told[1].id);
    let crowd: Vec<String> = (0..100).map(|i| format!("c{i}")).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    let told = run(&mut d, &crowd, 1);
    assert!(told.len() <= DetectConfig::default().new_consumers_per_hour as usize, "{}", told.len());
}
