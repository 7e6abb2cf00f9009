//! Lines that could not be read, fit to be shown: what may be secret in them is masked.
//!
//! In: a line, or its beginning. Out: the same with `…` for query strings, credentials, what names like `password` stand
//! before, and whatever the [scanner](super::secrets) finds.

use super::secrets;

/// Letters and digits in a row from which a word with digits in it may be a secret.
const TOKEN: usize = 16;

/// Of these with a change between letters and digits or of case in every other pair.
const RANDOM: usize = 10;

/// The line with query strings, what follows an authentication scheme or a `key=`, and long tokens masked; control
/// characters are replaced.
pub fn masked(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let holds_card = secrets::holds_card(line.as_bytes());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if !word.is_empty() {
            let is_of_card = holds_card && word.bytes().filter(u8::is_ascii_digit).count() >= 3;
            let is_password = word.contains('@') && out.ends_with(':');
            out.push_str(if is_of_card || is_password || may_be_secret(word) { "…" } else { word });
            rest = behind_name(word, behind).map_or(behind, |skip| mask_until(behind, &mut out, skip));
        } else if matches!(c, '?' | '=' | ';') {
            rest = mask_until(behind, &mut out, c.len_utf8());
        } else {
            out.push(if c.is_control() { '\u{fffd}' } else { c });
            rest = &behind[c.len_utf8()..];
        }
    }
    out
}

/// Where what follows is a secret by the word before it: the bytes between the two.
fn behind_name(word: &str, behind: &str) -> Option<usize> {
    if SCHEMES.iter().any(|s| word.eq_ignore_ascii_case(s)) && behind.starts_with(' ') {
        return Some(1);
    }
    let between = behind.len() - behind.trim_start_matches(['"', '\'', ':', '=', '>', ' ', '\\']).len();
    let is_assigned = between <= 6 && behind[..between].contains([':', '=']);
    let value = &behind[between..];
    let scheme =
        value.split(' ').next().filter(|s| s.len() < value.len() && SCHEMES.iter().any(|k| k.eq_ignore_ascii_case(s)));
    let is_secret = is_assigned && secrets::names_secret(word.as_bytes());
    is_secret.then_some(between + scheme.map_or(0, |scheme| scheme.len() + 1))
}

/// What stands before credentials.
const SCHEMES: [&str; 6] = ["bearer", "basic", "token", "apikey", "digest", "negotiate"];

/// Keeps so many bytes, and masks what comes behind them up to the next blank or quote. Gives the rest.
fn mask_until<'a>(text: &'a str, out: &mut String, skip: usize) -> &'a str {
    let (kept, text) = text.split_at(skip);
    out.extend(kept.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
    let end = text.find([' ', '"', '\'', ',', '\t']).unwrap_or(text.len());
    if end > 0 {
        out.push('…');
    }
    &text[end..]
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | '@' | '%' | '~')
}

fn may_be_secret(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    word.len() >= TOKEN && digits >= 2 && letters >= 4 || secrets::find_in_line(word.as_bytes(), RANDOM)
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
            ("{\"user\":\"jane\",\"password\": \"hunter2\"}", "{\"user\":\"jane\",\"password\": \"…\"}"),
            ("x-api-key: hunter2", "x-api-key: …"),
            ("GET /x/AKIAIOSFODNN7EXAMPLE HTTP/1.1", "GET /x/… HTTP/1.1"),
            ("wJalrXUtnFEMI/K7MDENG/x", "…/K7MDENG/x"),
            ("http://jane:hunter2@h.example/", "http://jane:…/"),
            ("mail to jane@example.org", "mail to …"),
            ("card 4111 1111 1111 1111 due", "card … … … … due"),
            ("2026-01-12T10:00:00Z 10.0.0.1:8080", "2026-01-12T10:00:00Z 10.0.0.1:8080"),
            ("token=\u{7}x", "token=…"),
            ("", ""),
        ] {
            assert_eq!(masked(line), want, "{line}");
        }
    }
}
