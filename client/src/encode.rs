//! Queries as text in a URL. In: flat structs that serialize to a JSON object. Out: `?q=status%3A5xx&limit=20`.

use serde::Serialize;
use serde_json::Value;

/// The query string of a flat struct with its question mark; empty when nothing is set.
///
/// Absent and empty fields are left out, which the API reads as their default.
pub(crate) fn query(fields: &impl Serialize) -> Result<String, serde_json::Error> {
    let Value::Object(fields) = serde_json::to_value(fields)? else { return Ok(String::new()) };
    let mut out = String::new();
    for (name, value) in fields {
        let text = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text,
            other => other.to_string(),
        };
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(&name);
        out.push('=');
        percent(&text, &mut out);
    }
    Ok(out)
}

/// Appends text with everything but RFC 3986's unreserved characters as `%XX`.
///
/// Source: RFC 3986, 2.1 and 2.3.
pub(crate) fn percent(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::{
        Timestamp,
        api::{AnomalyQuery, GroupBy, SeriesQuery, SortBy, TableQuery},
    };

    use super::*;

    #[test]
    fn queries_as_text() {
        let from = Some(Timestamp::from_secs(1_768_176_000));
        for (text, want) in [
            (query(&AnomalyQuery::default()), ""),
            (query(&TableQuery::default()), "?by=service&sort=count"),
            (
                query(&TableQuery {
                    q: "route:\"GET /a&b=c\" é+%".into(),
                    from,
                    by: GroupBy::Route,
                    sort: SortBy::ErrorRatio,
                    limit: Some(0),
                    ..TableQuery::default()
                }),
                "?q=route%3A%22GET%20%2Fa%26b%3Dc%22%20%C3%A9%2B%25&from=2026-01-12T00%3A00%3A00Z&by=route&sort=error_ratio&limit=0",
            ),
            (query(&SeriesQuery { step_ms: Some(10_000), ..SeriesQuery::default() }), "?step_ms=10000"),
        ] {
            assert_eq!(text.ok().as_deref(), Some(want));
        }
    }
}
