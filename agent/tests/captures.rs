//! Captures that nobody here wrote: every file is read to its end, and every link type is known.
#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use pitot_agent::{
    decode::Decoder,
    io::{CaptureFile, is_capture_file},
};
use pitot_model::Reason;

/// Files that end in the middle of a packet, and how many whole ones they have.
const CUT: [(&str, u64); 1] = [("out-of-order.pcap", 3214)];

/// Segments in all of them; as tshark 4.0 shows them, but for five whose IP length ends inside the TCP header, one it
/// does not take for IP, and two that it finds inside sFlow.
const SEGMENTS: u64 = 60079;

#[test]
fn every_capture_of_the_corpus_is_read_to_its_end() {
    let Some(corpus) = shared("corpus/pcap") else { return };
    let mut captures = Vec::new();
    find(&corpus, &mut captures);
    assert!(captures.len() > 400, "{} captures", captures.len());
    let (mut n_segments, mut reasons) = (0, BTreeMap::<Reason, u64>::new());
    for path in &captures {
        assert!(is_capture_file(path).unwrap(), "{}", path.display());
        let mut file = CaptureFile::open(path).unwrap();
        let mut decoder = Decoder::default();
        let mut n_frames = 0;
        let end = loop {
            match file.next() {
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
                Ok(Some(frame)) => {
                    n_frames += 1;
                    match decoder.decode(&frame) {
                        Ok(Some(segment)) => {
                            assert!(segment.payload.len() <= segment.payload_len as usize);
                            n_segments += 1;
                        }
                        Ok(None) => {}
                        Err(reason) => *reasons.entry(reason).or_default() += 1,
                    }
                }
            }
        };
        let name = path.file_name().unwrap().to_string_lossy();
        let cut = CUT.iter().find(|(file, _)| *file == name);
        assert_eq!(end.is_some(), cut.is_some(), "{}: {end:?}", path.display());
        assert!(cut.is_none_or(|(_, n)| *n == n_frames), "{}: {n_frames}", path.display());
        assert_eq!((file.n_skipped(), decoder.finish()), (0, 0), "{}: packets or fragments lost", path.display());
    }
    assert_eq!(reasons.get(&Reason::LinkUnknown), None);
    assert_eq!(reasons.get(&Reason::PacketFragment), None);
    assert_eq!((n_segments, reasons[&Reason::PacketMalformed]), (SEGMENTS, 6));
}

fn find(directory: &Path, captures: &mut Vec<PathBuf>) {
    for path in fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            find(&path, captures);
        } else if path.extension().is_some_and(|e| e != "jsonl") {
            captures.push(path);
        }
    }
}

/// A path of the shared material; says so loudly where it is missing, and fails under CI.
fn shared(path: &str) -> Option<PathBuf> {
    let root = env::var("PITOT_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let path = Path::new(&root).join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(env::var("CI").is_err(), "{} is missing; set PITOT_SHARED", path.display());
    eprintln!("SKIPPED: {} is missing; set PITOT_SHARED", path.display());
    None
}
