//! What a response tells its client of the future of a resource and of limits, wherever it stands: in a head on the wire or
//! in a field of a log.
//!
//! In: names and values of headers. Out: [`Told`]. Values are bounded and never kept as text; what cannot be read says
//! nothing.
//!
//! Source: RFC 9745 (`Deprecation`), RFC 8594 (`Sunset`), RFC 9110, sections 5.6.7 and 10.2.3 (dates, `Retry-After`),
//! draft-ietf-httpapi-ratelimit-headers (`RateLimit`, `RateLimit-Policy`, and the three fields of its earlier versions),
//! RFC 9651 (structured fields).

use std::time::{Duration, UNIX_EPOCH};

use pitot_model::{Deprecation, Timestamp};

/// A header that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// `Deprecation`.
    Deprecation,
    /// `Sunset`.
    Sunset,
    /// `Retry-After`.
    RetryAfter,
    /// `RateLimit`: what is left of each policy.
    Left,
    /// `RateLimit-Policy`: what each allows.
    Policy,
    /// `RateLimit-Limit`, `X-RateLimit-Limit` ...
    Limit,
    /// `RateLimit-Remaining` ...
    Remaining,
    /// `RateLimit-Reset` ...
    Reset,
}

/// The headers that may be logged, as they are mostly written.
pub(crate) const HEADERS: &[&str] = &[
    "Deprecation",
    "Sunset",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Rate-Limit-Limit",
    "X-Rate-Limit-Remaining",
    "X-Rate-Limit-Reset",
];

/// Bytes of the longest name.
const LONGEST: usize = 30;

/// Policies that are told apart; of more, the first count.
const POLICIES: usize = 4;

/// Longest time to wait that is believed: as long as marks are kept anywhere.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Tell {
    /// The header of this name, in any case, with `-` or `_`.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        let (first, last, len) = (name.first()? | 0x20, name.last()? | 0x20, name.len());
        // By their first and last letters and lengths nearly all headers go no further.
        let may_be = match first {
            b'd' => len == 11 && last == b'n',
            b's' => len == 6 && last == b't',
            b'r' => matches!(len, 9 | 11 | 15 | 16 | 19) && matches!(last, b'g' | b'r' | b't' | b'y'),
            b'x' => (17..=LONGEST).contains(&len) && matches!(last, b'g' | b's' | b't'),
            _ => false,
        };
        if may_be { Self::of_likely(name) } else { None }
    }

    fn of_likely(name: &[u8]) -> Option<Self> {
        let mut lower = [0; LONGEST];
        let lower = &mut lower[..name.len()];
        for (to, &from) in lower.iter_mut().zip(name) {
            *to = if from == b'_' { b'-' } else { from.to_ascii_lowercase() };
        }
        let of_limits = |rest: &[u8]| match rest {
            b"limit" | b"limit-requests" => Some(Self::Limit),
            b"remaining" | b"remaining-requests" => Some(Self::Remaining),
            b"reset" => Some(Self::Reset),
            _ => None,
        };
        match &*lower {
            b"deprecation" => Some(Self::Deprecation),
            b"sunset" => Some(Self::Sunset),
            b"retry-after" => Some(Self::RetryAfter),
            b"ratelimit" => Some(Self::Left),
            b"ratelimit-policy" => Some(Self::Policy),
            lower => {
                let prefixes: [&[u8]; 3] = [b"ratelimit-", b"x-ratelimit-", b"x-rate-limit-"];
                prefixes.iter().find_map(|prefix| lower.strip_prefix(*prefix)).and_then(of_limits)
            }
        }
    }
}

/// What was told. Nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// That the resource is deprecated, and since when or from when on.
    pub(crate) deprecation: Option<Deprecation>,
    /// When it goes away.
    pub(crate) sunset: Option<Timestamp>,
    /// When to come again.
    pub(crate) retry: Option<When>,
    /// When the limit is whole again, by the fields of earlier drafts.
    reset: Option<When>,
    limit: Option<u64>,
    remaining: Option<u64>,
    policies: [Policy; POLICIES],
}

/// A moment, as headers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So long after the response.
    In(Duration),
    At(Timestamp),
}

/// One policy of `RateLimit` and `RateLimit-Policy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Policy {
    /// Of its name; 0 for a place that is free.
    hash: u64,
    left: Option<u64>,
    quota: Option<u64>,
    reset_s: Option<u64>,
}

impl When {
    /// How long to wait from this moment on; not at all where it has passed.
    pub(crate) fn wait(self, from: Timestamp) -> Duration {
        match self {
            Self::In(wait) => wait.min(LONGEST_WAIT),
            Self::At(at) => at.since(from).min(LONGEST_WAIT),
        }
    }
}

impl Told {
    /// Notes a header.
    pub(crate) fn add(&mut self, tell: Tell, value: &[u8]) {
        let Ok(value) = std::str::from_utf8(value) else { return };
        let value = value.trim();
        if value.is_empty() || value == "-" {
            return;
        }
        match tell {
            Tell::Deprecation => self.deprecation = deprecation(value).or(self.deprecation),
            Tell::Sunset => self.sunset = moment(unquoted(value)).or(self.sunset),
            Tell::RetryAfter => self.retry = after(value).or(self.retry),
            Tell::Left => self.add_policies(value, true),
            Tell::Policy => self.add_policies(value, false),
            Tell::Limit => self.limit = number(value).or(self.limit),
            Tell::Remaining => self.remaining = number(value).or(self.remaining),
            Tell::Reset => self.reset = reset(value).or(self.reset),
        }
    }

    /// What is left of the scarcest limit, and what it allows in all where that is known.
    pub(crate) fn rate_limit(&self) -> Option<(u64, Option<u64>)> {
        let of_policy = |p: &Policy| p.left.map(|left| (left, p.quota));
        let all = self.policies.iter().filter_map(of_policy);
        let all = all.chain(self.remaining.map(|left| (left, self.limit)));
        // By the share that is left; a limit that is not known counts as much greater than what is left.
        all.min_by(|a, b| {
            let share = |&(left, limit): &(u64, Option<u64>)| match limit {
                Some(limit) => (left as f64 / limit.max(1) as f64).min(1.0),
                None => f64::from(u8::from(left > 0)),
            };
            share(a).total_cmp(&share(b))
        })
    }

    /// When to come again by the limits alone.
    pub(crate) fn limit_reset(&self) -> Option<When> {
        let of_policy = |p: &&Policy| p.left == Some(0) && p.reset_s.is_some();
        let latest = self.policies.iter().filter(of_policy).filter_map(|p| p.reset_s).max();
        latest.map(|s| When::In(Duration::from_secs(s))).or(self.reset)
    }

    /// `"burst";q=100;w=60, "day";r=5;t=30`, or as earlier drafts wrote it: `100;w=60` and `limit=10, remaining=5, reset=9`.
    fn add_policies(&mut self, value: &str, is_left: bool) {
        for item in value.split(',').take(2 * POLICIES) {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            if let Some((key, value)) = name.split_once('=') {
                match key {
                    "limit" => self.limit = number(value).or(self.limit),
                    "remaining" => self.remaining = number(value).or(self.remaining),
                    "reset" => self.reset = reset(value).or(self.reset),
                    _ => {}
                }
                continue;
            }
            if !is_left && let Some(limit) = number(name) {
                self.limit = self.limit.or(Some(limit));
                continue;
            }
            let Some(policy) = self.policy(unquoted(name)) else { continue };
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                match key {
                    "q" => policy.quota = number(value),
                    "r" => policy.left = number(value),
                    "t" => policy.reset_s = number(value),
                    _ => {}
                }
            }
        }
    }

    /// The place of a policy; `None` when all are taken.
    fn policy(&mut self, name: &str) -> Option<&mut Policy> {
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let hash = hash.max(1);
        let policy = self.policies.iter_mut().find(|p| p.hash == hash || p.hash == 0)?;
        policy.hash = hash;
        Some(policy)
    }
}

/// `@1688169599`, a date, `true` as early drafts wrote it; anything else but a no says that it is deprecated.
fn deprecation(value: &str) -> Option<Deprecation> {
    let value = unquoted(value);
    match value {
        "false" | "False" | "FALSE" | "?0" | "0" | "no" | "null" | "none" => None,
        _ => Some(Deprecation { since: moment(value) }),
    }
}

/// `@` and seconds (RFC 9651, section 3.3.7), or a date.
fn moment(value: &str) -> Option<Timestamp> {
    if let Some(seconds) = value.strip_prefix('@') {
        let end = seconds.find(';').unwrap_or(seconds.len());
        return seconds[..end].parse::<i64>().ok().filter(|s| s.unsigned_abs() < 1 << 40).map(Timestamp::from_secs);
    }
    date(value)
}

fn after(value: &str) -> Option<When> {
    let value = unquoted(value);
    number(value).map(|s| When::In(Duration::from_secs(s))).or_else(|| date(value).map(When::At))
}

/// Seconds from now, seconds since the epoch (GitHub), or milliseconds since then; a date.
fn reset(value: &str) -> Option<When> {
    match number(value) {
        Some(ms) if ms > 100_000_000_000 => Some(When::At(Timestamp::from_millis(i64::try_from(ms).ok()?))),
        Some(s) if s > 1_000_000_000 => Some(When::At(Timestamp::from_secs(i64::try_from(s).ok()?))),
        Some(s) => Some(When::In(Duration::from_secs(s))),
        None => date(unquoted(value)).map(When::At),
    }
}

/// The digits that a value begins with: `100, 100;w=60` is 100, `1.5` is 1.
fn number(value: &str) -> Option<u64> {
    let value = unquoted(value);
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let is_number = end > 0 && value[end..].starts_with(['.', ',', ';', ' ']) || end == value.len();
    if is_number { value[..end].parse().ok() } else { None }
}

/// A date of HTTP. Sources: RFC 9110, section 5.6.7.
fn date(value: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(at.as_secs()).ok().map(Timestamp::from_secs)
}

/// Without the quotes of a string, as nginx writes them, too.
fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).map(|v: &str| v.strip_suffix(quote).unwrap_or(v));
    inner("\"").or_else(|| inner("\\\"")).or_else(|| inner("\\x22")).unwrap_or(value).trim()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(headers: &[(&str, &str)]) -> Told {
        let mut told = Told::default();
        for (name, value) in headers {
            if let Some(tell) = Tell::of(name.as_bytes()) {
                told.add(tell, value.as_bytes());
            }
        }
        told
    }

    #[test]
    fn headers_are_known_in_any_spelling() {
        for name in HEADERS {
            assert!(Tell::of(name.as_bytes()).is_some(), "{name}");
            assert_eq!(Tell::of(name.to_ascii_lowercase().as_bytes()), Tell::of(name.as_bytes()));
            assert_eq!(Tell::of(name.replace('-', "_").as_bytes()), Tell::of(name.as_bytes()));
        }
        assert_eq!(Tell::of(b"x-ratelimit-remaining-requests"), Some(Tell::Remaining));
        for name in
            ["", "server", "sunrise", "date", "x-ratelimit-limit-tokens", "x-content-type-options", "retry-aftex"]
        {
            assert_eq!(Tell::of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn deprecations_in_all_their_spellings() {
        let since = |s| Some(Deprecation { since: Some(Timestamp::from_secs(s)) });
        let unknown = Some(Deprecation { since: None });
        for (value, want) in [
            ("@1688169599", since(1_688_169_599)),
            (" @1688169599;x=1 ", since(1_688_169_599)),
            ("true", unknown),
            ("\"true\"", unknown),
            ("?1", unknown),
            ("Sun, 06 Nov 1994 08:49:37 GMT", since(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", since(784_111_777)),
            ("version=\"v1\"", unknown),
            ("@99999999999999999999", unknown),
            ("@", unknown),
            ("false", None),
            ("?0", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(told(&[("Deprecation", value)]).deprecation, want, "{value}");
        }
    }

    #[test]
    fn times_to_wait_and_to_go_away() {
        let now = Timestamp::from_secs(784_111_700);
        for (value, want) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Sat, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("18446744073709551615", Some(10 * 365 * 86_400)),
            ("-5", None),
            ("soon", None),
            ("12x", None),
        ] {
            let got = told(&[("Retry-After", value)]).retry.map(|when| when.wait(now).as_secs());
            assert_eq!(got, want, "{value}");
        }
        let sunset = |value| told(&[("sunset", value)]).sunset;
        assert_eq!(sunset("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp::from_secs(784_111_777)));
        assert_eq!(sunset("tomorrow"), None);
    }

    #[test]
    fn limits_in_all_their_spellings() {
        for (headers, want) in [
            (&[("RateLimit-Limit", "100"), ("RateLimit-Remaining", "7")][..], Some((7, Some(100)))),
            (&[("RateLimit-Limit", "100, 100;w=60"), ("ratelimit-remaining", "7")], Some((7, Some(100)))),
            (&[("X-RateLimit-Remaining", "58"), ("X-RateLimit-Limit", "60")], Some((58, Some(60)))),
            (&[("x-rate-limit-remaining", "0")], Some((0, None))),
            (&[("RateLimit", "limit=10, remaining=5, reset=9")], Some((5, Some(10)))),
            (
                &[("RateLimit", "\"default\";r=50;t=30"), ("RateLimit-Policy", "\"default\";q=100;w=10")],
                Some((50, Some(100))),
            ),
            (&[("RateLimit", "default;r=50"), ("RateLimit-Policy", "100;w=10")], Some((50, None))),
            (
                &[
                    ("RateLimit-Policy", "\"hour\";q=1000;w=3600, \"day\";q=5000"),
                    ("RateLimit", "\"hour\";r=900, \"day\";r=10"),
                ],
                Some((10, Some(5_000))),
            ),
            (&[("RateLimit", "\\x22default\\x22;r=1")], Some((1, None))),
            (&[("RateLimit-Limit", "100")], None),
            (&[("RateLimit-Remaining", "many")], None),
        ] {
            assert_eq!(told(headers).rate_limit(), want, "{headers:?}");
        }
    }

    #[test]
    fn limits_tell_when_to_come_again() {
        let now = Timestamp::from_secs(1_700_000_000);
        for (headers, want) in [
            (&[("X-RateLimit-Reset", "1700000060")][..], Some(60)),
            (&[("X-RateLimit-Reset", "1700000060000")], Some(60)),
            (&[("RateLimit-Reset", "30")], Some(30)),
            (&[("RateLimit", "\"a\";r=0;t=12, \"b\";r=5;t=99")], Some(12)),
            (&[("RateLimit", "\"a\";r=5;t=12")], None),
        ] {
            assert_eq!(told(headers).limit_reset().map(|when| when.wait(now).as_secs()), want, "{headers:?}");
        }
    }

    #[test]
    fn logs_say_it_in_all_their_ways() {
        let clf = r#"1.2.3.4 - - [10/Oct/2000:13:55:36 +0000] "GET /a HTTP/1.1" 429 5"#;
        let nginx = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent"#;
        let (iso, since) = (r#""time":"2026-01-12T08:00:00Z","method":"GET","path":"/a","status":200"#, 1_688_169_599);
        for (spec, line) in [
            (format!(r#"{nginx} "$sent_http_deprecation""#), format!(r#"{clf} "@1688169599""#)),
            (format!(r#"{nginx} $upstream_http_deprecation"#), format!("{clf} @1688169599")),
            (r#"%h %l %u %t "%r" %>s %b "%{Deprecation}o""#.into(), format!(r#"{clf} "@1688169599""#)),
            (
                r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESP(DEPRECATION)%"#.into(),
                r#"[2026-01-12T08:00:00.000Z] "GET /a HTTP/1.1" 200 @1688169599"#.into(),
            ),
            ("json".into(), format!(r#"{{{iso},"deprecation":"@1688169599"}}"#)),
            ("json".into(), format!(r#"{{{iso},"sent_http_deprecation":"@1688169599"}}"#)),
            ("json".into(), format!(r#"{{{iso},"response_headers":{{"deprecation":"@1688169599"}}}}"#)),
            ("json".into(), format!(r#"{{{iso},"resp_headers":{{"Deprecation":["@1688169599"]}}}}"#)),
            ("json".into(), format!(r#"{{{iso},"http.response.header.deprecation":"@1688169599"}}"#)),
            ("json".into(), format!(r#"{{{iso},"downstream_Deprecation":"@1688169599"}}"#)),
        ] {
            let format = crate::log::Format::compile(&spec).unwrap_or_else(|e| unreachable!("{spec}: {e}"));
            let mut record = crate::log::Record::default();
            format.parse(line.as_bytes(), &mut record).unwrap_or_else(|e| unreachable!("{spec}: {e:?}"));
            let want = Some(Deprecation { since: Some(Timestamp::from_secs(since)) });
            assert_eq!(record.told.and_then(|told| told.deprecation), want, "{spec} {line}");
        }
        let format = crate::log::Format::compile("json").unwrap_or_else(|e| unreachable!("{e}"));
        let line = format!(r#"{{{iso},"ratelimit":"\"a\";r=5","ratelimit_policy":"\"a\";q=50","retry_after":7}}"#);
        let mut record = crate::log::Record::default();
        format.parse(line.as_bytes(), &mut record).unwrap_or_else(|e| unreachable!("{e:?}"));
        let told = record.told.unwrap_or_default();
        assert_eq!((told.rate_limit(), told.retry), (Some((5, Some(50))), Some(When::In(Duration::from_secs(7)))));
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_left(which in 0..HEADERS.len(), value in "\\PC{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut told = Told::default();
            let tell = Tell::of(HEADERS[which].as_bytes()).unwrap();
            told.add(tell, value.as_bytes());
            told.add(tell, &bytes);
            told.add(tell, format!("\"a\";r={value};t={value};q={value}").as_bytes());
            let _ = (told.rate_limit(), told.limit_reset().map(|w| w.wait(Timestamp::EPOCH)));
        }
    }
}
