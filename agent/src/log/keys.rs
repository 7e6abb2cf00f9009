//! Which keys of a JSON log mean what, and a table that finds them in one probe.
//!
//! In: the node of the object that a key stands in, and the key. Out: the node of its value. A dotted path names both
//! nested objects and a key that has dots in it. The keys are those of nginx logs in the wild, Caddy, Traefik, Kong,
//! Envoy, API Gateway, Google Cloud, Azure, Cloudflare, Elastic's common schema and OpenTelemetry.

use std::sync::{Arc, LazyLock};

use super::{
    field::{Field, Slot},
    names,
    number::Unit,
    request::Pick,
};
use crate::told;

/// The object that is the line.
pub(super) const ROOT: u16 = 0;

const NONE: u16 = u16::MAX;

/// What is known of one key.
#[derive(Debug, Clone)]
struct Node {
    print: Print,
    name: Box<str>,
    field: Option<Field>,
    has_children: bool,
}

/// Object, length, first and last bytes of a key: all there is to one of up to sixteen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    parent: u16,
    len: usize,
    first: u64,
    last: u64,
}

/// The table.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    nodes: Vec<Node>,
    /// Open addressing over `nodes`; a power of two, at most half full.
    slots: Vec<u16>,
    /// Paths whose values are variables of nginx, and those.
    variables: Vec<(String, String)>,
}

impl Keys {
    /// The well-known keys.
    pub(super) fn known() -> Arc<Self> {
        static KNOWN: LazyLock<Arc<Keys>> = LazyLock::new(|| Arc::new(Keys::build_known()));
        KNOWN.clone()
    }

    /// No keys at all.
    pub(super) fn empty() -> Self {
        let root = Node { print: Print::of(NONE, b""), name: "".into(), field: None, has_children: true };
        Self { nodes: vec![root], slots: vec![NONE; 64], variables: Vec::new() }
    }

    fn build_known() -> Self {
        let mut keys = Self::empty();
        for (path, field) in KNOWN {
            keys.insert(path, field.clone());
        }
        for header in HEADERS {
            let Some(field) = names::request_header(header) else { continue };
            let (lower, snake) = (header.to_ascii_lowercase(), names::normal(header));
            for key in [header, lower.as_str()] {
                keys.insert_new(&format!("request.headers.{key}"), &field);
                keys.insert_new(&format!("request_{key}"), &field);
            }
            for key in [&snake, &format!("http_{snake}"), &lower] {
                keys.insert_new(key, &field);
            }
        }
        for header in told::HEADERS {
            let Some(field) = names::response_header(header) else { continue };
            let (lower, snake) = (header.to_ascii_lowercase(), names::normal(header));
            for key in [header, lower.as_str(), snake.as_str()] {
                for object in
                    ["response_headers", "response.headers", "resp_headers", "res.headers", "http.response.header"]
                {
                    keys.insert_new(&format!("{object}.{key}"), &field);
                }
                for prefix in ["", "sent_http_", "upstream_http_", "resp_header_", "downstream_", "origin_"] {
                    keys.insert_new(&format!("{prefix}{key}"), &field);
                }
            }
        }
        keys
    }

    /// Says what a path means; the last word counts.
    pub(super) fn insert(&mut self, path: &str, field: Field) {
        let mut parent = ROOT;
        for name in path.split('.') {
            self.nodes[parent as usize].has_children = true;
            let Some(node) = self.node(parent, name) else { return };
            parent = node;
        }
        self.nodes[parent as usize].field = Some(field.clone());
        if path.contains('.')
            && let Some(node) = self.node(ROOT, path)
        {
            self.nodes[node as usize].field = Some(field);
        }
    }

    /// Notes that a path holds a variable of nginx.
    pub(super) fn note_variable(&mut self, path: &str, name: &str) {
        self.variables.push((path.to_owned(), name.to_owned()));
    }

    /// Paths that hold variables of nginx, and those.
    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// What a path means.
    pub(super) fn get(&self, path: &str) -> Option<&Field> {
        let mut node = ROOT;
        path.split('.').all(|name| self.find(node, name.as_bytes()).inspect(|n| node = *n).is_some()).then_some(())?;
        self.field(node)
    }

    fn insert_new(&mut self, path: &str, field: &Field) {
        let mut parent = ROOT;
        let known = path.split('.').all(|name| self.find(parent, name.as_bytes()).inspect(|n| parent = *n).is_some());
        if !known || self.nodes[parent as usize].field.is_none() {
            self.insert(path, field.clone());
        }
    }

    /// The node of a key, made where it is new; `None` when the table is full, which takes 32,768 keys.
    fn node(&mut self, parent: u16, name: &str) -> Option<u16> {
        if let Some(node) = self.find(parent, name.as_bytes()) {
            return Some(node);
        }
        let node = u16::try_from(self.nodes.len()).ok().filter(|n| *n < 1 << 15)?;
        let print = Print::of(parent, name.as_bytes());
        self.nodes.push(Node { print, name: name.into(), field: None, has_children: false });
        if self.nodes.len() * 4 > self.slots.len() {
            self.slots = vec![NONE; self.slots.len() * 2];
            for n in 1..self.nodes.len() {
                self.link(n as u16);
            }
        } else {
            self.link(node);
        }
        Some(node)
    }

    fn link(&mut self, node: u16) {
        let mask = self.slots.len() - 1;
        let mut slot = self.nodes[node as usize].print.hash() & mask;
        while self.slots[slot] != NONE {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = node;
    }

    /// The node of a key in the object of `parent`.
    #[inline]
    pub(super) fn find(&self, parent: u16, name: &[u8]) -> Option<u16> {
        let mask = self.slots.len() - 1;
        let print = Print::of(parent, name);
        let mut slot = print.hash() & mask;
        loop {
            let n = self.slots[slot];
            let node = self.nodes.get(n as usize)?;
            if node.print == print && (name.len() <= 16 || node.name.as_bytes() == name) {
                return Some(n);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// What the value of a node means.
    #[inline]
    pub(super) fn field(&self, node: u16) -> Option<&Field> {
        self.nodes.get(node as usize)?.field.as_ref()
    }

    /// Whether keys are known inside the object of a node.
    #[inline]
    pub(super) fn has_children(&self, node: u16) -> bool {
        self.nodes.get(node as usize).is_some_and(|n| n.has_children)
    }
}

impl Print {
    #[inline]
    fn of(parent: u16, name: &[u8]) -> Self {
        let (first, last) = if let (Some(a), Some(b)) = (name.first_chunk(), name.last_chunk()) {
            (u64::from_le_bytes(*a), u64::from_le_bytes(*b))
        } else if let (Some(a), Some(b)) = (name.first_chunk(), name.last_chunk()) {
            (u64::from(u32::from_le_bytes(*a)), u64::from(u32::from_le_bytes(*b)))
        } else {
            (name.iter().fold(0, |n, b| n << 8 | u64::from(*b)), 0)
        };
        Self { parent, len: name.len(), first, last }
    }

    #[inline]
    const fn hash(self) -> usize {
        let mixed = self.first ^ self.last.rotate_left(21) ^ ((self.parent as u64) << 48) ^ (self.len as u64) << 40;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
    }
}

/// Headers that logs carry under their own names.
const HEADERS: &[&str] = &[
    "Host",
    "User-Agent",
    "X-Request-Id",
    "X-Amzn-Trace-Id",
    "Traceparent",
    "X-Api-Key",
    "Apikey",
    "Api-Key",
    "X-Consumer-Username",
    "X-Consumer-Custom-Id",
    "X-Consumer-Id",
    "X-Client-Id",
    "X-App-Id",
    "X-Tenant-Id",
    "X-Auth-Token",
    "Authorization",
    "Ocp-Apim-Subscription-Key",
];

const fn f(slot: Slot, rank: u8) -> Field {
    Field::new(slot, rank)
}

const END: Slot = Slot::Time { start: false };
const START: Slot = Slot::Time { start: true };
const FIRST: Slot = Slot::Client(Pick::First);

const fn name(rank: u8) -> Field {
    f(Slot::Consumer(pitot_model::Evidence::Name), rank)
}

const fn key(rank: u8) -> Field {
    f(Slot::Consumer(pitot_model::Evidence::Key), rank)
}

const fn lasts(unit: Unit, rank: u8) -> Field {
    f(Slot::Duration(unit), rank)
}

static KNOWN: &[(&str, Field)] = &[
    // When. Traefik's `time` is the end of the request, `StartUTC` its start.
    ("msec", f(END, 8)),
    ("ts", f(END, 7)),
    ("time_iso8601", f(END, 7)),
    ("@timestamp", f(END, 6)),
    ("time", f(END, 5)),
    ("timestamp", f(END, 5)),
    ("datetime", f(END, 5)),
    ("time_local", f(END, 4)),
    ("date", f(END, 3)),
    ("start_time", f(START, 6)),
    ("started_at", f(START, 6)),
    ("startTime", f(START, 6)),
    ("requestTimeEpoch", f(START, 6)),
    ("requestTime", f(START, 5)),
    ("StartUTC", f(START, 3)),
    ("StartLocal", f(START, 2)),
    ("EdgeEndTimestamp", f(END, 6)),
    ("EdgeStartTimestamp", f(START, 5)),
    // Who.
    ("remote_addr", f(FIRST, 6)),
    ("remote_ip", f(FIRST, 6)),
    ("remoteIp", f(FIRST, 6)),
    ("remoteAddress", f(FIRST, 6)),
    ("client_ip", f(FIRST, 7)),
    ("clientIp", f(FIRST, 7)),
    ("clientip", f(FIRST, 6)),
    ("ClientIP", f(FIRST, 6)),
    ("remote_host", f(FIRST, 4)),
    ("properties.clientIP", f(FIRST, 6)),
    ("client_addr", f(FIRST, 6)),
    ("client_address", f(FIRST, 6)),
    ("ip", f(FIRST, 5)),
    ("ip_address", f(FIRST, 5)),
    ("client", f(FIRST, 4)),
    ("sourceIp", f(FIRST, 6)),
    ("source_ip", f(FIRST, 6)),
    ("identity.sourceIp", f(FIRST, 6)),
    ("x_forwarded_for", f(FIRST, 4)),
    ("http_x_forwarded_for", f(FIRST, 4)),
    ("http_x_real_ip", f(FIRST, 4)),
    ("downstream_remote_address", f(FIRST, 3)),
    ("ClientHost", f(Slot::Client(Pick::Last), 6)),
    ("ClientAddr", f(FIRST, 3)),
    ("request.client_ip", f(FIRST, 8)),
    ("request.remote_ip", f(FIRST, 6)),
    ("request.remote_addr", f(FIRST, 5)),
    ("httpRequest.remoteIp", f(FIRST, 6)),
    ("client.address", f(FIRST, 6)),
    ("client.ip", f(FIRST, 6)),
    ("source.ip", f(FIRST, 5)),
    ("source.address", f(FIRST, 4)),
    ("http.client_ip", f(FIRST, 6)),
    ("net.peer.ip", f(FIRST, 4)),
    ("req.remoteAddress", f(FIRST, 6)),
    ("remote_user", f(Slot::User, 6)),
    ("user", f(Slot::User, 5)),
    ("username", f(Slot::User, 5)),
    ("user_id", f(Slot::User, 4)),
    ("ClientUsername", f(Slot::User, 6)),
    ("user.name", f(Slot::User, 5)),
    ("user.id", f(Slot::User, 4)),
    ("enduser.id", f(Slot::User, 5)),
    ("api_key", key(90)),
    ("apiKey", key(90)),
    ("api_key_id", key(88)),
    ("apiKeyId", key(88)),
    ("identity.apiKey", key(90)),
    ("identity.apiKeyId", key(88)),
    ("consumer", name(85)),
    ("consumer.username", name(86)),
    ("consumer.custom_id", name(84)),
    ("consumer.id", name(82)),
    ("consumer_name", name(86)),
    ("consumer_username", name(86)),
    ("consumer_id", name(83)),
    ("authenticated_entity.consumer_id", name(81)),
    ("authenticated_entity", name(80)),
    ("client_id", name(50)),
    ("clientId", name(50)),
    ("app_id", name(50)),
    ("tenant_id", name(48)),
    ("tenant", name(48)),
    ("principalId", name(50)),
    ("authorizer.principalId", name(50)),
    ("caller", name(40)),
    ("ssl_client_s_dn", f(Slot::Consumer(pitot_model::Evidence::Certificate), 60)),
    // What was asked.
    ("request", f(Slot::Request, 5)),
    ("request_line", f(Slot::Request, 5)),
    ("routeKey", f(Slot::Request, 2)),
    ("method", f(Slot::Method, 6)),
    ("verb", f(Slot::Method, 4)),
    ("request_method", f(Slot::Method, 7)),
    ("requestMethod", f(Slot::Method, 7)),
    ("http_method", f(Slot::Method, 7)),
    ("httpMethod", f(Slot::Method, 7)),
    ("RequestMethod", f(Slot::Method, 7)),
    ("request.method", f(Slot::Method, 7)),
    ("req.method", f(Slot::Method, 7)),
    ("http.method", f(Slot::Method, 7)),
    ("ClientRequestMethod", f(Slot::Method, 7)),
    ("properties.httpMethod", f(Slot::Method, 7)),
    ("http.request.method", f(Slot::Method, 7)),
    ("httpRequest.requestMethod", f(Slot::Method, 7)),
    ("request_uri", f(Slot::Target, 9)),
    ("uri", f(Slot::Target, 6)),
    ("url", f(Slot::Target, 6)),
    ("path", f(Slot::Target, 5)),
    ("request_path", f(Slot::Target, 6)),
    ("requestPath", f(Slot::Target, 6)),
    ("target", f(Slot::Target, 5)),
    ("resourcePath", f(Slot::Target, 3)),
    ("RequestPath", f(Slot::Target, 8)),
    ("request.uri", f(Slot::Target, 8)),
    ("request.path", f(Slot::Target, 6)),
    ("req.url", f(Slot::Target, 8)),
    ("ClientRequestURI", f(Slot::Target, 8)),
    ("requested_uri", f(Slot::Target, 6)),
    ("requested_url", f(Slot::Request, 4)),
    ("properties.requestUri", f(Slot::Target, 8)),
    ("http.target", f(Slot::Target, 8)),
    ("http.url", f(Slot::Target, 6)),
    ("url.original", f(Slot::Target, 8)),
    ("url.path", f(Slot::Target, 6)),
    ("url.full", f(Slot::Target, 5)),
    ("httpRequest.requestUrl", f(Slot::Target, 8)),
    ("args", f(Slot::Query, 5)),
    ("query_string", f(Slot::Query, 5)),
    ("query", f(Slot::Query, 4)),
    ("url.query", f(Slot::Query, 5)),
    ("protocol", f(Slot::Protocol, 5)),
    ("server_protocol", f(Slot::Protocol, 6)),
    ("proto", f(Slot::Protocol, 5)),
    ("http_version", f(Slot::Protocol, 5)),
    ("RequestProtocol", f(Slot::Protocol, 6)),
    ("request.proto", f(Slot::Protocol, 6)),
    ("http.version", f(Slot::Protocol, 5)),
    ("network.protocol.version", f(Slot::Protocol, 6)),
    ("httpRequest.protocol", f(Slot::Protocol, 6)),
    ("host", f(Slot::Host, 6)),
    ("http_host", f(Slot::Host, 7)),
    ("vhost", f(Slot::Host, 5)),
    ("authority", f(Slot::Host, 6)),
    ("server_name", f(Slot::Host, 4)),
    ("domain", f(Slot::Host, 4)),
    ("domainName", f(Slot::Host, 6)),
    ("RequestHost", f(Slot::Host, 7)),
    ("ClientRequestHost", f(Slot::Host, 7)),
    ("properties.host", f(Slot::Host, 6)),
    ("RequestAddr", f(Slot::Host, 5)),
    ("request.host", f(Slot::Host, 7)),
    ("request.headers.host", f(Slot::Host, 7)),
    ("url.domain", f(Slot::Host, 5)),
    ("server.address", f(Slot::Host, 4)),
    // Who answered.
    ("service", f(Slot::Service, 5)),
    ("service_name", f(Slot::Service, 6)),
    ("ServiceName", f(Slot::Service, 6)),
    ("service.name", f(Slot::Service, 6)),
    ("service.version", f(Slot::Version, 6)),
    ("service_version", f(Slot::Version, 6)),
    ("app_version", f(Slot::Version, 5)),
    ("graphql.operation.name", f(Slot::Operation, 7)),
    ("graphql_operation", f(Slot::Operation, 6)),
    ("operationName", f(Slot::Operation, 5)),
    // What came of it.
    ("status", f(Slot::Status, 6)),
    ("status_code", f(Slot::Status, 7)),
    ("statusCode", f(Slot::Status, 7)),
    ("response_code", f(Slot::Status, 7)),
    ("http_status", f(Slot::Status, 6)),
    ("code", f(Slot::Status, 3)),
    ("DownstreamStatus", f(Slot::Status, 7)),
    ("EdgeResponseStatus", f(Slot::Status, 7)),
    ("properties.httpStatus", f(Slot::Status, 7)),
    ("response.status", f(Slot::Status, 7)),
    ("response.status_code", f(Slot::Status, 7)),
    ("res.statusCode", f(Slot::Status, 7)),
    ("http.status_code", f(Slot::Status, 7)),
    ("http.response.status_code", f(Slot::Status, 7)),
    ("httpRequest.status", f(Slot::Status, 7)),
    ("body_bytes_sent", f(Slot::ResponseBytes, 8)),
    ("bytes", f(Slot::ResponseBytes, 6)),
    ("bytes_sent", f(Slot::ResponseBytes, 5)),
    ("bytes_out", f(Slot::ResponseBytes, 5)),
    ("size", f(Slot::ResponseBytes, 4)),
    ("length", f(Slot::ResponseBytes, 3)),
    ("response_size", f(Slot::ResponseBytes, 6)),
    ("response_length", f(Slot::ResponseBytes, 6)),
    ("response_bytes", f(Slot::ResponseBytes, 6)),
    ("responseLength", f(Slot::ResponseBytes, 6)),
    ("DownstreamContentSize", f(Slot::ResponseBytes, 7)),
    ("EdgeResponseBytes", f(Slot::ResponseBytes, 7)),
    ("content_length", f(Slot::ResponseBytes, 3)),
    ("properties.sentBytes", f(Slot::ResponseBytes, 6)),
    ("response.size", f(Slot::ResponseBytes, 6)),
    ("httpRequest.responseSize", f(Slot::ResponseBytes, 6)),
    ("http.response.body.bytes", f(Slot::ResponseBytes, 7)),
    ("http.response.body.size", f(Slot::ResponseBytes, 7)),
    ("http.response_content_length", f(Slot::ResponseBytes, 6)),
    ("request_length", f(Slot::RequestBytes, 6)),
    ("request_size", f(Slot::RequestBytes, 6)),
    ("bytes_read", f(Slot::RequestBytes, 5)),
    ("bytes_in", f(Slot::RequestBytes, 5)),
    ("bytes_received", f(Slot::RequestBytes, 5)),
    ("RequestContentSize", f(Slot::RequestBytes, 6)),
    ("ClientRequestBytes", f(Slot::RequestBytes, 6)),
    ("properties.receivedBytes", f(Slot::RequestBytes, 6)),
    ("request.size", f(Slot::RequestBytes, 6)),
    ("httpRequest.requestSize", f(Slot::RequestBytes, 6)),
    ("http.request.body.bytes", f(Slot::RequestBytes, 7)),
    ("http.request.body.size", f(Slot::RequestBytes, 7)),
    // How long it took.
    ("request_time", lasts(Unit::Seconds, 8)),
    ("upstream_response_time", f(Slot::DurationSum(Unit::Seconds), 2)),
    ("Duration", lasts(Unit::Nanos, 8)),
    ("duration", lasts(Unit::Told, 6)),
    ("duration_ms", lasts(Unit::Millis, 8)),
    ("duration_us", lasts(Unit::Micros, 8)),
    ("duration_ns", lasts(Unit::Nanos, 8)),
    ("latency_ms", lasts(Unit::Millis, 7)),
    ("latency_human", lasts(Unit::Told, 7)),
    ("latency", lasts(Unit::Told, 6)),
    ("elapsed", lasts(Unit::Told, 5)),
    ("elapsed_ms", lasts(Unit::Millis, 7)),
    ("elapsed_time", lasts(Unit::Told, 5)),
    ("properties.timeTaken", lasts(Unit::Seconds, 6)),
    ("took", lasts(Unit::Told, 4)),
    ("response_time", lasts(Unit::Told, 5)),
    ("response_time_ms", lasts(Unit::Millis, 7)),
    ("responseTime", lasts(Unit::Millis, 6)),
    ("responseLatency", lasts(Unit::Millis, 6)),
    ("generation_time_milli", lasts(Unit::Millis, 4)),
    ("latencies.request", lasts(Unit::Millis, 8)),
    ("httpRequest.latency", lasts(Unit::Told, 7)),
    ("event.duration", lasts(Unit::Nanos, 7)),
    ("http.server.request.duration", lasts(Unit::Seconds, 8)),
    ("time_to_first_byte", f(Slot::Ttfb(Unit::Told), 5)),
    ("ttfb_ms", f(Slot::Ttfb(Unit::Millis), 6)),
    ("ttfb", f(Slot::Ttfb(Unit::Told), 5)),
    ("response_duration", f(Slot::Ttfb(Unit::Told), 5)),
    // Which one it was.
    ("trace_id", f(Slot::Trace, 7)),
    ("traceId", f(Slot::Trace, 7)),
    ("trace.id", f(Slot::Trace, 7)),
    ("request_id", f(Slot::Trace, 5)),
    ("requestId", f(Slot::Trace, 5)),
    ("RayID", f(Slot::Trace, 5)),
    ("user_agent", f(Slot::Agent, 5)),
    ("http_user_agent", f(Slot::Agent, 5)),
    ("userAgent", f(Slot::Agent, 5)),
    ("ClientRequestUserAgent", f(Slot::Agent, 5)),
    ("agent", f(Slot::Agent, 3)),
    ("user_agent.original", f(Slot::Agent, 5)),
    ("http.user_agent", f(Slot::Agent, 5)),
    ("httpRequest.userAgent", f(Slot::Agent, 5)),
    // Caddy tells its access log from its other logs by this.
    ("logger", f(Slot::Logger, 5)),
];
