//! HTTP/1.1 to a collector, plain or over TLS. In: a base URL, an [`Access`] and requests. Out: answers, within limits on
//! time.
//!
//! The head of an answer may take [`HEAD`], and a body may pause for [`PAUSE`]; the collector sends a comment on live
//! streams more often than that. Certificates and tokens are replaced while we run: after an answer that says that ours
//! will not do, the files are read anew before the next request.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Request, StatusCode, Uri, header, uri};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::{
    client::legacy::{Client, Error as LegacyError},
    rt::{TokioExecutor, TokioTimer},
};

use super::{access, connect::Connector, tls};
use crate::{Access, Answering, Body, BoxError, Error, Transport};

const HEAD: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(60);
/// How long a connection without requests is kept: less than a collector does, so that it is ours to end it.
const IDLE: Duration = Duration::from_secs(30);

/// A collector at a URL. Connections are kept and used again.
#[derive(Debug, Clone)]
pub struct Http {
    access: Arc<Access>,
    current: Arc<Mutex<Door>>,
    /// Whether the files of `access` are to be read anew.
    is_stale: Arc<AtomicBool>,
    place: Place,
}

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    scheme: uri::Scheme,
    authority: uri::Authority,
    /// Path in front of `/api`, without a slash at its end.
    prefix: String,
    target: String,
}

/// What was made of the files.
#[derive(Debug, Clone)]
struct Door {
    client: Client<Connector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
}

impl Door {
    fn open(access: &Access, is_secure: bool) -> Result<Self, Error> {
        let tls = if is_secure { Some(access::tls(access)?) } else { None };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(Connector::new(tls));
        Ok(Self { client, authorization: access::authorization(access)? })
    }
}

impl Place {
    /// What a URL says, and whether it goes with what opens the door.
    pub(crate) fn parse(url: &str, access: &Access) -> Result<Self, Error> {
        let wrong = |why| Error::Url { url: url.to_owned(), why };
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = full.parse().map_err(|_| wrong("it is no URL"))?;
        let scheme = match uri.scheme_str() {
            Some("http") if access.wants_tls() => return Err(wrong("certificates are of use with https:// alone")),
            Some("http") => uri::Scheme::HTTP,
            Some("https") => uri::Scheme::HTTPS,
            _ => return Err(wrong("its scheme is unknown")),
        };
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
        Ok(Self { target: format!("{scheme}://{authority}{prefix}"), scheme, authority, prefix })
    }

    fn is_secure(&self) -> bool {
        self.scheme == uri::Scheme::HTTPS
    }

    fn absolute(&self, relative: &Uri) -> Result<Uri, Error> {
        let path = relative.path_and_query().map_or("/", uri::PathAndQuery::as_str);
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.prefix))
            .build()
            .map_err(|_| Error::Url { url: self.target.clone(), why: "no URL can be made with it" })
    }
}

impl Http {
    /// A transport to `http://HOST:PORT[/PREFIX]`, `https://HOST:PORT[/PREFIX]` or `HOST:PORT`. Reads the files of `access`,
    /// sends nothing.
    pub fn new(url: &str, access: &Access) -> Result<Self, Error> {
        let place = Place::parse(url, access)?;
        let door = Door::open(access, place.is_secure())?;
        let (access, current) = (Arc::new(access.clone()), Arc::new(Mutex::new(door)));
        Ok(Self { access, current, is_stale: Arc::default(), place })
    }

    /// The door as it is now, made anew where its files would not do. Where they cannot be read any more, as after
    /// privileges were given up, it is the old one, and why.
    fn door(&self) -> (Door, Option<Error>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unreadable = None;
        if self.is_stale.swap(false, Ordering::Relaxed) {
            match Door::open(&self.access, self.place.is_secure()) {
                Ok(door) => *current = door,
                Err(error) => unreadable = Some(error),
            }
        }
        (current.clone(), unreadable)
    }

    async fn exchange(self, request: Request<Bytes>) -> Result<http::Response<Body>, Error> {
        let (mut head, body) = request.into_parts();
        head.uri = self.place.absolute(&head.uri)?;
        let (door, unreadable) = self.door();
        head.headers.extend(door.authorization.map(|value| (header::AUTHORIZATION, value)));
        let sent = door.client.request(Request::from_parts(head, Full::new(body)));
        let late =
            |_| Error::Interrupted { target: self.place.target.clone(), why: format!("no answer within {HEAD:?}") };
        let answer = tokio::time::timeout(HEAD, sent).await.map_err(late)?.map_err(|e| self.understand(&e));
        let is_refused = match &answer {
            Ok(response) => matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
            Err(error) => matches!(error, Error::Tls { .. }),
        };
        if is_refused && self.access.has_files() {
            self.is_stale.store(true, Ordering::Relaxed);
            if let Some(error) = unreadable {
                return Err(error);
            }
        }
        Ok(answer?.map(impatient))
    }

    fn understand(&self, error: &LegacyError) -> Error {
        let target = self.place.target.clone();
        if let Some(why) = tls::explain(error) {
            return Error::Tls { target, why };
        }
        match (error.is_connect(), innermost(error)) {
            (true, why) => Error::Unreachable { target, why },
            (false, why) => Error::Interrupted { target, why },
        }
    }
}

impl Transport for Http {
    fn send(&self, request: Request<Bytes>) -> Answering {
        Box::pin(self.clone().exchange(request))
    }

    fn target(&self) -> &str {
        &self.place.target
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
            ("https://a/b/", Ok("https://a/b")),
            ("ftp://a", Err("its scheme is unknown")),
            ("http://user:secret@a", Err("it holds a user name or password")),
            ("http://a/?b", Err("it has a query")),
            ("", Err("it is no URL")),
            ("a b", Err("it is no URL")),
        ] {
            let got = Place::parse(url, &Access::default());
            let want = want.map(str::to_owned).map_err(|why| Error::Url { url: url.into(), why });
            assert_eq!(got.map(|p| p.target), want, "{url}");
        }
    }

    #[test]
    fn prefix_goes_in_front_of_the_path() {
        let place = Place::parse("http://a:1/x", &Access::default()).expect("a good URL");
        let uri = place.absolute(&Uri::from_static("/api/v1/table?q=a%20b")).expect("a good path");
        assert_eq!(uri.to_string(), "http://a:1/x/api/v1/table?q=a%20b");
    }
}
