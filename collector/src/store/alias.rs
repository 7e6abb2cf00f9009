//! Routes that were learned late: what was counted under one name belongs to another.
//!
//! In: [`RouteAlias`]es from reports, in any order. Out: the present name of a route. Chains are collapsed when they
//! arise, so one look-up is enough; cycles are refused.

use std::collections::HashMap;

use pitot_model::{Route, RouteAlias};

/// Aliases that a store keeps; further ones are refused and counted.
pub const ALIASES: usize = 16_384;

/// All aliases, by service.
#[derive(Debug, Clone, Default)]
pub struct Aliases {
    by_service: HashMap<String, Names>,
    len: usize,
}

#[derive(Debug, Clone, Default)]
struct Names {
    /// The present name of each earlier one; a present name has no entry.
    present: HashMap<Route, Route>,
    /// The earlier names of each present one, and some that have moved on since.
    earlier: HashMap<Route, Vec<Route>>,
}

/// Why an alias was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasError {
    /// It would lead back to itself.
    Cycle,
    /// There are [`ALIASES`] already.
    Full,
}

impl Aliases {
    /// Takes an alias; a second one for the same route replaces the first.
    pub fn insert(&mut self, alias: &RouteAlias) -> Result<(), AliasError> {
        let root = self.resolve(&alias.service, &alias.to).clone();
        if root == alias.from {
            return Err(AliasError::Cycle);
        }
        if self.len >= ALIASES {
            return Err(AliasError::Full);
        }
        let names = self.by_service.entry(alias.service.clone()).or_default();
        if names.present.insert(alias.from.clone(), root.clone()).is_none() {
            self.len += 1;
        }
        for name in names.earlier.remove(&alias.from).unwrap_or_default() {
            if names.present.get(&name) == Some(&alias.from) {
                names.earlier.entry(root.clone()).or_default().push(name.clone());
                names.present.insert(name, root.clone());
            }
        }
        names.earlier.entry(root).or_default().push(alias.from.clone());
        Ok(())
    }

    /// The present name of a route; itself where there is no alias.
    pub fn resolve<'a>(&'a self, service: &str, route: &'a Route) -> &'a Route {
        self.by_service.get(service).and_then(|names| names.present.get(route)).unwrap_or(route)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(from: &str, to: &str) -> RouteAlias {
        RouteAlias { service: "shop".into(), from: Route::new("GET", from), to: Route::new("GET", to) }
    }

    #[test]
    fn chains_collapse_in_any_order_and_cycles_are_refused() {
        for order in [[("/a", "/b"), ("/b", "/c")], [("/b", "/c"), ("/a", "/b")]] {
            let mut aliases = Aliases::default();
            for (from, to) in order {
                assert_eq!(aliases.insert(&alias(from, to)), Ok(()));
            }
            for from in ["/a", "/b", "/c"] {
                assert_eq!(aliases.resolve("shop", &Route::new("GET", from)).template, "/c", "{order:?}");
            }
            assert_eq!(aliases.insert(&alias("/c", "/a")), Err(AliasError::Cycle));
            assert_eq!(aliases.insert(&alias("/d", "/d")), Err(AliasError::Cycle));
            assert_eq!(aliases.len(), 2);
        }
    }

    #[test]
    fn aliases_belong_to_their_service() {
        let mut aliases = Aliases::default();
        assert_eq!(aliases.insert(&alias("/a", "/b")), Ok(()));
        assert_eq!(aliases.resolve("other", &Route::new("GET", "/a")).template, "/a");
    }

    #[test]
    fn a_full_table_refuses_more() {
        let mut aliases = Aliases::default();
        for i in 0..ALIASES {
            assert_eq!(aliases.insert(&alias(&format!("/{i}"), &format!("/to/{i}"))), Ok(()));
        }
        assert_eq!(aliases.insert(&alias("/more", "/x")), Err(AliasError::Full));
    }
}
