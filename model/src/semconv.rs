//! OpenTelemetry's attribute and metric names that pitot uses, written once.
//!
//! Source: OpenTelemetry semantic conventions for HTTP, stable.

/// Request method; unknown ones are [`METHOD_OTHER`].
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The value of [`HTTP_REQUEST_METHOD`] for a method outside RFC 9110, RFC 5789 and WebDAV.
pub const METHOD_OTHER: &str = "_OTHER";
/// The matched path template.
pub const HTTP_ROUTE: &str = "http.route";
/// Status code of the final response.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// What went wrong where no status says it.
pub const ERROR_TYPE: &str = "error.type";
/// Path of the request target.
pub const URL_PATH: &str = "url.path";
/// `http` or `https`.
pub const URL_SCHEME: &str = "url.scheme";
/// Host that was asked.
pub const SERVER_ADDRESS: &str = "server.address";
/// Port that was asked.
pub const SERVER_PORT: &str = "server.port";
/// Address of the client behind trusted proxies.
pub const CLIENT_ADDRESS: &str = "client.address";
/// `1.0`, `1.1`, `2` or `3`.
pub const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
/// The `User-Agent` header.
pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";
/// Logical name of the service.
pub const SERVICE_NAME: &str = "service.name";
/// Version of the service.
pub const SERVICE_VERSION: &str = "service.version";
/// Instance of the service.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// Duration of server requests, in seconds.
pub const HTTP_SERVER_REQUEST_DURATION: &str = "http.server.request.duration";
/// Size of request bodies, in bytes.
pub const HTTP_SERVER_REQUEST_BODY_SIZE: &str = "http.server.request.body.size";
/// Size of response bodies, in bytes.
pub const HTTP_SERVER_RESPONSE_BODY_SIZE: &str = "http.server.response.body.size";
