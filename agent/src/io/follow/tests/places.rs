//! Where logs lie: behind symbolic links, on file systems that go away, where they may not be read.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn switch(rig: &Rig, target: &str) {
    let _ = fs::remove_file(rig.path("current.log"));
    symlink(target, rig.path("current.log")).unwrap();
}

#[test]
fn a_link_that_leads_to_another_file() {
    for is_down in [false, true] {
        let mut rig = Rig::new(&["current.log"]);
        rig.write("app-7.log", "a1\n");
        switch(&rig, "app-7.log");
        assert_eq!(rig.read(), "a1");
        if is_down {
            rig.stop();
        }
        rig.write("app-7.log", "a2\n");
        rig.write("app-8.log", "a3\n");
        rig.write("app-9.log", "a4\n");
        rig.write("api-9.log", "no\n");
        rig.write("app-10.log", "a5\n");
        rig.write("app-11.log", "not yet\n");
        switch(&rig, "app-10.log");
        assert_eq!((rig.read(), rig.lost), ("a2 a3 a4 a5".into(), 0), "{is_down}");
        rig.write("app-10.log", "a6\n");
        assert_eq!(rig.read(), "a6");
    }
}

#[test]
fn a_link_to_another_directory() {
    let mut rig = Rig::new(&["current/app.log"]);
    for release in ["r7", "r8"] {
        fs::create_dir(rig.path(release)).unwrap();
    }
    symlink("r7", rig.path("current")).unwrap();
    rig.write("r7/app.log", "a1\n");
    assert_eq!(rig.read(), "a1");
    rig.stop();
    rig.write("r7/app.log", "a2\n");
    rig.write("r8/app.log", "a3\n");
    fs::remove_file(rig.path("current")).unwrap();
    symlink("r8", rig.path("current")).unwrap();
    assert_eq!((rig.read(), rig.lost), ("a2 a3".into(), 0));
}

#[test]
fn a_file_system_that_goes_away_and_comes_back() {
    for is_down in [false, true] {
        let mut rig = Rig::new(&["mount/a.log"]);
        fs::create_dir(rig.path("mount")).unwrap();
        rig.write("mount/a.log", "a1\n");
        assert_eq!(rig.read(), "a1");
        rig.rename("mount", "elsewhere");
        if is_down {
            rig.stop();
        }
        assert_eq!(rig.read(), "");
        assert_eq!(rig.backlog().2, u64::from(is_down));
        fs::create_dir(rig.path("mount")).unwrap();
        assert_eq!(rig.read(), "");
        // With other numbers than before.
        fs::copy(rig.path("elsewhere/a.log"), rig.path("mount/a.log")).unwrap();
        fs::remove_dir_all(rig.path("elsewhere")).unwrap();
        rig.write("mount/a.log", "a2\n");
        assert_eq!((rig.read(), rig.lost), ("a2".into(), 0), "{is_down}");
        assert_eq!(rig.backlog().2, 0);
    }
}

#[test]
fn where_a_link_led_for_a_moment_is_read_though_it_was_seen_there() {
    let mut rig = Rig::new(&["s.log"]);
    let lead = |rig: &Rig, to: &str| {
        let _ = fs::remove_file(rig.path("s.log"));
        symlink(rig.path(to), rig.path("s.log")).unwrap();
    };
    rig.write("s-1.log", "a1\n");
    lead(&rig, "s-1.log");
    assert_eq!(rig.read(), "a1");
    rig.write("s-2.log", "a2\n");
    lead(&rig, "s-2.log");
    let follow = rig.follow.as_mut().unwrap();
    follow.look();
    // The next look is later than the next link.
    (follow.look_every, follow.watch) = (Duration::from_secs(3_600), Watch::start(Arc::new(|| {})));
    follow.watch.has_changed();
    rig.write("s-3.log", "a3\n");
    lead(&rig, "s-3.log");
    assert_eq!(rig.read(), "a2 a3");
}

#[test]
fn what_is_no_file_is_refused_and_waited_for() {
    let mut rig = Rig::new(&["a.log"]);
    fs::create_dir(rig.path("a.log")).unwrap();
    assert_eq!((rig.read(), rig.backlog()), (String::new(), (0, 1, 1)));
    fs::remove_dir(rig.path("a.log")).unwrap();
    nix_mkfifo(&rig.path("a.log"));
    assert_eq!((rig.read(), rig.backlog()), (String::new(), (0, 1, 1)));
    rig.remove("a.log");
    rig.write("a.log", "a1\n");
    assert_eq!((rig.read(), rig.backlog()), ("a1".into(), (0, 1, 0)));
}

fn nix_mkfifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(status.success());
}

#[test]
fn what_may_not_be_read_is_waited_for() {
    if is_root() {
        eprintln!("SKIPPED: root may read everything");
        return;
    }
    let mut rig = Rig::new(&["a.log"]);
    rig.write("a.log", "a1\n");
    fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!((rig.read(), rig.backlog().2), (String::new(), 1));
    fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!((rig.read(), rig.backlog().2), ("a1".into(), 0));
}

#[test]
fn a_damaged_compressed_file_is_counted_and_passed_over() {
    let mut rig = Rig::new(&["a.log"]);
    rig.write("a.log", "a1\n");
    assert_eq!(rig.read(), "a1");
    rig.stop();
    rig.write("a.log", "a2\n");
    rig.rename("a.log", "a.log.2");
    rig.write("a.log.1", "a3\n".repeat(1_000));
    rig.pack("a.log.1", "gz");
    let packed = fs::read(rig.path("a.log.1.gz")).unwrap();
    fs::write(rig.path("a.log.1.gz"), &packed[..packed.len() - 9]).unwrap();
    rig.write("a.log", "a4\n");
    let read = rig.read();
    assert!(read.starts_with("a2") && read.ends_with("a4"), "{read}");
    assert_eq!(rig.lost, 1);
}
