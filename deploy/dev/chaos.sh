# shellcheck shell=bash
# ./dev chaos: the loss drill (docs/RELIABILITY.md), with programs built for it, on services of its own.

# What a drill's build has and no other: fail points, mutants, and the drill itself.
CHAOS_FEATURES=ingest-api/drill,worker/drill,waybill/drill,waybill-chaos/program
CHAOS_PROGRAMS="ingest-api worker waybill chaos"
CHAOS_BIN=$TARGET_DIR/drill/bin
CHAOS_SET=chaos

cmd_chaos() {
  local code=0 word version=
  for word in "$@"; do
    shift
    case $word,$version in
      --rabbitmq,) version=wanted ;;
      4,wanted) version=4 ;;
      *,wanted) break ;;
      *) set -- "$@" "$word" ;;
    esac
  done
  [ "$version" != wanted ] || { echo "usage: ./dev chaos --rabbitmq 4 [...]" >&2 && exit 2; }
  case " $* " in
    *' --help '* | *' --list '* | *' --publish '*)
      chaos_build >&2
      WAYBILL_CHAOS_DIR=$TARGET_DIR/chaos "$CHAOS_BIN/chaos" "$@"
      return
      ;;
  esac
  place_prepare
  take_lock chaos "./dev chaos"
  steps_total 3
  trap 'exit 130' INT TERM
  trap chaos_clean EXIT
  step "building the drill (cargo build --release, with fail points)"
  chaos_build
  step_done "built: $CHAOS_BIN"
  step "starting PostgreSQL and RabbitMQ${version:+ $version} for the drill"
  chaos_services "$version"
  step_done "a private set of services runs"
  step "drilling"
  chaos_exports
  "$CHAOS_BIN/chaos" "$@" </dev/null || code=$?
  chaos_clean
  trap - EXIT
  STEP_WHAT=
  [ "$code" -eq 0 ] || exit 1
}

# The drill's programs stand in a folder of their own; the ordinary ones are put back where they were.
# WAYBILL_CHAOS_BIN_DIR names programs that are built already.
chaos_build() {
  local name
  if [ -n "${WAYBILL_CHAOS_BIN_DIR:-}" ]; then
    CHAOS_BIN=$WAYBILL_CHAOS_BIN_DIR
    return 0
  fi
  cargo_find
  mkdir -p "$CHAOS_BIN" "$CHAOS_BIN/ordinary"
  for name in $CHAOS_PROGRAMS; do [ ! -e "$BIN_DIR/$name" ] || cp -lf "$BIN_DIR/$name" "$CHAOS_BIN/ordinary/$name"; done
  cargo build --release --locked --bins --features "$CHAOS_FEATURES" ||
    fail "the build failed: cargo's messages stand above" "" "with 'linker cc not found': install a C compiler"
  # cargo may have linked the one of last time anew: then both names are one file, which mv refuses to move
  for name in $CHAOS_PROGRAMS; do rm -f "$CHAOS_BIN/$name" && mv "$BIN_DIR/$name" "$CHAOS_BIN/$name"; done
  for name in $CHAOS_PROGRAMS; do
    [ ! -e "$CHAOS_BIN/ordinary/$name" ] || mv -f "$CHAOS_BIN/ordinary/$name" "$BIN_DIR/$name"
  done
}

# chaos_services [4]: with RabbitMQ 4, results go to a folder of their own.
chaos_services() {
  local ROOM_WANTED=
  sets_prepare
  chaos_drop || fail "leftovers of an earlier drill cannot be stopped"
  CHAOS_DIR=$TARGET_DIR/chaos
  if [ "${1:-}" = 4 ]; then
    room_ensure
    ROOM_WANTED=$ROOM CHAOS_DIR=$TARGET_DIR/chaos/rabbitmq-4
    note "RabbitMQ $(room_version)"
  fi
  set_prepare "$CHAOS_SET"
  shim_build
  shim_use
  sets_start "$CHAOS_SET"
  use_set "$CHAOS_SET"
}

# What the drill reads.
chaos_exports() {
  eval "$(set_exports CHAOS)"
  export WAYBILL_CHAOS_BIN_DIR=$CHAOS_BIN WAYBILL_CHAOS_DIR=$CHAOS_DIR
  export WAYBILL_CHAOS_CTL=$SET_DIR/ctl WAYBILL_CHAOS_SHIM=$SET_DATA/shim.so
  {
    echo '#!/usr/bin/env bash'
    printf 'exec bash %q %q "$@"\n' "$ROOT/deploy/dev/fault.sh" "$CHAOS_SET"
  } >"$WAYBILL_CHAOS_CTL"
  chmod +x "$WAYBILL_CHAOS_CTL"
}

chaos_drop() {
  if [ -d "$DEV_DIR/$CHAOS_SET" ]; then
    use_set "$CHAOS_SET"
    postgres_signal CONT || true
    [ ! -d "$SET_DATA/small" ] || small_disk_gone
  fi
  sets_drop "$CHAOS_SET"
}

chaos_clean() {
  trap '' INT TERM
  place_known || return 0
  room_leave
  chaos_drop || echo "some services of the drill did not end; ./dev down --purge tries again" >&2
}

# test_chaos FULL [4]: part of ./dev test --full, a short drill; and every mutant, which the drill must notice,
# once: they are defects of ours, whatever the broker's version.
test_chaos() {
  local log="$LOG_DIR/test-chaos${2:+-rabbitmq-$2}.log" code=0
  if [ "${1:-}" != --full ]; then
    count_skip drill "it takes minutes; ./dev test --full has it, and ./dev chaos is the whole of it"
    return 0
  fi
  if [ -z "${TEST_SETS:-}" ]; then
    count_skip drill "PostgreSQL and RabbitMQ packages are missing, and the drill breaks its own"
    return 0
  fi
  CHAOS_SET=test/chaos CHAOS_DRILLS=1
  chaos_build
  chaos_services "${2:-}"
  chaos_exports
  "$CHAOS_BIN/chaos" --quick </dev/null 2>&1 | tee "$log" || code=$?
  [ -n "${2:-}" ] || "$CHAOS_BIN/chaos" --teeth </dev/null 2>&1 | tee -a "$log" || code=$?
  chaos_drop
  # shellcheck disable=SC2046  # three numbers
  count_add $(count_lines "$log") "$code" "drill${2:+ on RabbitMQ $2}"
}
