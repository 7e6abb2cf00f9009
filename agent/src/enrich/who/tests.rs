//! Names and groups of consumers, and what is left out.

use std::sync::Arc;

use super::*;
use crate::enrich::{Entry, Pseudonyms, Templates};

fn settings(entries: &[(&str, Option<&str>, Option<&str>)], excluded: &[&str]) -> Settings {
    let entry = |(pattern, name, group): &(&str, Option<&str>, Option<&str>)| Entry {
        pattern: (*pattern).to_owned(),
        name: name.map(str::to_owned),
        group: group.map(str::to_owned),
    };
    let names = Names::new(entries.iter().map(entry).collect());
    let excluded: Vec<_> = excluded.iter().map(|group| (*group).to_owned()).collect();
    Settings {
        default_service: "default".into(),
        service: None,
        templates: Templates::default(),
        pseudonyms: Pseudonyms::keyed(&[7; 32]),
        consumers: Arc::new(Consumers { names, ..Consumers::default() }.without(&excluded)),
    }
}

#[test]
fn consumers_get_names_and_groups() {
    let pseudonym = Pseudonyms::keyed(&[7; 32]).name(b"ak_2", Evidence::Key);
    let settings = settings(
        &[
            ("ak_1", Some("acme"), Some("partners")),
            (&pseudonym, Some("beta"), None),
            ("10.0.0.7", Some("exact"), None),
            ("10.0.0.0/8", None, Some("inside")),
            ("10.1.0.0/16", Some("office"), None),
            ("batch-*", Some("batch"), Some("jobs")),
            ("ak_*", None, Some("tests")),
            ("2001:DB8::0001", Some("six"), None),
        ],
        &[],
    );
    for (id, evidence, class, want, group) in [
        ("ak_1", Evidence::Key, Class::Caller, Some("acme"), "partners"),
        ("ak_1", Evidence::Key, Class::Bot, Some("acme"), "partners"),
        ("ak_2", Evidence::Key, Class::Caller, Some("beta"), ""),
        ("ak_2", Evidence::Key, Class::Health, Some("beta"), ""),
        ("ak_3", Evidence::Key, Class::Caller, None, "tests"),
        ("10.0.0.7", Evidence::Address, Class::Caller, Some("exact"), ""),
        ("10.0.0.8", Evidence::Address, Class::Caller, None, "inside"),
        ("10.1.0.8", Evidence::Address, Class::Caller, Some("office"), ""),
        ("2001:db8::1", Evidence::Address, Class::Caller, Some("six"), ""),
        ("batch-7", Evidence::Name, Class::Caller, Some("batch"), "jobs"),
        ("jane", Evidence::User, Class::Bot, Some("jane"), ""),
        ("192.0.2.1", Evidence::Address, Class::Bot, None, "bots"),
        ("10.0.0.8", Evidence::Address, Class::Health, None, "inside"),
        ("", Evidence::None, Class::Health, None, "health"),
    ] {
        let (name, who) = tell(&settings, id.as_bytes(), evidence, None, class);
        assert_eq!(settings.consumers.names.group(who.group), group, "{id}");
        assert!(want.is_none_or(|want| want == name), "{id}: {name}");
        assert_eq!(who.evidence, evidence, "{id}");
        assert!(!name.contains("ak_") && !format!("{:?}", settings.consumers).contains("ak_"), "{id}: {name}");
    }
}

#[test]
fn groups_are_left_out() {
    let settings = settings(&[("acme", None, Some("partners"))], &["bots", "partners", "unheard"]);
    for (id, evidence, class, want) in [
        ("acme", Evidence::Name, Class::Caller, true),
        ("jane", Evidence::Name, Class::Bot, false),
        ("10.0.0.1", Evidence::Address, Class::Bot, true),
        ("10.0.0.1", Evidence::Address, Class::Health, false),
        ("10.0.0.1", Evidence::Address, Class::Caller, false),
    ] {
        let (_, who) = tell(&settings, id.as_bytes(), evidence, None, class);
        assert_eq!(settings.consumers.excludes(who.group), want, "{id}");
    }
}

#[test]
fn credentials_are_known_by_the_hash_of_their_pseudonym() {
    let keyed = settings(&[("ak_1", Some("acme"), None)], &[]);
    let (name, who) = tell(&keyed, b"ak_1", Evidence::Key, None, Class::Caller);
    assert_eq!(name, "acme");
    let pseudonym = Pseudonyms::keyed(&[7; 32]).name(b"ak_1", Evidence::Key);
    assert_eq!(who.credential, Some(Distinct::hash(pseudonym.as_bytes())));
    assert_eq!(tell(&keyed, b"acme", Evidence::Name, None, Class::Caller).1.credential, None);
    assert!(tell(&keyed, b"jane", Evidence::User, None, Class::Caller).1.credential.is_some());
    let raw = Settings { pseudonyms: Pseudonyms::raw(), ..settings(&[], &[]) };
    assert_eq!(tell(&raw, b"ak_1", Evidence::Key, None, Class::Caller).1.credential, None);
}
