//! Why there is no answer. In: what transports and decoders met. Out: messages that end with what to do.

use pitot_model::api::Problem;

/// Why a question has no answer, or a report was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address of the collector cannot be used; nothing was sent.
    #[error("`{url}` is no address of a collector: {why}; use http://HOST:PORT")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No answer came, or it broke off; trying again later may help.
    #[error("cannot reach the collector at `{target}`: {why}; is it running? start one with `pitot collector`")]
    Unreachable {
        /// Where it should be.
        target: String,
        /// What the network said.
        why: String,
    },
    /// The collector refused, and says why; trying the same again does not help, unless the status is 429 or 5xx.
    #[error("{} (status {})", .0.detail, .0.status)]
    Problem(Box<Problem>),
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

impl Error {
    /// Whether the same request may succeed later: the collector is away, busy or broken.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(p) => p.status == 429 || p.status >= 500,
            Self::Url { .. } | Self::Malformed { .. } | Self::TooLarge { .. } => false,
        }
    }
}
