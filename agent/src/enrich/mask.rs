//! Lines that could not be read, fit to be shown: what may be secret in them is masked.
//!
//! In: a line, or its beginning. Out: the same with `…` for query strings, credentials and long tokens.

/// Letters and digits in a row from which a word with digits in it may be a secret.
const TOKEN: usize = 16;

/// The line with query strings, what follows an authentication scheme or a `key=`, and long tokens masked; control
/// characters are replaced.
pub fn masked(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if !word.is_empty() {
            let is_scheme = ["bearer", "basic", "token", "apikey"].iter().any(|s| word.eq_ignore_ascii_case(s));
            out.push_str(if may_be_secret(word) { "…" } else { word });
            rest = if is_scheme && behind.starts_with(' ') { mask_until(behind, &mut out, 1) } else { behind };
        } else if matches!(c, '?' | '=' | ';') {
            out.push(c);
            rest = mask_until(behind, &mut out, c.len_utf8());
        } else {
            out.push(if c.is_control() { '\u{fffd}' } else { c });
            rest = &behind[c.len_utf8()..];
        }
    }
    out
}

/// Masks what comes behind `skip` bytes up to the next blank or quote. Gives the rest.
fn mask_until<'a>(text: &'a str, out: &mut String, skip: usize) -> &'a str {
    let text = &text[skip..];
    let end = text.find([' ', '"', '\'', ',', '\t']).unwrap_or(text.len());
    if skip == 1 && out.ends_with(char::is_alphanumeric) {
        out.push(' ');
    }
    if end > 0 {
        out.push('…');
    }
    &text[end..]
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.')
}

fn may_be_secret(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    word.len() >= TOKEN && digits >= 2 && letters >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_masked() {
        for (line, want) in [
            (
                "1.2.3.4 [10/Oct/2000] \"GET /a?token=s3cr3t HTTP/1.1\" oops",
                "1.2.3.4 [10/Oct/2000] \"GET /a?… HTTP/1.1\" oops",
            ),
            ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
            ("key=hunter2 x", "key=… x"),
            ("GET /t/ak_0123456789abcdef x", "GET /t/… x"),
            ("a\u{1b}[31m", "a\u{fffd}[31m"),
            ("plain words stay", "plain words stay"),
            ("", ""),
        ] {
            assert_eq!(masked(line), want, "{line}");
        }
    }
}
