//! Numbers that look random and are the same on every machine. In: a seed. Out: draws, uniform or skewed.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }

    /// In `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Less than `n`, small numbers more often: the share of rank `r` falls about as `1/r`.
    pub(crate) fn skewed(&mut self, n: usize) -> usize {
        let rank = ((n as f64 + 1.0).ln() * self.unit()).exp() - 1.0;
        (rank as usize).min(n - 1)
    }

    pub(crate) fn hex(&mut self, n: usize) -> String {
        let digit = |r: &mut Self| char::from(b"0123456789abcdef"[r.below(16)]);
        // A letter first, so that what is meant as a hash is none that consists of digits.
        std::iter::once('c').chain((1..n).map(|_| digit(self))).collect()
    }

    /// Letters of both cases and digits.
    pub(crate) fn token(&mut self, n: usize) -> String {
        let alphabet = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        (0..n).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    /// Capital letters and digits.
    pub(crate) fn code(&mut self, n: usize) -> String {
        let alphabet = b"ABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
        (0..n).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    pub(crate) fn uuid(&mut self) -> String {
        let h = self.hex(32);
        format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }
}

/// A name that nobody would take for a number: `n` stands for it.
pub(crate) fn name(n: usize) -> String {
    const NAMES: [&str; 24] = [
        "alice",
        "octocat",
        "torvalds",
        "bob",
        "acme",
        "mojombo",
        "rustlings",
        "jane",
        "apache",
        "grace",
        "nodejs",
        "kim",
        "facebook",
        "yuki",
        "ivan",
        "chen",
        "zoe",
        "maria",
        "golang",
        "dmitri",
        "ada",
        "olaf",
        "samir",
        "wei",
    ];
    const HEADS: [&str; 12] = ["mar", "tol", "ka", "bren", "shi", "vo", "lun", "per", "dal", "ros", "ni", "gar"];
    const MIDS: [&str; 10] = ["to", "ri", "na", "le", "mo", "vi", "su", "ka", "do", "be"];
    const TAILS: [&str; 8] = ["n", "lia", "x", "dev", "rr", "sson", "ck", "ty"];
    if let Some(name) = NAMES.get(n) {
        return (*name).to_owned();
    }
    let n = n - NAMES.len();
    let round = n / (12 * 10 * 8);
    let mids: String = (0..=round).map(|r| MIDS[(n / 12 + r * 3) % 10]).collect();
    format!("{}{}{}", HEADS[n % 12], mids, TAILS[(n / 120) % 8])
}

/// A few words of a title, joined by hyphens.
pub(crate) fn title(n: usize) -> String {
    const A: [&str; 16] = [
        "hello", "brewing", "winter", "simple", "garden", "notes", "travel", "slow", "why", "learning", "easy",
        "modern", "visiting", "quiet", "best", "our",
    ];
    const B: [&str; 16] = [
        "world", "tea", "coats", "bread", "update", "rust", "lisbon", "mornings", "privacy", "guitar", "soups",
        "design", "museums", "rooms", "lamps", "team",
    ];
    let (a, b) = (A[n % 16], B[n / 16 % 16]);
    match n % 3 {
        0 => format!("{a}-{b}"),
        1 => format!("{a}-{b}-{}", B[(n / 7 + 5) % 16]),
        _ => format!("{a}-{}-{b}-{}", A[(n / 5 + 3) % 16], B[(n / 11 + 1) % 16]),
    }
}
