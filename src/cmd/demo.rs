//! `pitot demo`: a small API under traffic with three incidents, watched by agent, collector and dashboard.
//!
//! Everything is real: sockets, packets, an access log, reports over HTTP on the loopback interface. The agent reads the
//! packets where it may capture, else the log. On a terminal the dashboard is shown; without one, a line every few
//! seconds. In the end: the report of the log, what was noticed, and whether every request was counted. It succeeds only
//! if all three incidents were noticed.

use std::{
    future::pending,
    io::{IsTerminal, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use pitot_agent::{
    enrich::Settings,
    io::{Captures, Daemon, Followed, Live, LiveSpec, Order, Scan, Shipped, SourceSpec, scan},
    packets,
    parse::Wanted,
    spool::SpoolConfig,
    window::{Limits, Summary},
};
use pitot_client::Client;
use pitot_collector::{Collector, Config};
use pitot_model::{
    TimeRange, Timestamp,
    api::{AnomalyQuery, GroupBy, State, TableQuery},
    show_duration,
};
use pitot_tui::{Options, Span};
use tokio::sync::mpsc;

use super::{live, query, report, runtime, sources, tui};
use crate::{
    cli,
    demo::{self, Play, Sightings, Truth},
};

/// The loopback interface.
const LOOPBACK: &str = if cfg!(target_os = "linux") { "lo" } else { "lo0" };

const WINDOW: Duration = Duration::from_secs(1);
const SHIP_EVERY: Duration = Duration::from_millis(250);
/// How long it plays without a terminal.
const UNWATCHED: Duration = Duration::from_secs(120);
/// Time between two status lines.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Time between two looks at the anomalies.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long anomalies may take to resolve once the traffic is over.
const SETTLE: Duration = Duration::from_secs(15);

pub(crate) fn run(args: &cli::Demo) -> anyhow::Result<ExitCode> {
    let is_watched = std::io::stdout().is_terminal() && !args.plain;
    // Before there are threads and files: privileges end here.
    let door = Door::open(args.door)?;
    let runtime = runtime::runtime()?;
    let directory = TemporaryDirectory::new()?;
    let name = door.name();
    let ended = runtime.block_on(play(args, door, is_watched, &directory.0))?;
    let complete = tell(&ended, &name, &directory.0.join("access.log"))?;
    // The server's last connections need not be waited for.
    runtime.shutdown_background();
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the agent gets the traffic from.
enum Door {
    /// The access log, and why not packets.
    Log(String),
    /// Packets of the loopback interface, and what became of privileges.
    Packets(Live, String),
}

impl Door {
    /// The one that is asked for, else packets where that is allowed.
    fn open(wanted: Option<cli::Door>) -> anyhow::Result<Self> {
        if wanted == Some(cli::Door::Log) {
            return Ok(Self::Log(String::new()));
        }
        // All ports: which one the API gets is not known yet.
        match live::open(&[LiveSpec::new(LOOPBACK)], None, &[]) {
            Ok((live, privileges)) => Ok(Self::Packets(live, privileges)),
            Err(error) if wanted.is_some() => Err(error),
            Err(_) => Ok(Self::Log(", since packets may not be captured".to_owned())),
        }
    }

    /// In a few words.
    fn name(&self) -> String {
        match self {
            Self::Log(_) => "the access log".to_owned(),
            Self::Packets(..) => format!("packets on {LOOPBACK}"),
        }
    }

    /// In more.
    fn describe(&self) -> String {
        match self {
            Self::Log(why) => format!("{}{why}", self.name()),
            Self::Packets(_, privileges) => format!("{} ({privileges})", self.name()),
        }
    }

    fn is_log(&self) -> bool {
        matches!(self, Self::Log(_))
    }

    /// The capture of the API at this port.
    fn into_captures(self, port: u16) -> Option<Captures> {
        let Self::Packets(live, _) = self else { return None };
        let packets = packets::Options { ports: vec![port], ..packets::Options::default() };
        Some(Captures { live, packets })
    }
}

/// What is known when the play is over.
struct Ended {
    /// Whether it was played to its end, and not stopped by a person.
    is_over: bool,
    truth: Truth,
    shipped: Shipped,
    sightings: Sightings,
    /// Where counts differ from the requests made.
    differences: Vec<String>,
}

async fn play(args: &cli::Demo, door: Door, is_watched: bool, directory: &Path) -> anyhow::Result<Ended> {
    let log = directory.join("access.log");
    let listener = super::collector::listen(&args.listen.to_string()).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let collector = pitot_collector::open(Config { window: WINDOW, ..Config::default() })?;
    let server = tokio::spawn({
        let collector = collector.clone();
        async move { collector.serve(listener, pending()).await }
    });
    let client = Client::connect(&url)?;
    let duration = args.duration.or(if is_watched { None } else { Some(UNWATCHED) });
    let mut play = demo::play(demo::Options { duration, seed: args.seed }, &log).await?;
    if !is_watched {
        say(&format!(
            "API on http://{}, {} read by an agent, collector and page on {url}",
            play.address(),
            door.describe()
        ))?;
    }
    // The agent ends when nobody can give it orders any more.
    let (stop, orders) = mpsc::channel(1);
    let source = format!("demo: {}, {url}", door.name());
    let agent = follow(door, play.address().port(), &log, client.clone(), orders);
    let mut agent = std::pin::pin!(agent);
    let mut sightings = Sightings::default();
    let is_over = tokio::select! {
        shipped = &mut agent => anyhow::bail!("the demo's agent stopped after {} reports", shipped?.reports),
        is_over = watch(&mut play, &client, source, is_watched, &mut sightings) => is_over?,
    };
    let truth = play.stop().await;
    drop(stop);
    let shipped = agent.await?;
    if is_over {
        settle(&client, &mut sightings).await?;
    }
    let differences = differences(&client, &truth).await?;
    server.abort();
    close(collector).await;
    Ok(Ended { is_over, truth, shipped, sightings, differences })
}

async fn close(collector: Collector) {
    collector.close().await;
}

/// An agent on the demo's packets, or on its log.
async fn follow(
    door: Door,
    port: u16,
    log: &Path,
    client: Client,
    orders: mpsc::Receiver<Order>,
) -> anyhow::Result<Shipped> {
    let log = Followed { path: log.to_owned(), format: None, consumer: None, from_start: true };
    let daemon = Daemon {
        name: "demo".to_owned(),
        instance: String::new(),
        files: if door.is_log() { vec![log] } else { Vec::new() },
        syslog: Vec::new(),
        settings: settings(),
        window: WINDOW,
        ship_every: SHIP_EVERY,
        range: TimeRange::ALL,
        keeps_all: true,
        ends_when_read: false,
        spool: SpoolConfig::default(),
        stop_within: Duration::from_secs(10),
    };
    Ok(pitot_agent::io::run(daemon, door.into_captures(port), vec![client], orders).await?)
}

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        default_service: sources::DEFAULT_SERVICE.to_owned(),
        service: None,
        templates: pitot_agent::enrich::Templates::default(),
        // The demo's names are made up.
        pseudonyms: pitot_agent::enrich::Pseudonyms::raw(),
        consumers: Arc::new(pitot_agent::enrich::Consumers::led_by("x-consumer-username")),
    })
}

/// Until the play is over, or the dashboard was quit, or a signal came. Whether it was the first.
async fn watch(
    play: &mut Play,
    client: &Client,
    source: String,
    is_watched: bool,
    sightings: &mut Sightings,
) -> anyhow::Result<bool> {
    if is_watched {
        let options = Options {
            source,
            range: Span::Last(Duration::from_secs(5 * 60)),
            colors: tui::colors(false),
            refresh: Duration::from_secs(1),
            ..Options::default()
        };
        tokio::select! {
            shown = pitot_tui::run(client.clone(), options) => return Ok(shown.map(|()| false)?),
            () = look_for_ever(client, sightings) => {}
            () = play.finished() => {}
        }
        return Ok(true);
    }
    let mut stop = std::pin::pin!(runtime::stop_signal());
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mut told = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = play.finished() => return Ok(true),
            () = &mut stop => return Ok(false),
            _ = ticks.tick() => look(client, sightings).await,
        }
        if told.elapsed() >= TELL_EVERY {
            told = tokio::time::Instant::now();
            tell_status(play, client).await?;
        }
    }
}

async fn look_for_ever(client: &Client, sightings: &mut Sightings) {
    loop {
        look(client, sightings).await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Notes all anomalies as they are now. A look that fails is made up for by the next.
async fn look(client: &Client, sightings: &mut Sightings) {
    let all = AnomalyQuery { limit: Some(1000), ..AnomalyQuery::default() };
    if let Ok(page) = client.anomalies(&all).await {
        page.anomalies.into_iter().for_each(|a| sightings.note(query::now(), a));
    }
}

async fn tell_status(play: &Play, client: &Client) -> anyhow::Result<()> {
    let progress = play.progress();
    let from = query::now() - Duration::from_secs(10);
    let recent = TableQuery { from: Some(from), by: GroupBy::None, ..TableQuery::default() };
    let Ok(table) = client.table(&recent).await else { return Ok(()) };
    let open = client.anomalies(&AnomalyQuery { q: "state:open".into(), ..AnomalyQuery::default() }).await?;
    let p99 = table.totals.duration_us.p99.map_or("–".into(), |us| show_duration(Duration::from_micros(us)));
    let total = progress.total.map_or(String::new(), |t| format!("/{}s", t.as_secs()));
    let mut line = format!(
        "{:>4}s{total}  {:>6} requests  {:>4.0}/s  p99 {p99:>7}  errors {:>5.2} %  open anomalies {}",
        progress.elapsed.as_secs(),
        progress.requests,
        table.totals.count as f64 / table.range.len().as_secs_f64().max(1.0),
        table.totals.error_ratio() * 100.0,
        open.anomalies.iter().filter(|a| a.state == State::Open).count(),
    );
    if let Some(incident) = progress.incident {
        line.push_str(&format!("  ◀ {incident}"));
    }
    say(&line)
}

/// Waits until the anomalies are resolved, or long enough.
async fn settle(client: &Client, sightings: &mut Sightings) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + SETTLE;
    loop {
        look(client, sightings).await;
        let open = client.anomalies(&AnomalyQuery { q: "state:open".into(), ..AnomalyQuery::default() }).await?;
        if open.count == 0 || tokio::time::Instant::now() >= deadline {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where what was counted differs from what was made.
async fn differences(client: &Client, truth: &Truth) -> anyhow::Result<Vec<String>> {
    let (from, to) = (Some(truth.started - Duration::from_secs(5)), Some(truth.ended + Duration::from_secs(5)));
    let mut all = Vec::new();
    for by in [GroupBy::None, GroupBy::Route, GroupBy::Consumer, GroupBy::Status] {
        let table = client.table(&TableQuery { from, to, by, limit: Some(0), ..TableQuery::default() }).await?;
        all.extend(demo::differences(&truth.made, by, &table.rows));
    }
    Ok(all)
}

/// The report of the log, what was noticed, what was counted. Whether all is well.
fn tell(ended: &Ended, door: &str, log: &Path) -> anyhow::Result<bool> {
    let specs = [SourceSpec { path: log.to_owned(), format: None, consumer: None }];
    let wanted = Wanted { range: TimeRange::ALL, keep_rejected: false };
    let mut summary = Summary::default();
    let scanned = scan(
        &specs,
        &Scan { settings: settings(), wanted, packets: packets::Options::default(), threads: 1 },
        |batch| summary.add(batch),
    )?;
    let doc = summary.document(env!("CARGO_PKG_VERSION"), scanned.sources, Limits { routes: 12, consumers: 10 });
    let is_terminal = std::io::stdout().is_terminal();
    let style = report::style(is_terminal, is_terminal);
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    crate::report::write(&doc, crate::report::Format::Text, &style, &mut out).context("cannot write the report")?;
    let verdict = demo::judge(&ended.truth, &ended.sightings);
    if ended.is_over || !ended.truth.incidents.is_empty() {
        writeln!(out, "\n{verdict}")?;
    }
    if !ended.is_over {
        writeln!(out, "\nStopped before its end; incidents that were going on are not judged.")?;
    }
    let (made, counted) = (ended.truth.made.total(), ended.shipped.coverage.transactions);
    let counted = format!("Requests made {made}, counted {counted} from {door}");
    match ended.differences.is_empty() {
        true => writeln!(out, "{counted}, by route, consumer and status alike")?,
        false => writeln!(out, "{counted}, and these differ\n  {}", ended.differences.join("\n  "))?,
    }
    // To stop it is no failure.
    Ok((verdict.is_complete() || !ended.is_over) && ended.differences.is_empty())
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A directory that is removed when it is dropped.
struct TemporaryDirectory(std::path::PathBuf);

impl TemporaryDirectory {
    fn new() -> anyhow::Result<Self> {
        let now: Timestamp = query::now();
        let name = format!("pitot-demo-{}-{}", std::process::id(), now.as_micros());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What is left behind is a log in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
