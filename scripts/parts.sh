#!/bin/sh
# Install the programs that tests and demonstration use, if run as root on a Debian-like system. Prints one line for each.
#
# usage: sh scripts/parts.sh [--optional] [PART...]     parts: mosquitto chromium postgresql (without names: all of them)
#
# On other systems nothing is changed, and tests that need an absent part are skipped. With CI=true an absent part is an
# error, because no test may be skipped (unless --optional: without Mosquitto the demonstration uses amqtt).
# Debian starts Mosquitto and PostgreSQL as system services at installation. Tests and demonstration start their own broker on their
# own port, so policy-rc.d forbids starting services during the installation.
set -eu

policy=/usr/sbin/policy-rc.d
ours=
refreshed=
missing=
optional=

[ "${1:-}" != --optional ] || { optional=yes; shift; }
[ $# -gt 0 ] || set -- mosquitto chromium postgresql

# Debian installs daemons in sbin, which is not on every PATH, and those of PostgreSQL in a folder for each version.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

present() {
  case $1 in
    postgresql) command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}
may_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1 && [ -e /etc/debian_version ]; }

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

# Package lists may be absent or outdated: if an installation fails, update them once and try again.
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
    mosquitto | postgresql) note=" (no system service was started)" ;;
    chromium) note="" ;;
    *)
      echo "parts: there is no part '$part'; parts are mosquitto, chromium and postgresql" >&2
      exit 2
      ;;
  esac
  if present "$part"; then
    echo "parts: $part is present"
  elif may_install && install_part "$part" && present "$part"; then
    echo "parts: $part installed$note"
  elif [ -n "$optional" ]; then
    echo "parts: $part is absent; continuing without it"
  else
    echo "parts: $part is absent: tests that need it will be skipped"
    missing="$missing $part"
  fi
done

if [ -n "$missing" ] && [ "${CI:-}" = true ]; then
  echo "parts: CI=true allows no skipped test, and these are absent:$missing (installing them needs root on a Debian-like system)" >&2
  exit 1
fi
