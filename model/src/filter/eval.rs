//! Matching an expression against facts. In: an [`Expr`] and what is known of one thing. Out: whether it matches.

use super::{Expr, Field, StatusTest, Test};
use crate::Status;

/// What is known of one cell, anomaly or transaction.
pub trait Facts {
    /// The texts under which a name field goes (a route goes by template and by method and template); none when it
    /// has no such field.
    fn names(&self, field: Field) -> [Option<&str>; 2];

    /// A number in the field's base unit: microseconds, bytes, microseconds since the epoch.
    fn number(&self, _field: Field) -> Option<f64> {
        None
    }

    /// Its status.
    fn status(&self) -> Option<Status>;

    /// Whether the words appear in it; by default, in any of its names.
    fn has_text(&self, words: &str) -> bool {
        let wanted = words.to_lowercase();
        Field::ALL.iter().any(|&f| self.names(f).into_iter().flatten().any(|n| n.to_lowercase().contains(&wanted)))
    }
}

impl Expr {
    /// Whether these facts match. A condition on something that is not known does not match.
    pub fn matches(&self, facts: &impl Facts) -> bool {
        match self {
            Self::All => true,
            Self::And(es) => es.iter().all(|e| e.matches(facts)),
            Self::Or(es) => es.iter().any(|e| e.matches(facts)),
            Self::Not(e) => !e.matches(facts),
            Self::Term(term) => term.test.matches(facts),
        }
    }
}

impl Test {
    fn matches(&self, facts: &impl Facts) -> bool {
        match self {
            Self::Name(field, glob) => facts.names(*field).into_iter().flatten().any(|n| glob_matches(glob, n)),
            Self::Number(field, compare) => facts.number(*field).is_some_and(|x| compare.holds(x)),
            Self::Status(test) => facts.status().is_some_and(|s| test.matches(s)),
            Self::Text(words) => facts.has_text(words),
        }
    }
}

impl StatusTest {
    /// Whether this status is among them.
    pub fn matches(&self, status: Status) -> bool {
        match *self {
            Self::Class(class) => status.class() == class,
            Self::Range(low, high) => status.http().is_some_and(|c| (low..=high).contains(&c)),
            Self::Ended(ended) => status == ended,
        }
    }
}

/// Whether a name matches a glob: `*` stands for any text, `\*` for a star; letter case does not matter. Linear in
/// practice, at worst the product of both lengths.
pub fn glob_matches(glob: &str, name: &str) -> bool {
    let pattern = pattern(glob);
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                star = Some((p, n));
                p += 1;
            }
            Some(Piece::One(c)) if c.eq_ignore_ascii_case(&name[n]) || c.to_lowercase().eq(name[n].to_lowercase()) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|x| *x == Piece::Any)
}

#[derive(PartialEq)]
enum Piece {
    Any,
    One(char),
}

fn pattern(glob: &str) -> Vec<Piece> {
    let mut out = Vec::with_capacity(glob.len());
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '*' => Piece::Any,
            '\\' => Piece::One(chars.next().unwrap_or('\\')),
            c => Piece::One(c),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse;

    struct Order;

    impl Facts for Order {
        fn names(&self, field: Field) -> [Option<&str>; 2] {
            match field {
                Field::Service => [Some("checkout"), None],
                Field::Route => [Some("/v1/orders"), Some("POST /v1/orders")],
                Field::Method => [Some("POST"), None],
                Field::Consumer => [Some("Acme*Co"), None],
                _ => [None, None],
            }
        }

        fn number(&self, field: Field) -> Option<f64> {
            (field == Field::Duration).then_some(250_000.0)
        }

        fn status(&self) -> Option<Status> {
            Some(Status::code(503))
        }
    }

    #[test]
    fn matching() {
        for (text, want) in [
            ("", true),
            ("service:checkout", true),
            ("service:CHECK*", true),
            ("service:check", false),
            ("route:/v1/orders", true),
            ("route:\"POST /v1/orders\"", true),
            ("route:*orders method:post", true),
            ("consumer:acme\\*co", true),
            ("consumer:acme\\*", false),
            ("status:5xx", true),
            ("status:500..504", true),
            ("status:<503", false),
            ("status:reset", false),
            ("duration:>250ms", false),
            ("duration:>=250ms", true),
            ("-status:4xx", true),
            ("version:1", false),
            ("-version:1", true),
            ("service:x OR method:POST", true),
            ("service:x OR (method:POST status:200)", false),
            ("acme", true),
            ("\"nobody\"", false),
        ] {
            let expr = parse(text).unwrap_or_else(|e| unreachable!("{text}: {e}"));
            assert_eq!(expr.matches(&Order), want, "{text}");
        }
    }

    #[test]
    fn globs() {
        for (glob, name, want) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("é*", "Éa", true),
            ("", "a", false),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(glob_matches(glob, name), want, "{glob} {name}");
        }
        assert!(!glob_matches(&"*a".repeat(50), &"a".repeat(40)));
    }
}
