//! The spool on real file systems: other processes, directories that vanish, disks that are full or read-only.

use std::{env, fs, path::PathBuf, process::Command, thread, time::Duration};

use pitot_model::{Cell, Consumer, Coverage, Reason, Report, Resource, Route, Stats, Timestamp, Window};

use super::*;

/// Where the test within its own mounts finds its disk.
const DISK: &str = "PITOT_TEST_SPOOL_DISK";

fn config(directory: &Path) -> SpoolConfig {
    SpoolConfig { directory: Some(directory.to_path_buf()), ..SpoolConfig::default() }
}

fn open(directory: &Path) -> Spool {
    Spool::open(&config(directory), "web-1", 7).expect("opens").0
}

fn refused(directory: &Path) -> String {
    Spool::open(&config(directory), "web-1", 7).err().expect("does not open").to_string()
}

/// A report of so many transactions, which takes so many bytes and more.
fn report(count: u64, bytes: usize) -> Report {
    let mut chance = count;
    // Texts that do not get shorter by compression.
    let text = std::iter::repeat_with(|| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + ((chance >> 33) % 95) as u8)
    });
    let window = Window {
        routes: vec![Route::new("GET", text.take(bytes).collect::<String>())],
        consumers: vec![Consumer::default()],
        cells: vec![Cell { stats: Stats { count, ..Stats::default() }, ..Cell::default() }],
        ..Window::new(Timestamp::from_secs(1_768_176_000), Duration::from_secs(10), Resource::default())
    };
    let coverage = Coverage { lines_read: count, transactions: count, ..Coverage::default() };
    Report { made: window.start, windows: vec![window], coverage, ..Report::default() }
}

fn push(spool: &mut Spool, report: &mut Report) -> Result<(), SpoolError> {
    let cursor = Cursor { offset: report.count(), sample: "GET / 200\n".into(), ..Cursor::default() };
    spool.push(report, &[cursor], Timestamp::from_secs(1_768_176_000))
}

fn take_all(spool: &mut Spool) -> Vec<u64> {
    let mut taken = Vec::new();
    while let Some(front) = spool.front().expect("reads") {
        taken.push(front.transactions);
        spool.acknowledge(front.number).expect("removes");
    }
    taken
}

#[test]
fn what_was_pushed_is_there_after_a_restart() {
    let state = tempfile::tempdir().expect("a directory");
    let place = state.path().join("spool/web-1");
    let mut spool = open(&place);
    push(&mut spool, &mut report(10, 100)).expect("keeps");
    push(&mut spool, &mut report(20, 100)).expect("keeps");
    drop(spool);
    fs::write(place.join("unfinished.tmp"), "torn").expect("writes");
    fs::write(place.join("README"), "somebody else's").expect("writes");
    let (mut spool, cursors) = Spool::open(&config(&place), "web-1", 9).expect("opens");
    assert_eq!((cursors[0].offset, cursors[0].sample.as_str()), (20, "GET / 200\n"));
    let front = spool.front().expect("reads").expect("is there");
    assert_eq!((front.incarnation, front.sequence), (7, 1));
    assert_eq!(take_all(&mut spool), [10, 20]);
    assert!(!place.join("unfinished.tmp").exists() && place.join("README").exists());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let state = tempfile::tempdir().expect("a directory");
    let place = state.path().join("spool/web-1");
    push(&mut open(&place), &mut report(10, 100)).expect("keeps");
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    assert_eq!(mode(&place.join("00000000000000000001.report")), 0o600);
}

#[test]
fn places_that_cannot_be_used_say_what_to_do() {
    let state = tempfile::tempdir().expect("a directory");
    let used = state.path().join("used");
    let first = open(&used);
    assert_eq!(
        refused(&used),
        format!(
            "the spool `{}` is in use; stop the other agent, or give this one another `name` or `state`",
            used.display()
        )
    );
    drop(first);
    open(&used);
    let file = state.path().join("file");
    fs::write(&file, "").expect("writes");
    for place in [file.clone(), file.join("below")] {
        let want = "is not a directory; move it away, or set another `state`";
        assert_eq!(refused(&place), format!("the spool `{}` {want}", place.display()));
    }
}

#[test]
fn a_directory_that_is_removed_can_come_back() {
    let state = tempfile::tempdir().expect("a directory");
    let place = state.path().join("web-1");
    let mut spool = open(&place);
    push(&mut spool, &mut report(10, 100)).expect("keeps");
    push(&mut spool, &mut report(20, 100)).expect("keeps");
    let away = state.path().join("away");
    fs::rename(&place, &away).expect("renames");
    let mut waiting = report(30, 100);
    let error = push(&mut spool, &mut waiting).expect_err("is away").to_string();
    assert!(error.ends_with("bring its directory back, or restart the agent to begin anew"), "{error}");
    assert!(spool.front().is_err(), "nothing is known of what is away");
    assert_eq!(spool.backlog().spool_reports, 2);
    fs::rename(&away, &place).expect("renames");
    push(&mut spool, &mut waiting).expect("keeps");
    fs::remove_file(place.join("00000000000000000002.report")).expect("removes");
    assert_eq!(take_all(&mut spool), [10, 30]);
    let mut telling = report(0, 0);
    push(&mut spool, &mut telling).expect("keeps");
    assert_eq!(telling.coverage.get(Reason::SpoolEvicted), 20);
}

/// Runs the test of this name again, on a disk of 1 MiB in mounts of its own.
#[cfg(target_os = "linux")]
fn on_a_small_disk(test: &str) {
    let state = tempfile::tempdir().expect("a directory");
    let program = env::current_exe().expect("tests have a path");
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" && exec \"$2\" --exact \"$3\" --nocapture";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(state.path()).arg(program).arg(test);
    let run = command.env(DISK, state.path()).output().expect("unshare is part of util-linux");
    let said = [run.stdout, run.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
    if said.contains("unshare failed") || said.contains("mount:") {
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "no mounts of one's own here: {said}");
        eprintln!("SKIPPED {test}: no mounts of one's own here: {said}");
        return;
    }
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

#[cfg(target_os = "linux")]
fn disk() -> Option<PathBuf> {
    env::var_os(DISK).map(PathBuf::from)
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_one_that_cannot_be_written_pass() {
    let Some(disk) = disk() else {
        return on_a_small_disk("io::spool::tests::a_full_disk_and_one_that_cannot_be_written_pass");
    };
    let mut spool = open(&disk.join("web-1"));
    let mut pushed = Vec::new();
    let (mut waiting, error) = (1..100)
        .find_map(|n| {
            let mut report = report(n, 30_000);
            let error = push(&mut spool, &mut report).err();
            pushed.push(n);
            error.map(|e| (report, e))
        })
        .expect("the disk is small");
    assert!(error.is_disk_full(), "{error}");
    assert!(pushed.len() > 20, "{}", pushed.len());
    let front = spool.front().expect("reads").expect("is there");
    for _ in 0..3 {
        assert!(push(&mut spool, &mut waiting).is_err_and(|e| e.is_disk_full()), "and stays full");
    }
    spool.acknowledge(front.number).expect("removes");
    push(&mut spool, &mut waiting).expect("there is room again");

    let remount = |how: &str| {
        let mount = || Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&disk).status();
        // The system may still be busy with what was written and closed.
        let is_done = (0..100).any(|_| {
            let is_done = mount().expect("mounts").success();
            if !is_done {
                thread::sleep(Duration::from_millis(20));
            }
            is_done
        });
        assert!(is_done);
    };
    remount("ro");
    let error = push(&mut spool, &mut report(0, 0)).expect_err("is read-only").to_string();
    assert!(error.ends_with("mount it writable, or set another `state`"), "{error}");
    // Where the failed write left something to tidy, nothing is handed out at all.
    let second = spool.front().ok().flatten();
    if let Some(second) = &second {
        assert!(spool.acknowledge(second.number).is_err());
    }
    assert!(spool.front().is_err(), "nothing else is handed out before that lasts");
    remount("rw");
    let taken = 1 + usize::from(second.is_some());
    assert_eq!(take_all(&mut spool), pushed[taken..], "nothing is lost, nothing comes twice");
    drop(spool);
    assert!(take_all(&mut open(&disk.join("web-1"))).is_empty());
}
