//! The document as one flat table for spreadsheets.
//!
//! In: a document. Out: RFC 4180 (CRLF, a header line); the column `section` says what a line is about: `totals`,
//! `service`, `route`, `consumer` or `coverage`. Cells of things that are not known are empty. Durations are
//! microseconds. `5xx` and `other` are by status alone: resets, timeouts and unknown ones are in `other`.
//!
//! A name that a spreadsheet would run as a formula gets an apostrophe in front.

use std::{fmt::Write as _, io};

use pitot_model::api::{Document, Part, Quantiles};

use super::{facts, names};

const HEADER: &str = "section,service,method,route,consumer,evidence,reason,count,request_bytes,response_bytes,\
    1xx,2xx,3xx,4xx,5xx,other,\
    duration_n,duration_min_us,duration_mean_us,duration_p50_us,duration_p75_us,duration_p90_us,duration_p95_us,\
    duration_p99_us,duration_p999_us,duration_max_us,\
    ttfb_n,ttfb_min_us,ttfb_mean_us,ttfb_p50_us,ttfb_p75_us,ttfb_p90_us,ttfb_p95_us,ttfb_p99_us,ttfb_p999_us,ttfb_max_us";

/// Cells of a line behind `reason` and `count`.
const AFTER_COUNT: usize = 28;

pub(super) fn write(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "{HEADER}\r\n")?;
    line("totals", &Part::new(doc.totals.clone()), out)?;
    for (section, parts) in [("service", &doc.services), ("route", &doc.routes), ("consumer", &doc.consumers)] {
        for part in parts {
            line(section, part, out)?;
        }
    }
    let coverage = &doc.coverage;
    let mut read = vec![("lines_read", coverage.lines_read), ("transactions", coverage.transactions)];
    if coverage.packets_read > 0 {
        read.insert(1, ("packets_read", coverage.packets_read));
    }
    for (reason, n) in read.into_iter().chain(coverage.reasons.iter().map(|(r, &n)| (r.name(), n))) {
        write!(out, "coverage,,,,,,{reason},{n}{}\r\n", ",".repeat(AFTER_COUNT))?;
    }
    Ok(())
}

fn line(section: &str, part: &Part, out: &mut dyn io::Write) -> io::Result<()> {
    let mut text = String::from(section);
    for name in [&part.service, &part.method, &part.route, &part.consumer] {
        text.push(',');
        text.push_str(&cell(name.as_deref().unwrap_or_default()));
    }
    let evidence = part.evidence.map_or("", |e| e.name());
    push(&mut text, [evidence, ""]);
    push(&mut text, [part.count, part.request_bytes, part.response_bytes]);
    push(&mut text, facts::classes(&part.status).map(|(_, n)| n));
    quantiles(&part.duration_us, &mut text);
    quantiles(&part.ttfb_us, &mut text);
    write!(out, "{text}\r\n")
}

fn quantiles(q: &Quantiles, text: &mut String) {
    let known = |x: Option<u64>| x.map(|x| x.to_string()).unwrap_or_default();
    push(text, [q.n.to_string(), known(q.min), q.mean.map(|m| m.to_string()).unwrap_or_default()]);
    push(text, [q.p50, q.p75, q.p90, q.p95, q.p99, q.p999, q.max].map(known));
}

fn push<T: std::fmt::Display, const N: usize>(text: &mut String, cells: [T; N]) {
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(text, ",{cell}");
    }
}

/// A name as a cell. Source: RFC 4180, section 2; OWASP, CSV injection.
fn cell(name: &str) -> String {
    let name = names::clean(name);
    let guard = if name.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) { "'" } else { "" };
    if name.contains([',', '"', ' ', ';']) || !guard.is_empty() {
        format!("\"{guard}{}\"", name.replace('"', "\"\""))
    } else {
        name.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (name, want) in [
            ("", ""),
            ("/v1/orders/{int}", "/v1/orders/{int}"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "␉=1"),
            ("a\r\nb", "a␍␊b"),
        ] {
            assert_eq!(cell(name), want);
        }
    }

    #[test]
    fn every_line_has_all_columns() {
        let columns = HEADER.split(',').count();
        for (name, doc) in sample::all() {
            let mut out = Vec::new();
            write(&doc, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            for line in text.split_terminator("\r\n") {
                assert_eq!(unquoted_commas(line) + 1, columns, "{name}: {line}");
            }
        }
    }

    #[test]
    fn a_route_is_a_line() {
        let mut out = Vec::new();
        write(&sample::one(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let us = ",12345".repeat(9);
        let want = format!("route,,GET,/v1/orders/{{int}},,,,1,0,512,0,0,0,0,1,0,1{us},0{}", ",".repeat(9));
        assert_eq!(text.split("\r\n").nth(2), Some(&*want));
    }

    fn unquoted_commas(line: &str) -> usize {
        let mut quoted = false;
        line.chars()
            .filter(|&c| {
                quoted ^= c == '"';
                c == ',' && !quoted
            })
            .count()
    }

    #[test]
    fn unknown_durations_are_empty_cells() {
        let mut out = Vec::new();
        write(&sample::without_durations(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let totals = text.lines().nth(1).unwrap();
        assert!(totals.ends_with(",0,,,,,,,,,,0,,,,,,,,,"), "{totals}");
    }
}
