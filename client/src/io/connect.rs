//! Connections to a collector, plain or secure. In: settings of TLS. Out: a connector within limits on time.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::Service;

use crate::BoxError;

/// How long an address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);
/// How long names, addresses and the handshake of TLS may take together.
const READY: Duration = Duration::from_secs(15);

/// Makes connections.
#[derive(Debug, Clone)]
pub(crate) enum Connector {
    /// To `http://`.
    Plain(HttpConnector),
    /// To `https://`.
    Secure(HttpsConnector<HttpConnector>),
}

impl Connector {
    /// With these settings of TLS, or without TLS.
    pub(crate) fn new(tls: Option<ClientConfig>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let Some(tls) = tls else { return Self::Plain(tcp) };
        tcp.enforce_http(false);
        Self::Secure(HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp))
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Plain(tcp) => tcp.poll_ready(context).map_err(Into::into),
            Self::Secure(tls) => tls.poll_ready(context),
        }
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting: Self::Future = match self {
            Self::Plain(tcp) => {
                let connecting = tcp.call(to);
                Box::pin(async { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
            Self::Secure(tls) => Box::pin(tls.call(to)),
        };
        Box::pin(async {
            let late = |_| BoxError::from(format!("no connection within {READY:?}"));
            tokio::time::timeout(READY, connecting).await.map_err(late)?
        })
    }
}
