//! Fuzz bodies: one function per parser, which any bytes may be given to.
//!
//! In: bytes of a stranger. Out: nothing; a body panics where the parser breaks a promise. The coverage-guided fuzzer
//! (`fuzz/fuzz_targets`, see `fuzz/README.md`) and the tests of this crate call the same functions.

mod logs;
mod packets;
mod wire;

/// A parser's name and its body.
pub type Body = (&'static str, fn(&[u8]));

/// All of them; the names are those of the fuzzer's targets.
pub const BODIES: &[Body] = &[
    ("log_lines", logs::lines),
    ("log_format", logs::format),
    ("wrapped", logs::wrapped),
    ("syslog", logs::syslog),
    ("filter", wire::filter),
    ("report", wire::report),
    ("capture", packets::capture),
    ("frame", packets::frame),
    ("segments", packets::segments),
    ("http1", packets::http1),
    ("http2", packets::http2),
];

/// The body of a parser.
pub fn body(name: &str) -> Option<fn(&[u8])> {
    BODIES.iter().find(|(n, _)| *n == name).map(|(_, body)| *body)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    /// Files that the bodies run over as they are, and with bytes changed: those kept as cases, and the corpus.
    fn files(body: &str) -> Vec<Vec<u8>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let shared = env::var_os("PITOT_SHARED").map_or(root.join("../shared"), Into::into);
        let mut files = Vec::new();
        read_all(&root.join("fuzz/cases").join(body), &mut files);
        let corpus = match body {
            "log_lines" => "corpus/logs",
            "capture" => "corpus/pcap",
            _ => return files,
        };
        let n_cases = files.len();
        read_all(&shared.join(corpus), &mut files);
        if files.len() == n_cases {
            assert!(env::var_os("CI").is_none_or(|v| v != "true"), "no corpus in {}", shared.display());
            eprintln!(
                "SKIPPED: {body} over the corpus, which is not in {}; PITOT_SHARED says where it is",
                shared.display()
            );
        }
        files
    }

    fn read_all(directory: &Path, files: &mut Vec<Vec<u8>>) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut paths: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                read_all(&path, files);
            } else if path.extension().is_none_or(|e| e != "jsonl") {
                files.push(fs::read(&path).unwrap());
            }
        }
    }

    /// Changes bytes, cuts, and repeats parts: what a fuzzer does, from a seed.
    fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut random = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % n.max(1) as u64) as usize
        };
        let mut bytes = bytes[..bytes.len().min(64 << 10)].to_vec();
        for _ in 0..1 + random(8) {
            let at = random(bytes.len());
            match random(4) {
                0 if !bytes.is_empty() => bytes[at] = random(256) as u8,
                1 if !bytes.is_empty() => bytes[at] ^= 1 << random(8),
                2 => bytes.truncate(at),
                _ => {
                    let part = bytes[at..(at + random(200)).min(bytes.len())].to_vec();
                    let to = random(bytes.len());
                    bytes.splice(to..to, part);
                }
            }
        }
        bytes
    }

    #[test]
    fn bodies_hold_over_the_corpus_as_it_is_and_changed() {
        for (name, body) in BODIES {
            for (i, file) in files(name).iter().enumerate() {
                body(file);
                for round in 0..3 {
                    body(&mutated(file, (i as u64 * 3 + round).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn bodies_hold_over_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), text in "\\PC{0,200}") {
            for (_, body) in BODIES {
                body(&bytes);
                body(text.as_bytes());
            }
        }
    }
}
