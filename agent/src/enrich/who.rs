//! Who sent a request, told in the same way of logs and of packets.
//!
//! In: what a request shows of its sender, and what the operator says: rules, names, trusted proxies. Out: the name under
//! which the consumer is kept, with its evidence, its group, and what is known of its credential. What is made here is
//! [known](super::known) from then on, so that it is made once.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use pitot_model::{Distinct, Evidence, Marks, Timestamp, TokenAge};

use super::{
    Settings,
    bots::{self, Class},
    consumer::{is_certainly_secret, is_there, kind},
    jwt,
    names::Names,
    proxies::{Proxies, Telling},
    rules::{BY_CHOICE, BY_USUAL, Rule, Rules, What, query_value, signature_in_query},
};

/// What the operator says about consumers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumers {
    /// Who the consumer is.
    pub rules: Rules,
    /// What consumers are called.
    pub names: Names,
    /// Whose word about addresses is taken.
    pub proxies: Proxies,
    /// Numbers of the groups that are left out.
    excluded: Vec<u16>,
}

impl Consumers {
    /// The header of this name before the usual order; nothing but that for an empty name.
    pub fn led_by(header: &str) -> Self {
        Self { rules: Rules::led_by(header), ..Self::default() }
    }

    /// With these.
    pub fn new(rules: Rules, names: Names, proxies: Proxies) -> Self {
        Self { rules, names, proxies, excluded: Vec::new() }
    }

    /// The same without the transactions of these groups.
    #[must_use]
    pub fn without(mut self, groups: &[String]) -> Self {
        self.excluded = groups.iter().map(|group| self.names.number(group.clone())).collect();
        self
    }

    /// What holds where nobody says anything, to borrow.
    pub(crate) fn usual() -> &'static Arc<Self> {
        static USUAL: LazyLock<Arc<Consumers>> = LazyLock::new(Arc::default);
        &USUAL
    }

    /// Whether there is nothing but the usual order, and nobody's word about addresses is taken.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.rules.is_usual() && self.proxies.is_empty()
    }

    /// Whether transactions of this group are left out.
    #[inline]
    pub(super) fn excludes(&self, group: u16) -> bool {
        !self.excluded.is_empty() && self.excluded.contains(&group)
    }

    /// Whether anybody asks for a request header, beyond the usual ones.
    #[inline]
    pub(crate) fn wants(&self, name: &[u8]) -> bool {
        self.rules.header(name).is_some() || !self.proxies.is_empty() && Telling::of(name) != Telling::Nothing
    }
}

/// What is known of a consumer beside its name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Who {
    /// How it was told.
    pub(super) evidence: Evidence,
    /// Number of its group.
    pub(super) group: u16,
    /// Hash of the pseudonym of its credential, or of its user name; `None` without either.
    pub(super) credential: Option<u64>,
    /// When its token expires, in seconds since the epoch; `i64::MAX` where the token does not say. `None` without one.
    pub(super) expires: Option<i64>,
}

impl Who {
    /// Marks a transaction that began at this moment with what is known of the credential. `expires` is of a token that
    /// was read already; it goes before its own.
    #[inline]
    pub(super) fn mark(
        &self,
        marks: &mut Marks,
        at: Timestamp,
        expires: Option<i64>,
        client: impl FnOnce() -> Option<IpAddr>,
    ) {
        if self.credential.is_none() {
            return;
        }
        (marks.credential, marks.client) = (self.credential, client());
        marks.token =
            expires.or(self.expires).map(|expires| match expires.saturating_mul(1_000_000) <= at.as_micros() {
                true => TokenAge::Expired,
                false => TokenAge::Valid,
            });
    }
}

/// What a request shows of its sender.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    /// The best header or field that says who it is.
    pub(super) consumer: &'a [u8],
    /// Its kind.
    pub(super) evidence: Evidence,
    /// What it was found by: [`BY_USUAL`], [`BY_CHOICE`], or a way of the rules.
    pub(super) way: u8,
    /// What the server noted as the user.
    pub(super) user: &'a [u8],
    /// The host that was asked.
    pub(super) host: &'a [u8],
    /// The target, which may hold a query.
    pub(super) target: &'a [u8],
    /// The query, where it is apart.
    pub(super) query: &'a [u8],
    /// The user agent.
    pub(super) agent: &'a [u8],
}

/// Who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// Somebody, by a rule.
    By {
        /// Who.
        id: &'a [u8],
        /// How that was told, as far as the kind of the value goes.
        evidence: Evidence,
        /// Index of the rule.
        rule: u8,
    },
    /// Who the usual order says.
    Usual,
    /// Whoever has the address.
    Address {
        /// Index of the rule.
        rule: u8,
    },
    /// Nobody.
    Nobody,
}

/// What the rules find; the first that finds somebody counts. Decodes into `scratch`.
pub(super) fn by_rules<'a>(rules: &Rules, seen: &Seen<'a>, scratch: &'a mut Vec<u8>) -> Found<'a> {
    if seen.way == BY_CHOICE && is_there(seen.consumer) {
        return Found::Usual;
    }
    let picked = rules.found_by(seen.way).filter(|_| is_there(seen.consumer));
    let (mut place, mut at) = (Place::Nowhere, 0);
    for (i, rule) in rules.iter().enumerate() {
        place = match &rule.what {
            _ if picked == Some(i) => Place::Picked,
            What::Usual => Place::Usual,
            What::Address => Place::Address,
            What::Query(name) if query_value(seen.target, seen.query, name.as_bytes(), scratch) => Place::Scratch,
            What::Signature if signature_in_query(seen.target, seen.query, scratch) => Place::Scratch,
            What::Basic if is_there(seen.user) => Place::User,
            What::Field(name) => match of_record(name) {
                Some(of) if of == Place::Address || is_there(of.text(seen)) => of,
                _ => continue,
            },
            What::AgentFamily if bots::family(seen.agent).is_some() => Place::Agent,
            _ => continue,
        };
        at = i;
        break;
    }
    let rule = at as u8;
    let kind = rules.iter().nth(at).map_or(Evidence::None, Rule::usual_evidence);
    match place {
        Place::Nowhere => Found::Nobody,
        Place::Usual => Found::Usual,
        Place::Address => Found::Address { rule },
        Place::Picked => Found::By { id: seen.consumer, evidence: seen.evidence, rule },
        Place::Scratch => Found::By { id: scratch, evidence: kind, rule },
        Place::User => Found::By { id: seen.user, evidence: Evidence::User, rule },
        Place::Host => Found::By { id: seen.host, evidence: Evidence::Name, rule },
        Place::Agent => Found::By { id: bots::family(seen.agent).unwrap_or_default(), evidence: Evidence::Agent, rule },
    }
}

/// Where a consumer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Usual,
    Picked,
    Scratch,
    User,
    Host,
    Agent,
    Address,
}

impl Place {
    fn text<'a>(self, seen: &Seen<'a>) -> &'a [u8] {
        match self {
            Self::User => seen.user,
            Self::Host => seen.host,
            _ => b"",
        }
    }
}

/// Fields that are read in any case, under the names that logs have for them.
fn of_record(field: &str) -> Option<Place> {
    Some(match field.trim_start_matches('$').replace('-', "_").to_ascii_lowercase().as_str() {
        "remote_user" | "user" | "username" | "cs_username" => Place::User,
        "host" | "http_host" | "server_name" | "cs_host" => Place::Host,
        "remote_addr" | "client" | "client_ip" | "c_ip" => Place::Address,
        _ => return None,
    })
}

/// What is kept of a consumer: its name, and what is known of it. `rule` is what the operator says of its kind.
pub(super) fn tell(
    settings: &Settings,
    id: &[u8],
    evidence: Evidence,
    rule: Option<u8>,
    class: Class,
) -> (String, Who) {
    let rule = rule.and_then(|rule| settings.consumers.rules.iter().nth(usize::from(rule)));
    let evidence = rule.map_or(evidence, |rule| rule.evidence(evidence));
    let (evidence, is_secret) = match rule.and_then(|rule| rule.credential) {
        Some(false) if is_certainly_secret(id) => (Evidence::Key, true),
        Some(is_credential) => (evidence, is_credential),
        None => {
            let evidence = kind(id, evidence);
            (evidence, matches!(evidence, Evidence::Key | Evidence::Token))
        }
    };
    let named_as = match (is_secret, evidence) {
        (true, Evidence::Key | Evidence::Token) => evidence,
        (true, _) => Evidence::Key,
        (false, Evidence::Key | Evidence::Token) => Evidence::Name,
        (false, _) => evidence,
    };
    let shown = settings.pseudonyms.name(id, named_as);
    // In raw output the name of a credential is the credential.
    let is_credential = is_secret && shown.as_bytes() != id || evidence == Evidence::User;
    let expires = if evidence == Evidence::Token { jwt::expires(id, &mut Vec::new()) } else { None };
    let given = settings.consumers.names.find(id, &shown);
    // Anybody may send any user agent: it says nothing of who is known by more than an address. Else one consumer would be
    // two, and half of it left out.
    let is_anybody = matches!(evidence, Evidence::Address | Evidence::Agent | Evidence::None);
    let by_agent = if is_anybody { class as u16 } else { 0 };
    let who = Who {
        evidence,
        group: given.map(|given| given.group).filter(|group| *group != 0).unwrap_or(by_agent),
        credential: is_credential.then(|| Distinct::hash(shown.as_bytes())),
        expires,
    };
    let name = given.and_then(|given| given.name.as_deref()).map_or(shown, str::to_owned);
    (name, who)
}

/// A tag for what is [known](super::known): what a name depends on beside the text that it is made from. `of` is a kind of
/// evidence, or [`RULE_TAG`] and the index of a rule.
pub(super) const fn tag(of: u8, class: Class) -> u8 {
    of | (class as u8) << 6
}

/// Of addresses in octets.
pub(super) const ADDRESS_TAG: u8 = 15;

/// Rules have tags from here on.
pub(super) const RULE_TAG: u8 = 16;

const _: () = assert!(RULE_TAG as usize + super::rules::RULES <= 1 << 6 && BY_USUAL == 0);

#[cfg(test)]
mod tests;
