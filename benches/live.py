#!/usr/bin/env python3
"""Captures loopback while wrk drives nginx there as fast as both go: requests counted, packets dropped, CPU, memory.

    live.py [SECONDS]        of load per row, 8 by default; needs root, nginx and wrk

`counted` beside `logged` is what pitot saw and what nginx's own log holds: they differ at most by the requests that were
open when wrk broke off, one for each of its 50 connections. CPU seconds are user + system time of the process from
/proc while it captured; the kernel counts them by ticks, so they are lower bounds. Memory is the resident set, first,
middle and last; a flat one does not grow with the number of requests.
"""
import json, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 8
CONNECTIONS = 50
PITOT = os.environ.get("PITOT", "target/release/pitot")
TICKS = os.sysconf("SC_CLK_TCK")
NGINX = """daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log {dir}/access.log combined buffer=64k flush=1s;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
    scgi_temp_path {dir}/s; keepalive_requests 1000; default_type application/json;
    server {{
        listen 127.0.0.1:{port};
        location /v1/users {{ return 200 '{{"id":12345678,"name":"item-123","note":"{note}"}}'; }}
        location /v1/missing {{ return 404 '{{"error":"not found"}}'; }}
    }}
}}
"""
WRK = """local n = 0
request = function()
  n = n + 1
  local path = "/v1/users/" .. (n * 7919 % 100000) .. "/orders/" .. (n % 1000)
  if n % 50 == 0 then path = "/v1/missing/" .. n end
  return wrk.format("GET", path, {["X-Api-Key"] = "ak_" .. (n * n % 500)})
end
"""


def main():
    missing = [t for t in ("nginx", "wrk") if not shutil.which(t)] + (["root"] if os.geteuid() else [])
    if missing:
        print(f"SKIPPED: live capture needs {', '.join(missing)}", file=sys.stderr)
        sys.exit("CI" in os.environ)
    print(f"  {'live on lo, ' + str(SECONDS) + ' s of wrk and nginx':30} {'requests/s':>10} {'logged':>9} {'counted':>9}"
          f" {'dropped':>8} {'CPU s/1M':>9}  RSS MiB")
    bad = [row(name, start) for name, start in (("pitot replay --json", replay), ("pitot agent", agent))]
    sys.exit(any(bad))


def row(name, start):
    """Whether the counts are wrong."""
    with tempfile.TemporaryDirectory() as dir:
        port = free_port()
        log = os.path.join(dir, "access.log")
        with open(f"{dir}/nginx.conf", "w") as f:
            f.write(NGINX.format(dir=dir, port=port, note="x" * 250))
        with open(f"{dir}/wrk.lua", "w") as f:
            f.write(WRK)
        nginx = subprocess.Popen(["nginx", "-p", dir, "-e", f"{dir}/error.log", "-c", f"{dir}/nginx.conf"])
        try:
            wait_for(lambda: can_connect(port), "nginx")
            capture = start(dir, port)
            memory = []
            load = subprocess.Popen(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", f"{dir}/wrk.lua",
                                     f"http://127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
            while load.poll() is None:
                memory.append(resident(capture.pid))
                time.sleep(0.25)
            rate = float(re.search(r"Requests/sec:\s*([\d.]+)", load.stdout.read())[1])
            time.sleep(1)
            cpu = cpu_seconds(capture.pid)
            counted, dropped = capture.finish()
        finally:
            nginx.send_signal(signal.SIGQUIT)
            nginx.wait()
        with open(log) as f:
            logged = sum(1 for _ in f)
    rss = " ".join(f"{memory[i] / 1024:.0f}" for i in (1, len(memory) // 2, -1))
    print(f"  {name:30} {rate:10.0f} {logged:9} {counted:9} {dropped:8} {cpu * 1e6 / max(logged, 1):9.2f}  {rss}")
    return abs(counted - logged) > CONNECTIONS and not dropped


class replay:
    """`pitot replay`, whose lines are counted."""

    def __init__(self, dir, port):
        self.process = spawn(dir, ["replay", "--json", "-i", "lo", "--port", str(port)], subprocess.PIPE)
        self.pid, self.lines = self.process.pid, 0
        self.counter = threading.Thread(target=self.count)
        self.counter.start()
        self.told = wait_for_line(self.process, "capturing")

    def count(self):
        self.lines = int(subprocess.run(["wc", "-l"], stdin=self.process.stdout, capture_output=True).stdout)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.counter.join()
        return self.lines, drops(self.told.text())


class agent:
    """`pitot agent` and a collector, whose totals are asked for."""

    def __init__(self, dir, port):
        self.collector = spawn(dir, ["collector", "--listen", "127.0.0.1:0"], subprocess.DEVNULL)
        told = wait_for_line(self.collector, "http://")
        self.url = re.search(r"http://[\d.:]+", told.text())[0]
        self.process = spawn(dir, ["agent", "-i", "lo", "--port", str(port), "--collector", self.url], subprocess.DEVNULL)
        self.told = wait_for_line(self.process, "capturing")
        self.pid = self.process.pid

    def finish(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        time.sleep(1)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/table?by=none&from={time.time() - 3600:.0f}") as answer:
                answer = json.load(answer)
        finally:
            self.collector.send_signal(signal.SIGTERM)
            self.collector.wait()
        reasons = answer.get("coverage", {}).get("reasons", {})
        return answer["totals"]["count"], reasons.get("packet_dropped", 0)


class wait_for_line:
    """Reads standard error to its end, in a thread; made once a line holds the text."""

    def __init__(self, process, text):
        self.lines, seen = [], threading.Event()

        def read():
            for line in process.stderr:
                self.lines.append(line)
                if text in line:
                    seen.set()
            seen.set()

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()
        seen.wait()
        if not any(text in line for line in self.lines):
            sys.exit("".join(self.lines))

    def text(self):
        return "".join(self.lines)


def drops(told):
    """What is said at the end: `17 packet dropped`."""
    found = re.search(r"(\d+) packet dropped", told)
    return int(found[1]) if found else 0


def spawn(dir, args, stdout):
    environment = dict(os.environ, PITOT_STATE=dir, NO_COLOR="1")
    return subprocess.Popen([PITOT, *args], stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid):
    """In KiB."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def can_connect(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_for(is_so, what):
    for _ in range(500):
        if is_so():
            return
        time.sleep(0.02)
    sys.exit(f"{what} does not start")


main()
