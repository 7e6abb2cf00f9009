//! Base paths: what stands before the paths of a document, by its servers. In: `servers` or `basePath`. Out: path prefixes.
//!
//! Servers may be away, renamed, or behind a proxy that cuts the prefix: so paths count with every prefix and without.

use super::node::Node;

/// Base paths of one document; the rest is left out. Variables multiply them.
const BASES: usize = 8;

/// Prefixes such as `/v1`, never with a `/` at the end; the empty one last.
pub(super) fn bases(servers: Option<&Node>, base_path: Option<&Node>) -> Vec<String> {
    let mut found = Vec::new();
    for server in servers.iter().flat_map(|s| s.items()) {
        if let Some(url) = server.get("url").and_then(Node::text) {
            expand(url, server.get("variables"), &mut found);
        }
    }
    found.extend(base_path.and_then(Node::text).map(path));
    found.push(String::new());
    let mut bases: Vec<String> = Vec::new();
    for base in found {
        if !bases.contains(&base) {
            bases.push(base);
        }
    }
    // The empty one may have come early, from a server without a path: it is what its routes are called then.
    bases.truncate(BASES);
    bases
}

/// Puts in what variables stand for: their default, or each of their values.
fn expand(url: &str, variables: Option<&Node>, out: &mut Vec<String>) {
    let mut urls = vec![url.to_owned()];
    for (name, variable) in variables.map_or(&[][..], Node::entries) {
        let hole = format!("{{{name}}}");
        let default = variable.get("default").and_then(Node::text);
        let values = variable.get("enum").map_or(&[][..], Node::items).iter().filter_map(Node::text);
        let all: Vec<&str> = default.into_iter().chain(values.filter(|v| Some(*v) != default)).take(BASES).collect();
        // Hosts differ in theirs without being another path.
        if !path(url).contains(&hole) || all.is_empty() {
            continue;
        }
        urls = urls.iter().flat_map(|u| all.iter().map(|v| u.replace(&hole, v))).take(BASES).collect();
    }
    out.extend(urls.iter().map(|u| path(u)));
}

/// The path of a URL, which may be relative.
fn path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let rest = rest.strip_prefix("//").map_or(rest, |host| host.find('/').map_or("", |at| &host[at..]));
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_start_matches("./").trim_matches('/').trim();
    if rest.is_empty() { String::new() } else { format!("/{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_server() {
        for (url, want) in [
            ("https://api.example.com/v1", "/v1"),
            ("https://api.example.com/v1/?x#y", "/v1"),
            ("https://api.example.com", ""),
            ("//api.example.com/a/b/", "/a/b"),
            ("/", ""),
            ("", ""),
            ("/api", "/api"),
            ("./v2", "/v2"),
            ("v2", "/v2"),
        ] {
            assert_eq!(path(url), want, "{url}");
        }
    }
}
