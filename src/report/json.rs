//! The document as JSON: the versioned contract, all rows, keys in the order of their fields.
//!
//! In: a document. Out: indented JSON that parses back to it. Characters that a terminal would obey are written as
//! `\u` escapes: the same value, but safe to print.

use std::io;

use pitot_model::api::Document;
use serde::Serialize as _;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::names;

pub(super) fn write(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    doc.serialize(&mut Serializer::with_formatter(&mut *out, Printable(PrettyFormatter::new())))?;
    out.write_all(b"\n")
}

/// [`PrettyFormatter`], but for what is inside strings.
struct Printable(PrettyFormatter<'static>);

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(names::is_obeyed) {
            let (plain, from) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut chars = from.chars();
            let mut units = [0; 2];
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn it_parses_back_to_the_document() {
        for (name, doc) in sample::all() {
            let mut out = Vec::new();
            write(&doc, &mut out).unwrap();
            assert_eq!(serde_json::from_slice::<Document>(&out).unwrap(), doc, "{name}");
        }
    }

    #[test]
    fn keys_stand_in_the_order_of_the_contract() {
        let mut out = Vec::new();
        write(&sample::rich(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "version",
                "program",
                "sources",
                "range",
                "totals",
                "services",
                "routes",
                "consumers",
                "route_count",
                "consumer_count",
                "timeline",
                "timeline_step_s",
                "coverage"
            ]
        );
    }

    #[test]
    fn escaped_characters_keep_their_value() {
        let mut out = Vec::new();
        write(&sample::hostile(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for escape in ["\\u001b[31m", "\\u202e", "\\u009b", "\\\"quoted\\\""] {
            assert!(text.contains(escape), "{escape}");
        }
    }
}
