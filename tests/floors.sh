#!/bin/sh
# Fails where a file includes what its floor must not see (docs/architecture.md), or
# a library outside of the one file that wraps it.
# usage: tests/floors.sh    (from the root of the tree)
set -eu

status=0

# floor: the floors whose headers it may include, besides its own and base
allowed() {
    case $1 in
    base | source | event | config | daemon) echo "" ;;
    line) echo "" ;;
    format) echo "line event" ;;
    message | classify | queue | metric) echo "event" ;;
    expose) echo "metric" ;;
    *) echo "?" ;;
    esac
}

for floor in $(cd lib && echo *); do
    may=" base $floor tables $(allowed "$floor") "
    case $may in *\?*)
        echo "lib/$floor: no such floor in docs/architecture.md"
        status=1
        continue
        ;;
    esac
    for file in lib/"$floor"/*.[ch] include/mailvane/"$floor"/*.h; do
        [ -e "$file" ] || continue
        for seen in $(sed -n 's,^#include "mailvane/\([a-z]*\)/.*,\1,p' "$file" | sort -u); do
            case $may in *" $seen "*) ;; *)
                echo "$file: floor $floor must not include mailvane/$seen/"
                status=1
                ;;
            esac
        done
    done
done

# library header: the one place that may include it
while read -r header place; do
    for file in $(grep -rl "#include <$header" lib cmd include || true); do
        case $file in $place) ;; *)
            echo "$file: only $place includes <$header>"
            status=1
            ;;
        esac
    done
done <<'ROWS'
microhttpd.h lib/expose/http*.c
yaml.h lib/config/*
idn2.h lib/base/domain.c
jansson.h cmd/mailvane/js.c
pcre2.h lib/classify/pattern.c
sqlite3.h lib/source/checkpoint.c
xxhash.h include/mailvane/base/hash.h
seccomp.h lib/daemon/syscalls.c
systemd/ lib/daemon/ready.c
linux/landlock.h lib/daemon/landlock.c
linux/capability.h lib/daemon/privileges.c
sys/epoll.h lib/daemon/loop.c
sys/inotify.h *base/watch.[ch]
emmintrin.h include/mailvane/base/scan.h
ROWS

# Only cmd/ exits and prints.
if grep -nE '\b(exit|_exit|printf|puts|perror)\(' lib/*/*.c; then
    echo "lib/: only cmd/ prints and exits"
    status=1
fi
exit $status
