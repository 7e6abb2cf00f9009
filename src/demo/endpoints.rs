//! The demo's API as a table, and how it answers. In: a request's method, path and id. Out: status, latency, size.
//!
//! Answers are a function of seed, request id and incident, so a play can be repeated.

use std::time::Duration;

use super::{incidents::IncidentKind, random::Random};

/// One route of the API.
#[derive(Debug, PartialEq)]
pub(super) struct Endpoint {
    pub(super) service: &'static str,
    pub(super) method: &'static str,
    /// As it should be learned from the paths.
    pub(super) template: &'static str,
    /// Status when all is well.
    ok: u16,
    /// Median latency in milliseconds.
    median_ms: f64,
    /// Deviation of the latency's logarithm.
    sigma: f64,
    /// Share of answers that are the client's error, and which.
    client_error: (f64, u16),
    /// Mean size of the answer in bytes.
    bytes: u64,
}

#[rustfmt::skip]
pub(super) const ENDPOINTS: &[Endpoint] = &[
    endpoint("catalog",  "GET",    "/v1/products",               200, 18.0, 0.35, (0.002, 400), 9_000),
    endpoint("catalog",  "GET",    "/v1/products/{int}",         200,  5.0, 0.40, (0.015, 404), 1_400),
    endpoint("catalog",  "GET",    "/v1/products/{int}/reviews", 200, 11.0, 0.45, (0.004, 404), 4_800),
    endpoint("catalog",  "GET",    "/v1/search",                 200, 28.0, 0.40, (0.006, 400), 6_200),
    endpoint("checkout", "PUT",    "/v1/carts/{uuid}",           200, 12.0, 0.35, (0.010, 409),   700),
    endpoint("checkout", "DELETE", "/v1/carts/{uuid}",           204,  7.0, 0.35, (0.008, 404),     0),
    endpoint("checkout", "GET",    "/v1/orders",                 200, 22.0, 0.40, (0.003, 400), 5_500),
    endpoint("checkout", "POST",   "/v1/orders",                 201, 36.0, 0.35, (0.020, 422), 1_100),
    endpoint("checkout", "GET",    "/v1/orders/{uuid}",          200,  8.0, 0.40, (0.010, 404), 1_300),
    endpoint("checkout", "POST",   "/v1/payments",               201, 52.0, 0.30, (0.030, 402),   600),
    endpoint("accounts", "GET",    "/v1/users/{int}",            200,  3.5, 0.40, (0.004, 404),   900),
    endpoint("accounts", "POST",   "/v1/sessions",               201, 14.0, 0.30, (0.060, 401),   500),
    endpoint("reports",  "POST",   "/v1/reports",                202, 70.0, 0.30, (0.005, 400),   300),
    endpoint("reports",  "GET",    "/v1/reports/{uuid}",         200,  9.0, 0.40, (0.010, 404), 18_000),
];

/// Method and template of the route that becomes slow.
pub(super) const SLOW: (&str, &str) = ("GET", "/v1/search");
/// Service and version that fail.
pub(super) const CANARY: (&str, &str) = ("checkout", "1.9.0");
/// Method and template of the route that a consumer floods.
pub(super) const EXPENSIVE: (&str, &str) = ("POST", "/v1/reports");

/// Share of the canary's service that the canary serves.
const CANARY_SHARE: f64 = 0.4;
const SLOWER: f64 = 6.0;
const FAILING: f64 = 0.4;
/// Share of requests that fail on any ordinary day.
const BACKGROUND_ERRORS: f64 = 0.001;

/// How the API answers one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answer {
    pub(super) version: &'static str,
    pub(super) status: u16,
    pub(super) latency: Duration,
    pub(super) bytes: u64,
}

impl Endpoint {
    /// The endpoint of this method and template.
    pub(super) fn named(method: &str, template: &str) -> Option<&'static Self> {
        ENDPOINTS.iter().find(|e| e.method == method && e.template == template)
    }

    /// The endpoint that serves this path, without its query.
    pub(super) fn serving(method: &str, path: &str) -> Option<&'static Self> {
        ENDPOINTS.iter().find(|e| {
            let fit = |(have, want): (&str, &str)| want.starts_with('{') || have == want;
            e.method == method
                && path.split('/').count() == e.template.split('/').count()
                && path.split('/').zip(e.template.split('/')).all(fit)
        })
    }

    /// A request target of this route, with made-up parameters.
    pub(super) fn target(&self, random: &mut Random) -> String {
        const WORDS: [&str; 6] = ["lamp", "desk", "chair", "shelf", "sofa", "rug"];
        let word = WORDS[random.below(WORDS.len() as u64) as usize];
        let path =
            self.template.replace("{int}", &(1 + random.below(4_000)).to_string()).replace("{uuid}", &random.uuid());
        if (self.method, self.template) == SLOW { format!("{path}?q={word}") } else { path }
    }

    /// What it answers to the request with this id while an incident goes on.
    pub(super) fn answer(&self, seed: u64, request_id: &str, incident: Option<IncidentKind>) -> Answer {
        let mut random =
            Random::of(seed, request_id.bytes().fold(0, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)));
        let version = self.version(&mut random);
        let is_canary = (self.service, version) == CANARY;
        let failing = match incident {
            Some(IncidentKind::VersionErrors) if is_canary => FAILING,
            _ => BACKGROUND_ERRORS,
        };
        let slower = match incident {
            Some(IncidentKind::SlowRoute) if (self.method, self.template) == SLOW => SLOWER,
            _ => 1.0,
        };
        let status = if random.chance(failing) {
            500
        } else if random.chance(self.client_error.0) {
            self.client_error.1
        } else {
            self.ok
        };
        Answer {
            version,
            status,
            latency: Duration::from_secs_f64(random.lognormal(self.median_ms * slower, self.sigma) / 1e3),
            bytes: random.lognormal(self.bytes as f64, 0.3) as u64,
        }
    }

    fn version(&self, random: &mut Random) -> &'static str {
        match self.service {
            "catalog" => "2.14.3",
            "checkout" if random.chance(CANARY_SHARE) => CANARY.1,
            "checkout" => "1.8.2",
            "accounts" => "3.2.0",
            _ => "0.9.1",
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a table's row")]
const fn endpoint(
    service: &'static str,
    method: &'static str,
    template: &'static str,
    ok: u16,
    median_ms: f64,
    sigma: f64,
    client_error: (f64, u16),
    bytes: u64,
) -> Endpoint {
    Endpoint { service, method, template, ok, median_ms, sigma, client_error, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_finds_its_endpoint() {
        let mut random = Random::of(1, 1);
        for e in ENDPOINTS {
            let target = e.target(&mut random);
            let path = target.split('?').next().unwrap_or_default();
            assert_eq!(Endpoint::serving(e.method, path), Some(e), "{target}");
        }
        for (method, path) in [("GET", "/"), ("GET", "/v1/products/1/2/3"), ("PATCH", "/v1/orders"), ("GET", "")] {
            assert_eq!(Endpoint::serving(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn incidents_hit_their_culprit_alone() {
        let errors = |service, template, incident| {
            let e = ENDPOINTS.iter().find(|e| e.service == service && e.template == template).unwrap();
            let (mut failed, mut canary) = (0, 0);
            for i in 0..4_000 {
                let a = e.answer(1, &i.to_string(), incident);
                canary += u32::from(a.version == CANARY.1);
                failed += u32::from(a.status == 500);
            }
            (failed, canary)
        };
        let (failed, canary) = errors("checkout", "/v1/orders", Some(IncidentKind::VersionErrors));
        assert!((1_400..1_800).contains(&canary), "{canary}");
        assert!((500..800).contains(&failed), "{failed}");
        assert!(errors("checkout", "/v1/orders", None).0 < 20);
        assert!(errors("catalog", "/v1/search", Some(IncidentKind::VersionErrors)).0 < 20);

        let median = |template, incident| {
            let e = Endpoint::named("GET", template).unwrap();
            let mut all: Vec<_> = (0..999).map(|i| e.answer(1, &i.to_string(), incident).latency).collect();
            all.sort();
            all[all.len() / 2].as_secs_f64() * 1e3
        };
        let (slow, usual) = (median("/v1/search", Some(IncidentKind::SlowRoute)), median("/v1/search", None));
        assert!((slow / usual - SLOWER).abs() < 0.01, "{slow} {usual}");
        assert_eq!(median("/v1/products", Some(IncidentKind::SlowRoute)), median("/v1/products", None));
    }
}
