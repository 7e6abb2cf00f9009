//! Where one is: a stack of levels, from all services down to one consumer of one route. In: keys. Out: the view, the
//! scope as filter terms, the breadcrumb.

use pitot_model::{
    api::{GroupBy, RowKey, SortBy},
    filter::{Expr, Field},
};

use crate::text;

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Overview,
    Routes,
    Consumers,
    Anomalies,
    HeatMap,
    Coverage,
    /// All about one agent.
    Agent,
    /// All about one part of the traffic.
    Detail,
    /// All about one anomaly.
    Explain,
}

impl View {
    /// Those with a number, from 1 on.
    pub(crate) const TABS: [Self; 6] =
        [Self::Overview, Self::Routes, Self::Consumers, Self::Anomalies, Self::HeatMap, Self::Coverage];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Routes => "Routes",
            Self::Consumers => "Consumers",
            Self::Anomalies => "Anomalies",
            Self::HeatMap => "Heat map",
            Self::Coverage => "Coverage",
            Self::Agent => "Agent",
            Self::Detail => "Detail",
            Self::Explain => "Explain",
        }
    }

    /// For narrow screens.
    pub(crate) const fn short_title(self) -> &'static str {
        match self {
            Self::Overview => "Over",
            Self::HeatMap => "Heat",
            Self::Coverage => "Cover",
            _ => self.title(),
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = name.replace([' ', '-', '_'], "").to_lowercase();
        Self::TABS
            .into_iter()
            .find(|v| !name.is_empty() && v.title().replace(' ', "").to_lowercase().starts_with(&name))
    }
}

/// What one went into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Focus {
    /// A service, route, consumer or a combination.
    Part(RowKey),
    /// An anomaly by its id.
    Anomaly(String),
    /// An agent by its name.
    Agent(String),
}

/// One step down.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    pub(crate) view: View,
    pub(crate) focus: Option<Focus>,
    pub(crate) cursor: Cursor,
    pub(crate) sort: SortBy,
}

/// The selected row: it follows its id when rows change their order, else stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    pub(crate) index: usize,
    pub(crate) id: Option<String>,
}

impl Cursor {
    /// Finds itself again among these rows.
    pub(crate) fn settle(&mut self, ids: &[String]) {
        let found = self.id.as_ref().and_then(|id| ids.iter().position(|x| x == id));
        self.index = found.unwrap_or(self.index).min(ids.len().saturating_sub(1));
    }

    /// Moves by so many rows, staying among these.
    pub(crate) fn step(&mut self, by: isize, ids: &[String]) {
        self.settle(ids);
        self.index = self.index.saturating_add_signed(by).min(ids.len().saturating_sub(1));
        self.id = ids.get(self.index).cloned();
    }
}

/// Levels that one can go down; deeper ones are refused.
const DEPTH: usize = 12;

/// The stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drill {
    /// Never empty.
    levels: Vec<Level>,
}

impl Drill {
    pub(crate) fn new() -> Self {
        Self { levels: vec![Level::new(View::Overview, None)] }
    }

    pub(crate) fn top(&self) -> &Level {
        self.levels.last().expect("levels is never empty")
    }

    pub(crate) fn top_mut(&mut self) -> &mut Level {
        self.levels.last_mut().expect("levels is never empty")
    }

    /// Goes into something. `false` when that would change nothing, or is too deep.
    pub(crate) fn open(&mut self, view: View, focus: Focus) -> bool {
        let before = self.scope();
        self.levels.push(Level::new(view, Some(focus)));
        let is_new = matches!(view, View::Explain | View::Agent) || self.scope() != before;
        if !is_new || self.levels.len() > DEPTH {
            self.levels.pop();
            return false;
        }
        true
    }

    /// Goes out again. `false` at the top.
    pub(crate) fn back(&mut self) -> bool {
        let top = self.top();
        match (self.levels.len(), top.view) {
            (1, View::Overview) => return false,
            (1, _) => *self = Self::new(),
            _ => drop(self.levels.pop()),
        }
        true
    }

    /// Another view of the same scope; the overview is the way out of all scopes.
    pub(crate) fn switch(&mut self, view: View) {
        if view == View::Overview {
            *self = Self::new();
            return;
        }
        while matches!(self.top().view, View::Explain | View::Agent) {
            self.levels.pop();
        }
        if self.levels.is_empty() {
            *self = Self::new();
        }
        if self.top().view != view {
            let top = self.top_mut();
            (top.view, top.cursor, top.sort) = (view, Cursor::default(), SortBy::default());
        }
    }

    /// Everything that was gone into, as one key.
    pub(crate) fn scope(&self) -> RowKey {
        let mut key = RowKey::default();
        for level in &self.levels {
            if let Some(Focus::Part(part)) = &level.focus {
                key = merge(key, part);
            }
        }
        key
    }

    /// The names on the way here, made safe to show.
    pub(crate) fn crumbs(&self) -> Vec<String> {
        let mut crumbs = Vec::new();
        for level in &self.levels {
            match &level.focus {
                Some(Focus::Part(key)) => crumbs.push(name(key)),
                Some(Focus::Anomaly(_)) => crumbs.push("Anomaly".to_owned()),
                Some(Focus::Agent(name)) => crumbs.push(format!("Agent {}", text::clean(name))),
                None => {}
            }
        }
        let view = self.top().view;
        if !matches!(view, View::Detail | View::Explain | View::Agent) {
            crumbs.push(view.title().to_owned());
        }
        crumbs
    }
}

impl Level {
    fn new(view: View, focus: Option<Focus>) -> Self {
        Self { view, focus, cursor: Cursor::default(), sort: SortBy::default() }
    }
}

/// What a detail lists: the next thing that is not fixed yet.
pub(crate) fn next_group(scope: &RowKey) -> GroupBy {
    if scope.route.is_none() {
        GroupBy::Route
    } else if scope.consumer.is_none() {
        GroupBy::Consumer
    } else {
        GroupBy::Version
    }
}

/// The most special name in a key, made safe to show.
pub(crate) fn name(key: &RowKey) -> String {
    let text = match key {
        RowKey { consumer: Some(consumer), .. } if consumer.is_empty() => "(unknown)".to_owned(),
        RowKey { consumer: Some(consumer), .. } => consumer.clone(),
        RowKey { method: Some(method), route: Some(route), .. } => format!("{method} {route}"),
        RowKey { route: Some(route), .. } => route.clone(),
        RowKey { status: Some(status), .. } => status.to_string(),
        RowKey { version: Some(version), .. } if version.is_empty() => "(no version)".to_owned(),
        RowKey { version: Some(version), .. } => version.clone(),
        RowKey { method: Some(method), .. } => method.clone(),
        RowKey { service: Some(service), .. } if service.is_empty() => "(no service)".to_owned(),
        RowKey { service: Some(service), .. } => service.clone(),
        RowKey { agent: Some(agent), .. } => format!("agent {agent}"),
        _ => "everything".to_owned(),
    };
    text::clean(&text)
}

/// What a key says in all its parts: `shop · GET /v1/orders · consumer acme`.
pub(crate) fn full_name(key: &RowKey) -> String {
    let mut parts = Vec::new();
    let mut part = |is_there: bool, key: RowKey| {
        if is_there {
            // A service or a route is known by its looks; a bare number is not.
            let kind = match key {
                RowKey { version: Some(_), .. } => "version ",
                RowKey { consumer: Some(_), .. } => "consumer ",
                RowKey { status: Some(_), .. } => "status ",
                _ => "",
            };
            parts.push(format!("{kind}{}", name(&key)));
        }
    };
    part(key.service.is_some(), RowKey { service: key.service.clone(), ..RowKey::default() });
    part(key.version.is_some(), RowKey { version: key.version.clone(), ..RowKey::default() });
    let route = RowKey { method: key.method.clone(), route: key.route.clone(), ..RowKey::default() };
    part(key.route.is_some() || key.method.is_some(), route);
    part(key.consumer.is_some(), RowKey { consumer: key.consumer.clone(), ..RowKey::default() });
    part(key.status.is_some(), RowKey { status: key.status, ..RowKey::default() });
    if parts.is_empty() { name(key) } else { parts.join(" · ") }
}

/// What a person typed, within a scope, as one filter.
pub(crate) fn filter_within(typed: &str, scope: &RowKey) -> String {
    let evidence = scope.evidence.map(|e| e.name().to_owned());
    let status = scope.status.map(|s| format!("status:{s}"));
    let terms = [
        (Field::Service, &scope.service),
        (Field::Version, &scope.version),
        (Field::Method, &scope.method),
        (Field::Route, &scope.route),
        (Field::Consumer, &scope.consumer),
        (Field::Evidence, &evidence),
    ];
    let terms = terms.into_iter().filter_map(|(field, text)| text.as_ref().map(|t| Expr::is(field, t).to_string()));
    let terms: Vec<String> = terms.chain(status).collect();
    match (typed.trim(), terms.is_empty()) {
        (typed, true) => typed.to_owned(),
        ("", false) => terms.join(" "),
        (typed, false) => format!("({typed}) {}", terms.join(" ")),
    }
}

fn merge(under: RowKey, over: &RowKey) -> RowKey {
    RowKey {
        service: over.service.clone().or(under.service),
        version: over.version.clone().or(under.version),
        method: over.method.clone().or(under.method),
        route: over.route.clone().or(under.route),
        consumer: over.consumer.clone().or(under.consumer),
        evidence: over.evidence.or(under.evidence),
        group: over.group.clone().or(under.group),
        status: over.status.or(under.status),
        agent: over.agent.clone().or(under.agent),
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::{Evidence, filter};

    use super::*;

    fn service() -> RowKey {
        RowKey { service: Some("shop".into()), ..RowKey::default() }
    }

    fn route() -> RowKey {
        RowKey { method: Some("GET".into()), route: Some("/v1/a b".into()), ..service() }
    }

    fn consumer() -> RowKey {
        RowKey { consumer: Some("ac*me".into()), evidence: Some(Evidence::Key), ..RowKey::default() }
    }

    #[test]
    fn down_to_a_consumer_and_out_again() {
        let mut d = Drill::new();
        assert!(d.open(View::Routes, Focus::Part(service())));
        assert!(d.open(View::Detail, Focus::Part(route())));
        assert!(d.open(View::Detail, Focus::Part(consumer())));
        assert!(!d.open(View::Detail, Focus::Part(consumer())), "it would change nothing");
        assert_eq!(d.crumbs(), ["shop", "GET /v1/a b", "ac*me"]);
        assert_eq!(next_group(&d.scope()), GroupBy::Version);
        d.back();
        assert_eq!(next_group(&d.scope()), GroupBy::Consumer);
        d.back();
        assert_eq!(d.crumbs(), ["shop", "Routes"]);
        assert!(d.back());
        assert!(!d.back(), "the top");
    }

    #[test]
    fn views_keep_the_scope_and_the_overview_leaves_it() {
        let mut d = Drill::new();
        d.open(View::Routes, Focus::Part(service()));
        d.switch(View::HeatMap);
        assert_eq!((d.crumbs(), d.scope()), (vec!["shop".to_owned(), "Heat map".into()], service()));
        d.open(View::Explain, Focus::Anomaly("x".into()));
        d.switch(View::Consumers);
        assert_eq!((d.top().view, d.scope()), (View::Consumers, service()));
        d.switch(View::Overview);
        assert_eq!(d, Drill::new());
        d.switch(View::Coverage);
        assert!(d.back());
        assert_eq!(d, Drill::new());
    }

    #[test]
    fn scopes_as_filters() {
        let both = merge(route(), &consumer());
        for (typed, scope, want) in [
            ("", RowKey::default(), ""),
            (" status:5xx ", RowKey::default(), "status:5xx"),
            ("", route(), "service:shop method:GET route:\"/v1/a b\""),
            ("a OR b", consumer(), "(a OR b) consumer:ac\\*me evidence:key"),
            ("", RowKey { service: Some(String::new()), ..RowKey::default() }, "service:\"\""),
            ("", both, "service:shop method:GET route:\"/v1/a b\" consumer:ac\\*me evidence:key"),
        ] {
            let text = filter_within(typed, &scope);
            assert_eq!(text, want);
            assert!(filter::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_cursor_follows_its_row() {
        let ids = |s: &str| s.chars().map(String::from).collect::<Vec<_>>();
        let mut c = Cursor::default();
        c.step(1, &ids("abc"));
        assert_eq!((c.index, c.id.as_deref()), (1, Some("b")));
        c.settle(&ids("cab"));
        assert_eq!(c.index, 2);
        c.settle(&ids("ac"));
        assert_eq!(c.index, 1, "its row is gone: it stays near");
        c.step(isize::MAX, &ids("abc"));
        assert_eq!(c.index, 2);
        c.step(isize::MIN, &[]);
        assert_eq!((c.index, c.id), (0, None));
    }

    #[test]
    fn views_by_name() {
        for (name, want) in [("routes", Some(View::Routes)), ("heat", Some(View::HeatMap)), ("", None), ("x", None)] {
            assert_eq!(View::from_name(name), want, "{name}");
        }
    }
}
