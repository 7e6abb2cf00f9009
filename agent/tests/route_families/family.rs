//! Families of paths with the routes that a person would see in them.
//!
//! In: patterns such as `/repos/{owner}/{repo}/issues/{int}` with weights, how many values every pool has, and whether
//! they are skewed. Out: requests: a path, its route, and whether it is noise.
//!
//! A pattern's segment is text with at most one `{pool}` in it. What the route shows of a pool stands in [`shown`].

use super::random::{Random, name, title};

pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Weight and pattern.
    pub(crate) routes: &'static [(u32, &'static str)],
    /// Values of a pool that has names for values.
    pub(crate) values: usize,
    /// How many of a hundred requests are a scanner's.
    pub(crate) noise: usize,
}

pub(crate) struct Request {
    pub(crate) path: String,
    /// `None` for noise.
    pub(crate) route: Option<String>,
    /// Answered 404.
    pub(crate) is_missing: bool,
}

impl Family {
    pub(crate) fn requests(&self, n: usize, is_skewed: bool, seed: u64) -> Vec<Request> {
        let mut random = Random::new(seed);
        let total: usize = self.routes.iter().map(|(w, _)| *w as usize).sum();
        let request = |_| {
            if random.below(100) < self.noise {
                return Request { path: junk(&mut random), route: None, is_missing: random.below(50) > 0 };
            }
            let mut at = random.below(total);
            let chosen = self.routes.iter().find(|(w, _)| {
                let is_it = at < *w as usize;
                at = at.wrapping_sub(*w as usize);
                is_it
            });
            let pattern = chosen.expect("a weight below the total").1;
            let (path, route) = self.fill(pattern, is_skewed, &mut random);
            Request { path, route: Some(route), is_missing: random.below(40) == 0 }
        };
        (0..n).map(request).collect()
    }

    fn fill(&self, pattern: &str, is_skewed: bool, random: &mut Random) -> (String, String) {
        let (mut path, mut route, mut last) = (String::new(), String::new(), 0);
        let mut rest = pattern;
        while let Some(open) = rest.find('{') {
            let close = open + rest[open..].find('}').expect("braces are paired");
            let pool = &rest[open + 1..close];
            let pick = |random: &mut Random, n| if is_skewed { random.skewed(n) } else { random.below(n) };
            path.push_str(&rest[..open]);
            route.push_str(&rest[..open]);
            let value = match pool {
                "int" => random.below(9_000_000).to_string(),
                "year" => (2008 + random.below(18)).to_string(),
                "month" => format!("{:02}", 1 + random.below(12)),
                "uuid" => random.uuid(),
                "hex" => random.hex(40),
                "date" => format!("2026-0{}-1{}", 1 + random.below(9), random.below(9)),
                "snowflake" => (100_000_000_000_000_000 + random.draw() % 800_000_000_000_000_000).to_string(),
                "cus" => format!("cus_{}", random.token(14)),
                "ch" => format!("ch_3{}", random.token(22)),
                "sub" => format!("sub_1{}", random.token(22)),
                "team" => format!("T{}", random.code(8)),
                "hook" => format!("B{}", random.code(8)),
                "secret" => random.token(24),
                "sid" => format!("AC{}", random.hex(32)),
                "sm" => format!("SM{}", random.hex(32)),
                "pod" => {
                    let app = name(pick(random, self.values.min(40)));
                    format!("{app}-{}-{}", random.hex(10), &random.hex(6)[1..])
                }
                "object" => name(200 + pick(random, self.values * 4)),
                "tag" => {
                    ["latest", "stable", "edge", "alpine", "1.27", "v1.2.0", "bookworm"][random.below(7)].to_owned()
                }
                "zone" => ["us-central1-a", "us-east1-b", "europe-west1-d", "asia-east1-c"][random.below(4)].to_owned(),
                "slug" => title(pick(random, self.values * 8)),
                "key" => key(random, pick),
                "repo" => {
                    last = (last * 7 + random.skewed(5)) % (self.values * 3).max(8);
                    if last % 4 == 0 { title(last) } else { name(last + 60) }
                }
                _ => {
                    last = pick(random, self.values);
                    name(last)
                }
            };
            path.push_str(&value);
            route.push_str(shown(pool));
            rest = &rest[close + 1..];
        }
        path.push_str(rest);
        route.push_str(rest);
        (path, route)
    }
}

/// What a route shows of a pool.
fn shown(pool: &str) -> &'static str {
    match pool {
        "int" | "year" | "month" | "snowflake" => "{int}",
        "uuid" => "{uuid}",
        "hex" => "{hex}",
        "date" => "{date}",
        "key" => "*",
        _ => "{slug}",
    }
}

/// Keys of objects have as many segments as people like.
fn key(random: &mut Random, mut pick: impl FnMut(&mut Random, usize) -> usize) -> String {
    let mut key = String::new();
    for _ in 0..random.below(5) {
        let folder = match random.below(4) {
            0 => (2019 + random.below(8)).to_string(),
            1 => ["photos", "logs", "backup", "raw", "exports"][random.below(5)].to_owned(),
            _ => name(400 + pick(random, 300)),
        };
        key.push_str(&folder);
        key.push('/');
    }
    let file = name(1_000 + pick(random, 900));
    let extension = ["jpg", "gz", "parquet", "json", "txt"][random.below(5)];
    format!("{key}{file}.{extension}")
}

/// What scanners try.
fn junk(random: &mut Random) -> String {
    const FIXED: [&str; 22] = [
        "/wp-login.php",
        "/.env",
        "/.git/config",
        "/xmlrpc.php",
        "/phpmyadmin/index.php",
        "/admin/login.php",
        "/cgi-bin/luci",
        "/cgi-bin/test.cgi",
        "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
        "/actuator/health",
        "/actuator/env",
        "/solr/admin/info/system",
        "/HNAP1",
        "/boaform/admin/formLogin",
        "/manager/html",
        "/.aws/credentials",
        "/server-status",
        "/owa/auth/logon.aspx",
        "/wp-includes/wlwmanifest.xml",
        "/api/.env",
        "/config.json",
        "/telescope/requests",
    ];
    let word = |random: &mut Random| name(2_000 + random.below(6_000));
    match random.below(10) {
        0 | 1 => FIXED[random.below(FIXED.len())].to_owned(),
        2 | 3 => format!("/{}.php", word(random)),
        4 => format!("/{}", word(random)),
        5 => format!("/{}/{}.php", word(random), word(random)),
        6 => format!("/cgi-bin/{}.cgi", word(random)),
        7 => format!("/wp-content/plugins/{}/readme.txt", word(random)),
        8 => format!("/{}/.env", word(random)),
        _ => format!("/{}.zip", word(random)),
    }
}
