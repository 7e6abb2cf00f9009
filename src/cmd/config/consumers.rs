//! Keys of `agent.toml` about consumers: `[[consumer]]`, `trusted_proxies`, `names`, `exclude_groups`.
//!
//! In: what was written. Out: what it means to the agent, or everything that is wrong with it. The file of names may hold
//! raw keys, so no message shows anything of it but the number of a line.

use std::path::Path;

use pitot_agent::{
    enrich::{Consumers, ENTRIES, Entry, GROUPS, Names, PATTERNS, Proxies, RULES, Rule, Rules, What},
    packets::Network,
};
use pitot_model::{Consumer, Evidence};
use serde::{Deserialize, Serialize};

use super::AgentFile;

/// `[[consumer]]` of `agent.toml`: a rule, of which exactly one of the keys up to `usual` says where it looks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentConsumer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cookie: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwt: Option<WebToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    pub(crate) basic: bool,
    pub(crate) sigv4: bool,
    pub(crate) client_certificate: bool,
    pub(crate) gateway: bool,
    pub(crate) address: bool,
    pub(crate) user_agent_family: bool,
    pub(crate) usual: bool,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<bool>,
}

/// `jwt` of a rule.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebToken {
    pub(crate) header: String,
    pub(crate) claim: String,
}

impl Default for WebToken {
    fn default() -> Self {
        Self { header: "Authorization".to_owned(), claim: "sub".to_owned() }
    }
}

/// The file that `names` names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamesFile {
    #[serde(default)]
    consumer: Vec<Named>,
}

/// `[[consumer]]` of that file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    r#match: String,
    name: Option<String>,
    group: Option<String>,
}

/// What a rule can look at, for people.
const PLACES: &str = "header, cookie, query, jwt, basic, sigv4, client_certificate, field, gateway, address, \
                      user_agent_family or usual";

/// Headers that are read for something else.
const TAKEN: [&str; 6] = ["host", "user-agent", "traceparent", "b3", "content-length", "transfer-encoding"];

impl AgentConsumer {
    /// What it means, or all that is wrong with it.
    pub(crate) fn rule(&self) -> Result<Rule, Vec<String>> {
        let texts = [
            self.header.clone().map(What::Header),
            self.cookie.clone().map(What::Cookie),
            self.query.clone().map(What::Query),
            self.jwt.clone().map(|WebToken { header, claim }| What::WebToken { header, claim }),
            self.field.clone().map(What::Field),
        ];
        let switches = [
            (self.basic, What::Basic),
            (self.sigv4, What::Signature),
            (self.client_certificate, What::Certificate),
            (self.gateway, What::Gateway),
            (self.address, What::Address),
            (self.user_agent_family, What::AgentFamily),
            (self.usual, What::Usual),
        ];
        let switched = switches.into_iter().filter(|(is_on, _)| *is_on).map(|(_, what)| what);
        let mut places: Vec<What> = texts.into_iter().flatten().chain(switched).collect();
        let mut problems = Vec::new();
        if places.len() != 1 {
            let found = if places.is_empty() { "nothing says" } else { "several keys say" };
            problems.push(format!("{found} where it looks; use exactly one of {PLACES}"));
        }
        problems.extend(places.iter().filter_map(wrong_name));
        let evidence = match self.evidence.as_deref().map(|text| (text, text.parse())) {
            None => None,
            Some((_, Ok(kind @ (Evidence::Key | Evidence::Token | Evidence::Certificate)))) => Some(kind),
            Some((_, Ok(kind @ (Evidence::Name | Evidence::User)))) => Some(kind),
            Some((text, _)) => {
                problems.push(format!("as = \"{text}\": use key, token, certificate, name or user"));
                None
            }
        };
        match places.pop() {
            Some(what) if problems.is_empty() => Ok(Rule { what, evidence, credential: self.credential }),
            _ => Err(problems),
        }
    }
}

fn wrong_name(what: &What) -> Option<String> {
    let is_token = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let header = |key: &str, name: &str| {
        if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
            let hint = "use a header that names the consumer, or user_agent_family";
            return Some(format!("{key} = \"{name}\": it is read for something else; {hint}"));
        }
        (!is_token(name)).then(|| format!("{key} = \"{name}\": use the name of a header, such as X-Api-Key"))
    };
    match what {
        What::Header(name) => header("header", name),
        What::WebToken { header: name, claim } => header("jwt.header", name).or_else(|| {
            claim.is_empty().then(|| "jwt.claim is empty; use the name of a claim, such as sub or client_id".to_owned())
        }),
        What::Cookie(name) if !is_token(name) => {
            Some(format!("cookie = \"{name}\": use the name of a cookie, such as session"))
        }
        What::Query(name) if name.is_empty() => {
            Some("query is empty; use the name of a query parameter, such as api_key".to_owned())
        }
        What::Field(name) if name.trim_start_matches('$').is_empty() => {
            Some("field is empty; use the name of a field of the log, such as tenant".to_owned())
        }
        _ => None,
    }
}

impl AgentFile {
    /// What it says about consumers, or all that is wrong with it.
    pub(crate) fn consumers(&self) -> Result<Consumers, Vec<String>> {
        let mut problems = Vec::new();
        let rules = self.consumer_rules(&mut problems);
        let proxies: Vec<Network> = self
            .trusted_proxies
            .iter()
            .filter_map(|text| text.parse().map_err(|e| problems.push(format!("trusted_proxies: {e}"))).ok())
            .collect();
        let mut groups = vec![Consumer::BOTS.to_owned(), Consumer::HEALTH.to_owned()];
        let mut names = Names::default();
        if !self.names.as_os_str().is_empty() {
            match entries(&self.names) {
                Ok(entries) => {
                    groups.extend(entries.iter().filter_map(|entry| entry.group.clone()));
                    names = Names::new(entries);
                }
                Err(found) => {
                    let key = format!("names = \"{}\"", self.names.display());
                    problems.extend(found.into_iter().map(|problem| format!("{key}: {problem}")));
                }
            }
        }
        groups.sort_unstable();
        groups.dedup();
        for group in self.exclude_groups.iter().filter(|group| !groups.contains(group)) {
            let known = groups.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
            problems.push(format!("exclude_groups: no consumer can be in `{group}`; there is {known}"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Consumers::new(rules, names, Proxies::new(proxies)).without(&self.exclude_groups))
    }

    fn consumer_rules(&self, problems: &mut Vec<String>) -> Rules {
        if self.consumer.is_empty() {
            return Rules::led_by(&self.consumer_header);
        }
        if !self.consumer_header.is_empty() {
            problems.push("consumer_header stands beside [[consumer]]; make it a rule with `header`".to_owned());
        }
        if self.consumer.len() > RULES {
            problems.push(format!("{} rules of [[consumer]]; use {RULES} at most", self.consumer.len()));
        }
        let mut rules: Vec<Rule> = Vec::new();
        for (i, consumer) in self.consumer.iter().enumerate() {
            let key = format!("consumer {}", i + 1);
            match consumer.rule() {
                Ok(rule) => {
                    if let Some(last) = rules.last().filter(|rule| rule.what.is_last()) {
                        let problem =
                            format!("it stands behind `{}`, which finds somebody in every request", last.what);
                        problems.push(format!("{key}: {problem}; put it before that"));
                        continue;
                    }
                    rules.push(rule);
                }
                Err(found) => problems.extend(found.into_iter().map(|problem| format!("{key}: {problem}"))),
            }
        }
        Rules::new(rules)
    }
}

/// Reads a file of names. No problem shows anything of what stands in it.
fn entries(path: &Path) -> Result<Vec<Entry>, Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("cannot read it: {error}")])?;
    let accepted = "use [[consumer]] with match, and name or group or both, all of them texts";
    let file: NamesFile = toml::from_str(&text).map_err(|error| {
        let line =
            error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| 1 + before.matches('\n').count());
        vec![format!("cannot be read from line {line} on; {accepted}")]
    })?;
    let mut problems = Vec::new();
    let is_wrong =
        |text: &Option<String>| text.as_ref().is_some_and(|t| t.is_empty() || t.chars().any(char::is_control));
    for (i, named) in file.consumer.iter().enumerate() {
        let key = format!("consumer {}", i + 1);
        if named.r#match.is_empty() {
            problems.push(format!("{key}: match is empty; use a key, a pseudonym, a name, an address or a network"));
        }
        if named.name.is_none() && named.group.is_none() {
            problems.push(format!("{key}: it has neither name nor group; {accepted}"));
        }
        if is_wrong(&named.name) || is_wrong(&named.group) {
            problems.push(format!("{key}: its name or group is empty or holds control characters; use printable text"));
        }
        if problems.len() > MOST_PROBLEMS {
            problems.push("and more".to_owned());
            break;
        }
    }
    let n_patterns = file.consumer.iter().filter(|n| n.r#match.contains(['*', '/'])).count();
    let groups: std::collections::BTreeSet<_> = file.consumer.iter().filter_map(|n| n.group.as_ref()).collect();
    for (n, most, what) in [
        (file.consumer.len(), ENTRIES, "consumers"),
        (n_patterns, PATTERNS, "networks and patterns"),
        (groups.len(), GROUPS, "groups"),
    ] {
        if n > most {
            problems.push(format!("{n} {what}; use {most} at most"));
        }
    }
    let entry = |named: Named| Entry { pattern: named.r#match, name: named.name, group: named.group };
    if problems.is_empty() { Ok(file.consumer.into_iter().map(entry).collect()) } else { Err(problems) }
}

/// Problems of one file of names that are told.
const MOST_PROBLEMS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::config::parse;

    fn problems(text: &str) -> String {
        parse::<AgentFile>(text).unwrap().consumers().err().unwrap_or_default().join("\n")
    }

    #[test]
    fn rules_mean_what_they_say() {
        let text = "[[consumer]]\nheader = \"X-Api-Key\"\nas = \"name\"\n[[consumer]]\njwt = { claim = \"azp\" }\n\
                    credential = false\n[[consumer]]\nsigv4 = true\n[[consumer]]\naddress = true\n";
        let rules = parse::<AgentFile>(text).unwrap().consumers().unwrap().rules;
        let shown: Vec<_> = rules.iter().map(|r| r.what.to_string()).collect();
        assert_eq!(
            shown,
            [
                "header X-Api-Key",
                "claim azp of the token in Authorization, unverified",
                "access key id of an AWS signature",
                "address"
            ]
        );
        assert_eq!(rules.iter().next().and_then(|r| r.evidence), Some(Evidence::Name));
        assert!(problems("").is_empty() && problems("consumer_header = \"X-Who\"").is_empty());
    }

    #[test]
    fn all_problems_are_told_at_once() {
        for (text, want) in [
            ("[[consumer]]", "consumer 1: nothing says where it looks; use exactly one of header,"),
            ("[[consumer]]\nheader = \"a\"\nbasic = true", "consumer 1: several keys say where it looks"),
            ("[[consumer]]\nheader = \"a b\"", "consumer 1: header = \"a b\": use the name of a header"),
            ("[[consumer]]\nheader = \"User-Agent\"", "read for something else"),
            ("[[consumer]]\ncookie = \"a;b\"", "cookie = \"a;b\": use the name of a cookie"),
            ("[[consumer]]\nquery = \"\"", "query is empty"),
            ("[[consumer]]\njwt = { claim = \"\" }", "jwt.claim is empty"),
            ("[[consumer]]\nfield = \"$\"", "field is empty"),
            ("[[consumer]]\nheader = \"a\"\nas = \"secret\"", "as = \"secret\": use key, token,"),
            ("[[consumer]]\naddress = true\n[[consumer]]\nbasic = true", "consumer 2: it stands behind `address`"),
            ("consumer_header = \"a\"\n[[consumer]]\nbasic = true", "consumer_header stands beside"),
            ("trusted_proxies = [\"10.0.0.0/33\"]", "trusted_proxies: `10.0.0.0/33` is no address or network"),
            ("exclude_groups = [\"robots\"]", "no consumer can be in `robots`; there is bots, health"),
            ("names = \"/nowhere/names.toml\"", "names = \"/nowhere/names.toml\": cannot read it"),
        ] {
            let got = problems(text);
            assert!(got.contains(want), "{text}: {got}");
        }
        let many = "trusted_proxies = [\"x\", \"y\"]\n[[consumer]]\n[[consumer]]\nquery = \"\"\n";
        assert_eq!(problems(many).lines().count(), 4, "{}", problems(many));
    }

    #[test]
    fn nothing_of_a_file_of_names_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("names.toml");
        let config = format!("names = \"{}\"\nexclude_groups = [\"partners\"]\n", path.display());
        for (text, want) in [
            ("[[consumer]]\nmatch = \"ak_secret\"\nname = \"acme\"\ngroup = \"partners\"", ""),
            ("[[consumer]]\nmatch = \"ak_secret\"", "neither name nor group"),
            ("[[consumer]]\nmatch = \"ak_secret\"\nname = 5", "from line 3 on"),
            ("[[consumer]]\nmatch = ak_secret", "from line 2 on"),
            ("consumer = \"ak_secret\"", "from line 1 on"),
            ("[[consumer]]\nmatch = \"\"\nname = \"ak_secret\"", "match is empty"),
            ("[[consumer]]\nmatch = \"ak_secret\"\nname = \"\"", "is empty or holds control characters"),
        ] {
            std::fs::write(&path, text).unwrap();
            let got = problems(&config);
            assert!(got.contains(want) && !got.contains("ak_secret"), "{text}: {got}");
            assert_eq!(got.is_empty(), want.is_empty(), "{got}");
        }
    }
}
