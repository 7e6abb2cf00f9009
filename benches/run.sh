#!/usr/bin/env bash
# Speed and memory of `pitot report` on generated logs, checked against their truth, with peers beside it where they are
# installed. Quote CPU seconds and their ratios, not wall time.
#
#   benches/run.sh [LINES]        one million lines by default; peers, captures and live traffic only up to that
#
# Needs python3 and the shared material ($PITOT_SHARED, by default ../shared). Data stays in target/bench.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lines=${1:-1000000}
shared=${PITOT_SHARED:-../shared}
data=target/bench
out=$data/out
mkdir -p "$out"

if [ ! -d "$shared/bench" ]; then
    echo "SKIPPED: no generator in $shared/bench; set PITOT_SHARED" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
cargo build --release --locked --quiet
cargo build --release --locked --quiet --manifest-path "$shared/bench/Cargo.toml" --target-dir "$data/generator"

generate() { # FORMAT GARBAGE
    local log=$data/$1-$2-$lines.log
    if [ ! -f "$log.truth.json" ]; then
        "$data/generator/release/make_access_log" --lines "$lines" --incidents 20 --seed 1 --format "$1" --garbage "$2" \
            --out "$log" 2>/dev/null
    fi
    echo "$log"
}

row() { # NAME OUT COMMAND...
    local name=$1 sink=$2
    shift 2
    benches/measure.py "$name" "$lines" "$sink" "$@"
}

printf '  %-52s %8s %9s %9s %9s\n' "$lines lines" 'CPU s/1M' 'CPU s' 'wall s' 'RSS MiB'
for mix in {combined+rt,combined,common,json}' '{0,0.01}; do
    read -r format garbage <<<"$mix"
    log=$(generate "$format" "$garbage")
    for threads in 1 2; do
        row "pitot report, $format, garbage $garbage, threads $threads" "$out/report-$threads.json" \
            target/release/pitot report --json --raw --threads "$threads" "$log"
    done
    cmp "$out/report-1.json" "$out/report-2.json"
    keys=$([[ $format == combined+rt || $format == json ]] && echo --consumers || true)
    printf '    '
    benches/check_truth.py "$out/report-1.json" "$log.truth.json" $keys
done

# goaccess takes half a minute of CPU for a million lines.
[ "$lines" -le 1000000 ] || exit 0
log=$(generate combined+rt 0)
echo '  peers, on combined+rt'
if command -v mawk >/dev/null; then
    row 'mawk: count, 5xx and p99 by route' "$out/mawk" mawk -f benches/p99.awk "$log"
fi
if command -v goaccess >/dev/null; then
    row 'goaccess COMBINED, JSON' "$out/goaccess" goaccess --no-global-config --log-format=COMBINED -o json "$log"
fi
if command -v rg >/dev/null; then
    row "rg -c '\" 5[0-9][0-9] '" "$out/rg" rg -c '" 5[0-9][0-9] ' "$log"
fi
row 'wc -l' "$out/wc" wc -l "$log"

benches/captures.sh
benches/live.py
echo '  more consumers and routes than anybody has, and some that nobody has'
GENERATOR=$data/generator/release/make_access_log benches/cardinality.py
cargo bench --locked --quiet --bench agents
