#!/bin/sh
# Install the real parts that tests use, where we may: as root on a Debian-like system. One line per part tells.
#
# usage: sh scripts/parts.sh [--optional] [PART...]     parts: mosquitto chromium (without names: all of them)
#
# Anywhere else nothing is changed and the tests that need an absent part are skipped. Under CI=true nothing may be
# skipped, so an absent part is a failure there (unless --optional: the demo has a broker of its own to fall back on).
# Debian would start Mosquitto as a system service when it is installed. Tests and demo start their own broker on a
# port of their own, so policy-rc.d forbids services to start for as long as the installation takes.
set -eu

policy=/usr/sbin/policy-rc.d
ours=
refreshed=
missing=
optional=

[ "${1:-}" != --optional ] || { optional=yes; shift; }
[ $# -gt 0 ] || set -- mosquitto chromium

# Debian keeps daemons in sbin, which is not on everyone's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

present() { command -v "$1" >/dev/null 2>&1; }
may_install() { [ "$(id -u)" -eq 0 ] && present apt-get && [ -e /etc/debian_version ]; }

forbid_services() {
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  ours=yes
}
allow_services() { [ -z "$ours" ] || rm -f "$policy"; }
trap allow_services EXIT
trap 'exit 130' INT TERM

apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=1 -o Acquire::http::Timeout=30 "$@" >/dev/null 2>&1 </dev/null; }
fetch() { apt install -y --no-install-recommends "$1"; }

# A new machine has no package lists, an old one has stale ones: refresh once, when an installation fails.
install_part() {
  echo "parts: installing $1 with apt-get"
  forbid_services
  if fetch "$1"; then return 0; fi
  [ -z "$refreshed" ] || return 1
  refreshed=yes
  apt update || return 1
  fetch "$1"
}

for part in "$@"; do
  case $part in
    mosquitto) note=" (as a program only: no system service was started)" ;;
    chromium) note="" ;;
    *)
      echo "parts: there is no part '$part'; parts are mosquitto and chromium" >&2
      exit 2
      ;;
  esac
  if present "$part"; then
    echo "parts: $part is present"
  elif may_install && install_part "$part" && present "$part"; then
    echo "parts: $part installed$note"
  elif [ -n "$optional" ]; then
    echo "parts: $part is absent; going on without it"
  else
    echo "parts: $part is absent: tests that need it will be skipped"
    missing="$missing $part"
  fi
done

if [ -n "$missing" ] && [ "${CI:-}" = true ]; then
  echo "parts: CI=true allows no skipped test, and these are absent:$missing (needs root on a Debian-like system)" >&2
  exit 1
fi
