//! W3C extended logs (IIS, CloudFront): columns that a directive names.
//!
//! In: a `#Fields:` line, or lines of a file that lost it. Out: a table. Without the directive the usual layouts of IIS
//! and CloudFront are tried. Source: W3C, Extended Log File Format; IIS, site logging; CloudFront, standard logs.

use super::{
    columns::{Column, Columns, Separator},
    names,
};

/// The table that a `#Fields:` directive describes; `None` for other lines and for tables without a request.
pub(super) fn directive(line: &[u8]) -> Option<Columns> {
    let rest = line.strip_prefix(b"#Fields:")?;
    table(std::str::from_utf8(rest).ok()?)
}

/// The table of these column names, parted by blanks.
pub(super) fn table(columns: &str) -> Option<Columns> {
    let columns: Vec<Column> = columns
        .split_ascii_whitespace()
        .take(MAX_COLUMNS)
        .map(|name| Column { name: name.to_owned(), field: names::w3c(name) })
        .collect();
    let status = columns.iter().position(|c| c.name == "sc-status")?;
    columns.iter().any(|c| matches!(c.name.as_str(), "cs-method" | "cs-uri-stem" | "cs-uri")).then_some(())?;
    let needed = if columns.len() > MINIMUM_COLUMNS { columns.len().min(CLOUDFRONT_2014) } else { columns.len() };
    Some(Columns { needed: needed.max(status + 1), columns, separator: Separator::Plain })
}

/// Columns of the longest table.
const MAX_COLUMNS: usize = 128;

/// IIS never writes fewer; a table with more may have got its last ones later (CloudFront).
const MINIMUM_COLUMNS: usize = 24;

/// The columns that every CloudFront log has.
const CLOUDFRONT_2014: usize = 19;

/// What IIS writes when nobody chose columns.
pub(super) const IIS: &str = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
     cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken";

/// CloudFront's standard log.
pub(super) const CLOUDFRONT: &str = "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status \
     cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header \
     cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type \
     cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type \
     sc-content-type sc-content-len sc-range-start sc-range-end";

/// Layouts to try on a file without a directive, longest first.
pub(super) const USUAL: &[&str] = &[
    CLOUDFRONT,
    // IIS with every column.
    "date time s-sitename s-computername s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs-version \
     cs(User-Agent) cs(Cookie) cs(Referer) cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken",
    // IIS 6 with every column.
    "date time s-sitename s-computername s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs-version \
     cs(User-Agent) cs(Cookie) cs(Referer) cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes",
    // Azure App Service.
    "date time s-sitename cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Cookie) \
     cs(Referer) cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken",
    IIS,
    // IIS 7 and 7.5.
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status sc-substatus \
     sc-win32-status time-taken",
    // IIS 6.
    "date time s-sitename s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status \
     sc-substatus sc-win32-status",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Record;

    #[test]
    fn a_directive_names_the_columns() {
        let table = directive(b"#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status time-taken");
        let mut out = Record::default();
        let line = b"2019-03-06 18:43:17 10.0.140.2 GET /health a=1 200 15";
        assert!(table.is_some_and(|t| t.parse(line, &mut out).is_ok()));
        let time = out.time.map(|t| t.to_string());
        assert_eq!(time.as_deref(), Some("2019-03-06T18:43:17Z"));
        assert_eq!((out.target.raw, out.query.raw, out.duration_us), (&b"/health"[..], &b"a=1"[..], Some(15_000)));
        let quoted = directive(b"#Fields: date time c-ip cs-method cs-uri-stem cs(User-Agent) sc-status");
        let line = br#""2019-03-06" "18:43:17" 10.0.140.2 "GET" /health "a b" 200"#;
        assert!(quoted.is_some_and(|t| t.parse(line, &mut out).is_ok()));
        assert_eq!((out.user_agent.raw, out.status), (&b"a b"[..], Some(200)));
        assert_eq!(directive(b"#Software: IIS"), None);
        assert_eq!(directive(b"#Fields: date time message"), None);
    }

    #[test]
    fn every_usual_layout_is_a_table() {
        for columns in USUAL {
            assert!(table(columns).is_some_and(|t| t.columns.len() >= 14), "{columns}");
        }
    }
}
