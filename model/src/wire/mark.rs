//! Bytes of marks. In: sums of an agent, or messages of a stranger. Out: the other.

use super::{MOST_TRANSACTIONS, WireError, consumer_from_v1, consumer_to_v1, cut, route_from_v1, route_to_v1, v1};
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
    let marks: Vec<Mark> = marks.into_iter().filter_map(|m| from_v1(m).transpose()).collect::<Result<_, _>>()?;
    marks.iter().try_for_each(plausible)?;
    Ok(marks)
}

/// Whether one agent may say this of one hour.
fn plausible(mark: &Mark) -> Result<(), WireError> {
    let Mark { key, sum } = mark;
    if sum.count == 0 || sum.count > MOST_TRANSACTIONS {
        return Err(WireError::Invalid("more marks than there can be, or none"));
    }
    if sum.last < key.hour || sum.last >= key.hour + MARK_WIDTH {
        return Err(WireError::Invalid("a mark outside its hour"));
    }
    if sum.least > sum.greatest || sum.least.is_some() != sum.greatest.is_some() {
        return Err(WireError::Invalid("a least value above the greatest"));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_agent_can_have_counted_is_refused() {
        type Change = fn(&mut v1::Mark);
        let changes: [(&str, Change, bool); 8] = [
            ("as it is", |_| {}, true),
            ("none", |m| m.count = 0, false),
            ("too many", |m| m.count = u64::MAX, false),
            ("before its hour", |m| m.last_us -= 3_600_000_000, false),
            ("behind its hour", |m| m.last_us = i64::MAX, false),
            ("values turned around", |m| m.least = Some(61), false),
            ("half of the values", |m| m.greatest = None, false),
            ("a set that is none", |m| m.distinct = vec![7], false),
        ];
        for (name, change, want) in changes {
            let mut message = to_v1(&sample());
            change(&mut message);
            assert_eq!(all_from_v1(vec![message]).is_ok(), want, "{name}");
        }
        let newer = v1::Mark { kind: 9_999, count: 0, ..to_v1(&sample()) };
        assert_eq!(all_from_v1(vec![newer]), Ok(vec![]), "kinds of newer versions are left out");
    }
}
