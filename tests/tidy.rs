//! The rules of the house that compilers do not check. In: the sources of this repository. Out: file, line and remedy.
#![expect(clippy::panic, reason = "a helper that fails is a test that fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use pitot_model::Reason;

/// Lines of a source file; tests in directories of their own may be longer.
const MAX_LINES: usize = 500;

/// Which of our crates each crate may depend on. Agent, collector and dashboard meet in the root package alone.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("client", &["model"]),
    ("agent", &["model", "client"]),
    ("collector", &["model"]),
    ("tui", &["model", "client"]),
    ("fuzz/bodies", &["model", "agent"]),
];

/// What only `io/` may name: text, and what it is. Addresses are values and may be named anywhere.
const OUTSIDE: &[(&str, &str)] = &[
    ("std::fs", "files"),
    ("tokio::fs", "files"),
    ("File::open", "files"),
    ("File::create", "files"),
    ("tokio::net", "sockets"),
    ("TcpStream", "sockets"),
    ("TcpListener", "sockets"),
    ("UdpSocket", "sockets"),
    ("UnixStream", "sockets"),
    ("UnixListener", "sockets"),
    ("ToSocketAddrs", "name resolution"),
    ("SystemTime::now", "the clock"),
    ("Instant::now", "the clock"),
    ("Timestamp::now", "the clock"),
    ("tokio::time", "the clock"),
    ("std::process", "processes"),
    ("std::env", "the environment"),
    ("thread::sleep", "the clock"),
];

/// The same, as they look within `use std::{…}`.
const OUTSIDE_IN_GROUP: &[(&str, &str)] = &[("fs", "files"), ("process", "processes"), ("env", "the environment")];

#[test]
fn every_file_says_what_it_is_for() {
    let silent = |s: &Source| {
        (!s.text.starts_with("//! ")).then(|| s.at(1, "open with `//!`: what for, what comes in, what goes out"))
    };
    report(sources().iter().filter_map(silent));
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let long = |s: &Source| {
        let lines = s.text.lines().count();
        let message = format!("{lines} lines; move the second idea out, {MAX_LINES} at most");
        (lines > MAX_LINES && !s.is_test_file()).then(|| s.at(MAX_LINES + 1, &message))
    };
    report(sources().iter().filter_map(long));
}

#[test]
fn nothing_is_left_unfinished() {
    report(sources().iter().flat_map(|s| {
        let macros = ["todo!(", "unimplemented!(", "dbg!("];
        let of_line = move |(n, line): (usize, &str)| {
            let name = macros.iter().find(|m| code(line).contains(*m))?;
            Some(s.at(n, &format!("`{name})` stays out of commits; finish it or leave it out")))
        };
        // This file names them.
        s.text
            .lines()
            .zip(1..)
            .map(|(l, n)| (n, l))
            .filter(|_| !s.path.ends_with("tests/tidy.rs"))
            .filter_map(of_line)
            .collect::<Vec<_>>()
    }));
}

#[test]
fn only_io_touches_the_outside() {
    report(sources().iter().filter(|s| s.is_pure()).flat_map(Source::touches));
}

#[test]
fn crates_depend_in_one_direction() {
    report(DIRECTIONS.iter().flat_map(|(name, allowed)| {
        let manifest = manifest(name);
        let depends = |section: &str| {
            let table = manifest.get(section).and_then(toml::Value::as_table);
            table.into_iter().flat_map(toml::Table::keys).filter_map(|k| k.strip_prefix("pitot-")).collect::<Vec<_>>()
        };
        let wrong = |d: &&str| !allowed.contains(d);
        let all = ["dependencies", "dev-dependencies", "build-dependencies"].map(depends).concat();
        let line = |d: &str| {
            format!("{name}/Cargo.toml: depends on `pitot-{d}`; it may use {allowed:?} alone, see DIRECTIONS")
        };
        all.into_iter().filter(wrong).map(line).collect::<Vec<_>>()
    }));
}

#[test]
fn every_crate_has_a_direction_and_the_lints() {
    let root = manifest(".");
    let members = root["workspace"]["members"].as_array().expect("members are a list").iter();
    report(members.filter_map(toml::Value::as_str).filter_map(|member| {
        let inherits = |m: &toml::Table| m.get("lints").and_then(|l| l.get("workspace")) == Some(&true.into());
        if !inherits(&manifest(member)) {
            Some(format!("{member}/Cargo.toml: add `[lints] workspace = true`"))
        } else if !DIRECTIONS.iter().any(|(name, _)| *name == member) {
            Some(format!("{member}/Cargo.toml: name the crate in DIRECTIONS of tests/tidy.rs"))
        } else if toml_file(&format!("{member}/clippy.toml")) != toml_file("model/clippy.toml") {
            Some(format!("{member}/clippy.toml: differs from that of model/, which keeps I/O inside io/; copy it"))
        } else {
            None
        }
    }));
}

#[test]
fn every_reason_of_coverage_is_documented() {
    let file = "docs/coverage.md";
    let text = fs::read_to_string(root_dir().join(file)).expect("docs/coverage.md is there");
    let rows: Vec<String> = Reason::ALL
        .iter()
        .map(|r| {
            format!("| `{}` | {} | {} |", r.name(), r.help().trim(), if r.is_loss() { "missing" } else { "counted" })
        })
        .collect();
    report(
        rows.iter().filter(|row| !text.lines().any(|l| l == *row)).map(|row| format!("{file}: add the row\n    {row}")),
    );
}

/// One file of source code.
struct Source {
    /// Relative to the repository.
    path: PathBuf,
    text: String,
}

impl Source {
    fn at(&self, line: usize, message: &str) -> String {
        format!("{}:{line}: {message}", self.path.display())
    }

    fn has_part(&self, names: &[&str]) -> bool {
        self.path.iter().any(|part| names.iter().any(|n| part == *n))
    }

    fn is_test_file(&self) -> bool {
        self.has_part(&["tests", "tests.rs", "benches", "examples", "fuzz"])
    }

    /// Whether it belongs to a library crate and lies outside its `io/`.
    fn is_pure(&self) -> bool {
        let is_library = DIRECTIONS.iter().any(|(name, _)| self.path.starts_with(Path::new(name).join("src")));
        is_library && !self.is_test_file() && !self.has_part(&["io", "io.rs"])
    }

    /// Places where it touches the outside, up to its tests, which come last in a file.
    fn touches(&self) -> Vec<String> {
        let mut in_std_group = false;
        let mut found = Vec::new();
        let mut lines = self.text.lines().zip(1..).peekable();
        while let Some((line, n)) = lines.next() {
            let next_is_module = lines.peek().is_some_and(|(l, _)| l.trim_start().starts_with("mod "));
            if line.trim() == "#[cfg(test)]" && next_is_module {
                break;
            }
            let line = code(line);
            in_std_group |= line.contains("use std::{");
            let in_group = OUTSIDE_IN_GROUP.iter().filter(|(name, _)| in_std_group && words(line).any(|w| w == *name));
            let named = OUTSIDE.iter().filter(|(name, _)| mentions(line, name));
            let message = |(name, what): &(&str, &str)| {
                self.at(
                    n,
                    &format!("`{name}`: {what} are for `io/` alone; take the value as an argument or move this there"),
                )
            };
            found.extend(named.chain(in_group).map(message));
            in_std_group &= !line.contains("};");
        }
        found
    }
}

/// The line without its comment; a `//` within a string cuts a little too much, which hides at most that line's rest.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// Whether the path stands in the line as a whole, not as a part of a longer name.
fn mentions(line: &str, path: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(is_name) && !line[at + path.len()..].starts_with(is_name))
}

fn sources() -> Vec<Source> {
    let root = root_dir();
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("directories of the repository can be read") {
            let path = entry.expect("directory entries can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("source files can be read");
                found.push(Source { path: path.strip_prefix(root).unwrap_or(&path).to_path_buf(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "the walk from {} found {} files only", root.display(), found.len());
    found
}

fn manifest(dir: &str) -> toml::Table {
    toml_file(&format!("{dir}/Cargo.toml"))
}

fn toml_file(path: &str) -> toml::Table {
    let text = fs::read_to_string(root_dir().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.parse().unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn root_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn report(problems: impl Iterator<Item = String>) {
    let problems: Vec<_> = problems.collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn touches_are_told_from_look_alikes() {
    for (text, want) in [
        ("let t = Instant::now();", 1),
        ("use std::{collections::BTreeMap, fs, io};", 1),
        ("use std::{\n    env,\n    fmt,\n};", 1),
        ("use std::{fmt, net::IpAddr};", 0),
        ("/// Instant::now is not called here", 0),
        ("let name = env!(\"CARGO_PKG_NAME\");", 0),
        ("struct MyTcpStreamCount;", 0),
        ("fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}", 0),
        ("#[cfg(test)]\nuse std::fs;", 1),
    ] {
        let source = Source { path: "model/src/x.rs".into(), text: text.into() };
        assert_eq!(source.touches().len(), want, "{text}");
    }
}
