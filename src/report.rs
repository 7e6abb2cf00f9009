//! Renders what `pitot report` found: one document, five formats.
//!
//! In: an [`api::Document`](pitot_model::api::Document) and a [`Style`]. Out: bytes to any writer. Nothing here reads a
//! clock, a file or the environment. Whoever builds the document limits its rows; its counts say how many there are.
//!
//! Names come from strangers (paths, keys, users): every format escapes them in its own way, and none passes on
//! characters that a terminal or a reader would obey instead of show.
//!
//! | file | what |
//! |---|---|
//! | `text`, `json`, `csv`, `markdown`, `html` | one format each |
//! | `sheet` | rows and columns of services, routes and consumers, shared by text, markdown and html |
//! | `facts` | what all formats say about sources, totals, statuses and coverage |
//! | `plot` | the timeline as columns, heat cells and ticks |
//! | `figures`, `names` | spelling of numbers; of names from strangers |

mod csv;
mod facts;
pub(crate) mod figures;
mod html;
mod json;
mod markdown;
pub(crate) mod names;
mod plot;
#[cfg(test)]
mod sample;
mod sheet;
pub(crate) mod text;

pub(crate) use names::clean as printable;

use std::io;

use pitot_model::api::Document;

/// What a report can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people, in a terminal or a pipe
    #[default]
    Text,
    /// For programs: the versioned contract
    Json,
    /// For spreadsheets: one flat table
    Csv,
    /// For issues and chats
    #[value(alias = "md")]
    Markdown,
    /// For browsers: one file that needs no network
    Html,
}

/// How text looks; the other formats have looks of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether escape sequences may be written. Nothing is said by colour alone.
    pub(crate) color: bool,
    /// Columns of the terminal; less than [`Style::MIN_WIDTH`] counts as that.
    pub(crate) width: usize,
}

impl Style {
    /// Below this, tables would lose the columns that make them tables.
    pub(crate) const MIN_WIDTH: usize = 60;
}

impl Default for Style {
    /// For a pipe: no colour, 100 columns.
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

/// Writes a document in a format. `style` matters to [`Format::Text`] only.
///
/// The writer should be buffered. Errors are the writer's.
pub(crate) fn write(doc: &Document, format: Format, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(doc, *style, out),
        Format::Json => json::write(doc, out),
        Format::Csv => csv::write(doc, out),
        Format::Markdown => markdown::write(doc, out),
        Format::Html => html::write(doc, out),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{sample, *};

    fn render(doc: &Document, format: Format) -> String {
        let mut out = Vec::new();
        write(doc, format, &Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_format_says_something_about_every_document() {
        for (name, doc) in sample::all() {
            for &format in Format::value_variants() {
                let text = render(&doc, format);
                assert!(text.ends_with('\n'), "{name} {format:?}");
                assert_eq!(text, render(&doc, format), "the same twice: {name} {format:?}");
            }
        }
    }

    #[test]
    fn no_format_passes_on_characters_that_are_obeyed() {
        for &format in Format::value_variants() {
            let text = render(&sample::hostile(), format);
            for c in text.chars().filter(|c| !matches!(c, '\n' | '\r')) {
                assert!(!names::is_obeyed(c), "{format:?} has {c:?}");
            }
        }
    }

    #[test]
    fn rows_that_a_limit_hides_are_counted() {
        let mut doc = sample::rich();
        doc.routes.truncate(10);
        doc.consumers.truncate(3);
        for format in [Format::Text, Format::Markdown, Format::Html] {
            let text = render(&doc, format);
            assert!(text.contains("and 50 more"), "{format:?}");
            assert!(text.contains("and 197 more"), "{format:?}");
        }
    }

    #[test]
    fn unknown_durations_are_no_zeros() {
        let doc = sample::without_durations();
        for format in [Format::Text, Format::Markdown, Format::Html] {
            let text = render(&doc, format);
            assert!(text.contains('–'), "{format:?}");
            assert!(!text.contains("0 µs") && !text.contains("0 ms"), "{format:?}");
        }
    }
}
