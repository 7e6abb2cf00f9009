#!/bin/sh
# Makes a machine ready to build pitot, and says what it does; silent when nothing is missing.
#
#   scripts/setup.sh        a C compiler and the headers of libpcap, by apt, dnf, apk, pacman or brew
#   scripts/setup.sh test   these, clippy and rustfmt, and tools that some tests run: python3, tmux, curl, wrk, h2load,
#                           nginx, haproxy, promtool, alertmanager
#
# sudo is used only where we are not root. The test tools are installed where CI=true or we are root, and apt is there;
# elsewhere the tests that need a missing one skip and say so.
set -eu

TOOLS=target/tools
MODE=${1:-build}

main() {
    cd "$(dirname "$0")/.."
    has cargo || die "cargo is missing; get it from https://rustup.rs"
    has cc || install "a C compiler" "gcc libc6-dev" "gcc" "build-base" "gcc" "gcc"
    # macOS brings it with its developer tools.
    links_pcap || install "libpcap with its headers" libpcap-dev libpcap-devel libpcap-dev libpcap libpcap
    [ "$MODE" = test ] && test_tools
    return 0
}

# A missing package, by its names for apt, dnf, apk, pacman and brew.
install() {
    what=$1
    if has apt-get; then
        say "installing $what: apt-get install $2"
        # shellcheck disable=SC2086 # a list of packages
        apt_install $2
    elif has dnf; then
        say "installing $what: dnf install $3"
        as_root dnf install -y -q $3
    elif has apk; then
        say "installing $what: apk add $4"
        as_root apk add -q $4
    elif has pacman; then
        say "installing $what: pacman -S $5"
        as_root pacman -S --needed --noconfirm --quiet $5
    elif has brew; then
        say "installing $what: brew install $6"
        brew install -q $6
    else
        die "$what missing and no apt, dnf, apk, pacman or brew found; install it by hand"
    fi
}

test_tools() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || {
        say "installing clippy and rustfmt: rustup component add"
        rustup component add clippy rustfmt
    }
    has apt-get || return 0
    [ "${CI:-}" = true ] || [ "$(id -u)" = 0 ] || return 0
    missing=
    for tool in python3 tmux curl wrk; do
        has $tool || missing="$missing $tool"
    done
    has h2load || missing="$missing nghttp2-client"
    # shellcheck disable=SC2086 # a list of packages
    [ -z "$missing" ] || { say "installing test tools:$missing" && apt_install $missing; } || optional
    PATH=$PATH:$TOOLS/usr/bin:$TOOLS/usr/sbin:/usr/sbin
    has nginx || unpack nginx || optional
    has haproxy || unpack haproxy || optional
    has promtool || unpack prometheus || optional
    has prometheus-alertmanager || unpack prometheus-alertmanager || optional
    alertmanager_templates || optional
}

# Debian's Alertmanager does not start without its templates, which it looks for here wherever it is itself.
alertmanager_templates() {
    place=/usr/share/prometheus/alertmanager
    [ -d $TOOLS$place ] && [ ! -e $place/default.tmpl ] || return 0
    say "copying Alertmanager's templates to $place"
    as_root mkdir -p $place && as_root cp $TOOLS$place/default.tmpl $TOOLS$place/email.tmpl $place
}

# A Debian package's files below target/tools. Installing it would start its daemon and claim its port. The libraries that
# it needs are installed.
unpack() {
    say "unpacking $1 into $TOOLS (not installed: that would start a daemon)"
    mkdir -p "$TOOLS"
    (
        cd "$TOOLS"
        apt-get download -q "$1" >/dev/null 2>&1 || { apt_update && apt-get download -q "$1" >/dev/null 2>&1; }
        libraries=$(dpkg-deb -f "$1"_*.deb Depends | tr ',' '\n' | sed -n 's/^ *\(lib[^ ]*\).*/\1/p')
        missing=
        for library in $libraries; do
            dpkg -s "$library" >/dev/null 2>&1 || missing="$missing $library"
        done
        # shellcheck disable=SC2086 # a list of packages
        [ -z "$missing" ] || { say "installing$missing, which $1 needs" && apt_install $missing; }
        dpkg -x "$1"_*.deb . && rm -f "$1"_*.deb
    )
}

# What apt says is shown only where it fails with fresh lists of packages, too. Root is asked for first, since nothing
# that is said inside `$(...)` would be seen.
apt_install() {
    needs_root "apt-get install $*"
    quiet="-o DPkg::Lock::Timeout=300 -y -qq --no-install-recommends"
    # shellcheck disable=SC2086 # options and packages
    said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get install $quiet "$@" 2>&1) ||
        { apt_update && said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get install $quiet "$@" 2>&1); } ||
        { printf '%s\n' "$said" >&2 && return 1; }
}

apt_update() {
    as_root apt-get update -qq
}

as_root() {
    needs_root "$*"
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

needs_root() {
    [ "$(id -u)" = 0 ] || has sudo || die "cannot run \`$1\`: neither root nor sudo; run it as root and make again"
}

# Whether a program that uses libpcap compiles and links.
links_pcap() {
    printf '#include <pcap.h>\nint main(void) { return pcap_lib_version() == 0; }\n' |
        cc -x c - -lpcap -o /dev/null 2>/dev/null
}

# A test tool is not to be had: the tests that need it say so; where CI expects them that is an error.
optional() {
    [ "${CI:-}" != true ] || die "a test tool could not be installed"
    say "a test tool could not be installed; the tests that need it will skip"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

say() {
    printf 'setup: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

main
