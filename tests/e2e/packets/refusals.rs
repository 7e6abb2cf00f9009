//! What a capture cannot do is met with one clear line and a failure.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::Command,
};

use super::capture::{can_capture, tool};
use crate::support::{run, stderr};

#[test]
fn without_the_privilege_it_says_what_to_grant() {
    // Root alone can become somebody who may not.
    let (true, Some(setpriv)) = (can_capture(), tool("setpriv")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("pitot");
    std::fs::copy(env!("CARGO_BIN_EXE_pitot"), &binary).unwrap();
    for path in [dir.path(), &binary] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    for command in ["replay", "agent", "top"] {
        let output = Command::new(&setpriv)
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
            .arg(&binary)
            .args([command, "-i", "lo", "--port", "80"])
            .env("PITOT_STATE", dir.path())
            .output()
            .unwrap();
        let told = stderr(&output);
        assert!(!output.status.success(), "{command} succeeded");
        let last = told.lines().last().unwrap_or_default();
        for part in ["cannot capture on `lo`: permission denied", "CAP_NET_RAW", "sudo setcap"] {
            assert!(last.contains(part), "{command}: {told}");
        }
        assert!(!told.contains("panicked"), "{command}: {told}");
    }
}

#[test]
fn wrong_interfaces_and_filters_are_told() {
    if !can_capture() {
        return;
    }
    for (args, part) in [
        (&["-i", "nosuch0", "--port", "80"][..], "cannot capture on `nosuch0`: there is no such interface"),
        (&["-i", "lo", "-f", "tcp prot 80"], "tcp prot 80"),
        (&["-i", "lo", "-i", "any"], "cannot capture on `any` twice"),
    ] {
        let output = run(&[&["replay"], args].concat());
        let told = stderr(&output);
        assert!(!output.status.success(), "{args:?} succeeded");
        assert!(told.contains(part) && !told.contains("panicked"), "{args:?}: {told}");
    }
}

#[test]
fn a_user_that_is_named_is_obeyed_where_logs_are_followed() {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    if !can_capture() || !is_root {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    std::fs::write(&log, "").unwrap();
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = run(&["agent", "-i", "lo", "--user", "nobody", "--source", log.to_str().unwrap()]);
    let told = stderr(&output);
    assert!(!output.status.success() && told.contains("user `nobody` may not read"), "{told}");
}

#[test]
fn captures_that_are_none_or_break_off_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let head = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0";
    for (name, bytes, part) in [
        ("half-head.pcap", &head[..10], ""),
        ("old.pcap", &[&head[..4], &[9], &head[5..]].concat(), ""),
        ("half-packet.pcap", &[&head[..], &[0; 20]].concat(), ""),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let output = run(&["report", path.to_str().unwrap()]);
        let told = stderr(&output);
        assert!(!output.status.success(), "{name} succeeded");
        assert!(told.contains(name) && told.contains(part) && !told.contains("panicked"), "{name}: {told}");
    }
}
