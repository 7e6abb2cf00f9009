//! Marks: what is worth counting of a consumer on a route beside its cells: that it called something deprecated, that it
//! came back too early, how much of its rate limit was left.
//!
//! In: [`Marks`] of transactions. Out: sums by hour that merge, in a [`Report`](crate::Report) and in stores. There are few:
//! most transactions have none.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Consumer, Distinct, Route, Timestamp};

/// What one transaction shows beside its cell. Nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// What is marked as deprecated: since when, where that is known (RFC 9745).
    pub deprecation: Option<Deprecation>,
    /// When it will go away (RFC 8594).
    pub sunset: Option<Timestamp>,
    /// How long the client was asked to wait.
    pub retry_after: Option<Duration>,
    /// What the response told of the client's limit.
    pub rate_limit: Option<RateLimit>,
    /// What its web token says of its own time; `None` without such a token.
    pub token: Option<TokenAge>,
    /// Hash of the pseudonym of its credential; never of the credential. `None` without one.
    pub credential: Option<u64>,
    /// Who sent it, where a credential is known.
    pub client: Option<IpAddr>,
    /// Whether a response that HTTP calls a success held errors (GraphQL).
    pub has_errors_inside: bool,
    /// Which of the `Redacted` kinds was replaced in its names; `None` for nearly all.
    pub redacted: Option<MarkKind>,
}

/// That a resource is deprecated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecation {
    /// Since when, or from when on; `None` where that was not said.
    pub since: Option<Timestamp>,
}

/// What a response told of the client's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that are left.
    pub remaining: u64,
    /// Requests in all; `None` where that was not said.
    pub limit: Option<u64>,
}

/// Whether a web token was still good when it was used, by its own claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAge {
    /// Its `exp` lies ahead, or it has none.
    Valid,
    /// Its `exp` had passed.
    Expired,
}

impl Marks {
    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        let Self {
            deprecation,
            sunset,
            retry_after,
            rate_limit,
            token,
            credential,
            client,
            has_errors_inside,
            redacted,
        } = self;
        let no_head = deprecation.is_none() && sunset.is_none() && retry_after.is_none() && rate_limit.is_none();
        no_head
            && token.is_none()
            && credential.is_none()
            && client.is_none()
            && !has_errors_inside
            && redacted.is_none()
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal $name:literal;)+) => {
        /// What is counted. Numbers are those of the wire and are never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum MarkKind { $($(#[doc = $doc])+ $variant = $number,)+ }

        impl MarkKind {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Lower-case name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// Responses that said that the resource is deprecated. Values: seconds since the epoch at which it is or was so.
    Deprecated = 1 "deprecated";
    /// Responses that said when the resource goes away. Values: seconds since the epoch.
    Sunset = 2 "sunset";
    /// Responses that asked to wait. Values: seconds.
    RetryAfter = 3 "retry_after";
    /// Requests that came before the time was over which the consumer was asked to wait. Values: seconds too early.
    RetriedEarly = 4 "retried_early";
    /// First requests after that time.
    RetriedInTime = 5 "retried_in_time";
    /// Responses that told what is left of a limit. Values: thousandths of the limit that are left.
    RateLimitLeft = 6 "rate_limit_left";
    /// Responses that told a limit. Values: requests.
    RateLimit = 7 "rate_limit";
    /// Requests with a web token, whatever became of them.
    TokenUsed = 8 "token_used";
    /// Requests with a web token that had expired by its own claim.
    TokenExpired = 9 "token_expired";
    /// Requests with a credential from an address, which is the consumer here; distinct are the credentials.
    Credentials = 10 "credentials";
    /// Of those the ones that were refused with 401 or 403.
    CredentialsRefused = 11 "credentials_refused";
    /// Responses of a status that is no error, with errors inside (GraphQL).
    ErrorsInside = 12 "errors_inside";
    /// Transactions of consumers that found no room and count under `(other)`; distinct are the consumers.
    ConsumersFolded = 13 "consumers_folded";
    /// Transactions of routes that found no room and count under `(other)`; distinct are the routes.
    RoutesFolded = 14 "routes_folded";
    /// Path segments that looked like tokens and were replaced before anything was kept.
    RedactedToken = 15 "redacted_token";
    /// Likewise, e-mail addresses.
    RedactedEmail = 16 "redacted_email";
    /// Likewise, card numbers.
    RedactedCard = 17 "redacted_card";
    /// Likewise, keys of cloud providers and services, by their form.
    RedactedKey = 18 "redacted_key";
    /// Likewise, web tokens.
    RedactedWebToken = 19 "redacted_web_token";
}

impl MarkKind {
    /// Its number on the wire.
    pub const fn as_wire(self) -> u32 {
        self as u32
    }

    /// From its number on the wire; `None` for those of a newer version.
    pub fn from_wire(n: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.as_wire() == n)
    }
}

/// Marks of one kind that a consumer on a route got within an hour. Empty names: it is about all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// What the sum is of.
    pub key: MarkKey,
    /// The sum.
    pub sum: MarkSum,
}

/// What a sum of marks is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkKey {
    /// First moment of the hour.
    pub hour: Timestamp,
    /// Which kind.
    pub kind: MarkKind,
    /// `service.name`.
    pub service: String,
    /// Method and template.
    pub route: Route,
    /// Who called.
    pub consumer: Consumer,
}

impl Default for MarkKey {
    fn default() -> Self {
        Self {
            hour: Timestamp::EPOCH,
            kind: MarkKind::Deprecated,
            service: String::new(),
            route: Route::default(),
            consumer: Consumer::default(),
        }
    }
}

/// Width of the ranges that marks are summed over.
pub const MARK_WIDTH: Duration = Duration::from_secs(3_600);

/// What is summed. It merges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarkSum {
    /// Marks.
    pub count: u64,
    /// When the latest one came.
    pub last: Timestamp,
    /// Least value, where the kind has values; `None` where none was known.
    pub least: Option<u64>,
    /// Greatest value, likewise.
    pub greatest: Option<u64>,
    /// What was told apart, where the kind says.
    pub distinct: Distinct,
}

impl MarkSum {
    /// One mark, of this value if it has one.
    pub fn one(at: Timestamp, value: Option<u64>) -> Self {
        Self { count: 1, last: at, least: value, greatest: value, distinct: Distinct::default() }
    }

    /// Adds another sum; counts stop at `u64::MAX`.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.last = self.last.max(other.last);
        self.least = self.least.into_iter().chain(other.least).min();
        self.greatest = self.greatest.max(other.greatest);
        self.distinct.merge(&other.distinct);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_wire_are_those_of_the_kinds() {
        for (i, &kind) in MarkKind::ALL.iter().enumerate() {
            assert_eq!((kind.as_wire() as usize, MarkKind::from_wire(kind.as_wire())), (i + 1, Some(kind)));
        }
        assert_eq!(MarkKind::from_wire(0), None);
    }

    #[test]
    fn sums_keep_the_extremes() {
        let at = |s, value| MarkSum::one(Timestamp::from_secs(s), value);
        let mut sum = at(5, Some(7));
        sum.merge(&at(9, None));
        sum.merge(&at(3, Some(2)));
        assert_eq!((sum.count, sum.last, sum.least, sum.greatest), (3, Timestamp::from_secs(9), Some(2), Some(7)));
    }
}
