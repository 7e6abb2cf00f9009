//! From what a source read to what is counted: the route, the consumer, the service; and nothing that must not be kept.
//!
//! In: [`Record`]s of logs, exchanges of packets. Out: [`Transaction`]s. Raw credentials and query strings end here.

mod consumer;
mod exchange;
mod graphql;
mod known;
mod learn;
mod marks;
mod mask;
mod method;
mod pseudonym;
mod secrets;
mod shape;
mod target;
mod template;

use std::{sync::Arc, time::Duration};

use pitot_model::{Direction, Evidence, Marks, Reason, Status, Timing, Transaction, budget as model_budget};

use consumer::{Identity, address, is_there};
pub use exchange::{OUTBOUND, shown_host};
pub use learn::{OTHER, RouteTree};
pub use mask::masked;
use pseudonym::cut;
pub(crate) use pseudonym::is_cut;
pub use pseudonym::{Pseudonyms, SECRET_BYTES};
use secrets::Hidden;
pub use shape::write_shape;
pub use target::path_of;
pub use template::{Template, TemplateError, Templates};

use crate::log::Record;
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
}

/// Turns records into transactions; one per thread, since it keeps scratch space and remembers names.
pub struct Enricher {
    settings: Arc<Settings>,
    /// From shapes and the number of the method: routes.
    routes: Known<Hidden>,
    /// From identities and the kind that their field says: consumers, and the kind that they are.
    consumers: Known<Evidence>,
    /// From hosts and the direction of the call: services of what was seen on the wire.
    services: Known<()>,
    shape: Vec<u8>,
    service: String,
    scratch: Vec<u8>,
}

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
            shape: Vec::new(),
            service: String::new(),
            scratch: Vec::new(),
        }
    }

    /// The transaction of a record. Fails with [`Reason::RequestUnreadable`] where no target could be read. Logs that do
    /// not hold methods have transactions of the method `_OTHER`.
    ///
    /// Its route is a shape or a configured template: what words are values is learned later, over all of them.
    pub fn enrich<'a>(&'a mut self, record: &Record<'a>) -> Result<Transaction<'a>, Reason> {
        self.enrich_numbered(record).map(|(transaction, _)| transaction)
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
        let route = self.routes.number(method_number, &self.shape, secrets::route);
        let hidden = self.routes.name(route).1;
        let redacted = match hidden.is_suspicious(record.target.raw.len()) {
            true => hidden.count(record.target.decode(&mut self.scratch)),
            false => None,
        };
        self.read_service(record);
        let number = self.read_consumer(record);
        let (consumer, evidence) = self.consumers.name(number);
        let status = record.status.map_or(Status::NONE, Status::code);
        let timing = Timing::Logged {
            at: record.time.unwrap_or_default(),
            at_start: record.time_is_start,
            duration: record.duration_us.map(Duration::from_micros),
            ttfb: record.ttfb_us.map(Duration::from_micros),
        };
        let transaction = Transaction {
            service: &self.service,
            version: utf8(&record.version.raw[..record.version.raw.len().min(model_budget::NAME_BYTES)]),
            method,
            route: self.routes.name(route).0,
            consumer,
            evidence,
            group: "",
            protocol: record.protocol,
            status,
            request_bytes: record.request_bytes.unwrap_or(0),
            response_bytes: record.response_bytes.unwrap_or(0),
            direction: Direction::Inbound,
            trace_id: utf8(record.trace_id.raw),
            timing,
            marks: Marks { redacted, ..marks::read(record.told.as_ref(), status, &timing) },
        };
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
        match self.settings.templates.find(method.as_bytes(), path) {
            Some(template) => self.shape.extend_from_slice(template.as_bytes()),
            None => write_shape(path, &mut self.shape),
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
        let (named, host) = (record.service.decode(&mut self.scratch), record.host.raw);
        // Credentials stand before a host.
        let host = memchr::memrchr(b'@', host).map_or(host, |at| &host[at + 1..]);
        if !named.is_empty() {
            self.service.push_str(&self.settings.pseudonyms.name(named, consumer::kind(named, Evidence::Name)));
        } else if let Ok(host) = std::str::from_utf8(address(host))
            && !host.is_empty()
        {
            self.service.push_str(&cut(host.to_ascii_lowercase()));
        } else {
            self.service.push_str(&self.settings.default_service);
        }
    }

    #[inline]
    fn read_consumer(&mut self, record: &Record<'_>) -> Number {
        let text = if record.consumer.is_empty() { record.user } else { record.consumer };
        let decoded = text.decode(&mut self.scratch);
        let Identity { id, evidence } = match record.consumer.is_empty() {
            false => consumer::choose(decoded, record.evidence, record.user.raw, record.client.raw),
            true => consumer::choose(b"", record.evidence, decoded, record.client.raw),
        };
        self.consumers.number(evidence as u8, id, |id| {
            let evidence = consumer::kind(id, evidence);
            (self.settings.pseudonyms.name(id, evidence), evidence)
        })
    }
}

/// Names that are no text are absent. Most logs have none at all.
#[inline]
fn utf8(raw: &[u8]) -> &str {
    if raw.is_empty() { "" } else { std::str::from_utf8(raw).unwrap_or_default() }
}

/// Whether a target stands for a request even where no method does: a path or an absolute URL.
fn looks_like_path(target: &[u8]) -> bool {
    target.starts_with(b"/")
        || target.starts_with(b"http://")
        || target.starts_with(b"https://")
        || target.starts_with(b"\\/")
}
