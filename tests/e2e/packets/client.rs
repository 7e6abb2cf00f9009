//! A client that sends bytes as told, and reads as many answers as it is told.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};

/// A connection to loopback, kept alive.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u64,
    /// Header fields, names in lower case.
    head: Vec<(String, String)>,
    /// Bytes of the body without its framing.
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(super) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Each call is a segment of its own, as long as it fits.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request without a body, and reads its answer.
    pub(super) fn ask(&mut self, method: &str, target: &str, fields: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        self.receive(method)
    }

    /// Reads the final answer to a request of this method.
    pub(super) fn receive(&mut self, method: &str) -> Answer {
        loop {
            let mut answer = self.head();
            if answer.status >= 200 || answer.status == 101 {
                answer.body = self.body(method, &answer);
                return answer;
            }
        }
    }

    /// Reads the head of an answer, interim ones too.
    pub(super) fn head(&mut self) -> Answer {
        let status = self.line();
        let status = status.split(' ').nth(1).unwrap_or_else(|| panic!("no status line: {status:?}")).parse().unwrap();
        let mut head = Vec::new();
        loop {
            match self.line().split_once(": ") {
                Some((name, value)) => head.push((name.to_ascii_lowercase(), value.to_owned())),
                None => return Answer { status, head, body: Vec::new() },
            }
        }
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(super) fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Says that nothing more will come, and waits until the other side says so, too.
    pub(super) fn hang_up(mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
        self.stream.read_to_end(&mut Vec::new()).unwrap();
    }

    fn body(&mut self, method: &str, answer: &Answer) -> Vec<u8> {
        if method == "HEAD" || [101, 204, 304].contains(&answer.status) {
            return Vec::new();
        }
        if answer.field("transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        if let Some(n) = answer.field("content-length") {
            return self.bytes(n.parse().unwrap());
        }
        let mut body = Vec::new();
        self.stream.read_to_end(&mut body).unwrap();
        body
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line(), 16).unwrap();
            body.extend(self.bytes(size));
            assert_eq!(self.line(), "", "a chunk ends with its line");
            if size == 0 {
                return body;
            }
        }
    }
}
