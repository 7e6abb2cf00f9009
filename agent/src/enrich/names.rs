//! Names and groups that the operator gives to consumers.
//!
//! In: entries of a file, each with a text that consumers are compared with. Out: the name and the group of a consumer. The
//! texts may be raw keys: they are never shown, logged or shipped.

use std::{collections::HashMap, fmt, net::IpAddr};

use pitot_model::{Consumer, budget, filter::glob_matches};

use super::{proxies, pseudonym::cut};
use crate::packets::Network;

/// Entries that there may be.
pub const ENTRIES: usize = 100_000;
/// Entries of those that hold `*` or are networks: each is tried on every consumer that is new.
pub const PATTERNS: usize = 1_000;
/// Groups that there may be.
pub const GROUPS: usize = 1_000;

/// One entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// A key, pseudonym, name, user, address or network; `*` stands for any text, and letter case does not matter then.
    pub pattern: String,
    /// What to call such consumers; `None` to leave it.
    pub name: Option<String>,
    /// Their group; `None` for none.
    pub group: Option<String>,
}

/// Entries, compiled. The number of a group stands for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Names {
    exact: HashMap<Box<[u8]>, Given>,
    networks: Vec<(Network, Given)>,
    globs: Vec<(String, Given)>,
    groups: Vec<String>,
}

/// What a consumer is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: Option<Box<str>>,
    pub(super) group: u16,
}

/// The group of consumers that are in none.
pub(super) const NO_GROUP: u16 = 0;

/// Shows how many there are, and none of them.
impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.exact.len() + self.networks.len() + self.globs.len();
        f.debug_struct("Names").field("entries", &n).field("groups", &self.groups).finish()
    }
}

/// Likewise.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("group", &self.group).finish_non_exhaustive()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Names {
    /// Compiles entries. Of two with the same text the first counts.
    pub fn new(entries: Vec<Entry>) -> Self {
        let groups = ["", Consumer::BOTS, Consumer::HEALTH].map(str::to_owned).to_vec();
        let mut names = Self { exact: HashMap::new(), networks: Vec::new(), globs: Vec::new(), groups };
        for entry in entries {
            let group = entry.group.map_or(NO_GROUP, |group| names.number(group));
            let given = Given { name: entry.name.map(|name| cut(name).into()), group };
            if entry.pattern.contains('*') {
                names.globs.push((entry.pattern, given));
            } else if let (true, Ok(network)) = (entry.pattern.contains('/'), entry.pattern.parse()) {
                names.networks.push((network, given));
            } else {
                // Addresses are looked for as they are shown.
                let text = proxies::ip(entry.pattern.as_bytes()).map_or(entry.pattern, |ip| ip.to_string());
                names.exact.entry(text.into_bytes().into()).or_insert(given);
            }
        }
        // The narrowest first.
        names.networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.bits()));
        names
    }

    /// What the consumer with this id is called, whose name or pseudonym is `shown`: by its text, else by the narrowest
    /// network, else by the first pattern.
    pub(super) fn find(&self, id: &[u8], shown: &str) -> Option<&Given> {
        if self.exact.is_empty() && self.networks.is_empty() && self.globs.is_empty() {
            return None;
        }
        if let Some(given) = self.exact.get(id).or_else(|| self.exact.get(shown.as_bytes())) {
            return Some(given);
        }
        let ip: Option<IpAddr> = if self.networks.is_empty() { None } else { proxies::ip(shown.as_bytes()) };
        let network = ip.and_then(|ip| self.networks.iter().find(|(network, _)| network.holds(ip)));
        if let Some((_, given)) = network {
            return Some(given);
        }
        let id = std::str::from_utf8(id).unwrap_or_default();
        let is_it = |glob: &str, text: &str| text.len() <= budget::NAME_BYTES && glob_matches(glob, text);
        self.globs.iter().find(|(g, _)| is_it(g, shown) || is_it(g, id)).map(|(_, given)| given)
    }

    /// The group of a number.
    #[inline]
    pub(super) fn group(&self, number: u16) -> &str {
        if number == NO_GROUP { "" } else { self.groups.get(usize::from(number)).map_or("", String::as_str) }
    }

    /// The number of a group, which may be new. Beyond [`GROUPS`] there is none.
    pub(super) fn number(&mut self, group: String) -> u16 {
        if let Some(at) = self.groups.iter().position(|g| *g == group) {
            return at as u16;
        }
        if self.groups.len() > GROUPS {
            return NO_GROUP;
        }
        self.groups.push(cut(group));
        (self.groups.len() - 1) as u16
    }
}
