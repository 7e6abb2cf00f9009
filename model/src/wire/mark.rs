//! Bytes of marks. In: sums of an agent, or messages of a stranger. Out: the other.

use super::{WireError, consumer_from_v1, consumer_to_v1, cut, route_from_v1, route_to_v1, v1};
use crate::{Distinct, MARK_WIDTH, Mark, MarkKey, MarkKind, MarkSum, Timestamp};

pub(super) fn to_v1(mark: &Mark) -> v1::Mark {
    let Mark { key, sum } = mark;
    v1::Mark {
        hour_s: key.hour.as_millis().div_euclid(1_000),
        kind: key.kind.as_wire(),
        service: key.service.clone(),
        route: Some(route_to_v1(&key.route)),
        consumer: Some(consumer_to_v1(&key.consumer)),
        count: sum.count,
        last_us: sum.last.as_micros(),
        least: sum.least,
        greatest: sum.greatest,
        distinct: if sum.distinct.is_empty() { Vec::new() } else { sum.distinct.write() },
    }
}

/// Marks of kinds that this program knows; those of a newer version are left out.
pub(super) fn all_from_v1(marks: Vec<v1::Mark>) -> Result<Vec<Mark>, WireError> {
    marks.into_iter().filter_map(|m| from_v1(m).transpose()).collect()
}

pub(super) fn from_v1(m: v1::Mark) -> Result<Option<Mark>, WireError> {
    let Some(kind) = MarkKind::from_wire(m.kind) else { return Ok(None) };
    let hour = Timestamp::from_secs(m.hour_s).floor(MARK_WIDTH);
    let distinct = Distinct::read(&m.distinct).ok_or(WireError::Invalid("a set that is none"))?;
    let key = MarkKey {
        hour,
        kind,
        service: cut(m.service),
        route: route_from_v1(m.route.unwrap_or_default()),
        consumer: consumer_from_v1(m.consumer.unwrap_or_default()),
    };
    let last = Timestamp::from_micros(m.last_us);
    let sum = MarkSum { count: m.count, last, least: m.least, greatest: m.greatest, distinct };
    Ok(Some(Mark { key, sum }))
}

#[cfg(test)]
pub(super) fn sample() -> Mark {
    let mut sum = MarkSum::one(Timestamp::from_secs(1_768_176_001), Some(60));
    sum.distinct.add(b"key-1");
    let key = MarkKey {
        hour: Timestamp::from_secs(1_768_176_000),
        kind: MarkKind::RetryAfter,
        service: "shop".into(),
        route: crate::Route::new("GET", "/v1/users/{uuid}"),
        consumer: crate::Consumer::new("acme", crate::Evidence::Key).in_group("partners"),
    };
    Mark { key, sum }
}
