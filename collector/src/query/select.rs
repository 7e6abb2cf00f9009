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
    /// Lowers a filter. Conditions that cells cannot answer, which the parser's `only` refuses, match nothing. What it
    /// costs, and what it will cost to try the cells of the window, is taken from `steps`; `None` when they are used up.
    pub(super) fn new(expr: &Expr, names: &Names<'_>, n_cells: usize, steps: &mut u64) -> Option<Self> {
        let asks = expr.fields();
        let routes = if asks.iter().any(|f| matches!(f, Field::Route | Field::Method | Field::Api)) {
            &names.routes[..]
        } else {
            &[]
        };
        let parts = Parts {
            resource: Part { resource: Some(names.resource), ..Part::default() },
            routes: routes.iter().map(|route| Part::route(route)).collect(),
            consumers: names.consumers.iter().map(|c| Part { consumer: Some(c), ..Part::default() }).collect(),
        };
        let select = parts.lower(expr, steps)?;
        *steps = steps.checked_sub(select.size() * n_cells as u64)?;
        Some(select)
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

    /// Conditions that one cell is tried with at most.
    fn size(&self) -> u64 {
        match self {
            Self::Always(_) => 0,
            Self::Routes(_) | Self::Consumers(_) | Self::Status(_) => 1,
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::size).sum(),
            Self::Not(part) => part.size(),
        }
    }
}

/// What the conditions of a filter are tried on, made once per window.
struct Parts<'a> {
    resource: Part<'a>,
    routes: Vec<Part<'a>>,
    consumers: Vec<Part<'a>>,
}

impl Parts<'_> {
    fn lower(&self, expr: &Expr, steps: &mut u64) -> Option<Select> {
        Some(match expr {
            Expr::All => Select::Always(true),
            Expr::Not(e) => match self.lower(e, steps)? {
                Select::Always(b) => Select::Always(!b),
                Select::Routes(bits) => Select::Routes(bits.into_iter().map(|b| !b).collect()),
                Select::Consumers(bits) => Select::Consumers(bits.into_iter().map(|b| !b).collect()),
                inner => Select::Not(Box::new(inner)),
            },
            Expr::And(es) => self.join(es, false, steps)?,
            Expr::Or(es) => self.join(es, true, steps)?,
            Expr::Term(term) => {
                let mut each = |parts: &[Part<'_>]| -> Option<Vec<bool>> {
                    parts.iter().map(|part| expr.matches_within(part, steps)).collect()
                };
                match (&term.test, term.test.field()) {
                    (Test::Status(test), _) => Select::Status(*test),
                    (_, Some(Field::Route | Field::Method | Field::Api)) => Select::Routes(each(&self.routes)?),
                    (_, Some(Field::Consumer | Field::Evidence | Field::Group)) => {
                        Select::Consumers(each(&self.consumers)?)
                    }
                    _ => Select::Always(expr.matches_within(&self.resource, steps)?),
                }
            }
        })
    }

    /// Joins parts; one that is `decisive` for the whole window decides, those that are not go, and bits become one.
    fn join(&self, es: &[Expr], decisive: bool, steps: &mut u64) -> Option<Select> {
        let (mut parts, mut routes, mut consumers) = (Vec::new(), None, None);
        for e in es {
            match self.lower(e, steps)? {
                Select::Always(b) if b == decisive => return Some(Select::Always(decisive)),
                Select::Always(_) => {}
                Select::Routes(bits) => unite(&mut routes, bits, decisive),
                Select::Consumers(bits) => unite(&mut consumers, bits, decisive),
                part => parts.push(part),
            }
        }
        parts.extend(routes.map(Select::Routes));
        parts.extend(consumers.map(Select::Consumers));
        Some(match parts.len() {
            0 => Select::Always(!decisive),
            1 => parts.swap_remove(0),
            _ if decisive => Select::Any(parts),
            _ => Select::All(parts),
        })
    }
}

/// Joins bits to those before: where one is `decisive`, the joint one is.
fn unite(all: &mut Option<Vec<bool>>, bits: Vec<bool>, decisive: bool) {
    match all {
        None => *all = Some(bits),
        Some(all) => all.iter_mut().zip(bits).filter(|(_, b)| *b == decisive).for_each(|(a, _)| *a = decisive),
    }
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
            Field::Api => [self.route.and_then(Route::api_version), None],
            Field::Consumer => [self.consumer.map(|c| c.id.as_str()), None],
            Field::Evidence => [self.consumer.map(|c| c.evidence).map(Evidence::name), None],
            Field::Group => [self.consumer.map(|c| c.group.as_str()), None],
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

    const TERMS: [&str; 13] = [
        "service:shop",
        "version:2",
        "instance:i*",
        "route:/v1/a",
        "route:\"POST /b\"",
        "method:get",
        "api:v1",
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
            let routes = [Route::new("GET", "/v1/a"), Route::new("POST", "/b")];
            let consumers = [Consumer::new("acme", Evidence::Key), Consumer::new("bob", Evidence::User)];
            let names = Names { resource: &resource, routes: routes.iter().collect(), consumers: &consumers };
            let select = Select::new(&expr, &names, 12, &mut 1_000_000).expect("steps are left");
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
    fn many_conditions_on_many_routes_are_given_up_in_time() {
        let q = ["route:*a*a*a*a0*z"; 180].join(" OR ");
        let expr = parse(&q).expect("parses");
        let routes: Vec<Route> = (0..20_000).map(|i| Route::new("GET", format!("/{}/{i}", "a".repeat(40)))).collect();
        let resource = Resource::default();
        let names = Names { resource: &resource, routes: routes.iter().collect(), consumers: &[] };
        let mut steps = 10_000_000;
        assert!(Select::new(&expr, &names, routes.len(), &mut steps).is_none());
        assert!(steps < 1_000, "it is given up when the steps are used up: {steps}");
        let (ordinary, mut steps) = (parse("route:/aaa* -method:POST service:*").expect("parses"), 1_000_000);
        let select = Select::new(&ordinary, &names, routes.len(), &mut steps).expect("steps are left");
        assert!(matches!(select, Select::Routes(bits) if bits.iter().all(|b| *b)), "conditions on routes become one");
    }

    #[test]
    fn windows_of_others_are_left_at_once() {
        let resource = Resource { service: "shop".into(), ..Resource::default() };
        let names = Names { resource: &resource, routes: vec![], consumers: &[] };
        for (q, nothing) in
            [("service:pay route:/a", true), ("service:pay OR route:/a", false), ("-service:shop", true)]
        {
            let select = Select::new(&parse(q).expect("parses"), &names, 0, &mut 1_000_000).expect("steps are left");
            assert_eq!(select.is_nothing(), nothing, "{q}");
        }
    }
}
