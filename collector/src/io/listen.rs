//! Connections: taken, made secure where TLS is configured, and given to the API. In: a listening socket. Out: the end of
//! the last connection, after a stop was asked for.
//!
//! Nobody is trusted before a request was read: connections are bounded by [`CONNECTIONS`], a handshake by [`HANDSHAKE`], the
//! head of a request (and the wait for the next one) by [`HEAD`] and [`HEAD_BYTES`], and a peer that does not read its
//! answer by [`patient::STALL`]. Beyond the bound on connections further ones wait in the kernel's queue; it leaves the store
//! the files that it needs.

mod patient;

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use pitot_model::api::Problem;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::patient::Patient;
use super::{door::Turned, service::Collector};

/// Connections at a time, as far as the system gives sockets; each takes up to some 100 kB.
const CONNECTIONS: usize = 8_192;
/// Open files that are left to the store, or half of all where there are few: strangers must not take those.
const STORE_FILES: usize = 1_024;
/// How long the handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection without one is kept. More than a client keeps it.
const HEAD: Duration = Duration::from_secs(60);
/// Bytes of a head.
const HEAD_BYTES: usize = 64 << 10;
/// How long nothing is taken when the system gives no more sockets.
const EXHAUSTED: Duration = Duration::from_secs(1);
/// Bytes, and how long, that a peer whose handshake failed may go on sending, so that it reads why.
const LINGER_BYTES: u64 = 256 << 10;
const LINGER: Duration = Duration::from_secs(2);

/// Takes connections until `stop` resolves, and waits for the last of them.
pub(crate) async fn listen(collector: &Collector, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
    let (router, slots) = (collector.router(), Arc::new(Semaphore::new(connections(open_files()))));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        match (slot, accepted) {
            (Ok(slot), Ok((stream, peer))) => {
                let connection = Connection { collector: collector.clone(), peer, watcher: graceful.watcher(), slot };
                tokio::spawn(connection.run(stream, router.clone()));
            }
            (_, Err(error)) if is_of_one_connection(&error) => {}
            (_, Err(error)) => {
                tracing::error!(%error, "no connection can be taken; raise the limit on open files");
                sleep(EXHAUSTED).await;
            }
            // The semaphore is never closed.
            (Err(_), _) => break,
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Files that this process may have open; raised as far as it may be, since most systems begin low.
fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = (CONNECTIONS + STORE_FILES) as u64;
    let (current, most) = (limit.current.unwrap_or(wanted), limit.maximum.unwrap_or(wanted));
    let raised = wanted.min(most).max(current);
    let is_raised = raised == current
        || setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }).is_ok();
    usize::try_from(if is_raised { raised } else { current }).unwrap_or(usize::MAX)
}

/// Connections where so many files may be open.
fn connections(open_files: usize) -> usize {
    open_files.saturating_sub(STORE_FILES.min(open_files / 2)).clamp(1, CONNECTIONS)
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}

struct Connection {
    collector: Collector,
    peer: SocketAddr,
    watcher: Watcher,
    /// Given back when the connection ends.
    slot: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream, router: Router) {
        // Answers are small and whole; waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        match self.collector.door().tls.clone() {
            None => self.talk(stream, router).await,
            Some(tls) => match timeout(HANDSHAKE, self.secure(tls, stream)).await {
                Ok(Some(stream)) => self.talk(stream, router).await,
                Ok(None) => {}
                Err(_) => self.turn_away("the handshake took too long"),
            },
        }
    }

    /// The connection made secure; else its peer was told why not.
    async fn secure(&self, tls: Arc<ServerConfig>, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let mut first = [0];
        let n_bytes = stream.peek(&mut first).await.ok()?;
        if n_bytes == 0 {
            // Somebody looks whether the port is open.
            return None;
        }
        // A record of TLS begins with 22, a request with the name of its method.
        if first[0].is_ascii_alphabetic() {
            self.turn_away("it speaks plain HTTP");
            let _ = stream.write_all(&use_tls()).await;
            linger(stream).await;
            return None;
        }
        match TlsAcceptor::from(tls).accept(stream).into_fallible().await {
            Ok(stream) => Some(stream),
            Err((error, stream)) => {
                self.turn_away(&error.to_string());
                linger(stream).await;
                None
            }
        }
    }

    fn turn_away(&self, why: &str) {
        if self.collector.turn_away(Turned::Handshake) {
            tracing::warn!(peer = %self.peer, why, "no secure connection; told once a minute, counted in /metrics");
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, router: Router) {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
        let io = TokioIo::new(Patient::new(stream));
        let connection = builder.serve_connection(io, TowerToHyperService::new(router));
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, peer = %self.peer, "a connection broke off");
        }
        drop(self.slot);
    }
}

/// Ends a connection so that its peer reads what it was told: what is not read would reset it.
async fn linger(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = stream.take(LINGER_BYTES);
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// The answer to plain HTTP on a port of TLS. Source: RFC 2817, 4.2.
fn use_tls() -> Vec<u8> {
    let problem = Problem {
        kind: "/problems/use-tls".into(),
        title: "this port speaks TLS".into(),
        status: 426,
        detail: "this collector speaks TLS alone; use https://".into(),
        at: None,
        retry_after_s: None,
    };
    let body = serde_json::to_string(&problem).unwrap_or_default();
    format!(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade, close\r\n\
         Content-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests;
