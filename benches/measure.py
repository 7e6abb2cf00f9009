#!/usr/bin/env python3
"""Runs a command and prints a row of a table: CPU seconds per million lines or packets, CPU and wall seconds, peak memory.

    measure.py NAME N OUT COMMAND...        standard output of the command goes to the file OUT

CPU seconds are user + system time of the process; memory is its peak resident set. Ends with 1 when the command failed.
"""
import os, subprocess, sys, time

# Linux counts in KiB, macOS in bytes.
PER_MIB = 2**20 if sys.platform == "darwin" else 2**10

name, n, out, command = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
started = time.monotonic()
with open(out, "wb") as sink:
    process = subprocess.Popen(command, stdout=sink, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
wall, cpu, code = time.monotonic() - started, usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)
failed = f"  failed with {code}" if code else ""
print(f"  {name:52} {cpu * 1e6 / n:8.3f} {cpu:9.2f} {wall:9.2f} {usage.ru_maxrss / PER_MIB:9.1f}{failed}")
sys.exit(bool(code))
