//! What a cell is about: the resource that answered, the route, the consumer, the status.
//!
//! In: text from sources, cut to [`budget::NAME_BYTES`](crate::budget::NAME_BYTES) by them. Out: keys and their spelling.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Service, version and instance that answered; OpenTelemetry's resource. Empty text means "not known".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Resource {
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `service.instance.id`.
    pub instance: String,
}

/// A method and a path template; what is counted together. Shown as `GET /users/{int}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Route {
    /// Request method, upper case, `_OTHER` for unknown ones.
    pub method: String,
    /// `http.route`: the path with its variable parts replaced by `{int}`, `{uuid}` and so on.
    pub template: String,
}

impl Route {
    /// A route of this method and template.
    pub fn new(method: impl Into<String>, template: impl Into<String>) -> Self {
        Self { method: method.into(), template: template.into() }
    }

    /// The version of the API that the template tells: `v1`, `v2.1`, `v1beta1` or a date such as `2024-01-01`, as one of its
    /// first three parts. `None` where there is none.
    pub fn api_version(&self) -> Option<&str> {
        self.template.split('/').skip(1).take(VERSION_WITHIN).find(|part| is_version(part))
    }
}

/// Parts of a path among which a version of the API is looked for: `/apis/apps/v1/…` has it as its third.
const VERSION_WITHIN: usize = 3;

/// Characters of a version at most: what is longer is a name.
const VERSION_CHARS: usize = 16;

fn is_version(part: &str) -> bool {
    let is_number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    if part.len() > VERSION_CHARS {
        return false;
    }
    if let Some(numbers) = part.strip_prefix(['v', 'V']) {
        let stages = ["alpha", "beta", "rc"];
        let numbers = stages
            .iter()
            .find_map(|s| numbers.split_once(s))
            .map_or(numbers, |(before, after)| if after.is_empty() || is_number(after) { before } else { "" });
        return numbers.split('.').all(is_number);
    }
    let date: Vec<&str> = part.split('-').collect();
    matches!(date[..], [y, m, d] if y.len() == 4 && m.len() == 2 && d.len() == 2 && [y, m, d].into_iter().all(is_number))
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

/// How a consumer was told: the kind of evidence, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// An API key; its pseudonym unless raw output was asked for.
    Key,
    /// A bearer token, or a claim in it that nobody verified.
    Token,
    /// A client certificate.
    Certificate,
    /// A consumer name that a gateway or the application wrote.
    Name,
    /// A user name (HTTP Basic, `$remote_user`).
    User,
    /// Only the address.
    Address,
    /// Only the family of the user agent.
    Agent,
    /// Nothing at all, or folded.
    #[default]
    None,
}

impl Evidence {
    /// All kinds, in the order of their wire numbers.
    pub const ALL: [Self; 8] =
        [Self::None, Self::Key, Self::Token, Self::Certificate, Self::Name, Self::User, Self::Address, Self::Agent];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Name => "name",
            Self::User => "user",
            Self::Address => "address",
            Self::Agent => "agent",
            Self::None => "none",
        }
    }
}

impl FromStr for Evidence {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|e| e.name() == s).ok_or(())
    }
}

/// Who calls the API, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Consumer {
    /// Name, pseudonym or address; empty where there is no evidence.
    pub id: String,
    /// Kind of evidence.
    pub evidence: Evidence,
    /// What the operator or its looks say that it is: a tier, `partners`, [`Consumer::BOTS`]; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
}

impl Consumer {
    /// What consumers beyond the budget are folded into.
    pub const OTHER: &'static str = "(other)";

    /// Group of crawlers and other programs that nobody sent on behalf of a user.
    pub const BOTS: &'static str = "bots";

    /// Group of health checks and probes.
    pub const HEALTH: &'static str = "health";

    /// A consumer known by this evidence, in no group.
    pub fn new(id: impl Into<String>, evidence: Evidence) -> Self {
        Self { id: id.into(), evidence, group: String::new() }
    }

    /// The same in a group.
    #[must_use]
    pub fn in_group(self, group: impl Into<String>) -> Self {
        Self { group: group.into(), ..self }
    }
}

/// A status code, the code of a gRPC call that failed, or how a transaction without a final response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Status(u16);

impl Status {
    /// No response was seen and nothing says why.
    pub const NONE: Self = Self(0);
    /// The connection broke before the response: it was reset, or the server closed it with nothing said.
    pub const RESET: Self = Self(1001);
    /// No response within the limit.
    pub const TIMEOUT: Self = Self(1002);
    /// The source ended in the middle, or the client went away.
    pub const TRUNCATED: Self = Self(1003);

    /// A status code as a server sent it, `1..=999`; others are [`Status::NONE`].
    pub const fn code(code: u16) -> Self {
        if code < 1000 { Self(code) } else { Self::NONE }
    }

    /// The code of a gRPC call, whose HTTP status is 200 even where it failed. 0 is success, 200; codes beyond 16 are
    /// UNKNOWN, as gRPC has it.
    pub const fn grpc(code: u32) -> Self {
        match code {
            0 => Self(200),
            1..=16 => Self(GRPC_BASE + code as u16),
            _ => Self(GRPC_BASE + 2),
        }
    }

    /// The code of a gRPC call that failed, `1..=16`.
    pub const fn grpc_code(self) -> Option<u32> {
        if self.0 > GRPC_BASE { Some((self.0 - GRPC_BASE) as u32) } else { None }
    }

    /// From its number on the wire; unknown numbers are [`Status::NONE`].
    pub const fn from_wire(n: u32) -> Self {
        match n {
            1..=999 | 1001..=1003 | 1101..=1116 => Self(n as u16),
            _ => Self::NONE,
        }
    }

    /// All gRPC codes but success.
    pub fn all_grpc() -> impl Iterator<Item = Self> {
        (1..=GRPC.len() as u32).map(Self::grpc)
    }

    /// Its number on the wire.
    pub const fn as_wire(self) -> u32 {
        self.0 as u32
    }

    /// The status code, where there was a response.
    pub const fn http(self) -> Option<u16> {
        if self.0 >= 1 && self.0 < 1000 { Some(self.0) } else { None }
    }

    /// First digit of the code: 5 for 503. gRPC codes are 5 where the server failed, else 4. 0 where there was no response.
    pub const fn class(self) -> u8 {
        match self.grpc_code() {
            Some(code) => GRPC[code as usize - 1].1,
            None if self.0 < 1000 => (self.0 / 100) as u8,
            None => 0,
        }
    }

    /// Whether the server failed: 5xx, a gRPC code that says so, a reset or a timeout. 4xx is the client's error.
    pub const fn is_server_error(self) -> bool {
        self.class() == 5 || self.0 == Self::RESET.0 || self.0 == Self::TIMEOUT.0
    }

    /// Whether the client failed: 4xx, and the other gRPC codes.
    pub const fn is_client_error(self) -> bool {
        self.class() == 4
    }
}

/// Numbers on the wire of gRPC codes begin behind this.
const GRPC_BASE: u16 = 1100;

/// gRPC codes from 1 on, and their classes. The server failed where OpenTelemetry's conventions for spans of gRPC servers
/// say so. Source: gRPC, "Status codes and their use in gRPC".
const GRPC: [(&str, u8); 16] = [
    ("cancelled", 4),
    ("unknown", 5),
    ("invalid-argument", 4),
    ("deadline-exceeded", 5),
    ("not-found", 4),
    ("already-exists", 4),
    ("permission-denied", 4),
    ("resource-exhausted", 4),
    ("failed-precondition", 4),
    ("aborted", 4),
    ("out-of-range", 4),
    ("unimplemented", 5),
    ("internal", 5),
    ("unavailable", 5),
    ("data-loss", 5),
    ("unauthenticated", 4),
];

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.grpc_code() {
            return write!(f, "grpc-{}", GRPC[code as usize - 1].0);
        }
        match *self {
            Self::NONE => f.write_str("none"),
            Self::RESET => f.write_str("reset"),
            Self::TIMEOUT => f.write_str("timeout"),
            Self::TRUNCATED => f.write_str("truncated"),
            Self(code) => write!(f, "{code}"),
        }
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "none" => Ok(Self::NONE),
            "reset" => Ok(Self::RESET),
            "timeout" => Ok(Self::TIMEOUT),
            "truncated" => Ok(Self::TRUNCATED),
            _ => match s.strip_prefix("grpc-") {
                Some(name) => {
                    let code = GRPC.iter().position(|(known, _)| *known == name).ok_or(())?;
                    Ok(Self::grpc(code as u32 + 1))
                }
                None => s.parse().ok().filter(|c| (1..1000).contains(c)).map(Self).ok_or(()),
            },
        }
    }
}

impl Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(|()| {
            serde::de::Error::custom(
                "not a status code, `grpc-` and a code's name, `none`, `reset`, `timeout` or `truncated`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_apis_stand_early_in_paths() {
        for (template, want) in [
            ("/v1/users/{int}", Some("v1")),
            ("/api/v2.1/users", Some("v2.1")),
            ("/apis/apps/v1beta1/deployments", Some("v1beta1")),
            ("/2024-01-01/users", Some("2024-01-01")),
            ("/v1", Some("v1")),
            ("/a/b/c/v1", None),
            ("/video/v/{slug}", None),
            ("/v1alphabet", None),
            ("/v1.", None),
            ("/24-01-01/x", None),
            ("(other)", None),
        ] {
            assert_eq!(Route::new("GET", template).api_version(), want, "{template}");
        }
    }

    #[test]
    fn statuses() {
        for (status, text, class, server, client) in [
            (Status::code(200), "200", 2, false, false),
            (Status::code(404), "404", 4, false, true),
            (Status::code(503), "503", 5, true, false),
            (Status::code(7), "7", 0, false, false),
            (Status::code(1001), "none", 0, false, false),
            (Status::RESET, "reset", 0, true, false),
            (Status::TIMEOUT, "timeout", 0, true, false),
            (Status::TRUNCATED, "truncated", 0, false, false),
            (Status::grpc(0), "200", 2, false, false),
            (Status::grpc(1), "grpc-cancelled", 4, false, true),
            (Status::grpc(2), "grpc-unknown", 5, true, false),
            (Status::grpc(5), "grpc-not-found", 4, false, true),
            (Status::grpc(14), "grpc-unavailable", 5, true, false),
            (Status::grpc(16), "grpc-unauthenticated", 4, false, true),
            (Status::grpc(17), "grpc-unknown", 5, true, false),
        ] {
            assert_eq!(status.to_string(), text);
            assert_eq!(text.parse(), Ok(status), "{text}");
            assert_eq!(Status::from_wire(status.as_wire()), status, "{text}");
            assert_eq!(
                (status.class(), status.is_server_error(), status.is_client_error()),
                (class, server, client),
                "{text}"
            );
        }
    }

    #[test]
    fn grpc_codes_are_no_http_statuses() {
        let all: Vec<_> = Status::all_grpc().collect();
        assert_eq!(all.len(), 16);
        for (i, status) in all.into_iter().enumerate() {
            assert_eq!((status.http(), status.grpc_code()), (None, Some(i as u32 + 1)));
            assert_eq!(status.to_string().parse(), Ok(status));
            assert_eq!(Status::from_wire(status.as_wire()), status);
        }
        assert_eq!((Status::from_wire(1100), Status::from_wire(1117)), (Status::NONE, Status::NONE));
        for wrong in ["grpc-", "grpc-5", "grpc-ok", "grpc-Unavailable"] {
            assert_eq!(wrong.parse::<Status>(), Err(()), "{wrong}");
        }
    }
}
