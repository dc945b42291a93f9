#!/bin/sh
# Write requirements/{device,dev}.txt anew from pyproject.toml.
#
# usage: sh scripts/lock.sh              (PYTHON chooses the interpreter; `make lock` calls this)
#
# The locks hold for every platform (--universal) and for Python 3.11 and newer. They name hashes and never an
# index: whoever installs decides where from, and the hashes decide what. uv does the resolving, from a
# throwaway environment, because nobody needs it otherwise.
set -eu

python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

echo "lock: fetching uv into a throwaway environment"
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip --disable-pip-version-check --quiet install uv

# resolve NAME OPTIONS...: requirements/NAME.txt. The present file is uv's starting point, so that only what must move moves.
resolve() {
  name=$1
  shift
  echo "lock: resolving requirements/$name.txt"
  [ ! -e "requirements/$name.txt" ] || cp "requirements/$name.txt" "$scratch/$name.txt"
  "$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header "$@" -o "$scratch/$name.txt" pyproject.toml
  if grep -nE '://|^--' "$scratch/$name.txt"; then
    echo "lock: the lines above name an address or an option; the lock was not written" >&2
    exit 1
  fi
  mv "$scratch/$name.txt" "requirements/$name.txt"
}

resolve device
resolve dev --extra dev
echo "lock: done; see what moved: git diff --stat requirements"
