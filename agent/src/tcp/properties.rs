//! Laws that hold for all segments: what is captured arrives, once, in order, with its time; garbage harms nobody.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::Timestamp;
use proptest::prelude::*;

use super::{
    Limits, Tracker, Way,
    toy::{Notes, Toy, segment, server},
};

/// A segment of a conversation: `[start, end)` of a stream, or its end.
#[derive(Debug, Clone)]
struct Cut {
    way: Way,
    start: u32,
    end: u32,
    fin: bool,
    /// How much of the other stream (its FIN counts as one) had arrived.
    acknowledged: u32,
    is_lost: bool,
}

/// A conversation, as it is captured.
#[derive(Debug, Clone)]
struct Talk {
    /// In the order of the capture.
    cuts: Vec<Cut>,
    /// Sequence numbers of the first bytes.
    first: [u32; 2],
    /// Lengths of the streams.
    len: [u32; 2],
}

const BASE: Timestamp = Timestamp::from_secs(1_000);

fn text(way: Way, start: u32, end: u32) -> Vec<u8> {
    (start..end).map(|i| b'a' + ((i * 7 + i / 26 + way as u32) % 26) as u8).collect()
}

/// Turns of both sides in small segments; with `repeats`, some again with other bounds; captured out of order by up to
/// `disorder` places; each lost with a probability of `loss` percent.
fn talks(repeats: bool, loss: u32) -> impl Strategy<Value = Talk> {
    let cut = (any::<bool>(), 2..40_u32, any::<u32>(), any::<u32>(), 0..100_u32);
    (prop::collection::vec(cut, 1..120), 1..32_u64, any::<[u32; 2]>()).prop_map(move |(steps, disorder, first)| {
        let (mut len, mut cuts) = ([0; 2], Vec::new());
        for (i, (is_back, n, a, b, luck)) in steps.iter().enumerate() {
            let way = if *is_back { Way::Back } else { Way::Forth };
            let (here, there) = (way as usize, way.other() as usize);
            let (start, end) = (len[here], len[here] + n);
            len[here] = end;
            let cut = Cut { way, start, end, fin: false, acknowledged: len[there], is_lost: *luck < loss };
            cuts.push((i as u64 + u64::from(*b) % disorder, cut.clone()));
            if repeats && a % 3 == 0 {
                let start = a % end;
                let end = (start + 1 + b % 60).min(end);
                cuts.push(((i as u64 + 1) + u64::from(*a) % disorder, Cut { start, end, ..cut }));
            }
        }
        let last = steps.len() as u64;
        for (way, acknowledged) in [(Way::Forth, len[1]), (Way::Back, len[0] + 1)] {
            let end = len[way as usize];
            cuts.push((last, Cut { way, start: end, end, fin: true, acknowledged, is_lost: false }));
        }
        cuts.sort_by_key(|(place, _)| *place);
        Talk { cuts: cuts.into_iter().map(|(_, cut)| cut).collect(), first, len }
    })
}

/// Captures a conversation; what the application was told.
fn capture(talk: &Talk, seed: u64) -> Notes {
    let (mut notes, mut tracker) = (Notes::default(), Tracker::<Toy>::new(Limits { seed, ..Limits::default() }));
    for way in [Way::Forth, Way::Back] {
        let mut s = segment(way, 4_000, BASE, talk.first[way as usize].wrapping_sub(1), b"");
        s.syn = true;
        s.acknowledgement = (way == Way::Back).then_some(talk.first[0]);
        tracker.push(&s, &mut notes);
    }
    for (i, cut) in talk.cuts.iter().enumerate().filter(|(_, c)| !c.is_lost) {
        let bytes = text(cut.way, cut.start, cut.end);
        let at = BASE + Duration::from_micros(i as u64);
        let mut s = segment(cut.way, 4_000, at, talk.first[cut.way as usize].wrapping_add(cut.start), &bytes);
        s.acknowledgement = Some(talk.first[cut.way.other() as usize].wrapping_add(cut.acknowledged));
        s.fin = cut.fin;
        tracker.push(&s, &mut notes);
    }
    tracker.finish(&mut notes);
    assert_eq!((tracker.connections(), tracker.buffered_bytes()), (0, 0));
    notes
}

/// When each captured byte was captured first.
fn sightings(talk: &Talk, way: Way) -> BTreeMap<i64, Timestamp> {
    let mut first = BTreeMap::new();
    for (i, cut) in talk.cuts.iter().enumerate().filter(|(_, c)| c.way == way && !c.is_lost) {
        for offset in cut.start..cut.end {
            first.entry(i64::from(offset)).or_insert(BASE + Duration::from_micros(i as u64));
        }
    }
    first
}

/// Checks every byte and its time; how many bytes were in gaps.
fn lost(talk: &Talk, notes: &Notes, way: Way) -> Result<u64, TestCaseError> {
    let (mut sightings, mut lost, mut next) = (sightings(talk, way), 0, 0);
    for run in notes.runs.iter().filter(|r| r.way == way) {
        prop_assert_eq!(run.start, next);
        match &run.bytes {
            Ok(bytes) => {
                next += bytes.len() as i64;
                prop_assert_eq!(bytes, &text(way, run.start as u32, next as u32));
                for offset in run.start..next {
                    prop_assert_eq!(sightings.remove(&offset), Some(run.at));
                }
            }
            Err(len) => {
                next += *len as i64;
                lost += len;
            }
        }
    }
    prop_assert_eq!(next, i64::from(talk.len[way as usize]));
    prop_assert!(sightings.is_empty(), "captured but not told: {:?}", sightings);
    Ok(lost)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_copies_and_overlaps_change_nothing(talk in talks(true, 0)) {
        let notes = capture(&talk, 0);
        for way in [Way::Forth, Way::Back] {
            prop_assert_eq!(lost(&talk, &notes, way)?, 0);
        }
        prop_assert_eq!(notes.lines.last().map(String::as_str), Some("close Ended"));
        prop_assert!(notes.counts.is_empty());
    }

    #[test]
    fn gaps_are_what_the_capture_lost(talk in talks(false, 10)) {
        let notes = capture(&talk, 0);
        for way in [Way::Forth, Way::Back] {
            let missing: u32 = talk.cuts.iter().filter(|c| c.way == way && c.is_lost).map(|c| c.end - c.start).sum();
            prop_assert_eq!(lost(&talk, &notes, way)?, u64::from(missing));
        }
        prop_assert_eq!(&capture(&talk, 99).lines, &notes.lines);
    }

    #[test]
    fn garbage_stays_within_the_limits(segments in prop::collection::vec(garbage(), 1..400)) {
        let limits = Limits { connections: 5, flow_bytes: 3_000, bytes: 8_000, ..Limits::default() };
        let told = [1, 2].map(|seed| {
            let (mut notes, mut tracker) = (Notes::default(), Tracker::<Toy>::new(Limits { seed, ..limits }));
            for (i, g) in segments.iter().enumerate() {
                let payload = vec![g.letter; usize::from(g.kept)];
                let at = BASE + Duration::from_millis(i as u64 * u64::from(g.pace));
                let mut s = segment(if g.is_back { Way::Back } else { Way::Forth }, g.port, at, g.sequence, &payload);
                (s.syn, s.fin, s.rst, s.acknowledgement) = (g.flags & 7 == 1, g.flags & 31 == 8, g.flags == 16, g.acknowledgement);
                s.payload_len += u32::from(g.cut);
                if g.flags == 32 {
                    // an end that speaks to itself
                    (s.source, s.destination) = (server(), server());
                }
                tracker.push(&s, &mut notes);
                if g.flags & 15 == 15 {
                    tracker.tick(at, &mut notes);
                }
                assert!(tracker.connections() <= 5 && tracker.buffered_bytes() <= 8_000, "{i}");
            }
            tracker.finish(&mut notes);
            assert_eq!((tracker.connections(), tracker.buffered_bytes()), (0, 0));
            notes.lines
        });
        prop_assert_eq!(&told[0], &told[1]);
    }
}

/// What may be in a segment that makes no sense.
#[derive(Debug, Clone)]
struct Garbage {
    is_back: bool,
    port: u16,
    sequence: u32,
    acknowledgement: Option<u32>,
    flags: u8,
    letter: u8,
    kept: u16,
    cut: u16,
    pace: u8,
}

fn garbage() -> impl Strategy<Value = Garbage> {
    let number =
        || prop_oneof![4 => 100..900_u32, 1 => any::<u32>(), 1 => prop::sample::select(vec![0, u32::MAX, 1 << 31])];
    let acknowledgement = prop::option::of(number());
    let len = || prop_oneof![2 => Just(0_u16), 4 => 0..200_u16, 1 => 0..2_000_u16];
    let letter = prop::sample::select(b"aaWSD".to_vec());
    (any::<bool>(), 1..8_u16, number(), acknowledgement, 0..64_u8, letter, len(), len(), any::<u8>()).prop_map(
        |(is_back, port, sequence, acknowledgement, flags, letter, kept, cut, pace)| Garbage {
            is_back,
            port,
            sequence,
            acknowledgement,
            flags,
            letter,
            kept,
            cut,
            pace,
        },
    )
}
