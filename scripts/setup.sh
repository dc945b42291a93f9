#!/bin/sh
# Make the virtual environment from the hash-locked requirements, in few lines.
#
# usage: sh scripts/setup.sh VENV        (PYTHON chooses the interpreter; `make setup` calls this)
#
# pip's output is pages long, so it goes to a log file; its last lines are shown on failure. Only wheels are installed: a
# source distribution would need a compiler. The stamp is written last, so that `make` repeats an interrupted run.
set -eu

venv=$1
python=${PYTHON:-python3}
log=$venv/setup.log
began=$(date +%s)

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
seconds() { echo $(($(date +%s) - began)); }

# --- check the interpreter --------------------------------------------------------------------
version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) ||
  fail "there is no working '$python'; install Python 3.11 or newer, or name an interpreter: make setup PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Wayside needs Python 3.11 or newer and '$python' is $version; name another interpreter: make setup PYTHON=python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "'$python' ($version) has no venv module; on Debian and Ubuntu: apt-get install python3-venv"

# --- run a long command with progress ----------------------------------------------------------
# pip prints "Collecting" for every distribution that it fetches, and nothing while it unpacks; progress() shows both.
progress() {
  fetched=$(grep -c '^Collecting ' "$log" 2>/dev/null) || fetched=0
  if grep -q '^Installing collected' "$log" 2>/dev/null; then step="unpacking"; else step="fetched $fetched of $1"; fi
  if [ "$1" -eq 0 ]; then return 0; fi
  if [ -t 1 ]; then
    printf '\rsetup:   %s, %ss    ' "$step" "$(seconds)"
  elif [ $(($(seconds) / 15)) -gt "$shown" ]; then
    shown=$(($(seconds) / 15))
    say "  $step, $(seconds)s"
  fi
}

# quietly COUNT COMMAND...: run the command with its output in the log; COUNT distributions are expected (0: no progress is shown).
quietly() {
  count=$1
  shown=0
  shift
  "$@" >"$log" 2>&1 &
  child=$!
  trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
  while kill -0 "$child" 2>/dev/null; do
    progress "$count"
    sleep 1
  done
  trap - INT TERM
  [ ! -t 1 ] || printf '\r%60s\r' ''
  if ! wait "$child"; then
    tail -n 25 "$log" >&2
    fail "'$*' failed; its last lines are above, all of them in $log"
  fi
}

# --- the environment --------------------------------------------------------------------------
if [ -e "$venv" ] && ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
  say "$venv does not work (was its Python removed?); making it again"
  rm -rf "$venv"
fi
if [ ! -e "$venv" ]; then
  say "making $venv with Python $version"
  "$python" -m venv "$venv"
fi

count=$(grep -c '^[a-z0-9].*==' requirements/dev.txt)
say "installing the $count locked distributions (first time: about a minute; log in $log)"
quietly "$count" "$venv/bin/python" -m pip --disable-pip-version-check --no-input install \
  --no-deps --require-hashes --only-binary :all: -r requirements/dev.txt
# Our own four, editable: the gateway first, because two others require it.
for folders in "-e ." "-e models -e firmware_sim -e dashboard"; do
  # shellcheck disable=SC2086  # each word is an argument
  quietly 0 "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --no-deps --no-build-isolation $folders
done

touch "$venv/setup.done"
say "done in $(seconds)s"
