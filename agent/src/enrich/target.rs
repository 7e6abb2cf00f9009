//! The path of a request target. In: the target as sent. Out: its path, borrowed.

/// The path of a request target in any of its four forms, without query and fragment.
///
/// `/a?b` gives `/a`; `http://h/a` gives `/a`; `http://h` gives `/`; `*` and an authority (`h:443`) are themselves.
///
/// Source: RFC 9112, section 3.2.
pub fn path_of(target: &[u8]) -> &[u8] {
    let origin = if target.first() == Some(&b'/') { target } else { after_authority(target) };
    match memchr::memchr2(b'?', b'#', origin) {
        Some(0) => b"/",
        Some(end) => &origin[..end],
        None => origin,
    }
}

/// Behind `scheme://authority`; the whole target when it does not begin so.
fn after_authority(target: &[u8]) -> &[u8] {
    let Some(scheme_end) = target.iter().take(16).position(|&b| b == b':') else { return target };
    let is_scheme =
        scheme_end > 0 && target[..scheme_end].iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    let Some(rest) = target[scheme_end..].strip_prefix(b"://").filter(|_| is_scheme) else { return target };
    match rest.iter().position(|b| b"/?#".contains(b)) {
        Some(at) => &rest[at..],
        None => b"/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_target() {
        for (target, path) in [
            ("/", "/"),
            ("/a/b?c=d", "/a/b"),
            ("/a#b", "/a"),
            ("http://example.com/a?b", "/a"),
            ("https://example.com:443", "/"),
            ("https://example.com?q", "/"),
            ("*", "*"),
            ("example.com:443", "example.com:443"),
            ("://x", "://x"),
            ("?a", "/"),
            ("", ""),
        ] {
            assert_eq!(path_of(target.as_bytes()), path.as_bytes(), "{target}");
        }
    }
}
