# shellcheck shell=bash
# ./dev test: every test, on PostgreSQL and RabbitMQ of its own. Its last line is the sum.

cmd_test() {
  local full=
  if [ "${1:-}" = --full ]; then
    full=--full
    shift
  fi
  place_prepare
  take_lock test "./dev test"
  steps_total 3
  trap 'exit 130' INT TERM
  trap test_clean EXIT
  test_services
  step "building (cargo build --release)"
  build_binaries
  step_done "built: $BIN_DIR"
  step "testing"
  test_exports
  test_browser $full
  test_rust "$@"
  if [ $# -eq 0 ]; then
    test_rabbitmq_4 $full
    test_deploy $full
    test_chaos $full
    test_chaos_4 $full
  else
    say "RabbitMQ 4, the deployment checks and the loss drill are left out: tests were chosen by name"
  fi
  test_clean
  trap - EXIT
  STEP_WHAT=
  say "$PASSED passed, $FAILED failed, $SKIPPED skipped"
  [ "$FAILED" -eq 0 ] || exit 1
}

# One set for the tests, unless the user names services for them; another for those that break it.
test_services() {
  TEST_SETS="test/main test/fault"
  step "starting PostgreSQL and RabbitMQ for the tests"
  if [ -n "${WAYBILL_TEST_DATABASE_URL:-}" ] && [ -n "${WAYBILL_TEST_AMQP_URL:-}" ]; then
    TEST_SETS="test/fault"
    packages_present || TEST_SETS=
  fi
  if [ -n "$TEST_SETS" ]; then
    sets_prepare
    test_clear
    # shellcheck disable=SC2086  # names
    sets_start $TEST_SETS
  fi
  if [ "$TEST_SETS" = "test/main test/fault" ]; then
    step_done "two private sets of services run: one for the tests, one for those that break it"
  else
    step_done "the tests use WAYBILL_TEST_DATABASE_URL and WAYBILL_TEST_AMQP_URL"
  fi
}

# What an interrupted run left behind.
test_clear() {
  sets_drop test/main test/fault test/main4 test/flt4 || fail "leftovers of an earlier run cannot be stopped"
}

# What the tests read.
test_exports() {
  export WAYBILL_TEST_BIN_DIR=$BIN_DIR
  unset WAYBILL_FAULT_DATABASE_URL WAYBILL_FAULT_AMQP_URL WAYBILL_FAULT_RABBITMQ_API_URL WAYBILL_FAULT_CTL
  # Tests are about the defaults, whatever the shell at hand was made to say.
  unset WAYBILL_DATABASE_URL WAYBILL_AMQP_URL WAYBILL_RABBITMQ_API_URL WAYBILL_AUTH__PEPPER
  case $TEST_SETS in *test/main*) test_exports_main test/main ;; esac
  case $TEST_SETS in *test/fault*) test_exports_fault test/fault ;; esac
}
test_exports_main() {
  use_set "$1"
  eval "$(set_exports TEST)"
}
test_exports_fault() {
  use_set "$1"
  eval "$(set_exports FAULT)"
  export WAYBILL_FAULT_CTL=$SET_DIR/ctl
  {
    echo '#!/usr/bin/env bash'
    printf 'exec bash %q %q "$@"\n' "$ROOT/deploy/dev/fault.sh" "$1"
  } >"$WAYBILL_FAULT_CTL"
  chmod +x "$WAYBILL_FAULT_CTL"
}

test_rust() {
  local log="$LOG_DIR/test-rust.log" code=0 sums without= name
  [ -d "$ROOT/../shared" ] || say "../shared is not here: tests that read its collections say so and do without"
  [ -n "$BROWSER_HERE" ] || without=browser
  if [ -z "$TEST_SETS" ]; then
    without="fault${without:+ $without}"
    count_skip fault "PostgreSQL and RabbitMQ packages are missing, and these tests stop and start them"
  fi
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --release --workspace --locked --no-fail-fast ${without:+-E "not test(/^(${without// /|})::/)"} "$@" \
      </dev/null 2>&1 | tee "$log" || code=$?
    sums=$(count_nextest "$log")
  else
    # shellcheck disable=SC2046  # words without spaces
    cargo test --release --workspace --locked --no-fail-fast "$@" \
      -- $(for name in $without; do printf -- '--skip %s:: ' "$name"; done) </dev/null 2>&1 | tee "$log" || code=$?
    sums=$(count_cargo "$log")
  fi
  # shellcheck disable=SC2086  # three numbers
  count_add $sums "$code" rust
}

test_deploy() {
  local log="$LOG_DIR/test-deploy.log" code=0
  if [ ! -x tests/deploy/check ]; then
    count_skip deploy "tests/deploy/check is missing"
    return 0
  fi
  tests/deploy/check "$@" </dev/null 2>&1 | tee "$log" || code=$?
  # shellcheck disable=SC2046  # three numbers
  count_add $(count_lines "$log") "$code" deploy
}

# Whatever happened: our services end and their data goes.
test_clean() {
  trap '' INT TERM
  [ -n "${TEST_SETS:-}" ] && place_known || return 0
  room_leave
  [ -z "${CHAOS_DRILLS:-}" ] || chaos_drop || echo "some services of the drill did not end; ./dev down --purge tries again" >&2
  sets_drop test/main test/fault test/main4 test/flt4 || echo "some services of the tests did not end; ./dev down --purge tries again" >&2
}
