//! Which cells of a window match a filter. In: a filter and a window's dictionaries. Out: a test per cell that only
//! looks up bits.
//!
//! Every condition is decided once per resource, route or consumer of the dictionary; what is decided for the whole
//! window is folded away, so a window of another service costs one comparison.

use pitot_model::{
    Cell, Consumer, Evidence, Resource, Route, Status,
    filter::{Expr, Facts, Field, StatusTest, Test},
};

/// A filter, lowered to one window.
#[derive(Debug)]
pub(super) enum Select {
    Always(bool),
    /// By index of the route.
    Routes(Vec<bool>),
    /// By index of the consumer.
    Consumers(Vec<bool>),
    Status(StatusTest),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

/// The dictionaries of a window, with routes under their present names.
pub(super) struct Names<'a> {
    pub(super) resource: &'a Resource,
    pub(super) routes: Vec<&'a Route>,
    pub(super) consumers: &'a [Consumer],
}

impl Select {
    /// Lowers a filter. Conditions that cells cannot answer, which the parser's `only` refuses, match nothing.
    pub(super) fn new(expr: &Expr, names: &Names<'_>) -> Self {
        match expr {
            Expr::All => Self::Always(true),
            Expr::Not(e) => match Self::new(e, names) {
                Self::Always(b) => Self::Always(!b),
                inner => Self::Not(Box::new(inner)),
            },
            Expr::And(es) => join(es, names, false, Self::All),
            Expr::Or(es) => join(es, names, true, Self::Any),
            Expr::Term(term) => match (&term.test, term.test.field()) {
                (Test::Status(test), _) => Self::Status(*test),
                (_, Some(Field::Route | Field::Method)) => {
                    let each = names.routes.iter().map(|route| expr.matches(&Part::route(route)));
                    Self::Routes(each.collect())
                }
                (_, Some(Field::Consumer | Field::Evidence)) => {
                    let each = names.consumers.iter();
                    let each = each.map(|consumer| expr.matches(&Part { consumer: Some(consumer), ..Part::default() }));
                    Self::Consumers(each.collect())
                }
                _ => Self::Always(expr.matches(&Part { resource: Some(names.resource), ..Part::default() })),
            },
        }
    }

    /// Whether no cell of the window can match.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Always(false))
    }

    /// Whether a cell of the window matches.
    pub(super) fn takes(&self, cell: &Cell) -> bool {
        match self {
            Self::Always(b) => *b,
            Self::Routes(bits) => bits[cell.route as usize],
            Self::Consumers(bits) => bits[cell.consumer as usize],
            Self::Status(test) => test.matches(cell.status),
            Self::All(parts) => parts.iter().all(|p| p.takes(cell)),
            Self::Any(parts) => parts.iter().any(|p| p.takes(cell)),
            Self::Not(part) => !part.takes(cell),
        }
    }
}

/// Joins parts; one that is `decisive` for the whole window decides, those that are not go.
fn join(es: &[Expr], names: &Names<'_>, decisive: bool, make: fn(Vec<Select>) -> Select) -> Select {
    let mut parts = Vec::with_capacity(es.len());
    for e in es {
        match Select::new(e, names) {
            Select::Always(b) if b == decisive => return Select::Always(decisive),
            Select::Always(_) => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Select::Always(!decisive) } else { make(parts) }
}

/// What is known of a part of a cell; the whole cell when all are there.
#[derive(Default)]
struct Part<'a> {
    resource: Option<&'a Resource>,
    route: Option<&'a Route>,
    /// Method and template.
    shown: String,
    consumer: Option<&'a Consumer>,
    status: Option<Status>,
}

impl<'a> Part<'a> {
    fn route(route: &'a Route) -> Self {
        Self { route: Some(route), shown: route.to_string(), ..Self::default() }
    }
}

impl Facts for Part<'_> {
    fn names(&self, field: Field) -> [Option<&str>; 2] {
        let resource = |f: fn(&Resource) -> &String| [self.resource.map(|r| f(r).as_str()), None];
        match field {
            Field::Service => resource(|r| &r.service),
            Field::Version => resource(|r| &r.version),
            Field::Instance => resource(|r| &r.instance),
            Field::Route => [self.route.map(|r| r.template.as_str()), self.route.map(|_| self.shown.as_str())],
            Field::Method => [self.route.map(|r| r.method.as_str()), None],
            Field::Consumer => [self.consumer.map(|c| c.id.as_str()), None],
            Field::Evidence => [self.consumer.map(|c| c.evidence).map(Evidence::name), None],
            _ => [None, None],
        }
    }

    fn status(&self) -> Option<Status> {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::filter::parse;
    use proptest::prelude::*;

    use super::*;

    const TERMS: [&str; 12] = [
        "service:shop",
        "version:2",
        "instance:i*",
        "route:/a",
        "route:\"POST /b\"",
        "method:get",
        "consumer:ac*",
        "evidence:key",
        "status:5xx",
        "status:reset",
        "service:other",
        "route:*",
    ];

    proptest! {
        #[test]
        fn the_lowered_filter_is_the_filter(
            picks in proptest::collection::vec((0..TERMS.len(), any::<bool>(), any::<bool>()), 0..6),
            version in 1..3u8,
        ) {
            let mut q = String::new();
            for (i, (term, not, or)) in picks.iter().enumerate() {
                let glue = if i > 0 && *or { " OR " } else { " " };
                q = format!("{q}{glue}{}{}", if *not { "-" } else { "" }, TERMS[*term]);
            }
            let expr = parse(&q).expect("parses");
            let resource =
                Resource { service: "shop".into(), version: version.to_string(), instance: "i1".into() };
            let routes = [Route::new("GET", "/a"), Route::new("POST", "/b")];
            let consumers = [Consumer::new("acme", Evidence::Key), Consumer::new("bob", Evidence::User)];
            let names = Names { resource: &resource, routes: routes.iter().collect(), consumers: &consumers };
            let select = Select::new(&expr, &names);
            for status in [Status::code(200), Status::code(503), Status::RESET] {
                for (r, route) in routes.iter().enumerate() {
                    for (c, consumer) in consumers.iter().enumerate() {
                        let cell = Cell { route: r as u32, consumer: c as u32, status, ..Cell::default() };
                        let whole = Part {
                            resource: Some(&resource),
                            consumer: Some(consumer),
                            status: Some(status),
                            ..Part::route(route)
                        };
                        prop_assert_eq!(select.takes(&cell), expr.matches(&whole), "{} on {} {:?}", q, route, consumer);
                    }
                }
            }
        }
    }

    #[test]
    fn windows_of_others_are_left_at_once() {
        let resource = Resource { service: "shop".into(), ..Resource::default() };
        let names = Names { resource: &resource, routes: vec![], consumers: &[] };
        for (q, nothing) in
            [("service:pay route:/a", true), ("service:pay OR route:/a", false), ("-service:shop", true)]
        {
            let select = Select::new(&parse(q).expect("parses"), &names);
            assert_eq!(select.is_nothing(), nothing, "{q}");
        }
    }
}
