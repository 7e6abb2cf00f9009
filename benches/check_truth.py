#!/usr/bin/env python3
"""Holds `pitot report --json --raw` against the generator's truth: counts exact, quantiles within 0.1 %.

    check_truth.py REPORT TRUTH [--consumers]

Prints one line and ends with 1 when anything differs. With --consumers, consumers are checked too (formats that log
the API key).
"""
import json, sys

report, truth = (json.load(open(p)) for p in sys.argv[1:3])
problems, worst = [], 0.0


def status(counts):
    return {int(k): v for k, v in counts.items()}


def compare(name, got, want):
    global worst
    for field, mine in (("count", got["count"]), ("bytes", got["response_bytes"])):
        if mine != want[field]:
            problems.append(f"{name}: {field} is {mine}, not {want[field]}")
    if status(got["status"]) != status(want["status"]):
        problems.append(f"{name}: statuses are {got['status']}, not {want['status']}")
    mine, exact = got["duration_us"], want["latency_us"]
    if mine["n"] == 0:
        return
    for q in ("p50", "p75", "p90", "p95", "p99", "p999"):
        error = abs(mine[q] - exact[q]) / max(exact[q], 1)
        worst = max(worst, error)
        if error > 0.001:
            problems.append(f"{name}: {q} is {mine[q]}, not {exact[q]}: off by {error:.2%}")
    for q in ("n", "min", "max"):
        if mine[q] != exact[q]:
            problems.append(f"{name}: {q} is {mine[q]}, not {exact[q]}")


compare("all", report["totals"], truth["all"])
parts = [("route", {f"{r['method']} {r['route']}": r for r in report["routes"]}, truth["by_route"])]
if "--consumers" in sys.argv:
    parts.append(("consumer", {c["consumer"]: c for c in report["consumers"]}, truth["by_consumer"]))
for kind, got, want in parts:
    for name in got.keys() ^ want.keys():
        problems.append(f"{kind} `{name}` is {'missing' if name in want else 'not in the truth'}")
    for name in got.keys() & want.keys():
        compare(name, got[name], want[name])
coverage = report["coverage"]
lines = coverage["transactions"] + sum(coverage["reasons"].values())
if not coverage["lines_read"] == truth["lines"] == lines:
    problems.append(f"lines: {coverage['lines_read']} read, {lines} accounted for, {truth['lines']} written")
for problem in problems[:20]:
    print(problem)
print(f"{report['totals']['count']} transactions, {len(problems)} differences, worst quantile off by {worst:.4%}")
sys.exit(bool(problems))
