//! Envoy's command operators: `[%START_TIME%] "%REQ(:METHOD)% ..." %RESPONSE_CODE%`.
//!
//! In: the format. Out: a pattern. Source: Envoy, access logging, command operators.

use super::{super::Layout, Ops, SpecError};
use crate::log::{
    field::{Field, Slot},
    names,
    number::Unit,
    record::Escape,
    request::Pick,
};

/// Whether this is such a format.
pub(super) fn is_it(spec: &str) -> bool {
    ["%START_TIME", "%REQ(", "%RESPONSE_CODE%", "%DURATION%"].iter().any(|mark| spec.contains(mark))
}

/// Compiles the format.
pub(super) fn compile(spec: &str) -> Result<Layout, SpecError> {
    let (mut ops, mut rest) = (Ops::default(), spec.trim_end());
    while let Some(open) = rest.find('%') {
        let at = spec.trim_end().len() - rest.len() + open;
        ops.literal(&rest.as_bytes()[..open]);
        let inner = &rest[open + 1..];
        let (operator, after) = inner
            .split_once('%')
            .ok_or_else(|| SpecError::new(at, "an operator has no closing `%`", "write operators as `%DURATION%`"))?;
        ops.field(at, operator, field(operator))?;
        rest = after;
    }
    ops.literal(rest.as_bytes());
    ops.finish(Escape::None, spec)
}

fn field(operator: &str) -> Option<Field> {
    let f = |slot, rank| Some(Field::new(slot, rank));
    let (name, argument) = operator.split_once('(').unwrap_or((operator, ""));
    // `X-ENVOY-ORIGINAL-PATH?:PATH` logs the second where the first is missing.
    let argument = argument.split(')').next().unwrap_or_default();
    let header = argument.split('?').next_back().unwrap_or_default();
    match (name, header) {
        ("START_TIME", _) => f(Slot::Time { start: true }, 5),
        ("REQ", ":METHOD") => f(Slot::Method, 5),
        ("REQ", ":PATH") => f(Slot::Target, 5),
        ("REQ", ":AUTHORITY") => f(Slot::Host, 5),
        ("REQ", header) => names::request_header(header),
        ("RESP", header) => names::response_header(header),
        ("PROTOCOL", _) => f(Slot::Protocol, 5),
        ("RESPONSE_CODE", _) => f(Slot::Status, 5),
        ("BYTES_RECEIVED", _) => f(Slot::RequestBytes, 5),
        ("BYTES_SENT", _) => f(Slot::ResponseBytes, 5),
        ("DURATION", _) => f(Slot::Duration(Unit::Millis), 5),
        ("RESPONSE_DURATION", _) => f(Slot::Ttfb(Unit::Millis), 5),
        ("DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", _) => f(Slot::Client(Pick::First), 4),
        ("DOWNSTREAM_PEER_SUBJECT", _) => names::credential("ssl_client_subject"),
        ("TRACE_ID", _) => f(Slot::Trace, 6),
        _ => None,
    }
}
