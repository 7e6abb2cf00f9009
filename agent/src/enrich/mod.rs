//! From what a source read to what is counted: the route, the consumer, the service; and nothing that must not be kept.
//!
//! In: [`Record`]s. Out: [`Transaction`]s. Raw credentials and query strings end here.

mod consumer;
mod learn;
mod method;
mod pseudonym;
mod shape;
mod target;
mod template;

use std::{sync::Arc, time::Duration};

use hashbrown::HashMap;
use pitot_model::{Direction, Evidence, Reason, Status, Timing, Transaction};

pub use consumer::{Identity, address, identify};
pub use learn::{OTHER, RouteTree};
pub use pseudonym::{Pseudonyms, SECRET_BYTES};
pub use shape::write_shape;
pub use target::path_of;
pub use template::{Template, TemplateError, Templates};

use crate::log::Record;

/// Pseudonyms that an [`Enricher`] remembers; when it has more, it forgets them all and makes them again.
const REMEMBERED: usize = 16_384;

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

/// Turns records into transactions; one per thread, since it keeps scratch space and remembers pseudonyms.
pub struct Enricher {
    settings: Arc<Settings>,
    /// By raw credential; a credential has one kind in a log.
    remembered: HashMap<Vec<u8>, String>,
    shape: Vec<u8>,
    service: String,
    consumer: String,
    scratch: Vec<u8>,
}

impl Enricher {
    /// An enricher with these settings.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            remembered: HashMap::new(),
            shape: Vec::new(),
            service: String::new(),
            consumer: String::new(),
            scratch: Vec::new(),
        }
    }

    /// The settings that it goes by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The transaction of a record. Fails with [`Reason::RequestUnreadable`] where no target could be read. Logs that do
    /// not hold methods have transactions of the method `_OTHER`.
    ///
    /// Its route is a shape or a configured template: what words are values is learned later, over all of them.
    pub fn enrich<'a>(&'a mut self, record: &Record<'a>) -> Result<Transaction<'a>, Reason> {
        let is_readable =
            if record.method.is_empty() { looks_like_path(record.target.raw) } else { !record.target.is_empty() };
        if !is_readable {
            return Err(Reason::RequestUnreadable);
        }
        let method = method::name(record.method.raw);
        self.read_route(record, method);
        self.read_service(record);
        let evidence = self.read_consumer(record);
        Ok(Transaction {
            service: &self.service,
            version: std::str::from_utf8(record.version.raw).unwrap_or_default(),
            method,
            route: std::str::from_utf8(&self.shape).unwrap_or_default(),
            consumer: &self.consumer,
            evidence,
            protocol: record.protocol,
            status: record.status.map_or(Status::NONE, Status::code),
            request_bytes: record.request_bytes.unwrap_or(0),
            response_bytes: record.response_bytes.unwrap_or(0),
            direction: Direction::Inbound,
            trace_id: std::str::from_utf8(record.trace_id.raw).unwrap_or_default(),
            timing: Timing::Logged {
                at: record.time.unwrap_or_default(),
                at_start: record.time_is_start,
                duration: record.duration_us.map(Duration::from_micros),
                ttfb: record.ttfb_us.map(Duration::from_micros),
            },
        })
    }

    fn read_route(&mut self, record: &Record<'_>, method: &str) {
        let path = path_of(record.target.decode(&mut self.scratch));
        self.shape.clear();
        let configured = if self.settings.templates.is_empty() {
            None
        } else {
            self.settings.templates.find(method.as_bytes(), path)
        };
        match configured {
            Some(template) => self.shape.extend_from_slice(template.as_bytes()),
            None => write_shape(path, &mut self.shape),
        }
    }

    fn read_service(&mut self, record: &Record<'_>) {
        self.service.clear();
        if let Some(service) = &self.settings.service {
            self.service.push_str(service);
            return;
        }
        if record.service.is_empty() && record.host.is_empty() {
            self.service.push_str(&self.settings.default_service);
            return;
        }
        let (named, host) = (record.service.decode(&mut self.scratch), record.host.raw);
        if !named.is_empty() {
            self.service.push_str(&String::from_utf8_lossy(named));
        } else if let Ok(host) = std::str::from_utf8(address(host))
            && !host.is_empty()
        {
            self.service.push_str(host);
            self.service.make_ascii_lowercase();
        } else {
            self.service.push_str(&self.settings.default_service);
        }
    }

    fn read_consumer(&mut self, record: &Record<'_>) -> Evidence {
        let text = if record.consumer.is_empty() { record.user } else { record.consumer };
        let decoded = text.decode(&mut self.scratch);
        let Identity { id, evidence } = match record.consumer.is_empty() {
            false => identify(decoded, record.evidence, record.user.raw, record.client.raw),
            true => identify(b"", record.evidence, decoded, record.client.raw),
        };
        self.consumer.clear();
        if !matches!(evidence, Evidence::Key | Evidence::Token) {
            match std::str::from_utf8(id) {
                Ok(id) if !id.bytes().any(|b| b.is_ascii_control()) => self.consumer.push_str(id),
                _ => self.consumer.push_str(&self.settings.pseudonyms.name(id, evidence)),
            }
            return evidence;
        }
        if let Some(name) = self.remembered.get(id) {
            self.consumer.push_str(name);
            return evidence;
        }
        let name = self.settings.pseudonyms.name(id, evidence);
        self.consumer.push_str(&name);
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(id.to_vec(), name);
        evidence
    }
}

/// Whether a target stands for a request even where no method does: a path or an absolute URL.
fn looks_like_path(target: &[u8]) -> bool {
    target.starts_with(b"/")
        || target.starts_with(b"http://")
        || target.starts_with(b"https://")
        || target.starts_with(b"\\/")
}
