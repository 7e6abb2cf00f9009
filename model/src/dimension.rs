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
    /// A bearer token or a claim in it.
    Token,
    /// A client certificate.
    Certificate,
    /// A consumer name that a gateway or the application wrote.
    Name,
    /// A user name (HTTP Basic, `$remote_user`).
    User,
    /// Only the address.
    Address,
    /// Nothing at all, or folded.
    #[default]
    None,
}

impl Evidence {
    /// All kinds, in the order of their wire numbers.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Key, Self::Token, Self::Certificate, Self::Name, Self::User, Self::Address];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Name => "name",
            Self::User => "user",
            Self::Address => "address",
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
}

impl Consumer {
    /// What consumers beyond the budget are folded into.
    pub const OTHER: &'static str = "(other)";

    /// A consumer known by this evidence.
    pub fn new(id: impl Into<String>, evidence: Evidence) -> Self {
        Self { id: id.into(), evidence }
    }
}

/// A status code, or how a transaction without a final response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Status(u16);

impl Status {
    /// No response was seen and nothing says why.
    pub const NONE: Self = Self(0);
    /// The connection was reset before the response.
    pub const RESET: Self = Self(1001);
    /// No response within the limit.
    pub const TIMEOUT: Self = Self(1002);
    /// The source ended in the middle.
    pub const TRUNCATED: Self = Self(1003);

    /// A status code as a server sent it, `1..=999`; others are [`Status::NONE`].
    pub const fn code(code: u16) -> Self {
        if code < 1000 { Self(code) } else { Self::NONE }
    }

    /// From its number on the wire; unknown numbers are [`Status::NONE`].
    pub const fn from_wire(n: u32) -> Self {
        match n {
            1..=999 | 1001..=1003 => Self(n as u16),
            _ => Self::NONE,
        }
    }

    /// Its number on the wire.
    pub const fn as_wire(self) -> u32 {
        self.0 as u32
    }

    /// The status code, where there was a response.
    pub const fn http(self) -> Option<u16> {
        if self.0 >= 1 && self.0 < 1000 { Some(self.0) } else { None }
    }

    /// First digit of the code: 5 for 503. 0 where there was no response.
    pub const fn class(self) -> u8 {
        if self.0 < 1000 { (self.0 / 100) as u8 } else { 0 }
    }

    /// Whether the server failed: 5xx, a reset or a timeout. 4xx is the client's error.
    pub const fn is_server_error(self) -> bool {
        self.class() == 5 || self.0 == Self::RESET.0 || self.0 == Self::TIMEOUT.0
    }

    /// Whether the client failed: 4xx.
    pub const fn is_client_error(self) -> bool {
        self.class() == 4
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            _ => s.parse().ok().filter(|c| (1..1000).contains(c)).map(Self).ok_or(()),
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
        text.parse()
            .map_err(|()| serde::de::Error::custom("not a status code, `none`, `reset`, `timeout` or `truncated`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
