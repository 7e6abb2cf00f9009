//! Text to tokens. In: the filter. Out: tokens with the character they start at.

use super::FilterError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Open,
    Close,
    Minus,
    And,
    Or,
    Not,
    /// `field:`; the value is the next token.
    Field(String),
    /// A bare word.
    Word(String),
    /// What stood between quotes.
    Quoted(String),
}

pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut i) = (Vec::new(), 0);
    while i < chars.len() {
        let at = i;
        match chars[i] {
            c if c.is_whitespace() => i += 1,
            '(' => (i, _) = (i + 1, out.push((at, Token::Open))),
            ')' => (i, _) = (i + 1, out.push((at, Token::Close))),
            '-' if !after_field(&out) => (i, _) = (i + 1, out.push((at, Token::Minus))),
            '"' => {
                let (quoted, next) = quoted(&chars, i)?;
                out.push((at, Token::Quoted(quoted)));
                i = next;
            }
            _ => {
                let (token, next) = word(&chars, i, after_field(&out));
                out.push((at, token));
                i = next;
            }
        }
    }
    Ok(out)
}

fn after_field(out: &[(usize, Token)]) -> bool {
    matches!(out.last(), Some((_, Token::Field(_))))
}

/// The text between quotes and the index behind them; `\"` is a quote, other backslashes stay for the glob.
fn quoted(chars: &[char], open: usize) -> Result<(String, usize), FilterError> {
    let (mut out, mut i) = (String::new(), open + 1);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('"', _) => return Ok((out, i + 1)),
            ('\\', Some('"')) => {
                out.push('"');
                i += 2;
            }
            ('\\', Some(&next)) => {
                out.extend(['\\', next]);
                i += 2;
            }
            (c, _) => {
                out.push(c);
                i += 1;
            }
        }
    }
    Err(FilterError { at: open, message: "quote is not closed".into() })
}

fn word(chars: &[char], start: usize, is_value: bool) -> (Token, usize) {
    let mut i = start;
    while i < chars.len() && !chars[i].is_whitespace() && !"()\"".contains(chars[i]) {
        if chars[i] == ':' && !is_value {
            return (Token::Field(chars[start..i].iter().collect()), i + 1);
        }
        i += 1;
    }
    let text: String = chars[start..i].iter().collect();
    let token = match text.as_str() {
        "AND" if !is_value => Token::And,
        "OR" if !is_value => Token::Or,
        "NOT" if !is_value => Token::Not,
        _ => Token::Word(text),
    };
    (token, i)
}
