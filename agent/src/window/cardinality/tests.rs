//! Laws of full tables: the heavy keep their numbers, nobody else can take them, and nothing grows.

use proptest::prelude::*;

use super::*;

fn room(names: usize, awards: usize) -> Room {
    Room { names, bytes: 1 << 20, awards, forgets: true }
}

fn once() -> Came {
    Came { count: 1, answered: 1 }
}

fn refused() -> Came {
    Came { count: 1, answered: 0 }
}

/// One transaction of this name; whether it had a number.
fn come(table: &mut Table, name: &str, came: Came) -> bool {
    let is_known = table.find(name.as_bytes(), came).is_some();
    is_known || table.admit(name.as_bytes(), came).is_some()
}

#[test]
fn names_get_numbers_while_there_is_room() {
    let mut table = Table::new(room(3, 1));
    for name in ["a", "b", "c", "a"] {
        assert!(come(&mut table, name, once()), "{name}");
    }
    assert!(!come(&mut table, "d", once()));
    assert_eq!((table.n_names(), table.is_full()), (3, true));
}

#[test]
fn a_heavy_newcomer_gets_the_number_of_a_light_name() {
    let mut table = Table::new(room(3, 1));
    for (name, n) in [("heavy", 100), ("light", 1), ("middle", 10), ("new", 5)] {
        (0..n).for_each(|_| _ = come(&mut table, name, once()));
    }
    let freed = table.settle(116);
    assert_eq!(freed.iter().map(|(_, name)| &**name).collect::<Vec<_>>(), [b"light"]);
    assert!(come(&mut table, "new", once()), "it is told apart from now on");
    assert!(!come(&mut table, "light", once()), "and who was lighter is not");
    assert!(come(&mut table, "heavy", once()) && come(&mut table, "middle", once()));
}

#[test]
fn newcomers_that_are_no_heavier_take_nothing() {
    let mut table = Table::new(room(2, 8));
    for name in ["a", "b"] {
        (0..10).for_each(|_| _ = come(&mut table, name, once()));
    }
    (0..10).for_each(|_| _ = come(&mut table, "c", once()));
    (0..79).for_each(|_| _ = come(&mut table, "tried out", refused()));
    assert!(table.settle(109).is_empty());
}

#[test]
fn names_that_are_made_up_are_rationed() {
    let mut table = Table::new(room(100, 4));
    let mut n_numbers = 0;
    for second in 0..50 {
        for i in 0..2_000 {
            let name = format!("{second} {}", i / 2);
            n_numbers += usize::from(table.find(name.as_bytes(), once()).is_none() && come(&mut table, &name, once()));
        }
        table.settle(2_000);
    }
    assert!(n_numbers <= 100 + 50 * 4, "{n_numbers}");
    assert!(table.n_names() <= 100 && table.newcomers.known.len() <= NEWCOMERS);
}

#[test]
fn who_comes_again_and_again_is_told_apart_among_any_number_that_come_once() {
    // From the first line on, twenty who come once for each who comes again; and the table was filled by those.
    let mut table = Table::new(room(1_000, 32));
    let mut folded = [0; 100];
    for i in 0..200_000_u32 {
        match i % 20 {
            0 => {
                folded[(i / 20 % 100) as usize] +=
                    usize::from(!come(&mut table, &format!("real {}", i / 20 % 100), once()));
            }
            _ => _ = come(&mut table, &format!("junk {i}"), once()),
        }
        if i % 10_000 == 0 {
            table.settle(10_000);
        }
    }
    // A hundred transactions each: a few went by until each had come twice and been awarded a number.
    assert!(folded.iter().all(|n| *n < 30), "{folded:?}");
    for i in 0..100 {
        assert!(table.find(format!("real {i}").as_bytes(), once()).is_some(), "{i}");
    }
}

#[test]
fn names_that_nobody_uses_go_once_nobody_makes_names_up() {
    let mut table = Table::new(room(100, 4));
    (0..5_000).for_each(|i| _ = come(&mut table, &format!("junk {i}"), once()));
    let mut freed = 0;
    for _ in 0..8 {
        come(&mut table, "junk 7", once());
        freed += table.settle(HALVED_AFTER).len();
    }
    assert_eq!((freed, table.n_names(), table.is_full()), (99, 1, false));
    assert!(come(&mut table, "new", once()), "there is room at once");
}

#[test]
fn long_names_are_bounded_by_their_bytes() {
    let mut table = Table::new(Room { bytes: 10_000, ..room(1_000, 4) });
    (0..500).for_each(|i| _ = come(&mut table, &format!("{i:0500}"), once()));
    assert_eq!(table.n_names(), 20);
    assert!(table.bytes <= 10_000);
}

#[test]
fn pinned_names_stay() {
    let mut table = Table::new(room(2, 4));
    let other = table.pin(b"(other)");
    (0..1_000).for_each(|i| _ = come(&mut table, &format!("junk {}", i / 3), once()));
    (0..9).for_each(|_| _ = table.settle(HALVED_AFTER));
    assert_eq!(table.find(b"(other)", once()), Some(other));
}

proptest! {
    #[test]
    fn numbers_are_of_one_name_each_and_the_same_names_get_the_same(
        names in proptest::collection::vec((0..60u32, any::<bool>()), 0..600),
        room_for in 1..20usize,
        every in 1..50usize,
    ) {
        let run = || {
            let mut table = Table::new(room(room_for, 3));
            let mut named = std::collections::HashMap::new();
            let mut story = Vec::new();
            for (i, (name, is_answered)) in names.iter().enumerate() {
                let (name, came) = (format!("n{name}"), if *is_answered { once() } else { refused() });
                let number = table.find(name.as_bytes(), came).or_else(|| table.admit(name.as_bytes(), came));
                if let Some(number) = number {
                    // A number has meant this name since it was freed.
                    assert_eq!(named.entry(number).or_insert_with(|| name.clone()), &name);
                }
                story.push(number);
                if i % every == 0 {
                    for (number, name) in table.settle(1 << 18) {
                        assert_eq!(named.remove(&number).map(String::into_bytes), Some(name.into_vec()));
                    }
                }
                assert!(table.n_names() <= room_for);
                assert_eq!(table.bytes, table.slots.iter().map(|slot| slot.name.len()).sum::<usize>());
                assert_eq!(table.index.len(), table.n_names());
            }
            story
        };
        prop_assert_eq!(run(), run());
    }
}
