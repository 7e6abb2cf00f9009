//! Messages over real sockets of this machine, from a sender to the batch.

use std::{
    io::{Read as _, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixStream},
    path::Path,
    sync::mpsc,
};

use pitot_model::{Coverage, Reason, TimeRange};

use super::*;
use crate::{
    budget,
    enrich::{Pseudonyms, Settings, Templates},
};

/// A receiver, and who is woken by it.
struct Receiver {
    syslog: Syslog,
    woken: mpsc::Receiver<()>,
    enricher: Enricher,
    batch: Batch,
    coverage: Coverage,
}

impl Receiver {
    fn start(specs: &[SyslogSpec]) -> Self {
        let (wake, woken) = mpsc::channel();
        let wake = move || wake.send(()).unwrap_or_default();
        let syslog = Syslog::start(specs, Arc::new(wake)).unwrap();
        let settings = Settings {
            default_service: "default".to_owned(),
            service: None,
            templates: Templates::default(),
            pseudonyms: Pseudonyms::raw(),
            consumers: Arc::default(),
        };
        let enricher = Enricher::new(Arc::new(settings));
        Self { syslog, woken, enricher, batch: Batch::default(), coverage: Coverage::default() }
    }

    fn at(listen: &str) -> Self {
        Self::start(&[SyslogSpec::of(listen.parse().unwrap())])
    }

    fn address(&self) -> SocketAddr {
        match self.syslog.sources[0].spec.listen {
            Listen::Udp(address) | Listen::Tcp(address) => address,
            _ => panic!("a path is no address"),
        }
    }

    fn read(&mut self) -> bool {
        let wanted = Wanted { range: TimeRange::ALL, keep_rejected: false };
        let coverage = &mut self.coverage;
        self.syslog.read(wanted, &mut self.enricher, &mut self.batch, &mut |batch| {
            coverage.merge(&batch.coverage);
            coverage.transactions += batch.len() as u64;
        })
    }

    /// Reads until so many lines came.
    fn until(&mut self, n_lines: u64) -> &Coverage {
        while self.coverage.lines_read < n_lines {
            if !self.read() {
                self.woken.recv().unwrap();
            }
        }
        &self.coverage
    }

    /// Stops, and reads what is left.
    fn finish(mut self) -> Coverage {
        self.syslog.stop();
        while !self.syslog.is_over() {
            if !self.read() {
                thread::yield_now();
            }
        }
        self.coverage
    }
}

fn message(n: usize) -> String {
    let line = format!(r#"192.0.2.1 - - [01/Oct/2026:12:00:00 +0000] "GET /v1/{n} HTTP/1.1" 200 5 "-" "curl/8" 0.012"#);
    format!("<190>Oct  1 12:00:00 web-1 nginx: {line}")
}

fn of_lines(n: u64) -> Coverage {
    Coverage { lines_read: n, transactions: n, ..Coverage::default() }
}

fn assert_all_read(coverage: &Coverage, n: u64) {
    assert_eq!(Coverage { bytes_read: 0, ..coverage.clone() }, of_lines(n));
}

#[test]
fn datagrams_become_transactions() {
    let mut receiver = Receiver::at("udp://127.0.0.1:0");
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..500 {
        sender.send_to(message(n).as_bytes(), receiver.address()).unwrap();
        receiver.until(n as u64 + 1);
    }
    assert_all_read(&receiver.finish(), 500);
}

#[test]
fn datagrams_on_a_unix_socket_become_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receiver = Receiver::at(&format!("unix://{}", path.display()));
    let sender = UnixDatagram::unbound().unwrap();
    for n in 0..500 {
        sender.send_to(message(n).as_bytes(), &path).unwrap();
    }
    assert_all_read(&receiver.finish(), 500);
    assert!(!path.exists());
}

/// Sends messages in both framings, in pieces of a few bytes and of many.
fn send(mut stream: impl Write) {
    let frame = |n: usize| match n % 3 {
        0 => format!("{} {}", message(n).len(), message(n)),
        1 => message(n) + "\n",
        _ => message(n) + "\0",
    };
    // The end of the connection ends the last one.
    let all = (0..300).map(frame).collect::<String>() + &message(300);
    let (few, many) = all.as_bytes().split_at(3_000);
    few.chunks(7).chain(many.chunks(10_000)).for_each(|piece| stream.write_all(piece).unwrap());
}

#[test]
fn streams_of_both_framings_become_transactions() {
    let mut receiver = Receiver::at("tcp://127.0.0.1:0");
    let stream = TcpStream::connect(receiver.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    send(stream);
    assert_all_read(receiver.until(301), 301);
    let mut cut = TcpStream::connect(receiver.address()).unwrap();
    cut.write_all(b"100 <190>Oct").unwrap();
    drop(cut);
    assert_eq!(receiver.until(302).reasons[&Reason::LineCut], 1);
}

#[test]
fn streams_on_a_unix_socket_become_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut receiver = Receiver::at(&format!("unix-stream://{}", path.display()));
    send(UnixStream::connect(&path).unwrap());
    assert_all_read(receiver.until(301), 301);
}

#[test]
fn what_was_sent_before_the_stop_is_read() {
    let specs = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"].map(|text| SyslogSpec::of(text.parse().unwrap()));
    let mut receiver = Receiver::start(&specs);
    assert_eq!(receiver.syslog.sources(), (2, 0));
    let Listen::Tcp(tcp) = receiver.syslog.sources[1].spec.listen else { panic!("it is the second") };
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(tcp).unwrap();
    stream.write_all((message(0) + "\n").as_bytes()).unwrap();
    receiver.until(1);
    for n in 0..100 {
        sender.send_to(message(n).as_bytes(), receiver.address()).unwrap();
        stream.write_all((message(n) + "\n").as_bytes()).unwrap();
    }
    assert_all_read(&receiver.finish(), 201);
}

#[test]
fn datagrams_that_come_too_fast_are_counted() {
    let receiver = Receiver::at("udp://127.0.0.1:0");
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let long = message(1) + &"x".repeat(1_000);
    let n = 3 * budget::SYSLOG_QUEUE_BYTES as u64 / long.len() as u64;
    for _ in 0..n {
        sender.send_to(long.as_bytes(), receiver.address()).unwrap();
    }
    let coverage = receiver.finish();
    let dropped = coverage.reasons[&Reason::MessageDropped];
    assert_eq!(coverage.lines_read, coverage.transactions);
    assert_eq!(coverage.lines_read + dropped, n, "{dropped} dropped");
}

#[test]
fn streams_wait_while_nobody_reads() {
    let mut receiver = Receiver::at("tcp://127.0.0.1:0");
    let long = message(1) + &"x".repeat(1_000) + "\n";
    let n = 3 * budget::SYSLOG_QUEUE_BYTES / long.len();
    let address = receiver.address();
    let sender = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        (0..n).for_each(|_| stream.write_all(long.as_bytes()).unwrap());
    });
    while !receiver.syslog.sources[0].queue.is_full() {
        thread::yield_now();
    }
    assert_all_read(receiver.until(n as u64), n as u64);
    sender.join().unwrap();
}

#[test]
fn connections_beyond_the_budget_are_closed() {
    let mut receiver = Receiver::at("tcp://127.0.0.1:0");
    let mut open = Vec::new();
    for n in 0..budget::SYSLOG_CONNECTIONS {
        let mut stream = TcpStream::connect(receiver.address()).unwrap();
        stream.write_all((message(n) + "\n").as_bytes()).unwrap();
        receiver.until(n as u64 + 1);
        open.push(stream);
    }
    let mut refused = TcpStream::connect(receiver.address()).unwrap();
    assert_eq!(refused.read(&mut [0]).unwrap(), 0);
}

#[test]
fn an_address_is_free_again_when_the_receiver_is_gone() {
    let receiver = Receiver::at("tcp://127.0.0.1:0");
    let spec = SyslogSpec::of(Listen::Tcp(receiver.address()));
    let start = || Syslog::start(std::slice::from_ref(&spec), Arc::new(|| {}));
    let error = start().err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on `{}`: ", spec.listen)), "{error}");
    let _open = TcpStream::connect(receiver.address()).unwrap();
    drop(receiver);
    assert!(start().is_ok());
}

#[test]
fn a_path_that_cannot_be_used_is_told() {
    let listen = Listen::Unix(Path::new("/nowhere/at/all").to_owned());
    let error = Syslog::start(&[SyslogSpec::of(listen)], Arc::new(|| {})).err().unwrap().to_string();
    assert!(error.ends_with("use a path in a directory that can be written to"), "{error}");
}
