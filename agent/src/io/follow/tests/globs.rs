//! Patterns: which names are logs of their own, and which are files that are followed already.

use super::*;

/// The words of what was read, sorted: logs come in no order.
fn sorted(text: &str) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words.join(" ")
}

#[test]
fn new_files_are_read_from_their_start() {
    let mut rig = Rig::starting(&["*.log"], false);
    rig.write("a.log", "a1\n");
    assert_eq!(rig.read(), "");
    rig.write("b.log", "b1\n");
    rig.write("a.log", "a2\n");
    rig.write(".hidden.log", "h\n");
    assert_eq!(sorted(&rig.read()), "a2 b1");
    rig.stop();
    rig.write("c.log", "c1\n");
    rig.write("b.log", "b2\n");
    assert_eq!(sorted(&rig.read()), "b2 c1");
    assert_eq!(rig.backlog(), (0, 3, 0));
}

#[test]
fn a_pattern_that_matched_nothing_before_a_restart_knows_new_files() {
    let mut rig = Rig::starting(&["*/a?.[l]og"], false);
    assert_eq!(rig.read(), "");
    rig.stop();
    fs::create_dir(rig.path("pod")).unwrap();
    rig.write("pod/a1.log", "a1\n");
    assert_eq!(rig.read(), "a1");
}

#[test]
fn rotated_names_that_match_are_no_new_logs() {
    for is_down in [false, true] {
        let mut rig = Rig::new(&["a.log*"]);
        rig.write("a.log", "a1\n");
        assert_eq!(rig.read(), "a1");
        for n in 2..6 {
            if is_down {
                rig.stop();
            }
            if n > 2 {
                rig.rename("a.log.1", "a.log.2");
            }
            rig.rename("a.log", "a.log.1");
            rig.write("a.log", format!("a{n}\n"));
            assert_eq!((rig.read(), rig.lost), (format!("a{n}"), 0), "{is_down}");
        }
        rig.copy_truncate("a.log", "a.log.3");
        rig.write("a.log", "b1\n");
        assert_eq!((rig.read(), rig.lost), ("b1".into(), 0));
        assert_eq!(rig.backlog().1, 1);
    }
}

#[test]
fn of_a_pattern_that_matches_rotated_names_all_are_read_at_first() {
    let mut rig = Rig::new(&["a.log*"]);
    rig.write("a.log.2", "a1\n");
    rig.pack("a.log.2", "gz");
    rig.write("a.log.1", "a2\n");
    rig.write("a.log", "a3\n");
    assert_eq!(rig.read(), "a1 a2 a3");
    rig.stop();
    assert_eq!(rig.read(), "");
}

#[test]
fn compressed_logs_that_lie_there_already_are_left_alone() {
    let mut rig = Rig::starting(&["*"], false);
    rig.write("b.log", "b1\nb2\n");
    rig.pack("b.log", "zst");
    assert_eq!(rig.read(), "");
    rig.stop();
    rig.write("c.log", "c1\n");
    rig.pack("c.log", "gz");
    assert_eq!((rig.read(), rig.lost), ("c1".into(), 0));
    rig.stop();
    assert_eq!((rig.read(), rig.lost), (String::new(), 0));
}

#[test]
fn a_generation_without_its_log_is_read_once() {
    let mut rig = Rig::new(&["a.log*"]);
    rig.write("a.log.1", "a1\n");
    assert_eq!(rig.read(), "a1");
    rig.write("a.log", "a2\n");
    assert_eq!(rig.read(), "a2");
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.write("a.log", "a3\n");
    assert_eq!((rig.read(), rig.lost), ("a3".into(), 0));
}

#[test]
fn siblings_that_differ_in_digits_are_logs_of_their_own() {
    let mut rig = Rig::new(&["worker-*.log"]);
    for n in 1..4 {
        rig.write(&format!("worker-{n}.log"), format!("a{n}\n"));
    }
    assert_eq!(sorted(&rig.read()), "a1 a2 a3");
    rig.stop();
    rig.remove("worker-1.log");
    rig.write("worker-1.log", "a4\n");
    rig.write("worker-2.log", "a5\n");
    assert_eq!(sorted(&rig.read()), "a4 a5");
}

#[test]
fn renamed_to_any_name_that_matches_it_is_the_same_file() {
    for is_down in [false, true] {
        let mut rig = Rig::new(&["*.log"]);
        rig.write("a.log", "a1\n");
        assert_eq!(rig.read(), "a1");
        if is_down {
            rig.stop();
        }
        rig.rename("a.log", "before.log");
        rig.write("before.log", "a2\n");
        rig.write("a.log", "a3\n");
        assert_eq!(rig.read(), "a2 a3", "{is_down}");
        rig.write("before.log", "a4\n");
        assert_eq!(rig.read(), "a4", "{is_down}");
        rig.stop();
        assert_eq!((rig.read(), rig.lost), (String::new(), 0), "{is_down}");
    }
}

#[test]
fn copied_to_any_name_that_matches_it_is_read_once() {
    let mut rig = Rig::new(&["*.log"]);
    rig.write("a.log", "a1\na2\n");
    assert_eq!(rig.read(), "a1 a2");
    fs::copy(rig.path("a.log"), rig.path("copy.log")).unwrap();
    assert_eq!(rig.read(), "");
    rig.write("a.log", "a3\n");
    assert_eq!(rig.read(), "a3");
    rig.remove("copy.log");
    rig.write("a.log", "a4\n");
    rig.copy_truncate("a.log", "copy.log");
    rig.write("a.log", "b1\n");
    assert_eq!((rig.read(), rig.lost), ("a4 b1".into(), 0));
    rig.stop();
    assert_eq!((rig.read(), rig.lost), (String::new(), 0));
}

#[test]
fn files_that_are_gone_and_read_are_forgotten() {
    let mut rig = Rig::new(&["*.log"]);
    rig.write("a.log", "a1\n");
    rig.write("b.log", "b1\n");
    assert_eq!(sorted(&rig.read()), "a1 b1");
    rig.remove("a.log");
    assert_eq!(rig.read(), "");
    assert_eq!(rig.read(), "");
    assert_eq!((rig.backlog().1, rig.cursors.len()), (1, 1));
    rig.write("a.log", "a2\n");
    assert_eq!((rig.read(), rig.lost), ("a2".into(), 0));
}

#[test]
fn a_log_that_two_sources_name_is_read_once() {
    let mut rig = Rig::new(&["a.log", "*.log"]);
    rig.write("a.log", "a1\n");
    rig.write("b.log", "b1\n");
    assert_eq!(sorted(&rig.read()), "a1 b1");
}

#[test]
fn too_many_logs_are_told() {
    let mut rig = Rig::new(&["*.log"]);
    for n in 0..budget::FOLLOWED_LOGS + 3 {
        fs::write(rig.path(&format!("{n}x.log")), format!("a{n}\n")).unwrap();
    }
    assert_eq!(rig.read().split(' ').count(), budget::FOLLOWED_LOGS);
    assert_eq!(rig.backlog(), (0, budget::FOLLOWED_LOGS as u64 + 3, 3));
    let open = rig.follow.iter().flat_map(|f| &f.sources).flat_map(|s| &s.logs).flat_map(|(log, _)| &log.files);
    assert!(open.filter(|file| file.is_open()).count() <= budget::OPEN_FILES);
    rig.write("5x.log", "more\n");
    assert_eq!((rig.read(), rig.lost), ("more".into(), 0));
}

#[test]
fn a_file_under_several_names_is_read_once() {
    for sources in [&["*.log"][..], &["a.log", "b.log"], &["a.log", "a.log"], &["*.log", "b.log"], &["b.log", "*.log"]]
    {
        let mut rig = Rig::new(sources);
        rig.write("a.log", "a1\n");
        std::os::unix::fs::symlink("a.log", rig.path("b.log")).unwrap();
        fs::hard_link(rig.path("a.log"), rig.path("c.log")).unwrap();
        assert_eq!(rig.read(), "a1", "{sources:?}");
        rig.write("a.log", "a2\n");
        assert_eq!(rig.read(), "a2", "{sources:?}");
        rig.stop();
        rig.write("a.log", "a3\n");
        assert_eq!((rig.read(), rig.lost), ("a3".to_owned(), 0), "{sources:?}");
    }
}
