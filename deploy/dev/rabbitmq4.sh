# shellcheck shell=bash
# A RabbitMQ of version 4 beside the system's own: Debian 13's, in a folder of its own ("room", room.sh).
# A set that was prepared with ROOM_WANTED runs its RabbitMQ in there; all else about it is as in any set.

ROOM_SUITE=trixie
ROOM_PID=$RUN_DIR/rabbitmq-4.pid
# Which tests concern the broker, by the modules of tests/it.
BROKER_TESTS="accept batch cancel conservation demo doctor fault idempotency order process publish shutdown visits watch"

room_here() {
  ROOM=$DATA_ROOT/rabbitmq-4
  [ -x "$ROOM/usr/lib/rabbitmq/bin/rabbitmq-server" ]
}

# Prints why this machine cannot have it at all; nothing when it can.
room_cannot() {
  if ! running_as_root; then
    echo "it takes root, for a chroot"
  elif ! unshare --mount --pid --fork true 2>/dev/null; then
    echo "it takes a mount namespace, which this machine does not allow"
  elif room_here; then
    return 0
  elif ! command -v apt-get >/dev/null || [ -z "$(room_mirror)" ]; then
    echo "it comes from Debian, and this machine's packages do not"
  elif ! command -v debootstrap >/dev/null && ! apt-cache show debootstrap >/dev/null 2>&1; then
    echo "it takes debootstrap, which this machine's apt does not have"
  fi
}

# The mirror that this machine's own packages come from.
room_mirror() {
  # shellcheck disable=SC2016  # apt's variables
  apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(ORIGIN) $(LABEL)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's/ main Debian Debian$//p' | sed -n 1p
}

# Makes the room unless it is there: a minute or two, once. Fails when that fails; the log says why.
ROOM_LOG=$LOG_DIR/rabbitmq-4.log
room_make() {
  ! room_here || return 0
  command -v debootstrap >/dev/null || (packages_install apt-get debootstrap) || return 1
  note "installing RabbitMQ 4, from Debian $ROOM_SUITE, in $ROOM; log: $ROOM_LOG"
  rm -f -- "$ROOM_LOG"
  launch "$ROOM_PID" "$ROOM_LOG" "$DATA_ROOT" unshare --mount --pid --fork --kill-child \
    bash "$ROOT/deploy/dev/room.sh" make "$ROOM" "$ROOM_SUITE" "$(room_mirror)" rabbitmq-server
  wait_for "Debian $ROOM_SUITE and its RabbitMQ" 900 room_settled || true
  room_leave
  room_here
}
room_settled() { ! pid_alive "$ROOM_PID"; }

# Whatever is still at work on it ends, and all its mounts with it.
room_leave() { stop_pid "$ROOM_PID" "the installation of RabbitMQ 4" 10 TERM; }

# The room, or a failure that says why not. apt's lists may be missing or old.
room_ensure() {
  local reason
  room_here || ! running_as_root || apt-get update >>"$PACKAGES_LOG" 2>&1 || true
  reason=$(room_cannot)
  [ -z "$reason" ] || fail "RabbitMQ 4 cannot be had here: $reason"
  room_make || fail "RabbitMQ 4 could not be installed" "$ROOM_LOG" "see the log, then the same command again"
}

# Its RabbitMQ's version.
room_version() {
  local folder
  for folder in "$ROOM"/usr/lib/rabbitmq/lib/rabbitmq_server-*; do printf %s "${folder##*-}"; done
}

# The words that run a program in the room of the set in use, as the service user; nobody else sees what is
# mounted for it, and it goes with the program.
room_words() {
  AS_SET=(unshare --mount bash "$ROOT/deploy/dev/room.sh" enter "$RABBIT_ROOM" "$SET_DATA"
    "$(id -u "$SERVICE_USER"):$(id -g "$SERVICE_USER")")
}

# Part of ./dev test: the tests that concern the broker, a second time. ROOM_TESTED then allows the drill.
test_rabbitmq_4() {
  local reason=
  ROOM_TESTED=
  case ${RABBIT_SBIN:-} in *rabbitmq_server-4.*)
    say "rabbitmq 4: it is the system's own, on which all the tests above have run"
    return 0
    ;;
  esac
  if [ -z "$TEST_SETS" ]; then
    reason="PostgreSQL and RabbitMQ packages are missing"
  else
    [ "${1:-}" != --full ] || room_here || ! running_as_root || apt-get update >>"$PACKAGES_LOG" 2>&1 || true
    reason=$(room_cannot)
    if [ -z "$reason" ] && [ "${1:-}" != --full ] && ! room_here; then
      reason="it is not here; ./dev test --full installs it"
    fi
  fi
  if [ -n "$reason" ]; then
    count_skip "rabbitmq 4" "$reason"
  elif ! room_make; then
    tail -n 15 "$ROOM_LOG" || true
    echo "FAIL rabbitmq 4: it could not be installed; $ROOM_LOG says why"
    FAILED=$((FAILED + 1))
  else
    test_rabbitmq_4_rust
    ROOM_TESTED=1
  fi
}

test_rabbitmq_4_rust() {
  local log="$LOG_DIR/test-rabbitmq-4.log" code=0 sums
  say "the tests that concern the broker, on RabbitMQ $(room_version)"
  ROOM_WANTED=$ROOM sets_start test/main4 test/flt4
  test_exports_main test/main4
  test_exports_fault test/flt4
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --release --workspace --locked --no-fail-fast --test it \
      -E "test(/^(${BROKER_TESTS// /|})::/)" </dev/null 2>&1 | tee "$log" || code=$?
    sums=$(count_nextest "$log")
  else
    # shellcheck disable=SC2046,SC2086  # names
    cargo test --release --workspace --locked --no-fail-fast --test it -- $(printf '%s:: ' $BROKER_TESTS) \
      </dev/null 2>&1 | tee "$log" || code=$?
    sums=$(count_cargo "$log")
  fi
  # shellcheck disable=SC2086  # three numbers
  set -- $sums
  say "rabbitmq 4: $1 passed, $2 failed"
  # What was not chosen is not skipped: it has run above.
  count_add "$1" "$2" 0 "$code" "rabbitmq 4"
  sets_drop test/main4 test/flt4 || echo "some services of the tests did not end; ./dev down --purge tries again" >&2
}

# Part of ./dev test --full: the short drill too.
test_chaos_4() {
  [ "${1:-}" != --full ] || [ -z "$ROOM_TESTED" ] || test_chaos --full 4
}
