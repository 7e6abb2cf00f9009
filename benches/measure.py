#!/usr/bin/env python3
"""Runs a command and prints its CPU seconds and peak memory as one JSON line.

    measure.py OUT COMMAND...        standard output of the command goes to the file OUT

CPU seconds are user + system time of the whole process tree that was waited for; memory is the peak resident set.
"""
import json, os, subprocess, sys, time

# Linux counts in KiB, macOS in bytes.
PER_MIB = 2**20 if sys.platform == "darwin" else 2**10

out, command = sys.argv[1], sys.argv[2:]
started = time.monotonic()
with open(out, "wb") as sink:
    process = subprocess.Popen(command, stdout=sink, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
print(json.dumps({
    "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
    "wall_s": round(time.monotonic() - started, 3),
    "rss_mib": round(usage.ru_maxrss / PER_MIB, 1),
    "status": os.waitstatus_to_exitcode(status),
}))
