# shellcheck shell=bash
# Processes that outlive ./dev, and the certainty that a recorded pid is still the process we started:
# a pid file holds the pid, the process's own start mark, and since when it runs. A pid whose mark has
# changed belongs to somebody else and is never signalled.

# Prints what tells this process from a later one with the same pid; fails when it is gone (or a zombie).
pid_mark() {
  local stat
  if [ -r "/proc/$1/stat" ]; then
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086  # the words after the last parenthesis are the fields
    set -- ${stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] && printf '%s' "${20}"
  elif [ -d /proc/self ]; then
    return 1
  else
    ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _ | grep .
  fi
}

# pid_record FILE PID
pid_record() { printf '%s %s %s\n' "$2" "$(pid_mark "$2" || echo gone)" "$(date '+%Y-%m-%dT%H:%M:%S')" >"$1"; }

# Prints the pid in FILE when that very process still runs.
pid_of() {
  local pid mark _
  [ -s "$1" ] || return 1
  read -r pid mark _ <"$1" || return 1
  [ "$(pid_mark "$pid" || true)" = "$mark" ] && printf '%s' "$pid"
}
pid_alive() { pid_of "$1" >/dev/null; }
pid_gone() { ! pid_mark "$1" >/dev/null; }
pid_stopped() { ps -o stat= -p "$1" 2>/dev/null | grep -q '^T' || grep -q '^State:.T' "/proc/$1/status" 2>/dev/null; }
pid_since() { cut -d ' ' -f 3 "$1"; }

# launch PIDFILE LOG FOLDER COMMAND...: starts a program in FOLDER, in a session of its own (no Ctrl-C
# reaches it), with its output in LOG and none of our open files, and records its pid.
launch() {
  local pidfile=$1 log=$2 folder=$3 session=env
  shift 3
  command -v setsid >/dev/null && session=setsid
  (
    trap - ERR EXIT
    trap '' HUP INT
    cd -- "$folder"
    exec </dev/null >>"$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
    ulimit -Sn 16384 2>/dev/null || ulimit -Sn "$(ulimit -Hn)" || true
    [ "$session" = env ] || trap - INT
    exec "$session" "$@"
  ) &
  pid_record "$pidfile" $!
  disown $! 2>/dev/null || true
}

# stop_pid PIDFILE NAME SECONDS SIGNAL...: sends each signal in turn, waiting SECONDS after each, then
# KILL. Removes the pid file. Nothing happens when the process is not ours or gone.
stop_pid() {
  local pidfile=$1 name=$2 limit=$3 pid signal
  shift 3
  if pid=$(pid_of "$pidfile"); then
    for signal in "$@" KILL; do
      [ "$signal" != KILL ] || note "$name (pid $pid) does not end by itself after $limit s: killing it"
      kill -s "$signal" "$pid" 2>/dev/null || true
      if wait_for "$name to end" "$limit" pid_gone "$pid"; then break; fi
    done
    pid_gone "$pid" || fail "$name (pid $pid) cannot be stopped" "" "look at it: ps -fp $pid"
  fi
  rm -f "$pidfile"
}

# children_of PID: the pids whose parent it is.
children_of() {
  local stat pid
  if [ ! -d /proc/self ]; then
    pgrep -P "$1" || true
    return 0
  fi
  for stat in /proc/[0-9]*/stat; do
    pid=${stat#/proc/}
    pid=${pid%/stat}
    stat=$(cat "$stat" 2>/dev/null) || continue
    case "${stat##*) }" in ?" $1 "*) printf '%s\n' "$pid" ;; esac
  done
}

# take_lock NAME WHAT: one ./dev at a time does WHAT in this checkout.
take_lock() {
  local lock="$RUN_DIR/$1.lock"
  if pid_alive "$lock" && [ "$(pid_of "$lock")" != $$ ]; then
    fail "another $2 runs in this checkout (pid $(pid_of "$lock"))" "" "wait for it to end, or end it"
  fi
  pid_record "$lock" $$
}
