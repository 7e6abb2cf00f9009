//! Services, routes and consumers as rows and columns, shared by text, markdown and html.
//!
//! In: a document. Out: [`Sheet`]s whose cells are made row by row, when a format asks for them. Columns in which no row
//! could have anything to say are left out.

use pitot_model::{
    Evidence, Status,
    api::{Document, Part},
};

use super::{
    facts,
    figures::{self, Figure},
    names,
};

/// A table: what it is called, its columns, its rows, and how many rows there are in all.
pub(super) struct Sheet<'a> {
    pub(super) title: &'static str,
    pub(super) columns: Vec<&'static Column>,
    pub(super) parts: &'a [Part],
    /// Never less than `parts`.
    pub(super) all: usize,
    whole: Whole,
}

/// What a cell may need beside its own row.
struct Whole {
    count: u64,
    /// Of the rows that are shown.
    greatest: u64,
    seconds: Option<f64>,
}

/// One column.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// One sentence on what it holds.
    pub(super) help: &'static str,
    /// Where room is short, greater ones go first. 0 never goes.
    pub(super) rank: u8,
    pub(super) kind: Kind,
    cell: fn(&Part, &Whole) -> Cell,
    /// Whether any row of this document has something to say here.
    wanted: fn(&Document) -> bool,
}

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text that tells rows apart; takes the room that is left.
    Name,
    /// Short text.
    Label,
    /// Aligned to the right.
    Number,
    /// A share of the whole, drawn.
    Bar,
}

/// One cell.
pub(super) enum Cell {
    /// A clean text.
    Text(String),
    /// A spelled number, and the number for sorting; `None` where it is not known.
    Number(Figure, Option<f64>),
    /// A share in `[0, 1]`.
    Bar(f64),
}

impl<'a> Sheet<'a> {
    /// All tables that the document fills; services only where there is more than one.
    pub(super) fn all(doc: &'a Document) -> Vec<Self> {
        let several = doc.services.len() > 1;
        let services = several.then(|| Self::new(doc, "Services", &[&SERVICE_NAME], &doc.services, 0));
        let route_names: &[_] = if several { &[&METHOD, &ROUTE, &SERVICE] } else { &[&METHOD, &ROUTE] };
        let routes = Self::new(doc, "Routes", route_names, &doc.routes, doc.route_count);
        let consumers = Self::new(doc, "Consumers", &[&CONSUMER, &EVIDENCE], &doc.consumers, doc.consumer_count);
        services.into_iter().chain([routes, consumers]).filter(|s| !s.parts.is_empty()).collect()
    }

    fn new(doc: &Document, title: &'static str, first: &[&'static Column], parts: &'a [Part], all: usize) -> Self {
        let numbers = NUMBERS.iter().filter(|c| (c.wanted)(doc));
        Self {
            title,
            columns: first.iter().copied().chain(numbers).collect(),
            parts,
            all: all.max(parts.len()),
            whole: Whole {
                count: doc.totals.count,
                greatest: parts.iter().map(|p| p.count).max().unwrap_or(0),
                seconds: facts::seconds(doc),
            },
        }
    }

    /// The cell of a row in a column.
    pub(super) fn cell(&self, part: &Part, column: &Column) -> Cell {
        (column.cell)(part, &self.whole)
    }
}

const fn first(
    title: &'static str,
    help: &'static str,
    rank: u8,
    kind: Kind,
    cell: fn(&Part, &Whole) -> Cell,
) -> Column {
    Column { title, help, rank, kind, cell, wanted: |_| true }
}

static SERVICE_NAME: Column = first("service", "Service that answered", 0, Kind::Name, service);
static SERVICE: Column = first("service", "Service that answered", 4, Kind::Label, service);
static METHOD: Column = first("method", "Request method", 0, Kind::Label, |p, _| text(p.method.as_deref(), "–"));
static ROUTE: Column = first("route", "Path template", 0, Kind::Name, |p, _| text(p.route.as_deref(), "–"));
static CONSUMER: Column =
    first("consumer", "Who called", 0, Kind::Name, |p, _| text(p.consumer.as_deref(), "(anonymous)"));
static EVIDENCE: Column =
    first("known by", "How the consumer was told", 2, Kind::Label, |p, _| text(p.evidence.map(Evidence::name), "none"));

fn service(p: &Part, _: &Whole) -> Cell {
    text(p.service.as_deref(), "(unnamed)")
}

const fn number(
    title: &'static str,
    help: &'static str,
    rank: u8,
    wanted: fn(&Document) -> bool,
    cell: fn(&Part, &Whole) -> Cell,
) -> Column {
    Column { title, help, rank, kind: Kind::Number, cell, wanted }
}

const ALWAYS: fn(&Document) -> bool = |_| true;
const TIMED: fn(&Document) -> bool = |d| d.totals.duration_us.n > 0;
const FIRST_BYTES: fn(&Document) -> bool = |d| d.totals.ttfb_us.n > 0;

/// In the order in which they stand.
static NUMBERS: [Column; 14] = [
    number("requests", "Requests", 0, ALWAYS, |p, _| counted(p.count)),
    number("share %", "Share of all requests in percent", 6, ALWAYS, |p, w| shared(p.count, w.count)),
    Column {
        title: "",
        help: "Share of all requests",
        rank: 11,
        kind: Kind::Bar,
        cell: |p, w| Cell::Bar(if w.count == 0 { 0.0 } else { p.count as f64 / w.count as f64 }),
        wanted: ALWAYS,
    },
    number(
        "rate",
        "Requests per time, averaged over the whole range",
        9,
        |d| facts::seconds(d).is_some(),
        |p, w| {
            let rate = |count: u64| w.seconds.map(|s| count as f64 / s);
            let figure = rate(p.count).zip(rate(w.greatest)).map(|(x, greatest)| figures::rate(x, greatest));
            Cell::Number(figure.unwrap_or_else(Figure::unknown), rate(p.count))
        },
    ),
    number("err %", "Share of 5xx, resets and timeouts in percent", 1, ALWAYS, |p, _| {
        shared(statuses(p, Status::is_server_error), p.count)
    }),
    number("4xx %", "Share of 4xx in percent", 5, ALWAYS, |p, _| shared(statuses(p, Status::is_client_error), p.count)),
    number("p50", "Median duration", 3, TIMED, |p, _| took(p.duration_us.p50)),
    number("p90", "Duration that 90 % did not exceed", 8, TIMED, |p, _| took(p.duration_us.p90)),
    number("p99", "Duration that 99 % did not exceed", 1, TIMED, |p, _| took(p.duration_us.p99)),
    number("max", "Longest duration", 8, TIMED, |p, _| took(p.duration_us.max)),
    number("ttfb p50", "Median time to first byte", 12, FIRST_BYTES, |p, _| took(p.ttfb_us.p50)),
    number("ttfb p99", "Time to first byte that 99 % did not exceed", 12, FIRST_BYTES, |p, _| took(p.ttfb_us.p99)),
    number("sent", "Bytes of the responses", 7, |d| d.totals.response_bytes > 0, |p, _| sized(p.response_bytes)),
    number("received", "Bytes of the requests", 10, |d| d.totals.request_bytes > 0, |p, _| sized(p.request_bytes)),
];

fn text(name: Option<&str>, nameless: &str) -> Cell {
    Cell::Text(match name {
        None | Some("") => nameless.into(),
        Some(name) => names::clean(name).into_owned(),
    })
}

fn counted(n: u64) -> Cell {
    Cell::Number(Figure { digits: figures::count(n), unit: "" }, Some(n as f64))
}

fn shared(part: u64, whole: u64) -> Cell {
    let figure = Figure { digits: figures::percent(part, whole), unit: "" };
    Cell::Number(figure, (whole > 0).then(|| part as f64 / whole as f64))
}

fn took(us: Option<u64>) -> Cell {
    Cell::Number(figures::duration(us), us.map(|us| us as f64))
}

fn sized(bytes: u64) -> Cell {
    Cell::Number(figures::bytes(bytes), Some(bytes as f64))
}

fn statuses(part: &Part, which: fn(Status) -> bool) -> u64 {
    part.status.iter().filter(|&(&s, _)| which(s)).map(|(_, n)| n).sum()
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn titles(doc: &Document, sheet: &str) -> Vec<&'static str> {
        let sheets = Sheet::all(doc);
        let sheet = sheets.iter().find(|s| s.title == sheet).unwrap();
        sheet.columns.iter().map(|c| c.title).collect()
    }

    #[test]
    fn columns_that_nothing_fills_are_left_out() {
        let rich = titles(&sample::rich(), "Routes");
        for title in ["service", "p50", "p99", "max", "rate", "sent"] {
            assert!(rich.contains(&title), "{title}");
        }
        let timeless = titles(&sample::without_durations(), "Routes");
        for title in ["service", "p50", "p99", "max", "ttfb p50"] {
            assert!(!timeless.contains(&title), "{title}");
        }
    }

    #[test]
    fn an_empty_document_has_no_tables() {
        assert!(Sheet::all(&sample::empty()).is_empty());
    }
}
