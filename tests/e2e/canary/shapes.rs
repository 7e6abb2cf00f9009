//! Credentials of every shape, made from a seed, one for each shape and position: whatever shows up tells where it came in.

use std::fmt::Write as _;

/// A credential and where it is put.
#[derive(Debug, Clone)]
pub(super) struct Canary {
    /// `shape in position`.
    pub(super) name: String,
    pub(super) position: Position,
    /// As it is put there.
    pub(super) secret: String,
    /// What is looked for: it, or the part of it that is secret.
    pub(super) needles: Vec<String>,
}

/// Where credentials are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Path,
    Extension,
    Action,
    Encoded,
    Matrix,
    Query,
    Fragment,
    UserInfo,
    Host,
    Key,
    Bearer,
    Cookie,
    User,
    Referer,
    Agent,
    Trace,
    Method,
    Protocol,
    Body,
    Form,
    Garbage,
}

const POSITIONS: [Position; 21] = {
    use Position::*;
    [
        Path, Extension, Action, Encoded, Matrix, Query, Fragment, UserInfo, Host, Key, Bearer, Cookie, User, Referer,
        Agent, Trace, Method, Protocol, Body, Form, Garbage,
    ]
};

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8] = b"0123456789abcdef";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How a shape is written: what stands before random characters, of which alphabet they are, and how many.
const KEYS: [(&str, &str, &[u8], usize); 21] = [
    ("aws", "AKIA", UPPER, 16),
    ("aws session", "ASIA", UPPER, 16),
    ("gcp", "AIzaSy", MIXED, 33),
    ("github", "ghp_", MIXED, 36),
    ("github server", "ghs_", LOWER, 36),
    ("github fine", "github_pat_", MIXED, 40),
    ("gitlab", "glpat-", LOWER, 20),
    ("slack", "xoxb-", MIXED, 24),
    ("slack app", "xapp-", LOWER, 24),
    ("stripe", "sk_live_", MIXED, 24),
    ("stripe restricted", "rk_test_", LOWER, 24),
    ("stripe webhook", "whsec_", MIXED, 32),
    ("twilio", "SK", HEX, 32),
    ("npm", "npm_", MIXED, 36),
    ("pypi", "pypi-AgEIcHlwaS5vcmc", MIXED, 40),
    ("openai", "sk-proj-", MIXED, 40),
    ("vault", "hvs.", MIXED, 24),
    ("shopify", "shpat_", HEX, 32),
    ("token", "", MIXED, 40),
    ("token of letters", "", LOWER, 32),
    ("token of hex", "", HEX, 40),
];

/// One of each shape in each position.
pub(super) fn canaries(seed: u64) -> Vec<Canary> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    for position in POSITIONS {
        for (shape, prefix, alphabet, n) in KEYS {
            let secret = prefix.to_owned() + &random.text(alphabet, n);
            // Host names may be hashes.
            if position == Position::Host && shape.starts_with("token")
                || position == Position::Trace && shape == "token of hex"
            {
                continue;
            }
            let cut = &secret[..prefix.len() + 8];
            all.push(canary(shape, position, &secret, &[&secret, cut]));
        }
        let payload = random.text(MIXED, 30);
        let web = format!("eyJhbGciOiJIUzI1NiJ9.eyJ{payload}.{}", random.text(MIXED, 43));
        all.push(canary("web token", position, &web, &[&payload]));
        let card = card(&mut random);
        all.push(canary("card", position, &card, &[&card, &card[..12]]));
        let grouped = grouped(&self::card(&mut random));
        all.push(canary("card in groups", position, &grouped, &[&grouped, &grouped[..14]]));
        let password = random.text(MIXED, 14);
        let basic = base64(format!("{}:{password}", random.text(LOWER, 8)).as_bytes());
        // The user of Basic authentication is a name; the password is none.
        all.push(canary("basic", position, &basic, &[&basic, &password]));
        // User names may be addresses.
        if position != Position::User {
            let local = random.text(LOWER, 10);
            all.push(canary("e-mail", position, &format!("{local}@mail.example.org"), &[&local]));
        }
    }
    all
}

fn canary(shape: &str, position: Position, secret: &str, needles: &[&str]) -> Canary {
    let needles = needles.iter().map(|&needle| needle.to_owned()).collect();
    Canary { name: format!("{shape} in {position:?}"), position, secret: secret.to_owned(), needles }
}

fn card(random: &mut Random) -> String {
    let mut digits: Vec<u8> = b"4".iter().copied().chain(random.text(b"0123456789", 14).into_bytes()).collect();
    let sum: u32 = digits.iter().rev().enumerate().map(|(i, &b)| weighed(i + 1, u32::from(b - b'0'))).sum();
    digits.push(b'0' + ((10 - sum % 10) % 10) as u8);
    String::from_utf8(digits).unwrap()
}

fn weighed(i: usize, digit: u32) -> u32 {
    let n = if i % 2 == 1 { digit * 2 } else { digit };
    if n > 9 { n - 9 } else { n }
}

fn grouped(card: &str) -> String {
    let groups: Vec<_> = (0..4).map(|i| &card[4 * i..4 * i + 4]).collect();
    groups.join("-")
}

/// Base64 of RFC 4648, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain(&[0; 2]).take(3).fold(0_u32, |bits, &b| bits << 8 | u32::from(b));
        for i in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * i)) as usize & 63]);
            out.push(if i <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

/// Every byte but letters and digits percent-encoded, and each letter at an odd place.
pub(super) fn percent(text: &str) -> String {
    let mut out = String::new();
    for (i, b) in text.bytes().enumerate() {
        if b.is_ascii_alphanumeric() && i % 2 == 0 {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn text(&mut self, alphabet: &[u8], n: usize) -> String {
        (0..n).map(|_| char::from(alphabet[(self.next() % alphabet.len() as u64) as usize])).collect()
    }
}
