//! From what a response told to the marks of its transaction. In: [`Told`], and when and how it ended. Out: [`Marks`].

use pitot_model::{Marks, RateLimit, Status, Timestamp, Timing};

use crate::told::Told;

/// The marks of what a response told, if it told anything: most do not.
#[inline]
pub(super) fn read(told: Option<&Told>, status: Status, timing: &Timing) -> Marks {
    told.map_or_else(Marks::default, |told| of(told, status, timing.ended()))
}

/// The marks of a response that ended at this moment.
///
/// Where a refused client was not told how long to wait, but when its limit is whole again, that is as long as it should.
fn of(told: &Told, status: Status, ended: Timestamp) -> Marks {
    let is_refused = matches!(status.http(), Some(429 | 503));
    let when = told.retry.or_else(|| told.limit_reset().filter(|_| is_refused));
    Marks {
        deprecation: told.deprecation,
        sunset: told.sunset,
        retry_after: when.map(|when| when.wait(ended)),
        rate_limit: told.rate_limit().map(|(remaining, limit)| RateLimit { remaining, limit }),
        ..Marks::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::told::Tell;

    #[test]
    fn a_limit_that_is_used_up_asks_to_wait_where_nothing_else_does() {
        let at = Timestamp::from_secs(1_700_000_000);
        for (headers, status, want_s) in [
            (&[("retry-after", "5"), ("ratelimit-reset", "30")][..], 429, Some(5)),
            (&[("ratelimit-reset", "30")], 429, Some(30)),
            (&[("x-ratelimit-reset", "1700000007")], 503, Some(7)),
            (&[("ratelimit-reset", "30")], 200, None),
            (&[("retry-after", "5")], 301, Some(5)),
        ] {
            let mut told = Told::default();
            for (name, value) in headers {
                told.add(Tell::of(name.as_bytes()).unwrap(), value.as_bytes());
            }
            let marks = of(&told, Status::code(status), at);
            assert_eq!(marks.retry_after, want_s.map(Duration::from_secs), "{headers:?} {status}");
        }
    }
}
