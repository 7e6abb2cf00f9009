//! A format whose fields go where the rules about consumers look for them.
//!
//! In: a format, and what the operator says about consumers. Out: the same format, in which a header that a rule asks for
//! is found under every name that logs have for it: `$http_x_api_key`, `%{X-Api-Key}i`, `cs(X-Api-Key)`,
//! `%REQ(X-API-KEY)%`, and in JSON `x_api_key`, `request_headers.x-api-key` and the like.

use std::{borrow::Cow, sync::Arc};

use pitot_model::Evidence;

use super::{
    Layout,
    field::{Field, Slot},
    format::{Alternative, Format},
    json::Json,
    names,
    pattern::Op,
};
use crate::enrich::{Consumers, Telling, Wanted};

/// A field that rules ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruled {
    pub(super) wanted: Wanted,
    /// What the usual order makes of it, and its rank, where that is among the rules.
    pub(super) usual: Option<(Evidence, u8)>,
}

impl Format {
    /// The same format for these rules and proxies.
    pub(crate) fn with_rules(&self, consumers: &Consumers) -> Self {
        let adapt = |a: &Alternative| Alternative { layout: layout(&a.layout, consumers), prefixed: a.prefixed };
        self.with_layouts(self.layouts().iter().map(adapt).collect())
    }
}

fn layout(layout: &Layout, consumers: &Consumers) -> Layout {
    match layout {
        Layout::Clf(clf) => {
            let mut clf = clf.clone();
            for extra in &mut clf.tail {
                put(&mut extra.field, &extra.name, consumers);
            }
            Layout::Clf(clf)
        }
        Layout::Pattern(pattern) => {
            let mut pattern = pattern.clone();
            for op in &mut pattern.ops {
                if let Op::Field { name, field } = op {
                    put(field, name, consumers);
                }
            }
            Layout::Pattern(pattern)
        }
        Layout::Columns(table) => {
            let mut table = table.clone();
            for column in &mut table.columns {
                let mut field = column.field.take().unwrap_or(Field::SKIP);
                put(&mut field, &column.name, consumers);
                column.field = (field.slot != Slot::Skip).then_some(field);
            }
            Layout::Columns(table)
        }
        Layout::Json(json) => Layout::Json(keys(json, consumers)),
        Layout::Haproxy => Layout::Haproxy,
        Layout::Envoy => Layout::Envoy,
    }
}

/// Changes a field of this name, if it is asked for.
fn put(field: &mut Field, name: &str, consumers: &Consumers) {
    let name = bare(name);
    let name = name.strip_prefix("http_").unwrap_or(&name);
    let telling = Telling::of(name.as_bytes());
    if telling != Telling::Nothing && !consumers.proxies.is_empty() {
        *field = forwarded(telling);
    } else if let Some(wanted) = consumers.rules.fields().find(|w| is_for(w, name))
        && let Some(ruled) = ruled(wanted, Some(field), consumers)
    {
        *field = ruled;
    }
}

/// The name inside of `%REQ(NAME)%`, `cs(NAME)`, `$NAME`, in lower case, with `_` for `-`.
fn bare(name: &str) -> String {
    let name = name.trim_start_matches('$');
    let inner = ["REQ(", "cs("].iter().find_map(|open| name.strip_prefix(open)).unwrap_or(name);
    names::normal(inner.split([')', '?']).next().unwrap_or(inner))
}

fn is_for(wanted: &Wanted, name: &str) -> bool {
    let wanted = names::normal(&wanted.name);
    wanted.strip_prefix("http_").unwrap_or(&wanted) == name
}

/// The field for what is wanted, in the place of another; `None` where that one says something else that is needed.
fn ruled(wanted: &Wanted, before: Option<&Field>, consumers: &Consumers) -> Option<Field> {
    let usual = match before.map(|f| (&f.slot, f.rank)) {
        None | Some((Slot::Skip | Slot::Trace, _)) => None,
        Some((Slot::Consumer(_), names::CHOSEN)) => return None,
        Some((Slot::Consumer(evidence), rank)) => Some((*evidence, rank)),
        Some((Slot::Ruled(ruled), _)) => ruled.usual,
        Some(_) => return None,
    };
    let usual = usual.filter(|_| consumers.rules.has_usual());
    Some(Field::new(Slot::Ruled(Arc::new(Ruled { wanted: wanted.clone(), usual })), wanted.rank()))
}

const fn forwarded(telling: Telling) -> Field {
    Field::new(Slot::Forwarded(telling), 1 + telling as u8)
}

/// A JSON log in which keys mean what rules want.
fn keys(json: &Json, consumers: &Consumers) -> Json {
    let mut fields = Vec::new();
    for wanted in consumers.rules.fields() {
        for path in paths(&wanted.name) {
            fields.extend(ruled(wanted, json.field(&path), consumers).map(|field| (path, field)));
        }
    }
    if !consumers.proxies.is_empty() {
        for (header, telling) in [
            ("x-forwarded-for", Telling::ForwardedFor),
            ("forwarded", Telling::Forwarded),
            ("x-real-ip", Telling::RealIp),
        ] {
            fields.extend(paths(header).into_iter().map(|path| (path, forwarded(telling))));
        }
    }
    // Keys that a `log_format` names otherwise than the variables that they hold.
    for (path, variable) in json.variables() {
        let mut field = json.field(path).cloned().unwrap_or(Field::SKIP);
        let before = field.clone();
        put(&mut field, variable, consumers);
        if field != before {
            fields.push((path.clone(), field));
        }
    }
    json.with(fields)
}

/// The keys under which logs have a header or field.
fn paths(name: &str) -> Vec<String> {
    let (lower, snake) = (name.to_ascii_lowercase(), names::normal(name));
    let title: String = lower.split_inclusive('-').map(capital).collect();
    let mut paths = vec![name.to_owned(), lower.clone(), snake.clone(), title.clone(), format!("http_{snake}")];
    for object in [
        "request.headers",
        "request_headers",
        "requestHeaders",
        "req.headers",
        "headers",
        "http.request.headers",
        "http.request.header",
    ] {
        paths.extend([&lower, &title, &snake].map(|key| format!("{object}.{key}")));
    }
    // Traefik.
    paths.extend([format!("request_{title}"), format!("request_{snake}")]);
    let mut seen = Vec::new();
    paths.retain(|path| {
        let is_new = !seen.contains(path);
        seen.push(path.clone());
        is_new
    });
    paths
}

fn capital(word: &str) -> Cow<'_, str> {
    match word.chars().next() {
        Some(first) => Cow::Owned(first.to_ascii_uppercase().to_string() + &word[first.len_utf8()..]),
        None => Cow::Borrowed(word),
    }
}
