//! Running the binary, and finding shared material.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The binary, with a state directory of its own, so that nothing of the machine matters.
pub(crate) fn pitot(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pitot"));
    command.env("PITOT_STATE", state).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    let state = tempfile::tempdir().expect("a temporary directory");
    pitot(state.path()).args(args).output().expect("the binary runs")
}

/// Runs the binary to its end, with text on its standard input.
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let state = tempfile::tempdir().expect("a temporary directory");
    let mut command = pitot(state.path());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the binary ends");
    writer.join().expect("input is written");
    output
}

/// Its standard output as JSON; fails with its standard error where it failed.
pub(crate) fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A path in the shared material, or `None`, said loudly, where it is not there. CI has it.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PITOT_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there; set PITOT_SHARED", path.display());
    eprintln!("SKIPPED: {} is not there; set PITOT_SHARED to run this test", path.display());
    None
}

/// Builds the generators of the shared material, outside of it, since it may be read-only. The path of one of them.
pub(crate) fn generator(name: &str) -> Option<PathBuf> {
    let manifest = shared("bench/Cargo.toml")?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-data");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target);
    assert!(cargo.status().expect("cargo runs").success(), "the generators do not build");
    Some(target.join("release").join(name))
}

/// A few lines of an access log with response times and keys.
pub(crate) const LOG: &str = "\
203.0.113.9 - - [12/Jan/2026:08:30:00 +0000] \"GET /v1/users/42?token=s3cr3t HTTP/1.1\" 200 512 \"-\" \"curl/8\" 0.012 0.011 \"ak_0f3a9b1c2d4e5f60\"
203.0.113.9 - - [12/Jan/2026:08:30:01 +0000] \"GET /v1/users/43 HTTP/1.1\" 200 512 \"-\" \"curl/8\" 0.020 0.019 \"ak_0f3a9b1c2d4e5f60\"
198.51.100.7 - - [12/Jan/2026:08:30:12 +0000] \"POST /v1/orders HTTP/1.1\" 503 17 \"-\" \"app/2\" 1.250 1.249 \"ak_99aa88bb77cc66dd\"
198.51.100.7 - - [12/Jan/2026:08:31:00 +0000] \"POST /v1/orders HTTP/1.1\" 201 99 \"-\" \"app/2\" 0.080 0.079 \"ak_99aa88bb77cc66dd\"
";
