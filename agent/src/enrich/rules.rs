//! Rules that say who the consumer is: an ordered list, of which the first that finds somebody counts.
//!
//! In: what the operator wrote, as [`Rule`]s. Out: [`Rules`], compiled once: which header or field of a log each of them
//! asks for, and with what rank, so that both doors need one look at each of them, and keep the best alone. Rules that ask
//! for nothing of the kind (query, address, user agent) are tried where the transaction is made.

mod extract;

use std::fmt;

use pitot_model::Evidence;

pub(crate) use self::extract::Picked;
pub(super) use self::extract::{query_value, signature_in_query};
use crate::log::field_evidence;

/// Rules that there may be.
pub const RULES: usize = 32;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where it looks.
    pub what: What,
    /// What kind of evidence it is, where the operator says so.
    pub evidence: Option<Evidence>,
    /// Whether what it finds is a credential, which gets a pseudonym, where the operator says so.
    pub credential: Option<bool>,
}

/// Where a rule looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A request header of this name; of `Authorization` the part that names somebody.
    Header(String),
    /// A cookie of this name.
    Cookie(String),
    /// A query parameter of this name.
    Query(String),
    /// A claim of the web token in a header, which is read and not verified.
    WebToken {
        /// Name of the header.
        header: String,
        /// Name of the claim, at the top of the payload.
        claim: String,
    },
    /// The user of HTTP Basic authentication; in logs also the user that the server noted.
    Basic,
    /// The access key id of a request that is signed as AWS has it, in a header or in the query.
    Signature,
    /// The client certificate that a proxy or server noted.
    Certificate,
    /// A field of a log.
    Field(String),
    /// Headers of gateways that name the consumer they let in.
    Gateway,
    /// The address of the client, behind proxies that are trusted.
    Address,
    /// The family of the user agent.
    AgentFamily,
    /// What pitot looks for when nobody says anything.
    Usual,
}

/// Rules, compiled. Cheap to ask; never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    headers: Vec<Wanted>,
    /// Fields of logs.
    fields: Vec<Wanted>,
    /// Lengths and first letters of the headers: nearly all others go no further.
    lens: u64,
    firsts: u32,
    has_usual: bool,
    /// Ways by their number, and the rules that they are of.
    ways: Vec<(u8, Way)>,
}

/// A header or field that rules ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// As it is asked for; of headers in lower case.
    pub(crate) name: Box<str>,
    /// By rank, greatest first.
    offers: Vec<Offer>,
}

/// What one rule makes of a header or field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    /// Above zero; the greatest of a request counts.
    rank: u8,
    /// Its number among the ways of all rules, from 1.
    number: u8,
    way: Way,
}

/// What found a consumer that no rule but the usual order did.
pub(crate) const BY_USUAL: u8 = 0;
/// What found a consumer in the field that was chosen for one log.
pub(crate) const BY_CHOICE: u8 = u8::MAX;

/// How the consumer is found in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is the whole value, of this kind.
    Whole(Evidence),
    /// It is the value of an `Authorization` header.
    Authorization,
    Basic,
    Signature,
    /// It is this cookie.
    Cookie(Box<[u8]>),
    /// It is this claim.
    Claim(Box<[u8]>),
    /// It is in Envoy's list of certificates.
    ForwardedCertificate,
}

/// Rank of the first thing that is asked for. Those of the usual order are 40 to 90, that of a field that was chosen for
/// one log is 255.
const FIRST: u8 = 254;
/// Least rank; what comes behind has the same.
const LEAST: u8 = 91;

impl Rule {
    /// A rule that looks there, of the kind that goes without saying.
    pub fn new(what: What) -> Self {
        Self { what, evidence: None, credential: None }
    }

    /// The kind of evidence of what it finds, as far as the rule alone tells.
    pub(super) fn evidence(&self, found: Evidence) -> Evidence {
        self.evidence.unwrap_or(found)
    }

    /// The kind of evidence that goes without saying.
    pub fn usual_evidence(&self) -> Evidence {
        match &self.what {
            What::Header(name) | What::Query(name) | What::Field(name) => field_evidence(name),
            What::Cookie(_) | What::Signature => Evidence::Key,
            What::WebToken { .. } => Evidence::Token,
            What::Basic => Evidence::User,
            What::Certificate => Evidence::Certificate,
            What::Gateway | What::Usual => Evidence::Name,
            What::Address => Evidence::Address,
            What::AgentFamily => Evidence::Agent,
        }
    }
}

impl What {
    /// Whether it finds somebody in every request, so that no rule behind it counts.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Address | Self::Usual)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::WebToken { header, claim } => write!(f, "claim {claim} of the token in {header}, unverified"),
            Self::Basic => f.write_str("user of Basic authentication"),
            Self::Signature => f.write_str("access key id of an AWS signature"),
            Self::Certificate => f.write_str("client certificate"),
            Self::Field(name) => write!(f, "log field {name}"),
            Self::Gateway => f.write_str("headers of a gateway"),
            Self::Address => f.write_str("address"),
            Self::AgentFamily => f.write_str("family of the user agent"),
            Self::Usual => f.write_str("usual order"),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Rules {
    /// Compiles rules; none are the usual order. Those beyond [`RULES`] are left out, as is all behind a rule that
    /// [always finds somebody](What::is_last).
    pub fn new(mut rules: Vec<Rule>) -> Self {
        if rules.is_empty() {
            rules.push(Rule::new(What::Usual));
        }
        let last = rules.iter().position(|rule| rule.what.is_last()).unwrap_or(RULES);
        rules.truncate(RULES.min(last + 1));
        let (mut headers, mut fields, mut ways, mut rank) = (Vec::new(), Vec::new(), Vec::new(), FIRST);
        for (i, rule) in rules.iter().enumerate() {
            for (name, is_field, way) in asks(rule) {
                ways.push((i as u8, way.clone()));
                let wanted = if is_field { &mut fields } else { &mut headers };
                add(wanted, &name, Offer { rank, number: ways.len() as u8, way });
                rank = (rank - 1).max(LEAST);
            }
        }
        let lens = headers.iter().fold(0, |lens, w: &Wanted| lens | 1 << w.name.len().min(63));
        let firsts = headers.iter().fold(0, |bits, w| bits | first(w.name.as_bytes()));
        let has_usual = rules.last().is_some_and(|rule| rule.what == What::Usual);
        Self { rules, headers, fields, lens, firsts, has_usual, ways }
    }

    /// The header of this name before the usual order; nothing but that for an empty name.
    pub fn led_by(header: &str) -> Self {
        match header {
            "" => Self::default(),
            name => Self::new(vec![Rule::new(What::Header(name.to_owned())), Rule::new(What::Usual)]),
        }
    }

    /// Whether there is nothing but the usual order.
    #[inline]
    pub(crate) fn is_usual(&self) -> bool {
        self.headers.is_empty() && self.rules.len() == 1 && self.has_usual
    }

    /// Whether the usual order is among them.
    #[inline]
    pub(crate) fn has_usual(&self) -> bool {
        self.has_usual
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Index of the rule that a consumer was found by.
    pub(super) fn found_by(&self, way: u8) -> Option<usize> {
        self.ways.get(usize::from(way).checked_sub(1)?).map(|(rule, _)| usize::from(*rule))
    }

    /// What is found in a value that way, again.
    pub(super) fn find_again<'a>(&self, way: u8, value: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<Picked<'a>> {
        let (_, way) = self.ways.get(usize::from(way).checked_sub(1)?)?;
        extract::find(way, value, scratch)
    }

    /// What is asked of a request header. Case does not matter, nor `_` for `-`.
    #[inline]
    pub(crate) fn header(&self, name: &[u8]) -> Option<&Wanted> {
        if self.lens >> name.len().min(63) & 1 == 0 || self.firsts & first(name) == 0 {
            return None;
        }
        self.headers.iter().find(|w| is_same(w.name.as_bytes(), name))
    }

    /// Fields of logs that are asked for: headers under the names that logs have for them, and others.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Wanted> {
        self.headers.iter().chain(&self.fields)
    }
}

impl Wanted {
    /// The greatest rank that it may have.
    pub(crate) fn rank(&self) -> u8 {
        self.offers.first().map_or(0, |o| o.rank)
    }

    /// What the first rule finds in a value, if its rank is greater than `above`. Decodes into `scratch`.
    pub(crate) fn pick<'a>(&self, value: &'a [u8], above: u8, scratch: &'a mut Vec<u8>) -> Option<Picked<'a>> {
        let mut offers = self.offers.iter().filter(|o| o.rank > above);
        let offer = match &self.offers[..] {
            [_] => offers.next()?,
            // What is found is borrowed for good: it is looked for first, and read then.
            _ => offers.find(|o| extract::find(&o.way, value, scratch).is_some())?,
        };
        let found = extract::find(&offer.way, value, scratch)?;
        Some(Picked { rank: offer.rank, way: offer.number, ..found })
    }
}

/// Headers (`false`) and fields (`true`) that a rule asks for, the best first, and how the consumer is found in them.
fn asks(rule: &Rule) -> Vec<(String, bool, Way)> {
    let header = |name: &str, way| vec![(name.to_ascii_lowercase(), false, way)];
    let field = |name: &str, way| (name.trim_start_matches('$').to_owned(), true, way);
    let each = |names: &[&str], way: &Way| names.iter().flat_map(|name| header(name, way.clone())).collect();
    let kind = rule.usual_evidence();
    match &rule.what {
        What::Header(name) if name.eq_ignore_ascii_case("authorization") => header(name, Way::Authorization),
        What::Header(name) => header(name, Way::Whole(kind)),
        What::Cookie(name) => {
            let mut asks = header("cookie", Way::Cookie(name.as_bytes().into()));
            asks.push(field(&format!("cookie_{name}"), Way::Whole(kind)));
            asks
        }
        What::Query(name) => vec![field(&format!("arg_{name}"), Way::Whole(kind))],
        What::WebToken { header: name, claim } => header(name, Way::Claim(claim.as_bytes().into())),
        What::Basic => header("authorization", Way::Basic),
        What::Signature => header("authorization", Way::Signature),
        What::Certificate => {
            let mut asks = header("x-forwarded-client-cert", Way::ForwardedCertificate);
            asks.extend::<Vec<_>>(each(&CERTIFICATES, &Way::Whole(kind)));
            asks
        }
        What::Field(name) => vec![field(name, Way::Whole(kind))],
        What::Gateway => each(&GATEWAYS, &Way::Whole(kind)),
        What::Address | What::AgentFamily | What::Usual => Vec::new(),
    }
}

/// Headers and variables that hold the name of a client certificate, the best first: nginx, HAProxy, Envoy.
const CERTIFICATES: [&str; 5] =
    ["ssl-client-s-dn", "x-ssl-client-s-dn", "ssl-client-subject", "x-ssl-client-dn", "ssl-client-s-dn-legacy"];

/// Headers of gateways that name the consumer, the best first: Kong, APISIX.
const GATEWAYS: [&str; 6] = [
    "x-consumer-username",
    "x-consumer-custom-id",
    "x-credential-identifier",
    "x-consumer-id",
    "x-authenticated-userid",
    "x-consumer",
];

fn add(wanted: &mut Vec<Wanted>, name: &str, offer: Offer) {
    match wanted.iter_mut().find(|w| is_same(w.name.as_bytes(), name.as_bytes())) {
        Some(known) => known.offers.push(offer),
        None => wanted.push(Wanted { name: name.into(), offers: vec![offer] }),
    }
}

/// Whether two names are those of one header.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let plain = |b: u8| if b == b'_' { b'-' } else { b.to_ascii_lowercase() };
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| plain(a) == plain(b))
}

fn first(name: &[u8]) -> u32 {
    name.first().map_or(0, |b| 1 << (b & 31))
}

#[cfg(test)]
mod tests;
