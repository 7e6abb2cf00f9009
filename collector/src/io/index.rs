//! The index of anomalies, with its files and threads. In: anomalies as they open, change and resolve. Out: pages of
//! them, by filter and time.
//!
//! What was committed is found at once and survives a crash. One writer thread with tantivy's least memory, one merge
//! thread. Beside tantivy's files lies `pitot-index.json` with the version of our fields; a directory that holds
//! something else is refused and left alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pitot_model::{
    api::{Anomaly, AnomalyPage, AnomalyQuery},
    filter::{self, FilterError},
};
use serde::{Deserialize, Serialize};
use tantivy::{
    DocAddress, IndexReader, IndexSettings, IndexWriter, Order, ReloadPolicy, Searcher, TantivyDocument, TantivyError,
    Term,
    collector::{Count, TopDocs},
    directory::MmapDirectory,
    indexer::IndexWriterOptions,
    query::{BooleanQuery, InvertedIndexRangeQuery, Occur, Query, TermQuery},
    schema::{IndexRecordOption, Value},
};

use crate::search::{Cursor, Fields, WORDS, document, lower, overlap, words};

/// Version of the fields; an index of another version is not touched.
const VERSION: u32 = 1;
const VERSION_FILE: &str = "pitot-index.json";
/// Tantivy's own list of files; no index without it.
const META_FILE: &str = "meta.json";
/// Memory of the writer: tantivy's minimum.
const WRITER_BYTES: usize = 15_000_000;
/// Anomalies of a page where the query does not say, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 1000;

/// Why the index cannot be opened, changed or asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The filter is wrong; the caller's fault.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The cursor is none; the caller's fault.
    #[error("`{0}` is no cursor; use the one that the last page gave, or none for the first")]
    Cursor(String),
    /// More than a page may hold; the caller's fault.
    #[error("`limit={0}` is out of bounds; use 0 to {PAGE_MAX}")]
    Limit(usize),
    /// The directory holds something else.
    #[error("`{0}` holds files but no index of anomalies; use an empty directory")]
    Foreign(PathBuf),
    /// The index was written with other fields.
    #[error(
        "index of anomalies in `{path}` has version {found}, this program knows {VERSION}; use the program that wrote it, or move the directory away"
    )]
    Version {
        /// Where.
        path: PathBuf,
        /// The version that wrote it.
        found: u32,
    },
    /// Files are damaged.
    #[error("index of anomalies in `{path}` is damaged ({detail}); move the directory away to start with an empty one")]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What was noticed.
        detail: String,
    },
    /// Another process has it open.
    #[error("index of anomalies in `{0}` is in use; stop the other collector or give this one a directory of its own")]
    Locked(PathBuf),
    /// The disk or the operating system refuses.
    #[error("index of anomalies in `{path}`: {error}; check space and permissions")]
    Io {
        /// Where.
        path: PathBuf,
        /// What was said.
        error: io::Error,
    },
    /// Tantivy refuses while it runs: a full disk, as a rule.
    #[error("index of anomalies refused: {0}; check the disk")]
    Engine(#[from] TantivyError),
    /// A stored anomaly does not parse.
    #[error("stored anomaly cannot be read: {0}; move the index away to start with an empty one")]
    Document(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Mark {
    version: u32,
}

/// All anomalies that were ever noticed, and may still be.
pub struct Index {
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
}

impl Index {
    /// Opens or creates the index in a directory, or in memory only.
    pub fn open(path: Option<&Path>) -> Result<Self, IndexError> {
        let fields = Fields::new();
        let index = match path {
            None => tantivy::Index::create_in_ram(fields.schema.clone()),
            Some(path) => on_disk(path, &fields)?,
        };
        index.tokenizers().register(WORDS, words());
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let at = path.unwrap_or_else(|| Path::new("memory"));
        let writer = index.writer_with_options(options).map_err(|e| explain(e, at))?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader = reader.try_into().map_err(|e| explain(e, at))?;
        Ok(Self { fields, writer, reader })
    }

    /// Inserts or replaces, by id; seen after the next [`Index::commit`].
    pub fn upsert(&self, anomaly: &Anomaly) -> Result<(), IndexError> {
        let json = serde_json::to_string(anomaly)?;
        self.writer.delete_term(Term::from_field_text(self.fields.id, &anomaly.id));
        self.writer.add_document(document(&self.fields, anomaly, &json))?;
        Ok(())
    }

    /// Makes all changes durable and visible. Cost: some milliseconds and a few files, so not per anomaly. When it
    /// fails, the changes since the last one are given up.
    pub fn commit(&mut self) -> Result<(), IndexError> {
        if let Err(error) = self.writer.commit() {
            // The first error says more than one of the roll-back.
            let _ = self.writer.rollback();
            return Err(error.into());
        }
        self.reader.reload()?;
        Ok(())
    }

    /// The anomaly with this id.
    pub fn get(&self, id: &str) -> Result<Option<Anomaly>, IndexError> {
        let query = TermQuery::new(Term::from_field_text(self.fields.id, id), IndexRecordOption::Basic);
        Ok(self.page(&query, 1)?.pop())
    }

    /// Anomalies that match, the newest start first.
    pub fn query(&self, query: &AnomalyQuery) -> Result<AnomalyPage, IndexError> {
        let expr = filter::parse(&query.q)?;
        expr.only(Anomaly::FIELDS, true, "anomalies")?;
        let matching = lower(&expr, &self.fields)?;
        let limit = match query.limit {
            None => PAGE,
            Some(0) => PAGE_MAX,
            Some(n) if n <= PAGE_MAX => n,
            Some(n) => return Err(IndexError::Limit(n)),
        };
        let matching = and(matching, overlap(&self.fields, query.from, query.to));
        let searcher = self.reader.searcher();
        let count = searcher.search(&*matching, &Count)?;
        let behind = match &query.cursor {
            None => None,
            Some(text) => Some(Cursor::parse(text).ok_or_else(|| IndexError::Cursor(text.clone()))?),
        };
        let behind = behind.map(|cursor| -> Box<dyn Query> {
            let from = Term::from_field_text(self.fields.order, cursor.as_str());
            Box::new(InvertedIndexRangeQuery::new(std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded))
        });
        // One more than asked for tells whether there is a next page.
        let mut anomalies = self.page(&*and(matching, behind), limit + 1)?;
        let is_last = anomalies.len() <= limit;
        anomalies.truncate(limit);
        let cursor = anomalies.last().filter(|_| !is_last).map(|a| Cursor::behind(a).as_str().to_owned());
        Ok(AnomalyPage { anomalies, count: count as u64, cursor })
    }

    /// All that go on, up to a thousand of the newest; what the detectors are told after a start.
    pub fn open_anomalies(&self) -> Result<Vec<Anomaly>, IndexError> {
        let query = AnomalyQuery { q: "state:open".to_owned(), limit: Some(PAGE_MAX), ..AnomalyQuery::default() };
        Ok(self.query(&query)?.anomalies)
    }

    /// Anomalies that are committed.
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Whether nothing was committed yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn page(&self, query: &dyn Query, limit: usize) -> Result<Vec<Anomaly>, IndexError> {
        let searcher = self.reader.searcher();
        let top = TopDocs::with_limit(limit).order_by_string_fast_field(Fields::ORDER, Order::Asc);
        let found = searcher.search(query, &top)?;
        found.into_iter().map(|(_, at)| self.read(&searcher, at)).collect()
    }

    fn read(&self, searcher: &Searcher, at: DocAddress) -> Result<Anomaly, IndexError> {
        let doc: TantivyDocument = searcher.doc(at)?;
        let json = doc.get_first(self.fields.json).and_then(|v| v.as_str()).unwrap_or_default();
        Ok(serde_json::from_str(json)?)
    }
}

fn and(query: Box<dyn Query>, other: Option<Box<dyn Query>>) -> Box<dyn Query> {
    match other {
        None => query,
        Some(other) => Box::new(BooleanQuery::new(vec![(Occur::Must, query), (Occur::Must, other)])),
    }
}

/// Opens what is ours, creates it where nothing is, and refuses everything else.
fn on_disk(path: &Path, fields: &Fields) -> Result<tantivy::Index, IndexError> {
    let fail = |error: io::Error| IndexError::Io { path: path.to_owned(), error };
    fs::create_dir_all(path).map_err(fail)?;
    let mark = path.join(VERSION_FILE);
    let found = match fs::read(&mark) {
        Ok(bytes) => Some(
            serde_json::from_slice::<Mark>(&bytes)
                .map_err(|e| IndexError::Corrupt { path: path.to_owned(), detail: format!("`{VERSION_FILE}`: {e}") })?,
        ),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(fail(e)),
    };
    match found {
        Some(Mark { version: VERSION }) if path.join(META_FILE).exists() => return existing(path, fields),
        Some(Mark { version: VERSION }) => {}
        Some(Mark { version }) if !holds_nothing(path) => {
            return Err(IndexError::Version { path: path.to_owned(), found: version });
        }
        Some(_) => clear(path).map_err(fail)?,
        None if fs::read_dir(path).map_err(fail)?.next().is_some() => return Err(IndexError::Foreign(path.to_owned())),
        None => {}
    }
    // The mark comes first: a crash between the two leaves a directory that is known to be ours.
    let text = serde_json::to_vec(&Mark { version: VERSION })?;
    fs::write(&mark, text).map_err(fail)?;
    let directory = MmapDirectory::open(path).map_err(|e| explain(e.into(), path))?;
    tantivy::Index::create(directory, fields.schema.clone(), IndexSettings::default()).map_err(|e| explain(e, path))
}

fn existing(path: &Path, fields: &Fields) -> Result<tantivy::Index, IndexError> {
    let corrupt = |detail: String| IndexError::Corrupt { path: path.to_owned(), detail };
    let index = tantivy::Index::open_in_dir(path).map_err(|e| explain(e, path))?;
    if index.schema() != fields.schema {
        return Err(corrupt(format!("its fields are not those of version {VERSION}")));
    }
    let bad = index.validate_checksum().map_err(|e| explain(e, path))?;
    match bad.into_iter().min() {
        Some(file) => Err(corrupt(format!("`{}` has a wrong checksum", file.display()))),
        None => Ok(index),
    }
}

/// Whether an index of another version is there and has no anomaly in it.
fn holds_nothing(path: &Path) -> bool {
    let count = |index: &tantivy::Index| Some(index.reader().ok()?.searcher().num_docs());
    !path.join(META_FILE).exists() || tantivy::Index::open_in_dir(path).ok().as_ref().and_then(count) == Some(0)
}

/// Removes the files of an empty index; what tantivy did not write stays.
fn clear(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name == META_FILE || name == ".managed.json" || name.starts_with(".tantivy-") {
            fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// What went wrong when opening, by whose fault it is.
fn explain(error: TantivyError, path: &Path) -> IndexError {
    let path = path.to_owned();
    match error {
        TantivyError::LockFailure(..) => IndexError::Locked(path),
        TantivyError::IoError(error) => IndexError::Io { path, error: io::Error::new(error.kind(), error.to_string()) },
        other => IndexError::Corrupt { path, detail: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
