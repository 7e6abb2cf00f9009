//! Fields of the index. In: an anomaly. Out: its document.

use pitot_model::{
    Timestamp,
    api::{Anomaly, RowKey},
    filter::{Facts, Field as Name},
};
use tantivy::{
    TantivyDocument,
    schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer},
};

use super::Cursor;

/// Name of the tokenizer of free text.
pub(crate) const WORDS: &str = "words";
/// Longer words are not searched for.
const WORD_BYTES: usize = 256;

/// The fields, and how to reach them.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    /// Whole names, lower-case, behind a mark so that an empty one is a term too.
    names: Vec<(Name, Field)>,
    /// The id as it is; what updates replace.
    pub(crate) id: Field,
    /// Sorts as [`Cursor`]s do.
    pub(crate) order: Field,
    /// Number of the status on the wire.
    pub(crate) status: Field,
    /// Microseconds.
    pub(crate) start: Field,
    /// Microseconds; the greatest number while it is open.
    pub(crate) end: Field,
    /// Words.
    pub(crate) text: Field,
    /// The whole anomaly as JSON.
    pub(crate) json: Field,
}

impl Fields {
    /// Name of the field that the order is read from.
    pub(crate) const ORDER: &'static str = "order";

    pub(crate) fn new() -> Self {
        let mut b = Schema::builder();
        let names = Anomaly::FIELDS
            .iter()
            .filter(|f| !matches!(f, Name::Status | Name::Time))
            .map(|&f| (f, b.add_text_field(&format!("name_{}", f.name()), STRING)))
            .collect();
        let words = TextFieldIndexing::default().set_tokenizer(WORDS).set_index_option(IndexRecordOption::Basic);
        Self {
            names,
            id: b.add_text_field("id", STRING),
            order: b.add_text_field(Self::ORDER, STRING | FAST),
            status: b.add_u64_field("status", INDEXED),
            start: b.add_i64_field("start", INDEXED),
            end: b.add_i64_field("end", INDEXED),
            text: b.add_text_field("text", TextOptions::default().set_indexing_options(words)),
            json: b.add_text_field("json", STORED),
            schema: b.build(),
        }
    }

    /// The field of a name; `None` where anomalies have no such name.
    pub(crate) fn name(&self, name: Name) -> Option<Field> {
        self.names.iter().find(|(n, _)| *n == name).map(|(_, field)| *field)
    }
}

/// How free text becomes words, on both sides.
pub(crate) fn words() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(WORD_BYTES))
        .filter(LowerCaser)
        .build()
}

/// A whole name as it is indexed and asked for: letter case does not matter.
pub(super) fn folded(name: &str) -> String {
    std::iter::once('=').chain(name.chars().flat_map(char::to_lowercase)).collect()
}

/// What is indexed of an anomaly; `json` is its own text.
pub(crate) fn document(fields: &Fields, anomaly: &Anomaly, json: &str) -> TantivyDocument {
    let mut doc = TantivyDocument::default();
    for &(name, field) in &fields.names {
        for text in anomaly.names(name).into_iter().flatten() {
            doc.add_text(field, folded(text));
        }
    }
    if let (Some(field), Some(method), Some(route)) =
        (fields.name(Name::Route), &anomaly.subject.method, &anomaly.subject.route)
    {
        doc.add_text(field, folded(&format!("{method} {route}")));
    }
    if let Some(status) = anomaly.subject.status {
        doc.add_u64(fields.status, u64::from(status.as_wire()));
    }
    doc.add_text(fields.id, &anomaly.id);
    doc.add_text(fields.order, Cursor::behind(anomaly).as_str());
    doc.add_i64(fields.start, anomaly.start.as_micros());
    doc.add_i64(fields.end, anomaly.end.unwrap_or(Timestamp::MAX).as_micros());
    doc.add_text(fields.text, text(anomaly));
    doc.add_text(fields.json, json);
    doc
}

/// Everything that free text looks through.
fn text(anomaly: &Anomaly) -> String {
    let mut out = format!("{} {} {} {}", anomaly.title, anomaly.id, anomaly.kind, anomaly.severity);
    let carriers = anomaly.explanation.iter().flat_map(|e| &e.carriers).map(|c| &c.key);
    for key in std::iter::once(&anomaly.subject).chain(carriers) {
        add_key(&mut out, key);
    }
    out
}

fn add_key(out: &mut String, key: &RowKey) {
    let names = [&key.service, &key.version, &key.method, &key.route, &key.consumer, &key.agent];
    for name in names.into_iter().flatten() {
        out.push(' ');
        out.push_str(name);
    }
    if let Some(status) = key.status {
        out.push_str(&format!(" {status}"));
    }
}
