//! Bytes of a [`Report`] and of a [`Window`]: protobuf, versioned, mirrored in [`v1`] so that domain types stay free.
//!
//! In: domain values or bytes from a stranger. Out: the other. Decoding checks every index and name once, so that
//! nothing behind it has to.
//!
//! A report is `u32 magic "PIT1"` (little endian) and the protobuf message. The message's `version` says which rules
//! the writer followed; a reader refuses newer ones by [`WireError::Newer`] and skips fields that it does not know.

mod mark;
mod scan;
pub mod v1;

use std::time::Duration;

use prost::Message as _;

use crate::{
    AgentId, Backlog, Cell, Consumer, Coverage, Evidence, Exemplar, Gauges, Mark, Offset, Reason, Report, Resource,
    Route, RouteAlias, Sketch, Stats, Status, Timestamp, Window, budget,
};

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 4] = *b"PIT1";

/// Transactions that one cell of a report may count: a million million, more than ten seconds can hold. Sums of many
/// reports in a store may be greater.
const MOST_TRANSACTIONS: u64 = 1 << 40;

/// Bytes that are no report or window of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first four bytes are others.
    #[error("not a pitot report")]
    Magic,
    /// Written by a newer version.
    #[error("report of version {0}, this program reads up to {VERSION}; upgrade it")]
    Newer(u32),
    /// Not the protobuf message.
    #[error("malformed report: {0}")]
    Malformed(String),
    /// More of something than one report may hold.
    #[error("more than {most} {what} in one report")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        most: usize,
    },
    /// A value that no writer of ours makes.
    #[error("invalid report: {0}")]
    Invalid(&'static str),
}

/// Encodes a report. Compression is the carrier's business.
pub fn encode_report(report: &Report) -> Vec<u8> {
    let message = report_to_v1(report);
    let mut out = Vec::with_capacity(MAGIC.len() + message.encoded_len());
    out.extend_from_slice(&MAGIC);
    message.encode_raw(&mut out);
    out
}

/// Decodes a report, at most [`budget::REPORT_PLAIN_BYTES`] long and with at most as many parts as [`budget`] says.
pub fn decode_report(bytes: &[u8]) -> Result<Report, WireError> {
    let body = bytes.strip_prefix(&MAGIC).ok_or(WireError::Magic)?;
    if bytes.len() > budget::REPORT_PLAIN_BYTES {
        return Err(WireError::Invalid("too large"));
    }
    scan::check(body)?;
    let message = v1::Report::decode(body).map_err(|e| WireError::Malformed(e.to_string()))?;
    match message.version {
        0 => Err(WireError::Invalid("no version")),
        1..=VERSION => report_from_v1(message),
        newer => Err(WireError::Newer(newer)),
    }
}

/// Name of the agent, from the first bytes of a report: what tells whose it is before it is decoded. `None` where it does
/// not stand there as [`encode_report`] writes it, right behind the version.
pub fn agent_of(head: &[u8]) -> Option<&str> {
    let mut rest = head.strip_prefix(&MAGIC)?;
    let varint = |rest: &mut &[u8]| prost::encoding::decode_varint(rest).ok();
    // Fields 1 (a number) and 2 (bytes).
    (varint(&mut rest)? == 0x08).then_some(())?;
    varint(&mut rest)?;
    (varint(&mut rest)? == 0x12).then_some(())?;
    let n_bytes = usize::try_from(varint(&mut rest)?).ok()?;
    std::str::from_utf8(rest.get(..n_bytes)?).ok()
}

/// Encodes a mark; for stores. Versioning is the store's business.
pub fn encode_mark(mark: &Mark) -> Vec<u8> {
    mark::to_v1(mark).encode_to_vec()
}

/// Decodes a mark of a store. `None` for one of a kind that this program does not know.
pub fn decode_mark(bytes: &[u8]) -> Result<Option<Mark>, WireError> {
    mark::from_v1(v1::Mark::decode(bytes).map_err(|e| WireError::Malformed(e.to_string()))?)
}

/// Encodes a window; for stores. Versioning is the store's business.
pub fn encode_window(window: &Window) -> Vec<u8> {
    window_to_v1(window).encode_to_vec()
}

/// Decodes a window of a store: a sum that may be greater than what one report may say.
pub fn decode_window(bytes: &[u8]) -> Result<Window, WireError> {
    let message = v1::Window::decode(bytes).map_err(|e| WireError::Malformed(e.to_string()))?;
    window_from_v1(message)
}

fn report_to_v1(r: &Report) -> v1::Report {
    v1::Report {
        version: VERSION,
        agent: r.agent.name.clone(),
        incarnation: r.agent.incarnation,
        sequence: r.sequence,
        made_us: r.made.as_micros(),
        program: r.program.clone(),
        watermark_us: r.watermark.as_micros(),
        windows: r.windows.iter().map(window_to_v1).collect(),
        coverage: Some(coverage_to_v1(&r.coverage)),
        exemplars: r.exemplars.iter().map(exemplar_to_v1).collect(),
        aliases: r.aliases.iter().map(alias_to_v1).collect(),
        offsets: r
            .offsets
            .iter()
            .map(|o| v1::Offset { source: o.source.clone(), fingerprint: o.fingerprint, bytes: o.bytes })
            .collect(),
        gauges: r.gauges.map(gauges_to_v1),
        backlog: r.backlog.map(backlog_to_v1),
        is_last: r.is_last,
        marks: r.marks.iter().map(mark::to_v1).collect(),
    }
}

fn report_from_v1(m: v1::Report) -> Result<Report, WireError> {
    if m.agent.is_empty() || m.sequence == 0 {
        return Err(WireError::Invalid("agent and sequence are required"));
    }
    let windows = m.windows.into_iter().map(window_from_v1).collect::<Result<Vec<_>, _>>()?;
    windows.iter().flat_map(|w| &w.cells).try_for_each(|cell| plausible(&cell.stats))?;
    Ok(Report {
        agent: AgentId { name: cut(m.agent), incarnation: m.incarnation },
        sequence: m.sequence,
        made: Timestamp::from_micros(m.made_us),
        program: cut(m.program),
        watermark: Timestamp::from_micros(m.watermark_us),
        windows,
        coverage: coverage_from_v1(m.coverage.unwrap_or_default()),
        exemplars: m.exemplars.into_iter().map(exemplar_from_v1).collect(),
        aliases: m.aliases.into_iter().map(alias_from_v1).collect(),
        offsets: m
            .offsets
            .into_iter()
            .map(|o| Offset { source: cut(o.source), fingerprint: o.fingerprint, bytes: o.bytes })
            .collect(),
        gauges: m.gauges.map(gauges_from_v1),
        backlog: m.backlog.map(backlog_from_v1),
        is_last: m.is_last,
        marks: mark::all_from_v1(m.marks)?,
    })
}

/// Whether one agent may say this of one cell.
fn plausible(stats: &Stats) -> Result<(), WireError> {
    if stats.count > MOST_TRANSACTIONS {
        return Err(WireError::Invalid("more transactions than there can be"));
    }
    if stats.duration.count() > stats.count || stats.ttfb.count() > stats.count {
        return Err(WireError::Invalid("more durations than transactions"));
    }
    Ok(())
}

fn window_to_v1(w: &Window) -> v1::Window {
    v1::Window {
        start_ms: w.start.as_millis(),
        width_ms: u32::try_from(w.width.as_millis()).unwrap_or(u32::MAX),
        resource: Some(resource_to_v1(&w.resource)),
        routes: w.routes.iter().map(route_to_v1).collect(),
        consumers: w.consumers.iter().map(consumer_to_v1).collect(),
        cells: w.cells.iter().map(cell_to_v1).collect(),
    }
}

fn window_from_v1(m: v1::Window) -> Result<Window, WireError> {
    let (routes, consumers) = (m.routes.len(), m.consumers.len());
    if m.width_ms == 0 {
        return Err(WireError::Invalid("window without width"));
    }
    if m.cells.iter().any(|c| c.route as usize >= routes || c.consumer as usize >= consumers) {
        return Err(WireError::Invalid("cell outside its dictionary"));
    }
    Ok(Window {
        start: Timestamp::from_millis(m.start_ms),
        width: Duration::from_millis(u64::from(m.width_ms)),
        resource: resource_from_v1(m.resource.unwrap_or_default()),
        routes: m.routes.into_iter().map(route_from_v1).collect(),
        consumers: m.consumers.into_iter().map(consumer_from_v1).collect(),
        cells: m.cells.into_iter().map(cell_from_v1).collect::<Result<_, _>>()?,
    })
}

fn cell_to_v1(c: &Cell) -> v1::Cell {
    v1::Cell {
        route: c.route,
        consumer: c.consumer,
        status: c.status.as_wire(),
        count: c.stats.count,
        request_bytes: c.stats.request_bytes,
        response_bytes: c.stats.response_bytes,
        duration: sketch_to_v1(&c.stats.duration),
        ttfb: sketch_to_v1(&c.stats.ttfb),
    }
}

fn cell_from_v1(c: v1::Cell) -> Result<Cell, WireError> {
    let stats = Stats {
        count: c.count,
        request_bytes: c.request_bytes,
        response_bytes: c.response_bytes,
        duration: sketch_from_v1(c.duration)?,
        ttfb: sketch_from_v1(c.ttfb)?,
    };
    Ok(Cell { route: c.route, consumer: c.consumer, status: Status::from_wire(c.status), stats })
}

fn sketch_to_v1(s: &Sketch) -> Option<v1::Sketch> {
    let (min_us, max_us) = (s.min_us()?, s.max_us()?);
    let mut v2 = Vec::new();
    s.write_v2(&mut v2);
    Some(v1::Sketch { hdr_v2: v2, sum_us: s.sum_us(), min_us, max_us, clipped: s.clipped() })
}

fn sketch_from_v1(s: Option<v1::Sketch>) -> Result<Sketch, WireError> {
    let Some(s) = s else { return Ok(Sketch::new()) };
    let sketch = Sketch::read_v2(&s.hdr_v2).map_err(|e| WireError::Malformed(e.to_string()))?;
    Ok(sketch.with_exact(s.sum_us, s.min_us, s.max_us, s.clipped))
}

fn coverage_to_v1(c: &Coverage) -> v1::Coverage {
    v1::Coverage {
        lines_read: c.lines_read,
        bytes_read: c.bytes_read,
        packets_read: c.packets_read,
        transactions: c.transactions,
        reasons: c.reasons.iter().map(|(r, &count)| v1::ReasonCount { reason: r.as_wire(), count }).collect(),
    }
}

fn coverage_from_v1(m: v1::Coverage) -> Coverage {
    let mut c = Coverage {
        lines_read: m.lines_read,
        bytes_read: m.bytes_read,
        packets_read: m.packets_read,
        transactions: m.transactions,
        ..Coverage::default()
    };
    for r in m.reasons {
        // A reason of a newer minor version still lowers the coverage: it is kept under the vaguest loss.
        c.add(Reason::from_wire(r.reason).unwrap_or(Reason::LineMalformed), r.count);
    }
    c
}

fn gauges_to_v1(g: Gauges) -> v1::Gauges {
    let Gauges { requests_in_flight, streams_open, connections, buffered_bytes } = g;
    v1::Gauges { requests_in_flight, streams_open, connections, buffered_bytes }
}

fn backlog_to_v1(b: Backlog) -> v1::Backlog {
    let Backlog { spool_reports, spool_bytes, spool_limit_bytes, oldest, unread_bytes, sources, broken_sources } = b;
    let oldest_us = oldest.map(Timestamp::as_micros);
    v1::Backlog { spool_reports, spool_bytes, spool_limit_bytes, oldest_us, unread_bytes, sources, broken_sources }
}

fn backlog_from_v1(m: v1::Backlog) -> Backlog {
    let v1::Backlog { spool_reports, spool_bytes, spool_limit_bytes, oldest_us, unread_bytes, sources, broken_sources } =
        m;
    let oldest = oldest_us.map(Timestamp::from_micros);
    Backlog { spool_reports, spool_bytes, spool_limit_bytes, oldest, unread_bytes, sources, broken_sources }
}

fn gauges_from_v1(m: v1::Gauges) -> Gauges {
    let v1::Gauges { requests_in_flight, streams_open, connections, buffered_bytes } = m;
    Gauges { requests_in_flight, streams_open, connections, buffered_bytes }
}

fn exemplar_to_v1(e: &Exemplar) -> v1::Exemplar {
    v1::Exemplar {
        at_us: e.at.as_micros(),
        resource: Some(resource_to_v1(&e.resource)),
        route: Some(route_to_v1(&e.route)),
        path: e.path.clone(),
        consumer: Some(consumer_to_v1(&Consumer::new(&e.consumer, e.evidence))),
        status: e.status.as_wire(),
        duration_us: e.duration_us,
        response_bytes: e.response_bytes,
        trace_id: e.trace_id.clone(),
    }
}

fn exemplar_from_v1(m: v1::Exemplar) -> Exemplar {
    let consumer = m.consumer.unwrap_or_default();
    Exemplar {
        at: Timestamp::from_micros(m.at_us),
        resource: resource_from_v1(m.resource.unwrap_or_default()),
        route: route_from_v1(m.route.unwrap_or_default()),
        path: cut(m.path),
        consumer: cut(consumer.id),
        evidence: evidence_from_v1(consumer.evidence),
        status: Status::from_wire(m.status),
        duration_us: m.duration_us,
        response_bytes: m.response_bytes,
        trace_id: cut(m.trace_id),
    }
}

fn alias_to_v1(a: &RouteAlias) -> v1::RouteAlias {
    v1::RouteAlias { service: a.service.clone(), from: Some(route_to_v1(&a.from)), to: Some(route_to_v1(&a.to)) }
}

fn alias_from_v1(m: v1::RouteAlias) -> RouteAlias {
    RouteAlias {
        service: cut(m.service),
        from: route_from_v1(m.from.unwrap_or_default()),
        to: route_from_v1(m.to.unwrap_or_default()),
    }
}

fn resource_to_v1(r: &Resource) -> v1::Resource {
    v1::Resource { service: r.service.clone(), version: r.version.clone(), instance: r.instance.clone() }
}

fn resource_from_v1(m: v1::Resource) -> Resource {
    Resource { service: cut(m.service), version: cut(m.version), instance: cut(m.instance) }
}

fn route_to_v1(r: &Route) -> v1::Route {
    v1::Route { method: r.method.clone(), template: r.template.clone() }
}

fn route_from_v1(m: v1::Route) -> Route {
    Route::new(cut(m.method), cut(m.template))
}

fn consumer_to_v1(c: &Consumer) -> v1::Consumer {
    v1::Consumer { id: c.id.clone(), evidence: evidence_to_v1(c.evidence), group: c.group.clone() }
}

fn consumer_from_v1(m: v1::Consumer) -> Consumer {
    Consumer::new(cut(m.id), evidence_from_v1(m.evidence)).in_group(cut(m.group))
}

fn evidence_to_v1(e: Evidence) -> u32 {
    Evidence::ALL.iter().position(|x| *x == e).unwrap_or(0) as u32
}

fn evidence_from_v1(n: u32) -> Evidence {
    Evidence::ALL.get(n as usize).copied().unwrap_or_default()
}

/// Names from strangers, cut to the budget at a character boundary.
fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(budget::NAME_BYTES));
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn sample() -> Report {
        let mut window = Window::new(
            Timestamp::from_secs(1_768_176_000),
            Duration::from_secs(10),
            Resource { service: "shop".into(), version: "1.2".into(), instance: "a".into() },
        );
        window.routes = vec![Route::new("GET", "/v1/users/{uuid}")];
        window.consumers = vec![Consumer::new("acme", Evidence::Key)];
        let mut stats = Stats { count: 3, request_bytes: 10, response_bytes: 20, ..Stats::default() };
        for us in [1_234, 56_789, 9_999_999_999] {
            stats.duration.record(us);
        }
        window.cells = vec![Cell { route: 0, consumer: 0, status: Status::code(503), stats }];
        let mut coverage = Coverage { lines_read: 4, bytes_read: 400, transactions: 3, ..Coverage::default() };
        coverage.add(Reason::LineMalformed, 1);
        Report {
            agent: AgentId { name: "web-1".into(), incarnation: 7 },
            sequence: 1,
            made: Timestamp::from_secs(1_768_176_011),
            program: "0.1.0".into(),
            watermark: Timestamp::from_secs(1_768_176_010),
            windows: vec![window],
            coverage,
            exemplars: vec![Exemplar {
                at: Timestamp::from_secs(1_768_176_001),
                resource: Resource::default(),
                route: Route::new("GET", "/v1/users/{uuid}"),
                path: "/v1/users/x".into(),
                consumer: "acme".into(),
                evidence: Evidence::Key,
                status: Status::TIMEOUT,
                duration_us: Some(5),
                response_bytes: 6,
                trace_id: String::new(),
            }],
            aliases: vec![RouteAlias {
                service: "shop".into(),
                from: Route::new("GET", "/u/a"),
                to: Route::new("GET", "/u/{slug}"),
            }],
            marks: vec![mark::sample()],
            offsets: vec![Offset { source: "access.log".into(), fingerprint: 9, bytes: 400 }],
            gauges: Some(Gauges { requests_in_flight: 3, streams_open: 1, connections: 40, buffered_bytes: 2_000 }),
            backlog: Some(Backlog {
                spool_reports: 2,
                spool_bytes: 900,
                spool_limit_bytes: 1 << 29,
                oldest: Some(Timestamp::from_secs(1_768_176_000)),
                unread_bytes: 7,
                sources: 3,
                broken_sources: 1,
            }),
            is_last: true,
        }
    }

    #[test]
    fn reports_survive_the_wire() {
        assert_eq!(decode_report(&encode_report(&sample())), Ok(sample()));
    }

    #[test]
    fn bad_reports_are_refused() {
        let newer = v1::Report { version: 2, agent: "a".into(), sequence: 1, ..v1::Report::default() };
        let framed = |m: &v1::Report| [&MAGIC[..], &m.encode_to_vec()].concat();
        assert_eq!(decode_report(b"nope"), Err(WireError::Magic));
        assert_eq!(decode_report(&framed(&newer)), Err(WireError::Newer(2)));
        let mut loose = report_to_v1(&sample());
        loose.windows[0].cells[0].route = 9;
        assert_eq!(decode_report(&framed(&loose)), Err(WireError::Invalid("cell outside its dictionary")));
        let mut greedy = report_to_v1(&sample());
        greedy.windows[0].cells[0].count = 1;
        assert_eq!(decode_report(&framed(&greedy)), Err(WireError::Invalid("more durations than transactions")));
    }

    #[test]
    fn stored_sums_may_be_greater_than_a_report_may_say() {
        let mut report = sample();
        report.windows[0].cells[0].stats.count = MOST_TRANSACTIONS + 1;
        assert_eq!(
            decode_report(&encode_report(&report)),
            Err(WireError::Invalid("more transactions than there can be"))
        );
        let stored = &report.windows[0];
        assert_eq!(decode_window(&encode_window(stored)).as_ref(), Ok(stored));
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let mut report = sample();
        report.windows[0].resource.service = "é".repeat(400);
        let decoded = decode_report(&encode_report(&report)).expect("decodes");
        assert_eq!(decoded.windows[0].resource.service, "é".repeat(256));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_cleanly(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode_report(&[&MAGIC[..], &bytes].concat());
            let _ = decode_window(&bytes);
        }

        #[test]
        fn flipped_bytes_never_panic(at in 0usize..400, value in any::<u8>()) {
            let mut bytes = encode_report(&sample());
            let len = bytes.len();
            bytes[at % len] = value;
            let _ = decode_report(&bytes);
        }
    }
}
