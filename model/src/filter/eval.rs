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
        let mut unlimited = u64::MAX;
        self.matches_within(facts, &mut unlimited) == Some(true)
    }

    /// As [`Expr::matches`], for filters of strangers: takes what it costs from `steps`, about one per character that is
    /// looked at, eight beyond ASCII, and at least one per condition. `None` when they are used up.
    pub fn matches_within(&self, facts: &impl Facts, steps: &mut u64) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::And(es) => Self::first(es, false, facts, steps),
            Self::Or(es) => Self::first(es, true, facts, steps),
            Self::Not(e) => e.matches_within(facts, steps).map(|is| !is),
            Self::Term(term) => term.test.matches(facts, steps),
        }
    }

    /// Whether one of them is `decisive`, which is the answer then.
    fn first(es: &[Self], decisive: bool, facts: &impl Facts, steps: &mut u64) -> Option<bool> {
        for e in es {
            if e.matches_within(facts, steps)? == decisive {
                return Some(decisive);
            }
        }
        Some(!decisive)
    }
}

impl Test {
    fn matches(&self, facts: &impl Facts, steps: &mut u64) -> Option<bool> {
        *steps = steps.checked_sub(1)?;
        match self {
            Self::Name(field, glob) => {
                for name in facts.names(*field).into_iter().flatten() {
                    if glob_within(glob, name, steps)? {
                        return Some(true);
                    }
                }
                Some(false)
            }
            Self::Number(field, compare) => Some(facts.number(*field).is_some_and(|x| compare.holds(x))),
            Self::Status(test) => Some(facts.status().is_some_and(|s| test.matches(s))),
            Self::Text(words) => Some(facts.has_text(words)),
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
/// practice, at worst the product of both lengths; allocates nothing.
pub fn glob_matches(glob: &str, name: &str) -> bool {
    let mut unlimited = u64::MAX;
    glob_within(glob, name, &mut unlimited) == Some(true)
}

/// `None` when the steps are used up.
fn glob_within(glob: &str, name: &str, steps: &mut u64) -> Option<bool> {
    let (mut p, mut n, is_ascii) = (0, 0, glob.is_ascii());
    // Behind the last star, and where the name goes on that the star does not stand for.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name[n..].chars().next() {
        // Letter case costs that much more beyond ASCII.
        *steps = steps.checked_sub(if is_ascii && c.is_ascii() { 1 } else { 8 })?;
        match piece(&glob[p..]) {
            Some((Piece::Any, len)) => {
                p += len;
                if p == glob.len() {
                    return Some(true);
                }
                star = Some((p, n));
            }
            Some((Piece::One(wanted), len)) if same(wanted, c) => {
                p += len;
                n += c.len_utf8();
            }
            _ => {
                let Some((behind, from)) = star else { return Some(false) };
                let next = from + name[from..].chars().next().map_or(1, char::len_utf8);
                star = Some((behind, next));
                (p, n) = (behind, next);
            }
        }
    }
    Some(glob[p..].bytes().all(|b| b == b'*'))
}

enum Piece {
    Any,
    One(char),
}

/// The first piece of a glob, and its bytes.
fn piece(glob: &str) -> Option<(Piece, usize)> {
    let mut chars = glob.chars();
    Some(match chars.next()? {
        '*' => (Piece::Any, 1),
        '\\' => chars.next().map_or((Piece::One('\\'), 1), |c| (Piece::One(c), 1 + c.len_utf8())),
        c => (Piece::One(c), c.len_utf8()),
    })
}

fn same(a: char, b: char) -> bool {
    a.eq_ignore_ascii_case(&b) || !(a.is_ascii() && b.is_ascii()) && a.to_lowercase().eq(b.to_lowercase())
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
            ("**a", "bÉa", true),
            ("*é", "aÉ", true),
            ("*é*x", "ÉéÉ", false),
            ("a\\*", "a", false),
            ("a**", "a", true),
            ("\u{212a}", "k", true),
        ] {
            assert_eq!(glob_matches(glob, name), want, "{glob} {name}");
        }
        assert!(!glob_matches(&"*a".repeat(50), &"a".repeat(40)));
    }

    #[test]
    fn a_filter_of_a_stranger_stops_when_its_steps_are_used_up() {
        struct Named(String);
        impl Facts for Named {
            fn names(&self, field: Field) -> [Option<&str>; 2] {
                [(field == Field::Route).then_some(self.0.as_str()), None]
            }

            fn status(&self) -> Option<Status> {
                None
            }
        }
        let route = Named("a".repeat(512));
        let expr = parse("route:*a*a*a*a0*z OR -route:*aaaaaaaab*").unwrap_or_else(|e| unreachable!("{e}"));
        let mut steps = 100_000;
        assert_eq!(expr.matches_within(&route, &mut steps), Some(expr.matches(&route)));
        assert!((1_000..99_000).contains(&steps), "{steps}");
        assert_eq!(expr.matches_within(&route, &mut 1_000), None);
        assert_eq!(Expr::All.matches_within(&route, &mut 0), Some(true));
    }
}
