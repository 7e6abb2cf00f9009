#!/usr/bin/env python3
"""What an agent and a collector make of very many consumers, and of somebody who makes up keys, paths and methods.

    cardinality.py [LINES]        of real traffic without anybody else, 3 million by default; a tenth of it under attack

Three logs go through a real agent into a real collector with its data on disk: 100,000 consumers on 500 routes; and 5,000 consumers
on as many routes with ten made-up requests beside each real one, once after a fifth of the log, once from its first line. A
row tells the agent's memory when half of the time was over, at the end and at most; what the collector took; and how
many of the real routes and of the 100 heaviest consumers have exactly the count that the generator wrote down. `missing` is the
share of their requests that is counted under another name.

Needs the generator in $GENERATOR. $PITOT is the binary, target/release/pitot by default. CPU seconds are user + system time
from /proc.
"""
import json, os, random, re, subprocess, sys, tempfile, threading, time, urllib.request
from collections import Counter

LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000
PITOT = os.environ.get("PITOT", "target/release/pitot")
GENERATOR = os.environ.get("GENERATOR", "target/bench/generator/release/make_access_log")
TICKS = os.sysconf("SC_CLK_TCK")
MADE_UP = 10
METHODS = ["GET", "POST", "PUT", "HEAD", "PROPFIND", "BREW"]


def main():
    print(f"  {'':34} {'lines':>9} {'agent':>6} {'half':>5} {'end':>5} {'peak':>5} {'coll.':>6} {'RSS':>5} {'peak':>5} {'disk':>6}"
          f" {'names':>7} {'routes exact':>13} {'missing':>8} {'top 100 exact':>14} {'missing':>8}")
    print(f"  {'':34} {'':9} {'CPU s':>6} {'MiB':>5} {'MiB':>5} {'MiB':>5} {'CPU s':>6} {'MiB':>5} {'MiB':>5} {'MiB':>6}")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as work:
        log = generate(work, LINES, 100_000)
        row("100,000 consumers, 500 routes", log, LINES, log)
        os.remove(log)
        log = generate(work, LINES // 10, 5_000)
        for name, begin, status in [
            ("made-up, after a fifth", LINES // 50, (401, 404)),
            ("made-up, from the first line", 0, (401, 404)),
            ("made-up and answered, after a fifth", LINES // 50, (200, 200)),
            ("made-up and answered, first line", 0, (200, 200)),
        ]:
            attacked = attack(log, begin, status)
            n_lines = LINES // 10 + MADE_UP * (LINES // 10 - begin)
            row(name, attacked, n_lines, log)
            os.remove(attacked)


def generate(work, lines, consumers):
    log, begin = f"{work}/{consumers}.log", int(time.time()) - 7_200
    arguments = ["--lines", lines, "--routes", 500, "--consumers", consumers, "--start", begin, "--duration", 6_000, "--diurnal", 0]
    subprocess.run([GENERATOR, "--out", log, "--seed", "5", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)
    return log


def attack(log, begin, status):
    """The same log with made-up requests between the real ones, from that line on."""
    randomly, out = random.Random(7), log + ".attacked"
    word = lambda: f"{randomly.getrandbits(40):x}q"
    paths = [
        lambda: f"/v1/{word()}",
        lambda: f"/{word()}/{word()}.php",
        lambda: f"/v1/users/{word()}/{word()}",
        lambda: "/" + "/".join(randomly.choice(["7", "2024-01-02", word(), "9f86d081884c7d65"]) for _ in range(8)),
    ]
    with open(log) as lines, open(out, "w") as attacked:
        for i, line in enumerate(lines):
            for _ in range(MADE_UP if i >= begin else 0):
                at, path = re.search(r"\[[^]]*\]", line)[0], randomly.choice(paths)()
                attacked.write(f'198.51.100.{randomly.getrandbits(8)} - - {at} "{randomly.choice(METHODS)} {path} HTTP/1.1" '
                               f'{randomly.choice(status)} 9 "-" "-" 0.001 0.001 "ak_{randomly.getrandbits(64):016x}"\n')
            attacked.write(line)
    return out


def row(name, log, n_lines, real):
    truth = json.load(open(real + ".truth.json"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as state:
        quiet = {**os.environ, "PITOT_STATE": state, "NO_COLOR": "1"}
        collector = subprocess.Popen([PITOT, "collector", "--listen", "127.0.0.1:0", "--data", f"{state}/data"], env=quiet,
                                     stderr=subprocess.PIPE, text=True)
        url = "http://" + next(line for line in collector.stderr if "listens on http://" in line).split("http://")[1].strip()
        threading.Thread(target=collector.stderr.read, daemon=True).start()
        try:
            agent = subprocess.Popen([PITOT, "agent", "--collector", url, "--source", log, "--once", "--since", "1970-01-02",
                                      "--state", f"{state}/agent"], env=quiet, stderr=subprocess.PIPE, text=True)
            told = []
            threading.Thread(target=lambda: told.append(agent.stderr.read()), daemon=True).start()
            samples, cpu = [], 0.0
            while agent.poll() is None:
                try:
                    samples.append(memory(agent.pid, "VmRSS"))
                    cpu, peak = cpu_seconds(agent.pid), memory(agent.pid, "VmHWM")
                except (FileNotFoundError, ProcessLookupError, TypeError):
                    pass
                time.sleep(0.02)
            if agent.returncode:
                sys.exit(f"the agent failed: {told}")
            routes, n_routes = table(url, "route")
            consumers, n_consumers = table(url, "consumer")
            all_counted = sum(count for _, count in table(url, "none")[0])
            routes = {f"{key['method']} {key['route']}": count for key, count in routes}
            want = {key: value["count"] for key, value in truth["by_route"].items()}
            n_exact = sum(routes.get(key) == count for key, count in want.items())
            missing = sum(max(0, count - routes.get(key, 0)) for key, count in want.items()) / sum(want.values())
            top = sorted((value["count"] for value in truth["by_consumer"].values()), reverse=True)[:100]
            got = sorted((count for key, count in consumers if key.get("consumer") != "(other)"), reverse=True)[:100]
            top_exact = sum((Counter(top) & Counter(got)).values())
            top_missing = max(0, sum(top) - sum(got)) / sum(top)
            if all_counted != n_lines:
                sys.exit(f"{name}: {all_counted} of {n_lines} transactions were counted")
            print(f"  {name:34} {n_lines:9} {cpu:6.2f} {samples[len(samples) // 2]:5.0f} {samples[-2]:5.0f} {peak:5.0f}"
                  f" {cpu_seconds(collector.pid):6.2f} {memory(collector.pid, 'VmRSS'):5.0f} {memory(collector.pid, 'VmHWM'):5.0f}"
                  f" {disk(state + '/data'):6.1f} {n_routes + n_consumers:7} {n_exact:7} of {len(want)} {missing:8.2%} {top_exact:14} {top_missing:8.2%}", flush=True)
        finally:
            collector.kill()
            collector.wait()


def table(url, by):
    """Rows of everything that was counted, at most as many as an answer holds, and how many there are."""
    answer = json.load(urllib.request.urlopen(f"{url}/api/v1/table?by={by}&limit=0&from=1970-01-02T00:00:00Z"))
    return [(row["key"], row["totals"]["count"]) for row in answer["rows"]], answer["row_count"]


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid, what):
    return int(re.search(rf"{what}:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024


def disk(directory):
    return sum(os.path.getsize(os.path.join(at, file)) for at, _, files in os.walk(directory) for file in files) / 2**20


if __name__ == "__main__":
    main()
