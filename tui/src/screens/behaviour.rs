//! What the dashboard asks, follows and says, by keys and answers.

use pitot_model::api::{GroupBy, LiveEvent};
use ratatui::style::{Color, Modifier};

use super::*;
use crate::{
    drill::View,
    event::{Ask, What},
};

fn stage() -> Stage {
    Stage::new(World::Shop, (120, 40))
}

/// What is asked while these keys are pressed and then so much time passes.
fn asked(stage: &mut Stage, keys: &str, seconds: u64) -> Vec<What> {
    stage.asked.clear();
    stage.press(keys).wait(seconds);
    stage.asked.iter().map(|q| q.slot.what).collect()
}

#[test]
fn the_first_question_is_where_the_data_is() {
    let stage = stage();
    assert_eq!(stage.asked[0].ask, Ask::Status);
    let mut ends = stage.asked.iter().filter_map(|q| match &q.ask {
        Ask::Table(t) => t.to,
        _ => None,
    });
    assert!(ends.all(|to| to == Timestamp::from_secs(fake::NOW)), "the data's end and not the clock's");
}

#[test]
fn data_of_another_time_is_asked_for_as_soon_as_it_is_known() {
    let mut s = Stage::new(World::Empty, (120, 40));
    s.send(Event::LiveLink(true));
    s.app.now = Timestamp::from_secs(fake::NOW + 86_400 * 300);
    s.world = World::Shop;
    s.press("r");
    assert!(s.screen().contains("checkout") && !s.screen().contains("updating"), "{}", s.screen());
}

#[test]
fn drilling_narrows_the_filter_and_widens_it_again() {
    let mut s = stage();
    for (keys, view, filter) in [
        ("↓⏎", View::Routes, "service:checkout"),
        ("↓↓⏎", View::Detail, "service:checkout method:POST route:/v1/orders"),
        ("↓⏎", View::Detail, "service:checkout method:POST route:/v1/orders consumer:bulk-importer evidence:key"),
        ("⎋", View::Detail, "service:checkout method:POST route:/v1/orders"),
        ("5", View::HeatMap, "service:checkout method:POST route:/v1/orders"),
        ("⌫", View::Routes, "service:checkout"),
        ("1", View::Overview, ""),
    ] {
        s.press(keys);
        assert_eq!((s.app.drill.top().view, s.app.scoped_filter().as_str()), (view, filter), "{keys}");
        assert!(s.asked.iter().any(|q| q.slot.filter == filter), "{filter} was asked");
    }
}

#[test]
fn going_back_shows_the_screen_at_once() {
    let mut s = stage();
    let before = s.screen();
    s.press("⏎");
    s.is_away = true;
    s.press("⎋");
    let after = s.screen();
    assert!(after.contains("accounts") && before.contains("accounts"));
}

#[test]
fn a_filter_is_taken_only_when_it_parses() {
    let mut s = stage();
    s.press("/status:abc⏎");
    assert_eq!(s.app.filter, "");
    assert!(s.screen().contains("`abc` is no status"));
    s.press("⌫⌫⌫5xx⏎");
    assert_eq!(s.app.filter, "status:5xx");
    assert!(s.asked.iter().any(|q| q.slot.filter == "status:5xx"));
    s.press("/⌫⌫⌫⎋");
    assert_eq!(s.app.filter, "status:5xx", "cancelled");
    s.press("⎋");
    assert_eq!(s.app.filter, "", "Esc at the top clears it");
}

#[test]
fn fields_of_a_filter_are_completed() {
    let mut s = stage();
    s.press("/ser");
    assert!(s.screen().contains("Tab  service:"));
    s.press("⇥shop sta⇥⇥us:5xx⏎");
    assert_eq!(s.app.filter, "service:shop status:5xx");
}

#[test]
fn news_of_anomalies_are_told_for_a_while() {
    let mut s = stage();
    let Some(mut anomaly) = s.app.anomalies().first().cloned() else { unreachable!("the shop has some") };
    anomaly.title = "orders \u{1b}[5m fail".into();
    let news = || Event::Live(Box::new(LiveEvent::Anomaly { anomaly: Box::new(anomaly.clone()) }));
    s.send(news());
    assert!(s.screen().contains("▲ orders \u{FFFD}[5m fail"));
    s.wait(7).send(news());
    assert!(!s.screen().contains("orders \u{FFFD}"));
}

#[test]
fn frozen_asks_nothing_more_until_one_goes_elsewhere() {
    let mut s = stage();
    let what = asked(&mut s, " ", 60);
    assert_eq!(what, [], "frozen");
    assert!(s.screen().contains("FROZEN 08:45:00"));
    let what = asked(&mut s, "2", 0);
    assert!(what.contains(&What::Rows(GroupBy::Route)) && !what.contains(&What::Status));
    let what = asked(&mut s, "[", 0);
    assert!(what.contains(&What::Rows(GroupBy::Route)), "another time");
    let what = asked(&mut s, "s", 0);
    assert!(what.contains(&What::Rows(GroupBy::Route)), "another order");
    s.press(".");
    let what = asked(&mut s, "  ", 0);
    assert!(what.contains(&What::Rows(GroupBy::Route)));
    assert!(s.screen().contains("LIVE"));
}

#[test]
fn brackets_travel_in_time() {
    let mut s = stage();
    let to = |s: &Stage| s.app.extent.map(|e| s.app.travel.range(&e).to.as_secs() - fake::NOW);
    for (keys, want) in [("[", -450), ("[", -900), ("]", -450), ("]", 0), ("]", 0), ("[", -450), (".", 0)] {
        s.press(keys);
        assert_eq!(to(&s), Some(want), "{keys}");
    }
    s.press("+");
    assert_eq!(s.app.travel.span.to_string(), "1h");
    s.press("++");
    assert_eq!(s.app.travel.span.to_string(), "all", "there are two hours of data");
}

#[test]
fn numbers_of_another_range_are_marked_until_theirs_come() {
    let mut s = stage();
    let Some(Command::Ask { batch, questions }) = s.app.handle(Event::Key(KeyCode::Char('[').into())).pop() else {
        unreachable!("it asks");
    };
    assert!(s.screen().contains("updating …"));
    let answers = questions.into_iter().map(|q| (q.slot, Ok(fake::answer(World::Shop, &q.ask)))).collect();
    s.app.handle(Event::Answers { batch, answers });
    assert!(!s.screen().contains("updating …"));
}

#[test]
fn questions_wait_for_news_and_for_the_refresh() {
    let mut s = stage();
    s.send(Event::LiveLink(true));
    assert_eq!(asked(&mut s, "", 9), [], "no news");
    assert!(!asked(&mut s, "", 2).is_empty(), "all the same after a while");
    let watermark = Timestamp::from_secs(fake::NOW + 10);
    s.asked.clear();
    s.send(Event::Live(Box::new(LiveEvent::Data { watermark, transactions: 5 })));
    assert!(s.asked.is_empty(), "it was asked just now");
    assert!(!asked(&mut s, "", 2).is_empty());
    s.send(Event::LiveLink(false));
    assert!(!asked(&mut s, "", 2).is_empty(), "without live events it polls");
}

#[test]
fn a_slow_collector_is_asked_more_rarely() {
    let mut s = stage();
    let Some(Command::Ask { batch, questions }) = s.app.handle(Event::Key(KeyCode::Char('r').into())).pop() else {
        unreachable!("it asks");
    };
    s.wait(5);
    let answers = questions.into_iter().map(|q| (q.slot, Ok(fake::answer(World::Shop, &q.ask)))).collect();
    s.app.handle(Event::Answers { batch, answers });
    assert_eq!(asked(&mut s, "", 14), [], "it worked for five seconds");
    assert!(!asked(&mut s, "", 1).is_empty());
}

#[test]
fn a_lost_collector_is_tried_again_ever_more_rarely() {
    let mut s = stage();
    s.is_away = true;
    let what = asked(&mut s, "", 60);
    let tries = what.iter().filter(|w| **w == What::Status).count();
    assert!((4..=8).contains(&tries), "{tries}");
    assert!(s.screen().contains("DISCONNECTED"));
    s.is_away = false;
    s.press("r");
    assert!(!s.screen().contains("DISCONNECTED"));
}

#[test]
fn the_way_from_an_anomaly_to_its_traffic() {
    let mut s = stage();
    s.press("4⏎⏎");
    assert_eq!(s.app.drill.top().view, View::Detail);
    assert_eq!(s.app.scoped_filter(), "service:catalog method:GET route:/v1/search");
    s.press("12↓e");
    assert_eq!(s.app.explained().map(|a| a.id.as_str()), Some("latency-search-1"));
    s.press("n");
    assert_eq!(s.app.explained().map(|a| a.id.as_str()), Some("errors-orders-1"));
    s.press("NN");
    assert!(s.screen().contains("no further anomaly"));
}

#[test]
fn the_way_to_an_agent_and_back() {
    let mut s = Stage::new(World::Lossy, (120, 40));
    let what = asked(&mut s, "6", 0);
    assert!(what.contains(&What::Agents) && !what.contains(&What::Coverage));
    let what = asked(&mut s, "↓⏎", 0);
    assert!(what.contains(&What::Coverage));
    assert_eq!(s.app.agent().map(|a| a.name.as_str()), Some("edge-eu-west-1a.example.net"), "the second worst");
    let asked = s.asked.iter().find_map(|q| if let Ask::Coverage(c) = &q.ask { c.agent.as_deref() } else { None });
    assert_eq!(asked, Some("edge-eu-west-1a.example.net"));
    s.press("⎋");
    assert_eq!((s.app.drill.top().view, s.app.drill.top().cursor.index), (View::Coverage, 1));
    s.press("4⏎⏎");
    assert_eq!(s.app.agent().map(|a| a.name.as_str()), Some("web-2"), "from its anomaly");
    s.press("2");
    assert_eq!(s.app.drill.top().view, View::Routes);
}

#[test]
fn late_answers_of_an_older_batch_are_dropped() {
    let mut s = stage();
    let Some(Command::Ask { batch, questions }) = s.app.handle(Event::Key(KeyCode::Char('r').into())).pop() else {
        unreachable!("it asks");
    };
    assert_eq!(asked(&mut s, "222", 0), [], "one batch is on its way");
    assert!(!asked(&mut s, "", 1).is_empty(), "it takes too long");
    let answers = questions.into_iter().map(|q| (q.slot, Err(away()))).collect();
    s.app.handle(Event::Answers { batch, answers });
    assert!(!s.screen().contains("DISCONNECTED"));
}

#[test]
fn names_cannot_command_the_terminal() {
    let mut s = stage();
    s.press("2");
    for cell in s.buffer().content() {
        assert!(!cell.symbol().chars().any(char::is_control), "{:?}", cell.symbol());
    }
    assert!(s.screen().contains('\u{FFFD}'));
}

#[test]
fn no_color_means_no_colour_anywhere() {
    let options = Options { colors: Colors::None, ..Options::default() };
    for keys in ["", "2", "4", "5", "6", "⏎⏎", "?"] {
        let mut s = Stage::with(World::Lossy, (120, 40), options.clone());
        s.press(keys);
        let buffer = s.buffer();
        assert!(buffer.content().iter().all(|c| c.fg == Color::Reset && c.bg == Color::Reset), "{keys}");
        let is_reversed = buffer.content().iter().any(|c| c.modifier.contains(Modifier::REVERSED));
        assert!(is_reversed || keys == "?", "the chosen one is to be seen: {keys}");
    }
}

#[test]
fn few_colours_stay_within_the_sixteen() {
    for theme in [ThemeName::Dark, ThemeName::Light] {
        let options = Options { colors: Colors::Ansi16, theme, ..Options::default() };
        for keys in ["", "4", "5"] {
            let mut s = Stage::with(World::Lossy, (120, 40), options.clone());
            s.press(keys);
            let is_rich = |c: Color| matches!(c, Color::Rgb(..) | Color::Indexed(_));
            assert!(!s.buffer().content().iter().any(|c| is_rich(c.fg) || is_rich(c.bg)), "{keys}");
        }
    }
}

#[test]
fn quitting() {
    for keys in ["q", ":q⏎", "2:quit⏎"] {
        assert!(stage().press(keys).has_quit, "{keys}");
    }
    assert!(!stage().press("?q").has_quit, "it closes the help first");
    assert!(!stage().press("/q⎋").has_quit);
}

#[test]
fn commands_change_what_is_asked() {
    let mut s = stage();
    s.press(":view routes⏎:sort p99⏎:range all⏎:filter status:5xx⏎");
    let last = s.asked.iter().rev().find_map(|q| match &q.ask {
        Ask::Table(t) if t.by == GroupBy::Route => Some(t.clone()),
        _ => None,
    });
    let last = last.expect("a table of routes");
    assert_eq!((last.q.as_str(), last.sort), ("status:5xx", pitot_model::api::SortBy::P99));
    assert_eq!(last.from, Some(Timestamp::from_secs(fake::NOW - 7_200)));
}
