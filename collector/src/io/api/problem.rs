//! Errors as callers see them. In: a [`Problem`]. Out: `application/problem+json` with its status.
//!
//! Source: RFC 9457, problem details for HTTP APIs.

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use pitot_model::api::Problem;
use serde::de::DeserializeOwned;

/// Seconds after which what is busy or away may be tried again, unless the problem says so itself.
const RETRY_AFTER_S: u64 = 1;

/// A problem on its way to the caller.
#[derive(Debug)]
pub struct ApiError(pub Problem);

impl ApiError {
    /// A problem of a kind that has no error of its own.
    pub(super) fn new(status: u16, kind: &str, title: &str, detail: String) -> Self {
        Self(Problem {
            kind: format!("/problems/{kind}"),
            title: title.into(),
            status,
            detail,
            at: None,
            retry_after_s: None,
        })
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(mut problem) = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            problem.retry_after_s.get_or_insert(RETRY_AFTER_S);
        }
        let retry_after_s = problem.retry_after_s;
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The query string, read into a query type; what does not fit is a problem.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(e) => Err(ApiError::new(400, "bad-query", "the query string is wrong", e.body_text())),
        }
    }
}
