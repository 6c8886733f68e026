# shellcheck shell=bash
# What a person sees: numbered steps with their durations, waits that name what they wait for, and
# failures that give the reason, the log and the next thing to try.

STEP_NOW=0
STEP_TOTAL=0
STEP_BEGAN=$SECONDS
STEP_WHAT=

say() { printf '%s\n' "$*"; }
note() { printf '      %s\n' "$*"; }

# A line that is rewritten on a terminal, and left out elsewhere.
progress() { [ ! -t 1 ] || printf '\r\033[K      %s' "$*"; }
progress_clear() { [ ! -t 1 ] || printf '\r\033[K'; }

steps_total() {
  STEP_NOW=0
  STEP_TOTAL=$1
}

# step WHAT: begins a step. step_done RESULT: ends it, with its duration.
step() {
  STEP_NOW=$((STEP_NOW + 1))
  STEP_BEGAN=$SECONDS
  STEP_WHAT=$1
  say "[$STEP_NOW/$STEP_TOTAL] $1 …"
}
step_done() {
  progress_clear
  say "[$STEP_NOW/$STEP_TOTAL] $1 ($((SECONDS - STEP_BEGAN)) s)"
}

# wait_for WHAT SECONDS_MAX COMMAND...: polls COMMAND until it succeeds. Returns 1 when the time is
# up, and COMMAND's own code as soon as that is above 1: there is no hope left.
wait_for() {
  local what=$1 limit=$2 began=$SECONDS told=$SECONDS code
  shift 2
  while :; do
    code=0
    "$@" || code=$?
    [ "$code" -ne 0 ] || { progress_clear; return 0; }
    [ "$code" -le 1 ] || { progress_clear; return "$code"; }
    [ $((SECONDS - began)) -lt "$limit" ] || { progress_clear; return 1; }
    progress "waiting for $what … $((SECONDS - began)) s of at most $limit s"
    if [ ! -t 1 ] && [ $((SECONDS - told)) -ge 10 ]; then
      note "waiting for $what … $((SECONDS - began)) s of at most $limit s"
      told=$SECONDS
    fi
    sleep 0.2
  done
}

# with_deadline SECONDS COMMAND...: COMMAND, silenced, killed when it takes longer.
with_deadline() {
  local limit=$1 pid began=$SECONDS
  shift
  "$@" </dev/null >/dev/null 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if [ $((SECONDS - began)) -ge "$limit" ]; then
      kill -KILL "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
      return 1
    fi
    sleep 0.1
  done
  wait "$pid"
}

# fail REASON [LOG [NEXT...]]: says it all and ends this shell with 1.
fail() {
  local reason=$1 log=${2:-} line
  shift
  [ $# -eq 0 ] || shift
  {
    progress_clear
    echo
    echo "FAILED${STEP_WHAT:+ while $STEP_WHAT}: $reason"
    if [ -n "$log" ] && [ -s "$log" ]; then
      echo "  log: $log, which ends:"
      tail -n 15 "$log" | sed 's/^/  | /'
    elif [ -n "$log" ]; then
      echo "  log: $log (empty)"
    fi
    for line in "$@"; do echo "  next: $line"; done
  } >&2
  exit 1
}

set -E
# A command that fails where nobody expected it still says where.
trap 'echo "./dev stopped at ${BASH_SOURCE[0]##*/}:$LINENO${STEP_WHAT:+ while $STEP_WHAT} (exit $?)" >&2' ERR
