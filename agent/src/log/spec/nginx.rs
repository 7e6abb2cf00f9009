//! nginx's `log_format`: text with `$variables`.
//!
//! In: the format, bare or as the whole directive (`log_format main escape=json '...' '...';`). Out: a layout: a
//! pattern, or a key map where the format is a JSON object. Source: nginx, ngx_http_log_module.

use std::sync::Arc;

use super::{super::Layout, Ops, SpecError};
use crate::log::{json::Json, keys::Keys, names, record::Escape};

/// Compiles the format.
pub(in crate::log) fn compile(spec: &str) -> Result<Layout, SpecError> {
    let (text, escape) = unwrap_directive(spec);
    if text.trim_start().starts_with('{')
        && let Some(keys) = json_keys(&text)
    {
        return Ok(Layout::Json(Json::new(Arc::new(keys))));
    }
    let (mut ops, mut rest) = (Ops::default(), text.as_str());
    while let Some(dollar) = rest.find('$') {
        let at = text.len() - rest.len() + dollar;
        ops.literal(&rest.as_bytes()[..dollar]);
        let (name, after) = variable(&rest[dollar + 1..], at)?;
        ops.field(at, name, names::nginx(name))?;
        rest = after;
    }
    ops.literal(rest.as_bytes());
    ops.finish(escape, &text)
}

/// The name of the variable that `text` begins with, and what follows.
fn variable(text: &str, at: usize) -> Result<(&str, &str), SpecError> {
    if let Some(inner) = text.strip_prefix('{') {
        return inner.split_once('}').ok_or(SpecError::new(at, "a variable has no closing brace", "write `${name}`"));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 {
        return Err(SpecError::new(at, "a `$` without a name", "write a variable, such as `$status`"));
    }
    Ok(text.split_at(end))
}

/// The format inside a directive: its quoted parts, joined.
fn unwrap_directive(spec: &str) -> (String, Escape) {
    let trimmed = spec.trim();
    let escape = if trimmed.contains("escape=json") { Escape::Json } else { Escape::None };
    let Some(body) = trimmed.strip_prefix("log_format") else { return (trimmed.to_owned(), escape) };
    let (mut text, mut rest) = (String::new(), body);
    while let Some(open) = rest.find(['\'', '"']) {
        let quote = rest[open..].chars().next().unwrap_or('\'');
        let inner = &rest[open + 1..];
        let close = inner.find(quote).unwrap_or(inner.len());
        text.push_str(&inner[..close]);
        rest = inner.get(close + 1..).unwrap_or_default();
    }
    (text, escape)
}

/// The keys of a JSON object whose values are variables; `None` when it is not JSON with variables for values.
fn json_keys(text: &str) -> Option<Keys> {
    let (mut keys, mut path, mut rest) = (Keys::empty(), Vec::<&str>::new(), text.trim().strip_prefix('{')?);
    let mut found = false;
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t', '\n']);
        if let Some(after) = rest.strip_prefix('}') {
            rest = after;
            if path.pop().is_none() {
                return found.then_some(keys);
            }
            continue;
        }
        let (key, after) = rest.strip_prefix('"')?.split_once('"')?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        if let Some(after) = rest.strip_prefix('{') {
            path.push(key);
            rest = after;
            continue;
        }
        let (value, after) = match rest.strip_prefix('"') {
            Some(inner) => inner.split_once('"')?,
            None => rest.split_at(rest.find([',', '}'])?),
        };
        rest = after;
        if let Some(name) = value.trim().strip_prefix('$') {
            let name = name.trim_start_matches('{').trim_end_matches('}');
            let full = path.iter().chain([&key]).copied().collect::<Vec<_>>().join(".");
            keys.note_variable(&full, name);
            // A key of the user's own may say more than the variable: `"consumer": "$some_map"`.
            let field = names::nginx(name).or_else(|| names::credential(key));
            if let Some(field) = field {
                keys.insert(&full, field);
                found = true;
            }
        }
    }
}
