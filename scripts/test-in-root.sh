#!/bin/sh
# Run the tests of the device in another Debian, in a root made by debootstrap: whole, or the core under emulation.
#
# usage: sh scripts/test-in-root.sh FOLDER RELEASE [ARCHITECTURE] [TESTS...]     (as root; RELEASE such as trixie)
#
# Debian 13 is that of the Raspberry Pi, with Python 3.13. ARCHITECTURE arm64 needs qemu-user-static 10 (7.2 crashes in the model runtime).
# The folder stays, so that a repeated run installs nothing again. Prints the seconds of each step.
set -eu

fail() { printf 'test-in-root: %s\n' "$*" >&2; exit 1; }

[ $# -ge 2 ] || fail "usage: sh scripts/test-in-root.sh FOLDER RELEASE [ARCHITECTURE] [TESTS...]"
root=$1 release=$2 architecture=${3:-$(dpkg --print-architecture)}
shift 2
[ $# -eq 0 ] || shift
tests=${*:-tests/core tests/decoders tests/adapters tests/runtime tests/update tests/backup tests/pki tests/page tests/commands tests/broker}
[ "$(id -u)" = 0 ] || fail "run it as root: it makes a Debian root and enters it"
command -v debootstrap >/dev/null || fail "debootstrap is not installed: apt-get install debootstrap"
project=$(cd "$(dirname "$0")/.." && pwd)
place=$root/srv/wayside
began=$(date +%s)
step() { printf 'test-in-root: %s after %s s\n' "$1" "$(($(date +%s) - began))"; }

if [ ! -d "$root/etc" ]; then
  packages=ca-certificates,python3,python3-venv,make,git,procps,mosquitto
  debootstrap --variant=minbase --arch="$architecture" --include="$packages" "$release" "$root" >/dev/null || fail "debootstrap ended with an error"
fi
step "the root of Debian $release ($architecture) is there"
mkdir -p "$place"
git -C "$project" archive HEAD | tar -x -C "$place"
if [ ! -d "$place/.git" ]; then git -C "$place" init -q; fi
mounted=
unmount() { for one in $mounted; do umount -l "$root/$one"; done; }
trap unmount EXIT
for one in proc dev sys; do
  mountpoint -q "$root/$one" || { mount --rbind "/$one" "$root/$one" && mount --make-rslave "$root/$one" && mounted="$mounted $one"; }
done
inside() { chroot "$root" /usr/bin/env HOME=/srv PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /srv/wayside && $1"; }
if [ ! -e "$place/.venv/setup.done" ]; then inside "make setup" || fail "make setup ended with an error"; fi
step "the environment is there"
inside ".venv/bin/python --version && .venv/bin/python -m pytest -q -p no:cacheprovider $tests" || code=$?
step "the tests have ended with exit code ${code:-0}"
exit "${code:-0}"
