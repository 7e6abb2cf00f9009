//! Screens as text. A changed one is reviewed as code is.

use super::*;

const SMALL: (u16, u16) = (80, 24);
const MIDDLE: (u16, u16) = (120, 40);
const LARGE: (u16, u16) = (200, 50);

/// A screen under a name, at each of these sizes.
fn pin(name: &str, world: World, keys: &str, sizes: &[(u16, u16)]) {
    for &size in sizes {
        let mut stage = Stage::new(world, size);
        stage.press(keys);
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), stage.screen());
    }
}

#[test]
fn overview() {
    pin("overview", World::Shop, "", &[SMALL, MIDDLE, LARGE, (60, 16)]);
}

#[test]
fn routes_and_consumers() {
    pin("routes", World::Shop, "2↓↓", &[SMALL, MIDDLE, LARGE]);
    pin("consumers", World::Shop, "3", &[SMALL, LARGE]);
}

#[test]
fn detail_of_a_route_of_a_service() {
    pin("detail", World::Shop, "↓⏎↓↓⏎", &[SMALL, MIDDLE, LARGE]);
}

#[test]
fn anomalies_and_their_explanation() {
    pin("anomalies", World::Shop, "4↓", &[SMALL, MIDDLE, LARGE]);
    pin("explain", World::Shop, "4⏎", &[SMALL, MIDDLE]);
}

#[test]
fn heat_map() {
    pin("heat", World::Shop, "5", &[SMALL, MIDDLE, LARGE]);
}

#[test]
fn coverage() {
    pin("coverage", World::Lossy, "6", &[SMALL, MIDDLE, LARGE]);
    pin("coverage_full", World::Shop, "6", &[SMALL]);
    pin("coverage_least", World::Lossy, "6", &[(60, 16)]);
}

#[test]
fn one_agent() {
    pin("agent", World::Lossy, "6↓⏎", &[SMALL, MIDDLE]);
    pin("agent_refused", World::Lossy, "6↓↓⏎", &[SMALL]);
}

#[test]
fn a_silent_agent() {
    pin("silent", World::Lossy, "4⏎", &[SMALL, MIDDLE]);
}

#[test]
fn lossy_numbers_are_marked() {
    pin("lossy", World::Lossy, "", &[SMALL, MIDDLE]);
}

#[test]
fn empty() {
    pin("empty", World::Empty, "", &[SMALL, LARGE]);
    pin("empty_filter", World::Shop, "/consumer:nobody⏎", &[SMALL]);
    pin("empty_heat", World::Empty, "5", &[SMALL]);
}

#[test]
fn help() {
    pin("help", World::Shop, "?", &[SMALL, MIDDLE]);
}

#[test]
fn filters_and_their_errors() {
    pin("filter", World::Shop, "/status:5xx", &[SMALL]);
    pin("filter_error", World::Shop, "/service:a colour:red", &[SMALL]);
    pin("command_error", World::Shop, ":sort colour⏎", &[SMALL]);
}

#[test]
fn too_small() {
    pin("too_small", World::Shop, "", &[(59, 16), (60, 15), (20, 3)]);
    Stage::new(World::Shop, (1, 1)).screen();
}

#[test]
fn loading_before_the_first_answer() {
    let mut app = App::new(Options::default(), Timestamp::from_secs(fake::NOW));
    app.handle(Event::Resize(80, 24));
    let stage = Stage { app, world: World::Shop, is_away: false, size: SMALL, asked: Vec::new(), has_quit: false };
    insta::assert_snapshot!("loading_80x24", stage.screen());
}

#[test]
fn disconnected_keeps_the_last_data() {
    for size in [SMALL, MIDDLE] {
        let mut stage = Stage::new(World::Shop, size);
        stage.is_away = true;
        stage.wait(4);
        insta::assert_snapshot!(format!("disconnected_{}x{}", size.0, size.1), stage.screen());
    }
    let mut stage = Stage::new(World::Shop, SMALL);
    stage.app = App::new(Options::default(), Timestamp::from_secs(fake::NOW));
    stage.is_away = true;
    stage.send(Event::Resize(80, 24));
    insta::assert_snapshot!("never_connected_80x24", stage.screen());
}

#[test]
fn frozen_and_past() {
    pin("frozen", World::Shop, " ", &[SMALL]);
    pin("past", World::Shop, "[", &[SMALL]);
}

#[test]
fn no_size_breaks_a_view() {
    for keys in ["", "2", "3", "4", "4⏎", "5", "6", "6↓⏎", "↓⏎⏎", "?", "/x:", ":x⏎"] {
        for world in [World::Shop, World::Empty, World::Lossy] {
            for size in [(60, 16), (61, 17), (75, 19), (300, 16), (60, 120), (500, 200)] {
                let mut stage = Stage::new(world, size);
                stage.press(keys);
                assert!(stage.screen().contains("pitot"), "{keys} {size:?}");
            }
        }
    }
}
