//! Those who do not behave: bodies of one byte a second, and everything that a collector has to refuse, as fast as it
//! answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use pitot_model::{budget, wire};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use crate::traffic::{self, Api};

/// How many there are.
#[derive(Clone, Copy)]
pub(crate) struct Strangers {
    pub(crate) slow: usize,
    pub(crate) hostile: usize,
}

/// Those that are at it.
pub(crate) struct Busy {
    tasks: Vec<JoinHandle<()>>,
    answers: Arc<AtomicU64>,
}

impl Strangers {
    pub(crate) const NONE: Self = Self { slow: 0, hostile: 0 };

    pub(crate) fn start(self, address: SocketAddr) -> Busy {
        let answers = Arc::new(AtomicU64::new(0));
        let slow = (0..self.slow).map(|_| tokio::spawn(drip(address)));
        let kinds = bodies();
        let hostile = (0..self.hostile).map(|i| {
            let (body, answers) = (kinds[i % kinds.len()].clone(), answers.clone());
            tokio::spawn(async move {
                loop {
                    match post(address, &body).await {
                        Ok(()) => answers.fetch_add(1, Ordering::Relaxed),
                        Err(_) => {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                            0
                        }
                    };
                }
            })
        });
        Busy { tasks: slow.chain(hostile).collect(), answers }
    }
}

impl Busy {
    /// Ends it. How many answers they got.
    pub(crate) fn stop(self) -> u64 {
        for task in self.tasks {
            task.abort();
        }
        self.answers.load(Ordering::Relaxed)
    }
}

/// A body of one byte a second, again and again.
async fn drip(address: SocketAddr) {
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else { return };
        let head = head(100_000);
        if stream.write_all(head.as_bytes()).await.is_ok() {
            while stream.write_all(&[0x28]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What hostile agents send: noise, a bomb, parts without number, one report over and over, one of another width.
fn bodies() -> Vec<Bytes> {
    let zstd = |plain: &[u8]| Bytes::from(zstd::bulk::compress(plain, 3).unwrap());
    let api = Api::new(1_000_000);
    let mut wide = api.report(1, traffic::now());
    wide.windows[0].width = Duration::from_secs(3600);
    let parts = [b"PIT1", &[0x42, 0].repeat(8_000_000)[..]].concat();
    vec![
        Bytes::from(vec![7; 100_000]),
        zstd(&vec![0; budget::REPORT_PLAIN_BYTES + 1]),
        zstd(&parts),
        pitot_client::pack(&api.report(1, traffic::now())).unwrap(),
        zstd(&wire::encode_report(&wide)),
    ]
}

/// One request on a connection of its own.
async fn post(address: SocketAddr, body: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head(body.len()).as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    if answer.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn head(bytes: usize) -> String {
    format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: collector\r\nContent-Encoding: zstd\r\nContent-Length: {bytes}\r\n\
         Connection: close\r\n\r\n"
    )
}
