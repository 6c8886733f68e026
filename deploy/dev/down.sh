# shellcheck shell=bash
# ./dev down: stops what ./dev up started, by recorded pid, and nothing else. Data stays; --purge
# deletes it.

cmd_down() {
  local purge=
  case ${1:-} in
    '') ;;
    --purge) purge=1 ;;
    *) echo "usage: ./dev down [--purge]" >&2 && exit 2 ;;
  esac
  if ! place_known; then
    say "nothing to stop: ./dev up has not run here"
    return 0
  fi
  place_prepare
  STEP_WHAT="stopping"
  ! pid_alive "$RUN_DIR/up.lock" || fail "./dev up is at work (pid $(pid_of "$RUN_DIR/up.lock"))" "" "wait for it, or end it with Ctrl-C"
  if processes_running; then
    say "stopping ingest-api, workers and serve …"
    processes_stop || fail "not all of our processes ended" "" "see above"
  fi
  down_services "$purge"
  if [ -n "$purge" ]; then down_purge; fi
  say "stopped${purge:+; data and logs are deleted}"
}

down_services() {
  if set_running up; then
    say "stopping PostgreSQL and RabbitMQ …"
    sets_stop up || fail "not all services ended" "" "see above"
  fi
  [ -s "$DEV_DIR/compose" ] || return 0
  if compose_answers; then
    compose_stop ${1:+--volumes}
  else
    note "no Docker engine answers; when one does again, remove what it may still have of ours:"
    note "docker compose -p $(compose_project) down${1:+ --volumes}"
  fi
}

# Everything that ./dev ever made here, what interrupted tests left running included.
down_purge() {
  local name
  for name in test bench chaos; do
    ! pid_alive "$RUN_DIR/$name.lock" || fail "./dev $name is at work (pid $(pid_of "$RUN_DIR/$name.lock"))" "" "wait for it, then ./dev down --purge"
  done
  for CHAOS_SET in chaos test/chaos; do
    chaos_drop || fail "the services of $CHAOS_SET cannot be stopped"
  done
  for name in test/main test/fault test/main4 test/flt4 bench "$DEV_DIR"/extra/*; do
    sets_drop "${name#"$DEV_DIR/"}" || fail "the services of ${name#"$DEV_DIR/"} cannot be stopped"
  done
  room_leave
  place_purge_private
  rm -rf -- "$DEV_DIR"
}
