# shellcheck shell=bash
# ./dev bench: the benchmark, on a PostgreSQL and a RabbitMQ of its own, with the release binaries.

cmd_bench() {
  local name=latest lasts="about 13 minutes" what=(run)
  if [ "${1:-}" = --quick ]; then
    name=quick lasts="about 2 minutes" what=(run --quick)
    shift
  elif [ "${1:-}" = --part ] && [ $# -ge 2 ]; then
    # more words are the part's own
    name=$2 lasts="a few minutes" what=(part "${@:2}")
    shift $#
  fi
  [ $# -eq 0 ] || { echo "usage: ./dev bench [--quick | --part replays|receipt-seq [--dead-letters N]]" >&2 && exit 2; }
  place_prepare
  take_lock bench "./dev bench"
  steps_total 3
  BENCH_PID=
  trap 'exit 130' INT TERM
  trap bench_clean EXIT
  step "building (cargo build --release)"
  build_bench
  step_done "built: $BIN_DIR"
  step "starting PostgreSQL and RabbitMQ for the benchmark"
  sets_prepare
  sets_drop bench || fail "leftovers of an earlier run cannot be stopped"
  # When a message's effect was committed is read from PostgreSQL itself.
  POSTGRES_OPTIONS="-c track_commit_timestamp=on" sets_start bench
  step_done "a private set of services runs"
  step "measuring, $lasts; a busy machine makes the figures worthless"
  bench_run "${what[@]}" --report "$TARGET_DIR/bench/$name.json"
  bench_clean
  trap - EXIT
  step_done "measured: $TARGET_DIR/bench/$name.json$([ "${what[0]}" = part ] || echo "; as Markdown: $TARGET_DIR/bench/$name.md")"
}

# bench_run WORD...: runs it in the background, so that an interrupt reaches us at once.
bench_run() {
  local code=0
  mkdir -p "$TARGET_DIR/bench"
  use_set bench
  eval "$(set_exports BENCH)"
  export WAYBILL_BENCH_BIN_DIR=$BIN_DIR WAYBILL_BENCH_LOG_DIR=$LOG_DIR/bench
  ulimit -Sn 16384 2>/dev/null || ulimit -Sn "$(ulimit -Hn)" || true
  "$BIN_DIR/bench" "$@" </dev/null &
  BENCH_PID=$!
  wait "$BENCH_PID" || code=$?
  BENCH_PID=
  [ "$code" -eq 0 ] || fail "the benchmark ended with $code; what it said stands above" "" \
    "the programs' logs: $LOG_DIR/bench" "of the services: $SET_LOG-postgres.log, $SET_LOG-rabbitmq.log"
}

# Whatever happened: what we started ends, and its data goes. The benchmark ends its own programs.
bench_clean() {
  trap '' INT TERM
  if [ -n "$BENCH_PID" ]; then
    kill "$BENCH_PID" 2>/dev/null || true
    wait "$BENCH_PID" || true
    BENCH_PID=
  fi
  place_known || return 0
  sets_drop bench || echo "the benchmark's services did not end; ./dev down --purge tries again" >&2
}
