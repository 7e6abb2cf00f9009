//! Why there is no answer, and what that means for what was sent. In: what transports and decoders met. Out: messages that
//! end with what to do, and a [`Verdict`] for whoever keeps a report until it is stored.

use std::time::Duration;

use pitot_model::api::Problem;

use crate::client::REPORT;

/// Longest wait that a collector can ask for; a longer one is cut to this.
pub const RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The kind of problem that says that the collector is older than the agent.
const NEWER: &str = "/problems/newer-report";

/// Why a question has no answer, or a report was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address of the collector cannot be used; nothing was sent.
    #[error("`{url}` is no address of a collector: {why}; use http://HOST:PORT or https://HOST:PORT")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file with a certificate, a key or a token cannot be used; nothing was sent.
    #[error("cannot use {what}: {why}")]
    Access {
        /// The file.
        what: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// One side does not trust the other, or does not speak TLS; nothing of the request was read.
    #[error("no secure connection to the collector at `{target}`: {why}")]
    Tls {
        /// Where it is.
        target: String,
        /// What does not fit, and what to do.
        why: String,
    },
    /// No connection came about, so nothing was sent; trying again later may help.
    #[error("cannot reach the collector at `{target}`: {why}; is it running? start one with `pitot collector`")]
    Unreachable {
        /// Where it should be.
        target: String,
        /// What the network said.
        why: String,
    },
    /// The connection broke off, or no answer came in time. The request may have arrived and may have been obeyed.
    #[error("no answer from the collector at `{target}`: {why}; try again, and look at its log if this goes on")]
    Interrupted {
        /// Where it is.
        target: String,
        /// What the network said.
        why: String,
    },
    /// The collector refused, and says why.
    #[error("{} (status {})", .0.detail, .0.status)]
    Problem(Box<Problem>),
    /// A status other than success from who does not speak as a collector does: a proxy in between, or a stranger.
    #[error(
        "`{path}` was answered by status {status} without a reason; \
         is this address a pitot collector, and is the proxy in front of it in order?"
    )]
    Status {
        /// What was asked.
        path: String,
        /// The status.
        status: u16,
        /// Seconds to wait, where the answer says so.
        retry_after_s: Option<u64>,
    },
    /// What came is no answer of ours.
    #[error("malformed answer to `{path}`: {why}; is this address a pitot collector of the same version?")]
    Malformed {
        /// What was asked.
        path: String,
        /// What does not fit.
        why: String,
    },
    /// The report or the answer is larger than both ends allow.
    #[error("{what} is larger than {limit} bytes; ask for a shorter range, fewer rows or a narrower filter")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// Bytes that are allowed.
        limit: usize,
    },
}

/// What becomes of a report that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The collector is away, busy or broken: the same report may be taken in a moment.
    Again,
    /// Nothing is wrong with the report; a person has to do something elsewhere: a token, a certificate, an address, a
    /// newer collector. Keep it and try slowly.
    Wait,
    /// A collector looked at it and will never take it.
    Never,
}

impl Error {
    /// What becomes of the report that got this answer.
    ///
    /// Only a collector can refuse for good: from anybody else, who cannot know, a 400 or 413 means that something in
    /// between is set up wrongly.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } => Verdict::Again,
            Self::Problem(problem) => match (problem.status, problem.kind.as_str()) {
                (408 | 425 | 429 | 500.., _) => Verdict::Again,
                (..=399 | 401 | 403 | 404 | 405 | 407 | 421 | 426, _) | (_, NEWER) => Verdict::Wait,
                _ => Verdict::Never,
            },
            Self::Status { status: 408 | 425 | 429 | 500.., .. } => Verdict::Again,
            Self::TooLarge { what: REPORT, .. } => Verdict::Never,
            Self::Status { .. } | Self::Malformed { .. } | Self::TooLarge { .. } => Verdict::Wait,
            Self::Url { .. } | Self::Access { .. } | Self::Tls { .. } => Verdict::Wait,
        }
    }

    /// How long the other side wants to be left alone, [`RETRY_AFTER`] at most.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Problem(problem) => problem.retry_after_s,
            Self::Status { retry_after_s, .. } => *retry_after_s,
            _ => None,
        };
        seconds.map(|s| Duration::from_secs(s).min(RETRY_AFTER))
    }

    /// Whether what was sent may have reached a collector, and so may be stored there: `false` only when it surely did
    /// not.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Url { .. } | Self::Access { .. } | Self::Tls { .. } | Self::Unreachable { .. } => false,
            Self::TooLarge { what, .. } => *what != REPORT,
            Self::Interrupted { .. } | Self::Problem(_) | Self::Status { .. } | Self::Malformed { .. } => true,
        }
    }

    /// What the network said, when there is no answer at all.
    pub fn away(&self) -> Option<&str> {
        match self {
            Self::Unreachable { why, .. } | Self::Interrupted { why, .. } | Self::Tls { why, .. } => Some(why),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ANSWER;

    fn problem(status: u16, kind: &str, retry_after_s: Option<u64>) -> Error {
        let (kind, title, detail) = (format!("/problems/{kind}"), String::new(), String::new());
        Error::Problem(Box::new(Problem { kind, title, status, detail, at: None, retry_after_s }))
    }

    fn status(status: u16) -> Error {
        Error::Status { path: "/".into(), status, retry_after_s: None }
    }

    #[test]
    fn verdicts() {
        use Verdict::{Again, Never, Wait};
        let (target, why) = (String::new(), String::new());
        for (error, verdict, may_have_arrived) in [
            (Error::Url { url: String::new(), why: "" }, Wait, false),
            (Error::Access { what: String::new(), why: String::new() }, Wait, false),
            (Error::Tls { target: target.clone(), why: why.clone() }, Wait, false),
            (Error::Unreachable { target: target.clone(), why: why.clone() }, Again, false),
            (Error::Interrupted { target, why: why.clone() }, Again, true),
            (Error::Malformed { path: String::new(), why }, Wait, true),
            (Error::TooLarge { what: ANSWER, limit: 1 }, Wait, true),
            (Error::TooLarge { what: REPORT, limit: 1 }, Never, false),
            (problem(307, "moved", None), Wait, true),
            (problem(400, "bad-report", None), Never, true),
            (problem(401, "no-token", None), Wait, true),
            (problem(403, "wrong-scope", None), Wait, true),
            (problem(404, "not-found", None), Wait, true),
            (problem(405, "wrong-method", None), Wait, true),
            (problem(408, "slow", None), Again, true),
            (problem(409, "stale", None), Never, true),
            (problem(413, "too-large", None), Never, true),
            (problem(415, "bad-encoding", None), Never, true),
            (problem(422, "bad-time", None), Never, true),
            (problem(422, "newer-report", None), Wait, true),
            (problem(425, "early", None), Again, true),
            (problem(426, "use-tls", None), Wait, true),
            (problem(429, "too-many-agents", None), Again, true),
            (problem(500, "bug", None), Again, true),
            (problem(503, "busy", None), Again, true),
            (status(302), Wait, true),
            (status(400), Wait, true),
            (status(401), Wait, true),
            (status(404), Wait, true),
            (status(413), Wait, true),
            (status(429), Again, true),
            (status(502), Again, true),
            (status(503), Again, true),
            (status(599), Again, true),
        ] {
            assert_eq!((error.verdict(), error.may_have_arrived()), (verdict, may_have_arrived), "{error:?}");
        }
    }

    #[test]
    fn waits_are_cut() {
        for (error, want) in [
            (problem(503, "busy", Some(2)), Some(2)),
            (problem(503, "busy", Some(u64::MAX)), Some(3600)),
            (problem(503, "busy", None), None),
            (status(503), None),
        ] {
            assert_eq!(error.retry_after(), want.map(Duration::from_secs), "{error:?}");
        }
    }
}
