#!/bin/sh
# A trial on a fresh Debian: does a clone of this repository run and pass its checks there?
#
# usage: debootstrap.sh [--keep] [--seconds N] [TARGET...]
#
# Makes a minimal Debian 12 in a temporary directory, with git, make and
# ca-certificates only, clones HEAD into it and runs there, by chroot, `make TARGET`
# for each target: run and check by default. run is interrupted N seconds (15) after
# it said what it serves, and must end well.
# Needs root, debootstrap and git. The host's apt sources for Debian, its proxy and
# its certificates are used. Not a part of `make check`: it takes minutes and loads packages.
set -eu

SUITE=bookworm
keep='' seconds=15
while [ $# -gt 0 ]; do
    case $1 in
    --keep) keep=1; shift ;;
    --seconds) seconds=${2:?--seconds wants a number}; shift 2 ;;
    -*) echo "usage: $0 [--keep] [--seconds N] [TARGET...]" >&2; exit 2 ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || set -- run check

fail() {
    echo "debootstrap.sh: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "wants root: a chroot is made"
for tool in debootstrap git chroot; do
    command -v $tool >/dev/null || fail "$tool is not installed"
done
repo=$(cd "$(dirname "$0")/.." && git rev-parse --show-toplevel)

root=$(mktemp -d "${TMPDIR:-/tmp}/mailvane-debian-XXXXXX")
chmod 755 "$root" # it is "/" to users other than root, too

# Every mount is below the root of this trial; nothing is removed while one is left.
release() {
    trap - EXIT
    [ ! -s "$root/run.pid" ] || kill -s TERM -- "-$(cat "$root/run.pid")" 2>/dev/null || true
    for at in /dev/pts /dev/shm /dev /proc ""; do
        if mountpoint -q "$root$at"; then umount "$root$at" || umount -l "$root$at"; fi
    done
    if grep -qF " $root" /proc/mounts; then
        echo "debootstrap.sh: something is still mounted below $root, which stays" >&2
    elif [ "$keep" ]; then
        echo "kept: $root"
    else
        rm -rf --one-file-system "$root"
    fi
}
trap release EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The first archive of the host that has Debian itself, with the proxy that apt uses.
archive() {
    # shellcheck disable=SC2016 # apt-get expands it
    apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -v suite="$SUITE" '$1 == suite && $2 == "main" { print $3; exit }'
}

eval "$(apt-config shell HTTP Acquire::http::Proxy HTTPS Acquire::https::Proxy)"
[ -z "${HTTP:-}" ] || export http_proxy="$HTTP"
[ -z "${HTTPS:-}" ] || export https_proxy="$HTTPS"
mirror=$(archive)
if [ -z "$mirror" ]; then
    echo "debootstrap.sh: no apt source for Debian is set up here to take a mirror from" >&2
    exit 2
fi

echo "== Debian $SUITE from $mirror into $root"
debootstrap --variant=minbase --include=git,make,ca-certificates "$SUITE" "$root" "$mirror" \
    >"$root.log" 2>&1 || { tail -20 "$root.log" >&2; rm -f "$root.log"; fail "debootstrap failed"; }
rm -f "$root.log"

# What the host's apt needs to reach the archive. Sources of others than Debian stay out.
mkdir -p "$root/etc/apt/apt.conf.d" "$root/usr/local/share/ca-certificates"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
[ -e /etc/hosts ] && cp -L /etc/hosts "$root/etc/hosts"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt" 2>/dev/null || true
apt-config dump | grep -Ei '^Acquire::(https?|ftp)::|^Acquire::Retries' \
    >"$root/etc/apt/apt.conf.d/90host" || true
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ -s "$file" ] && cp "$file" "$root/etc/apt/${file#/etc/apt/}"
done
[ ! -s "$root/etc/apt/sources.list.d/debian.sources" ] || rm -f "$root/etc/apt/sources.list"
mkdir -p "$root/usr/share/keyrings"
cp -n /usr/share/keyrings/debian-archive-* "$root/usr/share/keyrings/" 2>/dev/null || true
# No service is to be started in a chroot.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

# Mount namespaces can be made only where "/" is a mount.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r name major minor <<END
$node
END
    mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"

git clone -q --no-hardlinks "$repo" "$root/src"
echo "== $(git -C "$root/src" log -1 --format='%h %s')"

inside() {
    chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"
}

# `make run` never ends: after its first words it gets what Ctrl-C would send.
run_for_a_while() {
    out=$root/run.out
    : >"$out"
    # In the background, sh has commands ignore what Ctrl-C sends.
    inside env --default-signal=INT setsid sh -c 'echo $$ >/run.pid; exec make -C /src run' >"$out" 2>&1 &
    job=$!
    left=900 # for packages and the build
    until grep -q '^mailvane follows' "$out" || ! kill -0 "$job" 2>/dev/null || [ $left -le 0 ]; do
        sleep 1
        left=$((left - 1))
    done
    left=$seconds
    while kill -0 "$job" 2>/dev/null && [ "$left" -gt 0 ]; do
        sleep 1
        left=$((left - 1))
    done
    stop_run
    cat "$out"
    grep -q '^mailvane_deliveries_total.* [1-9]' "$out" || fail "make run showed no deliveries"
    grep -q 'mailvane ended with status 0' "$out" || fail "make run did not end well"
}

# Ctrl-C for everybody in the session; who is deaf to it is ended all the same.
stop_run() {
    group=$(cat "$root/run.pid")
    kill -s INT -- "-$group" 2>/dev/null || true
    left=30
    while kill -s 0 -- "-$group" 2>/dev/null && [ $left -gt 0 ]; do
        sleep 1
        left=$((left - 1))
    done
    kill -s TERM -- "-$group" 2>/dev/null && fail "make run did not end"
    rm -f "$root/run.pid"
    wait "$job" || true # make's own status is that of an interrupt
}

for target; do
    echo "== make $target"
    began=$(date +%s)
    if [ "$target" = run ]; then
        run_for_a_while
    else
        inside make -C /src "$target" || fail "make $target failed"
    fi
    echo "== make $target: well, after $(($(date +%s) - began)) s"
done
