//! From an exchange that was seen on the wire to a transaction: what a head says, with nothing in it that must not be
//! kept.
//!
//! In: [`Exchange`]s and their direction. Out: [`Transaction`]s. Names come from what is [known](super::Known), so that an
//! ordinary transaction allocates nothing.

use std::net::IpAddr;

use pitot_model::{Direction, Evidence, Marks, Protocol, Reason, Status, Timing, Transaction, budget};

use super::{
    Enricher, Number, Numbers,
    bots::Class,
    consumer::{self, Identity, address},
    cut, graphql, harmless, is_there, marks, method, path_of,
    rules::BY_USUAL,
    secrets,
    who::{ADDRESS_TAG, Found, RULE_TAG, Seen, by_rules, tag, tell},
    write_shape,
};
use crate::http::{Call, Exchange};

/// What stands before the host that is called, where this host calls: `outbound/api.example.com`.
pub const OUTBOUND: &str = "outbound/";

/// Bytes of a host name. Source: RFC 1035, section 2.3.4.
const HOST_BYTES: usize = 253;

impl Enricher {
    /// The transaction of an exchange, with numbers that save looking its names up again.
    ///
    /// The service of calls that this host makes is the host that it calls, behind [`OUTBOUND`]. Fails with
    /// [`Reason::GroupExcluded`] where its consumer is left out.
    pub(crate) fn enrich_exchange<'a>(
        &'a mut self,
        exchange: &Exchange<'a>,
        direction: Direction,
    ) -> Result<(Transaction<'a>, Numbers), Reason> {
        let (method, method_number) = method::name(exchange.method);
        self.shape.clear();
        self.read_wire_route(exchange, method);
        if let Some(call) = exchange.graphql {
            graphql::write_operation(call, &mut self.shape);
        }
        let route = self.routes.number(method_number, &self.shape, secrets::route);
        let hidden = self.routes.name(route).1;
        let redacted = if hidden.is_suspicious(exchange.target.len()) { hidden.count(exchange.target) } else { None };
        let service = self.wire_service(exchange.host, direction);
        let (number, client) = self.wire_consumer(exchange);
        let (consumer, who) = self.consumers.name(number);
        if self.settings.consumers.excludes(who.group) {
            return Err(Reason::GroupExcluded);
        }
        let status = status(exchange);
        let timing = Timing::Wire {
            request_first: exchange.request_first,
            request_last: exchange.request_last,
            response_first: exchange.response_first,
            response_last: exchange.response_last,
            is_stream: exchange.is_stream,
        };
        let mut transaction = Transaction {
            service: self.services.name(service).0,
            version: harmless(exchange.version),
            method,
            route: self.routes.name(route).0,
            consumer,
            evidence: who.evidence,
            group: self.settings.consumers.names.group(who.group),
            protocol: exchange.protocol,
            status,
            request_bytes: exchange.request_bytes,
            response_bytes: exchange.response_bytes,
            direction,
            trace_id: harmless(exchange.trace_id),
            timing,
            marks: Marks {
                redacted,
                has_errors_inside: exchange.graphql.is_some_and(Call::has_errors),
                ..marks::read(exchange.told, status, &timing)
            },
        };
        who.mark(&mut transaction.marks, exchange.request_first, exchange.expires, || Some(client));
        Ok((transaction, Numbers { route, consumer: number }))
    }

    fn read_wire_route(&mut self, exchange: &Exchange<'_>, method: &str) {
        let target = exchange.target;
        let is_grpc = exchange.is_grpc || exchange.protocol == Protocol::Http2 && exchange.grpc_status.is_some();
        let templates = &self.settings.templates;
        if templates.is_empty() && target.first() == Some(&b'/') && !is_grpc {
            // The shape ends where the path does: one pass finds both.
            return write_shape(target, &mut self.shape);
        }
        let path = path_of(target);
        if templates.write(method.as_bytes(), path, &mut self.shape) {
            return;
        }
        // A procedure's name holds no values, whatever it looks like.
        if is_grpc && is_procedure(path) {
            self.shape.extend_from_slice(path);
        } else {
            write_shape(path, &mut self.shape);
        }
    }

    fn wire_service(&mut self, host: &[u8], direction: Direction) -> Number {
        let settings = &self.settings;
        // Hosts are known by how they were sent, port and all, and made into names once.
        let make = |sent: &[u8]| {
            let name = match (&settings.service, direction, shown_host(sent)) {
                (Some(service), Direction::Inbound, _) => service.clone(),
                (_, _, None) => settings.default_service.clone(),
                (_, _, Some(host)) => cut(String::from_utf8_lossy(address(host)).to_ascii_lowercase()),
            };
            (if direction == Direction::Outbound { format!("{OUTBOUND}{name}") } else { name }, ())
        };
        // One name for all: no host needs to be remembered.
        let is_given = settings.service.is_some() && direction == Direction::Inbound;
        self.services.number(direction as u8, if is_given { b"" } else { host }, make)
    }

    /// The number of the consumer, and the address of the client.
    fn wire_consumer(&mut self, exchange: &Exchange<'_>) -> (Number, IpAddr) {
        let class = || Class::of(exchange.user_agent, exchange.target);
        if !self.settings.consumers.is_plain() {
            return self.wire_ruled(exchange, class());
        }
        let (settings, client) = (&*self.settings, exchange.client.ip);
        if !is_there(exchange.consumer) {
            return (self.consumer_at(client, None, class()), client);
        }
        let Identity { id, evidence } = consumer::choose(exchange.consumer, exchange.evidence, b"", b"");
        let make = |id: &[u8]| tell(settings, id, evidence, None, Class::Caller);
        (self.consumers.number(tag(evidence as u8, Class::Caller), id, make), client)
    }

    /// Likewise, by rules, and behind proxies that are trusted.
    fn wire_ruled(&mut self, exchange: &Exchange<'_>, class: Class) -> (Number, IpAddr) {
        let settings = &*self.settings;
        let client = settings.consumers.proxies.client(exchange.client.ip, exchange.telling, exchange.forwarded);
        let seen = Seen {
            consumer: exchange.consumer,
            evidence: exchange.evidence,
            way: exchange.way,
            host: exchange.host,
            target: exchange.target,
            agent: exchange.user_agent,
            ..Seen::default()
        };
        let found = by_rules(&settings.consumers.rules, &seen, &mut self.scratch);
        let (id, evidence, rule) = match found {
            Found::By { id, evidence, rule } => (id, evidence, Some(rule)),
            Found::Usual if exchange.way == BY_USUAL && is_there(seen.consumer) => {
                let Identity { id, evidence } = consumer::choose(seen.consumer, seen.evidence, b"", b"");
                (id, evidence, None)
            }
            Found::Usual => return (self.consumer_at(client, None, class), client),
            Found::Address { rule } => return (self.consumer_at(client, Some(rule), class), client),
            Found::Nobody => (&b""[..], Evidence::None, None),
        };
        let make = |id: &[u8]| tell(settings, id, evidence, rule, class);
        (self.consumers.number(tag(rule.map_or(evidence as u8, |rule| RULE_TAG + rule), class), id, make), client)
    }

    /// The number of the consumer that is told by its address alone.
    pub(super) fn consumer_at(&mut self, client: IpAddr, rule: Option<u8>, class: Class) -> Number {
        let settings = &*self.settings;
        // The octets are the key; text is made of them once.
        let make = |_: &[u8]| tell(settings, client.to_string().as_bytes(), Evidence::Address, rule, class);
        let tag = tag(rule.map_or(ADDRESS_TAG, |rule| RULE_TAG + rule), class);
        match client {
            IpAddr::V4(ip) => self.consumers.number(tag, &ip.octets(), make),
            IpAddr::V6(ip) => self.consumers.number(tag, &ip.octets(), make),
        }
    }
}

/// The code of a call that failed by gRPC's count; HTTP says 200 then.
#[inline]
fn status(exchange: &Exchange<'_>) -> Status {
    match exchange.grpc_status {
        Some(code) if code != 0 => Status::grpc(code),
        _ => exchange.status,
    }
}

/// What may be shown of a `Host` that was sent: a name or an address, and its port. Credentials before it are left out;
/// what somebody put there to be seen is `None`, and so is what looks like a key.
pub fn shown_host(sent: &[u8]) -> Option<&[u8]> {
    let first = sent.split(|b| b", ".contains(b)).next()?;
    let shown = memchr::memrchr(b'@', first).map_or(first, |at| &first[at + 1..]);
    let host = address(shown);
    let port = match shown.strip_prefix(b"[") {
        Some(rest) => rest.get(host.len()..).and_then(|rest| rest.strip_prefix(b"]"))?,
        None => &shown[host.len()..],
    };
    let is_port = port.is_empty() || port.strip_prefix(b":").is_some_and(|p| p.iter().all(u8::is_ascii_digit));
    (is_port && is_host(host) && secrets::find_in_host(host).is_none()).then_some(shown)
}

/// Whether it is a name or an address.
fn is_host(host: &[u8]) -> bool {
    let of_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let of_address = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'.' | b':');
    if host.is_empty() || host.len() > HOST_BYTES {
        return false;
    }
    match memchr::memchr(b':', host) {
        None => host.iter().all(of_name),
        Some(_) => {
            let (address, zone) = host.split_at(memchr::memchr(b'%', host).unwrap_or(host.len()));
            address.iter().all(of_address) && zone.iter().skip(1).all(of_name)
        }
    }
}

/// Whether a path is `/package.Service/Method`.
///
/// Source: gRPC over HTTP/2, "Path".
fn is_procedure(path: &[u8]) -> bool {
    let word =
        |part: &[u8]| !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    let mut parts = path.split(|&b| b == b'/');
    path.len() <= budget::NAME_BYTES
        && parts.next() == Some(b"")
        && parts.next().is_some_and(word)
        && parts.next().is_some_and(word)
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pitot_model::Timestamp;

    use super::*;
    use crate::{
        decode::Endpoint,
        enrich::{Pseudonyms, Settings, Templates},
    };

    fn settings(service: Option<&str>) -> Arc<Settings> {
        Arc::new(Settings {
            default_service: "default".into(),
            service: service.map(str::to_owned),
            templates: Templates::new(vec!["/files/*".parse().unwrap()]),
            pseudonyms: Pseudonyms::keyed(&[1; 32]),
            consumers: Arc::default(),
        })
    }

    fn exchange() -> Exchange<'static> {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        Exchange {
            client: end("10.0.0.9", 40_000),
            server: end("10.0.0.1", 80),
            method: b"GET",
            target: b"/v1/users/42?q=1",
            host: b"Shop.Example:8080",
            consumer: b"",
            evidence: Evidence::None,
            way: 0,
            expires: None,
            forwarded: b"",
            telling: crate::enrich::Telling::Nothing,
            user_agent: b"",
            trace_id: b"",
            version: b"1.2",
            told: None,
            protocol: Protocol::Http11,
            status: Status::code(200),
            grpc_status: None,
            request_bytes: 0,
            response_bytes: 5,
            request_captured: 3,
            response_captured: 5,
            request_first: Timestamp::from_millis(1_000),
            request_last: Timestamp::from_millis(1_001),
            response_first: Some(Timestamp::from_millis(1_011)),
            response_last: Some(Timestamp::from_millis(1_031)),
            is_stream: false,
            graphql: None,
            is_grpc: false,
            stream_id: None,
            is_damaged: false,
        }
    }

    #[test]
    fn services_are_hosts_and_calls_of_this_host_are_told_apart() {
        for (configured, host, direction, want) in [
            (None, "Shop.Example:8080", Direction::Inbound, "shop.example"),
            (None, "[2001:DB8::1]:80", Direction::Inbound, "2001:db8::1"),
            (None, "", Direction::Inbound, "default"),
            (None, "outbound/x", Direction::Inbound, "default"),
            (None, "a\"b", Direction::Inbound, "default"),
            (None, "jane:secret@Shop.example:80", Direction::Inbound, "shop.example"),
            (None, "jane:secret", Direction::Inbound, "default"),
            (None, "API.stripe.com", Direction::Outbound, "outbound/api.stripe.com"),
            (Some("shop"), "a.example", Direction::Inbound, "shop"),
            (Some("shop"), "a.example", Direction::Outbound, "outbound/a.example"),
        ] {
            let mut enricher = Enricher::new(settings(configured));
            let exchange = Exchange { host: host.as_bytes(), ..exchange() };
            let (transaction, _) = enricher.enrich_exchange(&exchange, direction).unwrap();
            assert_eq!(transaction.service, want, "{configured:?} {host} {direction:?}");
        }
    }

    #[test]
    fn hosts_are_shown_without_what_does_not_belong_there() {
        for (sent, want) in [
            ("Shop.example:8080", Some("Shop.example:8080")),
            ("[2001:db8::1]:80", Some("[2001:db8::1]:80")),
            ("fe80::1%eth0", Some("fe80::1%eth0")),
            ("jane:secret@h.example", Some("h.example")),
            ("a@b:secret@db.internal:443", Some("db.internal:443")),
            ("jane:secret", None),
            ("jane:secret:", None),
            ("h.example:secret@", None),
            ("AKIAIOSFODNN7EXAMPLE.h.example", None),
            ("4111111111111111", None),
            ("[::1]secret", None),
            ("[::1", None),
            (";secret=1?x=y", None),
            ("h.example/secret", None),
            ("\u{1b}[2J", None),
            ("", None),
        ] {
            assert_eq!(shown_host(sent.as_bytes()), want.map(str::as_bytes), "{sent}");
        }
    }

    #[test]
    fn routes_are_shapes_templates_or_procedures() {
        for (target, protocol, grpc_status, want) in [
            ("/v1/users/42?q=1", Protocol::Http11, None, "/v1/users/{int}"),
            ("/files/a/b", Protocol::Http11, None, "/files/*"),
            ("http://h/v1/a", Protocol::Http11, None, "/v1/a"),
            ("h:443", Protocol::Http11, None, "{authority}"),
            ("/acme.v1beta1.Carts/Get2Fast4U", Protocol::Http2, Some(0), "/acme.v1beta1.Carts/Get2Fast4U"),
            ("/x/../12345678", Protocol::Http2, Some(12), "/x/{slug}/{int}"),
        ] {
            let mut enricher = Enricher::new(settings(None));
            let exchange = Exchange { target: target.as_bytes(), protocol, grpc_status, ..exchange() };
            let route = enricher.enrich_exchange(&exchange, Direction::Inbound).unwrap().0.route;
            assert_eq!(crate::enrich::shown_route(route), want, "{target}");
        }
    }

    #[test]
    fn procedures_have_their_name_where_the_call_broke_off_too() {
        let mut enricher = Enricher::new(settings(None));
        let target = b"/acme.v1.Carts/Get2Fast4U12345";
        let exchange = Exchange { target, protocol: Protocol::Http2, is_grpc: true, ..exchange() };
        let exchange = Exchange { status: Status::RESET, ..exchange };
        let (transaction, _) = enricher.enrich_exchange(&exchange, Direction::Inbound).unwrap();
        assert_eq!(transaction.route.as_bytes(), target);
    }

    #[test]
    fn consumers_are_named_by_a_header_or_the_address() {
        let mut enricher = Enricher::new(settings(None));
        for (consumer, evidence, want, kind) in [
            ("acme", Evidence::Name, "acme", Evidence::Name),
            ("", Evidence::Key, "10.0.0.9", Evidence::Address),
            ("-", Evidence::Name, "10.0.0.9", Evidence::Address),
        ] {
            let exchange = Exchange { consumer: consumer.as_bytes(), evidence, ..exchange() };
            let (transaction, _) = enricher.enrich_exchange(&exchange, Direction::Inbound).unwrap();
            assert_eq!((transaction.consumer, transaction.evidence), (want, kind), "{consumer}");
        }
        let exchange = Exchange { consumer: b"ak_secret", evidence: Evidence::Key, ..exchange() };
        let (transaction, _) = enricher.enrich_exchange(&exchange, Direction::Inbound).unwrap();
        assert!(transaction.consumer.starts_with("key-"), "{}", transaction.consumer);
        assert_eq!(transaction.timing.duration(), Some(std::time::Duration::from_millis(31)));
        assert_eq!(transaction.timing.ttfb(), Some(std::time::Duration::from_millis(10)));
    }
}
