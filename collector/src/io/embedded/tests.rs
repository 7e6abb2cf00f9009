//! The contract suite for the embedded engine, and what only an engine with a disk can get wrong.

use std::path::Path;

use super::*;
use crate::store::{
    StoreError,
    contract::{self, at, count, levels, put, range, report, sum},
};

fn open(path: &Path) -> Embedded {
    Embedded::open(path, levels()).expect("opens")
}

#[test]
fn the_embedded_engine_keeps_the_contract() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut n = 0;
    contract::all(&mut || {
        n += 1;
        Box::new(open(&dir.path().join(n.to_string())))
    });
}

#[test]
fn what_was_appended_survives_a_process_that_never_closes() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut want = 0;
    for round in 0..5_u64 {
        let mut store = open(dir.path());
        assert_eq!(count(&store, Cube::Full, 0, range(0, 7_200)), want, "round {round}");
        for i in 0..10 {
            let sequence = round * 10 + i + 1;
            assert_eq!(
                store.append(&report(sequence, &[(60 * i as i64, 3)]), at(0)).expect("appends"),
                Appended::Stored
            );
            want += 3;
            if i == 5 {
                store.roll_up().expect("rolls up");
            }
        }
        assert_eq!(store.append(&report(1, &[(0, 3)]), at(0)).expect("appends"), Appended::Duplicate);
        let levels: Vec<_> = (0..4).map(|level| sum(&store, Cube::Routes, level, range(0, 7_200))).collect();
        assert!(levels.windows(2).all(|pair| pair[0] == pair[1]), "round {round}");
    }
    let store = open(dir.path());
    assert_eq!(store.waiting(), 4, "what waits is remembered");
    assert_eq!(store.ledger().agents().agents[0].sequence, 50);
    for level in 0..4 {
        assert_eq!(count(&store, Cube::Consumers, level, range(0, 7_200)), want, "{level}");
    }
}

#[test]
fn random_actions_answer_as_the_engine_in_memory() {
    for seed in 1..=4_u64 {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut store, mut plain) = (open(dir.path()), crate::store::Memory::new(levels()));
        let mut state = seed;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (mut sequence, mut now) = (0, 40_000);
        for step in 0..120 {
            match next(8) {
                0 => store.roll_up().expect("rolls up"),
                1 => {
                    drop(store);
                    store = open(dir.path());
                }
                2 => {
                    now += next(7_200) as i64;
                    store.forget(at(now)).expect("forgets");
                    plain.forget(at(now)).expect("forgets");
                }
                _ => {
                    let start = |back: u64| (now - back as i64).div_euclid(10) * 10;
                    let windows: Vec<_> = (0..1 + next(3)).map(|_| (start(next(30_000)), 1 + next(9))).collect();
                    sequence += next(2);
                    let report = report(sequence.max(1), &windows);
                    let (a, b) = (store.append(&report, at(now)), plain.append(&report, at(now)));
                    assert_eq!(a.expect("appends"), b.expect("appends"), "seed {seed}, step {step}");
                }
            }
            let hour = |h: u64| (now / 3_600 - h as i64) * 3_600;
            let asked = range(hour(next(12)), hour(0) + 3_600);
            for cube in Cube::ALL {
                for level in 0..4 {
                    let place = format!("seed {seed}, step {step}, {cube:?}, level {level}");
                    // What comes late is not written to levels that no longer keep it: there the horizon moves.
                    if store.horizon(level).max(plain.horizon(level)) > asked.from {
                        continue;
                    }
                    let total = count(&plain, cube, level, asked);
                    assert_eq!(count(&store, cube, level, asked), total, "{place}");
                    if total > 0 && step % 20 == 19 {
                        assert_eq!(sum(&store, cube, level, asked), sum(&plain, cube, level, asked), "{place}");
                    }
                    assert_eq!(store.coverage(level, asked).ok(), plain.coverage(level, asked).ok(), "{place}");
                }
            }
            let (a, b) = (store.stats(), plain.stats());
            assert_eq!(a.newest, b.newest, "seed {seed}, step {step}");
            if (0..4).all(|level| store.horizon(level) == plain.horizon(level)) {
                assert_eq!(a.oldest, b.oldest, "seed {seed}, step {step}");
            }
        }
    }
}

/// What a killed process leaves behind is what the system has of its files: a copy of the directory, taken in the middle.
#[test]
fn what_was_appended_survives_a_kill_at_any_point() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(&dir.path().join("live"));
    for sequence in 1..=12 {
        put(&mut store, sequence, &[(60 * sequence as i64, 3), (0, 1)]);
        if sequence % 5 == 0 {
            store.roll_up().expect("rolls up");
        }
        let killed = dir.path().join(sequence.to_string());
        copy(&dir.path().join("live"), &killed);
        let left = open(&killed);
        assert_eq!(left.ledger().agents().agents[0].sequence, sequence);
        for level in 0..4 {
            assert_eq!(count(&left, Cube::Full, level, range(0, 3_600)), 4 * sequence, "{sequence} {level}");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            std::fs::copy(&path, &copied).expect("copies");
        }
    }
}

#[test]
fn aliases_and_horizons_survive() {
    let dir = tempfile::tempdir().expect("a directory");
    let route = |template: &str| pitot_model::Route::new("GET", template);
    {
        let mut store = open(dir.path());
        let mut r = report(1, &[(0, 1)]);
        let alias = pitot_model::RouteAlias { service: "shop".into(), from: route("/a"), to: route("/{slug}") };
        r.aliases.push(alias);
        store.append(&r, at(0)).expect("appends");
        store.forget(at(7 * 3_600)).expect("forgets");
    }
    let store = open(dir.path());
    assert_eq!(store.ledger().aliases().resolve("shop", &route("/a")), &route("/{slug}"));
    assert_eq!(store.horizon(0), at(3_600));
    assert_eq!(store.stats().windows, 9, "three cubes at three coarser levels");
}

/// What programs wrote that told coverage by slot only and gave stores no id.
#[test]
fn a_store_of_an_older_program_reads_and_gets_an_id() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let mut store = open(dir.path());
        put(&mut store, 1, &[(0, 3)]);
        for level in 0..4_u8 {
            let new = key::coverage_of(level, at(0), "web");
            let old = [&[level][..], &(1_u64 << 63).to_be_bytes()].concat();
            let value = store.coverage.get(&new).expect("reads").expect("is there");
            assert!(value.starts_with(br#"{"lines_read":"#), "as it always was");
            store.coverage.insert(old, value).expect("writes");
            store.coverage.remove(new).expect("removes");
        }
        store.meta.remove("store").expect("removes");
    }
    let mut store = open(dir.path());
    let id = store.id().to_owned();
    assert_eq!(id.len(), 32);
    put(&mut store, 2, &[(0, 4)]);
    for level in 0..4 {
        let mut got = Vec::new();
        let mut visit = |agent: &str, _, c: &Coverage| got.push((agent.to_owned(), c.transactions));
        store.coverage_by_agent(level, range(0, 3_600), &mut visit).expect("reads");
        assert_eq!(got, [(String::new(), 3), ("web".into(), 4)], "{level}");
        assert_eq!(store.coverage(level, range(0, 3_600)).expect("reads").transactions, 7, "{level}");
    }
    drop(store);
    let store = open(dir.path());
    assert_eq!((store.id(), store.stats().id.as_str()), (id.as_str(), id.as_str()), "it stays");
    assert_ne!(open(&dir.path().join("other")).id(), id);
}

#[test]
fn absurd_numbers_of_an_agent_leave_the_store_readable() {
    let dir = tempfile::tempdir().expect("a directory");
    for (sequence, us) in (1..).zip([i64::MIN, i64::MAX, -1]) {
        let mut store = open(dir.path());
        let mut r = report(sequence, &[(0, 1)]);
        (r.watermark, r.made) = (Timestamp::from_micros(us), Timestamp::from_micros(us));
        r.coverage.lines_read = u64::MAX;
        r.windows[0].cells[0].stats.count = u64::MAX - 7;
        assert_eq!(store.append(&r, at(10)).expect("appends"), Appended::Stored);
        let empty = Report { windows: vec![], sequence: sequence + 100, ..r };
        let other = pitot_model::AgentId { name: "b".into(), incarnation: 1 };
        store.append(&Report { agent: other, ..empty }, at(10)).expect("appends");
        store.roll_up().expect("rolls up");
    }
    let store = open(dir.path());
    for level in 0..4 {
        assert!(count(&store, Cube::Full, level, range(0, 3_600)) > 0, "{level}");
        assert_eq!(store.coverage(level, range(0, 3_600)).expect("reads").lines_read, u64::MAX, "within what is kept");
    }
    let shown = store.ledger().agents().agents[0].watermark;
    assert!((at(0)..=at(10)).contains(&shown), "{shown}");
}

#[test]
fn directories_that_are_no_store_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("passwd"), "root").expect("writes");
    let refused = Embedded::open(dir.path(), levels()).err();
    assert!(matches!(refused, Some(StoreError::Foreign(_))), "{refused:?}");
    let refused = Embedded::open(&dir.path().join("passwd"), levels()).err();
    assert!(matches!(refused, Some(StoreError::Foreign(_))), "{refused:?}");
    assert!(!dir.path().join("store").exists(), "nothing was written");
}

#[test]
fn a_store_with_a_missing_file_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    put(&mut open(dir.path()), 1, &[(0, 1)]);
    for keyspace in std::fs::read_dir(dir.path().join("store/keyspaces")).expect("lists").flatten() {
        for file in std::fs::read_dir(keyspace.path()).expect("lists").flatten().filter(|f| f.path().is_file()) {
            if file.file_name() != "current" {
                std::fs::remove_file(file.path()).expect("removes");
            }
        }
    }
    let refused = Embedded::open(dir.path(), levels()).err();
    assert!(matches!(&refused, Some(StoreError::Io { path, .. }) if path == dir.path()), "{refused:?}");
    assert!(refused.is_some_and(|e| e.to_string().contains("check that its files are all there")));
}

/// The engine drops a part without this file, and makes it anew.
#[test]
fn a_store_with_a_missing_part_is_not_taken_for_an_empty_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let live = dir.path().join("live");
    {
        let mut store = open(&live);
        put(&mut store, 1, &[(0, 1)]);
        store.roll_up().expect("rolls up");
        put(&mut store, 2, &[(0, 1)]);
        for part in [&store.windows, &store.waiting, &store.coverage, &store.meta] {
            part.rotate_memtable_and_wait().expect("writes tables");
        }
        store.persist().expect("persists");
    }
    let parts = std::fs::read_dir(live.join("store/keyspaces")).expect("lists").flatten();
    let mut n_parts = 0;
    for part in parts.map(|part| part.file_name()).filter(|part| part != "0") {
        let cut = dir.path().join(&part);
        copy(&live, &cut);
        std::fs::remove_file(cut.join("store/0.jnl")).expect("removes");
        std::fs::remove_dir_all(cut.join("store/keyspaces").join(&part)).expect("removes");
        let refused = Embedded::open(&cut, levels()).err();
        assert!(matches!(&refused, Some(StoreError::Damaged(_))), "{part:?}: {refused:?}");
        assert!(refused.is_some_and(|e| e.to_string().contains("is gone")));
        n_parts += 1;
    }
    assert_eq!(n_parts, 4);
}

#[test]
fn a_store_in_use_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let _first = open(dir.path());
    let refused = Embedded::open(dir.path(), levels()).err();
    assert!(matches!(refused, Some(StoreError::Locked(_))), "{refused:?}");
}

#[test]
fn stores_of_newer_versions_and_other_levels_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    put(&mut open(dir.path()), 1, &[(0, 1)]);
    let other = Levels::new(std::time::Duration::from_secs(1), &crate::store::Retention::default()).expect("valid");
    let refused = Embedded::open(dir.path(), other).err();
    assert!(matches!(refused, Some(StoreError::Levels { .. })), "{refused:?}");
    open(dir.path()).meta.insert("version", (FORMAT + 1).to_be_bytes()).expect("writes");
    let refused = Embedded::open(dir.path(), levels()).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused.contains("newer version (format 2, this program reads up to 1)"), "{refused}");
}

#[test]
fn an_engine_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()));
    std::fs::write(dir.path().join("store/version"), b"FJL\x09").expect("writes");
    let refused = Embedded::open(dir.path(), levels()).err();
    assert!(matches!(refused, Some(StoreError::Newer { .. })), "{refused:?}");
}

#[test]
fn a_torn_journal_loses_at_most_the_last_report() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let mut store = open(dir.path());
        for sequence in 1..=20 {
            put(&mut store, sequence, &[(0, 3)]);
        }
    }
    let journal = dir.path().join("store/0.jnl");
    let bytes = std::fs::read(&journal).expect("reads");
    let end = bytes.iter().rposition(|b| *b != 0).expect("not empty");
    std::fs::write(&journal, &bytes[..end - 5]).expect("writes");
    let store = open(dir.path());
    let sequence = store.ledger().agents().agents[0].sequence;
    assert!(sequence >= 19, "{sequence}");
    for level in 0..4 {
        assert_eq!(count(&store, Cube::Full, level, range(0, 3_600)), 3 * sequence, "{level}: whole reports only");
    }
}

/// After a power cut: what was written through is there, and of what came later anything may be missing.
#[test]
fn a_journal_torn_anywhere_behind_the_last_write_through_opens_with_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = |data: &Path| data.join("store/0.jnl");
    let end_of = |bytes: &[u8]| bytes.iter().rposition(|b| *b != 0).map_or(0, |end| end + 1);
    let live = dir.path().join("live");
    let mut store = open(&live);
    for sequence in 1..=6 {
        put(&mut store, sequence, &[(10 * sequence as i64, 20), (0, 3)]);
    }
    store.roll_up().expect("rolls up");
    store.persist().expect("persists");
    let lasts = end_of(&std::fs::read(journal(&live)).expect("reads"));
    for sequence in 7..=12 {
        put(&mut store, sequence, &[(10 * sequence as i64, 20), (0, 3)]);
    }
    let whole = std::fs::read(journal(&live)).expect("reads");
    let end = end_of(&whole);
    assert!(end > lasts + 5_000, "{lasts} {end}");
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut mended, mut lost) = (0, 0);
    for round in 0..24 {
        let torn = dir.path().join(round.to_string());
        copy(&live, &torn);
        let mut bytes = whole.clone();
        let at_byte = lasts + next(end - lasts);
        let some = (at_byte + 1 + next(600)).min(end);
        match round % 4 {
            0 => bytes.truncate(at_byte),
            1 => bytes[at_byte..end].fill(0),
            2 => bytes[at_byte..some].fill(0),
            _ => bytes[at_byte..some].iter_mut().for_each(|b| *b ^= next(256) as u8),
        }
        std::fs::write(journal(&torn), &bytes).expect("writes");
        let mut store = open(&torn);
        let sequence = store.ledger().agents().agents[0].sequence;
        assert!((6..=12).contains(&sequence), "round {round}: {sequence}");
        for level in 0..4 {
            let got = count(&store, Cube::Full, level, range(0, 3_600));
            assert_eq!(got, 23 * sequence, "round {round}, level {level}: whole reports only");
        }
        mended += usize::from(torn.join("torn-0.jnl").exists());
        lost += 12 - sequence;
        assert!(!torn.join("trial").exists());
        put(&mut store, sequence + 1, &[(0, 1)]);
        drop(store);
        assert_eq!(open(&torn).ledger().agents().agents[0].sequence, sequence + 1, "and it goes on");
    }
    assert!(mended > 0 && lost > 0, "{mended} mended, {lost} lost");
}

/// Runs itself again in a mount namespace of its own, on a file system of 24 MiB.
#[test]
fn a_full_disk_is_said_and_loses_nothing_that_was_acknowledged() {
    const TINY: &str = "PITOT_TEST_TINY_DISK";
    if let Some(dir) = std::env::var_os(TINY) {
        return fill(Path::new(&dir));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let own = std::env::current_exe().expect("this program");
    let script = "mount -t tmpfs -o size=24m tmpfs \"$1\" && shift && \"$@\"; code=$?; exit $code";
    let run = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .args([dir.path(), &own])
        .args(["a_full_disk_is_said_and_loses_nothing_that_was_acknowledged", "--nocapture"])
        .env(TINY, dir.path())
        .output();
    match run {
        Ok(run) if run.status.success() => {}
        Ok(run) if String::from_utf8_lossy(&run.stderr).contains("panicked") => {
            unreachable!("{}", String::from_utf8_lossy(&run.stderr))
        }
        other => println!("SKIPPED: no small file system can be mounted here: {other:?}"),
    }
}

fn fill(dir: &Path) {
    let data = dir.join("data");
    let mut store = open(&data);
    let mut acknowledged = 0;
    let mut noise = 1_u64;
    let refused = loop {
        let mut report = report(acknowledged + 1, &[(0, 20); 20]);
        for window in &mut report.windows {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            window.resource.instance = format!("{noise:x}").repeat(20);
        }
        match store.append(&report, at(0)) {
            Ok(_) => acknowledged += 1,
            Err(e) => break e,
        }
    };
    println!("refused after {acknowledged} reports: {refused}");
    assert!(matches!(refused, StoreError::Full), "{refused:?}");
    let after = store.append(&report(acknowledged + 1, &[(0, 1)]), at(0)).err();
    assert!(matches!(after, Some(StoreError::Poisoned | StoreError::Full)), "{after:?}");
    drop(store);
    match Embedded::open(&data, levels()) {
        // The report that was refused may be there, whole: the engine can fail after its journal has it. The agent sends
        // it again, and it is a duplicate then.
        Ok(store) => {
            let stored = store.ledger().agents().agents[0].sequence;
            assert!((acknowledged..=acknowledged + 1).contains(&stored), "{stored}, {acknowledged}");
            assert_eq!(count(&store, Cube::Full, 0, range(0, 10)), 400 * stored, "whole reports only");
        }
        Err(e) => assert!(matches!(e, StoreError::Full), "{e:?}"),
    }
}

#[test]
fn an_agent_may_keep_its_state_in_the_same_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("spool")).expect("makes");
    std::fs::write(dir.path().join("pseudonym.secret"), "x").expect("writes");
    assert!(Embedded::open(dir.path(), levels()).is_ok());
    let foreign = tempfile::tempdir().expect("a directory");
    std::fs::write(foreign.path().join("thesis.tex"), "x").expect("writes");
    assert!(matches!(Embedded::open(foreign.path(), levels()), Err(StoreError::Foreign(_))));
}
