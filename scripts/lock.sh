#!/bin/sh
# Write requirements/{device,dev}.txt anew: the device from pyproject.toml, the developer from all four of them.
#
# usage: sh scripts/lock.sh              (PYTHON chooses the interpreter; `make lock` calls this)
#
# The locks hold for every platform (--universal) and for Python 3.11 and newer. They name hashes and no index:
# the index is the installer's choice, the content is fixed by the hashes. `wayside` itself, which other wheels of
# ours require, is excluded. uv resolves, from a throwaway environment, because nothing else needs it.
set -eu

python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

echo wayside >"$scratch/ours.txt"
echo "lock: fetching uv into a throwaway environment"
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip --disable-pip-version-check --quiet install uv

# resolve NAME START SOURCE...: requirements/NAME.txt. uv starts from requirements/START.txt, so that only necessary changes are
# made; the device starts from the developer's lock, because it ships the versions that are tested.
resolve() {
  name=$1
  start=$2
  shift 2
  echo "lock: resolving requirements/$name.txt"
  [ ! -e "requirements/$start.txt" ] || cp "requirements/$start.txt" "$scratch/$name.txt"
  "$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --excludes "$scratch/ours.txt" --no-emit-index-url --no-header "$@" -o "$scratch/$name.txt"
  if grep -nE '://|^--' "$scratch/$name.txt"; then
    echo "lock: the lines above contain an address or an option; the lock was not written" >&2
    exit 1
  fi
  mv "$scratch/$name.txt" "requirements/$name.txt"
}

resolve dev dev --extra dev pyproject.toml models/pyproject.toml firmware_sim/pyproject.toml dashboard/pyproject.toml
resolve device dev pyproject.toml
echo "lock: done; changes: git diff --stat requirements"
