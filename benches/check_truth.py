#!/usr/bin/env python3
"""Holds `pitot report --json --raw` against the generator's truth: counts exact, quantiles within 0.1 %.

    check_truth.py REPORT TRUTH [--consumers]

Prints one line and ends with 1 when anything differs. With --consumers, consumers are checked too (sources that hold
the API key). Of captures, what lost a segment (`damaged`) may be in the numbers or not, but if not it has a reason.
"""
import json, sys

report, truth = (json.load(open(p)) for p in sys.argv[1:3])
problems, worst = [], 0.0
is_capture = "wire" in truth
damaged = truth.get("damaged", 0)
# In a report, in the truth.
TIMES = (("duration_us", "total_us"), ("ttfb_us", "ttfb_us")) if is_capture else (("duration_us", "latency_us"),)


def status(counts):
    """Codes, and how it ended where there is none."""
    return {str(k): v for k, v in counts.items()}


def compare(name, got, want):
    """Where segments were lost, a group has at least what is whole, and times of the others are among its own."""
    if damaged:
        if not want["count"] <= got["count"] <= want["count"] + damaged:
            problems.append(f"{name}: count is {got['count']}, not {want['count']}, of which {damaged} damaged")
        short = {k: v for k, v in status(want["status"]).items() if status(got["status"]).get(k, 0) < v}
        if short:
            problems.append(f"{name}: statuses are {got['status']}, of which at least {short}")
        return
    for field, mine in (("count", got["count"]), ("bytes", got["response_bytes"])):
        if mine != want[field]:
            problems.append(f"{name}: {field} is {mine}, not {want[field]}")
    if status(got["status"]) != status(want["status"]):
        problems.append(f"{name}: statuses are {got['status']}, not {want['status']}")
    for field, exact in TIMES:
        compare_times(f"{name}: {field}", got[field], want[exact])


def compare_times(name, mine, exact):
    global worst
    if mine["n"] == 0:
        return
    for q in ("p50", "p75", "p90", "p95", "p99", "p999"):
        error = abs(mine[q] - exact[q]) / max(exact[q], 1)
        worst = max(worst, error)
        if error > 0.001:
            problems.append(f"{name} {q} is {mine[q]}, not {exact[q]}: off by {error:.2%}")
    for q in ("n", "min", "max"):
        if mine[q] != exact[q]:
            problems.append(f"{name} {q} is {mine[q]}, not {exact[q]}")


compare("all", report["totals"], truth["all"])
parts = [("route", {f"{r['method']} {r['route']}": r for r in report["routes"]}, truth["by_route"])]
if "--consumers" in sys.argv:
    # Of captures, who sent no key is known by the address.
    named = [c for c in report["consumers"] if not is_capture or c["evidence"] == "key"]
    parts.append(("consumer", {c["consumer"]: c for c in named}, truth["by_consumer"]))
for kind, got, want in parts:
    for name in got.keys() ^ want.keys():
        problems.append(f"{kind} `{name}` is {'missing' if name in want else 'not in the truth'}")
    for name in got.keys() & want.keys():
        compare(name, got[name], want[name])
coverage = report["coverage"]
if is_capture:
    missing = truth["transactions"] - coverage["transactions"]
    reasons = sum(coverage["reasons"].get(r, 0) for r in ("head_lost", "head_malformed", "response_unmatched", "framing_lost"))
    if missing > reasons or coverage["packets_read"] != truth["wire"]["packets"]:
        problems.append(f"coverage: {missing} transactions are missing, and {coverage}")
else:
    lines = coverage["transactions"] + sum(coverage["reasons"].values())
    if not coverage["lines_read"] == truth["lines"] == lines:
        problems.append(f"lines: {coverage['lines_read']} read, {lines} accounted for, {truth['lines']} written")
for problem in problems[:20]:
    print(problem)
of_them = f" (of {truth['transactions']}, {damaged} damaged)" if damaged else ""
print(f"{report['totals']['count']} transactions{of_them}, {len(problems)} differences, worst quantile off by {worst:.4%}")
sys.exit(bool(problems))
