//! What the commands that run for a while share: the async runtime, logs, the signal to stop, the way into a collector
//! in the same process.

use std::io::IsTerminal;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use pitot_client::{Answering, Client, Error, Transport};
use tower::ServiceExt as _;

/// An async runtime.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Logs to standard error; `PITOT_LOG` says what (`warn,pitot=info` by default).
pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PITOT_LOG").unwrap_or_else(|_| "warn,pitot=info".into());
    let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A second call in the same process changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colors)
        .log_internal_errors(false)
        .try_init();
}

/// Resolves at the first SIGINT or SIGTERM from now on; these end the process no more. Needs a runtime around it.
pub(crate) fn stop_signal() -> impl Future<Output = ()> + Send {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        async move {
            let [mut interrupt, mut terminate] = signals.map(Result::ok);
            tokio::select! {
                () = one(&mut interrupt) => {}
                () = one(&mut terminate) => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Resolves at the next signal; never where none can be heard.
#[cfg(unix)]
async fn one(signals: &mut Option<tokio::signal::unix::Signal>) {
    if let Some(signals) = signals
        && signals.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// SIGHUPs: each asks a daemon to read its configuration anew.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signals: tokio::signal::unix::Signal,
}

impl Hangups {
    /// From now on they end the process no more. Needs a runtime around it.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    /// Resolves at the next one; several at once are one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if self.signals.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// A client of a collector in the same process: the same requests and answers, without a port.
pub(crate) fn in_process(router: axum::Router) -> Client {
    Client::new(InProcess(router))
}

struct InProcess(axum::Router);

impl Transport for InProcess {
    fn send(&self, request: http::Request<Bytes>) -> Answering {
        let router = self.0.clone();
        Box::pin(async move {
            let request = request.map(axum::body::Body::from);
            // The router's error type has no values.
            let response = router.oneshot(request).await.map_err(|never| match never {})?;
            Ok::<_, Error>(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        })
    }

    fn target(&self) -> &str {
        "this process"
    }
}
