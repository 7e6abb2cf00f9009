//! From what a source read to what is counted: the route, the consumer, the service; and nothing that must not be kept.
//!
//! In: [`Record`]s of logs, exchanges of packets. Out: [`Transaction`]s. Raw credentials and query strings end here.

mod bots;
mod consumer;
mod exchange;
mod graphql;
mod jwt;
mod known;
mod learn;
mod marks;
mod mask;
mod method;
mod names;
mod proxies;
mod pseudonym;
mod rules;
mod secrets;
mod shape;
mod target;
mod template;
mod who;

use std::{sync::Arc, time::Duration};

use pitot_model::{Direction, Evidence, Marks, Reason, Status, Timing, Transaction, budget as model_budget};

use consumer::{Identity, address, is_there};
pub use exchange::{OUTBOUND, shown_host};
pub(crate) use learn::is_coarser;
pub use learn::{Clue, Finding, OTHER, RouteTree, Step, THRESHOLD, Tally, Why};
pub use mask::masked;
pub use names::{ENTRIES, Entry, GROUPS, Names, PATTERNS};
pub use proxies::{Proxies, Telling};
use pseudonym::cut;
pub(crate) use pseudonym::is_cut;
pub use pseudonym::{Keys, KeysError, Pseudonyms, SECRET_BYTES};
pub(crate) use rules::{BY_CHOICE, BY_USUAL, Wanted};
pub use rules::{RULES, Rule, Rules, What};
use secrets::Hidden;
pub use secrets::{is_secret, names_secret};
pub use shape::write_shape;
pub use target::path_of;
pub use template::{Template, TemplateError, Templates, shown_route};
pub use who::Consumers;
use who::{Found, RULE_TAG, Seen, Who, by_rules, tag, tell};

use crate::log::{Format, Record};
use bots::Class;
use known::Known;
pub(crate) use known::Number;

/// What the operator says about services, routes and consumers.
#[derive(Clone)]
pub struct Settings {
    /// Service of transactions whose source names none and has no virtual host.
    pub default_service: String,
    /// Service of all transactions, whatever the source says.
    pub service: Option<String>,
    /// Configured routes.
    pub templates: Templates,
    /// How credentials are named.
    pub pseudonyms: Pseudonyms,
    /// Who consumers are, and what they are called.
    pub consumers: Arc<Consumers>,
}

/// Turns records into transactions; one per thread, since it keeps scratch space and remembers names.
pub struct Enricher {
    settings: Arc<Settings>,
    /// From shapes and the number of the method: routes.
    routes: Known<Hidden>,
    /// From identities and the kind that their field says: consumers, and the kind that they are.
    consumers: Known<Who>,
    /// From hosts and the direction of the call: services of what was seen on the wire.
    services: Known<()>,
    /// Formats, each with what the rules about consumers make of it.
    ruled: Vec<(Format, Format)>,
    shape: Vec<u8>,
    service: String,
    scratch: Vec<u8>,
}

/// Formats for which it is remembered what rules make of them.
const FORMATS: usize = 16;

/// Stand for names of a transaction; the same until the enricher makes room.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    /// Of the method and the route together.
    pub(crate) route: Number,
    /// Of the evidence and the consumer together.
    pub(crate) consumer: Number,
}

impl Enricher {
    /// An enricher with these settings.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            routes: Known::default(),
            consumers: Known::default(),
            services: Known::default(),
            ruled: Vec::new(),
            shape: Vec::new(),
            service: String::new(),
            scratch: Vec::new(),
        }
    }

    /// The transaction of a record. Fails with [`Reason::RequestUnreadable`] where no target could be read. Logs that do
    /// not hold methods have transactions of the method `_OTHER`. Fails with [`Reason::GroupExcluded`] where the consumer is
    /// left out.
    ///
    /// Its route is a shape or a configured template: what words are values is learned later, over all of them.
    pub fn enrich<'a>(&'a mut self, record: &Record<'a>) -> Result<Transaction<'a>, Reason> {
        self.enrich_numbered(record).map(|(transaction, _)| transaction)
    }

    /// What the rules about consumers make of a format; `None` where there are no rules.
    pub(crate) fn ruled(&mut self, format: &Format) -> Option<Format> {
        if self.settings.consumers.is_plain() {
            return None;
        }
        if let Some((_, ruled)) = self.ruled.iter().find(|(known, _)| known.is(format)) {
            return Some(ruled.clone());
        }
        let ruled = format.with_rules(&self.settings.consumers);
        if self.ruled.len() >= FORMATS {
            self.ruled.clear();
        }
        self.ruled.push((format.clone(), ruled.clone()));
        Some(ruled)
    }

    /// Forgets names when there are too many. [`Numbers`] given before mean nothing any more.
    pub(crate) fn make_room(&mut self) {
        self.routes.make_room();
        self.consumers.make_room();
        self.services.make_room();
    }

    /// The same as [`Enricher::enrich`], with numbers that save looking the names up again.
    #[inline]
    pub(crate) fn enrich_numbered<'a>(&'a mut self, record: &Record<'a>) -> Result<(Transaction<'a>, Numbers), Reason> {
        let is_readable =
            if record.method.is_empty() { looks_like_path(record.target.raw) } else { !record.target.is_empty() };
        if !is_readable {
            return Err(Reason::RequestUnreadable);
        }
        let (method, method_number) = method::name(record.method.raw);
        self.read_route(record, method);
        if !record.operation.is_empty() {
            graphql::write_logged(record, &mut self.scratch, &mut self.shape);
        }
        let route = self.routes.number(method_number, &self.shape, secrets::route);
        let hidden = self.routes.name(route).1;
        let redacted = match hidden.is_suspicious(record.target.raw.len()) {
            true => hidden.count(record.target.decode(&mut self.scratch)),
            false => None,
        };
        self.read_service(record);
        let (number, expires) = self.read_consumer(record);
        let (consumer, who) = self.consumers.name(number);
        if self.settings.consumers.excludes(who.group) {
            return Err(Reason::GroupExcluded);
        }
        let status = record.status.map_or(Status::NONE, Status::code);
        let timing = Timing::Logged {
            at: record.time.unwrap_or_default(),
            at_start: record.time_is_start,
            duration: record.duration_us.map(Duration::from_micros),
            ttfb: record.ttfb_us.map(Duration::from_micros),
        };
        let mut transaction = Transaction {
            service: &self.service,
            version: harmless(record.version.raw),
            method,
            route: self.routes.name(route).0,
            consumer,
            evidence: who.evidence,
            group: self.settings.consumers.names.group(who.group),
            protocol: record.protocol,
            status,
            request_bytes: record.request_bytes.unwrap_or(0),
            response_bytes: record.response_bytes.unwrap_or(0),
            direction: Direction::Inbound,
            trace_id: harmless(record.trace_id.raw),
            timing,
            marks: Marks { redacted, ..marks::read(record.told.as_ref(), status, &timing) },
        };
        who.mark(&mut transaction.marks, record.time.unwrap_or_default(), expires, || proxies::ip(record.client.raw));
        Ok((transaction, Numbers { route, consumer: number }))
    }

    fn read_route(&mut self, record: &Record<'_>, method: &str) {
        let target = record.target.decode(&mut self.scratch);
        self.shape.clear();
        if self.settings.templates.is_empty() && target.first() == Some(&b'/') {
            // The shape ends where the path does: one pass finds both.
            return write_shape(target, &mut self.shape);
        }
        let path = path_of(target);
        if !self.settings.templates.write(method.as_bytes(), path, &mut self.shape) {
            write_shape(path, &mut self.shape);
        }
    }

    fn read_service(&mut self, record: &Record<'_>) {
        if record.service.is_empty() && record.host.is_empty() {
            // So it is in all lines of most logs: nothing to do then.
            let service = self.settings.service.as_ref().unwrap_or(&self.settings.default_service);
            if self.service != *service {
                self.service.clone_from(service);
            }
            return;
        }
        self.service.clear();
        if let Some(service) = &self.settings.service {
            self.service.push_str(service);
            return;
        }
        let (settings, named) = (&self.settings, record.service.decode(&mut self.scratch));
        let (tag, source) = if named.is_empty() { (TAG_HOST, record.host.raw) } else { (TAG_SERVICE, named) };
        // Names are made once: they are looked through for secrets.
        let number = self.services.number(tag, source, |source| {
            let kind = consumer::kind(source, Evidence::Name);
            let name =
                if tag == TAG_SERVICE { Some(settings.pseudonyms.name(source, kind)) } else { host_name(source) };
            (name.unwrap_or_else(|| settings.default_service.clone()), ())
        });
        self.service.push_str(self.services.name(number).0);
    }

    /// The number of the consumer, and when the token expires that it was read from, if it was.
    #[inline]
    fn read_consumer(&mut self, record: &Record<'_>) -> (Number, Option<i64>) {
        if !self.settings.consumers.is_plain() {
            return self.read_ruled(record, Class::of(record.user_agent.raw, record.target.raw));
        }
        let text = if record.consumer.is_empty() { record.user } else { record.consumer };
        let decoded = text.decode(&mut self.scratch);
        let Identity { id, evidence } = match record.consumer.is_empty() {
            false => consumer::choose(decoded, record.evidence, record.user.raw, record.client.raw),
            true => consumer::choose(b"", record.evidence, decoded, record.client.raw),
        };
        let class = match evidence {
            Evidence::Address | Evidence::None => Class::of(record.user_agent.raw, record.target.raw),
            // Who is known by more is what the operator says.
            _ => Class::Caller,
        };
        let make = |id: &[u8]| tell(&self.settings, id, evidence, None, class);
        (self.consumers.number(tag(evidence as u8, class), id, make), None)
    }

    /// Likewise, by rules, and behind proxies that are trusted.
    fn read_ruled(&mut self, record: &Record<'_>, class: Class) -> (Number, Option<i64>) {
        let settings = &*self.settings;
        let rules = &settings.consumers.rules;
        let [mut value, mut found, mut user, mut target] = [const { Vec::new() }; 4];
        let value = record.consumer.decode(&mut value);
        let again = rules.find_again(record.way, value, &mut found);
        let (consumer, evidence, expires) =
            again.map_or((value, record.evidence, None), |found| (found.id, found.evidence, found.expires));
        let seen = Seen {
            consumer,
            evidence,
            way: record.way,
            user: record.user.decode(&mut user),
            host: record.host.raw,
            target: record.target.decode(&mut target),
            query: record.query.raw,
            agent: record.user_agent.raw,
        };
        let (id, evidence, rule) = match by_rules(rules, &seen, &mut self.scratch) {
            Found::By { id, evidence, rule } => (id, evidence, Some(rule)),
            Found::Usual => {
                let is_usual = matches!(record.way, BY_USUAL | BY_CHOICE);
                let Identity { id, evidence } =
                    consumer::choose(if is_usual { consumer } else { b"" }, evidence, seen.user, b"");
                if id.is_empty() {
                    return (self.read_address(record, None, class), None);
                }
                (id, evidence, None)
            }
            Found::Address { rule } => return (self.read_address(record, Some(rule), class), None),
            Found::Nobody => (&b""[..], Evidence::None, None),
        };
        let make = |id: &[u8]| tell(settings, id, evidence, rule, class);
        let tag = tag(rule.map_or(evidence as u8, |rule| RULE_TAG + rule), class);
        (self.consumers.number(tag, id, make), expires)
    }

    /// The number of the consumer that is told by its address alone.
    fn read_address(&mut self, record: &Record<'_>, rule: Option<u8>, class: Class) -> Number {
        let settings = &*self.settings;
        let proxies = &settings.consumers.proxies;
        let text = if record.client.is_empty() { record.forwarded.raw } else { record.client.raw };
        if !proxies.is_empty()
            && let Some(peer) = proxies::ip(record.client.raw)
        {
            return self.consumer_at(proxies.client(peer, record.telling, record.forwarded.raw), rule, class);
        }
        let id = address(text);
        let evidence = if id.is_empty() { Evidence::None } else { Evidence::Address };
        let make = |id: &[u8]| tell(settings, id, evidence, rule, class);
        self.consumers.number(tag(rule.map_or(evidence as u8, |rule| RULE_TAG + rule), class), id, make)
    }
}

/// Tags of services that logs name, and of hosts, beyond those of directions.
const TAG_SERVICE: u8 = 2;
const TAG_HOST: u8 = 3;

/// The service that a host stands for; `None` where it is no text, or a secret.
fn host_name(sent: &[u8]) -> Option<String> {
    // Credentials stand before a host.
    let host = address(memchr::memrchr(b'@', sent).map_or(sent, |at| &sent[at + 1..]));
    let text = std::str::from_utf8(host).ok().filter(|host| !host.is_empty())?;
    secrets::find_in_host(host).is_none().then(|| cut(text.to_ascii_lowercase()))
}

/// A version or a trace id, if it is a text without secrets, cut to what names may be long. Most logs have none at all.
#[inline]
fn harmless(raw: &[u8]) -> &str {
    if raw.is_empty() { "" } else { secrets::harmless(&raw[..raw.len().min(model_budget::NAME_BYTES)]) }
}

/// Whether a target stands for a request even where no method does: a path or an absolute URL.
fn looks_like_path(target: &[u8]) -> bool {
    target.starts_with(b"/")
        || target.starts_with(b"http://")
        || target.starts_with(b"https://")
        || target.starts_with(b"\\/")
}
