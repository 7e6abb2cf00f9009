//! Every request passes here first. In: its path and its `Authorization`. Out: the answer of the API, or 401 or 403.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use pitot_model::budget;
use tokio::time::timeout;

use super::ApiError;
use crate::{
    access::{Denied, Scope},
    io::{door::Turned, service::Collector},
};

/// How long the body of a request that is turned away may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn guard(State(c): State<Collector>, request: Request, next: Next) -> Response {
    let Some(wanted) = scope(request.uri().path()) else { return next.run(request).await };
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let admitted = c.door().tokens.admit(authorization, wanted);
    match admitted {
        Ok(()) => next.run(request).await,
        Err(denied) => {
            if c.turn_away(Turned::Denied(denied)) {
                let path = request.uri().path();
                tracing::warn!(
                    path,
                    why = denied.problem().title,
                    "turned away; told once a minute, counted in /metrics"
                );
            }
            forget(request.into_body()).await;
            refuse(denied)
        }
    }
}

/// What a request needs; nothing where it learns nothing. The page is the same for everybody, what it shows it asks for.
fn scope(path: &str) -> Option<Scope> {
    match path {
        "/" | "/healthz" | "/readyz" => None,
        "/api/v1/reports" => Some(Scope::Ingest),
        _ => Some(Scope::Read),
    }
}

/// Reads a body to its end, and keeps nothing: else the connection would be reset, and the answer with it.
async fn forget(body: Body) {
    let (mut chunks, mut n_bytes) = (body.into_data_stream(), 0);
    let reading = async {
        while let Some(Ok(chunk)) = chunks.next().await
            && n_bytes <= budget::REPORT_BYTES
        {
            n_bytes += chunk.len();
        }
    };
    let _ = timeout(PATIENCE, reading).await;
}

fn refuse(denied: Denied) -> Response {
    let mut response = ApiError(denied.problem()).into_response();
    if let Ok(challenge) = HeaderValue::try_from(denied.challenge()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use http::{Method, StatusCode};
    use tower::ServiceExt as _;

    use crate::{
        access::{Scope, TokenConfig, token_hash},
        io::service::{Config, open},
    };

    #[tokio::test]
    async fn tokens_open_what_their_scopes_say() {
        let token =
            |name: &str, scope| TokenConfig { name: name.into(), sha256: token_hash(name), scopes: vec![scope] };
        let tokens = vec![token("ship", Scope::Ingest), token("look", Scope::Read)];
        let collector = open(Config { tokens, ..Config::default() }).expect("opens");
        for (method, path, token, status, challenge) in [
            (Method::GET, "/", None, 200, None),
            (Method::GET, "/healthz", None, 200, None),
            (Method::GET, "/readyz", None, 200, None),
            (Method::GET, "/metrics", None, 401, Some("Bearer realm=\"pitot\"")),
            (Method::GET, "/nowhere", None, 401, Some("Bearer realm=\"pitot\"")),
            (Method::GET, "/api/v1/status", Some("guess"), 401, Some("error=\"invalid_token\"")),
            (Method::GET, "/api/v1/status", Some("ship"), 403, Some("scope=\"read\"")),
            (Method::GET, "/api/v1/live", Some("ship"), 403, Some("scope=\"read\"")),
            (Method::GET, "/api/v1/status", Some("look"), 200, None),
            (Method::POST, "/api/v1/reports", None, 401, Some("Bearer realm=\"pitot\"")),
            (Method::POST, "/api/v1/reports", Some("look"), 403, Some("scope=\"ingest\"")),
            (Method::POST, "/api/v1/reports", Some("ship"), 400, None),
        ] {
            let mut request = http::Request::builder().method(method).uri(path);
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let request = request.body(axum::body::Body::from("no report")).expect("a request");
            let answer = collector.router().oneshot(request).await.expect("an answer");
            assert_eq!(answer.status().as_u16(), status, "{path} {token:?}");
            let said = answer.headers().get("www-authenticate").map(|v| v.to_str().expect("text").to_owned());
            assert_eq!(said.is_some(), challenge.is_some(), "{path} {token:?}");
            assert!(said.unwrap_or_default().contains(challenge.unwrap_or_default()), "{path} {token:?}");
            if answer.status() == StatusCode::UNAUTHORIZED {
                let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
                let text = String::from_utf8_lossy(&body);
                assert!(text.contains("token") && !text.contains("guess"), "{text}");
            }
        }
        let metrics = collector.turned_away();
        for line in ["{reason=\"no_token\"} 3", "{reason=\"unknown_token\"} 1", "{reason=\"wrong_scope\"} 3"] {
            assert!(metrics.contains(line), "{line} in {metrics}");
        }
    }
}
