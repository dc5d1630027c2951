#!/bin/sh
# Installs Debian packages that are missing, through apt-get (with sudo unless root).
# Nothing is asked, and no service is started: a policy-rc.d stands in the way while
# packages are set up, unless the machine has one of its own.
# usage: packaging/deps.sh PACKAGE...
set -eu

missing=
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$sudo rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
fi

echo "  APT  $missing"
log=$(mktemp)
# shellcheck disable=SC2086
if ! { $sudo apt-get update -qq &&
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log"
    echo "deps: apt-get could not install:$missing" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
