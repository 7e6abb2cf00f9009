//! Who calls the demo's API, how often, and for what: a table. In: a draw. Out: the next call of a consumer.

use super::{
    endpoints::{EXPENSIVE, Endpoint},
    incidents::{BURSTING, IncidentKind},
    random::Random,
};

/// One consumer of the API.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    pub(super) user_agent: &'static str,
    /// Calls per second on an ordinary day.
    pub(super) per_s: f64,
    /// What it calls: weight, method, template.
    calls: &'static [(u32, &'static str, &'static str)],
}

/// Calls per second that the bursting consumer makes on top of its usual ones.
const BURST_PER_S: f64 = 30.0;

const SHOPPING: &[(u32, &str, &str)] = &[
    (22, "GET", "/v1/products"),
    (26, "GET", "/v1/products/{int}"),
    (9, "GET", "/v1/products/{int}/reviews"),
    (16, "GET", "/v1/search"),
    (9, "PUT", "/v1/carts/{uuid}"),
    (2, "DELETE", "/v1/carts/{uuid}"),
    (3, "POST", "/v1/orders"),
    (4, "GET", "/v1/orders/{uuid}"),
    (3, "POST", "/v1/payments"),
    (4, "GET", "/v1/users/{int}"),
    (2, "POST", "/v1/sessions"),
];

#[rustfmt::skip]
pub(super) const CONSUMERS: &[Consumer] = &[
    Consumer { name: "web-shop",      address: "203.0.113.10",   user_agent: "shop-web/7.2.0",        per_s: 48.0, calls: SHOPPING },
    Consumer { name: "ios-app",       address: "198.51.100.23",  user_agent: "Shop/4.11 (iOS 19.1)",  per_s: 30.0, calls: SHOPPING },
    Consumer { name: "android-app",   address: "198.51.100.87",  user_agent: "Shop/4.10 (Android 16)", per_s: 26.0, calls: SHOPPING },
    Consumer { name: "acme-partner",  address: "192.0.2.41",     user_agent: "acme-sdk/1.3",          per_s: 16.0, calls: &[
        (5, "GET", "/v1/products"), (2, "GET", "/v1/search"), (4, "POST", "/v1/orders"), (6, "GET", "/v1/orders/{uuid}"), (3, "POST", "/v1/payments"),
    ] },
    Consumer { name: "globex-sync",   address: "192.0.2.77",     user_agent: "globex-sync/0.9",       per_s: 12.0, calls: &[
        (8, "GET", "/v1/orders"), (3, "GET", "/v1/orders/{uuid}"), (2, "GET", "/v1/users/{int}"),
    ] },
    Consumer { name: "price-watcher", address: "2001:db8::42",   user_agent: "price-watcher/2",       per_s: 14.0, calls: &[
        (9, "GET", "/v1/products/{int}"), (3, "GET", "/v1/search"),
    ] },
    Consumer { name: BURSTING,        address: "192.0.2.130",    user_agent: "python-requests/2.32",  per_s: 2.5, calls: &[
        (3, "POST", "/v1/reports"), (5, "GET", "/v1/reports/{uuid}"), (2, "GET", "/v1/orders"),
    ] },
    Consumer { name: "support-desk",  address: "2001:db8:7::9",  user_agent: "desk/12.0",             per_s: 6.0, calls: &[
        (4, "GET", "/v1/users/{int}"), (4, "GET", "/v1/orders"), (3, "GET", "/v1/orders/{uuid}"), (1, "POST", "/v1/sessions"),
    ] },
];

impl Consumer {
    /// What it sends as `X-Api-Key`.
    pub(super) fn api_key(&self, seed: u64) -> String {
        let stream = self.name.bytes().fold(0, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        format!("ak_{:016x}", Random::of(seed, stream).next())
    }

    /// The most calls per second that it ever makes.
    pub(super) fn peak_per_s(&self) -> f64 {
        self.per_s + self.burst_per_s(Some(IncidentKind::ConsumerBurst))
    }

    /// What it calls next, drawn [`Consumer::peak_per_s`] times a second; `None` where it does not call this time.
    pub(super) fn next_call(&self, random: &mut Random, incident: Option<IncidentKind>) -> Option<&'static Endpoint> {
        let draw = random.unit() * self.peak_per_s();
        let (_, method, template) = if draw < self.per_s {
            let total: u32 = self.calls.iter().map(|c| c.0).sum();
            let mut left = random.below(u64::from(total)) as u32;
            *self.calls.iter().find(|(weight, ..)| {
                let is_here = left < *weight;
                left = left.saturating_sub(*weight);
                is_here
            })?
        } else if draw < self.per_s + self.burst_per_s(incident) {
            (1, EXPENSIVE.0, EXPENSIVE.1)
        } else {
            return None;
        };
        Endpoint::named(method, template)
    }

    fn burst_per_s(&self, incident: Option<IncidentKind>) -> f64 {
        if self.name == BURSTING && incident == Some(IncidentKind::ConsumerBurst) { BURST_PER_S } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::demo::endpoints::ENDPOINTS;

    /// Calls per route in 1,000 seconds.
    fn calls(c: &Consumer, incident: Option<IncidentKind>) -> BTreeMap<&str, u32> {
        let mut random = Random::of(1, 1);
        let mut calls = BTreeMap::new();
        for _ in 0..(c.peak_per_s() * 1_000.0) as u32 {
            if let Some(e) = c.next_call(&mut random, incident) {
                *calls.entry(e.template).or_default() += 1;
            }
        }
        calls
    }

    #[test]
    fn every_route_is_called_and_exists() {
        for c in CONSUMERS {
            for (_, method, template) in c.calls {
                assert!(Endpoint::named(method, template).is_some(), "{} {method} {template}", c.name);
            }
        }
        for e in ENDPOINTS {
            let is_called = CONSUMERS.iter().flat_map(|c| c.calls).any(|c| (c.1, c.2) == (e.method, e.template));
            assert!(is_called, "nobody calls {} {}", e.method, e.template);
        }
    }

    #[test]
    fn one_consumer_bursts_on_the_expensive_route() {
        for c in CONSUMERS {
            let (usual, burst) = (calls(c, None), calls(c, Some(IncidentKind::ConsumerBurst)));
            let total: u32 = usual.values().sum();
            assert!((f64::from(total) / 1_000.0 / c.per_s - 1.0).abs() < 0.1, "{} {total}", c.name);
            if c.name == BURSTING {
                assert!(burst[EXPENSIVE.1] > 30 * usual[EXPENSIVE.1], "{burst:?}");
            } else {
                assert_eq!(usual, burst);
            }
        }
    }

    #[test]
    fn keys_differ() {
        let keys: std::collections::BTreeSet<_> = CONSUMERS.iter().map(|c| c.api_key(1)).collect();
        assert_eq!(keys.len(), CONSUMERS.len());
    }
}
