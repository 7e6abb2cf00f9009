//! Tokens: letters and digits that no words are made of. In: a text. Out: whether such a run is in it.
//!
//! Every pair of neighbours is weighed: letters that words rarely have beside each other, a change between letters and
//! digits, a capital behind a small letter. Words and names of words (`GetUserBalance`, `contact-form-7`) have less than
//! 0.3 points for a pair, random ones 0.8 to 1.

/// Characters of the shortest token that is told from words.
pub(super) const SHORTEST: usize = 16;

/// Hundredths of a point for a pair from which a run is no words.
const RANDOM: usize = 45;

/// Whether the text holds a run of at least so many letters and digits, perhaps with hyphens and underscores, that looks
/// random. Hexadecimal ones do only where [`SHORTEST`] is enough.
pub(super) fn is_token(text: &[u8], at_least: usize) -> bool {
    let runs = text.split(|b| !(b.is_ascii_alphanumeric() || b"-_~".contains(b)));
    // Hashes and UUIDs are ids: who replaces values anyway does not count them.
    let is_id = |run: &[u8]| at_least > SHORTEST && run.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    runs.filter(|run| run.len() >= at_least && !is_id(run)).any(is_random)
}

fn is_random(run: &[u8]) -> bool {
    // Digits and hyphens alone are numbers and dates; the digits of hashes say nothing by their pairs.
    if run.iter().filter(|b| b.is_ascii_alphabetic()).count() < run.len() / 4 {
        return false;
    }
    let (mut points, mut pairs) = (0, 0);
    for pair in run.windows(2) {
        if pair.iter().all(u8::is_ascii_alphanumeric) {
            pairs += 1;
            points += weight(pair[0], pair[1]);
        }
    }
    pairs >= SHORTEST / 2 && points * 100 >= pairs * RANDOM
}

const fn weight(a: u8, b: u8) -> usize {
    match (a.is_ascii_alphabetic(), b.is_ascii_alphabetic()) {
        (true, true) if a.is_ascii_lowercase() && b.is_ascii_uppercase() => 1,
        (true, true) if is_common(a, b) => 0,
        (true, true) => 2,
        (false, false) => 0,
        _ => 1,
    }
}

/// Whether a word may have these letters beside each other.
const fn is_common(a: u8, b: u8) -> bool {
    let (a, b) = (a.to_ascii_lowercase() - b'a', b.to_ascii_lowercase() - b'a');
    FOLLOWERS[a as usize] & (1 << b) != 0
}

/// By letter: those that follow it in at least four of ten thousand pairs of the words of technical English prose.
static FOLLOWERS: [u32; 26] = {
    let letters: [&[u8]; 26] = [
        b"bcdfgiklmnprstuvwy",
        b"aceilorstuy",
        b"acehiklmoprstu",
        b"abdegiloprsuy",
        b"abcdefgiklmnopqrstuvwxy",
        b"aefilorstuy",
        b"aeghilmnorsu",
        b"aeimortuy",
        b"abcdefglmnoprstvxz",
        b"aoesu",
        b"aeilsuo",
        b"acdefilopstuvy",
        b"abeilmopsuy",
        b"acdefgiklnopstuvy",
        b"abcdefgiklmnoprstuvw",
        b"acehiloprstu",
        b"u",
        b"abcdefgiklmnopstuvyr",
        b"acefhiklmnopstuy",
        b"acdefhilmnoprstuwy",
        b"abcdefgilmnprst",
        b"aeio",
        b"aehinors",
        b"ceiptx",
        b"imnps",
        b"aei",
    ];
    let (mut sets, mut a) = ([0; 26], 0);
    while a < 26 {
        let mut i = 0;
        while i < letters[a].len() {
            sets[a] |= 1 << (letters[a][i] - b'a');
            i += 1;
        }
        a += 1;
    }
    sets
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_words() {
        for (text, want) in [
            ("kqzvxwpjrtyhgbnm", true),
            ("Kx3vPq9LmZ2wRt7y", true),
            ("tok_wJalrXUtnFEMIbPxRfiCY", true),
            ("hvcnqkwjzdxlmrtg-bqpf", true),
            ("GetUserAccountBalanceSheet", false),
            ("notifications_preferences_by_organization", false),
            ("how-to-brew-good-tea-in-ten-steps", false),
            ("2026-01-12T10-00-00", false),
            ("1234567890123456", false),
            ("HTTPServerRequestHandlerFactory", false),
            ("Kx3vPq9", false),
        ] {
            assert_eq!(is_token(text.as_bytes(), SHORTEST), want, "{text}");
        }
    }
}
