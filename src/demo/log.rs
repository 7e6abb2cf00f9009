//! The access log that the demo's API writes: JSON lines. In: entries. Out: lines appended to a file.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use pitot_model::Timestamp;
use serde::{Serialize, Serializer};

/// One answered request.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    /// When the answer was sent, in whole milliseconds.
    pub(super) time: Timestamp,
    pub(super) remote_addr: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) protocol: &'a str,
    pub(super) status: u16,
    pub(super) bytes: u64,
    /// Seconds in the log, to the microsecond.
    #[serde(rename = "request_time", serialize_with = "seconds")]
    pub(super) request_us: u64,
    pub(super) consumer: &'a str,
    pub(super) service: &'a str,
    #[serde(rename = "service_version")]
    pub(super) version: &'a str,
    pub(super) user_agent: &'a str,
    pub(super) request_id: &'a str,
}

impl Entry<'_> {
    /// Its line, with the line feed.
    fn line(&self) -> io::Result<String> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        Ok(line)
    }
}

fn seconds<S: Serializer>(us: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(*us as f64 / 1e6)
}

/// The log file; lines appear whole and at once.
#[derive(Debug)]
pub(super) struct Log(Mutex<File>);

impl Log {
    /// Appends to the file, which is created where it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(File::options().create(true).append(true).open(path)?)))
    }

    /// Appends one line. It blocks for one short write, which at the demo's few hundred lines per second is no harm.
    pub(super) fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        let line = entry.line()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use pitot_agent::log::{Format, Record};

    use super::*;

    const ENTRY: Entry<'_> = Entry {
        time: Timestamp::from_millis(1_768_176_000_250),
        remote_addr: "203.0.113.7",
        method: "GET",
        uri: "/v1/search?q=\"lamp\"",
        protocol: "HTTP/1.1",
        status: 200,
        bytes: 512,
        request_us: 28_401,
        consumer: "web-shop",
        service: "catalog",
        version: "2.14.3",
        user_agent: "shop/7.2",
        request_id: "r1",
    };

    #[test]
    fn a_line_says_what_happened() {
        assert_eq!(
            ENTRY.line().unwrap(),
            concat!(
                r#"{"time":"2026-01-12T00:00:00.250Z","remote_addr":"203.0.113.7","method":"GET","#,
                r#""uri":"/v1/search?q=\"lamp\"","protocol":"HTTP/1.1","status":200,"bytes":512,"#,
                r#""request_time":0.028401,"consumer":"web-shop","service":"catalog","service_version":"2.14.3","#,
                r#""user_agent":"shop/7.2","request_id":"r1"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn the_agent_understands_it_unasked() {
        let line = ENTRY.line().unwrap();
        let line = line.trim_end().as_bytes();
        let format = Format::detect(&[line]).unwrap();
        let mut record = Record::default();
        format.parse(line, &mut record).unwrap();
        assert_eq!((record.time, record.time_is_start), (Some(ENTRY.time), false));
        assert_eq!((record.status, record.response_bytes, record.duration_us), (Some(200), Some(512), Some(28_401)));
        for (text, want) in [
            (record.client, ENTRY.remote_addr),
            (record.method, ENTRY.method),
            (record.consumer, ENTRY.consumer),
            (record.service, ENTRY.service),
            (record.version, ENTRY.version),
        ] {
            assert_eq!(String::from_utf8_lossy(text.raw), want);
        }
    }
}
