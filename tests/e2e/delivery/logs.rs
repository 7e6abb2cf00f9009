//! Access logs as servers write and rotate them. In: choices by a seed. Out: files, and the truth about them.
//!
//! Nothing of them is removed before the test ends, and nothing is written between a copy and the truncation that follows
//! it, since no reader could tell what was there.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pitot_model::Timestamp;

use super::{
    random::Random,
    truth::{self, Truth},
};

/// How a log makes room for the next generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `numbered.log` becomes `numbered.log.1`, that `.2` and so on, and is made anew.
    Numbered,
    /// `copied.log` is copied to `copied.log.1` and truncated.
    Copied,
    /// `switched.log` is a link to `switched-0001.log`, and then to `switched-0002.log`.
    Switched,
    /// `dated.log` becomes `dated.log-20261120-000001`, is made anew, and the old one is compressed.
    Dated,
}

pub(super) const WAYS: [Way; 4] = [Way::Numbered, Way::Copied, Way::Switched, Way::Dated];

/// Least time between two truncations: a reader that does not look at the file in between cannot know that there were two.
const COPY_APART: Duration = Duration::from_millis(250);

/// One log that is written and rotated.
pub(super) struct Log {
    way: Way,
    /// What a reader follows.
    pub(super) path: PathBuf,
    service: String,
    file: File,
    /// Generations that were closed.
    pub(super) generations: u32,
    /// The end of a line whose beginning is written already.
    rest: Vec<u8>,
    /// The file of before the last rotation, into which a worker of the server still writes.
    lingering: Option<File>,
    /// A generation that is to be compressed.
    plain: Option<PathBuf>,
    rotated: Instant,
    truth: Truth,
}

impl Log {
    pub(super) fn create(dir: &Path, way: Way) -> Self {
        let name = format!("{way:?}").to_lowercase();
        let path = dir.join(format!("{name}.log"));
        let real = if way == Way::Switched { dir.join(format!("{name}-0000.log")) } else { path.clone() };
        let file = appending(&real);
        if way == Way::Switched {
            symlink(&real, &path).unwrap();
        }
        let service = format!("{name}.example.com");
        Self {
            way,
            path,
            service,
            file,
            generations: 0,
            rest: Vec::new(),
            lingering: None,
            plain: None,
            rotated: Instant::now(),
            truth: Truth::default(),
        }
    }

    /// Writes so many lines; of the last one sometimes only a part.
    pub(super) fn write(&mut self, n_lines: u64, random: &mut Random) {
        if let Some(mut old) = self.lingering.take() {
            old.write_all(&self.line(random)).unwrap();
        }
        let mut text = std::mem::take(&mut self.rest);
        for _ in 1..n_lines {
            text.extend(self.line(random));
        }
        let last = self.line(random);
        let cut = if random.chance(10) { random.between(1, last.len() as u64) as usize } else { last.len() };
        text.extend(&last[..cut]);
        self.file.write_all(&text).unwrap();
        self.rest = last[cut..].to_vec();
    }

    /// Begins the next generation.
    pub(super) fn rotate(&mut self, random: &mut Random) {
        if self.way == Way::Copied && self.rotated.elapsed() < COPY_APART {
            return;
        }
        self.rotated = Instant::now();
        if let Some(mut old) = self.lingering.take() {
            old.write_all(&self.line(random)).unwrap();
        }
        self.compress();
        self.generations += 1;
        match self.way {
            Way::Numbered => {
                self.shift();
                fs::rename(&self.path, numbered(&self.path, 1)).unwrap();
                self.reopen(&self.path.clone(), random);
            }
            Way::Copied => {
                self.end_line();
                self.shift();
                fs::copy(&self.path, numbered(&self.path, 1)).unwrap();
                self.file.set_len(0).unwrap();
            }
            Way::Switched => {
                let next = self.path.with_file_name(format!("switched-{:04}.log", self.generations));
                let link = self.path.with_extension("new");
                File::create_new(&next).unwrap();
                symlink(&next, &link).unwrap();
                fs::rename(&link, &self.path).unwrap();
                self.reopen(&next, random);
            }
            Way::Dated => {
                let name = format!("dated.log-20261120-{:06}", self.generations);
                let old = self.path.with_file_name(name);
                fs::rename(&self.path, &old).unwrap();
                self.plain = Some(old);
                self.reopen(&self.path.clone(), random);
                if self.lingering.is_none() && random.chance(50) {
                    self.compress();
                }
            }
        }
    }

    /// Lines that were written to their ends.
    pub(super) fn whole_lines(&self) -> u64 {
        self.truth.lines - u64::from(!self.rest.is_empty())
    }

    /// Ends the last line. What was written.
    pub(super) fn finish(mut self) -> Truth {
        self.end_line();
        self.truth
    }

    /// The server ends its line and opens the new file; a worker of it may be late.
    fn reopen(&mut self, path: &Path, random: &mut Random) {
        self.end_line();
        let old = std::mem::replace(&mut self.file, appending(path));
        self.lingering = random.chance(20).then_some(old);
    }

    fn end_line(&mut self) {
        self.file.write_all(&std::mem::take(&mut self.rest)).unwrap();
    }

    /// Makes room for number 1.
    fn shift(&self) {
        for n in (1..self.generations).rev() {
            fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1)).unwrap();
        }
    }

    /// As gzip does it: the new file beside the old one, with its time, and then the old one goes.
    fn compress(&mut self) {
        let Some(plain) = self.plain.take() else { return };
        let mut text = Vec::new();
        File::open(&plain).unwrap().read_to_end(&mut text).unwrap();
        let packed = File::create_new(format!("{}.gz", plain.display())).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap().set_modified(fs::metadata(&plain).unwrap().modified().unwrap()).unwrap();
        fs::remove_file(plain).unwrap();
    }

    /// One line of its own, and its place in the truth.
    fn line(&mut self, random: &mut Random) -> Vec<u8> {
        let id = self.truth.lines + 1;
        let (method, path, route) = match random.between(0, 5) {
            0 => ("POST", "/v1/orders".to_owned(), "/v1/orders"),
            1 => ("GET", format!("/v1/orders/{id}/items"), "/v1/orders/{int}/items"),
            2 => ("GET", format!("/v1/search?q=line+{id}"), "/v1/search"),
            3 => ("GET", "/health".to_owned(), "/health"),
            _ => ("GET", format!("/v1/users/{id}"), "/v1/users/{int}"),
        };
        let address = format!("10.0.0.{}", random.between(1, 4));
        let user = *random.one_of(&["", "", "alice", "bob"]);
        let consumer = if user.is_empty() { &address } else { user };
        let status = *random.one_of(&["200", "200", "200", "201", "404", "500", "503"]);
        self.truth.add([&self.service, method, route, consumer, status], id);
        // Mostly now, some of a moment ago, and a few of long ago.
        let ago = match random.between(0, 100) {
            0 => random.between(0, 7_200),
            1..10 => random.between(0, 60),
            _ => 0,
        };
        let at = truth::now() - Duration::from_secs(ago);
        let (service, request) = (&self.service, format!("{method} {path} HTTP/1.1"));
        let line = if self.way == Way::Switched {
            format!(
                r#"{{"time":"{at}","host":"{service}","remote_addr":"{address}","remote_user":"{user}","request":"{request}","status":{status},"body_bytes_sent":{id}}}"#
            )
        } else {
            let (user, at) = (if user.is_empty() { "-" } else { user }, clf(at));
            format!(r#"{service}:443 {address} - {user} [{at}] "{request}" {status} {id} "-" "curl/8""#)
        };
        (line + "\n").into_bytes()
    }
}

fn appending(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    PathBuf::from(format!("{}.{n}", path.display()))
}

/// `20/Nov/2026:15:30:00 +0000`.
pub(super) fn clf(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_string();
    let (year, month, day, time) = (&text[..4], &text[5..7], &text[8..10], &text[11..19]);
    let month = MONTHS[month.parse::<usize>().unwrap() - 1];
    format!("{day}/{month}/{year}:{time} +0000")
}
