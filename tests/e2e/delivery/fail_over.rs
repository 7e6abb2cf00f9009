//! An agent with two collectors: it changes over between those that share a store, and waits for the one that may hold
//! what it was not told.

use std::{thread, time::Duration};

use super::{
    daemons::{Daemon, Place},
    forwarder::Forwarder,
    logs::{Log, Way},
    random::Random,
    truth,
};
use crate::daemons::PATIENCE;

#[test]
fn an_agent_changes_over_between_two_ways_to_one_store() {
    let seed = Random::seed();
    eprintln!("PITOT_SEED={seed}");
    let mut random = Random::new(seed);
    let place = Place::new();
    let (mut collector, api) = Daemon::collector(&place.dir("collector"), &place.path().join("data"));
    let ways = [(); 2].map(|()| Forwarder::start(api.target.clone(), random.fork()));
    let mut log = Log::create(&place.dir("logs"), Way::Numbered);
    let mut agent = Daemon::agent(&place.dir("agent"), &config(&place, &ways, &log));
    collector.start();
    agent.start();
    // Before it knows the store it would wait for whom it asked first.
    log.write(10, &mut random);
    truth::settle(&api, log.whole_lines(), PATIENCE).unwrap();
    agent.wait_for_acknowledgement(&place.path().join("state"));
    for (first_is_cut, second_is_cut) in [(false, false), (true, false), (false, true), (true, true), (true, false)] {
        ways[0].cut(first_is_cut);
        ways[1].cut(second_is_cut);
        for way in &ways {
            way.lose_answers(20);
        }
        log.write(random.between(50, 500), &mut random);
        let lines = log.whole_lines();
        if first_is_cut && second_is_cut {
            agent.wait_for("not taken");
        } else {
            truth::settle(&api, lines, PATIENCE).unwrap_or_else(|why| panic!("PITOT_SEED={seed}: {why}"));
        }
    }
    let truth = log.finish();
    truth::settle(&api, truth.lines, PATIENCE).unwrap_or_else(|why| panic!("PITOT_SEED={seed}: {why}"));
    for way in &ways {
        way.lose_answers(0);
    }
    agent.stop();
    assert!(ways.iter().all(|w| w.carried() > 0), "only one of the two ways was used");
    let differences = truth.differences(&api);
    assert!(differences.is_empty(), "PITOT_SEED={seed}: {differences}");
    truth::assert_full(&api, truth.lines);
}

#[test]
fn what_one_store_may_hold_waits_for_it_and_goes_to_no_other() {
    let seed = Random::seed();
    eprintln!("PITOT_SEED={seed}");
    let mut random = Random::new(seed);
    let place = Place::new();
    let mut collectors =
        ["first", "second"].map(|name| Daemon::collector(&place.dir(name), &place.dir(name).join("data")));
    let ways = [0, 1].map(|i| Forwarder::start(collectors[i].1.target.clone(), random.fork()));
    let mut log = Log::create(&place.dir("logs"), Way::Numbered);
    let mut agent = Daemon::agent(&place.dir("agent"), &config(&place, &ways, &log));
    for (collector, _) in &mut collectors {
        collector.start();
    }
    log.write(100, &mut random);
    agent.start();
    let [(_, first), (_, second)] = &collectors;
    truth::settle(first, log.whole_lines(), PATIENCE).unwrap();
    agent.wait_for_acknowledgement(&place.path().join("state"));
    // The first takes a report, and then neither says so nor answers again.
    ways[0].lose_answers(100);
    log.write(100, &mut random);
    truth::settle(first, log.whole_lines(), PATIENCE).unwrap();
    ways[0].cut(true);
    log.write(100, &mut random);
    let tried = ways[0].carried();
    // It goes on trying the first, and perhaps asks the second who it is.
    let deadline = std::time::Instant::now() + PATIENCE;
    while ways[0].carried() < tried + 4 {
        assert!(std::time::Instant::now() < deadline, "the agent does not try the first collector again");
        thread::sleep(Duration::from_millis(50));
    }
    let strayed = second.table("none", "")["totals"]["count"].as_u64().unwrap();
    assert_eq!(strayed, 0, "transactions went to a store that does not hold what was there before");
    // Not after a restart either.
    agent.kill();
    agent.start();
    let tried = ways[0].carried();
    while ways[0].carried() < tried + 4 {
        assert!(std::time::Instant::now() < deadline, "the agent does not try the first collector again");
        thread::sleep(Duration::from_millis(50));
    }
    ways[0].lose_answers(0);
    ways[0].cut(false);
    let truth = log.finish();
    truth::settle(first, truth.lines, PATIENCE).unwrap_or_else(|why| panic!("PITOT_SEED={seed}: {why}"));
    agent.stop();
    assert_eq!(second.table("none", "")["totals"]["count"], 0);
    let differences = truth.differences(first);
    assert!(differences.is_empty(), "PITOT_SEED={seed}: {differences}");
}

#[test]
fn what_the_first_store_may_hold_waits_for_it_also_before_the_store_is_known() {
    let seed = Random::seed();
    eprintln!("PITOT_SEED={seed}");
    let mut random = Random::new(seed);
    let place = Place::new();
    let mut collectors =
        ["first", "second"].map(|name| Daemon::collector(&place.dir(name), &place.dir(name).join("data")));
    let ways = [0, 1].map(|i| Forwarder::start(collectors[i].1.target.clone(), random.fork()));
    let mut log = Log::create(&place.dir("logs"), Way::Numbered);
    let mut agent = Daemon::agent(&place.dir("agent"), &config(&place, &ways, &log));
    for (collector, _) in &mut collectors {
        collector.start();
    }
    let [(_, first), (_, second)] = &collectors;
    // The first takes the very first report, and nobody ever hears of it.
    ways[0].lose_answers(100);
    log.write(100, &mut random);
    agent.start();
    truth::settle(first, log.whole_lines(), PATIENCE).unwrap();
    agent.kill();
    ways[0].refuse(true);
    agent.start();
    agent.wait_for("not taken");
    log.write(100, &mut random);
    // Time enough for a few rounds.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(second.table("none", "")["totals"]["count"], 0, "the other store got what the first one holds");
    ways[0].lose_answers(0);
    ways[0].refuse(false);
    let truth = log.finish();
    truth::settle(first, truth.lines, PATIENCE).unwrap_or_else(|why| panic!("PITOT_SEED={seed}: {why}"));
    agent.stop();
    assert_eq!(second.table("none", "")["totals"]["count"], 0);
    let differences = truth.differences(first);
    assert!(differences.is_empty(), "PITOT_SEED={seed}: {differences}");
}

fn config(place: &Place, ways: &[Forwarder; 2], log: &Log) -> String {
    let [first, second] = [0, 1].map(|i| ways[i].url());
    let (state, log) = (place.path().join("state"), log.path.display());
    format!(
        "name = \"web-1\"\ncollector = [\"{first}\", \"{second}\"]\nstate = \"{}\"\nship_every = \"100ms\"\n[[source]]\n\
         path = \"{log}\"\nfrom_start = true\n",
        state.display()
    )
}
