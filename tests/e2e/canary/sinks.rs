//! The ways out, and the search in what came there.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use super::shapes::{Canary, base64, percent};
use crate::{daemons::Running, support::pitot};

/// Bytes of the beginning of a needle by which it is looked for.
const HEAD: usize = 8;

/// Names of the canaries that these bytes hold, also in what is compressed in them, and what stands around each.
pub(super) fn found(bytes: &[u8], canaries: &[Canary]) -> Vec<String> {
    let mut texts = unpacked(bytes);
    texts.push(bytes.to_vec());
    let decoded: Vec<_> = texts.iter().map(|text| decode_percent(text)).collect();
    texts.extend(decoded);
    let needles = needles(canaries);
    let mut found: Vec<String> = Vec::new();
    for text in &mut texts {
        text.make_ascii_lowercase();
        // Files of the store are nothing for the most part.
        for at in (0..text.len().saturating_sub(HEAD)).filter(|&at| text[at] != 0) {
            for (rest, name) in needles.get(&text[at..at + HEAD]).into_iter().flatten() {
                if text[at..].starts_with(rest) {
                    let around = &text[at.saturating_sub(60)..text.len().min(at + 60)];
                    found.push(format!("  {name}: …{}…", String::from_utf8_lossy(around).escape_debug()));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// By their heads, in lower case: as they are, encoded, and in Base64.
fn needles(canaries: &[Canary]) -> HashMap<Vec<u8>, Vec<(Vec<u8>, &str)>> {
    let mut all: HashMap<Vec<u8>, Vec<(Vec<u8>, &str)>> = HashMap::new();
    for canary in canaries {
        for needle in &canary.needles {
            let in_base64 = base64(&needle.as_bytes()[..needle.len() / 3 * 3]);
            for form in [needle.clone(), percent(needle), in_base64] {
                let form = form.to_ascii_lowercase().into_bytes();
                all.entry(form[..HEAD].to_vec()).or_default().push((form, &canary.name));
            }
        }
    }
    all
}

fn decode_percent(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        let hex = |at: usize| text.get(at).and_then(|&b| char::from(b).to_digit(16));
        match (text[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// What is in the zstd frames that stand in these bytes.
fn unpacked(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts = bytes.windows(4).enumerate().filter(|(_, w)| *w == [0x28, 0xb5, 0x2f, 0xfd]).map(|(at, _)| at);
    let unpack = |at: usize| {
        let mut plain = Vec::new();
        // What is behind the frame is none; what came before counts.
        let _ = zstd::Decoder::new(&bytes[at..]).map(|mut decoder| decoder.read_to_end(&mut plain));
        plain
    };
    starts.map(unpack).filter(|plain| !plain.is_empty()).collect()
}

/// All that a collector answers.
pub(super) const ANSWERS: [&str; 12] = [
    "/api/v1/table?from=2026-01-12&to=2026-01-13&limit=0&by=route",
    "/api/v1/table?from=2026-01-12&to=2026-01-13&limit=0&by=consumer",
    "/api/v1/table?from=2026-01-12&to=2026-01-13&limit=0&by=service",
    "/api/v1/table?from=2026-01-12&to=2026-01-13&limit=0&by=version",
    "/api/v1/table?from=2026-01-12&to=2026-01-13&limit=0&by=method",
    "/api/v1/series?from=2026-01-12&to=2026-01-13&by=route",
    "/api/v1/anomalies",
    "/api/v1/agents",
    "/api/v1/coverage?from=2026-01-12&to=2026-01-13",
    "/api/v1/status",
    "/metrics",
    "/",
];

/// A collector, where it listens, and all that it says until it ends.
pub(super) fn collector(state: &Path, data: &Path) -> (Running, String, JoinHandle<Vec<u8>>) {
    let mut command = pitot(state);
    command.args(["collector", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    let mut child = command.stderr(Stdio::piped()).env("NO_COLOR", "1").env("PITOT_LOG", "debug").spawn().unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let (mut said, mut line) = (Vec::new(), String::new());
    let address = loop {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the collector says where it listens");
        said.extend(line.as_bytes());
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.trim().to_owned();
        }
    };
    let rest = thread::spawn(move || {
        let _ = reader.read_to_end(&mut said);
        said
    });
    (Running(child), address, rest)
}

/// The status and the body of an answer.
pub(super) fn get(address: &str, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let status = String::from_utf8_lossy(&answer[..answer.len().min(12)]);
    (status.rsplit(' ').next().unwrap().parse().unwrap(), answer)
}

/// Every file below a directory.
pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file() || path.is_dir()).flat_map(below).collect()
}

/// A way to a collector that remembers all that goes along.
pub(super) struct Recorder {
    address: String,
    recorded: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    pub(super) fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, target) = (listener.local_addr().unwrap().to_string(), target.to_owned());
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let all = recorded.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&target) else { return };
                carry(client.try_clone().unwrap(), server.try_clone().unwrap(), all.clone());
                carry(server, client, all.clone());
            }
        });
        Self { address, recorded }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn recorded(&self) -> Vec<u8> {
        self.recorded.lock().unwrap().clone()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, recorded: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n) = from.read(&mut buffer)
            && n > 0
        {
            recorded.lock().unwrap().extend(&buffer[..n]);
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
