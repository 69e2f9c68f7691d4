#!/bin/sh
# Installs the coditect command for you alone: sh install.sh [install|uninstall] [--key KEY] [--yes] [--offline FILE] [--json]
# The whole script is one function that its last line calls: a download that was cut runs nothing.
# Exit codes: 0 done, 1 failed, 2 wrong use, 3 the license was refused, 4 not reachable, 5 the bundle is not genuine, 130 interrupted.

say() { printf '%s\n' "$*" >&2; }

end() { code=$1; shift; say "$*"; exit "$code"; }

# Python is what the client runs on; the one that is found also checks the bundle.
find_python() {
    for python in "${CODITECT_PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$python" >/dev/null 2>&1 && "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            return 0
        fi
    done
    end 2 'Python 3.11 or newer is needed. Install it, or name it by CODITECT_PYTHON.'
}

fetch() {
    case $1 in https:*) only=https ;; *) only=http,https ;; esac
    if command -v curl >/dev/null 2>&1; then
        curl -fsSL --proto "=$only" --retry 2 --connect-timeout 10 -o "$2.part" "$1" || return 1
    elif command -v wget >/dev/null 2>&1; then
        wget -q -O "$2.part" "$1" || return 1
    else
        end 2 'curl or wget is needed.'
    fi
    mv -f "$2.part" "$2"
}

write_checker() {
    cat >"$work/genuine.py" <<'END_OF_CHECKER'
@CHECKER@
END_OF_CHECKER
}

# Checksum and signature by the key pinned here; unpacks what was checked, and runs nothing of it.
genuine() { "$python" -I "$work/genuine.py" "$work" "$public_key" "$sha256" ${offline:+"$offline"} </dev/null; }

get_bundle() {
    if [ -z "$offline" ] && ! { [ -f "$work/coditect.tar.gz.sig" ] && genuine 2>/dev/null; }; then
        for file in coditect.tar.gz coditect.tar.gz.sig; do
            fetch "$url/install/$version/$file" "$work/$file" ||
                end 4 "$url/install/$version/$file could not be fetched. If the service answers, this script is an old one: get it again."
        done
    fi
    genuine || exit $?
    say "[1/6] bundle: $version, checksum and signature are good"
}

main() {
    set -eu
    umask 077
    url='@URL@' version='@VERSION@' sha256='@SHA256@' public_key='@PUBLIC_KEY@'
    work="${XDG_STATE_HOME:-$HOME/.local/state}/coditect/installer"
    task=install offline=''
    case "${1:-}" in install | uninstall) task=$1; shift ;; esac
    # --offline is for this script, everything else for the client.
    count=$#
    while [ "$count" -gt 0 ]; do
        word=$1; shift; count=$((count - 1))
        case $word in
            --offline) [ "$count" -gt 0 ] || end 2 '--offline needs a file.'; offline=$1; shift; count=$((count - 1)) ;;
            --offline=*) offline=${word#--offline=} ;;
            *) set -- "$@" "$word" ;;
        esac
    done
    case $offline in '') ;; *) [ -f "$offline" ] || end 2 "There is no file $offline." ;; esac
    find_python
    mkdir -p "$work"
    write_checker
    get_bundle
    [ "$task" = uninstall ] || set -- --bundle "$work/bundle" "$@"
    code=0
    CODITECT_URL=${CODITECT_URL:-$url} "$python" -I -c '
import glob, sys
sys.path[:0] = glob.glob(sys.argv.pop(1) + "/*.whl")
from glue.client.command import main
main()' "$work/bundle" "$task" "$@" </dev/null || code=$?
    if [ "$code" -eq 0 ]; then
        rm -rf "$work"
        rmdir "${work%/*}" 2>/dev/null || :
    fi
    return "$code"
}

{ main "$@"; exit $?; }
