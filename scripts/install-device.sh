#!/bin/sh
# Install the gateway for a device: a virtual environment from the device's hash lock, without what it never uses.
#
# usage: sh scripts/install-device.sh FOLDER WHEEL      (PYTHON chooses the interpreter; WHEEL is dist/wayside-*.whl of `make wheels`)
#
# MACHINE=aarch64 installs for another machine of the same Python: the libraries are that machine's, and nothing of it is started here.
#
# pip stays outside, in a throwaway environment. requirements/device-prune.txt lists the files that are deleted, each with its reason.
# FOLDER must be new: an update makes another folder beside the one in use, and the service is then pointed to it.
set -eu

fail() { printf 'install-device: %s\n' "$*" >&2; exit 1; }

[ $# -eq 2 ] || fail "usage: sh scripts/install-device.sh FOLDER WHEEL"
device=$1
wheel=$2
python=${PYTHON:-python3}
locks=$(dirname "$0")/../requirements

[ ! -e "$device" ] || fail "$device exists; name a new folder"
[ -f "$wheel" ] || fail "there is no $wheel; build it with: make wheels"
"$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  fail "'$python' is not Python 3.11 or newer with venv; on Debian: apt-get install python3-venv, or name another with PYTHON"

scratch=$(mktemp -d)
finished=
clean_up() {
  rm -rf "$scratch"
  [ -n "$finished" ] || rm -rf "$device"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- install -----------------------------------------------------------------------------------
echo "install-device: installing the locked distributions into $device"
"$python" -m venv "$scratch/tools"
"$python" -m venv --without-pip "$device"
site=$("$device/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
machine=${MACHINE:-$(uname -m)}
pip() { "$scratch/tools/bin/python" -m pip --disable-pip-version-check --no-input --quiet "$@"; }
install() {
  if [ "$machine" = "$(uname -m)" ]; then
    pip --python "$device/bin/python" install --no-deps --no-compile --only-binary :all: "$@"
  else
    # The newest C library of the lock's wheels: 2.28, older than that of Debian 12.
    pip install --no-deps --no-compile --only-binary :all: --target "$site" --upgrade --platform "manylinux_2_28_$machine" \
      --platform "manylinux_2_27_$machine" --platform "manylinux2014_$machine" --platform "linux_$machine" "$@"
  fi || fail "pip could not install the distributions; its message is above"
}
install --require-hashes -r "$locks/device.txt"
install --no-index "$wheel"
if [ -e "$site/bin/wayside" ]; then
  sed "1s|.*|#!$device/bin/python|" "$site/bin/wayside" >"$device/bin/wayside"
  chmod 0755 "$device/bin/wayside"
  rm -rf "$site/bin"
fi

# --- prune -------------------------------------------------------------------------------------
while read -r pattern; do
  case $pattern in
    '' | '#'*) ;;
    *) find "$site" -path "$site/$pattern" -prune -exec rm -rf {} + ;;
  esac
done <"$locks/device-prune.txt"

# --- compile and check -------------------------------------------------------------------------
# Compiled here, because the service may not be allowed to write to this folder.
"$device/bin/python" -m compileall -q "$site" || fail "a module could not be compiled; its name is above"
if [ "$machine" = "$(uname -m)" ]; then
"$device/bin/python" - <<'PYTHON' || fail "a module of the gateway cannot be imported; see above"
import importlib, pkgutil, gateway
for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
    importlib.import_module(module.name)
PYTHON
"$device/bin/wayside" --help >/dev/null || fail "$device/bin/wayside does not start; see above"
fi
finished=yes
count=$(find "$site" -maxdepth 1 -name '*.dist-info' | wc -l)
echo "install-device: done, $((count)) distributions, $(du -sm "$device" | cut -f1) MB"
