//! Plain HTTP/1.1 to a collector. In: a base URL and requests. Out: answers, within limits on time.
//!
//! Connecting may take [`CONNECT`], the head of an answer [`HEAD`], and a body may pause for [`PAUSE`]; the collector
//! sends a comment on live streams more often than that.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Uri, uri};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::{
    client::legacy::{Client, Error as LegacyError, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{Answering, Body, BoxError, Error, Transport};

const CONNECT: Duration = Duration::from_secs(5);
const HEAD: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(60);

/// A collector at a URL. Connections are kept and used again.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    authority: uri::Authority,
    /// Path in front of `/api`, without a slash at its end.
    prefix: String,
    target: String,
}

impl Http {
    /// A transport to `http://HOST:PORT[/PREFIX]` or `HOST:PORT`. Sends nothing.
    pub fn new(url: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Url { url: url.to_owned(), why };
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = full.parse().map_err(|_| wrong("it is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("TLS is not supported, put a proxy in front")),
            _ => return Err(wrong("its scheme is unknown")),
        }
        if uri.query().is_some() {
            return Err(wrong("it has a query"));
        }
        let authority = uri.authority().cloned().ok_or_else(|| wrong("it has no host"))?;
        if authority.host().is_empty() {
            return Err(wrong("it has no host"));
        }
        if authority.as_str().contains('@') {
            return Err(wrong("it holds a user name or password"));
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, target: format!("http://{authority}{prefix}"), authority, prefix })
    }

    fn absolute(&self, relative: &Uri) -> Result<Uri, Error> {
        let path = relative.path_and_query().map_or("/", uri::PathAndQuery::as_str);
        Uri::builder()
            .scheme("http")
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.prefix))
            .build()
            .map_err(|_| Error::Url { url: self.target.clone(), why: "no URL can be made with it" })
    }
}

impl Transport for Http {
    fn send(&self, request: Request<Bytes>) -> Answering {
        let (client, target) = (self.client.clone(), self.target.clone());
        let absolute = self.absolute(request.uri());
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            head.uri = absolute?;
            let interrupted = |why: String| Error::Interrupted { target: target.clone(), why };
            let sent = client.request(Request::from_parts(head, Full::new(body)));
            let response = tokio::time::timeout(HEAD, sent)
                .await
                .map_err(|_| interrupted(format!("no answer within {HEAD:?}")))?
                .map_err(|e| match (e.is_connect(), innermost(&e)) {
                    (true, why) => Error::Unreachable { target: target.clone(), why },
                    (false, why) => interrupted(why),
                })?;
            Ok(response.map(impatient))
        })
    }

    fn target(&self) -> &str {
        &self.target
    }
}

/// The cause at the bottom: `Connection refused`, not `client error (Connect)`.
fn innermost(error: &LegacyError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The same body, which fails when nothing comes for [`PAUSE`].
fn impatient<B>(body: B) -> Body
where
    B: BodyExt<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let frames = stream::unfold(Some(body), |body| async {
        let mut body = body?;
        match tokio::time::timeout(PAUSE, body.frame()).await {
            Ok(None) => None,
            Ok(Some(Ok(frame))) => Some((Ok(frame), Some(body))),
            Ok(Some(Err(e))) => Some((Err(e.into()), None)),
            Err(_) => Some((Err(format!("nothing came for {PAUSE:?}").into()), None)),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, want) in [
            ("http://127.0.0.1:7077", Ok("http://127.0.0.1:7077")),
            ("http://127.0.0.1:7077/", Ok("http://127.0.0.1:7077")),
            ("localhost:7077", Ok("http://localhost:7077")),
            ("http://[::1]:7077/pitot/", Ok("http://[::1]:7077/pitot")),
            ("https://a", Err("TLS is not supported, put a proxy in front")),
            ("ftp://a", Err("its scheme is unknown")),
            ("http://user:secret@a", Err("it holds a user name or password")),
            ("http://a/?b", Err("it has a query")),
            ("", Err("it is no URL")),
            ("a b", Err("it is no URL")),
        ] {
            let got = Http::new(url);
            let want = want.map(str::to_owned).map_err(|why| Error::Url { url: url.into(), why });
            assert_eq!(got.map(|h| h.target), want, "{url}");
        }
    }

    #[test]
    fn prefix_goes_in_front_of_the_path() {
        let http = Http::new("http://a:1/x").expect("a good URL");
        let uri = http.absolute(&Uri::from_static("/api/v1/table?q=a%20b")).expect("a good path");
        assert_eq!(uri.to_string(), "http://a:1/x/api/v1/table?q=a%20b");
    }
}
