#!/usr/bin/env bash
# Speed and memory of `pitot report` on generated captures, one thread, checked against their truth, with peers beside it
# where they are installed. Quote CPU seconds and their ratios, not wall time.
#
#   benches/captures.sh [MIX...]      small large hard lo connections; all by default
#   TSHARK=1 benches/captures.sh      tshark as well: minutes of CPU time
#
# Needs python3 and the shared material ($PITOT_SHARED, by default ../shared). Data stays in target/bench: 4 GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
shared=${PITOT_SHARED:-../shared}
data=target/bench
out=$data/out
mkdir -p "$out"

if [ ! -d "$shared/bench" ]; then
    echo "SKIPPED: no generator in $shared/bench; set PITOT_SHARED" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
[ -n "${PITOT:-}" ] || cargo build --release --locked --quiet
pitot=${PITOT:-target/release/pitot}
cargo build --release --locked --quiet --manifest-path "$shared/bench/Cargo.toml" --target-dir "$data/generator"

options() { # MIX
    case $1 in
    small) echo --bytes 1g --resp-body lognormal:350:0.8 --close 0 --seed 1 ;;
    large) echo --bytes 1g --resp-body lognormal:200k:0.8 --req-body lognormal:2k:0.8 --seed 2 ;;
    hard) echo --requests 100000 --resp-body lognormal:3k:1.0 --ooo 0.02 --retransmit 0.01 --loss 0.001 --ipv6 0.3 \
        --vlan 0.3 --pipeline 0.02 --expect 0.05 --noise 0.1 --seed 3 ;;
    lo) echo --requests 100000 --mss 32768 --link ethernet --rtt-us 20 ;;
    # A million connections, a request each, 50,000 at once. Consumers of the same size, since the generator's ports come
    # around every second and a half: the addresses of a large one would meet its connections that are still open.
    connections) echo --requests 1000000 --per-conn 1 --connections 50000 --rate 20000 --zipf 0 \
        --resp-body lognormal:150:0.5 ;;
    *) echo "unknown mix $1; use small, large, hard, lo or connections" >&2 && exit 1 ;;
    esac
}

row() { # NAME PACKETS OUT COMMAND...
    benches/measure.py "$@"
}

has_bare=$(cc -O2 -o "$out/bare_pcap" benches/bare_pcap.c -lpcap 2>/dev/null && echo 1 || true)
failed=0
[ $# -gt 0 ] || set -- small large hard lo connections
for mix in "$@"; do
    capture=$data/$mix.pcap
    # shellcheck disable=SC2046 # a list of options
    [ -f "$capture.truth.json" ] ||
        "$data/generator/release/make_http_pcap" $(options "$mix") --out "$capture" 2>/dev/null
    packets=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["wire"]["packets"])' "$capture.truth.json")
    cat "$capture" >/dev/null # into the page cache
    printf '  %-52s %8s %9s %9s %9s\n' "$mix: $packets packets" 'CPU s/1M' 'CPU s' 'wall s' 'RSS MiB'
    row 'pitot report, threads 1' "$packets" "$out/$mix.json" "$pitot" report --json --raw --threads 1 "$capture"
    printf '    '
    benches/check_truth.py "$out/$mix.json" "$capture.truth.json" --consumers || failed=1
    [ -z "$has_bare" ] || row 'bare libpcap loop' "$packets" "$out/bare" "$out/bare_pcap" "$capture"
    if command -v tcpdump >/dev/null; then
        row 'tcpdump -w /dev/null' "$packets" "$out/tcpdump" tcpdump -n -r "$capture" -w /dev/null
    fi
    if command -v httpry >/dev/null; then
        row 'httpry' "$packets" "$out/httpry" httpry -r "$capture" -o "$out/httpry.txt" tcp
    fi
    if [ -n "${TSHARK:-}" ] && command -v tshark >/dev/null; then
        row 'tshark -Y http' "$packets" "$out/tshark" tshark -n -r "$capture" -Y http -T fields -e http.request.uri \
            -e http.response.code -e http.time
    fi
done
exit $failed
