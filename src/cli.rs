//! What can be typed: commands and their flags. In: arguments. Out: typed values, checked by clap.

mod access;
mod contract;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use pitot_agent::{
    io::{BUFFER_BYTES, SNAPLEN, SNAPLEN_MIN},
    packets::Network,
};
use pitot_collector::access::Scope;
use pitot_model::{Timestamp, api::GroupBy, parse_duration};

pub(crate) use self::{
    access::{Access, token_from_env},
    contract::{Contract, ContractCommand, DocumentFormat},
};
use crate::report;

const LONG: &str = "\
pitot tells, for every service, route and consumer of an HTTP API: how many requests, how slow, how broken, since when, \
and because of whom. It reads access logs and packets; nobody has to touch the application.

  pitot report access.log        percentiles, routes and consumers of a log, now
  pitot report traffic.pcap      the same of captured packets
  pitot top -i eth0 --port 80    a dashboard of what passes a network interface
  pitot top access.log           the same, as a dashboard that follows the file
  pitot demo                     a small API under traffic with incidents, watched";

#[derive(Debug, Parser)]
#[command(name = "pitot", version, about = "API observability from access logs and packets", long_about = LONG)]
#[command(arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a live dashboard of log files or a network interface, in one process
    Top(Top),
    /// Read logs and captures to their end and print a report
    Report(Report),
    /// Print the routes that are learned from logs and captures, or why a path belongs to its route
    Routes(Routes),
    /// Print one line per transaction
    Replay(Replay),
    /// Follow logs and interfaces, and ship what happens to a collector
    Agent(Agent),
    /// Take reports, keep them, detect anomalies, answer queries
    Collector(Collector),
    /// Show the dashboard of a collector
    Tui(Tui),
    /// Ask a collector for anomalies, tables or series
    Query(Query),
    /// Compare what is called with what OpenAPI documents describe; or describe what is called
    Contract(Contract),
    /// List the agents that ship to a collector: which lag, lose or are silent
    Agents(Agents),
    /// Tell a running agent or collector to read its configuration anew
    Reload(Reload),
    /// Make a token for agents or people, and what the collector has to know of it
    Token(Token),
    /// Print the pseudonym of a key, for a file of names of consumers
    Pseudonym(Pseudonym),
    /// Play a small API under traffic with three incidents, and watch it
    Demo(Demo),
    /// Check configuration files, or print a sample of one
    Check(Check),
    /// Print completions for a shell
    Completions {
        /// Shell to complete in
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// What to read, and how.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// Log files, or `-` for standard input; `report` and `replay` read packet captures (pcap, pcapng), gzip and zstd, too
    #[arg(required_unless_present = "interfaces", value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) capturing: Capturing,
}

/// How packets are captured and read.
#[derive(Debug, Args, Clone)]
pub(crate) struct Capturing {
    /// Capture on this network interface, or `any`; may be repeated
    #[arg(help_heading = PACKETS, short = 'i', long = "interface", value_name = "INTERFACE")]
    pub(crate) interfaces: Vec<String>,
    /// Only connections with this TCP port, also in capture files; may be repeated
    #[arg(help_heading = PACKETS, long = "port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) ports: Vec<u16>,
    /// With -i: only packets that this filter of libpcap (BPF) lets pass, besides --port
    #[arg(help_heading = PACKETS, short = 'f', long, value_name = "FILTER", requires = "interfaces")]
    pub(crate) bpf: Option<String>,
    /// Bytes kept of each packet, 256 at least; all of it by default
    #[arg(help_heading = PACKETS, long, value_name = "BYTES", default_value_t = SNAPLEN, value_parser = clap::value_parser!(u32).range(i64::from(SNAPLEN_MIN)..=i64::from(SNAPLEN)))]
    pub(crate) snaplen: u32,
    /// MiB of the kernel's buffer per interface
    #[arg(help_heading = PACKETS, long, value_name = "MIB", default_value_t = BUFFER_BYTES >> 20, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) buffer: u32,
    /// Read packets as they come, and not in tenths of a second
    #[arg(help_heading = PACKETS, long)]
    pub(crate) immediate: bool,
    /// Address or network of the monitored host: what others are asked is outbound; may be repeated. By default the
    /// addresses of the interfaces; in files everything is inbound
    #[arg(help_heading = PACKETS, long = "local", value_name = "NETWORK")]
    pub(crate) local: Vec<Network>,
    /// How long a request may go unanswered before it counts as timed out; 120s by default
    #[arg(help_heading = PACKETS, long, value_name = "DURATION", value_parser = duration)]
    pub(crate) answer_within: Option<Duration>,
    /// With -i: user to become once the capture is open; by default who called sudo, else nobody
    #[arg(help_heading = PACKETS, long, value_name = "NAME", requires = "interfaces")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args, Clone)]
pub(crate) struct Reading {
    /// Log format: a name (combined, caddy, haproxy, json ...), an nginx log_format, an Apache LogFormat, or GoAccess
    /// specifiers; detected from the lines when absent
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Field of the log (nginx variable, header or JSON path) or request header whose value is the consumer
    #[arg(long, value_name = "FIELD")]
    pub(crate) consumer: Option<String>,
    /// Service of all transactions; by default the virtual host, or what the log names
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Route template such as `GET /v1/users/{id}`; may be repeated; others are learned
    #[arg(long = "route", value_name = "TEMPLATE")]
    pub(crate) routes: Vec<String>,
    /// OpenAPI 3 or Swagger 2 document whose paths are routes; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) openapi: Vec<PathBuf>,
    /// Show keys, tokens and query strings as they are; for local debugging
    #[arg(long)]
    pub(crate) raw: bool,
    /// Only transactions from this time on (RFC 3339, date, or seconds since the epoch)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Only transactions before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Format of the report
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: report::Format,
    /// Same as --format json
    #[arg(long, conflicts_with_all = ["format", "html"])]
    pub(crate) json: bool,
    /// Write a self-contained HTML report to a file
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub(crate) html: Option<PathBuf>,
    /// Rows per table, 0 for all; by default 20 in text, 100 in HTML and Markdown, all in JSON and CSV
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Threads that parse; the result is the same with any number
    #[arg(long, value_name = "N", default_value_t = default_threads())]
    pub(crate) threads: usize,
    /// Write the lines that could not be read to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) invalid: Option<PathBuf>,
    /// No colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// With -i: how long to capture; by default until it is interrupted
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, requires = "interfaces")]
    pub(crate) duration: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Routes {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Say segment by segment why this path belongs to its route; a method may stand before it
    #[arg(long, value_name = "PATH")]
    pub(crate) explain: Option<String>,
    /// The answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Routes per service, 0 for all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 60)]
    pub(crate) limit: usize,
    /// Threads that parse; the result is the same with any number
    #[arg(long, value_name = "N", default_value_t = default_threads())]
    pub(crate) threads: usize,
    /// No colours
    #[arg(long)]
    pub(crate) no_color: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// One JSON object per line; of packets with `*_bytes` of a body that were sent, and `*_body_len` that were captured
    #[arg(long)]
    pub(crate) json: bool,
    /// Transactions at most, 0 for all
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// With -i: how long to capture; by default until it is interrupted
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, requires = "interfaces")]
    pub(crate) duration: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Filter to start with
    #[arg(long, value_name = "FILTER", default_value = "")]
    pub(crate) filter: String,
    /// No colours
    #[arg(long)]
    pub(crate) no_color: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// Configuration file; `pitot check --sample agent` prints one. What stands here wins over it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// URL of the collector; others behind commas are asked when it is away, where they share its store
    #[arg(long, value_name = "URL", value_delimiter = ',', env = "PITOT_COLLECTOR")]
    pub(crate) collector: Vec<String>,
    /// Log file to follow, or a pattern of files; may be repeated
    #[arg(long = "source", value_name = "FILE")]
    pub(crate) sources: Vec<PathBuf>,
    /// Address that takes syslog messages, such as udp://127.0.0.1:5514, tcp://127.0.0.1:5514, unix:///run/pitot/log (datagrams)
    /// or unix-stream:///run/pitot/log; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) syslog: Vec<String>,
    /// Read the files from their start, and ship what happened from this time on (RFC 3339, date, or seconds since the
    /// epoch); what was read before is not read again
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// End once all files were read to their ends and the collector took everything
    #[arg(long)]
    pub(crate) once: bool,
    /// Read as configured, files from their start, and print what would be shipped; nothing is sent and no state is written
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --dry-run: how long to read at most; 10s by default
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, requires = "dry_run")]
    pub(crate) duration: Option<Duration>,
    /// With --dry-run: as JSON, one report on each line, then what was replaced
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,
    /// Name of this agent; the host name by default
    #[arg(long, value_name = "NAME", env = "PITOT_AGENT")]
    pub(crate) name: Option<String>,
    /// Directory of the secret and the spool
    #[arg(long, value_name = "DIR", env = "PITOT_STATE")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) capturing: Capturing,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Debug, Args)]
pub(crate) struct Collector {
    /// Configuration file; `pitot check --sample collector` prints one. What stands here wins over it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", env = "PITOT_LISTEN")]
    pub(crate) listen: Option<String>,
    /// Directory of the store; without one everything is kept in memory
    #[arg(long, value_name = "DIR", env = "PITOT_DATA")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Tui {
    /// URL of the collector
    #[arg(default_value = DEFAULT_URL, env = "PITOT_COLLECTOR")]
    pub(crate) url: String,
    /// Filter to start with
    #[arg(long, value_name = "FILTER", default_value = "")]
    pub(crate) filter: String,
    /// No colours
    #[arg(long)]
    pub(crate) no_color: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Filter, for example `kind:latency service:shop`; empty for everything
    #[arg(default_value = "")]
    pub(crate) filter: String,
    /// What to ask for
    #[arg(long, value_enum, default_value_t = What::Anomalies)]
    pub(crate) what: What,
    /// Rows of a table, lines of a series: none, service, route, consumer, group, version, status or method
    #[arg(long, value_parser = group_by, default_value = "service")]
    pub(crate) by: GroupBy,
    /// From this time on (RFC 3339, date, seconds since the epoch), or this long ago (15m, 2h, 7d); tables and series
    /// begin 15 minutes ago by default, deprecations, limits and credentials 7 days, anomalies with the first
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Rows at most
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// The answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// URL of the collector
    #[arg(long, default_value = DEFAULT_URL, env = "PITOT_COLLECTOR")]
    pub(crate) collector: String,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Debug, Args)]
pub(crate) struct Agents {
    /// One agent, with what it lost and when
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// With NAME: what was lost from this time on (RFC 3339, date, seconds since the epoch), or this long ago (15m, 2h)
    #[arg(long, value_name = "TIME", default_value = "6h", requires = "name")]
    pub(crate) since: String,
    /// The answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// No colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// URL of the collector
    #[arg(long, default_value = DEFAULT_URL, env = "PITOT_COLLECTOR")]
    pub(crate) collector: String,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// Name of the agent, or address of the collector; not needed where only one daemon runs
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Directory where the daemon keeps its state: `state` of an agent, `data` of a collector
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Number of the process
    #[arg(long, value_name = "PID", conflicts_with = "name", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) pid: Option<i32>,
    /// All daemons that are found
    #[arg(long, conflicts_with_all = ["name", "pid"])]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    Anomalies,
    Table,
    Series,
    Coverage,
    /// Deprecated routes that are still called, and by whom
    Deprecations,
    /// Who is limited and who heeds it, and what limits could be
    Limits,
    /// Refusals by kind of evidence, expired web tokens, addresses with many credentials
    Credentials,
    Agents,
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Who will have it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it is good for: ingest (to ship reports), read (to ask) or admin (everything); may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, default_value = "ingest")]
    pub(crate) scopes: Vec<Scope>,
}

#[derive(Debug, Args)]
pub(crate) struct Pseudonym {
    /// The key; without one, each line of standard input
    #[arg(value_name = "KEY")]
    pub(crate) credential: Option<String>,
    /// It is a bearer token, or a claim of one
    #[arg(long)]
    pub(crate) token: bool,
    /// Configuration file of the agent
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of the agent's secret
    #[arg(long, value_name = "DIR", env = "PITOT_STATE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How long to play; without a terminal two minutes, else until you quit
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Where the agent gets the traffic from; packets where it may capture, else the access log
    #[arg(long, value_enum)]
    pub(crate) door: Option<Door>,
    /// No dashboard, even on a terminal
    #[arg(long)]
    pub(crate) plain: bool,
    /// Seed of the traffic
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Address of the demo's collector, to look at with a browser or `pitot tui`
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Door {
    /// The access log that the API writes
    Log,
    /// Its packets on the loopback interface
    Packets,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Configuration files
    #[arg(required_unless_present = "sample", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print a commented sample of a configuration file
    #[arg(long, value_enum, conflicts_with = "files")]
    pub(crate) sample: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Agent,
    Collector,
}

/// Heading of the flags of captures.
const PACKETS: &str = "Packets";

/// Where a collector listens unless told otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:7077";

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "not a duration; write 90s, 2m or 1h".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|_| "use ingest, read or admin".to_owned())
}

fn group_by(text: &str) -> Result<GroupBy, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| "use none, service, route, consumer, group, version, status or method".to_owned())
}
