//! A log format: how lines are read.
//!
//! In: a name, a specification, lines to guess from. Out: records, or the reason why a line is none.

use std::{borrow::Cow, sync::Arc};

use pitot_model::{Evidence, Reason};

use super::{
    clf::{Clf, Head},
    columns::Columns,
    detect, envoy,
    field::{Field, Slot},
    foreign, haproxy,
    json::Json,
    named, names,
    pattern::{Op, Pattern},
    prefix,
    record::Record,
    spec::{self, SpecError},
    w3c,
};

/// How the lines of a log are read. Cheap to clone and to share between threads; never changes.
#[derive(Debug, Clone)]
pub struct Format {
    name: Cow<'static, str>,
    layouts: Arc<[Alternative]>,
}

/// A layout, and whether a prefix (syslog, docker compose) stands before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alternative {
    pub(super) layout: Layout,
    pub(super) prefixed: bool,
}

/// One way to read a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layout {
    Clf(Clf),
    Pattern(Pattern),
    Columns(Columns),
    Json(Json),
    Haproxy,
    Envoy,
}

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// The reason, for coverage.
    pub reason: Reason,
    /// The field that failed.
    pub field: &'static str,
    /// Byte in the line, from 0.
    pub at: usize,
}

impl Format {
    /// The format of this name; see [`Format::names`].
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        Some(Self::new(Cow::Owned(name.clone()), named::layouts(&name)?))
    }

    /// Every name, with what it stands for.
    pub const fn names() -> &'static [(&'static str, &'static str)] {
        named::NAMES
    }

    /// From a name, an nginx `log_format` (`$status`), an Apache `LogFormat` (`%>s`), Envoy's operators
    /// (`%RESPONSE_CODE%`), or GoAccess specifiers (`%h %^[%d:%t %^]`), the last with ` ;; date format ;; time format`
    /// behind them where they are not those of the Common Log Format.
    pub fn compile(spec: &str) -> Result<Self, SpecError> {
        if let Some(format) = Self::named(spec) {
            return Ok(format);
        }
        let shown = spec.trim().to_owned();
        Ok(Self::new(Cow::Owned(shown), vec![spec::compile(spec)?]))
    }

    /// From the first lines of a log: the layouts that fit them, those that fit most first. Blank lines, comments and
    /// lines of other kinds are passed over. `None` where no line is an access record of a known kind.
    pub fn detect(sample: &[&[u8]]) -> Option<Self> {
        detect::detect(sample)
    }

    /// The same format with this field as the consumer: an nginx variable, a header, a column or a dotted JSON path.
    pub fn with_consumer(self, field: &str) -> Result<Self, SpecError> {
        let bare = field.trim().trim_start_matches('$');
        let evidence = names::evidence(bare).map_or_else(|| names::chosen(bare), |(evidence, _)| evidence);
        let mut layouts = self.layouts.to_vec();
        let mut found = false;
        for alternative in &mut layouts {
            found |= choose(&mut alternative.layout, bare, evidence);
        }
        if !found {
            let known: Vec<_> = layouts.iter().flat_map(|a| field_names(&a.layout)).collect();
            let hint = format!("this format has {}", known.join(", "));
            return Err(SpecError { at: 0, what: format!("`{bare}` is no field of `{}`", self.name), hint });
        }
        Ok(Self { layouts: layouts.into(), ..self })
    }

    /// For people: the name, and what else was found in the lines.
    pub fn describe(&self) -> String {
        let mut text = self.name.to_string();
        let mut extras: Vec<&str> = Vec::new();
        for alternative in self.layouts.iter() {
            if let Layout::Clf(clf) = &alternative.layout {
                let named = clf.tail.iter().filter(|e| e.field.slot != Slot::Skip && e.name != "http_user_agent");
                for extra in named.map(|e| e.name.as_str()) {
                    if !extras.contains(&extra) {
                        extras.push(extra);
                    }
                }
            }
        }
        if !extras.is_empty() && !text.contains('$') {
            text = format!("{text} with {}", extras.join(", "));
        }
        text
    }

    /// The format of the lines that follow a W3C `#Fields:` directive (IIS, CloudFront); `None` for other lines.
    pub fn fields_header(&self, line: &[u8]) -> Option<Self> {
        let table = w3c::directive(line)?;
        Some(Self { name: self.name.clone(), layouts: [Alternative::plain(Layout::Columns(table))].into() })
    }

    /// Reads one line, without its newline; a carriage return at its end is fine. `out` is overwritten.
    ///
    /// A line whose request cannot be read is a record without method and target. A time that cannot be read is
    /// `None`. The error is that of the layout that got farthest.
    #[inline]
    pub fn parse<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut farthest: Option<Skip> = None;
        for alternative in self.layouts.iter() {
            out.clear();
            match alternative.parse(line, out) {
                Ok(()) => return Ok(()),
                Err(skip) if farthest.is_none_or(|f| skip.at > f.at) => farthest = Some(skip),
                Err(_) => {}
            }
        }
        out.clear();
        // In a table of columns every line begins with a date: none is of another log for that alone.
        let is_table = self.layouts.iter().any(|a| matches!(a.layout, Layout::Columns(_)));
        Err(explain(line, farthest, is_table))
    }

    /// Whether it is the same, not only alike.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layouts, &other.layouts)
    }

    pub(super) fn layouts(&self) -> &[Alternative] {
        &self.layouts
    }

    pub(super) fn with_layouts(&self, layouts: Vec<Alternative>) -> Self {
        Self { name: self.name.clone(), layouts: layouts.into() }
    }

    pub(super) fn new(name: Cow<'static, str>, layouts: Vec<Layout>) -> Self {
        let prefixed = layouts.iter().filter(|l| !l.finds_its_start()).cloned();
        let prefixed: Vec<_> = prefixed.map(|layout| Alternative { layout, prefixed: true }).collect();
        Self::of(name, layouts.into_iter().map(Alternative::plain).chain(prefixed).collect())
    }

    pub(super) fn of(name: Cow<'static, str>, layouts: Vec<Alternative>) -> Self {
        Self { name, layouts: layouts.into() }
    }
}

impl Alternative {
    pub(super) const fn plain(layout: Layout) -> Self {
        Self { layout, prefixed: false }
    }

    #[inline]
    pub(super) fn parse<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        if !self.prefixed {
            return self.layout.parse(line, out);
        }
        let start = prefix::len(line);
        if start == 0 {
            return Err(Skip { reason: Reason::LineMalformed, field: "prefix", at: 0 });
        }
        self.layout.parse(&line[start..], out).map_err(|skip| Skip { at: skip.at + start, ..skip })
    }
}

impl Layout {
    /// Whether it passes over any prefix by itself.
    pub(super) const fn finds_its_start(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Haproxy)
    }

    #[inline]
    pub(super) fn parse<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        match self {
            Self::Clf(clf) => clf.parse(line, out),
            Self::Json(json) => json.parse(line, out),
            Self::Pattern(pattern) => pattern.parse(line, out),
            Self::Columns(columns) => columns.parse(line, out),
            Self::Haproxy => haproxy::parse(line, out),
            Self::Envoy => envoy::parse(line, out),
        }
    }
}

/// Why no layout read the line.
#[cold]
fn explain(line: &[u8], farthest: Option<Skip>, is_table: bool) -> Skip {
    let skip = |reason| Skip { reason, field: "line", at: 0 };
    match line.trim_ascii_start() {
        [] | [b'#', ..] => skip(Reason::LineBlank),
        _ if foreign::is_foreign(line, is_table) => skip(Reason::LineForeign),
        _ => farthest.unwrap_or(skip(Reason::LineMalformed)),
    }
}

/// Makes a field the consumer; whether the layout has it.
fn choose(layout: &mut Layout, name: &str, evidence: Evidence) -> bool {
    let chosen = Field::new(Slot::Consumer(evidence), names::CHOSEN);
    let wanted = names::normal(name);
    let is_it = |known: &str| {
        let known = names::normal(known);
        known == wanted
            || known.strip_prefix("http_") == Some(&wanted)
            || wanted.strip_prefix("http_") == Some(&known)
            || known == format!("cs({wanted})")
    };
    match layout {
        Layout::Clf(clf) => {
            let head = match wanted.as_str() {
                "remote_user" | "user" => Some((Head::User, Evidence::User)),
                "remote_addr" | "client" => Some((Head::Client, Evidence::Address)),
                "host" | "server_name" => Some((Head::Host, Evidence::Name)),
                _ => None,
            };
            clf.chosen = head.or(clf.chosen);
            let tail = clf.tail.iter_mut().filter(|e| is_it(&e.name)).map(|e| e.field = chosen.clone()).count();
            tail > 0 || head.is_some()
        }
        Layout::Pattern(pattern) => {
            let mut found = false;
            for op in &mut pattern.ops {
                if let Op::Field { name, field } = op
                    && is_it(name)
                {
                    *field = chosen.clone();
                    found = true;
                }
            }
            found
        }
        Layout::Columns(table) => {
            table.columns.iter_mut().filter(|c| is_it(&c.name)).map(|c| c.field = Some(chosen.clone())).count() > 0
        }
        Layout::Json(json) => {
            // Any key may come in a later line.
            json.insert(name, chosen);
            true
        }
        Layout::Haproxy | Layout::Envoy => false,
    }
}

fn field_names(layout: &Layout) -> Vec<String> {
    match layout {
        Layout::Clf(clf) => {
            let head = ["remote_addr", "remote_user", "host"].map(str::to_owned);
            head.into_iter().chain(clf.tail.iter().map(|e| e.name.clone())).filter(|n| !n.is_empty()).collect()
        }
        Layout::Pattern(pattern) => pattern
            .ops
            .iter()
            .filter_map(|op| match op {
                Op::Field { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect(),
        Layout::Columns(table) => table.columns.iter().map(|c| c.name.clone()).collect(),
        Layout::Json(_) => vec!["any key".to_owned()],
        Layout::Haproxy | Layout::Envoy => vec!["no field that could be chosen".to_owned()],
    }
}
