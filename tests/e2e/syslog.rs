//! Real servers that log to the syslog addresses of an agent: every request is counted once, by its route.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    daemons::{PATIENCE, Running, collector},
    packets::{
        capture::{stop, tool},
        servers::{free_port, wait_until_open},
    },
    support::{json, pitot},
};

/// Requests of each kind.
const N: u64 = 300;
/// Requests of each kind to nginx at once, and how often. It drops, unseen, what does not fit into the queue of a Unix socket, which
/// holds ten messages unless the system is told otherwise (`net.unix.max_dgram_qlen`).
const AT_ONCE: u64 = 8;
const STEPS: u64 = 5;

#[test]
fn nginx_logs_to_udp_and_to_a_unix_socket() {
    let Some(nginx) = tool("nginx") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (_collector, url) = collector(dir.path(), &dir.path().join("data"));
    let unix = dir.path().join("log");
    let (mut agent, addresses) =
        agent(dir.path(), &url, &["udp://127.0.0.1:0".to_owned(), format!("unix://{}", unix.display())]);
    let udp = addresses[0].strip_prefix("udp://").unwrap();
    let port = free_port();
    fs::create_dir(dir.path().join("temp")).unwrap();
    let config = nginx_config(dir.path(), port, udp, &unix);
    fs::write(dir.path().join("nginx.conf"), config).unwrap();
    let mut command = Command::new(nginx);
    command.arg("-p").arg(dir.path()).arg("-e").arg(dir.path().join("error.log"));
    command.arg("-c").arg(dir.path().join("nginx.conf")).stderr(Stdio::null());
    let _nginx = Running(command.spawn().expect("nginx runs"));
    wait_until_open(port);
    for step in 1..=STEPS {
        for n in 0..AT_ONCE {
            get(port, &format!("/udp/{n}"));
            get(port, &format!("/unix/{n}"));
        }
        let table = wait_for(dir.path(), &url, 2 * AT_ONCE * step);
        assert_routes(&table, &["/udp/{int}", "/unix/{int}"], AT_ONCE * step);
    }
    // In good order: what was received is shipped, and the socket's file is gone.
    get(port, "/unix/last");
    assert!(stop(&mut agent, "-TERM").success());
    wait_for(dir.path(), &url, 2 * AT_ONCE * STEPS + 1);
    assert!(!unix.exists());
}

#[test]
fn haproxy_logs_by_both_rfcs() {
    let Some(haproxy) = tool("haproxy") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (_collector, url) = collector(dir.path(), &dir.path().join("data"));
    let listen = ["udp://127.0.0.1:0", "udp://127.0.0.1:0"].map(str::to_owned);
    let (_agent, addresses) = agent(dir.path(), &url, &listen);
    let [old, new] = [0, 1].map(|n: usize| addresses[n].strip_prefix("udp://").unwrap());
    let [first, second] = [free_port(), free_port()];
    let frontend = |name: &str, port: u16, log: &str| {
        format!("frontend {name}\n  bind 127.0.0.1:{port}\n  log {log} local0\n  http-request return status 204\n")
    };
    let config = format!(
        "global\n  maxconn 50\n  log-send-hostname lb-1\ndefaults\n  mode http\n  option httplog\n  timeout connect 10s\n  \
         timeout client 1m\n  timeout server 1m\n{}{}",
        frontend("first", first, old),
        frontend("second", second, &format!("{new} format rfc5424")),
    );
    fs::write(dir.path().join("haproxy.cfg"), config).unwrap();
    let mut command = Command::new(haproxy);
    command.arg("-db").arg("-f").arg(dir.path().join("haproxy.cfg")).stdout(Stdio::null()).stderr(Stdio::null());
    let _haproxy = Running(command.spawn().expect("haproxy runs"));
    for (port, path) in [(first, "old"), (second, "new")] {
        wait_until_open(port);
        (0..N).for_each(|n| get(port, &format!("/{path}/{n}")));
    }
    assert_routes(&wait_for(dir.path(), &url, 2 * N), &["/new/{int}", "/old/{int}"], N);
}

/// An agent that takes syslog, and the addresses that it got.
fn agent(state: &Path, url: &str, listen: &[String]) -> (Running, Vec<String>) {
    let mut command = pitot(state);
    command.args(["agent", "--collector", &format!("http://{url}")]).env("NO_COLOR", "1").stderr(Stdio::piped());
    for address in listen {
        command.args(["--syslog", address]);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let running = Running(child);
    let address = |line: String| Some(line.split_once("receiving syslog messages listen=")?.1.to_owned());
    let told = lines.by_ref().filter_map(|line| address(line.unwrap()));
    let addresses: Vec<String> = told.take(listen.len()).collect();
    assert_eq!(addresses.len(), listen.len(), "the agent says where it listens");
    // Somebody has to read on, or the daemon waits for it.
    std::thread::spawn(move || lines.for_each(drop));
    (running, addresses)
}

/// One server that logs to both addresses.
fn nginx_config(dir: &Path, port: u16, udp: &str, unix: &Path) -> String {
    let (dir, unix) = (dir.display(), unix.display());
    format!(
        r#"daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
    log_format more '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" $request_time "$http_x_api_key"';
    client_body_temp_path {dir}/temp/body; proxy_temp_path {dir}/temp/proxy; fastcgi_temp_path {dir}/temp/fastcgi;
    uwsgi_temp_path {dir}/temp/uwsgi; scgi_temp_path {dir}/temp/scgi;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        location /udp/ {{ access_log syslog:server={udp},tag=web,severity=info more; return 204; }}
        location /unix/ {{ access_log syslog:server=unix:{unix},nohostname more; return 204; }}
    }}
}}
"#
    )
}

/// Asks, and waits for the end of the answer.
fn get(port: u16, target: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {target} HTTP/1.0\r\nHost: test\r\nX-Api-Key: ak_0f3a9b1c2d4e5f60\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 204 "), "{answer}");
}

/// The table by route, once it holds so many transactions.
fn wait_for(state: &Path, url: &str, count: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ask = ["query", "--what", "table", "--by", "route", "--since", "1h", "--json", "--collector"];
        let table = json(&pitot(state).args(ask).arg(format!("http://{url}")).output().unwrap());
        let got = table["totals"]["count"].as_u64().unwrap();
        if got == count {
            return table;
        }
        assert!(got < count && Instant::now() < deadline, "{got} transactions, not {count}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Each of the routes was asked for as often, and nothing else was.
fn assert_routes(table: &Value, want: &[&str], count: u64) {
    let mut routes: Vec<(&str, u64)> = Vec::new();
    for row in table["rows"].as_array().unwrap() {
        assert!(row["totals"]["duration_us"]["max"].as_f64().is_some(), "{row}");
        routes.push((row["key"]["route"].as_str().unwrap(), row["totals"]["count"].as_u64().unwrap()));
    }
    routes.sort_unstable();
    assert_eq!(routes, want.iter().map(|route| (*route, count)).collect::<Vec<_>>());
}
