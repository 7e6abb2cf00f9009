//! Receiving from all sockets, on one thread.
//!
//! In: bound sockets. Out: messages in queues. It ends when it is told to, having received what lay in the sockets.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pitot_model::Reason;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::{TcpListener, UdpSocket, UnixDatagram, UnixListener},
    sync::{Notify, watch},
    task::JoinSet,
    time::{self, Instant},
};
use tracing::warn;

use super::{drops::KernelDrops, listen::Socket, queue::Queue};
use crate::{budget, log::syslog::Framing};

/// Bytes of the longest datagram.
const DATAGRAM_BYTES: usize = 64 << 10;

/// Datagrams that are received between two looks at anything else.
const AT_ONCE: usize = 64;

/// Datagrams that are received after the stop: more than sockets hold of common ones.
const AT_LAST: usize = 64 << 10;

/// Bytes that are read from a stream at once.
const READ_BYTES: usize = 8 << 10;

/// Time between two looks at what the kernel dropped.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Silence after which a connection may be closed for another one.
const IDLE: Duration = Duration::from_secs(60);

/// Silence after which nothing more is awaited on a socket, once all is to stop. A busy machine takes tens of milliseconds
/// to hand over what was sent on the loopback.
const QUIET: Duration = Duration::from_millis(100);

/// How long the stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// How long to wait when a socket fails, so that it does not fail all the time.
const PAUSE: Duration = Duration::from_millis(200);

/// Receives until it is to stop; to be called in a [`LocalSet`](tokio::task::LocalSet). Sockets that cannot be received from
/// any more are counted.
pub(super) async fn receive(
    sockets: Vec<(Socket, Arc<Queue>)>,
    mut stop: watch::Receiver<bool>,
    n_broken: Arc<AtomicU64>,
) {
    let mut tasks = JoinSet::new();
    for (socket, queue) in sockets {
        let (stop, n_broken) = (stop.clone(), n_broken.clone());
        tasks.spawn_local(async move {
            if let Err(error) = receive_from(socket, &queue, stop).await {
                warn!(%error, "cannot receive syslog messages any more; start the agent again");
                queue.count(Reason::SourceBroken, 1);
                n_broken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    stopped(&mut stop).await;
    // What is still connected when the time is over is closed.
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = time::timeout(STOP_WITHIN, all).await;
}

async fn receive_from(socket: Socket, queue: &Arc<Queue>, stop: watch::Receiver<bool>) -> io::Result<()> {
    match socket {
        Socket::Udp(socket, drops) => {
            datagrams(&Datagrams::Udp(UdpSocket::from_std(socket)?), Some(drops), queue, stop).await;
        }
        Socket::Unix(socket, _file) => {
            datagrams(&Datagrams::Unix(UnixDatagram::from_std(socket)?), None, queue, stop).await;
        }
        Socket::Tcp(socket) => {
            let listener = TcpListener::from_std(socket)?;
            connections(async || listener.accept().await.map(|(stream, _)| stream), queue, stop).await;
        }
        Socket::UnixStream(socket, _file) => {
            let listener = UnixListener::from_std(socket)?;
            connections(async || listener.accept().await.map(|(stream, _)| stream), queue, stop).await;
        }
    }
    Ok(())
}

/// Whoever holds the other end says so, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_stop| *is_stop).await;
}

enum Datagrams {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Datagrams {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer).await,
            Self::Unix(socket) => socket.recv(buffer).await,
        }
    }

    /// Without waiting.
    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.try_recv(buffer),
            Self::Unix(socket) => socket.try_recv(buffer),
        }
    }
}

async fn datagrams(socket: &Datagrams, mut drops: Option<KernelDrops>, queue: &Queue, mut stop: watch::Receiver<bool>) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let mut look = time::interval(LOOK_EVERY);
    let mut count_drops = || queue.count(Reason::MessageDropped, drops.as_mut().map_or(0, KernelDrops::fresh));
    loop {
        tokio::select! {
            received = socket.receive(&mut buffer) => match received {
                Ok(n) => {
                    queue.offer(&buffer[..n]);
                    for _ in 0..AT_ONCE {
                        let Ok(n) = socket.try_receive(&mut buffer) else { break };
                        queue.offer(&buffer[..n]);
                    }
                }
                // Somebody's port was closed, or the kernel has no memory: nothing of it lasts.
                Err(_) => time::sleep(PAUSE).await,
            },
            _ = look.tick() => count_drops(),
            () = stopped(&mut stop) => break,
        }
    }
    for _ in 0..AT_LAST {
        let Ok(Ok(n)) = time::timeout(QUIET, socket.receive(&mut buffer)).await else { break };
        queue.offer(&buffer[..n]);
    }
    count_drops();
}

/// One connection, as the one who accepts them sees it.
struct Connected {
    /// When it said something last.
    heard: AtomicU64,
    close: Notify,
}

/// Accepts and reads connections. Where there are too many, the one that was silent for the longest makes room if it was
/// so for a while, else the new one is closed.
async fn connections<S>(accept: impl AsyncFn() -> io::Result<S>, queue: &Arc<Queue>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + Unpin + 'static,
{
    let (start, mut tasks, mut open) = (Instant::now(), JoinSet::new(), Vec::<Arc<Connected>>::new());
    let now = move || start.elapsed().as_millis() as u64;
    loop {
        let stream = tokio::select! {
            accepted = accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        let Ok(stream) = stream else {
            // Too many open files, as a rule.
            time::sleep(PAUSE).await;
            continue;
        };
        // A task that ended has let go of its half.
        open.retain(|c| Arc::strong_count(c) > 1);
        if open.len() >= budget::SYSLOG_CONNECTIONS {
            let heard = open.iter().map(|c| c.heard.load(Ordering::Relaxed));
            let Some(n) = to_close(heard, now()) else { continue };
            open.swap_remove(n).close.notify_one();
        }
        let connected = Arc::new(Connected { heard: AtomicU64::new(now()), close: Notify::new() });
        open.push(connected.clone());
        let (queue, stop) = (queue.clone(), stop.clone());
        tasks.spawn_local(async move { connection(stream, &connected, &queue, stop, now).await });
    }
    while tasks.join_next().await.is_some() {}
}

/// Which connection makes room for another, if any: the one that was silent the longest. Times are in milliseconds.
fn to_close(heard: impl Iterator<Item = u64>, now: u64) -> Option<usize> {
    let (n, heard) = heard.enumerate().min_by_key(|(_, heard)| *heard)?;
    (now.saturating_sub(heard) >= IDLE.as_millis() as u64).then_some(n)
}

async fn connection(
    mut stream: impl AsyncRead + Unpin,
    connected: &Connected,
    queue: &Queue,
    mut stop: watch::Receiver<bool>,
    now: impl Fn() -> u64,
) {
    let (mut framing, mut buffer, mut is_stopping) = (Framing::default(), vec![0; READ_BYTES], false);
    let mut put = |message: &[u8]| queue.put(message);
    loop {
        queue.room().await;
        let n = tokio::select! {
            // What has come is read, also when the silence is over.
            biased;
            read = stream.read(&mut buffer) => read.unwrap_or(0),
            () = connected.close.notified() => 0,
            () = stopped(&mut stop), if !is_stopping => {
                is_stopping = true;
                continue;
            }
            () = time::sleep(QUIET), if is_stopping => 0,
        };
        if n == 0 {
            break;
        }
        connected.heard.store(now(), Ordering::Relaxed);
        framing.push(&buffer[..n], &mut put);
    }
    if framing.finish(&mut put) {
        queue.count_line(Reason::LineCut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_silent_for_long_makes_room() {
        for (heard, now, want) in [
            (&[50_000, 1_000, 70_000][..], 61_000, Some(1)),
            (&[50_000, 1_000, 70_000], 60_999, None),
            (&[2_000], 1_000, None),
            (&[], 1_000_000, None),
        ] {
            assert_eq!(to_close(heard.iter().copied(), now), want, "{heard:?} at {now}");
        }
    }
}
