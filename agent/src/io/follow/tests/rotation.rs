//! Files that are renamed, copied and truncated, deleted, made anew and compressed, while the agent runs and while not.

use super::*;

#[test]
fn lines_come_when_they_are_whole() {
    let mut rig = Rig::new(&["a.log"]);
    assert_eq!(rig.read(), "");
    rig.write("a.log", "a1\na");
    assert_eq!(rig.read(), "a1");
    rig.write("a.log", "2\na3\r\n");
    assert_eq!(rig.read(), "a2 a3\r");
    assert_eq!((rig.read(), rig.lost), (String::new(), 0));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut rig = Rig::new(&["a.log"]);
    rig.write("a.log", "a1\na");
    assert_eq!(rig.read(), "a1");
    rig.stop();
    assert_eq!(rig.read(), "");
    rig.stop();
    rig.write("a.log", "2\n");
    assert_eq!(rig.read(), "a2");
}

#[test]
fn only_what_comes_is_read_unless_told_otherwise() {
    let mut rig = Rig::starting(&["a.log", "b.log"], false);
    rig.write("a.log", "a1\nhalf of ");
    assert_eq!(rig.read(), "");
    rig.write("a.log", "a line\na2\n");
    rig.write("b.log", "b1\n");
    assert_eq!(rig.read(), "a2 b1");
}

#[test]
fn a_path_that_did_not_exist_before_a_restart_is_read_from_its_start() {
    let mut rig = Rig::starting(&["a.log"], false);
    assert_eq!(rig.read(), "");
    rig.stop();
    rig.write("a.log", "a1\n");
    assert_eq!(rig.read(), "a1");
}

/// What is done between two reads, and what is read then. The first read has `a1` of `a.log`, and half a line.
fn check(what: &str, change: impl Fn(&mut Rig), want: &str) {
    for is_down in [false, true] {
        let mut rig = Rig::new(&["a.log"]);
        rig.write("a.log", "a1\na");
        assert_eq!(rig.read(), "a1");
        if is_down {
            rig.stop();
        }
        change(&mut rig);
        assert_eq!(rig.read(), want, "{what}, down: {is_down}");
        rig.stop();
        assert_eq!((rig.read(), rig.lost), (String::new(), 0), "{what}, down: {is_down}");
        rig.write("a.log", "end\n");
        assert_eq!(rig.read(), "end", "{what}, down: {is_down}");
    }
}

#[test]
fn renamed_and_made_anew() {
    check(
        "once",
        |rig| {
            rig.rename("a.log", "a.log.1");
            rig.write("a.log.1", "2\n");
            rig.write("a.log", "a3\n");
        },
        "a2 a3",
    );
}

#[test]
fn renamed_many_times() {
    check(
        "three times",
        |rig| {
            rig.rename("a.log", "a.log.1");
            rig.write("a.log.1", "2\n");
            rig.write("a.log", "a3\n");
            rig.rename("a.log.1", "a.log.2");
            rig.rename("a.log", "a.log.1");
            rig.write("a.log", "a4\na5\n");
            rig.rename("a.log.2", "a.log.3");
            rig.rename("a.log.1", "a.log.2");
            rig.rename("a.log", "a.log.1");
            rig.write("a.log", "a6\n");
        },
        "a2 a3 a4 a5 a6",
    );
}

#[test]
fn renamed_by_date_and_compressed() {
    for ending in ["gz", "zst"] {
        check(
            ending,
            |rig| {
                rig.write("a.log", "2\n");
                rig.rename("a.log", "a.log-20260101");
                rig.write("a.log", "a3\n");
                rig.pack("a.log-20260101", ending);
                rig.rename("a.log", "a.log-20260102");
                rig.write("a.log", "a4\n");
                rig.pack("a.log-20260102", ending);
                rig.rename("a.log", "a.log-20260103");
                rig.write("a.log", "a5\n");
            },
            "a2 a3 a4 a5",
        );
    }
}

#[test]
fn a_last_line_without_its_end_is_a_line_once_the_file_is_replaced() {
    check(
        "no newline",
        |rig| {
            rig.rename("a.log", "a.log.1");
            rig.write("a.log", "a3\n");
        },
        "a a3",
    );
}

#[test]
fn who_writes_to_a_replaced_file_that_was_empty_is_heard_after_a_restart() {
    let mut rig = Rig::new(&["a.log"]);
    rig.linger = Duration::from_secs(3_600);
    rig.write("a.log", "a1\n");
    assert_eq!(rig.read(), "a1");
    rig.rename("a.log", "a.log.1");
    rig.write("a.log", "");
    assert_eq!(rig.read(), "");
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.write("a.log", "a3\n");
    assert_eq!(rig.read(), "a3");
    rig.stop();
    rig.write("a.log.1", "a2\n");
    assert_eq!((rig.read().as_str(), rig.lost), ("a2", 0));
}

#[test]
fn who_still_writes_to_a_renamed_file_is_heard() {
    let mut rig = Rig::new(&["a.log"]);
    rig.linger = Duration::from_secs(3_600);
    rig.write("a.log", "a1\n");
    assert_eq!(rig.read(), "a1");
    rig.rename("a.log", "a.log.1");
    rig.write("a.log", "a3\n");
    assert_eq!(rig.read(), "a3");
    rig.write("a.log.1", "a2\n");
    assert_eq!(rig.read(), "a2");
    rig.stop();
    rig.write("a.log.1", "late\n");
    assert_eq!(rig.read(), "late");
}

#[test]
fn copied_and_truncated() {
    check(
        "copytruncate",
        |rig| {
            rig.write("a.log", "2\na3\n");
            rig.copy_truncate("a.log", "a.log.1");
            rig.write("a.log", "b1\n");
        },
        "a2 a3 b1",
    );
}

#[test]
fn copied_and_truncated_and_longer_than_before() {
    check(
        "regrown",
        |rig| {
            rig.write("a.log", "2\na3\n");
            rig.copy_truncate("a.log", "a.log.1");
            rig.write("a.log", "b1\nb2\nb3\nb4\nb5\n");
        },
        "a2 a3 b1 b2 b3 b4 b5",
    );
}

#[test]
fn copied_and_truncated_many_times() {
    check(
        "three times",
        |rig| {
            rig.write("a.log", "2\na3\n");
            rig.copy_truncate("a.log", "a.log.1");
            rig.write("a.log", "b1\n");
            rig.pack("a.log.1", "gz");
            rig.rename("a.log.1.gz", "a.log.2.gz");
            rig.copy_truncate("a.log", "a.log.1");
            rig.write("a.log", "c1\nc2\nc3\n");
        },
        "a2 a3 b1 c1 c2 c3",
    );
}

#[test]
fn copied_and_truncated_while_nothing_was_read_of_it() {
    let mut rig = Rig::new(&["a.log"]);
    rig.write("a.log", "a1\n");
    assert_eq!(rig.read(), "a1");
    rig.copy_truncate("a.log", "a.log.1");
    assert_eq!(rig.read(), "");
    rig.write("a.log", "a2\n");
    rig.rename("a.log.1", "a.log.2");
    rig.copy_truncate("a.log", "a.log.1");
    rig.write("a.log", "a3\n");
    assert_eq!((rig.read(), rig.lost), ("a2 a3".into(), 0));
}

#[test]
fn truncated_after_it_was_read() {
    for regrown in ["b1\n", "b1\nb2\nb3\n"] {
        let mut rig = Rig::new(&["a.log"]);
        rig.write("a.log", "a1\n");
        assert_eq!(rig.read(), "a1");
        File::options().write(true).open(rig.path("a.log")).unwrap().set_len(0).unwrap();
        rig.write("a.log", regrown);
        assert_eq!((rig.read(), rig.lost), (regrown.trim_end().replace('\n', " "), 0));
    }
}

#[test]
fn what_was_overwritten_before_it_was_read_is_counted() {
    let mut rig = Rig::new(&["a.log"]);
    rig.write("a.log", "a1\na");
    assert_eq!(rig.read(), "a1");
    fs::write(rig.path("a.log"), "b1\nb2\n").unwrap();
    assert_eq!((rig.read(), rig.lost), ("b1 b2".into(), 1));
    rig.stop();
    rig.remove("a.log");
    rig.write("a.log", "c1\n");
    assert_eq!((rig.read(), rig.lost), ("c1".into(), 2), "nobody knows what it held at last");
    assert_eq!((rig.read(), rig.lost), (String::new(), 2));
}

#[test]
fn deleted_and_made_anew() {
    let mut rig = Rig::new(&["a.log"]);
    let mut file = File::create(rig.path("a.log")).unwrap();
    rig.write_to(&mut file, "a1\n");
    assert_eq!(rig.read(), "a1");
    rig.remove("a.log");
    rig.write_to(&mut file, "a2\n");
    assert_eq!(rig.read(), "a2", "deleted, and still written to");
    rig.write_to(&mut file, "a3\n");
    rig.write("a.log", "b1\n");
    assert_eq!((rig.read(), rig.lost), ("a3 b1".into(), 0));
}

#[test]
fn of_an_overlong_line_the_beginning_is_read_and_counted_once() {
    let mut rig = Rig::new(&["a.log"]);
    let part = vec![b'x'; budget::LINE_BYTES + 1];
    for _ in 0..6 {
        rig.write("a.log", &part);
        let read = rig.read().len();
        assert!(read == 0 || read == budget::LINE_BYTES + 1, "{read}");
        rig.stop();
    }
    rig.write("a.log", "\na2\n");
    assert_eq!((rig.read(), rig.lost), ("a2".into(), 0));
}

#[test]
fn a_long_file_is_read_in_chunks() {
    let mut rig = Rig::new(&["a.log"]);
    let text: String = (0..400_000).map(|n| format!("a{n}\n")).collect();
    rig.write("a.log", &text);
    let first = rig.read_once().0.len();
    assert!(first > budget::CHUNK_BYTES / 2 && first <= budget::CHUNK_BYTES, "{first}");
    rig.stop();
    assert_eq!(rig.backlog_after_start(), text.len() as u64 - first as u64);
    rig.rename("a.log", "a.log.1");
    rig.pack("a.log.1", "gz");
    rig.write("a.log", "end\n");
    let rest = rig.read();
    assert_eq!(rest, format!("{}end", &text[first..]).replace('\n', " "));
}

impl Rig {
    fn backlog_after_start(&mut self) -> u64 {
        let mut follow = Follow::start(&self.sources, self.cursors.clone(), Arc::new(|| {}));
        let backlog = follow.backlog().0;
        drop(follow);
        backlog
    }
}

#[test]
fn other_sources_leave_those_that_stay_as_they_are() {
    let mut rig = Rig::new(&["a.log", "b.log"]);
    rig.write("a.log", "a1\n");
    rig.write("b.log", "b1\n");
    assert_eq!(rig.read(), "a1 b1");
    // Without a name from here on: only who has it open can read it.
    let mut open = OpenOptions::new().append(true).open(rig.path("a.log")).unwrap();
    rig.remove("a.log");
    rig.write_to(&mut open, "a2\n");
    rig.write("b.log", "b2\n");
    rig.write("c.log", "c1\n");
    let (mut b, mut c) = (rig.sources.remove(1), rig.sources[0].clone());
    b.consumer = Some("remote_user".into());
    c.path = rig.path("c.log");
    rig.sources.extend([b, c]);
    let sources = rig.sources.clone();
    rig.follow.as_mut().unwrap().change(&sources, &(Arc::new(|| {}) as Arc<dyn Fn() + Send + Sync>));
    assert_eq!((rig.read(), rig.lost), ("a2 b2 c1".to_owned(), 0));
}
