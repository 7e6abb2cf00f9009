//! Real servers on loopback, each with a directory and a log of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::capture::{Counts, counts, stop, tool};
use crate::daemons::{PATIENCE, Running};

/// nginx with files, uploads and chunked answers.
pub(super) struct Nginx {
    running: Running,
    dir: tempfile::TempDir,
    pub(super) port: u16,
}

impl Nginx {
    /// `None` where it is not installed. `listen` is added to the directive: `http2`, or nothing.
    pub(super) fn start(listen: &str) -> Option<Self> {
        let nginx = tool("nginx")?;
        let dir = tempfile::tempdir().unwrap();
        for sub in ["files", "temp"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        let text = "The quick brown fox jumps over the lazy dog.\n";
        for (name, times) in [("small.txt", 1), ("medium.txt", 400), ("large.txt", 20_000)] {
            fs::write(dir.path().join("files").join(name), text.repeat(times)).unwrap();
        }
        let port = free_port();
        fs::write(dir.path().join("nginx.conf"), config(dir.path(), port, listen)).unwrap();
        let mut command = Command::new(nginx);
        command.arg("-p").arg(dir.path()).arg("-e").arg(dir.path().join("error.log"));
        command.arg("-c").arg(dir.path().join("nginx.conf")).stderr(Stdio::null());
        let running = Running(command.spawn().expect("nginx runs"));
        wait_until_open(port);
        Some(Self { running, dir, port })
    }

    /// Ends it in good order; what its log says was asked and answered.
    pub(super) fn finish(mut self) -> (Counts, Vec<Value>) {
        assert!(stop(&mut self.running, "-QUIT").success(), "nginx failed");
        let log = fs::read_to_string(self.dir.path().join("access.log")).unwrap();
        let rows: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).expect("nginx logs JSON")).collect();
        (counts(&rows), rows)
    }
}

/// The names of fields in its log are those of `pitot replay`.
fn config(dir: &Path, port: u16, listen: &str) -> String {
    let dir = dir.display();
    format!(
        r#"daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
    log_format rows escape=json '{{"method":"$request_method","path":"$request_uri","status":$status,'
        '"bytes":$body_bytes_sent,"duration_s":$request_time,"connection":$connection,"protocol":"$server_protocol"}}';
    access_log {dir}/access.log rows;
    client_body_temp_path {dir}/temp/body; proxy_temp_path {dir}/temp/proxy; fastcgi_temp_path {dir}/temp/fastcgi;
    uwsgi_temp_path {dir}/temp/uwsgi; scgi_temp_path {dir}/temp/scgi;
    keepalive_requests 1000000; http2_max_concurrent_streams 512;
    server {{
        listen 127.0.0.1:{port} {listen};
        root {dir}/files;
        location /api/ {{ return 200 "an answer\n"; }}
        location /gone/ {{ return 410; }}
        location /nothing {{ return 204; }}
        location /moved {{ return 301 /api/new; }}
        location /broken {{ return 500 "sorry\n"; }}
        location /chunked/ {{ alias {dir}/files/; sub_filter_types *; sub_filter fox dog; sub_filter_once off; }}
        location /upload/ {{ dav_methods PUT DELETE; create_full_put_path on; client_max_body_size 1m; }}
        location /tiny/ {{ dav_methods PUT; create_full_put_path on; client_max_body_size 10; }}
    }}
}}
"#
    )
}

/// haproxy before another server, with a line per request on its standard output.
pub(super) struct Haproxy {
    running: Running,
    dir: tempfile::TempDir,
    pub(super) port: u16,
}

impl Haproxy {
    pub(super) fn start(backend: u16) -> Option<Self> {
        let haproxy = tool("haproxy")?;
        let dir = tempfile::tempdir().unwrap();
        let (port, config) = (free_port(), dir.path().join("haproxy.cfg"));
        fs::write(
            &config,
            format!(
                "global\n  log stdout format raw local0\n  maxconn 500\ndefaults\n  mode http\n  log global\n  \
                 timeout connect 10s\n  timeout client 1m\n  timeout server 1m\n  log-format '%HM %HU %ST'\n\
                 frontend front\n  bind 127.0.0.1:{port}\n  default_backend back\n\
                 backend back\n  server nginx 127.0.0.1:{backend}\n"
            ),
        )
        .unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(haproxy);
        command.arg("-db").arg("-f").arg(&config).stdout(log).stderr(Stdio::null());
        let running = Running(command.spawn().expect("haproxy runs"));
        wait_until_open(port);
        Some(Self { running, dir, port })
    }

    /// Ends it; what its log says was asked and answered.
    pub(super) fn finish(mut self) -> Counts {
        stop(&mut self.running, "-USR1");
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap();
        let mut counts = Counts::new();
        for line in log.lines() {
            let [method, path, status] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            // The probe that waited until it listens sent no request.
            if let (true, Ok(status)) = (method != "<BADREQ>", status.parse()) {
                *counts.entry((method.to_owned(), path.to_owned(), status)).or_default() += 1;
            }
        }
        counts
    }
}

/// A port of loopback that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_until_open(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nobody listens on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
